"""A corpus that somebody adds: one file with its names, its builder and its entry, as docs/ tell it.

Clips are called `<actor>-<emotion>-<number>.mp4`: `ann-happy-1.mp4`.
"""

from pathlib import Path
from typing import NamedTuple

from emofusion.data.corpora.builders.clip_builder import CLIP_FLAGS, ClipBuilder, ClipConfig
from emofusion.data.corpora.entry import CorpusEntry
from emofusion.data.protocols import Fold
from emofusion.data.sources.account import Account
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.sources.named_files import named_files, new_account, nothing_found
from emofusion.data.sources.takes import Take
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media

TOY = Corpus("Toy Corpus", "cc0-1.0", synthetic=False, notice="Toy Corpus, nobody 2026, CC0.")
ACTORS = {"ann": 1, "bob": 2, "cem": 3, "dee": 4}
EMOTIONS = ("happy", "neutral", "sad")
PROTOCOLS = {"holdout": (Fold(train=frozenset({1, 2}), validation=frozenset({3}), test=frozenset({4})),)}


class ToyName(NamedTuple):
    """What the name of a file says."""

    actor: str
    emotion: str
    number: int


def looks_like_toy(stem: str) -> bool:
    """Whether a name without its ending has three parts."""
    return stem.count("-") == 2


def parse_name(stem: str) -> ToyName:
    """Read a name, or raise a ValueError that says what is wrong with it."""
    actor, emotion, number = stem.split("-")
    if actor not in ACTORS or emotion not in EMOTIONS:
        raise ValueError(f"{stem}: no such actor or emotion")
    return ToyName(actor, emotion, int(number))


class ToyCorpus(ClipBuilder):
    """Its clips, all with picture and sound."""

    BUILDER_CONFIG_CLASS = ClipConfig
    CORPUS = TOY
    HOMEPAGE = "https://example.org/toy"
    PROTOCOLS = PROTOCOLS

    def _find(self) -> tuple[list[Take], Account]:
        account = new_account(self.files)
        takes = []
        for name, file in named_files(self.files, account, looks_like_toy, parse_name):
            account.files += 1
            facts = {
                "emotion": name.emotion,
                "actor": ACTORS[name.actor],
                "gender": "female" if name.actor in ("ann", "dee") else "male",
                "intensity": "normal",
                "statement": 1,
                "repetition": name.number,
                "channel": "speech",
            }
            takes.append(Take(clip=file.name.stem, pictures=(file,), sounds=(), facts=facts))
        if not takes:
            raise ValueError(nothing_found(self.files, account, TOY.name, "ann-happy-1.mp4"))
        return takes, account


ENTRY = CorpusEntry(
    name="toy",
    builder=ToyCorpus,
    trains_by="holdout",
    scores_by="holdout",
    help="the toy corpus",
    acted="emotions acted by four toys",
    flags=CLIP_FLAGS,
)


def write_toy_corpus(folder: Path) -> Path:
    """Two clips of each emotion by each actor."""
    for actor in ACTORS:
        for seed, emotion in enumerate(EMOTIONS):
            for number in (1, 2):
                path = folder / actor / f"{actor}-{emotion}-{number}.mp4"
                write_media(path, make_frames(seed=seed), make_sound(seed=seed))
    return folder
