"""A fusion beside its branches: how good each modality is by itself, and how far the fusion is ahead of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import pandas as pd

from emofusion.evaluation.people import Person, units_of

from .intervals import scores_of_confusion, unit_confusion
from .score_fields import BranchFields, BranchScores, Difference, FusionGain, Gain
from .scoring import score_predictions
from .significance import paired_difference

Scored = tuple[Mapping[str, Any], pd.DataFrame]
"""A run: content of its metrics.json, and its predictions.parquet."""

_ALONE = {"audio": "audio only", "video": "video only"}
"""What robustness tables call the fusion that is given this modality alone."""
_CHOOSES = ("uar", "macro_f1", "weighted_f1", "accuracy", "loss")
"""Validation scores by which branches are compared: the first that all of them have."""
_COMPARED = ("uar", "macro_f1")


def branch_fields(
    fusion: Scored, branches: Mapping[str, Scored], folders: Mapping[str, str] | None = None
) -> BranchFields:
    """What metrics.json of a fusion says of its branches, and of the fusion against them.

    Args:
        fusion (`tuple[RunRecord, DataFrame]`): What metrics.json and predictions.parquet of the fusion hold.
        branches (`Mapping[str, tuple[RunRecord, DataFrame]]`): The same of the runs of `audio` and `video`.
        folders (`Mapping[str, str]`, *optional*): Output folder of each branch, told from that of the fusion; by
            default its name, as `OUT/audio` is.

    Raises:
        ValueError: The runs were not scored on the same clips, have other classes, or nobody knows the actors.
    """
    found = pooled_branches([fusion], {name: [run] for name, run in branches.items()})
    for name, scores in found["branches"].items():
        scores["folder"] = (folders or {}).get(name, name)
    return found


def pooled_branches(fusions: Sequence[Scored], branches: Mapping[str, Sequence[Scored]]) -> BranchFields:
    """The same of several runs together, one a fold and seed; a clip counts once for each seed.

    Args:
        fusions (`Sequence[tuple]`): The runs of the fusion.
        branches (`Mapping[str, Sequence[tuple]]`): The runs of each branch, in any order.

    Raises:
        ValueError: As `branch_fields`.
    """
    labels, together = fusions[0][0]["labels"], _together(fusions)
    tables = {name: _together(runs) for name, runs in branches.items()}
    for name, runs in branches.items():
        _check_same_classes(labels, runs, name)
        _check_same_clips(together, tables[name], name)
    alone = {name: _alone(name, runs, tables[name], fusions) for name, runs in branches.items()}
    return {"branches": alone, "fusion_gain": _gain(together, tables, branches, labels, alone)}


def _together(runs: Sequence[Scored]) -> pd.DataFrame:
    return pd.concat([table for _, table in runs], ignore_index=True)


def _check_same_classes(labels: Sequence[str], runs: Sequence[Scored], name: str) -> None:
    for record, _ in runs:
        if record["labels"] != labels:
            raise ValueError(
                f"branch {name}: expected the classes of the fusion, {', '.join(labels)}, found "
                f"{', '.join(record['labels'])}; train both with the same --label_set"
            )


def _check_same_clips(fusion: pd.DataFrame, branch: pd.DataFrame, name: str) -> None:
    ours, theirs = (Counter(zip(table["clip"], table["label"], strict=True)) for table in (fusion, branch))
    only = {"the fusion": ours - theirs, f"branch {name}": theirs - ours}
    for owner, clips in only.items():
        if clips:
            clip, label = min(clips)
            raise ValueError(
                f"branch {name}: expected the test clips of the fusion, found that {owner} alone has {clip} as "
                f"{label} ({clips.total()} such); score both on the same corpus, protocol and folds"
            )


def _alone(name: str, runs: Sequence[Scored], table: pd.DataFrame, fusions: Sequence[Scored]) -> BranchScores:
    """A branch by itself."""
    found = score_predictions(table, runs[0][0]["labels"])
    epochs = [record["epochs"] for record, _ in runs if record.get("epochs") is not None]
    return {
        "macro_f1": found["test_macro_f1"],
        "weighted_f1": found["test_weighted_f1"],
        "uar": found["test_uar"],
        "accuracy": found["test_accuracy"],
        "calibration_error": found["test_calibration_error"],
        "uar_by_actor": {actor: group["uar"] for actor, group in found.get("test_by_actor", {}).items()},
        "epochs": float(np.mean(epochs)) if epochs else None,
        "parameters": runs[0][0]["parameters"],
        "kept": _kept(name, runs, fusions),
    }


def _kept(name: str, runs: Sequence[Scored], fusions: Sequence[Scored]) -> float | None:
    """UAR of the fusions given one modality over that of its branch, both means over the runs."""
    condition = _ALONE.get(name)
    rows = [row for record, _ in fusions for row in record.get("robustness") or [] if row["condition"] == condition]
    # A clip that lacks the other modality is scored by the branch and has nothing to be taken away.
    if sum(row["clips"] for row in rows) != sum(len(table) for _, table in runs):
        return None
    branch = np.mean([record["test_uar"] for record, _ in runs])
    return float(np.mean([row["uar"] for row in rows]) / branch) if branch else None


def _gain(
    fusion: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    branches: Mapping[str, Sequence[Scored]],
    labels: list[str],
    alone: Mapping[str, BranchScores],
) -> FusionGain:
    by_actor = _by_actor(fusion, labels)
    choice, score = _chosen_by_validation(branches)
    return {
        "validation_choice": choice,
        "validation_score": score,
        "test_choice": max(alone, key=lambda name: alone[name]["uar"]),
        "over": {name: _over(by_actor, _by_actor(table, labels)) for name, table in tables.items()},
    }


def _over(fusion: Mapping[str, Mapping[Person, float]], branch: Mapping[str, Mapping[Person, float]]) -> Gain:
    found = {name: asdict(paired_difference(fusion[name], branch[name])) for name in _COMPARED}
    return {name: cast(Difference, difference) for name, difference in found.items()}  # type: ignore[return-value]


def _by_actor(table: pd.DataFrame, labels: list[str]) -> dict[str, dict[Person, float]]:
    """UAR and macro-F1 by actor; clips of several seeds count together."""
    if "actor" not in table or table["actor"].isna().any():
        raise ValueError("predictions: no actor is known of some clips; branches are compared actor by actor")
    ids, predicted = (pd.Index(labels).get_indexer(table[column]) for column in ("label", "prediction"))
    actors = units_of(table["actor"])
    found = scores_of_confusion(unit_confusion(ids, predicted, actors, len(labels)))
    return {name: dict(zip(np.unique(actors).tolist(), found[name].tolist(), strict=True)) for name in _COMPARED}


def _chosen_by_validation(branches: Mapping[str, Sequence[Scored]]) -> tuple[str | None, str | None]:
    """The branch that did better on validation actors, a mean over its runs, and by which score."""
    records = {name: [record for record, _ in runs] for name, runs in branches.items()}
    for score in _CHOOSES:
        field = f"validation_{score}"
        if all(record.get(field) is not None for found in records.values() for record in found):
            means = {name: np.mean([record[field] for record in found]) for name, found in records.items()}
            return (min if score == "loss" else max)(means, key=means.__getitem__), score
    return None, None
