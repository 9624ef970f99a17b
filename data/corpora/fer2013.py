"""FER-2013 for `datasets.load_dataset("fer2013", data_dir=...)`; `import emofusion.data` registers it.

It is around as folders of pictures, as a zip archive of them, and as the table `fer2013.csv`.
"""

import csv
import functools
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TextIO

from PIL import Image

from emofusion.data.protocols import Protocols
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.sources.files import CorpusFile, CorpusFiles
from emofusion.data.sources.hints import folder_above, other_corpus
from emofusion.data.store.progress import Bar

from .builders.image_account import ImageAccount
from .builders.image_index import PICTURE_ENDINGS, SPLITS, Listing, Row, image_row
from .builders.still_images import PUBLISHED, WITHOUT_ACTORS, StillImages
from .entry import CorpusEntry

FER2013 = Corpus(
    "FER-2013",
    "other",
    synthetic=False,
    notice=(
        "FER-2013, Goodfellow et al. 2013, Challenges in Representation Learning: A report on three machine learning "
        "contests. Faces from web searches, whose rights were never cleared: for research only, do not publish "
        "pictures. Labels are noisy."
    ),
)

PRIVATE = "private"
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "publictest": "validation",
    "test": "test",
    "privatetest": PRIVATE,
}
"""Split by name of a folder, without case, `_`, `-` and spaces. The private test is the split `test`, unless another
folder is named `test`: then that is, and the private one is the split `private_test`. Some copies have both tests in a
folder `test`; there the names of the files tell them apart."""

PUBLIC_TEST, PRIVATE_TEST = "public_test", "private_test"

CLASS_FOLDERS = {
    "angry": "angry",
    "anger": "angry",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fearful",
    "fearful": "fearful",
    "happy": "happy",
    "happiness": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "sadness": "sad",
    "surprise": "surprised",
    "surprised": "surprised",
    "contempt": "contempt",
}
"""Emotion by name of a folder. FER-2013 has no contempt, but later labellings of its pictures do."""

CSV_EMOTIONS = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")
"""By number in the table."""
CSV_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
CSV_COLUMNS = ("emotion", "pixels", "Usage")
SIDE = 48

LAYOUTS = (
    "expected pictures SPLIT/CLASS/NAME (such as train/angry/1.jpg or PublicTest/fear/2.png) in folders or in a zip "
    f"archive, or a table with the columns {', '.join(CSV_COLUMNS)}"
)


class Fer2013(StillImages):
    """FER-2013 by its own splits.

    Options are those of `StillImagesConfig`. Instead of `data_dir`, `data_files` may name one zip or csv file. Where a
    folder holds pictures and tables, the pictures are taken.
    """

    CORPUS = FER2013
    HOMEPAGE = "https://arxiv.org/abs/1307.0414"
    PROTOCOLS: ClassVar[Protocols] = dict.fromkeys((PUBLIC_TEST, PRIVATE_TEST, PUBLISHED), WITHOUT_ACTORS)

    def _test_split(self, published: frozenset[str]) -> str | None:
        """Where there is a validation split, it is the public test, and the private one is the test."""
        if self.config.protocol == PUBLISHED:
            return None
        if self.config.protocol == PUBLIC_TEST:
            return "validation" if "validation" in published else "test"
        return "test" if "validation" in published and PRIVATE_TEST not in published else PRIVATE_TEST

    def _check_place(self) -> None:
        named = self._named_files()
        if len(named) > 1 or any(path.suffix.lower() not in (".zip", ".csv") for path in named):
            raise ValueError(f"data_files: expected one zip or csv file, found {', '.join(map(str, named))}")
        if not named and not self.config.data_dir:
            raise ValueError(
                'data_dir is missing: load_dataset("fer2013", data_dir="folder with fer2013.zip, fer2013.csv or '
                'train/angry/..."), or data_files="fer2013.zip"'
            )

    def _named_files(self) -> list[Path]:
        return [Path(name) for names in (self.config.data_files or {}).values() for name in names]

    def _find(self) -> Listing:
        """All files that may matter, by name alone: which do, is found out when the index is made.

        Raises:
            FileNotFoundError: No such folder.
        """
        named = self._named_files()
        place = named[0] if named else Path(self.config.data_dir).expanduser()
        files = CorpusFiles(place)
        stamps: list[Any] = [(str(file), file.stamp) for file in files if _ending(file) in PICTURE_ENDINGS | {".csv"}]
        return Listing(place, [*stamps, *sorted(files.unreadable.items())], functools.partial(_rows, place, files))


def _ending(file: CorpusFile) -> str:
    """Without building a path, as there are many files."""
    _, dot, ending = (file.member or str(file.path)).rpartition(".")
    return (dot + ending).lower()


