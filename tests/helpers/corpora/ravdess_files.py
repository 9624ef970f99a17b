"""Tiny media files under RAVDESS names: a moving square and a swelling tone, 64 x 48 pixels, 10 frames a second."""

import functools
import io
import tempfile
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import soundfile

FPS = 10
WIDTH, HEIGHT = 64, 48
RATE = 16_000
SECONDS = 3.4


def make_frames(seconds: float = SECONDS, seed: int = 0) -> np.ndarray:
    """uint8 [frames, 48, 64, 3]: a bright square that moves to the right over a ground of the seed's colour."""
    count = round(seconds * FPS)
    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    frames[:] = np.random.default_rng(seed).integers(0, 120, 3, dtype=np.uint8)
    for index, frame in enumerate(frames):
        left = round(index / max(count - 1, 1) * (WIDTH - 12))
        frame[18:30, left : left + 12] = (250, 220 - 5 * index % 200, 40)
    return frames


def make_sound(seconds: float = SECONDS, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """float32 [samples]: a tone of the seed's pitch between silence at both ends, loudest somewhat past the middle."""
    time = np.arange(round(seconds * rate)) / rate
    swell = np.clip(1.0 - np.abs(time / seconds - 0.6) / 0.35, 0.0, None)
    return (0.5 * swell * np.sin(2 * np.pi * (200.0 + 40.0 * seed) * time)).astype(np.float32)


def write_media(
    path: Path,
    frames: np.ndarray | None = None,
    sound: np.ndarray | None = None,
    rate: int = RATE,
    codecs: tuple[str, str] = ("libx264", "aac"),
    preset: str = "ultrafast",
) -> Path:
    """Write a container with a picture stream [frames, height, width, 3], a mono sound stream [samples], or both.

    With another preset of x264 some pictures are made from those before and after them, as cameras do it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = audio = None
        if frames is not None:
            video = container.add_stream(codecs[0], rate=FPS)
            video.height, video.width = frames.shape[1:3]
            video.pix_fmt = "bgr0" if codecs[0] == "ffv1" else "yuv420p"
            video.options = {"preset": preset, "threads": "1"} if codecs[0] == "libx264" else {}
        if sound is not None:
            audio = container.add_stream(codecs[1], rate=rate, layout="mono")
        for array in frames if frames is not None else ():
            container.mux(video.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        if audio is not None and sound is not None:
            samples = np.round(sound * 32767).astype(np.int16)[None]
            packed = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            packed.rate = rate
            container.mux(audio.encode(packed))
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


def write_sound(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    """Write wav or flac, by the ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype="PCM_16")
    return path


@functools.cache
def _media_bytes(kind: str, seed: int) -> bytes:
    """A file of `kind`: `"mp4"` (both), `"silent.mp4"`, `"wav"` or `"flac"`. Kept, because encoding is slow."""
    if kind in ("wav", "flac"):
        buffer = io.BytesIO()
        soundfile.write(buffer, make_sound(seed=seed), RATE, format=kind, subtype="PCM_16")
        return buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        sound = None if kind == "silent.mp4" else make_sound(seed=seed)
        return write_media(Path(folder) / "clip.mp4", make_frames(seed=seed), sound).read_bytes()


def write_named(folder: Path, stem: str, kind: str = "mp4", seed: int = 0) -> Path:
    """Write one file under a RAVDESS name into its actor's folder; see `_media_bytes` for the kinds."""
    path = folder / f"Actor_{stem[-2:]}" / f"{stem}.{kind.split('.')[-1]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_media_bytes(kind, seed))
    return path


def write_corpus(
    folder: Path, actors: Iterable[int] = (1, 2, 13, 17), emotions: Iterable[int] = (1, 3, 4), kind: str = "mp4"
) -> Path:
    """One speech clip of each emotion by each actor; the emotion is heard in the pitch and seen in the ground."""
    modality = "03" if kind in ("wav", "flac") else "01"
    for actor in actors:
        for emotion in emotions:
            write_named(folder, f"{modality}-01-{emotion:02d}-01-01-01-{actor:02d}", kind, seed=emotion)
    return folder
