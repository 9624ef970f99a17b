"""From a table of predictions to all test fields of metrics.json."""

import numpy as np
import pandas as pd

from emofusion.evaluation.people import units_of

from .intervals import bootstrap_intervals
from .metrics import calibration_error, chance_scores, confusion, group_scores, merged_calm, per_class, scores
from .score_fields import GroupFields, IntervalFields, MergedFields, ScoreFields, SelectiveFields
from .selective import answered, coverage_rows, risk_coverage_area


def score_predictions(table: pd.DataFrame, names: list[str]) -> ScoreFields:
    """Every `test_...`, `chance_...` and `majority_...` field that the predictions decide.

    Args:
        table (`pd.DataFrame`): One row a clip: `label` and `prediction` (class names), `probabilities` (a list in id
            order) and, where clips have them, `clip` (its name), `actor`, `gender` and `answered` (whether the model
            is sure enough to answer). Tables of several folds and seeds can be concatenated.
        names (`list[str]`): Class names in id order.

    Returns:
        `ScoreFields`: Fields that JSON can hold. Those of actors and of gender are absent where the column is, or
            where it is empty; those of merged calm where neutral and calm are not both classes.

    Raises:
        ValueError: A column is missing or filled in part, there are no rows, a class is unknown, or probabilities do
            not fit the classes.
    """
    _check_columns(table)
    labels, predictions = (_class_ids(table, column, names) for column in ("label", "prediction"))
    probabilities = _probabilities(table, len(names))
    overall, units = scores(labels, predictions), _units(table)
    return {
        "test_macro_f1": overall["macro_f1"],
        "test_weighted_f1": overall["weighted_f1"],
        "test_uar": overall["uar"],
        "test_accuracy": overall["accuracy"],
        "test_calibration_error": calibration_error(labels, probabilities),
        "test_confusion_matrix": confusion(labels, predictions, len(names)),
        **_interval_fields(table, labels, predictions, units, len(names)),
        **_selective_fields(table, labels, predictions, probabilities, units),
        "test_per_class": per_class(labels, predictions, names),
        **_merged_fields(table, names),
        **_group_fields(table, labels, predictions),
        **chance_scores(labels, len(names)),
    }


def _check_columns(table: pd.DataFrame) -> None:
    """Raise a ValueError where the table cannot be scored."""
    missing = [column for column in ("label", "prediction", "probabilities") if column not in table]
    if missing:
        raise ValueError(f"predictions: no column {', '.join(missing)} among {', '.join(map(str, table.columns))}")
    if table.empty:
        raise ValueError("predictions: no rows, so there is nothing to score")


def _class_ids(table: pd.DataFrame, column: str, names: list[str]) -> np.ndarray:
    """Class ids `[clips]` of a column of class names."""
    ids = pd.Index(names).get_indexer(table[column])
    if (ids < 0).any():
        unknown = sorted(set(map(str, table[column][ids < 0])))
        raise ValueError(f"predictions: {column} {', '.join(unknown)} is not among the classes {', '.join(names)}")
    return ids


def _probabilities(table: pd.DataFrame, num_classes: int) -> np.ndarray:
    """Probabilities `[clips, classes]`."""
    rows = [np.asarray(row, np.float64) for row in table["probabilities"]]
    odd = [row for row in rows if row.shape != (num_classes,) or not np.isfinite(row).all()]
    if odd:
        raise ValueError(
            f"predictions: {len(odd)} of {len(rows)} rows have probabilities such as {odd[0].tolist()}; "
            f"{num_classes} finite numbers are needed, one a class"
        )
    return np.stack(rows)


def _groups(table: pd.DataFrame, column: str) -> np.ndarray | None:
    """A column `[clips]` to group by; None where there is none or it is empty."""
    if column not in table or table[column].isna().all():
        return None
    empty = int(table[column].isna().sum())
    if empty:
        raise ValueError(f"predictions: {empty} of {len(table)} rows have no {column}; fill it in all rows or in none")
    return units_of(table[column])


def _units(table: pd.DataFrame) -> np.ndarray:
    """What a bootstrap draws: the actor of each clip, or its name where nobody knows who is in it.

    A clip that several runs scored is one.
    """
    actors = _groups(table, "actor")
    if actors is not None:
        return actors
    return table["clip"].to_numpy(str) if "clip" in table else np.arange(len(table))


def _interval_fields(
    table: pd.DataFrame, labels: np.ndarray, predictions: np.ndarray, units: np.ndarray, num_classes: int
) -> IntervalFields:
    """Intervals over actors, or over clips."""
    intervals = bootstrap_intervals(labels, predictions, units, num_classes)
    return {
        "test_intervals": {name: bounds and list(bounds) for name, bounds in intervals.items()},
        "test_intervals_over": "clips" if _groups(table, "actor") is None else "actors",
        "test_intervals_units": len(np.unique(units)),
    }


def _selective_fields(
    table: pd.DataFrame, labels: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray, units: np.ndarray
) -> SelectiveFields:
    """Scores of the clips that the model is surest of, and of those that it answers."""
    num_classes, confidence = probabilities.shape[1], probabilities.max(1)
    fields: SelectiveFields = {
        "test_by_coverage": coverage_rows(labels, predictions, confidence, units, num_classes),
        "test_risk_coverage_area": risk_coverage_area(labels == predictions, confidence),
    }
    if "answered" in table:
        sure = table["answered"].to_numpy(bool)
        fields["test_answered"] = answered(labels, predictions, sure, units, num_classes)
    return fields


def _merged_fields(table: pd.DataFrame, names: list[str]) -> MergedFields:
    """Scores with calm as neutral, where the classes have both."""
    merged = merged_calm(table["label"].to_numpy(str), table["prediction"].to_numpy(str), names)
    return {} if merged is None else {"test_merged_calm": merged}


def _group_fields(table: pd.DataFrame, labels: np.ndarray, predictions: np.ndarray) -> GroupFields:
    """Scores by gender and by actor, where clips have them."""
    genders, actors = (_groups(table, column) for column in ("gender", "actor"))
    fields: GroupFields = {}
    if genders is not None:
        fields["test_by_gender"] = group_scores(genders, labels, predictions)
    if actors is not None:
        fields["test_by_actor"] = group_scores(actors, labels, predictions)
    if genders is not None and actors is not None:
        for actor, gender in zip(actors, genders, strict=True):
            fields["test_by_actor"][str(actor)]["gender"] = str(gender)
    return fields
