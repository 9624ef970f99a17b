"""What the builders of all corpora have in common: rows that lie ready, handed out by split."""

import hashlib
from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from datasets import (
    ClassLabel,
    Dataset,
    DatasetBuilder,
    DatasetDict,
    DatasetInfo,
    DownloadMode,
    Features,
    IterableDatasetDict,
    ReadInstruction,
    concatenate_datasets,
)

from emofusion.data.label_sets import LabelSet, label_set
from emofusion.data.protocols import Fold, Protocols
from emofusion.data.sources.corpus_record import Corpus

Opened = TypeVar("Opened")

ALL = "all"
"""The split that has every row."""


class SplitBuilder(DatasetBuilder, Generic[Opened]):
    """A builder that neither downloads nor copies: its rows are opened where they lie, and selected.

    `download_and_prepare` opens them, and leaves `Opened` in `_left`; a pickled builder has to be prepared again.
    """

    CORPUS: ClassVar[Corpus]
    """What the corpus is, where its folder does not say that it is something else."""
    HOMEPAGE: ClassVar[str]
    PROTOCOLS: ClassVar[Protocols]

    _left: Opened | None = None

    @abstractmethod
    def _open_splits(self, needed: tuple[str, ...] | None) -> dict[str, Dataset]:
        """Rows by split.

        Args:
            needed (`tuple[str, ...]`, *optional*): Splits that must not be empty; None for all that a protocol has.
        """

    @abstractmethod
    def _open_all(self) -> Dataset:
        """All rows, whatever split they are in."""

    @property
    def _opened(self) -> Opened:
        """What `download_and_prepare` left; nothing is decoded here.

        Raises:
            ValueError: It was not called.
        """
        if self._left is None:
            raise ValueError(f"{self.dataset_name}: nothing is opened yet; call download_and_prepare() first")
        return self._left

    def _refuse_name(self, instead: str) -> None:
        """Raises a ValueError for a named configuration, which `datasets` ignores: `load_dataset("ravdess", "x")`."""
        if self.config.name != "default":
            raise ValueError(f"there is no configuration {self.config.name!r}; use {instead}")

    @property
    def corpus(self) -> Corpus:
        """What goes with every score on it."""
        return self.CORPUS

    @property
    def classes(self) -> LabelSet:
        """What its clips are told apart by.

        Raises:
            ValueError: Unknown name; the message lists the choices.
        """
        return label_set(self.config.label_set)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The folds of the protocol, with everybody who could be there."""
        return self.PROTOCOLS[self.config.protocol]

    def _describe(self, columns: Features) -> DatasetInfo:
        """What is known of the rows before they are opened: these columns, and `label`."""
        labels = ClassLabel(names=self.classes.labels)
        return DatasetInfo(
            description=self.corpus.notice,
            features=Features(columns | {"label": labels}),
            homepage=self.HOMEPAGE,
            license=self.corpus.license,
        )

    def _with_labels(self, rows: Dataset, labels: list[int | None], unneeded: list[str]) -> Dataset:
        """The rows with the column `label`, and without the columns that nobody needs any more."""
        feature = Features({"label": self.info.features["label"]})
        return concatenate_datasets(
            [rows.remove_columns(unneeded), Dataset.from_dict({"label": labels}, features=feature)], axis=1
        )

    def as_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The rows of one split (such as `"train"`, `"test[:10]"` or `"all"`), a list of them, or of all splits."""
        if split is None:
            return DatasetDict(self._open_splits(None))
        several = isinstance(split, (list, tuple))
        instructions = [_instruction(item) for item in (split if several else [split])]
        needed = dict.fromkeys(part.splitname for one in instructions for part in one._relative_instructions)
        splits = self._open_splits(tuple(name for name in needed if name != ALL)) if set(needed) - {ALL} else {}
        if ALL in needed:
            splits[ALL] = self._open_all()
        chosen = [_rows_of(splits, one) for one in instructions]
        return chosen if several else chosen[0]

    def as_streaming_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The same rows as iterable datasets; `load_dataset(..., streaming=True)` opens nothing before it."""
        if self._left is None:
            self.download_and_prepare()
        rows = self.as_dataset(split)
        if isinstance(rows, DatasetDict):
            return IterableDatasetDict({name: part.to_iterable_dataset() for name, part in rows.items()})
        if isinstance(rows, list):
            return [part.to_iterable_dataset() for part in rows]
        return rows.to_iterable_dataset()


def is_anew(download_mode: Any) -> bool:
    """Whether a `download_mode` says that nothing that lies ready is to be used."""
    return download_mode is not None and DownloadMode(download_mode) is DownloadMode.FORCE_REDOWNLOAD


def rows_called(rows: Dataset, indices: list[int], *identity: Any) -> Dataset:
    """Rows under a fingerprint that tells their content, so that what is computed from them is found again."""
    return rows.select(indices, new_fingerprint=hashlib.sha256(repr(identity).encode()).hexdigest()[:16])


def _instruction(split: Any) -> ReadInstruction:
    return split if isinstance(split, ReadInstruction) else ReadInstruction.from_spec(str(split))


def _rows_of(splits: dict[str, Dataset], instruction: ReadInstruction) -> Dataset:
    parts = instruction.to_absolute({name: len(rows) for name, rows in splits.items()})
    chosen = [_part(splits[part.splitname], part.from_, part.to) for part in parts]
    return chosen[0] if len(chosen) == 1 else concatenate_datasets(chosen)


def _part(rows: Dataset, first: int, last: int) -> Dataset:
    """Rows `first` to `last`; the whole keeps its fingerprint."""
    return rows if (first, last) == (0, len(rows)) else rows.select(range(first, last))
