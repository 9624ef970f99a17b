"""Scores of a classifier: macro-F1 first, UAR, accuracy, and what guessing would score."""

from typing import Any

import evaluate
import numpy as np
from datasets import Features, Value
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score
from transformers import EvalPrediction


class EmotionScores(evaluate.Metric):
    """`macro_f1`, `weighted_f1`, `uar` (mean recall of the classes that occur) and `accuracy`, all 0..1."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Macro-F1, weighted F1, unweighted average recall and accuracy.",
            citation="",
            inputs_description="predictions and references: class ids",
            features=Features({"predictions": Value("int64"), "references": Value("int64")}),
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:
        return {
            "macro_f1": float(f1_score(references, predictions, average="macro", zero_division=0)),
            "weighted_f1": float(f1_score(references, predictions, average="weighted", zero_division=0)),
            "uar": float(balanced_accuracy_score(references, predictions)),
            "accuracy": float(accuracy_score(references, predictions)),
        }


def scores(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """The four scores of class ids `[clips]`."""
    return EmotionScores(keep_in_memory=True).compute(predictions=predictions, references=labels)


def chance_scores(labels: np.ndarray, num_classes: int) -> dict[str, float]:
    """What guessing every class equally often scores in the long run, and what naming the largest class always scores.

    With q = 1 / classes and share p of a class, its precision is p, its recall q, so its F1 is 2pq / (p + q).
    """
    shares = np.bincount(labels, minlength=num_classes) / len(labels)
    guess = 1 / num_classes
    return {
        "chance_macro_f1": float(np.mean(2 * shares * guess / (shares + guess))),
        "chance_uar": guess,
        "chance_accuracy": guess,
        "majority_macro_f1": float(2 * shares.max() / (shares.max() + 1) / np.count_nonzero(shares)),
        "majority_accuracy": float(shares.max()),
    }


def confusion(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> list[list[int]]:
    """Confusion matrix in clips; rows are the true classes."""
    return confusion_matrix(labels, predictions, labels=range(num_classes)).tolist()


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """For Trainer: scores of the logits, which come alone or first in a tuple."""
    return scores(prediction.label_ids, logits_of(prediction.predictions).argmax(-1))


def logits_of(predictions: Any) -> np.ndarray:
    """Logits `[clips, classes]` of what Trainer predicted."""
    return predictions[0] if isinstance(predictions, tuple) else predictions
