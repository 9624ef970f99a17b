"""The gate against damage: noise in the sound, and black frames."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofusion.evaluation.scores.intervals import mean_interval

from .figures import COLOURS, blank_figure, legend_below

_NOISE = {"noise 20 dB": "20 dB", "noise 10 dB": "10 dB", "noise 0 dB": "0 dB"}
_BLACK = {"black frames 50 %": "50 %", "black frames 100 %": "100 %"}
_STYLES = ("o-", "s--", "^-.", "D:")


def gate_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> Figure:
    """Mean weight of the sound against noise in it and, beside, against the share of black frames; one line a run.

    Bars are the 95 % interval of the mean over actors, where it is known what the gate is for each of them.

    Args:
        runs (`Mapping[str, Sequence[Mapping]]`): `robustness` of metrics.json by name of the run.
        title (`str`): Names the corpus, and whether actors are unseen.

    Raises:
        ValueError: No run has a gate.
    """
    gated = {name: table for name, table in runs.items() if any(row.get("gate") is not None for row in table)}
    if not gated:
        raise ValueError(f"gate: none of the runs {', '.join(runs) or '(none given)'} has one; give runs that fuse")
    figure = blank_figure(9, 3.4, title)
    noise, black = figure.subplots(1, 2, sharey=True, width_ratios=(4, 3))
    for index, (name, table) in enumerate(gated.items()):
        look = COLOURS[index % len(COLOURS)], _STYLES[index % len(_STYLES)]
        rows = {row["condition"]: row for row in table}
        shift = 0.07 * (index - (len(gated) - 1) / 2) if len(gated) < 5 else 0.0  # bars of several stand beside
        for axes, conditions in ((noise, _NOISE), (black, _BLACK)):
            _line(axes, [table[0], *map(rows.get, conditions)], shift, name, *look)
    _gate_axes(noise, ["undisturbed", *_NOISE.values()], "noise in the sound (signal to noise)")
    _gate_axes(black, ["0 %", *_BLACK.values()], "black frames")
    noise.set_ylim(-0.03, 1.03)
    noise.set_ylabel("gate: mean weight of the sound")
    legend_below(figure, noise)
    return figure


def _line(
    axes: Axes, rows: Sequence[Mapping[str, Any] | None], shift: float, name: str, colour: str, style: str
) -> None:
    """The gate of each row in its place; a row that is not there, or has none, leaves its place empty."""
    there = [(place + shift, row) for place, row in enumerate(rows) if row is not None and row.get("gate") is not None]
    axes.plot([place for place, _ in there], [row["gate"] for _, row in there], style, color=colour, ms=5, label=name)
    for place, row in there:
        interval = mean_interval(list((row.get("gate_by_actor") or {}).values()))
        if interval is not None:
            # A line and not an error bar: where actors have unequally many clips, the mean of all may lie outside.
            axes.plot([place, place], interval, "_-", color=colour, ms=7, lw=1.2)


def _gate_axes(axes: Axes, ticks: list[str], label: str) -> None:
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlim(-0.3, len(ticks) - 0.7)
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)
