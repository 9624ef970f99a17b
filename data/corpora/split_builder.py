"""What the builders of all corpora have in common: rows that lie ready, handed out by split."""

from abc import abstractmethod
from typing import Any

from datasets import Dataset, DatasetBuilder, DatasetDict, IterableDatasetDict, ReadInstruction, concatenate_datasets

ALL = "all"
"""The split that has every row."""


class SplitBuilder(DatasetBuilder):
    """A builder that neither downloads nor copies: its rows are opened where they lie, and selected."""

    @abstractmethod
    def _open_splits(self, needed: tuple[str, ...] | None) -> dict[str, Dataset]:
        """Rows by split.

        Args:
            needed (`tuple[str, ...]`, *optional*): Splits that must not be empty; None for all that a protocol has.
        """

    @abstractmethod
    def _open_all(self) -> Dataset:
        """All rows, whatever split they are in."""

    def _refuse_name(self, instead: str) -> None:
        """Raises a ValueError for a named configuration, which `datasets` ignores: `load_dataset("ravdess", "x")`."""
        if self.config.name != "default":
            raise ValueError(f"there is no configuration {self.config.name!r}; use {instead}")

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
        chosen = [_select(splits, one) for one in instructions]
        return chosen if several else chosen[0]

    def as_streaming_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The same rows as iterable datasets; `load_dataset(..., streaming=True)` prepares nothing before it."""
        self.download_and_prepare()
        rows = self.as_dataset(split)
        if isinstance(rows, DatasetDict):
            return IterableDatasetDict({name: part.to_iterable_dataset() for name, part in rows.items()})
        if isinstance(rows, list):
            return [part.to_iterable_dataset() for part in rows]
        return rows.to_iterable_dataset()


def _instruction(split: Any) -> ReadInstruction:
    return split if isinstance(split, ReadInstruction) else ReadInstruction.from_spec(str(split))


def _select(splits: dict[str, Dataset], instruction: ReadInstruction) -> Dataset:
    parts = instruction.to_absolute({name: len(rows) for name, rows in splits.items()})
    chosen = [_part(splits[part.splitname], part.from_, part.to) for part in parts]
    return chosen[0] if len(chosen) == 1 else concatenate_datasets(chosen)


def _part(rows: Dataset, first: int, last: int) -> Dataset:
    """Rows `first` to `last`; the whole keeps its fingerprint."""
    return rows if (first, last) == (0, len(rows)) else rows.select(range(first, last))
