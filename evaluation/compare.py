"""Compare runs: one table from their metrics.json.

python -m emofusion.evaluation.compare runs/demo_audio runs/demo_video runs/demo
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from emofusion.data.protocols import numbers
from emofusion.evaluation.reports.subject import known_actors, pictures_of
from emofusion.evaluation.reports.tables import markdown_table, number
from emofusion.evaluation.scores.metrics import SCORES, TITLES

METRICS_FILE = "metrics.json"


def read_metrics(folder: Path) -> dict[str, Any]:
    """Content of a run's metrics.json.

    Raises:
        FileNotFoundError, ValueError: There is none, or it has no test score.
    """
    path = folder / METRICS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; train first, with --output_dir {folder}")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    if "test_macro_f1" not in metrics:
        raise ValueError(f"{path}: no test score in it")
    return metrics


def table(runs: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of runs by folder; the corpus stands in every line, chance in the last of each corpus."""
    rows = [[folder, metrics["fusion"], where(metrics), *_scores(metrics, "test")] for folder, metrics in runs.items()]
    settings = {where(metrics): metrics for metrics in runs.values()}
    rows += [["-", "chance (guessing)", setting, *_scores(metrics, "chance")] for setting, metrics in settings.items()]
    return markdown_table(
        ["run", "model", "corpus, split, test actors", *(TITLES[name] for name in SCORES)], rows, left=3
    )


def _scores(metrics: dict[str, Any], of: str) -> list[str]:
    return [number(metrics[f"{of}_{name}"]) for name in SCORES]


def where(metrics: dict[str, Any]) -> str:
    """Corpus, split and test actors of a score; of still pictures, which have no actors, how many of which split."""
    if not known_actors(metrics):
        return f"{metrics['corpus']}, {metrics['label_set']}, {pictures_of(metrics)}"
    warning = {True: "LEAKY SPLIT, actors seen in training: ", None: "perhaps seen in training: "}
    leaky = warning.get(metrics.get("leaky", False), "")
    split = f"{metrics['protocol']} fold {metrics['fold']}"
    return f"{leaky}{metrics['corpus']}, {metrics['label_set']}, {split}, actors {numbers(metrics['actors']['test'])}"


def main(argv: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare runs: one table from their metrics.json.")
    parser.add_argument("runs", nargs="+", type=Path, help="output folders of train_hf.py")
    folders = parser.parse_args(argv).runs
    sys.stdout.write(table({str(folder): read_metrics(folder) for folder in folders}) + "\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
