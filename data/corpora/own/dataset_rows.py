"""Own clips in a data set of `datasets`: rows with sound and pictures in columns, as if each cell were a file."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.compute as pc
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Video, load_dataset, load_from_disk

from emofusion.data.sources.files import CorpusFile, CorpusFiles

from .own_clips import Listing, OwnClip, checked_listing, is_empty, label_names, split_name
from .table import SPLIT_COLUMN

_KINDS = {"video": Video, "audio": Audio}


class DatasetFiles(CorpusFiles):
    """The cells of a data set that hold media, as files that need not be written anywhere.

    Args:
        name (`str`): Its folder, or its name on the hub; also one that `save_to_disk` wrote.

    Raises:
        ValueError: There is none of that name, or no column of it holds sound or pictures.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(name).expanduser()
        self._only = None
        self.unreadable: dict[str, str] = {}
        self.splits = {split: rows for split, rows in _open(name).items() if len(rows)}
        if not self.splits:
            raise ValueError(f"dataset_name {name}: no row in it")
        features = next(iter(self.splits.values())).features
        self.columns = {
            kind: next((column for column, found in features.items() if isinstance(found, of_kind)), None)
            for kind, of_kind in _KINDS.items()
        }
        if not any(self.columns.values()):
            told = ", ".join(f"{column} ({type(found).__name__})" for column, found in features.items())
            raise ValueError(f"dataset_name {name}: expected a column of type Audio or Video, found {told}")
        self._media: dict[str, Dataset] = {}
        self._files = [file for found in self.rows().values() for row in found for file in row.values()]

    def rows(self) -> dict[str, list[dict[str, CorpusFile]]]:
        """The files of each row, by kind (`"video"`, `"audio"`), of each split."""
        return {split: [*self._rows_of(split, rows)] for split, rows in self.splits.items()}

    def _rows_of(self, split: str, rows: Dataset) -> Iterator[dict[str, CorpusFile]]:
        stamp = int(str(rows._fingerprint)[:12], 16)  # another one where the content is another
        cells: dict[str, list[tuple[str, int]]] = {}
        for kind, column in self.columns.items():
            if column is not None:
                media = rows.select_columns([column]).cast_column(column, _KINDS[kind](decode=False))
                cells[kind] = [*_names_and_sizes(media, column)]
                self._media[f"{split}/{kind}"] = media
        for index in range(len(rows)):
            yield {
                kind: CorpusFile(PurePosixPath(split, kind), f"{index:06d}{name}", (size, stamp))
                for kind, found in cells.items()
                for name, size in [found[index]]
                if size or name
            }

    def read(self, file: CorpusFile) -> bytes:
        """The content of a cell.

        Raises:
            OSError: It names a file that is not there.
        """
        rows = self._media[str(file.path)]
        cell = rows[int(file.member[:6])][rows.column_names[0]]
        return cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes()


def _open(name: str) -> dict[str, Dataset]:
    """By split; a data set without any is called `rows`.

    Raises:
        ValueError: There is none of that name.
    """
    place = Path(name).expanduser()
    saved = any((place / marker).is_file() for marker in ("dataset_dict.json", "state.json"))
    try:
        found = load_from_disk(str(place)) if saved else load_dataset(name)
    except Exception as error:  # whatever a builder, the hub or the disk stumbles over
        cause = error.__cause__ or error  # a builder says that it failed, and its cause says why
        reason = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        raise ValueError(
            f"dataset_name {name}: expected a data set that can be opened, on this machine or on the hub: {reason}"
        ) from error
    return {str(split): rows for split, rows in found.items()} if isinstance(found, DatasetDict) else {"rows": found}


def _names_and_sizes(rows: Dataset, column: str) -> Iterator[tuple[str, int]]:
    """The name of each cell's file and its size in bytes; empty and 0 where the cell is."""
    cells = rows.with_format("arrow")[:][column]
    paths = pc.struct_field(cells, "path").to_pylist()
    sizes = pc.binary_length(pc.struct_field(cells, "bytes")).to_pylist()
    for path, size in zip(paths, sizes, strict=True):
        if size is None and path is not None and Path(path).is_file():
            size = Path(path).stat().st_size
        yield (f"-{PurePosixPath(path).name}" if path else ""), size or 0


def list_dataset(files: DatasetFiles, label_column: str, speaker_column: str) -> Listing:
    """The clips of a data set; where it has several splits, they are what its clips are given to.

    Args:
        files (`DatasetFiles`): The data set.
        label_column (`str`): Its column with the label.
        speaker_column (`str`): Its column with the speaker; it may be absent.

    Raises:
        ValueError: No such column, or a row without a label, a clip, or what other rows have; the message names it.
    """
    place = f"dataset_name {files.name}"
    by_split = len(files.splits) > 1
    labels = _labels(files, label_column, place)
    clips = []
    for split, found in files.rows().items():
        rows = files.splits[split]
        speakers, given = (
            rows[column] if column in rows.column_names else [None] * len(rows)
            for column in (speaker_column, SPLIT_COLUMN)
        )
        for index, (media, speaker, part) in enumerate(zip(found, speakers, given, strict=True)):
            if not media:
                raise ValueError(f"{place}, {split} row {index}: neither sound nor picture in it; leave the row out")
            clips.append(
                OwnClip(
                    f"{split}/{index:06d}",
                    labels[split][index],
                    tuple(file for kind, file in media.items() if kind == "video"),
                    tuple(file for kind, file in media.items() if kind == "audio"),
                    None if is_empty(speaker) else str(speaker).strip(),
                    split_name(split if by_split else part, place),
                )
            )
    return checked_listing(place, clips)


def _labels(files: DatasetFiles, column: str, place: str) -> dict[str, list[str]]:
    """Names of the labels of each split."""
    found: dict[str, list[Any]] = {}
    for split, rows in files.splits.items():
        if column not in rows.column_names:
            raise ValueError(
                f"{place}: no column {column} among {', '.join(rows.column_names)}; name the one with the labels with "
                "--label_column"
            )
        feature, values = rows.features[column], list(rows[column])
        bare = next((index for index, value in enumerate(values) if is_empty(value) or value == -1), None)
        if bare is not None:
            raise ValueError(f"{place}, {split} row {bare}: no {column} in it; leave the row out")
        found[split] = [feature.int2str(value) for value in values] if isinstance(feature, ClassLabel) else values
    names = iter(label_names([value for values in found.values() for value in values], column, place))
    return {split: [next(names) for _ in values] for split, values in found.items()}
