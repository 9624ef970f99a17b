"""One take of one actor, in whatever files it comes."""

from dataclasses import dataclass
from typing import Any

from .files import CorpusFile


@dataclass(frozen=True)
class Take:
    """What becomes one row of the decoded store.

    Attributes:
        clip (`str`): What all files of the take have in common; unique in its corpus.
        pictures (`tuple[CorpusFile, ...]`): Files that show it, best first; a later one stands in for a broken one.
        sounds (`tuple[CorpusFile, ...]`): Files with its sound alone, for where the picture's file has none.
        facts (`dict`): The columns `emotion`, `actor`, `gender`, `intensity`, `statement`, `repetition`, `channel`.
        silent_by_name (`bool`): Whether its files are named as having no sound.
    """

    clip: str
    pictures: tuple[CorpusFile, ...]
    sounds: tuple[CorpusFile, ...]
    facts: dict[str, Any]
    silent_by_name: bool = False

    @property
    def files(self) -> tuple[CorpusFile, ...]:
        """Its files, the picture's first."""
        return self.pictures + self.sounds
