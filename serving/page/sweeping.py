"""What nobody has fetched any more is deleted: uploads that were broken off, clips whose visitor has gone."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

EVERY_S = 60.0
"""Seconds from one look to the next."""


@contextmanager
def swept(folder: Path, kept: float) -> Iterator[None]:
    """Delete what has lain in a folder for so many seconds, until the end of the `with`.

    Gradio deletes by a list, which holds neither uploads that were broken off nor, after an error, anything.

    Args:
        folder (`Path`): Ours alone.
        kept (`float`): Seconds.
    """
    end = Event()

    def sweep_again() -> None:
        while not end.wait(EVERY_S):
            sweep(folder, kept)

    thread = Thread(target=sweep_again, name="sweep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def sweep(folder: Path, kept: float) -> None:
    """Delete what was last changed longer ago than so many seconds: files, and folders with all in them."""
    before = time.time() - kept
    for entry in os.scandir(folder):
        with suppress(OSError):  # it has gone by itself
            if max(changed(Path(entry.path))) > before:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink()


def changed(path: Path) -> list[float]:
    """When a file, or a folder and each file in it, was last changed."""
    return [place.lstat().st_mtime for place in (path, *(path.rglob("*") if path.is_dir() else ()))]


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for place in folder.rglob("*"):
        with suppress(OSError):
            total += place.lstat().st_size if not place.is_dir() else 0
    return total
