"""Plots over several runs: the gate under noise, variants of an ablation, a hyper-parameter search."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .figures import BLUE, COLOURS, GREY, ORANGE, blank_figure, legend_below, name_rows, rows_height, save_figure

_NOISE = {"noise 20 dB": "20 dB", "noise 10 dB": "10 dB", "noise 0 dB": "0 dB"}
_BLACK = {"black frames 50 %": "50 %", "black frames 100 %": "100 %"}
_STYLES = ("o-", "s--", "^-.", "D:")


def plot_gate(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str, path: Path) -> None:
    """The gate under noise and black frames as PNG; arguments and errors as `gate_figure`."""
    save_figure(gate_figure(runs, title), path)


def gate_figure(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> Figure:
    """Mean weight of the sound against noise in it and, beside, against the share of black frames; one line a run.

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
        colour, style = COLOURS[index % len(COLOURS)], _STYLES[index % len(_STYLES)]
        gates = {row["condition"]: row.get("gate") for row in table}
        undisturbed = next(iter(gates.values()))
        for axes, conditions in ((noise, _NOISE), (black, _BLACK)):
            heights = [undisturbed, *map(gates.get, conditions)]
            points = [(place, height) for place, height in enumerate(heights) if height is not None]
            axes.plot(*zip(*points, strict=True), style, color=colour, ms=5, label=name)
    _gate_axes(noise, ["undisturbed", *_NOISE.values()], "noise in the sound (signal to noise)")
    _gate_axes(black, ["0 %", *_BLACK.values()], "black frames")
    noise.set_ylim(-0.03, 1.03)
    noise.set_ylabel("gate: mean weight of the sound")
    legend_below(figure, noise)
    return figure


def _gate_axes(axes: Axes, ticks: list[str], label: str) -> None:
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlim(-0.3, len(ticks) - 0.7)
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)


def plot_variants(rows: Sequence[Mapping[str, Any]], title: str, path: Path, chance: float | None = None) -> None:
    """Variants of an ablation as PNG; arguments as `variants_figure`."""
    save_figure(variants_figure(rows, title, chance), path)


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


def plot_importance(importances: Mapping[str, float], title: str, path: Path) -> None:
    """Importance of hyper-parameters as PNG; arguments as `importance_figure`."""
    save_figure(importance_figure(importances, title), path)


def importance_figure(importances: Mapping[str, float], title: str) -> Figure:
    """Importance of every hyper-parameter, the largest on top.

    Args:
        importances (`Mapping[str, float]`): Share of each, as `optuna.importance.get_param_importances` gives them.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    names = sorted(importances, key=lambda name: -importances[name])
    shares = [importances[name] for name in names]
    figure = blank_figure(8, rows_height(names), title)
    axes = figure.subplots()
    axes.barh(range(len(names)), shares, height=0.62, color=BLUE)
    for place, share in enumerate(shares):
        axes.annotate(f"{share:.2f}", (share, place), xytext=(4, 0), textcoords="offset points", va="center")
    name_rows(axes, names)
    axes.set_xlim(0, 1.1 * max([*shares, 0.01]))
    axes.set_xlabel("share of the importance")
    return figure


def plot_trials(values: Sequence[float | None], title: str, path: Path) -> None:
    """Trials of a search as PNG; arguments as `trials_figure`."""
    save_figure(trials_figure(values, title), path)


def trials_figure(values: Sequence[float | None], title: str) -> Figure:
    """Objective of every trial of a search, and the best (largest) so far.

    Args:
        values (`Sequence[float | None]`): Objective by trial; one that was stopped or failed has None or NaN, and no
            dot.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    found = np.array([np.nan if value is None else value for value in values], np.float64)
    figure = blank_figure(8, 3.4, title)
    axes = figure.subplots()
    axes.plot(range(len(found)), found, "o", color=BLUE, ms=5, label="trial")
    # Before the first trial that finished there is no best one: NaN, which is not drawn.
    best = np.fmax.accumulate(found) if len(found) else found
    axes.step(range(len(found)), best, where="post", color=ORANGE, label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel("objective")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    legend_below(figure, axes)
    return figure
