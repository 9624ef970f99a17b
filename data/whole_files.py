"""Files appear under their final name only when complete."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it its name.

    Its ending is kept, because some writers choose the format by it.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all: UTF-8, whatever the machine's own encoding is."""
    write_whole(path, lambda place: place.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any, *, indent: int) -> None:
    """Write JSON for programs and people: whole or not at all, letters as they are, a newline at its end."""
    write_text(path, json.dumps(content, indent=indent, ensure_ascii=False) + "\n")
