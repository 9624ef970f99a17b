"""A hyper-parameter search: its trials, and which flags mattered."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .figures import BLUE, ORANGE, blank_figure, legend_below, name_rows, rows_height


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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(-0.5, max(len(found), 1) - 0.5)
    if not np.isfinite(found).any():
        axes.set_yticks([])  # there is nothing to measure
    axes.grid(alpha=0.3)
    legend_below(figure, axes)
    return figure
