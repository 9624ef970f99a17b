"""Tiny media files under the names of CREMA-D."""

import functools
import tempfile
from pathlib import Path

from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound

FLV_RATE = 22_050


@functools.cache
def media_bytes(kind: str) -> bytes:
    """A tiny `"flv"` (both), `"silent.flv"`, `"mp4"` (both), `"wav"` or `"mp3"`; kept, because encoding is slow."""
    ending = kind.split(".")[-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{ending}"
        if ending == "wav":
            return write_sound(path, make_sound()).read_bytes()
        if ending == "mp3":
            return write_media(path, None, make_sound(), codecs=("", "libmp3lame")).read_bytes()
        if ending == "mp4":
            return write_media(path, make_frames(), make_sound()).read_bytes()
        sound = None if kind == "silent.flv" else make_sound(rate=FLV_RATE)
        return write_media(path, make_frames(), sound, FLV_RATE, codecs=("flv1", "libmp3lame")).read_bytes()


def write_crema_d(folder: Path, stem: str, kind: str) -> Path:
    """One file, in the sub-folder in which the corpus has it."""
    ending = kind.split(".")[-1]
    path = folder / {"wav": "AudioWAV", "mp3": "AudioMP3"}.get(ending, "VideoFlash") / f"{stem}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(media_bytes(kind))
    return path
