"""What the house knows of one corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emofusion.data.protocols import Protocols
from emofusion.data.sources.corpus_record import Corpus

from .builders.split_builder import SplitBuilder


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus that can be loaded, trained on and scored on.

    Attributes:
        name (`str`): What `--corpus` and `datasets.load_dataset` call it.
        builder (`type`): Its builder, which knows what tables call it, its licence, its notice and its protocols.
        trains_by, scores_by (`str`): The protocol where none is asked for, to train by and to score a checkpoint by.
        help (`str`): What it is, in a few words for `--help`.
        acted (`str`): What its clips are, in the words of the model card, where people act in them.
        flags (`tuple[str, ...]`): Flags of `train_hf.py` beside those of every corpus that its builder takes under
            the same name; of a corpus of clips, `CLIP_FLAGS` are among them.
        own (`bool`): Whether it is of the user's own clips, whose labels and splits nobody knows before they are read.
        still (`bool`): Whether it is of still pictures, which have no sound and no actors.
        test_part (`str`): The published split that is scored.
        test_parts (`Mapping[str, str]`): What it is called by protocols that deal the published splits anew.
    """

    name: str
    builder: type[SplitBuilder]
    trains_by: str
    scores_by: str
    help: str
    acted: str = ""
    flags: tuple[str, ...] = ()
    own: bool = False
    still: bool = False
    test_part: str = "test"
    test_parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        """What tables call it, its licence and its notice."""
        return self.builder.CORPUS

    @property
    def protocols(self) -> Protocols:
        """Its protocols by name."""
        return self.builder.PROTOCOLS

    def part(self, split: str) -> str:
        """What the corpus calls one of our splits."""
        return self.test_part if split == "test" else split

    def scored_part(self, protocol: str) -> str:
        """The published split that is scored by a protocol."""
        return self.test_parts.get(protocol, self.test_part)
