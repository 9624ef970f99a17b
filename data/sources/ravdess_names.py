"""The name grammar of RAVDESS: `MM-CC-EE-II-SS-RR-AA`, seven two-digit fields.

Source: Livingstone and Russo 2018, The Ryerson Audio-Visual Database of Emotional Speech and Song,
doi:10.5281/zenodo.1188976.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from emofusion.data.label_sets import EMOTIONS

CHANNELS = {1: "speech", 2: "song"}
INTENSITIES = {1: "normal", 2: "strong"}
STATEMENTS = {1: "Kids are talking by the door", 2: "Dogs are sitting by the door"}
SONG_EMOTIONS = 6  # song has the first six emotions only
NO_SONG = 18  # the actor of whom there is no song

_NAME = re.compile(r"[0-9]{2}(-[0-9]{2}){6}")  # not \d, which takes the digits of every script
# Field, highest code; the lowest is 1.
_FIELDS = (
    ("modality", 3),
    ("channel", 2),
    ("emotion", 8),
    ("intensity", 2),
    ("statement", 2),
    ("repetition", 2),
    ("actor", 24),
)


@dataclass(frozen=True, order=True)
class RavdessName:
    """The seven codes of a file name, as numbers."""

    modality: int
    channel: int
    emotion: int
    intensity: int
    statement: int
    repetition: int
    actor: int

    def __str__(self) -> str:
        return f"{self.modality:02d}-{self.take}"

    @property
    def take(self) -> str:
        """The last six fields: the same in all files of one take, whatever their modality."""
        codes = (self.channel, self.emotion, self.intensity, self.statement, self.repetition, self.actor)
        return "-".join(f"{code:02d}" for code in codes)

    @property
    def emotion_name(self) -> str:
        """Such as `"happy"`."""
        return EMOTIONS[self.emotion - 1]

    @property
    def gender(self) -> str:
        """`"male"` for odd actor numbers, `"female"` for even ones."""
        return "male" if self.actor % 2 else "female"


def looks_like_ravdess(stem: str) -> bool:
    """Whether a file name without its ending has the form of seven two-digit fields, possible or not."""
    return _NAME.fullmatch(stem) is not None


def parse_name(stem: str) -> RavdessName:
    """Read a file name without its ending.

    Raises:
        ValueError: It does not have the form, or a field is out of range; the message names the field.
    """
    if not looks_like_ravdess(stem):
        raise ValueError(f"{stem}: not a RAVDESS name, expected seven two-digit fields such as 01-01-06-01-02-01-12")
    codes = [int(code) for code in stem.split("-")]
    for (field, highest), code in zip(_FIELDS, codes, strict=True):
        if not 1 <= code <= highest:
            raise ValueError(f"{stem}: {field} {code:02d} is out of range 01-{highest:02d}")
    name = RavdessName(*codes)
    if name.emotion == 1 and name.intensity == 2:
        raise ValueError(f"{stem}: intensity 02 (strong) does not exist for neutral")
    if CHANNELS[name.channel] == "song" and name.emotion > SONG_EMOTIONS:
        raise ValueError(f"{stem}: emotion {name.emotion:02d} ({name.emotion_name}) does not exist in song")
    return name


def all_takes() -> Iterator[RavdessName]:
    """Every take of the corpus, under modality 01: 1440 in speech and 1012 in song, in the order of codes."""
    for codes in itertools.product(*(range(1, highest + 1) for _, highest in _FIELDS[1:])):
        name = RavdessName(1, *codes)
        if CHANNELS[name.channel] == "song" and name.actor == NO_SONG:
            continue
        try:
            yield parse_name(str(name))
        except ValueError:  # neutral is never strong, song has six emotions
            continue
