"""What a field of a record means, beside its type; documentation and readers of older files take it from there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Note:
    """Metadata of a field, in `Annotated[float, Note("mean recall of the classes", "0 to 1")]`.

    Attributes:
        meaning (`str`): What the field holds, in one line.
        unit (`str`): Unit or range of its numbers.
        needed (`bool`): Whether a record without it cannot be used.
        missing (`Any`): What a reader takes in its place where an older file does not have it.
    """

    meaning: str
    unit: str = ""
    needed: bool = False
    missing: Any = None


def notes_of(record: type) -> dict[str, Note]:
    """The notes of a TypedDict by field, in the order of the file.

    Raises:
        TypeError: A field has none.
    """
    found = {}
    for name, hint in hints_of(record).items():
        notes = [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Note)]
        if not notes:
            raise TypeError(f"{record.__name__}.{name}: no Note says what it holds")
        found[name] = notes[0]
    return found


def hints_of(record: type) -> dict[str, Any]:
    """Annotations of a TypedDict by field, without `NotRequired` around them."""
    hints = get_type_hints(record, include_extras=True)
    return {name: hint if hasattr(hint, "__metadata__") else hint.__args__[0] for name, hint in hints.items()}


def with_missing(record: type, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file with what a reader takes where it lacks a field, or says null."""
    missing = {name: note.missing for name, note in notes_of(record).items() if not note.needed}
    return missing | {name: value for name, value in content.items() if value is not None}
