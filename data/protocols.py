"""Protocols: which actors train, validate and test. Every split is a literal table; no actor is in two parts.

The one exception splits clips instead of actors, and is called so: `random_clips`.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

ACTORS = frozenset(range(1, 25))
"""The actors of RAVDESS; odd numbers are male, even ones female."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Fold:
    """Actor numbers of one split.

    Attributes:
        train, validation, test (`frozenset[int]`): disjoint parts of all actors (but for `random_clips`).
    """

    train: frozenset[int]
    validation: frozenset[int]
    test: frozenset[int]

    def part_of(self, actor: int) -> str:
        """`"train"`, `"validation"` or `"test"`."""
        return next(name for name in SPLITS if actor in getattr(self, name))


class FoldRefusedError(ValueError):
    """A fold that cannot be used with the actors that are there; the message says which are missing."""


def _rest(test: set[int], validation: set[int]) -> Fold:
    return Fold(ACTORS - validation - test, frozenset(validation), frozenset(test))


PROTOCOLS: dict[str, tuple[Fold, ...]] = {
    # Ours: two male and two female actors in validation and in test.
    "holdout": (_rest(test={17, 18, 19, 20}, validation={13, 14, 15, 16}),),
    # Test actors: Luna-Jimenez et al. 2021, Multimodal Emotion Recognition on RAVDESS Dataset Using Transfer
    # Learning, Sensors 21(22), code and stored predictions. It has no validation actors: these are ours, two of each
    # sex.
    "luna5": (
        _rest(test={2, 5, 14, 15, 16}, validation={3, 6, 7, 18}),
        _rest(test={3, 6, 7, 13, 18}, validation={10, 11, 12, 19}),
        _rest(test={10, 11, 12, 19, 20}, validation={8, 17, 21, 24}),
        _rest(test={8, 17, 21, 23, 24}, validation={1, 4, 9, 22}),
        _rest(test={1, 4, 9, 22}, validation={2, 5, 14, 15}),
    ),
    # Test actors: Su et al. 2020, MSAF: Multimodal Split Attention Fusion, main_msaf.py. It reports the best test
    # epoch; here the next four actors validate.
    "msaf6": (
        _rest(test={1, 2, 3, 4}, validation={5, 6, 7, 8}),
        _rest(test={5, 6, 7, 8}, validation={9, 10, 11, 12}),
        _rest(test={9, 10, 11, 12}, validation={13, 14, 15, 16}),
        _rest(test={13, 14, 15, 16}, validation={17, 18, 19, 20}),
        _rest(test={17, 18, 19, 20}, validation={21, 22, 23, 24}),
        _rest(test={21, 22, 23, 24}, validation={1, 2, 3, 4}),
    ),
    # Test actors: Ma et al. 2024, EmoBox, its data/ravdess folds 1-6. Its validation lists are empty: these are ours,
    # two of each sex.
    "emobox6": (
        _rest(test={1, 11, 20, 21}, validation={4, 9, 10, 19}),
        _rest(test={4, 10, 12, 14}, validation={3, 8, 9, 24}),
        _rest(test={8, 9, 19, 23}, validation={2, 3, 5, 24}),
        _rest(test={3, 5, 7, 24}, validation={2, 13, 15, 16}),
        _rest(test={2, 15, 16, 18}, validation={6, 13, 17, 22}),
        _rest(test={6, 13, 17, 22}, validation={1, 4, 11, 20}),
    ),
    # Chumachenko et al. 2022, Self-attention fusion for audiovisual emotion recognition with incomplete data: the
    # split of the shared checkpoints.
    "chumachenko": (_rest(test={5, 10, 16, 19}, validation={11, 13, 18, 22}),),
    # Leave one subject out: actor k + 1 tests. The validation actors are ours: the next four, two of each sex.
    "loso": (
        _rest(test={1}, validation={2, 3, 4, 5}),
        _rest(test={2}, validation={3, 4, 5, 6}),
        _rest(test={3}, validation={4, 5, 6, 7}),
        _rest(test={4}, validation={5, 6, 7, 8}),
        _rest(test={5}, validation={6, 7, 8, 9}),
        _rest(test={6}, validation={7, 8, 9, 10}),
        _rest(test={7}, validation={8, 9, 10, 11}),
        _rest(test={8}, validation={9, 10, 11, 12}),
        _rest(test={9}, validation={10, 11, 12, 13}),
        _rest(test={10}, validation={11, 12, 13, 14}),
        _rest(test={11}, validation={12, 13, 14, 15}),
        _rest(test={12}, validation={13, 14, 15, 16}),
        _rest(test={13}, validation={14, 15, 16, 17}),
        _rest(test={14}, validation={15, 16, 17, 18}),
        _rest(test={15}, validation={16, 17, 18, 19}),
        _rest(test={16}, validation={17, 18, 19, 20}),
        _rest(test={17}, validation={18, 19, 20, 21}),
        _rest(test={18}, validation={19, 20, 21, 22}),
        _rest(test={19}, validation={20, 21, 22, 23}),
        _rest(test={20}, validation={21, 22, 23, 24}),
        _rest(test={21}, validation={22, 23, 24, 1}),
        _rest(test={22}, validation={23, 24, 1, 2}),
        _rest(test={23}, validation={24, 1, 2, 3}),
        _rest(test={24}, validation={1, 2, 3, 4}),
    ),
}
ROTATING = {"msaf6"}
"""Protocols whose validation actors are the next group: where that one is absent, the next one present validates."""