def _rows(place: Path, files: CorpusFiles, account: ImageAccount) -> Iterator[Row]:
    """Pictures if there are any, else a table.

    Raises:
        ValueError: Nothing there, a folder in the place of a class that is none, or a bad table; all are named.
    """
    pictures, stray = find_pictures(files)
    tables = [file for file in files if _ending(file) == ".csv" and not file.name.name.startswith(".")]
    account.unreadable |= files.unreadable
    account.unreadable |= {str(file): "not in a folder SPLIT/CLASS" for file in stray}
    if not pictures and not tables:
        found = "; ".join(f"{name}: {reason}" for name, reason in list(account.unreadable.items())[:1])
        raise ValueError(
            f"{place}: no FER-2013 in it ({found or 'no picture and no table'}); {LAYOUTS}{_hint(place, files)}"
        )
    copies = Copies()
    if pictures:
        for table in tables:
            account.unreadable[str(table)] = f"a table beside pictures, which go first; {_flag(files, table)} reads it"
        yield from _picture_rows(files, pictures, account, copies)
    else:
        yield from _table_rows(files, _choose_table(files, tables), account, copies)
    account.copies = copies.between_splits()


def _hint(place: Path, files: CorpusFiles) -> str:
    """What to name instead of a place without FER-2013, if that can be told."""
    above = folder_above(
        place, lambda name: _split_called(name) is not None, lambda name: name.lower() in CLASS_FOLDERS
    )
    return above or other_corpus(files, "fer2013")


def _flag(files: CorpusFiles, table: CorpusFile) -> str:
    """What names this table, or the archive that it is in, and nothing else."""
    return f"--data_dir {files.folder / table.path}"


@dataclass(frozen=True, order=True)
class Picture:
    """A picture file and what its folders say."""

    split: str
    emotion: str
    file: CorpusFile

    @property
    def clip(self) -> str:
        """Unique in the corpus: the same however folders are spelt and wherever they lie."""
        return f"{self.split}/{self.emotion}/{self.file.name.name}"


def find_pictures(files: CorpusFiles) -> tuple[list[Picture], list[CorpusFile]]:
    """Pictures by split, class and name, and pictures that lie in no folder of a split and a class.

    The name of an archive counts as a folder.

    Raises:
        ValueError: A folder inside that of a split is no known class; the message names it and the known ones.
    """
    found: list[tuple[str, str, CorpusFile]] = []
    stray: list[CorpusFile] = []
    unknown: set[str] = set()
    for file in files:
        if _ending(file) not in PICTURE_ENDINGS or file.name.name.startswith("."):
            continue
        split, word = _folders(file)
        if split == "test" and file.name.name.lower().startswith("privatetest"):
            split = PRIVATE
        if split is None:
            stray.append(file)
        elif word.lower() not in CLASS_FOLDERS:
            unknown.add(str(PurePosixPath(str(file)).parent))
        else:
            found.append((split, CLASS_FOLDERS[word.lower()], file))
    if unknown:
        raise ValueError(
            f"{files.folder}: unknown class folder {', '.join(sorted(unknown))}; classes go by name, and the known "
            f"ones are {', '.join(CLASS_FOLDERS)}"
        )
    private = "private_test" if any(split == "test" for split, _, _ in found) else "test"
    pictures = [Picture(private if split == PRIVATE else split, emotion, file) for split, emotion, file in found]
    return sorted(pictures, key=lambda picture: (SPLITS.index(picture.split), picture.clip)), stray


def _folders(file: CorpusFile) -> tuple[str | None, str]:
    """Split and class folder; the split is None where there are none, or the outer one is that of no split."""
    above = (*file.path.with_suffix("").parts, *file.name.parts[:-1]) if file.member else file.path.parts[:-1]
    if len(above) < 2:
        return None, ""
    return _split_called(above[-2]), above[-1]


def _split_called(folder: str) -> str | None:
    """The split that a folder of this name holds."""
    return SPLIT_FOLDERS.get(folder.lower().replace("_", "").replace("-", "").replace(" ", ""))


class Copies:
    """Finds equal pictures in different splits: FER-2013 has hundreds."""

    def __init__(self) -> None:
        self._splits: dict[str, Counter[str]] = {}

    def add(self, split: str, content: bytes) -> str:
        """One more picture; returns the digest of its content."""
        digest = hashlib.sha256(content).hexdigest()
        self._splits.setdefault(digest, Counter())[split] += 1
        return digest

    def between_splits(self) -> dict[str, dict[str, int]]:
        """By split: how many of its pictures stand in an earlier one too, and in which."""
        copies: dict[str, dict[str, int]] = {}
        for place, split in enumerate(SPLITS):
            for earlier in SPLITS[:place]:
                count = sum(splits[split] for splits in self._splits.values() if splits[earlier])
                if count:
                    copies.setdefault(split, {})[earlier] = count
        return copies


