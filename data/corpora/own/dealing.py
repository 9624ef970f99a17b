"""How own clips are dealt to training, validation and test: as they are given, by speaker, or clip by clip."""

import warnings
from collections import Counter
from collections.abc import Sequence

from emofusion.data.protocols import EVERYONE, LEAKY, Fold, FoldRefusedError, Protocols

from .own_clips import Listing, OwnClip

GIVEN, SPEAKERS, ALL_TEST = "given", "speakers", "all_test"

FOLDS = 5
"""Into so many groups speakers or clips are dealt; one of them tests, the next one validates."""
FEWEST = 3
"""Groups that a fold needs: to train, to validate and to test."""
SEED = 0
"""Of the dealing. It is no flag: two runs are compared on the same test clips, whatever their own seeds."""

_SOMEBODY = frozenset({0})
_NOBODY: frozenset[int] = frozenset()
OWN_PROTOCOLS: Protocols = {
    GIVEN: (Fold(_SOMEBODY, _SOMEBODY, _SOMEBODY),),
    SPEAKERS: (Fold(_SOMEBODY, _SOMEBODY, _SOMEBODY),) * FOLDS,
    LEAKY: (Fold(_SOMEBODY, _SOMEBODY, _SOMEBODY),) * FOLDS,
    ALL_TEST: (Fold(_NOBODY, _NOBODY, _SOMEBODY),),
    EVERYONE: (Fold(_SOMEBODY, _NOBODY, _NOBODY),),
}
"""The protocols, and which parts each has; who is in a part, the clips say (`deal`)."""


def deal(listing: Listing, clips: Sequence[OwnClip], protocol: str, k: int) -> list[str]:
    """The part of each clip in fold `k`: `"train"`, `"validation"` or `"test"`.

    By `speakers`, nobody is in two parts, and by `random_clips` no clip; both keep the share of each label as equal
    as can be in all groups (scikit-learn's `StratifiedGroupKFold`). A group tests, the next one validates.

    Args:
        listing (`Listing`): What there is.
        clips (`Sequence[OwnClip]`): Those of it that are dealt, in the order of their names.
        protocol (`str`): One of `OWN_PROTOCOLS`.
        k (`int`): The fold, from 0.

    Raises:
        FoldRefusedError: Too few speakers or clips, or no such fold; the message says what to do.
    """
    if protocol in (ALL_TEST, EVERYONE):
        return ["test" if protocol == ALL_TEST else "train"] * len(clips)
    if protocol == GIVEN:
        if any(clip.split is None for clip in clips):
            raise FoldRefusedError(
                "given: no split is given to these clips; add a column split to their table, or deal them by speakers "
                f"or {LEAKY}"
            )
        return [str(clip.split) for clip in clips]
    if protocol == SPEAKERS and not listing.knows_speakers:
        raise FoldRefusedError(
            f"speakers: nobody knows who is in these clips; add a column speaker to their table, or use {LEAKY}"
        )
    groups = _groups(clips, protocol)
    count = max(groups) + 1
    if k >= count:
        raise FoldRefusedError(f"{protocol} fold {k}: these clips have folds 0 to {count - 1}")
    return [{k: "test", (k + 1) % count: "validation"}.get(group, "train") for group in groups]


def count_folds(clips: Sequence[OwnClip], protocol: str) -> int:
    """How many folds these clips have."""
    return max(_groups(clips, protocol)) + 1 if protocol in (SPEAKERS, LEAKY) else 1


def _groups(clips: Sequence[OwnClip], protocol: str) -> list[int]:
    """The group of each clip, from 0; speakers stay together by `speakers`."""
    from sklearn.model_selection import StratifiedGroupKFold

    people = [str(clip.speaker) if protocol == SPEAKERS else clip.name for clip in clips]
    labels = [clip.label for clip in clips]
    count = min(FOLDS, len(set(people)), max(Counter(labels).values()))
    if count < FEWEST:
        what = "speakers" if protocol == SPEAKERS else "clips of a label"
        hint = (
            f"; add others, or deal single clips with --protocol {LEAKY}, which leaks" if protocol == SPEAKERS else ""
        )
        raise FoldRefusedError(
            f"{protocol}: expected at least {FEWEST} {what}, to train, to validate and to test; found {count}{hint}"
        )
    groups = [0] * len(clips)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels with fewer clips than groups: some groups are without them then
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=SEED).split(labels, labels, people)
        for group, (_, rows) in enumerate(folds):
            for row in rows:
                groups[row] = group
    return groups
