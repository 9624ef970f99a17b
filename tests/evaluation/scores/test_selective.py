"""Selective classification: small cases by hand, and what holds of every table of predictions."""

import itertools
import math

import numpy as np
import pytest

from emofusion.evaluation.scores.metrics import scores
from emofusion.evaluation.scores.selective import answered, coverage_rows, fit_threshold, risk_coverage_area

SEEDS = range(6)


def drawn(seed: int, clips: int = 97, levels: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels `[clips]` of 4 classes, probabilities `[clips, 4]` that know something of them, and actors `[clips]`.

    With `levels`, many clips are equally sure.
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, clips)
    probabilities = generator.dirichlet(np.ones(4), clips)
    probabilities[np.arange(clips), labels] += generator.random(clips)
    probabilities /= probabilities.sum(1, keepdims=True)
    if levels is not None:
        probabilities = np.round(probabilities * levels) / levels
    return labels, probabilities, np.arange(clips) % 7


def rows_of(labels: np.ndarray, probabilities: np.ndarray, actors: np.ndarray) -> list[dict]:
    return coverage_rows(labels, probabilities.argmax(1), probabilities.max(1), actors, 4)


@pytest.mark.parametrize(
    ("right", "confidence", "area"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6], (0 + 0 + 1 / 3 + 2 / 4) / 4),
        ([0, 0, 1, 1], [0.9, 0.8, 0.7, 0.6], (1 + 1 + 2 / 3 + 2 / 4) / 4),
        ([1, 0, 1], [0.5, 0.9, 0.7], (1 + 1 / 2 + 1 / 3) / 3),
        ([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([1, 1, 0], [0.8, 0.5, 0.5], (0 + 0.25 + 1 / 3) / 3),
        ([1, 1], [0.5, 0.6], 0.0),
        ([0], [0.5], 1.0),
    ],
)
def test_area_by_hand(right: list[int], confidence: list[float], area: float):
    assert risk_coverage_area(np.array(right, bool), np.array(confidence)) == pytest.approx(area)


def test_area_of_equally_sure_clips_is_the_mean_over_their_orders():
    confidence, right = np.array([3, 2, 2, 2, 1, 1]) / 4, np.array([1, 0, 1, 1, 0, 1], bool)
    orders = itertools.permutations(range(6))
    kept = [order for order in orders if (np.diff(confidence[list(order)]) <= 0).all()]
    areas = [np.mean(np.cumsum(~right[list(order)]) / np.arange(1, 7)) for order in kept]
    assert len(kept) == math.factorial(3) * math.factorial(2)
    assert risk_coverage_area(right, confidence) == pytest.approx(np.mean(areas))


@pytest.mark.parametrize("seed", SEEDS)
def test_area_goes_by_the_order_alone_and_lies_between_best_and_worst(seed: int):
    labels, probabilities, _ = drawn(seed)
    right, confidence = probabilities.argmax(1) == labels, probabilities.max(1)
    area = risk_coverage_area(right, confidence)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    assert risk_coverage_area(right[shuffled], confidence[shuffled] ** 3) == pytest.approx(area)
    best, worst = (risk_coverage_area(right, sure) for sure in (right.astype(float), 1.0 - right))
    assert best < area < risk_coverage_area(right, np.ones(len(right))) < worst


def test_rows_by_hand():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    actors = np.array([1, 1, 1, 2])
    rows = coverage_rows(labels, probabilities.argmax(1), probabilities.max(1), actors, 2)
    assert [(row["at_least"], row["clips"], row["coverage"]) for row in rows] == [
        (0.6, 4, 1.0),
        (0.7, 3, 0.75),
        (0.8, 2, 0.5),
        (0.9, 1, 0.25),
    ]
    assert [row["accuracy"] for row in rows] == pytest.approx([3 / 4, 2 / 3, 1 / 2, 1])
    assert [row["uar"] for row in rows] == pytest.approx([3 / 4, 3 / 4, 1 / 2, 1]), "of the classes that occur"
    assert [row["accuracy_interval"] is None for row in rows] == [False, True, True, True], "one actor says nothing"


