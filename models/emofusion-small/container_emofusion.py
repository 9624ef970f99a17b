"""Opening media files: what a file is, which of its tracks can be decoded, and its packets. Travels to the hub."""

import io
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]


@dataclass(frozen=True, repr=False)
class MediaBytes:
    """A media file held in memory, such as a member of an archive.

    Attributes:
        name (`str`): What messages call it.
        content (`bytes`): All of it.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


MediaPath = str | os.PathLike[str]
Source = MediaPath | MediaBytes
Kind = Literal["video", "audio"]

KIND_WORDS: dict[Kind, str] = {"video": "picture", "audio": "sound"}


class MediaError(ValueError):
    """A file that cannot be used. The message begins with its path and ends with what to do."""


@contextmanager
def open_container(path: Source) -> Iterator[Any]:
    """Open a container and close it again; MediaError naming the file for whatever FFmpeg cannot do with it."""
    if av is None:
        raise ImportError("PyAV is needed to read media files and is not installed: pip install 'av>=15,<19'")
    try:
        with av.open(place(path), metadata_errors="ignore") as container:
            if container.format.name == "tty":  # FFmpeg films any file named .txt as a screen of text
                raise av.InvalidDataError(0, "text")
            yield container
    except (av.FFmpegError, OSError) as error:
        found = "an empty file" if _is_empty(path) else error.strerror
        todo = "Check the path, and that the file is complete and of the kind its name says"
        raise MediaError(f"{path}: expected a media file such as mp4, mov or wav, found: {found}. {todo}.") from error


def place(path: Source) -> str | io.BytesIO:
    """What PyAV and decord open."""
    if isinstance(path, MediaBytes):
        return io.BytesIO(path.content)
    return os.path.abspath(path)  # keeps FFmpeg from taking "http:..." for an address


@contextmanager
def open_bytes(path: Source) -> Iterator[BinaryIO]:
    """The file itself, to read bytes at places of one's choice."""
    with io.BytesIO(path.content) if isinstance(path, MediaBytes) else open(path, "rb") as file:
        yield file


def _is_empty(path: Source) -> bool:
    if isinstance(path, MediaBytes):
        return not path.content
    return os.path.isfile(path) and not os.path.getsize(path)


def tracks_of(container: Any, kind: Kind, notes: list[str]) -> list[Any]:
    """The tracks of a kind that have a decoder here: FFmpeg's, and so decord's, choice first, the others in order.

    Album covers are no video. What is left out for want of a decoder joins `notes`.
    """
    cover = av.stream.Disposition.attached_pic
    tracks = [stream for stream in container.streams if stream.type == kind and not stream.disposition & cover]
    best = container.streams.best(kind)
    for stream in tracks:
        if stream.codec_context is None:
            which = f"track {stream.index + 1} is " if len(tracks) > 1 else ""
            notes.append(f"{KIND_WORDS[kind]}: {which}in a format that no decoder here knows")
    usable = [stream for stream in tracks if stream.codec_context is not None]
    return sorted(usable, key=lambda stream: stream is not best and stream.index != getattr(best, "index", None))


def first_track(container: Any, kind: Kind, notes: list[str], without: Collection[int] = ()) -> Any:
    """The first of `tracks_of` whose index is not among `without`; None where there is none left."""
    left = [stream for stream in tracks_of(container, kind, notes) if stream.index not in without]
    return left[0] if left else None


def packets_of(container: Any, streams: list[Any], notes: list[str]) -> Iterator[Any]:
    """Compressed packets in file order, as far as the container can be read."""
    wanted = [stream for stream in streams if stream is not None]
    try:
        yield from container.demux(wanted) if wanted else ()
    except (av.FFmpegError, IndexError) as error:  # PyAV's IndexError: a stream that the header did not name
        notes.append(f"file: cannot be read to its end ({error})")


def decode_packet(packet: Any, failed: list[Any]) -> list[Any]:
    """Frames of one packet; one that does not decode joins `failed`."""
    try:
        return packet.decode()
    except av.FFmpegError:
        failed.append(packet)
        return []


__all__ = [
    "KIND_WORDS",
    "Kind",
    "MediaBytes",
    "MediaError",
    "MediaPath",
    "Source",
    "decode_packet",
    "first_track",
    "open_bytes",
    "open_container",
    "packets_of",
    "place",
    "tracks_of",
]


def as_source(item: Any, name: str) -> Source:
    """A media file, in the form in which it is read.

    Args:
        item: A path, bytes, a file that is open in binary mode, or `{"bytes", "path"}` as `datasets` has it.
        name (`str`): What messages call it where it has no name of its own.

    Raises:
        ValueError: A file that is open as text, or a dictionary without either.
    """
    if isinstance(item, Mapping):
        path, content = item.get("path"), item.get("bytes")
        if content is not None:
            return MediaBytes(str(path or name), bytes(content))
        if path is None:
            raise ValueError(f"{name}: expected 'bytes' or 'path', found {', '.join(map(repr, item)) or 'nothing'}")
        return path
    if isinstance(item, (bytes, bytearray, memoryview)):
        return MediaBytes(name, bytes(item))
    if not hasattr(item, "read") or isinstance(item, os.PathLike):
        return item
    own_name = str(getattr(item, "name", name))
    if isinstance(item, io.BufferedReader) and os.path.isfile(own_name):
        return own_name  # a long recording need not be held in memory
    content = None
    if not isinstance(item, io.TextIOBase):  # to read a film as text would fail in other words
        if item.seekable():
            item.seek(0)
        content = item.read()
    if not isinstance(content, bytes):
        raise ValueError(f"{own_name}: expected a file that is open in binary mode ('rb'), found text")
    return MediaBytes(own_name, content)
