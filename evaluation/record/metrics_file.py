"""metrics.json: written whole, and read back."""

import json
from pathlib import Path
from typing import cast

from emofusion.data.whole_files import write_json
from emofusion.evaluation.run_files import METRICS_FILE

from .run_record import RunRecord


def save_metrics(metrics: RunRecord, folder: Path) -> None:
    """Write metrics.json into a run's folder; from then on the run counts as finished."""
    write_json(folder / METRICS_FILE, metrics, indent=2)


def read_metrics(folder: Path, tested: bool = True) -> RunRecord:
    """Content of a run's metrics.json; that of an older release may lack fields that are not `needed`.

    Args:
        folder (`Path`): Output folder of the run.
        tested (`bool`): False where the run has no test, and its file no score.

    Raises:
        FileNotFoundError, ValueError: There is none, or it has no test score.
    """
    path = folder / METRICS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; train first, with --output_dir {folder}")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    if tested and "test_macro_f1" not in metrics:
        raise ValueError(f"{path}: no test score in it")
    return cast(RunRecord, metrics)
