"""All test fields of metrics.json from a table of predictions."""

import json

import numpy as np
import pandas as pd
import pytest

from emofusion.evaluation.scores.metrics import scores
from emofusion.evaluation.scores.scoring import score_predictions

NAMES = ["neutral", "calm", "happy", "sad"]
FOUR = {"macro_f1", "weighted_f1", "uar", "accuracy"}
ACTED = {
    *(f"{kind}_{name}" for kind in ("test", "chance", "majority") for name in FOUR),
    "test_calibration_error",
    "test_confusion_matrix",
    "test_intervals",
    "test_intervals_over",
    "test_intervals_units",
    "test_by_coverage",
    "test_risk_coverage_area",
    "test_answered",
    "test_per_class",
    "test_merged_calm",
    "test_by_gender",
    "test_by_actor",
}


def predictions(actors: tuple[int, ...] = (9, 10, 17), clips: int = 8, seed: int = 0) -> pd.DataFrame:
    """A table as runs save it: actors speak each class equally often."""
    labels = np.tile(np.arange(clips) % len(NAMES), len(actors))
    logits = np.random.default_rng(seed).normal(size=(len(labels), len(NAMES))) + 1.5 * np.eye(len(NAMES))[labels]
    probabilities = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype(np.float32)
    speakers = np.repeat(actors, clips)
    return pd.DataFrame(
        {
            "clip": [f"clip{row}" for row in range(len(labels))],
            "actor": speakers,
            "gender": np.where(speakers % 2, "male", "female"),
            "label": [NAMES[label] for label in labels],
            "prediction": [NAMES[index] for index in probabilities.argmax(-1)],
            "answered": probabilities.max(-1) >= 0.5,
            "probabilities": list(probabilities),
            "gate": np.full(len(labels), np.nan, np.float32),
        }
    )


def test_every_field_and_json_holds_it():
    table = predictions()
    found = score_predictions(table, NAMES)
    assert found.keys() == ACTED
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {name: found[f"test_{name}"] for name in FOUR} == scores(table["label"], table["prediction"])


def test_fields_agree_with_each_other():
    found = score_predictions(predictions(), NAMES)
    matrix = np.array(found["test_confusion_matrix"])
    assert matrix.sum() == 24 and np.trace(matrix) / 24 == pytest.approx(found["test_accuracy"])
    assert [row["clips"] for row in found["test_per_class"].values()] == matrix.sum(1).tolist()
    assert list(found["test_by_actor"]) == ["9", "10", "17"]
    assert list(found["test_by_gender"]) == ["female", "male"]
    for groups in (found["test_by_actor"], found["test_by_gender"]):
        weighted = [group["clips"] * group["accuracy"] for group in groups.values()]
        assert sum(weighted) / 24 == pytest.approx(found["test_accuracy"])
    assert (found["test_intervals_over"], found["test_intervals_units"]) == ("actors", 3)
    assert found["test_intervals"].keys() == FOUR
    low, high = found["test_intervals"]["uar"]
    # Every actor has the same classes, so the score of all is between the lowest and the highest resample.
    assert low <= found["test_uar"] <= high
    assert found["test_merged_calm"]["accuracy"] >= found["test_accuracy"]


def test_saved_and_read_tables_score_alike(tmp_path):
    table = predictions()
    table.to_parquet(tmp_path / "predictions.parquet", index=False)
    read = pd.read_parquet(tmp_path / "predictions.parquet")
    assert score_predictions(read, NAMES) == score_predictions(table, NAMES)


def test_folds_are_pooled_by_concatenation():
    folds = [predictions((1, 2), seed=1), predictions((3, 4), seed=2)]
    found = score_predictions(pd.concat(folds), NAMES)
    assert list(found["test_by_actor"]) == ["1", "2", "3", "4"]
    apart = [score_predictions(fold, NAMES) for fold in folds]
    assert found["test_by_actor"] == apart[0]["test_by_actor"] | apart[1]["test_by_actor"]
    assert found["test_accuracy"] == pytest.approx(np.mean([each["test_accuracy"] for each in apart]))


@pytest.mark.parametrize("absent", ["dropped", "empty"])
def test_still_pictures_have_neither_actor_nor_gender(absent: str):
    table = predictions()
    table = table.drop(columns=["actor", "gender"]) if absent == "dropped" else table.assign(actor=None, gender=None)
    found = score_predictions(table, NAMES)
    assert found.keys() == ACTED - {"test_by_actor", "test_by_gender"}
    assert (found["test_intervals_over"], found["test_intervals_units"]) == ("clips", 24)


def test_actors_read_as_fractions_are_whole():
    table = predictions().astype({"actor": float})
    assert list(score_predictions(table, NAMES)["test_by_actor"]) == ["9", "10", "17"]


def test_one_actor_has_no_interval():
    found = score_predictions(predictions((17,)), NAMES)
    assert found["test_intervals"] == dict.fromkeys(FOUR)
    assert found["test_intervals_units"] == 1


def test_without_calm_nothing_is_merged():
    table = predictions()
    names = [name.replace("calm", "angry") for name in NAMES]
    table = table.replace({"label": {"calm": "angry"}, "prediction": {"calm": "angry"}})
    assert "test_merged_calm" not in score_predictions(table, names)


def test_an_absent_class_is_null_and_not_in_the_means():
    table = predictions()
    found = score_predictions(table[table["label"] != "sad"], NAMES)
    assert found["test_per_class"]["sad"]["recall"] is None and found["test_per_class"]["sad"]["clips"] == 0
    recalls = [row["recall"] for row in found["test_per_class"].values() if row["clips"]]
    assert len(recalls) == 3 and np.mean(recalls) == pytest.approx(found["test_uar"])
    assert found["chance_uar"] == 0.25 and found["majority_uar"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="label"), "no column label"),
        (lambda table: table.iloc[:0], "no rows"),
        (lambda table: table.replace({"prediction": {"happy": "joyful"}}), "prediction joyful is not among"),
        (lambda table: table.assign(probabilities=[[0.5, 0.5]] * 24), "4 finite numbers are needed"),
        (lambda table: table.assign(probabilities=[[np.nan] * 4] * 24), "24 of 24 rows have probabilities"),
        (lambda table: table.assign(actor=[None, *table["actor"][1:]]), "1 of 24 rows have no actor"),
        (lambda table: table.assign(gender=["male"] * 20 + [None] * 4), "4 of 24 rows have no gender"),
    ],
)
def test_bad_tables_are_one_clear_error(change, message: str):
    with pytest.raises(ValueError, match=message):
        score_predictions(change(predictions()), NAMES)
