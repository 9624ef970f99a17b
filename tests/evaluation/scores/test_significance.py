"""Paired tests over actors, against counts worked by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emofusion.evaluation.scores.significance import holm, paired_difference, smallest_p


def against_zero(differences: list[float], seed: int = 0):
    """Compare scores that differ by these with scores of 0."""
    return paired_difference(dict(enumerate(differences)), dict.fromkeys(range(len(differences)), 0.0), seed)


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        ([0.1, 0.2, 0.3], 2 / 8),  # only +++ and --- are as far out
        ([0.1, -0.2, 0.3], 6 / 8),  # sum 0.2: |sum| is 0.6, 0.4, 0.2 or 0, two flips each
        ([0.1, 0.2, 0.3, 0.4], 2 / 16),
        ([-0.1, 0.2, 0.3, 0.4], 4 / 16),  # sum 0.8: 1.0 and 0.8, both signs
        ([0.0, 0.0, 0.0], 1.0),
        ([0.2, -0.2], 1.0),
    ],
)
def test_p_values_counted_by_hand(differences: list[float], p_value: float):
    found = against_zero(differences)
    assert found.p_value == pytest.approx(p_value)
    assert found.mean == pytest.approx(np.mean(differences))
    assert found.units == len(differences)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-8, 8).map(lambda value: value / 8), min_size=2, max_size=7))
def test_p_value_is_the_share_of_sign_flips(differences: list[float]):
    sums = [abs(np.dot(signs, differences)) for signs in product([-1, 1], repeat=len(differences))]
    expected = np.mean(np.array(sums) >= abs(sum(differences)))
    found, mirrored = against_zero(differences), against_zero([-value for value in differences])
    assert found.p_value == pytest.approx(expected) == mirrored.p_value
    assert found.p_value >= smallest_p(len(differences)) - 1e-12
    assert found.low is not None and found.high is not None
    assert min(differences) <= found.low <= found.high <= max(differences)


def test_actors_are_paired_by_number_not_by_order():
    first, second = {1: 0.5, 2: 0.9, 3: 0.7}, {3: 0.6, 1: 0.4, 2: 0.8}
    found = paired_difference(first, second)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.p_value == pytest.approx(0.25)


def test_24_actors_are_drawn_and_repeat():
    differences = np.random.default_rng(3).normal(0.02, 0.05, 24).tolist()
    found = against_zero(differences)
    assert found == against_zero(differences)
    # With so many actors a t-test of the same differences comes close.
    assert found.p_value == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)
    assert found.low is not None and found.high is not None and found.low < 0 < found.high
    assert against_zero([0.1] * 24).p_value == pytest.approx(2 / 100_000)


def test_one_actor_has_no_interval():
    found = against_zero([0.3])
    assert (found.mean, found.low, found.high, found.p_value, found.units) == (0.3, None, None, 1.0, 1)


def test_different_actors_are_named():
    with pytest.raises(ValueError, match=r"only the first has \[2\], only the second \[17, 18\]"):
        paired_difference({1: 0.5, 2: 0.5}, {1: 0.5, 17: 0.5, 18: 0.5})


@pytest.mark.parametrize("scores", [{}, {1: float("nan"), 2: 0.5}])
def test_scores_that_are_none(scores: dict[int, float]):
    with pytest.raises(ValueError, match="finite numbers"):
        paired_difference(scores, dict.fromkeys(scores, 0.5))


def test_smallest_p_is_what_equal_signs_reach():
    for units in range(1, 9):
        assert against_zero([0.1] * units).p_value == pytest.approx(smallest_p(units))
    assert smallest_p(5) > 0.05 > smallest_p(6)
    with pytest.raises(ValueError, match="0 actors"):
        smallest_p(0)


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, which may not fall again.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_the_order_and_stays_below_bonferroni(values: list[float]):
    adjusted = np.array(holm(values))
    assert (adjusted >= values).all()
    assert (adjusted <= np.minimum(np.array(values) * len(values), 1)).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_p_value(value: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, value])
