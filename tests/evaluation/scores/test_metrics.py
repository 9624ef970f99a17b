"""Scores against scikit-learn and against cases worked by hand."""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import evaluate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score
from transformers import EvalPrediction

from emofusion.evaluation.scores.emotion_scores import EmotionScores
from emofusion.evaluation.scores.metrics import (
    calibration_error,
    chance_scores,
    confusion,
    group_scores,
    merged_calm,
    per_class,
    scores,
)
from emofusion.evaluation.scores.trainer_output import compute_metrics
from helpers import REPOSITORY

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)
FOUR = ("macro_f1", "weighted_f1", "uar", "accuracy")


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_scores_of_random_predictions_equal_sklearn(pairs: list[tuple[int, int]]):
    labels, predictions = np.array(pairs).T
    with warnings.catch_warnings(action="error"):
        found = scores(labels, predictions)
    occurring = np.unique(labels)
    f1_of_class = f1_score(labels, predictions, labels=occurring, average=None, zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1_of_class.mean())
    assert found["weighted_f1"] == pytest.approx(f1_score(labels, predictions, average="weighted", zero_division=0))
    assert found["uar"] == pytest.approx(recall_score(labels, predictions, labels=occurring, average="macro"))
    assert found["accuracy"] == pytest.approx(np.mean(labels == predictions))


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_scores_do_not_depend_on_ids_order_or_names(pairs: list[tuple[int, int]]):
    labels, predictions = np.array(pairs).T
    names = np.array(["happy", "sad", "angry", "calm", "neutral", "fearful", "disgust", "surprised"])
    assert scores(names[labels], names[predictions]) == pytest.approx(scores(labels[::-1], predictions[::-1]))


def test_scores_with_an_absent_class_by_hand():
    # Class 2 never occurs and is never predicted: recalls 1/2 and 1, precisions 1 and 2/3.
    found = scores([0, 0, 1, 1], [0, 1, 1, 1])
    assert found["uar"] == pytest.approx(0.75)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)


def test_a_class_that_is_only_predicted_is_not_in_the_mean():
    # Class 2 has no clip but two false alarms: recalls 1/2 and 1/2, F1 2/3 and 2/3. Over three classes: 4/9.
    found = scores([0, 0, 1, 1], [0, 2, 2, 1])
    assert found == pytest.approx({"macro_f1": 2 / 3, "weighted_f1": 2 / 3, "uar": 0.5, "accuracy": 0.5})


def test_weighted_f1_counts_clips_by_hand():
    # F1 of class 0 (three clips, all found, one false alarm) 6/7; of class 1 (one clip, missed) 0.
    found = scores([0, 0, 0, 1], [0, 0, 0, 0])
    assert found["weighted_f1"] == pytest.approx(0.75 * 6 / 7)
    assert found["macro_f1"] == pytest.approx(3 / 7)


@pytest.mark.parametrize(("labels", "predictions"), [([], []), ([0, 1], [0]), ([[0, 1]], [[0, 1]])])
def test_what_cannot_be_scored_is_one_error(labels: list, predictions: list):
    with pytest.raises(ValueError, match="give one of each for every clip"):
        scores(labels, predictions)


def test_confusion_rows_are_the_true_classes():
    assert confusion(np.array([0, 0, 1]), np.array([1, 0, 1]), 3) == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("shares", [(1, 1, 1, 1), (4, 8, 8, 8, 8, 8, 8, 8), (96, 192, 192, 192), (2, 0, 1, 1)])
def test_chance_is_what_guessing_scores(shares: tuple[int, ...]):
    labels = np.repeat(np.arange(len(shares)), np.array(shares) * 2000 // sum(shares) * 20)
    guesses = np.random.default_rng(0).integers(0, len(shares), len(labels))
    guessed, expected = scores(labels, guesses), chance_scores(labels, len(shares))
    for name in FOUR:
        assert guessed[name] == pytest.approx(expected[f"chance_{name}"], abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40).map(np.array))
def test_majority_is_what_the_largest_class_scores(labels: np.ndarray):
    found = scores(labels, np.full_like(labels, np.bincount(labels).argmax()))
    expected = chance_scores(labels, 5)
    assert {name: expected[f"majority_{name}"] for name in FOUR} == pytest.approx(found)


