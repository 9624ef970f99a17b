"""Scores against scikit-learn and against cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from emofusion.evaluation.metrics import chance_scores, confusion, scores

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


@given(PAIRS)
def test_scores_of_random_predictions_equal_sklearn(pairs: list[tuple[int, int]]):
    labels, predictions = np.array(pairs).T
    found = scores(labels, predictions)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predictions, average="macro", zero_division=0))
    assert found["accuracy"] == pytest.approx(np.mean(labels == predictions))
    occurring = recall_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0)
    assert found["uar"] == pytest.approx(occurring)


def test_scores_with_an_absent_class_by_hand():
    # Class 2 never occurs and is never predicted: recalls 1/2 and 1, precisions 1 and 2/3.
    found = scores(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    assert found["uar"] == pytest.approx(0.75)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)


def test_confusion_rows_are_the_true_classes():
    assert confusion(np.array([0, 0, 1]), np.array([1, 0, 1]), 3) == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("shares", [(1, 1, 1, 1), (4, 8, 8, 8, 8, 8, 8, 8), (96, 192, 192, 192)])
def test_chance_is_what_guessing_scores(shares: tuple[int, ...]):
    labels = np.repeat(np.arange(len(shares)), np.array(shares) * 2000 // sum(shares) * 20)
    guesses = np.random.default_rng(0).integers(0, len(shares), len(labels))
    guessed, expected = scores(labels, guesses), chance_scores(labels, len(shares))
    for name in ("macro_f1", "uar", "accuracy"):
        assert guessed[name] == pytest.approx(expected[f"chance_{name}"], abs=0.01)


def test_majority_is_what_the_largest_class_scores():
    labels = np.array([0, 1, 1, 2])
    expected, found = chance_scores(labels, 3), scores(labels, np.ones(4, int))
    assert expected["majority_accuracy"] == found["accuracy"]
    assert expected["majority_macro_f1"] == pytest.approx(found["macro_f1"])
