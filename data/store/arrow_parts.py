"""The files of the decoded store: Arrow parts that only grow, a row a clip, whole whatever interrupts them."""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, Value, concatenate_datasets
from datasets import List as ListFeature

from .digest import digest

logger = logging.getLogger(__name__)

BINARY = ("frames", "audio", "audio_before", "audio_after")
"""The columns that hold pixels and samples; each has a digest among the `FINDINGS`."""


def digest_of(column: str) -> str:
    """The name of the column with the digests of another."""
    return f"{column}_digest"


STORE_FEATURES = Features(
    {
        "clip": Value("string"),
        **dict.fromkeys(BINARY, Value("large_binary")),
        "has_video": Value("bool"),
        "has_audio": Value("bool"),
        "emotion": Value("string"),
        "actor": Value("int32"),
        "gender": Value("string"),
        "intensity": Value("string"),
        "statement": Value("int32"),
        "repetition": Value("int32"),
        "channel": Value("string"),
        "face": Value("string"),
        "source": Value("string"),
    }
)
FINDINGS = Features(
    {
        "notes": ListFeature(Value("string")),
        "channels": Value("int32"),
        "start": Value("float64"),
        **{digest_of(name): Value("string") for name in BINARY},
        "key": Value("string"),
    }
)
"""What the store knows of a clip beside its row; `start` is the second at which its window begins."""

_SCHEMA = Features(STORE_FEATURES | FINDINGS).arrow_schema
_DAMAGE = (pa.ArrowException, OSError, ValueError, LookupError, AttributeError)  # what reading a damaged part raises
_PART, UNFINISHED = "part-*.arrow", "part-*.incomplete"
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def load_parts(folder: Path, mend: bool = False) -> tuple[Dataset | None, dict[str, int]]:
    """All rows of the finished parts, memory-mapped, and the row of each key; both of one listing of the folder.

    A part that cannot be opened, as after a power cut, is left out. Who holds the lock may `mend` it: it is called
    unfinished again, and what is whole of it is salvaged.
    """
    parts = []
    for path in sorted(folder.glob(_PART)):
        try:
            parts.append(Dataset.from_file(str(path)))
        except _DAMAGE as error:
            if mend:
                logger.warning("%s is damaged (%s); what is lost of it is decoded again", path, error)
                os.replace(path, path.with_suffix(".incomplete"))
    if not parts:
        return None, {}
    rows = concatenate_datasets(parts)
    return rows, {key: row for row, key in enumerate(rows.data.column("key").to_pylist())}


@dataclass
class Part:
    """A file that rows are added to, each in a batch of its own."""

    writer: pa.RecordBatchStreamWriter
    rows: int = 0

    def write(self, row: dict[str, Any]) -> None:
        """Hand a row to the operating system: it survives the end of this process."""
        self.writer.write_batch(pa.RecordBatch.from_pylist([row], schema=_SCHEMA))
        self.rows += 1


@contextmanager
def new_part(folder: Path) -> Iterator[Part]:
    """A part that takes its final name when it is closed, also by an error: what was decoded stays decoded."""
    path = folder / f"part-{uuid.uuid4().hex}.incomplete"
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
            part = Part(writer)
            yield part
    except BaseException:
        salvage(path)
        raise
    _finish(path, part.rows)


def _finish(path: Path, rows: int) -> None:
    """Give a part its final name, or remove it where it has no row."""
    if rows:
        with path.open("rb+") as file:
            os.fsync(file.fileno())  # a power cut must not leave the name without the content
        os.replace(path, path.with_suffix(".arrow"))
    else:
        path.unlink()


def salvage(path: Path) -> None:
    """Finish a part that was left: cut off a row that was being written."""
    whole, rows = 0, 0
    with pa.memory_map(str(path)) if path.stat().st_size else pa.BufferReader(b"") as source:
        try:
            reader = pa.ipc.open_stream(source)
            for batch in reader if reader.schema.equals(_SCHEMA, check_metadata=True) else ():
                batch.validate(full=True)
                row = batch.to_pylist()[0]
                if any(digest(row[name]) != row[digest_of(name)] for name in BINARY):
                    break
                whole, rows = source.tell(), rows + 1
        except _DAMAGE:
            logger.info("%s: its last row was being written, and is decoded again", path.name)
    with path.open("r+b") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(_END_OF_STREAM)
    _finish(path, rows)
