"""Scores of every test actor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .figures import BLUE, GREEN, GREY, ORANGE, blank_figure, legend_below

_MARKS = {"female": (ORANGE, "^"), "male": (BLUE, "o"), "": (BLUE, "o")}


def actors_figure(
    by_actor: Mapping[str, Mapping[str, Any]],
    title: str,
    chance: float | None = None,
) -> Figure:
    """UAR of every test actor as a dot, with the mean of several; women and men in colours and shapes of their own.

    Args:
        by_actor (`Mapping`): `test_by_actor` of metrics.json.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): UAR of guessing, drawn as a line.
    """
    actors = sorted(by_actor, key=lambda actor: (len(actor), actor))  # 2 before 10
    uar = np.array([by_actor[actor]["uar"] for actor in actors])
    figure = blank_figure(min(14.0, max(6.5, 1.2 + 0.32 * len(actors))), 3.4, title)
    axes = figure.subplots()
    groups = [by_actor[actor].get("gender", "") for actor in actors]
    for group in sorted(set(groups)):
        colour, marker = _MARKS.get(group, (GREEN, "s"))
        places = [place for place, found in enumerate(groups) if found == group]
        axes.plot(places, uar[places], marker, color=colour, ms=8, label=group or "actor", zorder=3)
    if len(actors) > 1:
        axes.axhline(uar.mean(), color=GREY, label=f"mean of the actors: {uar.mean():.3f}")
    if chance is not None:
        axes.axhline(chance, color=GREY, ls=":", label=f"chance: {chance:.3f}")
    crowded = sum(map(len, actors)) > 9 * figure.get_figwidth()
    axes.set_xticks(range(len(actors)), actors, rotation=90 if crowded else 0, fontsize=7 if crowded else "medium")
    axes.set_xlim(-0.7, len(actors) - 0.3)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("test actor")
    axes.set_ylabel("UAR")
    axes.grid(axis="y", alpha=0.3)
    legend_below(figure, axes)
    return figure
