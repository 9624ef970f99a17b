"""Plots of a run: confusion matrix and training curves."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofusion.data.whole_files import write_whole

# Okabe and Ito's colours, told apart by colour-blind readers too.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


def plot_confusion(matrix: list[list[int]], labels: list[str], title: str, path: Path) -> None:
    """Confusion matrix as PNG: rows are the true classes; colour is the share of the row, the number the clips."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.4 + 0.62 * len(labels)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        colour = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize="medium", wrap=True)
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    _save(figure, path)


def plot_training(history: list[dict[str, Any]], title: str, path: Path) -> None:
    """Training curves as PNG from Trainer's `state.log_history`: losses, and validation scores, over epochs."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    losses, validation = figure.subplots(1, 2)
    _curve(losses, history, "loss", "training", BLUE)
    _curve(losses, history, "eval_loss", "validation", ORANGE)
    losses.set_ylabel("loss")
    _curve(validation, history, "eval_macro_f1", "macro-F1", BLUE)
    _curve(validation, history, "eval_uar", "UAR", GREEN)
    validation.set_ylabel("validation score")
    validation.set_ylim(0, 1)
    for axes in (losses, validation):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title, fontsize="medium")
    _save(figure, path)


def _curve(axes: Axes, history: list[dict[str, Any]], key: str, label: str, colour: str) -> None:
    points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
    axes.plot([epoch for epoch, _ in points], [value for _, value in points], "o-", ms=3, label=label, color=colour)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=120))
