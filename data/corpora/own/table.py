"""The table of own clips: metadata.csv, .jsonl or .parquet, as `datasets`' AudioFolder and VideoFolder have it."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emofusion.data.sources.files import CorpusFile, CorpusFiles

FILE_COLUMN, SPLIT_COLUMN = "file_name", "split"

Row = dict[str, Any]


def find_table(files: CorpusFiles) -> CorpusFile | None:
    """The table at the top of a folder, or of an archive in it; None where there is none.

    Raises:
        ValueError: There are several.
    """
    found = [file for file in files if file.name.name in _READERS and len(file.name.parts) == 1]
    if len(found) > 1:
        raise ValueError(
            f"{files.place}: expected one table, found {' and '.join(map(str, found))}; leave one of them there"
        )
    return found[0] if found else None


def read_table(files: CorpusFiles, table: CorpusFile) -> list[Row]:
    """Its rows, by column, in their order.

    Raises:
        ValueError: It cannot be read, has no row, or does not say which files it is about.
        OSError: The file cannot be read.
    """
    place = f"{files.place}: {table}"
    rows = _READERS[table.name.name](files.read(table), place)
    if not rows:
        raise ValueError(f"{place}: no row in it; write one for each clip, with {FILE_COLUMN} and label")
    if FILE_COLUMN not in rows[0]:
        columns = ", ".join(map(str, rows[0]))
        hint = "; separate columns by commas" if ";" in columns or "\t" in columns else ""
        raise ValueError(f"{place}: expected a column {FILE_COLUMN}, found {columns}{hint}")
    return rows


def _text(content: bytes, place: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{place}, line {line}: expected text in UTF-8, found the byte 0x{byte:02x}; save it as UTF-8 "
            '(in Excel: "CSV UTF-8")'
        ) from error


def _read_csv(content: bytes, place: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(_text(content, place), newline=""))
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(
                f"{place}, line {reader.line_num}: expected {len(reader.fieldnames or ())} cells, found "
                f"{'more' if None in row else 'fewer'}; put text with commas into double quotes"
            )
        rows.append({str(name).strip(): value for name, value in row.items()})
    return rows


def _read_jsonl(content: bytes, place: str) -> list[Row]:
    rows = []
    for number, line in enumerate(_text(content, place).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"{place}, line {number}: expected a JSON object, found {line[:40]!r} ({error})"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(f'{place}, line {number}: expected a JSON object such as {{"{FILE_COLUMN}": "a.wav"}}')
        rows.append(row)
    return rows


def _read_parquet(content: bytes, place: str) -> list[Row]:
    try:
        return pq.read_table(io.BytesIO(content)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{place}: expected a Parquet table, found another file ({error})") from error


_READERS: dict[str, Callable[[bytes, str], list[Row]]] = {
    "metadata.csv": _read_csv,
    "metadata.jsonl": _read_jsonl,
    "metadata.parquet": _read_parquet,
}
"""How a table is read, by the name of its file."""