def _picture_rows(files: CorpusFiles, pictures: list[Picture], account: ImageAccount, copies: Copies) -> Iterator[Row]:
    """Rows of files as they are; of members of archives with their content."""
    known: dict[str, CorpusFile] = {}
    folder = files.folder.resolve()  # the index outlives links
    for picture in Bar(pictures, desc="indexing FER-2013", unit="picture"):
        file = picture.file
        first = known.setdefault(picture.clip, file)
        if first is not file:
            account.duplicates[str(file)] = str(first)
            continue
        try:
            content = files.read(file)
        except OSError as error:
            account.unreadable[str(file)] = str(error).removeprefix(f"{files.folder}/{file}: ")
            continue
        digest = copies.add(picture.split, content)
        account.count(picture.split, picture.emotion)
        path = str(file) if file.member else f"{folder}/{file}"
        stored = content if file.member else None
        yield image_row(picture.split, picture.emotion, picture.clip, str(file), path, stored, digest)


@contextmanager
def _open_table(files: CorpusFiles, file: CorpusFile) -> Iterator[TextIO]:
    """A table as text; ValueError naming it for what is none."""
    stored = io.BytesIO(files.read(file)) if file.member else open(files.folder / file.path, "rb")
    try:
        with stored, io.TextIOWrapper(stored, encoding="utf-8-sig", newline="") as text:
            yield text
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{files.folder}/{file}: not a readable csv table ({error})") from error


def _header(files: CorpusFiles, file: CorpusFile) -> list[str]:
    with _open_table(files, file) as text:
        return [name.strip() for name in next(csv.reader(text), [])]


def _choose_table(files: CorpusFiles, tables: list[CorpusFile]) -> CorpusFile:
    """The one table with all columns.

    Raises:
        ValueError: There is none, or more than one.
    """
    headers = {table: _header(files, table) for table in tables}
    fitting = [table for table, header in headers.items() if set(CSV_COLUMNS) <= set(header)]
    if not fitting:
        table, header = next(iter(headers.items()))
        raise ValueError(
            f"{files.folder}/{table}: expected the columns {', '.join(CSV_COLUMNS)}, found {', '.join(header)[:200]}"
        )
    if len(fitting) > 1:
        names = ", ".join(map(str, fitting))
        flags = " or ".join(dict.fromkeys(_flag(files, table) for table in fitting))
        raise ValueError(f"{files.folder}: several tables of pictures ({names}); name the one to read: {flags}")
    return fitting[0]


def _table_rows(files: CorpusFiles, table: CorpusFile, account: ImageAccount, copies: Copies) -> Iterator[Row]:
    """Rows of a table, with their pictures as PNG; rows count from 1, without the header."""
    with _open_table(files, table) as text:
        reader = csv.reader(text)
        header = [name.strip() for name in next(reader)]
        columns = [header.index(name) for name in CSV_COLUMNS]
        for number, cells in enumerate(Bar(reader, desc="indexing FER-2013", unit="picture"), start=1):
            if not cells:
                continue  # an empty line
            source = f"{table} row {number}"
            try:
                emotion, split, pixels = parse_row(*(cells[column] for column in columns))
            except (ValueError, IndexError) as error:
                reason = "too few columns" if isinstance(error, IndexError) else error
                raise ValueError(f"{files.folder}/{source}: {reason}") from error
            digest = copies.add(split, pixels)
            account.count(split, emotion)
            clip = f"{split}/{emotion}/row_{number}"
            yield image_row(split, emotion, clip, source, source, _as_png(pixels), digest)


def parse_row(emotion: str, pixels: str, usage: str) -> tuple[str, str, bytes]:
    """Emotion, split and grey levels of one row.

    Raises:
        ValueError: One of them is impossible; the message names the column.
    """
    if emotion.strip() not in {str(number) for number in range(len(CSV_EMOTIONS))}:
        raise ValueError(f"emotion: expected 0 to {len(CSV_EMOTIONS) - 1}, found {emotion!r}")
    if usage.strip() not in CSV_SPLITS:
        raise ValueError(f"Usage: expected {', '.join(CSV_SPLITS)}, found {usage!r}")
    words = pixels.split()
    if len(words) != SIDE * SIDE:
        raise ValueError(f"pixels: expected {SIDE * SIDE} ({SIDE} x {SIDE}), found {len(words)}")
    try:
        levels = bytes(map(int, words))
    except ValueError as error:
        raise ValueError(f"pixels: expected grey levels 0 to 255 ({error})") from error
    return CSV_EMOTIONS[int(emotion)], CSV_SPLITS[usage.strip()], levels


def _as_png(pixels: bytes) -> bytes:
    stored = io.BytesIO()
    Image.frombytes("L", (SIDE, SIDE), pixels).save(stored, "PNG")
    return stored.getvalue()


ENTRY = CorpusEntry(
    name="fer2013",
    builder=Fer2013,
    trains_by=PUBLIC_TEST,
    scores_by=PUBLIC_TEST,
    help="FER-2013, still pictures",
    flags=("keep_copies",),
    still=True,
    test_parts={PUBLIC_TEST: "public test", PRIVATE_TEST: "private test"},
)
