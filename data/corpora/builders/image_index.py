"""The index of a corpus of still pictures: an Arrow file, written once and memory-mapped from then on.

No picture is decoded: the index holds the place of every picture, and of those in archives and tables the picture
itself, encoded.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, Image, Value
from datasets.arrow_writer import ArrowWriter
from filelock import FileLock

from .image_account import ImageAccount

INDEX_VERSION = 2
"""Raised whenever the same files would be indexed to something else."""

PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
SPLITS = ("train", "validation", "test", "private_test")
INDEX, ACCOUNT = "images.arrow", "account.json"
ROWS_AT_ONCE = 1000

Row = dict[str, Any]


class StillImage(Image):
    """`datasets.Image` whose errors name the picture; equal to it, and written to files as it."""

    def decode_example(self, value: Any, token_per_repo_id: Any = None) -> Any:
        """The picture, upright.

        Raises:
            ValueError: It cannot be read; the message names it.
        """
        try:
            return super().decode_example(value, token_per_repo_id)
        except Exception as error:  # whatever Pillow's decoders stumble over: SyntaxError, struct.error and more
            # The place of a buffer in memory, which Pillow puts here, tells nobody anything.
            reason = "not a picture, or a damaged one" if "BytesIO" in str(error) else str(error)
            name = value.get("path") if isinstance(value, dict) else None
            raise ValueError(f"{name or 'picture'}: cannot be read ({reason}); leave it out or replace it") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self.mode, self.decode) == (other.mode, other.decode)

    def __hash__(self) -> int:
        return hash((self.mode, self.decode))


# As RAVDESS has them, where they make sense for a picture of somebody.
IMAGE_FEATURES = Features(
    {
        "clip": Value("string"),
        "image": Image(),
        "has_video": Value("bool"),
        "has_audio": Value("bool"),
        "emotion": Value("string"),
        "actor": Value("int32"),
        "gender": Value("string"),
        "source": Value("string"),
    }
)
INDEX_COLUMNS = Features({"split": Value("string"), "digest": Value("string")})
"""What the index knows of a picture beside its row; the digest is that of its content, where that was read."""
_INDEX_FEATURES = Features(IMAGE_FEATURES | INDEX_COLUMNS)


def image_row(
    split: str,
    emotion: str,
    clip: str,
    source: str,
    path: str | None,
    content: bytes | None = None,
    digest: str | None = None,
) -> Row:
    """One row of the index; `path` is where the picture lies, or what errors call one that comes as `content`."""
    return {
        "clip": clip,
        "image": {"bytes": content, "path": path},
        "has_video": True,
        "has_audio": False,
        "emotion": emotion,
        "actor": None,
        "gender": None,
        "source": source,
        "split": split,
        "digest": digest,
    }


@dataclass(frozen=True)
class Listing:
    """What lies somewhere, known from names, sizes and times alone.

    Attributes:
        place (`Path`): Folder or file; errors name it.
        stamps (`list[Any]`): Changes when any row of the index would.
        rows (`Callable`): Reads the files: makes the rows, and adds to the account what was found.
    """

    place: Path
    stamps: list[Any]
    rows: Callable[[ImageAccount], Iterator[Row]]

    def key(self, corpus: str) -> str:
        """A hash of all that the index depends on."""
        identity = hashlib.sha256(repr((INDEX_VERSION, corpus, str(self.place.resolve()))).encode())
        for stamp in self.stamps:
            identity.update(repr(stamp).encode())
        return identity.hexdigest()[:20]


def open_index(
    listing: Listing, corpus: str, cache_dir: Path, anew: bool = False
) -> tuple[Dataset, ImageAccount, str]:
    """The index of these files, made first if that was not done before.

    Args:
        listing (`Listing`): What lies there.
        corpus (`str`): Name of the corpus.
        cache_dir (`Path`): Where indices lie.
        anew (`bool`): Make it again even if it is there.

    Returns:
        The rows, memory-mapped and with the column `split`, the account, and the key.

    Raises:
        ValueError: Not one picture can be used; the message says why.
    """
    key = listing.key(corpus)
    folder = cache_dir / f"images-{key}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if anew:
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.is_dir():
            _build(folder, listing)
    return Dataset.from_file(str(folder / INDEX)), ImageAccount.load(folder / ACCOUNT), key


def _build(folder: Path, listing: Listing) -> None:
    """Write to a temporary folder, which takes its final name only when complete."""
    temporary = folder.with_suffix(".incomplete")
    shutil.rmtree(temporary, ignore_errors=True)  # the lock is ours: whoever left it is gone
    temporary.mkdir()
    account = ImageAccount()
    try:
        if not _write(temporary / INDEX, listing.rows(account)):
            raise ValueError(f"{listing.place}: no picture in it can be used ({account.summary()})")
        account.found = {split: account.found[split] for split in SPLITS if split in account.found}
        account.save(temporary / ACCOUNT)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, rows: Iterator[Row]) -> int:
    """Write rows as they come; returns how many."""
    written = 0
    with ArrowWriter(path=str(path), features=_INDEX_FEATURES) as writer:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=_INDEX_FEATURES.arrow_schema))
            written += len(some)
        if written:
            writer.finalize()
    return written
