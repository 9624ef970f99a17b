"""What the house knows of one corpus."""

from dataclasses import dataclass

from datasets import DatasetBuilder

from emofusion.data.protocols import Protocols
from emofusion.data.sources.corpus_record import Corpus


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus that can be loaded, trained on and scored on.

    Attributes:
        name (`str`): What `--corpus` and `datasets.load_dataset` call it.
        corpus (`Corpus`): What tables call it, its licence and its notice.
        builder (`type`): Its builder.
        protocols (`Protocols`): Its protocols by name.
        trains_by, scores_by (`str`): The protocol where none is asked for, to train by and to score a checkpoint by.
        help (`str`): What it is, in a few words for `--help`.
        acted (`str`): What its clips are, in the words of the model card, where people act in them.
        flags (`tuple[str, ...]`): Flags beside those of every corpus that its builder takes under the same name.
        still (`bool`): Whether it is of still pictures, which have no sound and no actors.
        test_part (`str`): The published split that is scored.
    """

    name: str
    corpus: Corpus
    builder: type[DatasetBuilder]
    protocols: Protocols
    trains_by: str
    scores_by: str
    help: str
    acted: str = ""
    flags: tuple[str, ...] = ()
    still: bool = False
    test_part: str = "test"

    def part(self, split: str) -> str:
        """What the corpus calls one of our splits."""
        return self.test_part if split == "test" else split
