"""A fusion beside its branches, actor by actor."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .figures import BLUE, GREEN, GREY, ORANGE, actors_width, blank_figure, legend_below, sorted_actors, uar_of_actors

_MARKS = {"audio": (ORANGE, "^"), "video": (GREEN, "s")}


def branches_figure(
    branches: Mapping[str, Mapping[str, float]],
    fusion: Mapping[str, float],
    name: str,
    title: str,
    chance: float | None = None,
    person: str = "actor",
) -> Figure:
    """UAR of every test actor of each branch and of the fusion, side by side, and their means at the right.

    A line joins the marks of an actor, so that it can be seen who gains and who loses by the fusion.

    Args:
        branches (`Mapping`): UAR by actor, by branch.
        fusion (`Mapping[str, float]`): The same of the fusion, for the same actors.
        name (`str`): What the fusion is called.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): UAR of guessing, drawn as a line.
        person (`str`): What one of the actors is called.
    """
    actors = sorted_actors(fusion)
    shown = {label: (branches[label], *_MARKS[label]) for label in _MARKS if label in branches}
    shown[name] = (fusion, BLUE, "o")
    figure = blank_figure(actors_width(2.2 + 0.42 * len(actors)), 3.6, title)
    axes = figure.subplots()
    places = np.array([*range(len(actors)), len(actors) + 0.5])  # the means stand apart
    offsets = np.linspace(-0.22, 0.22, len(shown))
    heights = np.array([_with_mean([found[actor] for actor in actors]) for found, _, _ in shown.values()])
    axes.plot(places + offsets[:, None], heights, color=GREY, lw=0.8, alpha=0.6, zorder=2)
    for offset, row, (label, (_, colour, marker)) in zip(offsets, heights, shown.items(), strict=True):
        words = f"{label}, mean of the {person}s: {row[-1]:.3f}"
        axes.plot(places + offset, row, marker, color=colour, ms=7, label=words, zorder=3)
    axes.axvline(len(actors) - 0.25, color=GREY, lw=0.8)
    uar_of_actors(figure, axes, actors, chance, places[-1], person)
    legend_below(figure, axes)
    return figure


def _with_mean(values: list[float]) -> list[float]:
    return [*values, float(np.mean(values))]
