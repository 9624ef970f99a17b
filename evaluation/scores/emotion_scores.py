"""The four scores as a metric of `evaluate`: `evaluate.load("evaluation/scores/emotion_scores.py")`."""

from collections.abc import Mapping
from typing import Any

import datasets
import evaluate

# `evaluate` copies this file and the one it imports here into its cache, so both work without the package.
from .metrics import scores


class EmotionScores(evaluate.Metric):
    """Class ids in, `scores` out: `macro_f1`, `weighted_f1`, `uar` and `accuracy` over the classes that occur."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Macro-F1, weighted F1, unweighted average recall and accuracy, over the classes that occur.",
            citation="",
            inputs_description="predictions and references: class ids",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[int], references: list[int]) -> Mapping[str, Any]:
        return scores(references, predictions)
