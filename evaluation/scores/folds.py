"""Scores of several runs of one model: mean, deviation and 95 % intervals, over folds and over actors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from .score_fields import TITLES
from .scoring import score_predictions

CONFIDENCE = 0.95


def summarise(runs: Sequence[Mapping[str, Any]], predictions: Sequence[pd.DataFrame]) -> dict[str, Any]:
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


def _one(metrics: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("fold", "seed", "actors", "clips", "validation_macro_f1", "epochs")
    return {
        **{name: metrics[name] for name in kept if name in metrics},
        **{name: metrics[f"test_{name}"] for name in TITLES},
    }


def over_folds(runs: Sequence[Mapping[str, Any]], score: str) -> dict[str, Any]:
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


def mean_robustness(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The robustness tables of several runs of one model as one: means over the runs that have the condition."""
    by_condition: dict[str, list[Mapping[str, Any]]] = {}
    for row in (row for run in runs for row in run["robustness"]):
        by_condition.setdefault(row["condition"], []).append(row)
    return [{"condition": condition, **_means(rows)} for condition, rows in by_condition.items()]


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of each number over the rows that have it, and of each actor's; None where none has."""
    found: dict[str, Any] = {}
    for name in [name for name in rows[0] if name != "condition"]:
        values = [row[name] for row in rows if row.get(name) is not None]
        by_actor = bool(values) and isinstance(values[0], Mapping)
        found[name] = _means_by_actor(values) if by_actor else float(np.mean(values)) if values else None
    return found


def _means_by_actor(groups: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each actor over the groups that he or she is in."""
    values: dict[str, list[float]] = {}
    for actor, value in (pair for group in groups for pair in group.items()):
        values.setdefault(actor, []).append(value)
    return {actor: float(np.mean(found)) for actor, found in values.items()}
