"""An account of what was read from a corpus folder and what was not; nothing is dropped silently."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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
        with_picture, with_sound (`int`): Clips that have it.
        without_picture, without_sound (`list[str]`): Clips that lack what other clips have.
        duplicates (`dict[str, str]`): Files left out because another one holds the same take and modality, and which.
        unreadable (`dict[str, str]`): Reason by file (or name) that could not be used.
        notes (`dict[str, list[str]]`): By file (or clip): what was odd but usable.
        stereo (`list[str]`): Sources whose sound had several channels and was mixed to mono.
        identical (`dict[str, list[list[str]]]`): For sound and picture: clips in which it is the same, bit for bit.
        faces (`dict[str, int]`): Clips by what became of the face: found, tracked, not found.
        faces_not_found (`list[str]`): Sources in which no face was found; the middle square was taken.
        dropped (`dict[str, int]`): Clips by emotion that the label set has no place for.
    """

    files: int = 0
    other_files: int = 0
    takes: int = 0
    expected: int = 0
    missing: list[str] = field(default_factory=list)
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
        expected = f" of {self.expected}" if self.expected else ""
        parts = [f"{self.takes}{expected} takes in {self.files} files"]
        if self.duplicates:
            parts.append(f"{len(self.duplicates)} duplicate files left out")
        if self.dropped:
            parts.append(f"{sum(self.dropped.values())} clips not in the label set ({_counts(self.dropped)})")
        for kind, groups in self.identical.items():
            more = f" and {len(groups) - 1} more groups" if len(groups) > 1 else ""
            parts.append(f"identical {kind} in {_names(groups[0])}{more}")
        if self.stereo:
            parts.append(f"{len(self.stereo)} stereo clips mixed to mono")
        if self.faces_not_found:
            parts.append(f"{len(self.faces_not_found)} clips without a face")
        if self.notes:
            parts.append(f"{len(self.notes)} files with something odd but usable")
        if self.unreadable:
            first, reason = next(iter(self.unreadable.items()))
            parts.append(f"{len(self.unreadable)} unreadable, such as {first}: {reason}")
        return "; ".join(parts)

    def table(self, most: int = 5) -> str:
        """All of it as text lines for people; at most `most` examples of a kind."""
        rows: list[tuple[str, str, str]] = [
            (
                "media files",
                str(self.files),
                f"{self.other_files} more under other names, not read" * bool(self.other_files),
            ),
            ("takes", str(self.takes), f"{self.expected} expected" if self.expected else ""),
            ("missing", str(len(self.missing)), missing_by_actor(self.missing)),
            ("with picture", str(self.with_picture), _lacking(self.without_picture, most)),
            ("with sound", str(self.with_sound), _lacking(self.without_sound, most)),
            ("not in the label set", str(sum(self.dropped.values())), _counts(self.dropped)),
            ("stereo, mixed to mono", str(len(self.stereo)), _names(self.stereo, most)),
            *(
                (f"identical {kind}", str(len(groups)), _groups(groups, most))
                for kind, groups in (self.identical or {"clips": []}).items()
            ),
            *((f"face {word}", str(count), "") for word, count in sorted(self.faces.items()) if word != "not found"),
            *(
                [("face not found", str(len(self.faces_not_found)), _names(self.faces_not_found, most))]
                * bool(self.faces)
            ),
            ("duplicate files", str(len(self.duplicates)), _reasons(self.duplicates, most)),
            ("odd but usable", str(len(self.notes)), _reasons({k: "; ".join(v) for k, v in self.notes.items()}, most)),
            ("unreadable", str(len(self.unreadable)), _reasons(self.unreadable, most)),
        ]
        wide = max(len(row[0]) for row in rows)
        return "\n".join(f"{name:<{wide}}  {count:>6}  {what}".rstrip() for name, count, what in rows)

    def gaps(self) -> list[str]:
        """What keeps the corpus from being whole, one line each: missing, lacking a modality, unreadable."""
        gaps = []
        if self.missing:
            gaps.append(f"{len(self.missing)} of {self.expected} takes missing: {missing_by_actor(self.missing)}")
        for lacking, clips in (("picture", self.without_picture), ("sound", self.without_sound)):
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