@pytest.mark.parametrize("levels", [None, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_scores_of_the_surest_clips(seed: int, levels: int | None):
    labels, probabilities, actors = drawn(seed, levels=levels)
    predictions, confidence = probabilities.argmax(1), probabilities.max(1)
    rows = rows_of(labels, probabilities, actors)
    assert rows[0]["coverage"] == 1
    assert [row["clips"] for row in rows] == sorted({row["clips"] for row in rows}, reverse=True)
    for tenths in range(1, 11):  # no share is passed over
        row = min((row for row in rows if row["coverage"] >= tenths / 10), key=lambda row: row["clips"])
        assert levels or row["clips"] == math.ceil(tenths * 97 / 10 - 1e-9)
    for row in rows:
        sure = confidence >= row["at_least"]
        expected = scores(labels[sure], predictions[sure])
        assert (row["clips"], row["accuracy"]) == (sure.sum(), expected["accuracy"])
        assert row["uar"] == expected["uar"]
        low, high = row["accuracy_interval"]
        assert low <= row["accuracy"] <= high


def test_nothing_answered_has_no_scores():
    labels, probabilities, actors = drawn(0)
    found = answered(labels, probabilities.argmax(1), np.zeros(97, bool), actors, 4)
    assert found == {"clips": 0, "coverage": 0.0, "accuracy": None, "accuracy_interval": None, "uar": None}


@pytest.mark.parametrize(
    ("accuracy", "threshold"),
    [(0.5, 0.0), (0.6, 0.0), (0.61, 0.65), (0.75, 0.65), (0.76, 0.85), (1.0, 0.85)],
)
def test_threshold_by_hand(accuracy: float, threshold: float):
    """Surest first: right, right, wrong, right, wrong; the middle between two clips is where no rounding matters."""
    named = np.array([0.95, 0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([named, 1 - named], axis=1)
    labels = np.array([0, 0, 1, 0, 1])
    found = fit_threshold(labels, probabilities, accuracy)
    assert found == pytest.approx(threshold)


def test_share_that_is_met_exactly_is_met():
    named = np.linspace(0.99, 0.6, 20)
    labels = (np.arange(20) >= 11).astype(int)  # 11 of 20 are right: 0.55 * 20 is more than 11 for a computer
    assert fit_threshold(labels, np.stack([named, 1 - named], axis=1), 0.55) == 0


def test_no_threshold_where_the_surest_are_wrong():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert fit_threshold(np.array([1, 0, 0]), probabilities, 0.7) is None, "equally sure clips are answered together"
    assert fit_threshold(np.array([1, 0, 0]), probabilities, 0.6) == 0
    with pytest.raises(ValueError, match="the probabilities of 1 of 2 clips are not finite"):
        fit_threshold(np.array([0, 0]), np.array([[0.9, 0.1], [np.nan, 0.1]]), 0.5)


@pytest.mark.parametrize("levels", [None, 5])
@pytest.mark.parametrize("accuracy", [0.3, 0.8, 0.9])
@pytest.mark.parametrize("seed", SEEDS)
def test_threshold_keeps_its_word_and_no_smaller_one_does(seed: int, accuracy: float, levels: int | None):
    labels, probabilities, _ = drawn(seed, levels=levels)
    right, confidence = probabilities.argmax(1) == labels, probabilities.max(1)
    every = {level: right[confidence >= level].mean() for level in np.unique(confidence)}
    good = [level for level, share in every.items() if share >= accuracy]
    found = fit_threshold(labels, probabilities, accuracy)
    if found is None:
        assert not good
        return
    assert (confidence >= found).sum() == (confidence >= min(good)).sum()
    assert found not in confidence
