"""Protocols: which actors train, validate and test. Every split is a literal table; no actor is in two parts."""

from dataclasses import dataclass

ACTORS = frozenset(range(1, 25))
"""The actors of RAVDESS; odd numbers are male, even ones female."""


@dataclass(frozen=True)
class Fold:
    """Actor numbers of one split.

    Attributes:
        train, validation, test (`frozenset[int]`): disjoint parts of 1-24.
    """

    train: frozenset[int]
    validation: frozenset[int]
    test: frozenset[int]

    def part_of(self, actor: int) -> str:
        """`"train"`, `"validation"` or `"test"`."""
        return next(name for name in SPLITS if actor in getattr(self, name))


SPLITS = ("train", "validation", "test")


def _rest(validation: set[int], test: set[int]) -> Fold:
    return Fold(ACTORS - validation - test, frozenset(validation), frozenset(test))


PROTOCOLS: dict[str, tuple[Fold, ...]] = {
    # Two male and two female actors in validation and in test.
    "holdout": (_rest(validation={13, 14, 15, 16}, test={17, 18, 19, 20}),),
}


def fold(name: str, k: int = 0) -> Fold:
    """Fold `k` (from 0) of a protocol.

    Raises:
        ValueError: Unknown protocol or fold; the message lists the choices.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"protocol: unknown {name!r}; the choices are {', '.join(PROTOCOLS)}")
    folds = PROTOCOLS[name]
    if not 0 <= k < len(folds):
        raise ValueError(f"fold: {name} has folds 0 to {len(folds) - 1}, found {k}")
    return folds[k]
