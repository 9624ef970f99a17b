"""What kind of file a visitor has sent, by its content alone: names and announced types say what the sender likes."""

from pathlib import Path

import av

from .limits import Limits
from .refused import Refused

CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "mxf", "ivf", "h264", "hevc"),
    *("wav", "w64", "mp3", "flac", "aac", "ac3", "amr", "aiff", "au", "caf"),
    *("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif", "apng"),
)
"""FFmpeg's names of the kinds that are taken. None of them can name another file or address that FFmpeg would open."""
PLAYLISTS = (b"#extm3u", b"ffconcat", b"<mpd", b"<smoothstreamingmedia")
"""How lists of other files begin. A file may be two things at once, and decord brings an FFmpeg of its own, which has
no such bounds as `CONTAINERS` and need not choose as PyAV's does."""
HEAD = 4096
KINDS = "such as mp4, mov, webm, wav or mp3"


def probe(path: Path, limits: Limits) -> None:
    """Refuse a file that is no recording, or one that announces to be too long.

    To be called in a process that may die: from here on FFmpeg reads what a stranger has written.

    Args:
        path (`Path`): The file.
        limits (`Limits`): How long it may be.

    Raises:
        Refused: 415 or 413.
    """
    with path.open("rb") as file:
        head = file.read(HEAD).lower()
    if any(word in head for word in PLAYLISTS):
        raise Refused(415, f"the file: expected a recording {KINDS}, found a list of other files.")
    try:
        options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
        with av.open(str(path), metadata_errors="ignore", options=options) as container:
            seconds = (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise Refused(
            415,
            f"the file: expected a recording {KINDS}, found something else. Is it complete, and what its name says?",
        ) from error
    check_length(seconds, limits)


def check_length(seconds: float, limits: Limits) -> None:
    """Refuse a recording that is too long.

    Raises:
        Refused: 413.
    """
    if seconds > limits.max_seconds:
        raise Refused(
            413,
            f"the file: it lasts {seconds:.0f} s, and at most {limits.max_seconds:g} s are taken. Send a part of it.",
        )
