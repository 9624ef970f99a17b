"""Plots of a run: confusion matrix, training curves, scores by actor, scores on missing and damaged input."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    blank_figure,
    legend_below,
    name_rows,
    rows_height,
    save_figure,
)

_MARKS = {"female": (ORANGE, "^"), "male": (BLUE, "o"), "": (BLUE, "o")}
_DAMAGE = {"noise": ORANGE, "black": GREEN, "sound late": PURPLE, "audio only": SKY, "video only": SKY}


def plot_confusion(matrix: list[list[int]], labels: list[str], title: str, path: Path) -> None:
    """Confusion matrix as PNG."""
    save_figure(confusion_figure(matrix, labels, title), path)


def confusion_figure(matrix: list[list[int]], labels: list[str], title: str) -> Figure:
    """Confusion matrix: rows are the true classes; colour is the share of the row, the number the clips."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side, longer = 2.4 + 0.62 * len(labels), max(0, max(map(len, labels)) - len("surprised"))
    figure = blank_figure(side + 0.8 + 0.08 * longer, side - 0.2 + 0.06 * longer, title)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        colour = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return figure


def plot_training(history: list[dict[str, Any]], title: str, path: Path) -> None:
    """Training curves as PNG."""
    save_figure(training_figure(history, title), path)


def training_figure(history: list[dict[str, Any]], title: str) -> Figure:
    """Training curves from Trainer's `state.log_history`: losses and, where there are any, validation scores."""
    validated = any("eval_macro_f1" in entry for entry in history)
    figure = blank_figure(9 if validated else 5.5, 3.6, title)
    panels = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
    _curve(panels[0], history, "loss", "training", BLUE, "o-")
    _curve(panels[0], history, "eval_loss", "validation", ORANGE, "s--")
    panels[0].set_ylabel("loss")
    panels[0].set_ylim(bottom=0)
    if validated:
        _curve(panels[1], history, "eval_macro_f1", "macro-F1", BLUE, "o-")
        _curve(panels[1], history, "eval_uar", "UAR", GREEN, "s--")
        panels[1].set_ylabel("validation score")
        panels[1].set_ylim(0, 1)
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def _curve(axes: Axes, history: list[dict[str, Any]], key: str, label: str, colour: str, style: str) -> None:
    points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
    if points:
        axes.plot(*zip(*points, strict=True), style, ms=3, label=label, color=colour)


def plot_actors(
    by_actor: Mapping[str, Mapping[str, Any]],
    title: str,
    path: Path,
    chance: float | None = None,
) -> None:
    """UAR of every test actor as PNG; arguments as `actors_figure`."""
    save_figure(actors_figure(by_actor, title, chance), path)


def actors_figure(
    by_actor: Mapping[str, Mapping[str, Any]],
    title: str,
    chance: float | None = None,
) -> Figure:
    """UAR of every test actor as a dot, with the mean of the actors; women and men in colours and shapes of their own.

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


def plot_robustness(robustness: Sequence[Mapping[str, Any]], chance: float | None, title: str, path: Path) -> None:
    """Macro-F1 by condition as PNG; arguments as `robustness_figure`."""
    save_figure(robustness_figure(robustness, chance, title), path)


def robustness_figure(robustness: Sequence[Mapping[str, Any]], chance: float | None, title: str) -> Figure:
    """Macro-F1 on missing and damaged input; the undisturbed input, which comes first, and chance are lines.

    Args:
        robustness (`Sequence[Mapping]`): `robustness` of metrics.json.
        chance (`float`, *optional*): Macro-F1 of guessing.
        title (`str`): Names the corpus, and whether actors are unseen.
    """
    names, scores = [row["condition"] for row in robustness], [row["macro_f1"] for row in robustness]
    figure = blank_figure(8, rows_height(names) + 0.2, title)
    axes = figure.subplots()
    axes.barh(range(len(names)), scores, height=0.62, color=[GREY, *map(_damage_colour, names[1:])])
    for row, score in enumerate(scores):
        axes.text(score + 0.01, row, f"{score:.2f}", va="center", bbox={"fc": "white", "ec": "none", "pad": 1})
    axes.axvline(scores[0], color="black", ls="--", lw=1, label=f"undisturbed: {scores[0]:.3f}")
    if chance is not None:
        axes.axvline(chance, color="black", ls=":", lw=1.5, label=f"chance: {chance:.3f}")
    name_rows(axes, names)
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("macro-F1")
    legend_below(figure, axes)
    return figure


def _damage_colour(condition: str) -> str:
    return next((colour for start, colour in _DAMAGE.items() if condition.startswith(start)), AMBER)
