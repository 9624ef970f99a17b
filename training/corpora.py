"""What `--corpus` can name, and which protocols each of these corpora has."""

from dataclasses import dataclass

from emofusion.data.affectnet import AFFECTNET
from emofusion.data.corpus import CREMA_D, RAVDESS, Corpus
from emofusion.data.crema_d import CREMA_D_PROTOCOLS
from emofusion.data.fer2013 import FER2013
from emofusion.data.protocols import ALL_PROTOCOLS, Protocols
from emofusion.data.still_images import NO_ACTORS, PUBLISHED


@dataclass(frozen=True)
class CorpusChoice:
    """A corpus that can be trained and scored on.

    Attributes:
        corpus (`Corpus`): Its name and notice.
        protocols (`Protocols`): Its protocols by name.
        trains_by, scores_by (`str`): The protocol where none is asked for, to train by and to score a checkpoint by.
        still (`bool`): Whether it is of still pictures, which have no sound and no actors.
        test_part (`str`): The published split that is scored.
    """

    corpus: Corpus
    protocols: Protocols
    trains_by: str
    scores_by: str
    still: bool = False
    test_part: str = "test"

    def part(self, split: str) -> str:
        """What the corpus calls one of our splits."""
        return self.test_part if split == "test" else split


CORPORA = {
    "ravdess": CorpusChoice(RAVDESS, ALL_PROTOCOLS, trains_by="holdout", scores_by="holdout"),
    # No actor of it is in RAVDESS: all of it tests what was trained there.
    "crema_d": CorpusChoice(CREMA_D, CREMA_D_PROTOCOLS, trains_by="holdout", scores_by="all_test"),
    "fer2013": CorpusChoice(FER2013, NO_ACTORS, PUBLISHED, PUBLISHED, still=True),
    # Its authors never published the test labels: what is reported on it is the score on its validation split.
    "affectnet": CorpusChoice(AFFECTNET, NO_ACTORS, PUBLISHED, PUBLISHED, still=True, test_part="validation"),
}
"""By the name that `datasets.load_dataset` knows them by, too."""
