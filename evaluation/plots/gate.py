"""The gate against damage: noise in the sound, and black frames or noisy action units."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofusion.evaluation.scores.intervals import mean_interval

from .figures import COLOURS, blank_figure, legend_below

_PANELS = {
    "noise in the sound (signal to noise)": {"noise 20 dB": "20 dB", "noise 10 dB": "10 dB", "noise 0 dB": "0 dB"},
    "black frames": {"black frames 50 %": "50 %", "black frames 100 %": "100 %"},
    "noise in the action units": {"noisy action units 10 dB": "10 dB", "noisy action units 0 dB": "0 dB"},
}
"""What each panel shows: conditions, and what stands below them. One that no run has is left out."""
_STYLES = ("o-", "s--", "^-.", "D:")


def gate_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> Figure:
    """Mean weight of the sound against noise in it and, beside, against damage to the picture; one line a run.

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
    measured = {row["condition"] for table in gated.values() for row in table}
    panels = {label: rows for label, rows in _PANELS.items() if measured & set(rows)} or dict([*_PANELS.items()][:1])
    figure = blank_figure(9, 3.4, title)
    widths = [1 + len(rows) for rows in panels.values()]
    every = figure.subplots(1, len(panels), sharey=True, width_ratios=widths, squeeze=False)[0]
    for index, (name, table) in enumerate(gated.items()):
        look = COLOURS[index % len(COLOURS)], _STYLES[index % len(_STYLES)]
        rows = {row["condition"]: row for row in table}
        shift = 0.07 * (index - (len(gated) - 1) / 2) if len(gated) < 5 else 0.0  # bars of several stand beside
        for axes, conditions in zip(every, panels.values(), strict=True):
            _line(axes, [table[0], *map(rows.get, conditions)], shift, name, *look)
    for axes, (label, conditions) in zip(every, panels.items(), strict=True):
        _gate_axes(axes, ["undisturbed", *conditions.values()], label)
    every[0].set_ylim(-0.03, 1.03)
    every[0].set_ylabel("gate: mean weight of the sound")
    legend_below(figure, every[0])
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
