"""Confidence intervals of the scores: a bootstrap over actors, whose clips are not independent of each other."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def bootstrap_intervals(
    labels: np.ndarray,
    predictions: np.ndarray,
    units: ArrayLike,
    num_classes: int,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[float, float] | None]:
    """95 % percentile intervals of the four scores, by drawing whole units again with replacement.

    Clips of one actor succeed and fail together, so drawing single clips would promise too much (blockwise
    bootstrap: Liu and Peng, 2020, arXiv 1912.09508; percentile intervals: Efron and Tibshirani, 1993, chapter 13).
    The interval says what other actors would have changed, not what training with another seed would have. With
    four actors it is too narrow and holds the truth in about 8 of 10 simulations
    (tests/evaluation/scores/test_intervals.py). A score of a resample is over the classes that occur in it.

    Args:
        labels (`np.ndarray` of shape `[clips]`): True class ids.
        predictions (`np.ndarray` of shape `[clips]`): Predicted class ids.
        units (`np.ndarray` of shape `[clips]`): What is drawn: the actor of each clip, or its number.
        num_classes (`int`): Number of classes.
        resamples (`int`, *optional*, defaults to 2000): Resamples.
        seed (`int`, *optional*, defaults to 0): Same seed, same intervals.

    Returns:
        `dict[str, tuple[float, float] | None]`: (low, high) by score; None with one unit, which says nothing about
            others.
    """
    matrices = unit_confusion(labels, predictions, units, num_classes)
    if len(matrices) == 1:
        return dict.fromkeys(scores_of_confusion(matrices))
    # Equal units are drawn as one with their joint weight: the same distribution, and single clips are only
    # classes x classes different ones.
    different, counts = np.unique(matrices, axis=0, return_counts=True)
    weights = np.random.default_rng(seed).multinomial(len(matrices), counts / len(matrices), size=resamples)
    drawn = scores_of_confusion(np.tensordot(weights.astype(np.float64), different.astype(np.float64), axes=1))
    bounds = {name: np.percentile(values, [2.5, 97.5]) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def unit_confusion(labels: np.ndarray, predictions: np.ndarray, units: ArrayLike, num_classes: int) -> np.ndarray:
    """Confusion matrices `[units, classes, classes]` in clips, rows true, in the order of the sorted units.

    Raises:
        ValueError: A class id is not below `num_classes`, or there is no clip.
    """
    ids = np.concatenate([labels, predictions])
    if not ids.size or ids.min() < 0 or ids.max() >= num_classes:
        raise ValueError(f"class ids {sorted(set(ids.tolist()))}: give clips with ids from 0 to {num_classes - 1}")
    found, unit_of_clip = np.unique(np.asarray(units), return_inverse=True)
    matrices = np.zeros((len(found), num_classes, num_classes), np.int64)
    np.add.at(matrices, (unit_of_clip, labels, predictions), 1)
    return matrices


def scores_of_confusion(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The four scores of many confusion matrices at once, equal to those of `metrics.scores`.

    Args:
        matrices (`np.ndarray` of shape `[..., classes, classes]`): Clips; rows are the true classes. None is empty.

    Returns:
        `dict[str, np.ndarray]`: Scores of shape `[...]` by name.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    clips, predicted = matrices.sum(-1), matrices.sum(-2)
    # A class without clips has no hits either: 0 / 1 leaves it out of the sums below.
    f1 = 2 * hits / np.maximum(clips + predicted, 1)
    recall = hits / np.maximum(clips, 1)
    occurring, total = (clips > 0).sum(-1), clips.sum(-1)
    return {
        "macro_f1": f1.sum(-1) / occurring,
        "weighted_f1": (f1 * clips).sum(-1) / total,
        "uar": recall.sum(-1) / occurring,
        "accuracy": hits.sum(-1) / total,
    }


def mean_interval(values: ArrayLike, seed: int = 0) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of a mean over actors (Efron and Tibshirani, 1993).

    Args:
        values (`np.ndarray` of shape `[actors]`): A number of each actor.
        seed (`int`, *optional*, defaults to 0): Same seed, same interval.

    Returns:
        `tuple[float, float]`: (low, high); None with fewer than two actors.
    """
    found = np.asarray(values, np.float64)
    if len(found) < 2:
        return None
    interval = stats.bootstrap(
        (found,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(seed)
    ).confidence_interval
    return float(interval.low), float(interval.high)
