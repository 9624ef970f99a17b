"""An account of what was read from a corpus folder and what was not; nothing is dropped silently."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from emofusion.data.protocols import numbers
from emofusion.data.whole_files import write_json


@dataclass
class Account:
    """What was found, expected, missing, duplicate, unreadable and odd.

    Attributes:
        files (`int`): Media files found under names of the corpus.
        other_files (`int`): Media files under other names; they are not read.
        takes (`int`): Takes that the files make; after decoding, those that can be used.
        expected (`int`): Takes that the whole corpus has (of the chosen channel).
        missing (`list[str]`): Those of them that are not there.
        picture (`str`): What shows the face: `"picture"`, or `"action units"` in place of one.
        with_picture, with_sound (`int`): Clips that have it.
        without_picture, without_sound (`list[str]`): Clips that lack what other clips have.
        duplicates (`dict[str, str]`): Files left out because another one holds the same take and modality, and which.
        unreadable (`dict[str, str]`): Reason by file (or name) that could not be used.
        notes (`dict[str, list[str]]`): By file (or clip): what was odd but usable.
        stereo (`list[str]`): Sources whose sound had several channels and was mixed to mono.
        identical (`dict[str, list[list[str]]]`): For sound and picture: clips in which it is the same, bit for bit.
        faces (`dict[str, int]`): Clips by what became of the face: found, tracked, not found.
        faces_not_found (`list[str]`): Sources in which no face was found; the middle square was taken.
        steps, unmeasured_steps (`int`): Of clips with action units: steps in all, and those in which no face was seen.
        dropped (`dict[str, int]`): Clips by emotion that the label set has no place for.
    """

    files: int = 0
    other_files: int = 0
    takes: int = 0
    expected: int = 0
    missing: list[str] = field(default_factory=list)
    picture: str = "picture"
    with_picture: int = 0
    with_sound: int = 0
    without_picture: list[str] = field(default_factory=list)
    without_sound: list[str] = field(default_factory=list)
    duplicates: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    stereo: list[str] = field(default_factory=list)
    identical: dict[str, list[list[str]]] = field(default_factory=dict)
    faces: dict[str, int] = field(default_factory=dict)
    faces_not_found: list[str] = field(default_factory=list)
    steps: int = 0
    unmeasured_steps: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def expect(self, whole: Collection[str], there: Collection[str]) -> None:
        """Compare the takes that are there with those of the whole corpus."""
        self.expected = len(whole)
        self.missing = sorted(set(whole) - set(there), key=_by_actor)

    def drop(self, emotions: Iterable[str], kept: Collection[str]) -> None:
        """Count the clips whose emotion is not kept."""
        self.dropped = dict(sorted(Counter(emotion for emotion in emotions if emotion not in kept).items()))

    def summary(self) -> str:
        """One line for people."""
        takes = f"{self.takes} of {self.expected} takes" if self.expected else _several(self.takes, "take")
        return "; ".join([f"{takes} in {_several(self.files, 'file')}", *self.oddities()])

    def oddities(self) -> list[str]:
        """What is to be known beside the number of takes, a few words each; missing takes are told by that number."""
        parts = []
        if self.duplicates:
            parts.append(f"{_several(len(self.duplicates), 'duplicate file')} left out")
        if self.dropped:
            parts.append(
                f"{_several(sum(self.dropped.values()), 'clip')} not in the label set ({_counts(self.dropped)})"
            )
        for kind, groups in self.identical.items():
            more = f" and {_several(len(groups) - 1, 'more group')}" if len(groups) > 1 else ""
            parts.append(f"identical {kind} in {_names(groups[0])}{more}")
        if self.stereo:
            parts.append(f"{_several(len(self.stereo), 'stereo clip')} mixed to mono")
        if self.faces_not_found:
            parts.append(f"{_several(len(self.faces_not_found), 'clip')} without a face")
        if self.picture != "picture":
            parts.append(f"{_several(self.with_picture, 'clip')} with {self.picture}")
            if self.without_picture:
                parts.append(f"{_several(len(self.without_picture), 'clip')} without")
        if self.unmeasured_steps:
            parts.append(f"{self.unmeasured_steps} of {_several(self.steps, 'step')} not measured")
        if self.notes:
            parts.append(f"{_several(len(self.notes), 'file')} with something odd but usable")
        if self.unreadable:
            first, reason = next(iter(self.unreadable.items()))
            parts.append(f"{len(self.unreadable)} unreadable, such as {first}: {reason}")
        return parts

    def table(self, most: int = 5) -> str:
        """All of it as text lines for people, at most `most` examples of a kind; what there is none of has no line."""
        rows = [
            ("media files", self.files, [_unless_none(self.other_files, "more under other names, not read")]),
            ("takes", self.takes, [_unless_none(self.expected, "expected")]),
            ("missing", len(self.missing), [missing_by_actor(self.missing)]),
            (f"with {self.picture}", self.with_picture, [_lacking(self.without_picture, most)]),
            ("with sound", self.with_sound, [_lacking(self.without_sound, most)]),
            ("not in the label set", sum(self.dropped.values()), [_counts(self.dropped)]),
            ("stereo, mixed to mono", len(self.stereo), [_names(self.stereo, most)]),
            *((f"identical {kind}", len(groups), [_groups(groups, most)]) for kind, groups in self.identical.items()),
            *((f"face {word}", count, [""]) for word, count in sorted(self.faces.items()) if word != "not found"),
            ("face not found", len(self.faces_not_found), [_names(self.faces_not_found, most)]),
            ("steps not measured", self.unmeasured_steps, [f"of {self.steps}"]),
            ("duplicate files", len(self.duplicates), _by_kind(self.duplicates.items())),
            ("odd but usable", len(self.notes), _by_kind(self._each_note())),
            ("unreadable", len(self.unreadable), _by_kind(self.unreadable.items())),
        ]
        rows = [row for row in rows if row[1] or row[0] in _ALWAYS]
        wide = max(len(name) for name, _, _ in rows)
        lines = []
        for name, count, said in rows:
            first, *more = said or [""]
            lines += [f"{name:<{wide}}  {count:>6}  {first}", *(f"{'':<{wide + 10}}{line}" for line in more)]
        return "\n".join(map(str.rstrip, lines))

    def _each_note(self) -> Iterator[tuple[str, str]]:
        """File and note, each note of a file once, without the file's name before it."""
        for source, notes in self.notes.items():
            names = [f"{name}: " for name in source.split(" + ")]
            yield from ((source, note) for note in dict.fromkeys(_without(note, names) for note in notes))

    def gaps(self) -> list[str]:
        """What keeps the corpus from being whole, one line each: missing, lacking a modality, unreadable."""
        gaps = []
        if self.missing:
            gaps.append(f"{len(self.missing)} of {self.expected} takes missing: {missing_by_actor(self.missing)}")
        for lacking, clips in ((self.picture, self.without_picture), ("sound", self.without_sound)):
            if clips:
                gaps.append(f"{len(clips)} clips without {lacking}: {_names(clips)}")
        if self.unreadable:
            gaps.append(f"{len(self.unreadable)} unreadable: {_reasons(self.unreadable)}")
        return gaps

    def refuse_gaps(self, place: object) -> None:
        """Raises a ValueError that begins with `place` and names the gaps, if there are any."""
        gaps = self.gaps()
        if gaps:
            raise ValueError(f"{place}: strict, and not all is there: {'; '.join(gaps)}")

    def save(self, path: Path) -> None:
        """Write all of it as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self), indent=1)


_ALWAYS = ("media files", "takes", "with picture", "with action units", "with sound", "unreadable")
"""Lines of the table that stand there even if they count nothing."""


def missing_by_actor(missing: Sequence[str]) -> str:
    """Missing takes for people: `actors 21-24 (60 each); actor 3 (2)`."""
    by_count: dict[int, list[int]] = {}
    for actor, count in Counter(_actor(clip) for clip in missing).items():
        by_count.setdefault(count, []).append(actor)
    parts = []
    for count, actors in sorted(by_count.items(), reverse=True):
        several = len(actors) > 1
        parts.append(f"actor{'s' * several} {numbers(actors)} ({count}{' each' * several})")
    return "; ".join(parts)


def _actor(clip: str) -> int:
    """RAVDESS writes the actor last (`01-03-01-01-01-12`), CREMA-D first (`1001_DFA_ANG_XX`)."""
    return int(clip.partition("_")[0].rpartition("-")[2])


def _by_actor(clip: str) -> tuple[int, str]:
    return _actor(clip), clip


def _names(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in counts.items())


def _groups(groups: Sequence[Sequence[str]], most: int) -> str:
    shown = "; ".join(" = ".join(group[:most]) + " = ..." * (len(group) > most) for group in groups[:most])
    return shown + (f" and {len(groups) - most} more" if len(groups) > most else "")


def _lacking(clips: Sequence[str], most: int) -> str:
    return f"{len(clips)} without: {_names(clips, most)}" if clips else ""


def _reasons(reasons: dict[str, str], most: int = 5) -> str:
    return _names([f"{name}: {reason}" for name, reason in reasons.items()], most)


def _by_kind(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each kind of reason; two that differ in numbers alone are of a kind."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, reason in reasons:
        kinds.setdefault(re.sub(r"[0-9]+([.-][0-9]+)*", "0", reason), []).append((name, reason))
    lines = []
    for found in sorted(kinds.values(), key=len, reverse=True):
        name, reason = found[0]
        several = "such as " if len(kinds) == 1 else f"{len(found)} files, such as "
        lines.append(f"{several * (len(found) > 1)}{name}: {reason}")
    return lines


def _without(note: str, starts: Sequence[str]) -> str:
    return note.removeprefix(next(filter(note.startswith, starts), ""))


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _unless_none(count: int, words: str) -> str:
    return f"{count} {words}" if count else ""
