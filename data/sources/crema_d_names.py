"""The names of CREMA-D: `ACTOR_SENTENCE_EMOTION_LEVEL`, what they stand for, and which of them there are.

Source: Cao et al. 2014, CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset, doi:10.1109/TAFFC.2014.2336244,
and its repository github.com/CheyneyComputerScience/CREMA-D: README.md, SentenceFilenames.csv, VideoDemographics.csv.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
EMOTION_CODES = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELS = {"XX": "unspecified", "LO": "low", "MD": "medium", "HI": "high"}

ACTORS = frozenset(range(1001, 1092))
# VideoDemographics.csv, column Sex: 48 actors; the other 43 are female.
# fmt: off
MALE_ACTORS = frozenset({
    1001, 1005, 1011, 1014, 1015, 1016, 1017, 1019, 1022, 1023, 1026, 1027, 1031, 1032, 1033, 1034, 1035, 1036, 1038,
    1039, 1040, 1041, 1042, 1044, 1045, 1048, 1050, 1051, 1057, 1059, 1062, 1064, 1065, 1066, 1067, 1068, 1069, 1070,
    1071, 1077, 1080, 1081, 1083, 1085, 1086, 1087, 1088, 1090,
})
# fmt: on

# What SentenceFilenames.csv lacks of 91 x 82: whole sentences of three actors, and one take of two others.
_NO_SENTENCE = {(1008, "WSI"), (1009, "MTI"), (1019, "ITH")}
_NO_TAKE = {"1002_TIE_NEU_XX", "1076_ITS_NEU_XX"}

WAV_ALONE = {"1076_MTI_NEU_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD"}
"""Takes of which the wav is whole and the other files are not."""

KNOWN_DEFECTS = {
    "1076_MTI_SAD_XX": "an error picture and no sound",
    "1076_MTI_NEU_XX": "flv and mp3 are nearly empty and silent, the wav is whole",
    "1064_TIE_SAD_XX": "flv and mp3 are nearly empty, the wav is whole",
    "1064_IEO_DIS_MD": "flv and mp3 last one minute and show every emotion, the wav is whole",
} | {
    # Byte for byte the same wav and the same mp3.
    clip: f"the same sound as {other}, which has another label"
    for one, two in (
        ("1006_TIE_NEU_XX", "1006_TIE_HAP_XX"),
        ("1013_WSI_SAD_XX", "1013_WSI_DIS_XX"),
        ("1017_IWW_FEA_XX", "1017_IWW_ANG_XX"),
    )
    for clip, other in ((one, two), (two, one))
}
"""What is wrong with some takes, after the corpus' own README; names that were written wrongly tell themselves."""

_FORM = re.compile(r"[0-9]{4}_[A-Z]{3}_[A-Z]{3}_[A-Z]{1,2}")  # not \d, which takes the digits of every script
_SHORT_LEVEL = "X"  # 1040_ITH_SAD_X in older copies


@dataclass(frozen=True, order=True)
class CremaDName:
    """The four fields of a file name."""

    actor: int
    sentence: str
    emotion: str
    level: str

    def __str__(self) -> str:
        return f"{self.actor}_{self.sentence}_{self.emotion}_{self.level}"

    @property
    def emotion_name(self) -> str:
        """Such as `"happy"`."""
        return EMOTION_CODES[self.emotion]

    @property
    def intensity(self) -> str:
        """Such as `"low"`."""
        return LEVELS[self.level]

    @property
    def statement(self) -> int:
        """Number of the sentence, from 1, in the order of `SENTENCES`."""
        return [*SENTENCES].index(self.sentence) + 1

    @property
    def gender(self) -> str:
        """`"male"` or `"female"`."""
        return "male" if self.actor in MALE_ACTORS else "female"


def looks_like_crema_d(stem: str) -> bool:
    """Whether a file name without its ending has the form of the four fields, possible or not."""
    return _FORM.fullmatch(stem) is not None


def parse_name(stem: str) -> CremaDName:
    """Read a file name without its ending; the level `X` is read as `XX`.

    Raises:
        ValueError: It does not have the form, or a field is none of the known ones; the message names the field.
    """
    if not looks_like_crema_d(stem):
        raise ValueError(f"{stem}: not a CREMA-D name, expected ACTOR_SENTENCE_EMOTION_LEVEL such as 1001_DFA_ANG_XX")
    actor, sentence, emotion, level = stem.split("_")
    level = "XX" if level == _SHORT_LEVEL else level
    if int(actor) not in ACTORS:
        raise ValueError(f"{stem}: actor {actor} is out of range {min(ACTORS)}-{max(ACTORS)}")
    for field, code, known in (
        ("sentence", sentence, SENTENCES),
        ("emotion", emotion, EMOTION_CODES),
        ("level", level, LEVELS),
    ):
        if code not in known:
            raise ValueError(f"{stem}: {field} {code} is none of {', '.join(known)}")
    return CremaDName(int(actor), sentence, emotion, level)


def all_takes() -> Iterator[CremaDName]:
    """Every take of the corpus, 7442: only `IEO` has levels, and those not for neutral."""
    for actor in sorted(ACTORS):
        for sentence in SENTENCES:
            if (actor, sentence) in _NO_SENTENCE:
                continue
            for emotion in EMOTION_CODES:
                levels = ("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",)
                names = (CremaDName(actor, sentence, emotion, level) for level in levels)
                yield from (name for name in names if str(name) not in _NO_TAKE)
