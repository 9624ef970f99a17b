"""Variants of a model against each other: which one each is compared with, and how far their actors' UAR differ."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .significance import PairedDifference, holm, paired_difference

PREVIOUS = "previous"
"""As a reference: each variant is compared with the one before it."""


def compared(variants: Sequence[dict[str, Any]], reference: str | list[str]) -> list[dict[str, Any]]:
    """The variants with what each is compared with: UAR of every test actor, a mean over its seeds.

    Args:
        variants (`Sequence[dict]`): `variant` and what `folds.summarise` tells of each.
        reference (`str` or `list[str]`): `"previous"`, or names of which the one with the best macro-F1 is taken.

    Returns:
        The variants; those compared have `reference` and `difference`, with `p_holm` adjusted for all of them.
    """
    pairs = _differences(variants, reference)
    adjusted = holm([difference.p_value for _, difference in pairs.values()])
    found = {
        name: {"reference": other, "difference": {**asdict(difference), "p_holm": p_value}}
        for (name, (other, difference)), p_value in zip(pairs.items(), adjusted, strict=True)
    }
    return [variant | found.get(variant["variant"], {}) for variant in variants]


def _differences(
    variants: Sequence[dict[str, Any]], reference: str | list[str]
) -> dict[str, tuple[str, PairedDifference]]:
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


def _by_actor(variant: Mapping[str, Any]) -> dict[int, float]:
    """UAR by actor; clips of several seeds count together, which is the mean over them."""
    return {int(actor): group["uar"] for actor, group in variant["over_actors"]["test_by_actor"].items()}
