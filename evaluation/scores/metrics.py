"""Scores of a classifier: macro-F1 first, weighted F1, UAR, accuracy, calibration, and what guessing would score.

Means run over the classes that occur among the true labels. A class without a clip has no recall; and if a false
alarm added its class to the mean, two models would be divided by different numbers on the same test set.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

if TYPE_CHECKING:  # `evaluate` copies this file without its neighbours
    from .score_fields import ClassScores, GroupScores, Guesses, Scores


def scores(labels: ArrayLike, predictions: ArrayLike) -> "Scores":
    """`macro_f1`, `weighted_f1`, `uar` (mean recall) and `accuracy`, all 0..1, by scikit-learn.

    Macro-F1 is the mean of the classes' F1, not the F1 of mean precision and recall (Opitz and Burst, 2019,
    arXiv 1911.03347). UAR is as in the emotion challenges of Interspeech (Schuller et al., 2009).

    Args:
        labels (`np.ndarray` of shape `[clips]`): True classes, ids or names.
        predictions (`np.ndarray` of shape `[clips]`): Predicted classes.

    Raises:
        ValueError: There are no clips, or not as many predictions as labels.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or not labels.size or labels.shape != predictions.shape:
        raise ValueError(
            f"labels of shape {labels.shape} and predictions of shape {predictions.shape}: "
            "give one of each for every clip, and at least one clip"
        )
    occurring = np.unique(labels)
    _, recall, f1, clips = precision_recall_fscore_support(labels, predictions, labels=occurring, zero_division=0)
    return {
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(np.average(f1, weights=clips)),
        "uar": float(recall.mean()),
        "accuracy": float((labels == predictions).mean()),
    }


def chance_scores(labels: np.ndarray, num_classes: int) -> "Guesses":
    """What guessing every class equally often scores in the long run, and what naming the largest class always scores.

    With guess q = 1 / `num_classes` and share p of a class, its precision is p, its recall q, so its F1 is
    2pq / (p + q). Always naming the largest class has precision p and recall 1 there and 0 elsewhere.

    Args:
        labels (`np.ndarray` of shape `[clips]`): True class ids, below `num_classes`.
        num_classes (`int`): Classes that a guess can name, those without a clip too.

    Returns:
        `dict[str, float]`: `chance_...` and `majority_...` of the four scores, over the classes that occur.
    """
    shares = np.bincount(labels, minlength=num_classes) / len(labels)
    shares = shares[shares > 0]
    guess, largest = 1 / num_classes, shares.max()
    chance_f1, majority_f1 = 2 * shares * guess / (shares + guess), 2 * largest / (largest + 1)
    return {
        "chance_macro_f1": float(chance_f1.mean()),
        "chance_weighted_f1": float(shares @ chance_f1),
        "chance_uar": guess,
        "chance_accuracy": guess,
        "majority_macro_f1": float(majority_f1 / len(shares)),
        "majority_weighted_f1": float(largest * majority_f1),
        "majority_uar": 1 / len(shares),
        "majority_accuracy": float(largest),
    }


def per_class(labels: ArrayLike, predictions: ArrayLike, names: Sequence[str]) -> dict[str, "ClassScores"]:
    """Precision, recall, F1 and clips of every class.

    Args:
        labels (`np.ndarray` of shape `[clips]`): True class ids.
        predictions (`np.ndarray` of shape `[clips]`): Predicted class ids.
        names (`Sequence[str]`): Class names in id order.

    Returns:
        `dict[str, dict]`: `precision`, `recall`, `f1` (0..1) and `clips` by class name. A class without clips has
            recall and F1 None; a class that is never predicted has precision 0, as scikit-learn has it.
    """
    table = precision_recall_fscore_support(labels, predictions, labels=range(len(names)), zero_division=0)
    return {
        name: {
            "precision": float(precision),
            "recall": float(recall) if clips else None,
            "f1": float(f1) if clips else None,
            "clips": int(clips),
        }
        for name, precision, recall, f1, clips in zip(names, *table, strict=True)
    }


