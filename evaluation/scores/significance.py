"""Is one model better than another? Paired tests over the actors that both were scored on, and variants compared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from emofusion.evaluation.people import Person, by_person, in_order

from .intervals import mean_interval

PREVIOUS = "previous"
"""As a reference: each variant is compared with the one before it."""
RESAMPLES = 99_999
"""Draws where there are more sign flips than these, which is from 17 actors on."""


@dataclass(frozen=True)
class PairedDifference:
    """Scores of the first model minus those of the second, over actors.

    Attributes:
        mean (`float`): Mean difference.
        low, high (`float`): Its 95 % percentile bootstrap interval over actors; None with one actor.
        p_value (`float`): Two-sided, of a sign-flip permutation test; see `smallest_p`.
        units (`int`): Number of actors.
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float
    units: int


def paired_difference(
    first: Mapping[Person, float], second: Mapping[Person, float], seed: int = 0
) -> PairedDifference:
    """Compare the scores per actor of two models.

    If the models were equally good, each actor's difference could as well have the other sign. The p-value is the
    share of all sign flips with a mean at least this far from 0 (Fisher's randomisation test; Good, Permutation
    Tests, 2000), counted exactly up to 16 actors and drawn beyond. The interval draws actors with replacement
    (Efron and Tibshirani, 1993).

    Args:
        first (`Mapping[Person, float]`): Score by actor of one model.
        second (`Mapping[Person, float]`): Score by actor of the other, for the same actors.
        seed (`int`, *optional*, defaults to 0): Same seed, same result.

    Raises:
        ValueError: The actors differ, there are none, or a score is not a finite number.
    """
    differences = _differences(first, second)
    mean, units = float(differences.mean()), len(differences)
    interval = mean_interval(differences, seed)
    if interval is None:
        return PairedDifference(mean, None, None, smallest_p(1), 1)
    # With a single sample, this permutation type flips signs.
    test = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=10_000,  # memory does not grow with the resamples
        rng=np.random.default_rng(seed),
    )
    return PairedDifference(mean, *interval, float(test.pvalue), units)


def _differences(first: Mapping[Person, float], second: Mapping[Person, float]) -> np.ndarray:
    """First minus second `[actors]`, in the order of the actors."""
    if first.keys() != second.keys():
        only = [
            sorted(ours.keys() - others.keys(), key=in_order) for ours, others in ((first, second), (second, first))
        ]
        raise ValueError(
            f"scores of different actors: only the first has {only[0]}, only the second {only[1]}; score both models "
            "on the same test actors"
        )
    differences = np.array([first[actor] - second[actor] for actor in sorted(first, key=in_order)], np.float64)
    if not differences.size or not np.isfinite(differences).all():
        raise ValueError(f"scores {dict(first)} and {dict(second)}: give at least one actor, and finite numbers")
    return differences


def smallest_p(units: int) -> float:
    """The p-value that the two-sided sign-flip test of so many actors reaches at best: 2 / 2^units while it is exact.

    All differences have one sign then; only they and their mirror image are as far from 0. Below 6 actors, no result
    can fall under 0.05. Where flips are drawn, each tail counts one draw more than was found.

    Raises:
        ValueError: There is no actor.
    """
    if units < 1:
        raise ValueError(f"{units} actors: a test needs at least one")
    return 2 / 2**units if is_exact(units) else 2 / (RESAMPLES + 1)


def is_exact(units: int) -> bool:
    """Whether the test of so many actors counts all sign flips, instead of drawing some."""
    return 2**units <= RESAMPLES


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several comparisons, adjusted for their number, in the order given.

    Comparing an adjusted value with 0.05 keeps the chance of any false alarm at 5 % (Holm, A simple sequentially
    rejective multiple test procedure, 1979).

    Raises:
        ValueError: A value is not between 0 and 1.
    """
    values = np.asarray(p_values, np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values {list(p_values)}: each must be between 0 and 1")
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted.tolist()


def compared(variants: Sequence[dict[str, Any]], reference: str | list[str]) -> list[dict[str, Any]]:
    """The variants with what each is compared with: UAR of every test actor, a mean over its seeds.

    Args:
        variants (`Sequence[dict]`): `variant` and what `folds.summarise` tells of each.
        reference (`str` or `list[str]`): `"previous"`, or names of which the one with the best macro-F1 is taken.

    Returns:
        The variants; those compared have `reference` and `difference`, with `p_holm` adjusted for all of them.
    """
    pairs = _pairs(variants, reference)
    adjusted = holm([difference.p_value for _, difference in pairs.values()])
    found = {
        name: {"reference": other, "difference": {**asdict(difference), "p_holm": p_value}}
        for (name, (other, difference)), p_value in zip(pairs.items(), adjusted, strict=True)
    }
    return [variant | found.get(variant["variant"], {}) for variant in variants]


def _pairs(variants: Sequence[dict[str, Any]], reference: str | list[str]) -> dict[str, tuple[str, PairedDifference]]:
    """By variant: what it is compared with, and the difference."""
    best, never = _best_of(variants, reference), _names(reference)
    others = [None, *variants[:-1]] if best is None else [best] * len(variants)
    pairs = {}
    for variant, other in zip(variants, others, strict=True):
        name = variant["variant"]
        if other is None or name in never or "test_by_actor" not in variant["over_actors"]:
            continue  # nobody knows who is on still pictures
        pairs[name] = (other["variant"], paired_difference(_by_actor(variant), _by_actor(other)))
    return pairs


def _names(reference: str | list[str]) -> list[str]:
    return [] if reference == PREVIOUS else [reference] if isinstance(reference, str) else list(reference)


def _best_of(variants: Sequence[dict[str, Any]], reference: str | list[str]) -> dict[str, Any] | None:
    among = [variant for variant in variants if variant["variant"] in _names(reference)]
    return max(among, key=lambda variant: variant["over_actors"]["test_macro_f1"]) if among else None


def _by_actor(variant: Mapping[str, Any]) -> dict[Person, float]:
    """UAR by actor; clips of several seeds count together, which is the mean over them."""
    return {actor: group["uar"] for actor, group in by_person(variant["over_actors"]["test_by_actor"]).items()}
