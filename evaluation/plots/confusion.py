"""The confusion matrix as a picture."""

import itertools

import numpy as np
from matplotlib.figure import Figure

from .figures import blank_figure


def confusion_figure(matrix: list[list[int]], labels: list[str], title: str) -> Figure:
    """Confusion matrix: rows are the true classes; colour is the share of the row, the number the clips.

    A class without a clip has no row, and no column either unless some clip is taken for it.
    """
    counts = np.asarray(matrix)
    there = counts.sum(axis=1) > 0
    named = there | (counts.sum(axis=0) > 0)
    rows, columns = (list(itertools.compress(labels, kept)) for kept in (there, named))
    counts = counts[np.ix_(there, named)]
    shares = counts / counts.sum(axis=1, keepdims=True)
    longer = max(0, max(map(len, columns)) - len("surprised"))
    size = 3.2 + 0.62 * len(columns) + 0.08 * longer, 2.2 + 0.62 * max(2, len(rows)) + 0.08 * longer
    figure = blank_figure(*size, title)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        colour = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return figure
