"""What a visitor sends becomes a file, for as long as it takes to answer."""

import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from .addresses import Url, fetched
from .limits import Limits
from .refused import Refused, too_large

CHUNK = 2**16
"""Bytes that are in memory at a time."""
Upload = bytes | BinaryIO | Url | Iterable[bytes]


@contextmanager
def arrived(upload: Upload, limits: Limits) -> Iterator[Path]:
    """The file that somebody has sent, in a folder that nobody else can read, and that is gone afterwards.

    It has no name of its own: what the sender calls it is never part of a path.

    Args:
        upload (`Upload`): All of it; a file that is open in binary mode, which is read on from where it is; its
            pieces; or its address.
        limits (`Limits`): How large it may be. It is counted while it arrives: what is too large is never held.

    Yields:
        `Path`: Where it is, until the end of the `with`.

    Raises:
        Refused: 413 it is too large, 400 it is empty, 503 there is no room for it; as of [`fetched`].
    """
    with _room_wanted():
        folder = tempfile.TemporaryDirectory(prefix="emofusion-")
    with folder as name:
        path = Path(name, "clip")
        with closing(_pieces(upload, limits)) as pieces:
            _write(path, pieces, limits.max_bytes)
        yield path


def _write(path: Path, pieces: Iterable[bytes], most: int) -> None:
    size = 0
    with _room_wanted():
        file = path.open("xb", buffering=0)  # a buffer would find out later, when it is closed
    with file:
        for piece in pieces:
            size += len(piece)
            if size > most:
                raise too_large(most)
            with _room_wanted():
                written = 0
                while written < len(piece):
                    written += file.write(piece[written:])
    if not size:
        raise Refused(400, "the file: it is empty. Send one with picture or sound.")


@contextmanager
def _room_wanted() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(503, "There is no room for your file now. Try again in a few minutes.") from error


def _pieces(upload: Upload, limits: Limits) -> Generator[bytes, None, None]:
    if isinstance(upload, bytes):
        yield upload
    elif isinstance(upload, Url):
        yield from fetched(upload, limits)
    elif hasattr(upload, "read"):
        while piece := upload.read(CHUNK):
            yield piece
    else:
        yield from upload
