"""How often a model is right where it may leave out the clips that it is least sure of: selective classification.

Sources: El-Yaniv and Wiener 2010, On the Foundations of Noise-free Selective Classification (JMLR 11); Geifman and
El-Yaniv 2017, Selective Classification for Deep Neural Networks (arXiv:1705.08500). As there, a model is as sure as
the probability of the class that it names is high.
"""

import numpy as np

from .intervals import bootstrap_intervals
from .metrics import scores
from .score_fields import Answered, CoverageRow

TENTHS = range(10, 0, -1)
"""How many tenths of the clips, the surest, a row of `coverage_rows` is of."""


def risk_coverage_area(right: np.ndarray, confidence: np.ndarray) -> float:
    """Area under the risk-coverage curve: share of wrong answers among the surest k clips, a mean over every k.

    It is the smaller, the surer the model is of what it has right; where that says nothing of what is right, it is
    the share of wrong answers. Clips of which the model is equally sure have no order: the area is the mean over all
    their orders.

    Source: Geifman et al. 2019, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers (arXiv:1805.08206).

    Args:
        right (`np.ndarray` of shape `[clips]`): Whether the named class is the true one.
        confidence (`np.ndarray` of shape `[clips]`): Its probability.

    Returns:
        `float`: 0 (all are right) to 1 (none is).
    """
    _, level = np.unique(-np.asarray(confidence, np.float64), return_inverse=True)
    wrong = np.bincount(level, ~np.asarray(right, bool)) / np.bincount(level)
    return float((wrong[np.sort(level)].cumsum() / np.arange(1, len(level) + 1)).mean())


def answered(
    labels: np.ndarray, predictions: np.ndarray, sure: np.ndarray, units: np.ndarray, num_classes: int
) -> Answered:
    """Scores of the clips that a model answers.

    Args:
        labels (`np.ndarray` of shape `[clips]`): True class ids.
        predictions (`np.ndarray` of shape `[clips]`): Predicted class ids.
        sure (`np.ndarray` of shape `[clips]`): Which clips are answered; of the others it is unsure.
        units (`np.ndarray` of shape `[clips]`): What the bootstrap of the interval draws: the actor of each clip.
        num_classes (`int`): Number of classes.
    """
    if not sure.any():
        return {"clips": 0, "coverage": 0.0, "accuracy": None, "accuracy_interval": None, "uar": None}
    labels, predictions, units = labels[sure], predictions[sure], units[sure]
    found = scores(labels, predictions)
    interval = bootstrap_intervals(labels, predictions, units, num_classes)["accuracy"]
    return {
        "clips": len(labels),
        "coverage": len(labels) / len(sure),
        "accuracy": found["accuracy"],
        "accuracy_interval": interval and list(interval),
        "uar": found["uar"],
    }


def coverage_rows(
    labels: np.ndarray, predictions: np.ndarray, confidence: np.ndarray, units: np.ndarray, num_classes: int
) -> list[CoverageRow]:
    """The risk-coverage curve: scores of all clips, of the surest nine tenths, and so on down to one tenth.

    Clips of which the model is equally sure are answered together, so a row may be of more clips than its share, and
    with few clips there are fewer rows. Arguments are those of `answered`, and the `confidence` of each clip.
    """
    surest_first = np.sort(confidence)[::-1]
    cuts = dict.fromkeys(float(surest_first[-(-tenths * len(labels) // 10) - 1]) for tenths in TENTHS)
    return [{"at_least": cut, **answered(labels, predictions, confidence >= cut, units, num_classes)} for cut in cuts]


def fit_threshold(labels: np.ndarray, probabilities: np.ndarray, accuracy: float) -> float | None:
    """The smallest probability of the named class from which on so many answers are right.

    The smallest answers the most clips. It is put in the middle between the least sure clip that is answered and the
    surest that is not, so that no rounding decides about either.

    Args:
        labels (`np.ndarray` of shape `[clips]`): True class ids.
        probabilities (`np.ndarray` of shape `[clips, classes]`): Rows sum to 1.
        accuracy (`float`): The share of answers that are to be right, 0..1.

    Returns:
        `float`: 0 where all clips may be answered; None where not even the surest are right so often.

    Raises:
        ValueError: A probability is not finite.
    """
    probabilities = np.asarray(probabilities, np.float64)
    odd = ~np.isfinite(probabilities).all(1)
    if odd.any():
        raise ValueError(f"the probabilities of {odd.sum()} of {len(odd)} clips are not finite")
    levels, level = np.unique(probabilities.max(1), return_inverse=True)
    right = probabilities.argmax(1) == labels
    hits, clips = (np.bincount(level, each)[::-1].cumsum()[::-1] for each in (right, np.ones(len(right))))
    enough = np.flatnonzero(hits / clips >= accuracy)
    if not enough.size:
        return None
    least = enough[0]
    return float(levels[least - 1 : least + 1].mean()) if least else 0.0
