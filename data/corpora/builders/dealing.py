"""How published splits of still pictures are dealt to training, validation and test, and what is not scored.

Nobody knows who is on the pictures; what can be known is which of them are the same, byte by byte.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

HELD_OUT_OF = 10
"""One picture in so many of the training split is held out to validate on, where a protocol asks for it."""


@dataclass(frozen=True)
class Dealt:
    """What becomes of each picture.

    Attributes:
        splits (`list[str | None]`): By row of the index: its split; None where it is in none.
        held_out (`list[int]`): Rows of the training split that are validated on.
        left_out (`dict[int, str]`): By row: the split that it would be in, were it not a copy.
    """

    splits: list[str | None]
    held_out: list[int]
    left_out: dict[int, str]


def deal(published: Sequence[str], digests: Sequence[str | None], test: str | None, keep_copies: bool) -> Dealt:
    """Deal the pictures of an index.

    Args:
        published (`Sequence[str]`): The published split of each picture.
        digests (`Sequence[str]`): Of its content; None where that was not read.
        test (`str`, *optional*): The published split that is the test. A part of the training split is validated on
            then, and all others are left alone; without it every split is as it was published.
        keep_copies (`bool`): Validate and score by copies of pictures that are learnt from, too.
    """
    splits: list[str | None] = list(published)
    if test is not None:
        apart = _held_out({digest for split, digest in zip(published, digests, strict=True) if split == "train"})
        named = {"train": "train", test: "test"}
        splits = [
            "validation" if split == "train" and digest in apart else named.get(split)
            for split, digest in zip(published, digests, strict=True)
        ]
    held_out = [row for row, split in enumerate(splits) if (published[row], split) == ("train", "validation")]
    known: dict[str | None, set[str | None]] = {part: set() for part in ("train", "validation")}
    for split, digest in zip(splits, digests, strict=True):
        if split in known and digest is not None:
            known[split].add(digest)
    both = known["train"] | known["validation"]
    met: dict[str | None, set[str | None]] = {None: set(), "train": set(), "validation": known["train"]}
    left_out = {
        row: str(split) for row, split in enumerate(splits) if not keep_copies and digests[row] in met.get(split, both)
    }
    return Dealt([None if row in left_out else split for row, split in enumerate(splits)], held_out, left_out)


def _held_out(digests: set[str | None]) -> set[str]:
    """The smallest of the digests: chance decides, and the same pictures stay apart whatever the seed.

    Copies have one digest, so none is learnt from while another one validates.
    """
    known = sorted(digest for digest in digests if digest is not None)
    return set(known[: math.ceil(len(known) / HELD_OUT_OF)])