def test_per_class_by_hand():
    found = per_class([0, 0, 1, 1], [0, 2, 1, 1], ["happy", "sad", "angry", "calm"])
    assert found["happy"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3, "clips": 2})
    assert found["sad"] == {"precision": 1, "recall": 1, "f1": 1, "clips": 2}
    assert found["angry"] == found["calm"] == {"precision": 0, "recall": None, "f1": None, "clips": 0}


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_per_class_means_are_the_scores(pairs: list[tuple[int, int]]):
    labels, predictions = np.array(pairs).T
    rows = [row for row in per_class(labels, predictions, list("abcdefgh")).values() if row["clips"]]
    found = scores(labels, predictions)
    assert np.mean([row["f1"] for row in rows]) == pytest.approx(found["macro_f1"])
    assert np.mean([row["recall"] for row in rows]) == pytest.approx(found["uar"])


def test_calm_counts_as_neutral_in_labels_and_predictions():
    labels = ["calm", "neutral", "sad", "sad"]
    predictions = ["neutral", "calm", "sad", "calm"]
    assert scores(labels, predictions)["accuracy"] == 0.25
    # Merged: neutral has recall 1 and precision 2/3, sad recall 1/2 and precision 1.
    merged = {"macro_f1": (0.8 + 2 / 3) / 2, "weighted_f1": (0.8 + 2 / 3) / 2, "uar": 0.75, "accuracy": 0.75}
    assert merged_calm(labels, predictions) == pytest.approx(merged)


def test_calm_is_merged_only_where_both_are_classes():
    assert merged_calm(["calm", "sad"], ["calm", "calm"]) is None
    assert merged_calm(["calm", "sad"], ["calm", "calm"], ["neutral", "calm", "sad"]) is not None
    assert merged_calm(["neutral", "sad"], ["sad", "sad"], ["neutral", "sad"]) is None


def test_groups_are_scored_alone_and_in_order():
    found = group_scores([10, 9, 10, 9, 10], [0, 0, 0, 1, 1], [0, 1, 1, 1, 1])
    assert list(found) == ["9", "10"]
    assert found["9"] == {"clips": 2, "uar": 0.5, "accuracy": 0.5}
    assert found["10"] == pytest.approx({"clips": 3, "uar": 0.75, "accuracy": 2 / 3})


def test_calibration_error_by_hand():
    # Bins of fifths: 0.9 and 0.85 together (one right: gap 0.875 - 0.5), 0.7 alone (right: gap 0.3).
    probabilities = np.array([[0.9, 0.1], [0.85, 0.15], [0.3, 0.7]])
    assert calibration_error(np.array([0, 1, 1]), probabilities, bins=5) == pytest.approx((2 * 0.375 + 0.3) / 3)


def test_calibration_error_of_the_extremes():
    certain = np.eye(4, dtype=np.float32)
    assert calibration_error(np.arange(4), certain) == 0
    assert calibration_error(np.array([1, 2, 3, 0]), certain) == 1
    guessing = np.full((8, 4), 0.25)
    assert calibration_error(np.repeat(np.arange(4), 2), guessing) == pytest.approx(0)


def test_trainer_gets_the_scores_of_logits_alone_or_with_a_gate():
    logits, labels = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), np.array([0, 1, 1])
    expected = scores(labels, [0, 1, 0])
    assert compute_metrics(EvalPrediction(logits, labels)) == expected
    assert compute_metrics(EvalPrediction((logits, np.ones(3)), labels)) == expected


@pytest.fixture
def _module_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of loaded metrics for one test, not the user's."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "evaluate_modules"]:
            del sys.modules[name]

    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    forget()
    yield
    forget()


@pytest.mark.usefixtures("_module_cache")
def test_metric_of_evaluate_loaded_by_path_equals_scores():
    labels, predictions = np.random.default_rng(0).integers(0, [[6], [8]], (2, 50))
    path = REPOSITORY / "evaluation" / "scores" / "emotion_scores.py"
    loaded = evaluate.load(str(path), keep_in_memory=True)
    assert type(loaded).__name__ == "EmotionScores" and type(loaded) is not EmotionScores
    expected = scores(labels, predictions)
    for metric in (loaded, EmotionScores(keep_in_memory=True)):
        for batch in (slice(0, 20), slice(20, 50)):
            metric.add_batch(predictions=predictions[batch], references=labels[batch])
        assert metric.compute() == pytest.approx(expected)
