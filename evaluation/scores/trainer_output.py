"""What Trainer predicts: logits alone, or logits and a gate in a tuple."""

from typing import Any

import numpy as np
from transformers import EvalPrediction

from .metrics import scores
from .score_fields import Scores


def compute_metrics(prediction: EvalPrediction) -> Scores:
    """For Trainer: scores of the logits."""
    return scores(prediction.label_ids, logits_of(prediction.predictions).argmax(-1))


def logits_of(predictions: Any) -> np.ndarray:
    """Logits `[clips, classes]`."""
    return predictions[0] if isinstance(predictions, tuple) else predictions


def gate_of(predictions: Any) -> np.ndarray | None:
    """Weight of the sound `[clips]`, 0..1; None of a model without a gate."""
    return np.asarray(predictions[1]) if isinstance(predictions, tuple) else None
