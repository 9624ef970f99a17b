"""The confusion matrix as a picture."""

import numpy as np
from matplotlib.figure import Figure

from .figures import blank_figure


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
