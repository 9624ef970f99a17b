"""`--cross_validate`: every fold of a protocol; validation actors choose, and test actors are scored once.

Repeating the command after an interruption goes on with the unfinished fold.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState

from emofusion.evaluation.record.command_line import command_line
from emofusion.evaluation.reports import fold_report
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.run.job import SCRIPT, say

from .grid import plan, run_cells, summary_of, words_of_experiment
from .release import check_release, release


def cross_validate(experiment: ExperimentArguments, words: Sequence[str]) -> dict[str, Any]:
    """Train and score all folds that the actors present allow; returns the content of cross_validation.json.

    Raises:
        ArgumentError, SetupError: Flags, recipe or corpus are wrong.
    """
    if experiment.release:
        check_release(Path(experiment.release), words)
    planned = plan(experiment, words)
    cells = list(run_cells(planned))
    record = {
        **summary_of(cells),
        **fold_report.common([cell.metrics for cell in cells]),
        "refused_folds": planned.folds.refused,
        "stand_in_validation": planned.folds.stand_ins,
        "command": command_line([SCRIPT, *words, *words_of_experiment(experiment)]),
    }
    if PartialState().is_main_process:
        fold_report.save(record, planned.folder)
        say(fold_report.text(record))
        say(f"every fold, its predictions and card: {planned.folder}")
    if experiment.release:
        release(experiment, planned, record, cells)
    return record
