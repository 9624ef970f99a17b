"""What visitors read in place of where a model lies."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path


def named(models: Sequence[str]) -> dict[str, str]:
    """Models by names for strangers: of a folder its own, without those above it; a number tells namesakes apart.

    Args:
        models (`Sequence[str]`): Folders or hub names.
    """
    found: dict[str, str] = {}
    for model in dict.fromkeys(models):
        name = Path(model).absolute().name if Path(model).is_dir() else model
        numbered = (name if number == 1 else f"{name} ({number})" for number in count(1))
        found[next(free for free in numbered if free not in found)] = model
    return found
