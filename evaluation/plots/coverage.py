"""Coverage against accuracy: how often a model is right where it leaves out the clips it is least sure of."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .figures import BLUE, COLOURS, GREY, ORANGE, blank_figure, legend_below

_STYLES = ("o-", "s--", "^-.", "D:")


def coverage_figure(
    models: Mapping[str, Sequence[Mapping[str, Any]]],
    title: str,
    chance: float | None = None,
    answered: tuple[Mapping[str, Any], str] | None = None,
) -> Figure:
    """Accuracy of the clips that a model is surest of, against how many these are; one line a model.

    A single model has the 95 % interval over actors as a band.

    Args:
        models (`Mapping[str, Sequence[Mapping]]`): `test_by_coverage` of metrics.json by name of the model.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): Accuracy of guessing, drawn as a line: it knows nothing of any clip.
        answered (`tuple`, *optional*): `test_answered` of metrics.json, which is marked, and what the mark is called.
    """
    figure = blank_figure(6.5, 3.6, title)
    axes = figure.subplots()
    for index, (name, rows) in enumerate(models.items()):
        look = COLOURS[index % len(COLOURS)], _STYLES[index % len(_STYLES)]
        points = sorted((row["coverage"], row["accuracy"]) for row in rows)
        axes.plot(*zip(*points, strict=True), look[1], color=look[0], ms=4, label=name)
    if len(models) == 1:
        _band(axes, *models.values())
    if answered is not None and answered[0]["accuracy"] is not None:
        place = answered[0]["coverage"], answered[0]["accuracy"]
        axes.plot(*place, "*", color=ORANGE, ms=14, markeredgecolor="white", label=answered[1], zorder=4)
    if chance is not None:
        axes.axhline(chance, color=GREY, ls=":", label=f"chance: {chance:.3f}")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("clips that are answered, the surest first")
    axes.set_ylabel("accuracy of the answers")
    axes.grid(alpha=0.3)
    legend_below(figure, axes)
    return figure


def _band(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """The interval of each row, where it has one, as a band."""
    bounds = sorted((row["coverage"], *row["accuracy_interval"]) for row in rows if row["accuracy_interval"])
    if len(bounds) > 1:
        places, low, high = zip(*bounds, strict=True)
        axes.fill_between(places, low, high, color=BLUE, alpha=0.15, lw=0, label="95 % interval")
