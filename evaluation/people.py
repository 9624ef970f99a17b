"""Who is in clips: actors that a corpus numbers, speakers that have names, or people whom nobody knows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from datasets import Dataset

Value = TypeVar("Value")
Person = int | str


def people_of(rows: Dataset) -> Sequence[Person] | None:
    """Who is in each clip: the name of the speaker in clips of one's own, else the number of the actor.

    Returns:
        `Sequence`: Of the length of the rows; None where nobody knows who it is, as in still pictures.
    """
    if "speaker" in rows.column_names:
        names = list(rows["speaker"])
        return None if any(name is None for name in names) else names
    return list(rows["actor"]) if "actor" in rows.column_names else None


def units_of(column: pd.Series) -> np.ndarray:
    """A column of people `[clips]` to group by; one that was once empty in part holds 17.0 for actor 17."""
    return column.to_numpy(np.int64 if pd.api.types.is_numeric_dtype(column) else str)


def by_person(groups: Mapping[str, Value]) -> dict[Person, Value]:
    """What JSON has by person, by number again where all of them have one."""
    people = as_people(groups)
    return dict(zip(people, groups.values(), strict=True))


def in_order(person: Person) -> tuple[bool, Person]:
    """By what people are sorted: numbers as numbers, and before names."""
    return isinstance(person, str), person


def as_people(names: Iterable[str]) -> list[Person]:
    """The keys that JSON has for people as numbers, where all of them are."""
    found = list(names)
    return [int(name) for name in found] if all(name.isdecimal() for name in found) else [*found]
