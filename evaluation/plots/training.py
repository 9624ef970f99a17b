"""Training curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .figures import BLUE, GREEN, GREY, ORANGE, blank_figure


def training_figure(history: Sequence[Mapping[str, Any]], title: str, chance: float | None = None) -> Figure:
    """Training curves from Trainer's `state.log_history`: losses and, where there are any, validation scores.

    Args:
        history (`Sequence[Mapping]`): What was logged, with the `epoch` of each entry.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): UAR of guessing, drawn as a line among the scores.
    """
    validated = any("eval_macro_f1" in entry for entry in history)
    figure = blank_figure(9 if validated else 5.5, 3.6, title)
    panels = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
    _curve(panels[0], history, "loss", "training, as it is minimised", BLUE, "o-")
    _curve(panels[0], history, "eval_loss", "validation, of the answer alone", ORANGE, "s--")
    panels[0].set_ylabel("loss")
    panels[0].set_ylim(0, _top(panels[0]))
    if validated:
        _curve(panels[1], history, "eval_macro_f1", "macro-F1", BLUE, "o-")
        _curve(panels[1], history, "eval_uar", "UAR", GREEN, "s--")
        panels[1].set_ylabel("validation score")
        panels[1].set_ylim(-0.03, 1.03)
        if chance is not None:
            panels[1].axhline(chance, color=GREY, ls=":", label=f"UAR by chance: {chance:.3f}")
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.set_xlim(0, 1.04 * max([1.0, *(entry.get("epoch", 0.0) for entry in history)]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def _top(axes: Axes) -> float:
    """Where an axis ends so that the highest of its points does not lie on the edge; points may be NaN."""
    values = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.get_lines()] or [np.zeros(1)])
    finite = values[np.isfinite(values)]
    return 1.08 * float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _curve(axes: Axes, history: Sequence[Mapping[str, Any]], key: str, label: str, colour: str, style: str) -> None:
    points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
    if points:
        axes.plot(*zip(*points, strict=True), style, ms=4, label=label, color=colour)
