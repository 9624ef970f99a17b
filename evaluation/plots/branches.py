"""A fusion beside its branches, actor by actor."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .figures import BLUE, GREEN, GREY, ORANGE, blank_figure, legend_below

_MARKS = {"audio": (ORANGE, "^"), "video": (GREEN, "s")}


def branches_figure(
    branches: Mapping[str, Mapping[str, float]],
    fusion: Mapping[str, float],
    name: str,
    title: str,
    chance: float | None = None,
) -> Figure:
    """UAR of every test actor of each branch and of the fusion, side by side, and their means at the right.

    A line joins the marks of an actor, so that it can be seen who gains and who loses by the fusion.

    Args:
        branches (`Mapping`): UAR by actor, by branch.
        fusion (`Mapping[str, float]`): The same of the fusion, for the same actors.
        name (`str`): What the fusion is called.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): UAR of guessing, drawn as a line.
    """
    actors = sorted(fusion, key=lambda actor: (len(actor), actor))  # 2 before 10
    shown = {label: (branches[label], *_MARKS[label]) for label in _MARKS if label in branches}
    shown[name] = (fusion, BLUE, "o")
    figure = blank_figure(min(14.0, max(6.5, 2.2 + 0.42 * len(actors))), 3.6, title)
    axes = figure.subplots()
    places = np.array([*range(len(actors)), len(actors) + 0.5])  # the means stand apart
    offsets = np.linspace(-0.22, 0.22, len(shown))
    heights = np.array([_with_mean([found[actor] for actor in actors]) for found, _, _ in shown.values()])
    axes.plot(places + offsets[:, None], heights, color=GREY, lw=0.8, alpha=0.6, zorder=2)
    for offset, row, (label, (_, colour, marker)) in zip(offsets, heights, shown.items(), strict=True):
        words = f"{label}: mean {row[-1]:.3f}"
        axes.plot(places + offset, row, marker, color=colour, ms=7, label=words, zorder=3)
    axes.axvline(len(actors) - 0.25, color=GREY, lw=0.8)
    if chance is not None:
        axes.axhline(chance, color=GREY, ls=":", label=f"chance: {chance:.3f}")
    crowded = sum(map(len, actors)) > 9 * figure.get_figwidth()
    axes.set_xticks(places, [*actors, "mean"], rotation=90 if crowded else 0, fontsize=7 if crowded else "medium")
    axes.set_xlim(-0.7, places[-1] + 0.7)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("test actor")
    axes.set_ylabel("UAR")
    axes.grid(axis="y", alpha=0.3)
    legend_below(figure, axes)
    return figure


def _with_mean(values: list[float]) -> list[float]:
    return [*values, float(np.mean(values))]
