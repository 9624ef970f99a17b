"""CREMA-D for `datasets.load_dataset("crema_d", data_dir=...)`; `import emofusion.data` registers it."""

from dataclasses import dataclass

from emofusion.data.protocols import Fold
from emofusion.data.sources.account import Account
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.sources.crema_d_names import ACTORS
from emofusion.data.sources.crema_d_takes import find_takes
from emofusion.data.sources.takes import Take

from .builders.clip_builder import CLIP_FLAGS, ClipBuilder, ClipConfig
from .entry import CorpusEntry

CREMA_D = Corpus(
    "CREMA-D",
    "odbl",
    synthetic=False,
    notice="CREMA-D, Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244, Open Database License 1.0.",
)

# Seven male and seven female actors each, spread over the numbers.
_VALIDATION = frozenset({1001, 1002, 1009, 1019, 1021, 1033, 1037, 1041, 1053, 1057, 1061, 1068, 1076, 1083})
_TEST = frozenset({1006, 1013, 1014, 1026, 1028, 1036, 1045, 1047, 1056, 1064, 1071, 1073, 1082, 1087})

CREMA_D_PROTOCOLS = {
    # Models trained elsewhere are tested on all of it.
    "all_test": (Fold(train=frozenset(), validation=frozenset(), test=ACTORS),),
    # Ours: the other 63 actors train, 34 of them male.
    "holdout": (Fold(ACTORS - _VALIDATION - _TEST, _VALIDATION, _TEST),),
}


@dataclass
class CremaDConfig(ClipConfig):
    """Options of `load_dataset("crema_d", ...)`: those of `ClipConfig`.

    Attributes:
        protocol (`str`): `"all_test"`, in which every clip is in the split `test`, or `"holdout"`.
    """

    protocol: str = "all_test"


class CremaD(ClipBuilder):
    """The clips, each of a picture with sound, of its sound alone, or of both."""

    BUILDER_CONFIG_CLASS = CremaDConfig
    CORPUS = CREMA_D
    HOMEPAGE = "https://github.com/CheyneyComputerScience/CREMA-D"
    PROTOCOLS = CREMA_D_PROTOCOLS

    def _find(self) -> tuple[list[Take], Account]:
        return find_takes(self.files)


ENTRY = CorpusEntry(
    name="crema_d",
    builder=CremaD,
    trains_by="holdout",
    scores_by="all_test",  # no actor of it is in RAVDESS: all of it tests what was trained there
    help="CREMA-D",
    acted="emotions acted by actors, who speak twelve English sentences",
    flags=CLIP_FLAGS,
)
