"""An account of what was found in a corpus of still pictures; nothing is dropped silently."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from emofusion.data.whole_files import write_json

MOST_REASONS = 5
LEFT_OUT = "copies of pictures to learn from or to choose by are left out"


@dataclass
class ImageAccount:
    """What was found and what became of it; nothing is dropped silently.

    Attributes:
        found (`dict[str, dict[str, int]]`): By split and class, under our names of emotions where there is one.
        dropped (`dict[str, int]`): By class: pictures that the label set has no place for.
        unreadable (`dict[str, str]`): By file: why it is not used.
        duplicates (`dict[str, str]`): Files left out because another one holds the same picture, and which.
        copies (`dict[str, dict[str, int]]`): By split: pictures that also stand, byte by byte, in an earlier split.
        held_out (`int`): Pictures of the training split that are validated on, and not learnt from.
        left_out (`dict[str, int]`): By split as it is dealt: pictures that are not scored, because they also stand
            among those to learn from or to choose by.
    """

    found: dict[str, dict[str, int]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    copies: dict[str, dict[str, int]] = field(default_factory=dict)
    held_out: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def count(self, split: str, word: str) -> None:
        """One more picture of a class."""
        classes = self.found.setdefault(split, {})
        classes[word] = classes.get(word, 0) + 1

    def drop(self, kept: Iterable[str]) -> None:
        """Drop all classes but these."""
        totals: Counter[str] = Counter()
        for classes in self.found.values():
            totals.update(classes)
        self.dropped = {word: count for word, count in totals.items() if word not in set(kept)}

    def summary(self) -> str:
        """One line for people."""
        parts = [f"{sum(sum(classes.values()) for classes in self.found.values())} pictures"]
        parts += [f"{split} {sum(classes.values())} ({_counts(classes)})" for split, classes in self.found.items()]
        if self.dropped:
            parts.append(f"not in the label set: {_counts(self.dropped)}")
        for split, others in self.copies.items():
            parts += [f"{count} pictures of {split} are also in {other}" for other, count in others.items()]
        if self.held_out:
            parts.append(f"{self.held_out} pictures of train are held out to validate on")
        parts += [f"{count} {LEFT_OUT} of {split}" for split, count in self.left_out.items()]
        if self.duplicates:
            parts.append(f"{len(self.duplicates)} duplicate files left out")
        reasons = Counter(self.unreadable.values()).most_common()
        for reason, count in reasons[:MOST_REASONS]:
            first = next(name for name, why in self.unreadable.items() if why == reason)
            parts.append(f"{count} not used, such as {first}: {reason}")
        if len(reasons) > MOST_REASONS:
            parts.append(f"{sum(count for _, count in reasons[MOST_REASONS:])} not used for other reasons")
        return "; ".join(parts)

    def table(self) -> str:
        """All of it as text lines for people."""
        rows = [(split, sum(classes.values()), _counts(classes)) for split, classes in self.found.items()]
        rows.append(("not in the label set", sum(self.dropped.values()), _counts(self.dropped)))
        for split, others in self.copies.items():
            rows += [(f"{split}, copies", count, f"stand in {other}, too") for other, count in others.items()]
        if self.held_out:
            rows.append(("held out of train", self.held_out, "to validate on"))
        rows += [(f"not scored of {split}", count, "copies, left out") for split, count in self.left_out.items()]
        rows.append(("duplicate files", len(self.duplicates), _example(self.duplicates)))
        rows.append(("not used", len(self.unreadable), _example(self.unreadable)))
        wide = max(len(name) for name, _, _ in rows)
        return "\n".join(f"{name:<{wide}}  {count:>6}  {what}".rstrip() for name, count, what in rows)

    def save(self, path: Path) -> None:
        """Write all of it as JSON, whole or not at all."""
        write_json(path, asdict(self), indent=1)

    @classmethod
    def load(cls, path: Path) -> "ImageAccount":
        """What `save` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def _counts(classes: dict[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in sorted(classes.items()))


def _example(reasons: dict[str, str]) -> str:
    return next((f"such as {name}: {reason}" for name, reason in reasons.items()), "")
