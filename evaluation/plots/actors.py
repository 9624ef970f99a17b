"""Scores of every test actor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .figures import BLUE, GREEN, GREY, ORANGE, actors_width, blank_figure, legend_below, sorted_actors, uar_of_actors

_MARKS = {"female": (ORANGE, "^"), "male": (BLUE, "o"), "": (BLUE, "o")}


def actors_figure(
    by_actor: Mapping[str, Mapping[str, Any]],
    title: str,
    chance: float | None = None,
    person: str = "actor",
) -> Figure:
    """UAR of every test actor as a dot, with the mean of several; women and men in colours and shapes of their own.

    Args:
        by_actor (`Mapping`): `test_by_actor` of metrics.json.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): UAR of guessing, drawn as a line.
        person (`str`): What one of them is called.
    """
    actors = sorted_actors(by_actor)
    uar = np.array([by_actor[actor]["uar"] for actor in actors])
    figure = blank_figure(actors_width(1.2 + 0.32 * len(actors)), 3.4, title)
    axes = figure.subplots()
    groups = [by_actor[actor].get("gender", "") for actor in actors]
    for group in sorted(set(groups)):
        colour, marker = _MARKS.get(group, (GREEN, "s"))
        places = [place for place, found in enumerate(groups) if found == group]
        axes.plot(places, uar[places], marker, color=colour, ms=8, label=group or person, zorder=3)
    if len(actors) > 1:
        axes.axhline(uar.mean(), color=GREY, label=f"mean of the {person}s: {uar.mean():.3f}")
    uar_of_actors(figure, axes, actors, chance, person=person)
    legend_below(figure, axes)
    return figure
