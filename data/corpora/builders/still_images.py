"""What corpora of still pictures have in common: the builder over their index.

A still picture is a clip of one frame. Label sets only select rows of the index.
"""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from datasets import BuilderConfig, Dataset, DatasetInfo, Version
from datasets.utils.logging import get_logger

from emofusion.data.label_sets import label_set
from emofusion.data.protocols import Fold, Protocols

from .image_account import ImageAccount
from .image_index import IMAGE_FEATURES, SPLITS, Listing, StillImage, open_index
from .split_builder import ALL, SplitBuilder, is_anew, rows_called

logger = get_logger(__name__)

PUBLISHED = "published splits"
"""Protocol of still pictures: the splits that their authors published. Nobody knows who is on them."""
NO_ACTORS: Protocols = {PUBLISHED: (Fold(frozenset(), frozenset(), frozenset()),)}


@dataclass
class StillImagesConfig(BuilderConfig):
    """Options of `load_dataset("fer2013", ...)` and `load_dataset("affectnet", ...)`.

    Attributes:
        data_dir (`str`): Folder of the corpus.
        label_set (`str`): `"emotions8"`, `"emotions7"`, `"affectnet8"`, ...; see `LABEL_SETS`. Emotions that are not
            in it are dropped, and counted.
    """

    version: Version = Version("1.0.0")
    label_set: str = "emotions8"


class StillImages(SplitBuilder[tuple[Dataset, ImageAccount, str]]):
    """Rows of the index, by the splits that the corpus itself has."""

    BUILDER_CONFIG_CLASS = StillImagesConfig
    PROTOCOLS: ClassVar[Protocols] = NO_ACTORS

    @abstractmethod
    def _find(self) -> Listing:
        """List the corpus; `_info` has checked nothing but the label set."""

    @abstractmethod
    def _check_place(self) -> None:
        """Raises a ValueError if the options name no place."""

    def _info(self) -> DatasetInfo:
        """Columns: those of the index and `label`. Bad options are refused here, before anything is read."""
        self._check_place()
        self._refuse_name("label_set=")
        return self._describe(IMAGE_FEATURES)

    def usable_folds(self) -> tuple[dict[int, Fold], dict[int, str]]:
        """The one fold that the published splits are, without actors, and no fold that cannot be used."""
        return dict(enumerate(self.PROTOCOLS[PUBLISHED])), {}

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
        account.drop(kept=label_set(self.config.label_set).mapping)
        self._left = rows, account, key
        if tell:
            logger.warning("%s, label set %s: %s", self.CORPUS.name, self.config.label_set, account.summary())

    def _open_all(self) -> Dataset:
        rows, chosen = self._labelled()
        return self._select(rows, ALL, sorted(row for part in chosen.values() for row in part))

    def _open_splits(self, needed: tuple[str, ...] | None) -> dict[str, Dataset]:
        """Rows by split; a split without pictures is left out."""
        rows, chosen = self._labelled()
        return {split: self._select(rows, split, chosen[split]) for split in SPLITS if chosen[split]}

    def _labelled(self) -> tuple[Dataset, dict[str, list[int]]]:
        """The rows of the index with their label, and by split those of them that have one.

        Raises:
            ValueError: None has.
        """
        index, account, _ = self._opened
        classes = label_set(self.config.label_set)
        labels = classes.ids(index.data.column("emotion").to_pylist())
        chosen: dict[str, list[int]] = {split: [] for split in SPLITS}
        for row, (split, label) in enumerate(zip(index.data.column("split").to_pylist(), labels, strict=True)):
            if label is not None:
                chosen[split].append(row)
        if not any(chosen.values()):
            raise ValueError(
                f"{self.CORPUS.name}: no picture of {len(index)} is left in label set {classes.name} "
                f"({', '.join(classes.mapping)}); {account.summary()}"
            )
        labelled = self._with_labels(index, labels, unneeded=["split"]).cast_column("image", StillImage())
        labelled.info.description = f"{self.info.description}\n{account.summary()}"
        labelled.info.homepage, labelled.info.license = self.info.homepage, self.info.license
        return labelled, chosen

    def _select(self, rows: Dataset, part: str, indices: list[int]) -> Dataset:
        return rows_called(rows, indices, self.fingerprint, self.config.label_set, part)
