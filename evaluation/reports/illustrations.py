"""The plots of a run: which there are, and what stands over them."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emofusion.evaluation.plots.actors import actors_figure
from emofusion.evaluation.plots.branches import branches_figure
from emofusion.evaluation.plots.confusion import confusion_figure
from emofusion.evaluation.plots.coverage import coverage_figure
from emofusion.evaluation.plots.figures import drawn
from emofusion.evaluation.plots.gate import gate_figure
from emofusion.evaluation.plots.robustness import robustness_figure
from emofusion.evaluation.plots.training import training_figure
from emofusion.evaluation.run_files import (
    ACTORS_PLOT,
    BRANCHES_PLOT,
    CONFUSION_PLOT,
    COVERAGE_PLOT,
    CURVES_PLOT,
    GATE_PLOT,
    ROBUSTNESS_PLOT,
    TRAINER_STATE_FILE,
)

from .calibration_words import mark_of_answers
from .subject import known_actors, person, tested_on

logger = logging.getLogger(__name__)


def history_of(folder: Path) -> list[dict[str, Any]]:
    """Losses and scores on the way, as Trainer left them in the folder; empty where nothing was trained."""
    path = folder / TRAINER_STATE_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))["log_history"] if path.is_file() else []
    except (OSError, ValueError, KeyError) as error:
        logger.warning("%s cannot be read (%s): no training curves", path, error)
        return []


def plots_of(metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> dict[str, Callable[[Path], None]]:
    """What draws each plot, by its file; only those whose numbers are there.

    Args:
        metrics (`Mapping`): Content of metrics.json.
        history (`Sequence[Mapping]`): Trainer's `state.log_history`; without a loss in it there are no curves.
    """
    title, scored = f"{metrics['fusion']}, {metrics['corpus']}", tested_on(metrics)
    heading = f"{title}: macro-F1 {metrics['test_macro_f1']:.3f} on {scored}"
    matrix, by_actor, robustness = (
        metrics.get(name) for name in ("test_confusion_matrix", "test_by_actor", "robustness")
    )
    plots: dict[str, Callable[[Path], None]] = {}
    if matrix:
        plots[CONFUSION_PLOT] = drawn(confusion_figure, matrix, metrics["labels"], heading)
    if by_actor:
        plots[ACTORS_PLOT] = drawn(
            actors_figure, by_actor, f"{title}: UAR of {scored}", metrics.get("chance_uar"), person(metrics)
        )
    plots |= coverage_plot(metrics, f"{title}: accuracy where it may be unsure, {scored}")
    if robustness:
        damaged = f"{title}: missing and damaged input, {scored}"
        plots[ROBUSTNESS_PLOT] = drawn(robustness_figure, robustness, metrics.get("chance_macro_f1"), damaged)
        plots |= gate_plot(metrics["fusion"], robustness, f"{title}: weight of the sound, {scored}")
    plots |= branches_plot(metrics, f"{title}: UAR beside its branches, {scored}")
    if any("loss" in entry for entry in history):
        validated = tested_on(metrics) if known_actors(metrics) else "its own part"
        above = f"{title}: training, validation on {validated}"
        plots[CURVES_PLOT] = drawn(training_figure, history, above, metrics.get("chance_uar"))
    return plots


def coverage_plot(metrics: Mapping[str, Any], title: str) -> dict[str, Callable[[Path], None]]:
    """What draws coverage against accuracy, by its file; nothing for scores of an older release.

    Args:
        metrics (`Mapping`): Content of metrics.json, or several runs as one.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    rows, mark = metrics.get("test_by_coverage"), mark_of_answers(metrics)
    if not rows:
        return {}
    marked = (metrics["test_answered"], mark) if mark else None
    return {
        COVERAGE_PLOT: drawn(coverage_figure, {metrics["fusion"]: rows}, title, metrics.get("chance_accuracy"), marked)
    }


def gate_plot(name: str, robustness: Sequence[Mapping[str, Any]], title: str) -> dict[str, Callable[[Path], None]]:
    """What draws the gate against damage, by its file; nothing for a model without a gate.

    Args:
        name (`str`): What the model is called.
        robustness (`Sequence[Mapping]`): `robustness` of metrics.json.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    gated = any(row.get("gate") is not None for row in robustness)
    return {GATE_PLOT: drawn(gate_figure, {name: robustness}, title)} if gated else {}


def branches_plot(metrics: Mapping[str, Any], title: str) -> dict[str, Callable[[Path], None]]:
    """What draws a fusion beside its branches, actor by actor, by its file; nothing where there are none.

    Args:
        metrics (`Mapping`): Content of metrics.json, or several runs as one.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    branches = metrics.get("branches")
    if not branches:
        return {}
    alone = {name: found["uar_by_actor"] for name, found in branches.items()}
    together = {actor: group["uar"] for actor, group in metrics["test_by_actor"].items()}
    return {
        BRANCHES_PLOT: drawn(
            branches_figure, alone, together, metrics["fusion"], title, metrics.get("chance_uar"), person(metrics)
        )
    }
