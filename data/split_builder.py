"""What the builders of all corpora have in common: rows that lie ready, handed out by split."""

from abc import abstractmethod
from typing import Any

from datasets import Dataset, DatasetBuilder, DatasetDict, IterableDatasetDict, ReadInstruction, concatenate_datasets


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

    def as_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The rows of one split (such as `"train"` or `"test[:10]"`), a list of them, or of all splits."""
        if split is None:
            return DatasetDict(self._open_splits(None))
        if isinstance(split, (list, tuple)):
            return [self._one(item) for item in split]
        return self._one(split)

    def as_streaming_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The same rows as iterable datasets."""
        rows = self.as_dataset(split)
        if isinstance(rows, DatasetDict):
            return IterableDatasetDict({name: part.to_iterable_dataset() for name, part in rows.items()})
        if isinstance(rows, list):
            return [part.to_iterable_dataset() for part in rows]
        return rows.to_iterable_dataset()

    def _one(self, split: Any) -> Dataset:
        if str(split) == "all":
            return self._open_all()
        instruction = split if isinstance(split, ReadInstruction) else ReadInstruction.from_spec(str(split))
        needed = tuple(dict.fromkeys(part.splitname for part in instruction._relative_instructions))
        splits = self._open_splits(needed)
        parts = instruction.to_absolute({name: len(rows) for name, rows in splits.items()})
        chosen = [splits[part.splitname].select(range(part.from_, part.to)) for part in parts]
        return chosen[0] if len(chosen) == 1 else concatenate_datasets(chosen)