def merged_calm(labels: ArrayLike, predictions: ArrayLike, names: Sequence[str] | None = None) -> "Scores | None":
    """Scores with calm counted as neutral, for comparison with papers that merge the two.

    Args:
        labels (`np.ndarray` of shape `[clips]`): Names of the true classes.
        predictions (`np.ndarray` of shape `[clips]`): Names of the predicted classes.
        names (`Sequence[str]`, *optional*): All classes of the model; those seen in either array where not given.

    Returns:
        `dict[str, float]`: The four scores; None where neutral and calm are not both classes.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if not {"neutral", "calm"} <= set(np.concatenate([labels, predictions]) if names is None else names):
        return None
    return scores(*(np.where(each == "calm", "neutral", each) for each in (labels, predictions)))


def group_scores(groups: ArrayLike, labels: ArrayLike, predictions: ArrayLike) -> dict[str, "GroupScores"]:
    """Clips, UAR and accuracy of every group, such as an actor or a gender, in the order of the groups.

    Args:
        groups (`np.ndarray` of shape `[clips]`): What to tell clips apart by; keys are these as text.
        labels (`np.ndarray` of shape `[clips]`): True classes. A group's UAR is over those that occur in it.
        predictions (`np.ndarray` of shape `[clips]`): Predicted classes.
    """
    groups, labels, predictions = np.asarray(groups), np.asarray(labels), np.asarray(predictions)
    found: dict[str, GroupScores] = {}
    for group in np.unique(groups):
        inside = groups == group
        of_group = scores(labels[inside], predictions[inside])
        found[str(group)] = {
            "clips": int(inside.sum()),
            "uar": of_group["uar"],
            "accuracy": of_group["accuracy"],
        }
    return found


def fairness(metrics: Mapping[str, Any]) -> dict[str, float]:
    """How far the UAR differs between people; what cannot be compared is left out.

    Source: Derington et al. 2023, Testing Speech Emotion Recognition Machine Learning Models (arXiv:2312.06270), who
    test correctness, fairness and robustness.

    Args:
        metrics (`Mapping`): Content of metrics.json.

    Returns:
        `dict`: `gender_gap` and `actor_gap`: best less worst UAR (0..1).
    """
    groups = {"gender_gap": metrics.get("test_by_gender"), "actor_gap": metrics.get("test_by_actor")}
    found = {name: _uars_of(group or {}) for name, group in groups.items()}
    return {name: max(uars) - min(uars) for name, uars in found.items() if len(uars) > 1}


def _uars_of(groups: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """UAR of the groups that have one."""
    found = [group.get("uar") for group in groups.values()]
    return [float(uar) for uar in found if uar is not None and not math.isnan(uar)]


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: how far the highest probability is from the share of clips it is right for.

    Clips are put in equally wide bins of their highest probability; the gap between mean probability and accuracy of
    a bin counts with the bin's share of clips (Guo et al., On calibration of modern neural networks, ICML 2017).

    Args:
        labels (`np.ndarray` of shape `[clips]`): True class ids.
        probabilities (`np.ndarray` of shape `[clips, classes]`): Rows sum to 1.
        bins (`int`, *optional*, defaults to 15): Bins (low, high] between 0 and 1.

    Returns:
        `float`: 0 (perfect) to 1.
    """
    confidence = np.asarray(probabilities, np.float64).max(-1)
    right = np.argmax(probabilities, -1) == labels
    # Inner edges only, so that rounding just above 1 still falls in the last bin.
    which = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    return float(np.abs(np.bincount(which, right - confidence)).sum() / len(confidence))


def confusion(labels: ArrayLike, predictions: ArrayLike, num_classes: int) -> list[list[int]]:
    """Confusion matrix in clips; rows are the true classes."""
    return confusion_matrix(labels, predictions, labels=range(num_classes)).tolist()
