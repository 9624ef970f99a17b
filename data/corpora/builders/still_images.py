"""What corpora of still pictures have in common: the builder over their index.

A still picture is a clip of one frame. Label sets only select rows of the index.
"""

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from datasets import BuilderConfig, Dataset, DatasetInfo, Version
from datasets.utils.logging import get_logger

from emofusion.data import protocols
from emofusion.data.protocols import Fold, Protocols

from .dealing import Dealt, deal
from .image_account import ImageAccount
from .image_index import IMAGE_FEATURES, INDEX_COLUMNS, SPLITS, Listing, StillImage, open_index
from .split_builder import ALL, SplitBuilder, is_anew, rows_called

logger = get_logger(__name__)

PUBLISHED = "published splits"
"""Protocol of still pictures: the splits that their authors published. Nobody knows who is on them."""
WITHOUT_ACTORS = (Fold(frozenset(), frozenset(), frozenset()),)
"""The one fold of such a protocol."""


@dataclass
class StillImagesConfig(BuilderConfig):
    """Options of `load_dataset("fer2013", ...)` and `load_dataset("affectnet", ...)`.

    Attributes:
        data_dir (`str`): Folder of the corpus.
        label_set (`str`): `"emotions8"`, `"emotions7"`, `"affectnet8"`, ...; see `LABEL_SETS`. Emotions that are not
            in it are dropped, and counted.
        protocol (`str`): How the published splits are dealt to training, validation and test.
        keep_copies (`bool`): Validate and score by pictures that stand, byte by byte, in training, too; else they are
            left out, and counted. (AffectNet's pictures are not compared.)
    """

    version: Version = Version("1.1.0")
    label_set: str = "emotions8"
    protocol: str = PUBLISHED
    keep_copies: bool = False


class StillImages(SplitBuilder[tuple[Dataset, ImageAccount, str]]):
    """Rows of the index, by the splits that the corpus itself has."""

    BUILDER_CONFIG_CLASS = StillImagesConfig
    PROTOCOLS: ClassVar[Protocols] = {PUBLISHED: WITHOUT_ACTORS}

    @abstractmethod
    def _find(self) -> Listing:
        """List the corpus; `_info` has checked nothing but the label set."""

    @abstractmethod
    def _check_place(self) -> None:
        """Raises a ValueError if the options name no place."""

    def _info(self) -> DatasetInfo:
        """Columns: those of the index and `label`. Bad options are refused here, before anything is read."""
        self._check_place()
        self._refuse_name("label_set= and protocol=")
        protocols.fold(self.config.protocol, 0, self.PROTOCOLS)
        return self._describe(IMAGE_FEATURES)

    def _test_split(self, published: frozenset[str]) -> str | None:
        """The published split, of those that are there, which the protocol scores; None where it deals none anew."""
        return None

    def usable_folds(self) -> tuple[dict[int, Fold], dict[int, str]]:
        """The one fold that the published splits are, without actors, and no fold that cannot be used."""
        return dict(enumerate(WITHOUT_ACTORS)), {}

    @property
    def fingerprint(self) -> str:
        """Depends on the pictures that are there."""
        return self._opened[2]

    @property
    def account(self) -> ImageAccount:
        """What was found and what became of it."""
        return self._opened[1]

    def download_and_prepare(self, *args: Any, download_mode: Any = None, tell: bool = True, **kwargs: Any) -> None:
        """Index what is not indexed yet; with `download_mode="force_redownload"` anew.

        What was found is logged; whoever shows the account says `tell=False`.
        """
        self._left = None  # whatever goes wrong below, nothing of before is handed out
        cache_dir = Path(self._cache_dir_root)
        rows, account, key = open_index(self._find(), self.CORPUS.name, cache_dir, anew=is_anew(download_mode))
        account.drop(kept=self.classes.mapping)
        self._left = rows, account, key
        self._complete_account()
        if tell:
            logger.warning("%s, label set %s: %s", self.CORPUS.name, self.config.label_set, account.summary())

    def _open_all(self) -> Dataset:
        rows, labels = self._labelled()
        return self._select(rows, ALL, [row for row, label in enumerate(labels) if label is not None])

    def _open_splits(self, needed: tuple[str, ...] | None) -> dict[str, Dataset]:
        """Rows by split; a split without pictures is left out."""
        rows, labels = self._labelled()
        chosen: dict[str, list[int]] = {}
        for row, (split, label) in enumerate(zip(self._dealt().splits, labels, strict=True)):
            if split is not None and label is not None:
                chosen.setdefault(split, []).append(row)
        return {split: self._select(rows, split, chosen[split]) for split in SPLITS if split in chosen}

    def _dealt(self) -> Dealt:
        """What becomes of each row of the index by the protocol."""
        index = self._opened[0]
        published, digests = (index.data.column(name).to_pylist() for name in INDEX_COLUMNS)
        return deal(published, digests, self._test_split(frozenset(published)), self.config.keep_copies)

    def _complete_account(self) -> None:
        """Tell what is validated on and what is not scored, of the pictures that have a label."""
        dealt, labels, account = self._dealt(), self._labels(), self.account
        account.held_out = sum(labels[row] is not None for row in dealt.held_out)
        account.left_out = dict(Counter(s for row, s in dealt.left_out.items() if labels[row] is not None))

    def _labels(self) -> list[int | None]:
        return self.classes.ids(self._opened[0].data.column("emotion").to_pylist())

    def _labelled(self) -> tuple[Dataset, list[int | None]]:
        """The rows of the index with their label, and these labels; None where a row has none.

        Raises:
            ValueError: None has any.
        """
        index, account, _ = self._opened
        classes, labels = self.classes, self._labels()
        if all(label is None for label in labels):
            raise ValueError(
                f"{self.CORPUS.name}: no picture of {len(index)} is left in label set {classes.name} "
                f"({', '.join(classes.mapping)}); {account.summary()}"
            )
        labelled = self._with_labels(index, labels, unneeded=[*INDEX_COLUMNS]).cast_column("image", StillImage())
        labelled.info.description = f"{self.info.description}\n{account.summary()}"
        labelled.info.homepage, labelled.info.license = self.info.homepage, self.info.license
        return labelled, labels

    def _select(self, rows: Dataset, part: str, indices: list[int]) -> Dataset:
        config = self.config
        return rows_called(
            rows, indices, self.fingerprint, config.label_set, config.protocol, config.keep_copies, part
        )
