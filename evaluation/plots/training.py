"""Training curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import BLUE, GREEN, ORANGE, blank_figure


def training_figure(history: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Training curves from Trainer's `state.log_history`: losses and, where there are any, validation scores."""
    validated = any("eval_macro_f1" in entry for entry in history)
    figure = blank_figure(9 if validated else 5.5, 3.6, title)
    panels = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
    _curve(panels[0], history, "loss", "training", BLUE, "o-")
    _curve(panels[0], history, "eval_loss", "validation", ORANGE, "s--")
    panels[0].set_ylabel("loss")
    panels[0].set_ylim(bottom=0)
    if validated:
        _curve(panels[1], history, "eval_macro_f1", "macro-F1", BLUE, "o-")
        _curve(panels[1], history, "eval_uar", "UAR", GREEN, "s--")
        panels[1].set_ylabel("validation score")
        panels[1].set_ylim(0, 1)
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def _curve(axes: Axes, history: Sequence[Mapping[str, Any]], key: str, label: str, colour: str, style: str) -> None:
    points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
    if points:
        axes.plot(*zip(*points, strict=True), style, ms=3, label=label, color=colour)
