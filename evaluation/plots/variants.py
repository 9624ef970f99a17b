"""Variants of an ablation side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import BLUE, GREY, ORANGE, blank_figure, legend_below, name_rows, rows_height


def variants_figure(rows: Sequence[Mapping[str, Any]], title: str, chance: float | None = None) -> Figure:
    """Macro-F1 of every variant with its 95 % interval, and each of its runs as a small dot.

    Args:
        rows (`Sequence[Mapping]`): `variant` (its name), `score`, `low`, `high` (None where there is no interval) and
            `runs` (macro-F1 of each run), from top to bottom.
        title (`str`): Names the corpus, and whether actors are unseen.
        chance (`float`, *optional*): Macro-F1 of guessing, drawn as a line.
    """
    names = [str(row["variant"]) for row in rows]
    figure = blank_figure(8, rows_height(names) + 0.2, title)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        if row["low"] is not None and row["high"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=BLUE, lw=2, label="95 % interval")
        axes.plot(row["score"], place, "o", color=BLUE, ms=8, label="all test clips")
        # Under the other, so that neither hides the other.
        axes.plot(row["runs"], [place + 0.24] * len(row["runs"]), "o", color=ORANGE, ms=3.5, alpha=0.8, label="a run")
    if chance is not None:
        axes.axvline(chance, color=GREY, ls=":", label=f"chance: {chance:.3f}")
    name_rows(axes, names)
    axes.set_xlim(*_span([value for row in rows for value in _values(row)] + ([] if chance is None else [chance])))
    axes.set_xlabel("macro-F1")
    axes.grid(axis="x", alpha=0.3)
    _one_label_each(axes)
    legend_below(figure, axes)
    return figure


def _values(row: Mapping[str, Any]) -> list[float]:
    return [value for value in (row["score"], row["low"], row["high"], *row["runs"]) if value is not None]


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis on which all values lie with some room."""
    room = max(0.05 * (max(values) - min(values)), 0.01)
    return min(values) - room, max(values) + room


def _one_label_each(axes: Axes) -> None:
    """Name each kind of mark once in the legend."""
    seen: set[object] = set()
    for line in axes.get_lines():
        if line.get_label() in seen:
            line.set_label("_nolegend_")
        seen.add(line.get_label())