LEAKY = "random_clips"
"""The leaky one: clips are dealt at random, and every actor is in all parts. Only for showing what leaks inflate."""

EVERYONE = "everyone"
"""All actors train, and nobody is left to validate or to test: for a model to give away, whose recipe is scored by
another protocol."""

RANDOM_FOLDS = 6
ALL_PROTOCOLS = PROTOCOLS | {
    EVERYONE: (Fold(ACTORS, frozenset(), frozenset()),),
    LEAKY: (Fold(ACTORS, ACTORS, ACTORS),) * RANDOM_FOLDS,
}
"""Those of RAVDESS, the one without a test, and the leaky one, in which all actors are in every part."""

CHOICES = tuple(ALL_PROTOCOLS)

Protocols = Mapping[str, tuple[Fold, ...]]


def fold(name: str, k: int = 0, protocols: Protocols = ALL_PROTOCOLS) -> Fold:
    """Fold `k` (from 0) of a protocol; in `random_clips` all actors are in every part.

    Args:
        name (`str`): The protocol.
        k (`int`): The fold, from 0.
        protocols (`Protocols`): The table of a corpus, by default that of RAVDESS.

    Raises:
        ValueError: Unknown protocol or fold; the message lists the choices.
    """
    if name not in protocols:
        raise ValueError(f"protocol: unknown {name!r}; the choices are {', '.join(protocols)}")
    folds = protocols[name]
    if not isinstance(k, int):
        raise ValueError(f"fold: expected a whole number, found {k!r}")
    if not 0 <= k < len(folds):
        raise ValueError(f"fold: {name} has folds 0 to {len(folds) - 1}, found {k}")
    return folds[k]


def fold_of_present(
    name: str,
    k: int,
    present: Collection[int],
    needed: Collection[str] = SPLITS,
    protocols: Protocols = ALL_PROTOCOLS,
) -> Fold:
    """Fold `k` among the actors that are there.

    Args:
        name (`str`): The protocol.
        k (`int`): The fold, from 0.
        present (`Collection[int]`): Actors that are there.
        needed (`Collection[str]`): Parts that must not be empty, unless the protocol does without them.
        protocols (`Protocols`): The table of a corpus, by default that of RAVDESS.

    Raises:
        FoldRefusedError: A needed part has no actor; the message says which are missing.
        ValueError: Unknown protocol or fold.
    """
    whole = fold(name, k, protocols)
    there = frozenset(present)
    train, validation = whole.train & there, whole.validation & there
    if not validation and name in ROTATING:
        validation = _next_group(protocols[name], k, there)
        train -= validation
    found = Fold(train, validation, whole.test & there)
    lacking = [part for part in needed if getattr(whole, part) and not getattr(found, part)]
    if lacking:
        empty = [f"{part} actors ({numbers(getattr(whole, part))})" for part in lacking]
        raise FoldRefusedError(
            f"{name} fold {k} is refused: none of its {' and none of its '.join(empty)} is there, only actors "
            f"{numbers(there)}"
        )
    return found


def _next_group(folds: tuple[Fold, ...], k: int, present: frozenset[int]) -> frozenset[int]:
    """Test actors of the first later fold (cyclically) that has any present."""
    groups = (folds[(k + step) % len(folds)].test & present for step in range(1, len(folds)))
    return next((group for group in groups if group), frozenset())


def usable_folds(
    name: str, present: Collection[int], protocols: Protocols = ALL_PROTOCOLS
) -> tuple[dict[int, Fold], dict[int, str]]:
    """The folds of a protocol that can be used with the actors that are there, and why the others cannot."""
    usable: dict[int, Fold] = {}
    refused: dict[int, str] = {}
    for k in range(len(protocols[name])):
        try:
            usable[k] = fold_of_present(name, k, present, protocols=protocols)
        except FoldRefusedError as error:
            refused[k] = str(error)
    return usable, refused


def split_of(name: str, k: int, found: Fold, actor: int, clip: str) -> str:
    """The part that a clip is in: that of its actor, or for `random_clips` one drawn by the clip's name."""
    if name != LEAKY:
        return found.part_of(actor)
    bucket = int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8]) % RANDOM_FOLDS
    return {k: "test", (k + 1) % RANDOM_FOLDS: "validation"}.get(bucket, "train")


_MOST_NAMES = 12


def numbers(actors: Collection[int | str]) -> str:
    """Actors for people: their numbers (`1-4, 7`), or the names of the first ones (`ann, bob and 3 more`)."""
    if any(isinstance(actor, str) for actor in actors):
        names = sorted(map(str, actors))
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return ", ".join(names[:_MOST_NAMES]) + more
    return _in_runs({int(actor) for actor in actors})


def _in_runs(actors: Collection[int]) -> str:
    runs: list[list[int]] = []
    for actor in sorted(actors):
        if runs and actor == runs[-1][1] + 1:
            runs[-1][1] = actor
        else:
            runs.append([actor, actor])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
