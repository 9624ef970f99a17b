"""Clips of the user's own: their labels by name, who speaks in them, and which split they are given to."""

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from emofusion.data.label_sets import OwnLabels, own_labels
from emofusion.data.protocols import SPLITS
from emofusion.data.sources.files import CorpusFile

FIRST_NUMBER = 10_000
"""Numbers of our own speakers begin here: actors of RAVDESS and CREMA-D have smaller ones."""

MOST_WHOLE_LABELS = 20
"""So many different whole numbers may be names of classes; more of them are something measured."""

SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("val", "valid", "dev", "development", "eval"), "validation"),
    **dict.fromkeys(("testing",), "test"),
}
"""What people call the splits, in small letters, and what we call them."""


@dataclass(frozen=True)
class OwnClip:
    """One clip.

    Attributes:
        name (`str`): Unique; its file below the folder.
        label (`str`): The name of its class.
        pictures, sounds (`tuple[CorpusFile, ...]`): As a [`Take`] has them.
        speaker (`str`, *optional*): Who is in it; None where nobody knows.
        split (`str`, *optional*): `"train"`, `"validation"` or `"test"`, where it is given to one.
        actor (`int`, *optional*): The number of the speaker, where an export has it.
    """

    name: str
    label: str
    pictures: tuple[CorpusFile, ...]
    sounds: tuple[CorpusFile, ...]
    speaker: str | None = None
    split: str | None = None
    actor: int | None = None

    @property
    def number(self) -> int:
        """What a checkpoint remembers of whom it learned from: the number of the speaker, else one of the clip.

        It follows from the speaker's name alone, and without one from the clip's name and the size of its files, so
        the same clips have the same numbers in every run, wherever their folder lies.
        """
        if self.actor is not None:
            return self.actor
        if self.speaker is not None:
            return _number("speaker", self.speaker)
        return _number("clip", self.name, *(file.stamp[0] for file in (*self.pictures, *self.sounds)))


def _number(*identity: Hashable) -> int:
    digest = hashlib.sha256("\n".join(map(str, identity)).encode()).digest()
    return FIRST_NUMBER + int.from_bytes(digest[:8]) % (2**31 - FIRST_NUMBER)


@dataclass(frozen=True)
class Listing:
    """All clips of a folder or a data set.

    Attributes:
        place (`str`): What errors begin with.
        clips (`list[OwnClip]`): In the order of their names.
        other_files (`int`): Media files that are no clip of it, and not read.
        skipped (`dict[str, str]`): Reason by file that cannot be used.
    """

    place: str
    clips: list[OwnClip]
    other_files: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> OwnLabels:
        """Its labels as classes: emotions that we know in their order, others by name."""
        return own_labels({clip.label for clip in self.clips})

    @cached_property
    def by_name(self) -> dict[str, OwnClip]:
        """Its clips by name."""
        return {clip.name: clip for clip in self.clips}

    @property
    def knows_speakers(self) -> bool:
        """Whether it is known who is in the clips."""
        return self.clips[0].speaker is not None

    @property
    def natural_protocol(self) -> str:
        """How its clips are dealt where nobody says: as they are given, else by speaker, else clip by clip."""
        if any(clip.split is not None for clip in self.clips):
            return "given"
        return "speakers" if self.knows_speakers else "random_clips"

    def check_labels(self) -> None:
        """Refuse labels that nothing can be learned of.

        Raises:
            ValueError: There is one label, or one has a single clip.
        """
        counts = Counter(clip.label for clip in self.clips)
        if len(counts) == 1:
            raise ValueError(f"{self.place}: expected several labels, found {self.clips[0].label} alone; add others")
        label, count = min(counts.items(), key=lambda item: item[1])
        if count == 1:
            raise ValueError(
                f"{self.place}: label {label} has one clip, which cannot both train and test; add others, or leave "
                "it out"
            )


def checked_listing(
    place: str, clips: Sequence[OwnClip], other_files: int = 0, skipped: dict[str, str] | None = None
) -> Listing:
    """A listing in which all clips or none have a speaker and a split, and no two speakers one number.

    Raises:
        ValueError: naming the first clip that lacks what others have, or two speakers of one number.
    """
    for name in ("speaker", "split"):
        lacking = [clip.name for clip in clips if getattr(clip, name) is None]
        if 0 < len(lacking) < len(clips):
            raise ValueError(
                f"{place}: {lacking[0]} has no {name}, and other clips have one ({len(lacking)} of {len(clips)} lack "
                "it); fill it in everywhere, or leave out the column"
            )
    speakers: dict[int, str] = {}
    for clip in clips:
        if clip.speaker is not None and speakers.setdefault(clip.number, clip.speaker) != clip.speaker:
            raise ValueError(
                f"{place}: the speakers {speakers[clip.number]} and {clip.speaker} get the same number by chance; "
                "rename one of them"
            )
    return Listing(place, sorted(clips, key=lambda clip: clip.name), other_files, skipped or {})


def label_names(labels: Sequence[object], column: str, place: str) -> list[str]:
    """Labels as names of classes; a few whole numbers are names, too.

    Raises:
        ValueError: They are numbers that measure something.
    """
    numbers = [_as_number(label) for label in labels]
    if not all(number is not None for number in numbers):
        return [str(label).strip() for label in labels]
    odd = next((label for label, number in zip(labels, numbers, strict=True) if number != int(number or 0)), None)
    if odd is not None or len(set(numbers)) > MOST_WHOLE_LABELS:
        found = f"such as {odd}" if odd is not None else f"{len(set(numbers))} different ones"
        raise ValueError(
            f"{place}: column {column} holds numbers, {found}: that is regression, and this model names classes; "
            f"write names, or at most {MOST_WHOLE_LABELS} whole numbers"
        )
    return [str(int(number or 0)) for number in numbers]


def _as_number(value: Any) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def split_name(word: object, place: str) -> str | None:
    """Our name of a split; None where nothing is written.

    Raises:
        ValueError: No split is called so.
    """
    if is_empty(word):
        return None
    name = SPLIT_NAMES.get(str(word).strip().lower())
    if name is None:
        raise ValueError(f"{place}: unknown split {str(word)!r}; write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return name


def is_empty(value: object) -> bool:
    """Whether a cell has nothing in it."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip()
