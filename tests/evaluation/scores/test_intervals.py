"""Bootstrap intervals: their scores are scikit-learn's, their resamples those of actors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofusion.evaluation.scores.intervals import bootstrap_intervals, scores_of_confusion, unit_confusion
from emofusion.evaluation.scores.metrics import confusion, scores

CLASSES = 5
CLIPS = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1), st.integers(1, 6)), min_size=1, max_size=60
)


def acted(actors: int, clips: int, seed: int = 0, shared: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and actors `[actors * clips]`; a share of actors is always misread."""
    draws = np.random.default_rng(seed)
    labels = np.tile(np.arange(clips) % CLASSES, actors)
    units = np.repeat(np.arange(actors), clips)
    misread = (draws.random(actors) < shared)[units] | (draws.random(len(labels)) < 0.2)
    return labels, np.where(misread, (labels + 1) % CLASSES, labels), units


@settings(max_examples=40, deadline=None)
@given(CLIPS)
def test_scores_of_confusion_equal_sklearn(clips: list[tuple[int, int, int]]):
    labels, predictions, _ = np.array(clips).T
    found = scores_of_confusion(np.array([confusion(labels, predictions, CLASSES)] * 2))
    expected = scores(labels, predictions)
    for name, values in found.items():
        assert values.shape == (2,)
        assert values == pytest.approx(expected[name])
    assert found.keys() == expected.keys()


@settings(max_examples=40, deadline=None)
@given(CLIPS)
def test_confusion_of_units_is_that_of_their_clips(clips: list[tuple[int, int, int]]):
    labels, predictions, units = np.array(clips).T
    matrices = unit_confusion(labels, predictions, units, CLASSES)
    for unit, matrix in zip(np.unique(units), matrices, strict=True):
        inside = units == unit
        assert matrix.tolist() == confusion(labels[inside], predictions[inside], CLASSES)


@settings(max_examples=25, deadline=None)
@given(CLIPS.filter(lambda clips: len({actor for *_, actor in clips}) > 1), st.integers(0, 99))
def test_intervals_are_ordered_and_deterministic(clips: list[tuple[int, int, int]], seed: int):
    labels, predictions, units = np.array(clips).T
    found = bootstrap_intervals(labels, predictions, units, CLASSES, 200, seed)
    assert all(0 <= low <= high <= 1 + 1e-12 for low, high in found.values())
    assert found == bootstrap_intervals(labels, predictions, units, CLASSES, 200, seed)
    # Neither the names of the units nor the order of the clips matter.
    assert found == bootstrap_intervals(labels[::-1], predictions[::-1], 10 - units[::-1], CLASSES, 200, seed)


def test_intervals_equal_those_of_resampled_clips():
    labels, predictions, units = acted(actors=6, clips=10, shared=0.4)
    found = bootstrap_intervals(labels, predictions, units, CLASSES, 4000)
    draws = np.random.default_rng(1)
    clips_of = [np.flatnonzero(units == actor) for actor in range(6)]
    rows = [np.concatenate([clips_of[actor] for actor in draws.integers(0, 6, 6)]) for _ in range(2000)]
    drawn = scores_of_confusion(
        np.concatenate([unit_confusion(labels[row], predictions[row], np.zeros(60), CLASSES) for row in rows])
    )
    for name, bounds in found.items():
        assert bounds == pytest.approx(np.percentile(drawn[name], [2.5, 97.5]), abs=0.04)


def test_actors_who_are_all_alike_leave_no_doubt():
    labels, predictions = np.array([0, 1, 2, 3] * 5), np.array([0, 1, 2, 0] * 5)
    expected = scores(labels, predictions)
    for name, bounds in bootstrap_intervals(labels, predictions, np.repeat(np.arange(5), 4), CLASSES).items():
        assert bounds == pytest.approx((expected[name], expected[name]))


def test_two_actors_one_read_and_one_not():
    # Resamples hold the good actor 0, 1 or 2 times, with chances 1/4, 1/2, 1/4: so the interval is everything.
    found = bootstrap_intervals(np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0]), ["a", "a", "b", "b"], 2)
    assert set(found.values()) == {(0.0, 1.0)}


def test_one_actor_says_nothing_about_others():
    found = bootstrap_intervals(np.array([0, 1]), np.array([0, 0]), [17, 17], CLASSES)
    assert found == dict.fromkeys(("macro_f1", "weighted_f1", "uar", "accuracy"))


def test_fewer_actors_and_actors_instead_of_clips_are_wider():
    labels, predictions, units = acted(actors=24, clips=60, shared=0.3)

    def width(clips: slice, over: np.ndarray) -> float:
        low, high = bootstrap_intervals(labels[clips], predictions[clips], over[clips], CLASSES)["uar"] or (0, 0)
        return high - low

    everyone, few = slice(None), slice(0, 6 * 60)
    assert width(few, units) > 1.3 * width(everyone, units)
    # Every third actor is misread throughout; drawing clips would not know that.
    assert width(everyone, units) > 3 * width(everyone, np.arange(len(units)))


@pytest.mark.parametrize(("actors", "lowest", "highest"), [(4, 0.70, 0.89), (24, 0.89, 0.99)])
def test_intervals_cover_the_truth_less_often_with_few_actors(actors: int, lowest: float, highest: float):
    # Each actor has an accuracy of its own, around 0.7.
    covered = []
    for seed in range(200):
        draws = np.random.default_rng(seed)
        own = draws.uniform(0.5, 0.9, actors)
        labels = np.tile(np.arange(60) % CLASSES, actors)
        units = np.repeat(np.arange(actors), 60)
        predictions = np.where(draws.random(len(labels)) < own[units], labels, (labels + 1) % CLASSES)
        bounds = bootstrap_intervals(labels, predictions, units, CLASSES, 300)["accuracy"]
        assert bounds is not None
        covered.append(bounds[0] <= 0.7 <= bounds[1])
    assert lowest <= np.mean(covered) <= highest


@pytest.mark.parametrize(("labels", "predictions"), [([0, 5], [0, 0]), ([0, 0], [0, -1]), ([], [])])
def test_ids_that_are_no_classes(labels: list[int], predictions: list[int]):
    with pytest.raises(ValueError, match="ids from 0 to 4"):
        unit_confusion(np.array(labels, int), np.array(predictions, int), np.arange(len(labels)), CLASSES)
