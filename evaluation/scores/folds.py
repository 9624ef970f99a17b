"""Scores of several runs of one model: mean, deviation and 95 % intervals, over folds and over actors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from .metrics import TITLES
from .scoring import score_predictions

CONFIDENCE = 0.95


def summarise(runs: Sequence[dict[str, Any]], predictions: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """What several runs over folds and seeds say together.

    Every clip of the test actors counts once a seed in the scores over all of them.

    Args:
        runs (`Sequence[dict]`): Content of each one's metrics.json.
        predictions (`Sequence[pd.DataFrame]`): Each one's predictions.parquet.

    Returns:
        `runs` (fold, seed, actors, scores of each), `over_folds` (mean, deviation and interval of each score) and
        `over_actors` (all that `score_predictions` tells of all test clips together).
    """
    return {
        "runs": [_one(metrics) for metrics in runs],
        "over_folds": {name: over_folds(runs, f"test_{name}") for name in TITLES},
        "over_actors": score_predictions(pd.concat(predictions, ignore_index=True), runs[0]["labels"]),
    }


def _one(metrics: dict[str, Any]) -> dict[str, Any]:
    kept = ("fold", "seed", "actors", "clips", "validation_macro_f1", "epochs")
    return {
        **{name: metrics[name] for name in kept if name in metrics},
        **{name: metrics[f"test_{name}"] for name in TITLES},
    }


def over_folds(runs: Sequence[dict[str, Any]], score: str) -> dict[str, Any]:
    """Mean, deviation and interval of a score over folds, each the mean of its seeds.

    The interval is Student's t. Folds share most of their training actors, so it is narrower than it should be
    (Bengio and Grandvalet 2004, No Unbiased Estimator of the Variance of K-Fold Cross-Validation).
    """
    by_fold: dict[int, list[float]] = {}
    for metrics in runs:
        by_fold.setdefault(metrics["fold"], []).append(metrics[score])
    means = np.array([np.mean(values) for values in by_fold.values()])
    if len(means) < 2:
        return {"mean": float(means.mean()), "deviation": None, "interval": None, "folds": len(means)}
    deviation = float(means.std(ddof=1))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(means) - 1) * deviation / np.sqrt(len(means))
    mean = float(means.mean())
    return {
        "mean": mean,
        "deviation": deviation,
        "interval": [max(0.0, mean - half), min(1.0, mean + half)],
        "folds": len(means),
    }
