"""Scores on missing and damaged input."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .figures import AMBER, GREEN, GREY, ORANGE, PURPLE, SKY, blank_figure, legend_below, name_rows, rows_height

_DAMAGE = {"noise": ORANGE, "black": GREEN, "sound late": PURPLE, "audio only": SKY, "video only": SKY}


def robustness_figure(robustness: Sequence[Mapping[str, Any]], chance: float | None, title: str) -> Figure:
    """Macro-F1 on missing and damaged input; the undisturbed input, which comes first, and chance are lines.

    Args:
        robustness (`Sequence[Mapping]`): `robustness` of metrics.json.
        chance (`float`, *optional*): Macro-F1 of guessing.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    names, scores = [row["condition"] for row in robustness], [row["macro_f1"] for row in robustness]
    figure = blank_figure(8, rows_height(names) + 0.2, title)
    axes = figure.subplots()
    axes.barh(range(len(names)), scores, height=0.62, color=[GREY, *map(_damage_colour, names[1:])])
    for row, score in enumerate(scores):  # in a column of their own, where no bar and no line comes
        axes.annotate(f"{score:.3f}", (1, row), xytext=(6, 0), textcoords="offset points", va="center")
    axes.axvline(scores[0], color="black", ls="--", lw=1, label=f"undisturbed: {scores[0]:.3f}")
    if chance is not None:
        axes.axvline(chance, color="black", ls=":", lw=1.5, label=f"chance: {chance:.3f}")
    name_rows(axes, names)
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("macro-F1")
    legend_below(figure, axes)
    return figure


def _damage_colour(condition: str) -> str:
    return next((colour for start, colour in _DAMAGE.items() if condition.startswith(start)), AMBER)
