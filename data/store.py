"""The decoded store: every clip is decoded once, to an Arrow file that is memory-mapped from then on.

It is keyed by the decoding settings and the source files alone. Label set, protocol and fold only select its rows, and
augmentation never touches it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, Value
from datasets.arrow_writer import ArrowWriter
from filelock import FileLock
from tqdm.auto import tqdm

from emofusion.modeling.media_emofusion import Clip, MediaError, read_clip
from emofusion.modeling.processing_emofusion import to_int16
from emofusion.modeling.video_processing_emofusion import square_resize

from .performances import Account, Performance
from .ravdess_names import CHANNELS, INTENSITIES, MODALITIES

STORE_VERSION = 1
"""Raised whenever the same files and settings would be decoded to something else."""

CLIPS, ACCOUNT = "clips.arrow", "account.json"

STORE_FEATURES = Features(
    {
        "clip": Value("string"),
        "frames": Value("large_binary"),
        "audio": Value("large_binary"),
        "has_video": Value("bool"),
        "has_audio": Value("bool"),
        "emotion": Value("string"),
        "actor": Value("int32"),
        "gender": Value("string"),
        "intensity": Value("string"),
        "statement": Value("int32"),
        "repetition": Value("int32"),
        "channel": Value("string"),
        "source": Value("string"),
    }
)


@dataclass(frozen=True)
class DecodeSettings:
    """How clips are decoded; two stores differ if any of this differs.

    Attributes:
        num_frames (`int`): Frames that the model takes.
        frames_per_step (`int`): Frames stored for each of them; the first is the model's, the others are for jitter.
        frame_size (`int`): Side of the stored square frames in pixels.
        clip_duration (`float`): Seconds of a clip.
        sampling_rate (`int`): Hz.
        window (`str`): Which seconds of a longer clip.
    """

    num_frames: int = 8
    frames_per_step: int = 2
    frame_size: int = 128
    clip_duration: float = 3.0
    sampling_rate: int = 16_000
    window: str = "voice"


def open_store(
    data_dir: Path, performances: Sequence[Performance], account: Account, settings: DecodeSettings, cache_dir: Path
) -> tuple[Dataset, Account]:
    """The decoded clips of these performances, decoding them first if that was not done before.

    Args:
        data_dir (`Path`): Folder of the corpus.
        performances (`Sequence[Performance]`): What to decode.
        account (`Account`): What was found; what decoding found is added to a copy of it.
        settings (`DecodeSettings`): How.
        cache_dir (`Path`): Where stores lie.

    Returns:
        The rows (`STORE_FEATURES`), memory-mapped, and the account.

    Raises:
        ValueError: Not one clip could be read; the message names the first and the reason.
    """
    folder = cache_dir / f"store-{store_key(data_dir, performances, settings)}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            _build(folder, data_dir, performances, settings)
    decoded = json.loads((folder / ACCOUNT).read_text(encoding="utf-8"))
    account = replace(account, unreadable=account.unreadable | decoded["unreadable"], notes=decoded["notes"])
    return Dataset.from_file(str(folder / CLIPS)), account


def store_key(data_dir: Path, performances: Sequence[Performance], settings: DecodeSettings) -> str:
    """A hash of the settings and of name, size and time of every source file."""
    files = [
        (path.as_posix(), stat.st_size, stat.st_mtime_ns)
        for performance in performances
        for path in performance.files
        for stat in [(data_dir / path).stat()]
    ]
    identity = json.dumps([STORE_VERSION, asdict(settings), str(data_dir.resolve()), files])
    return hashlib.sha256(identity.encode()).hexdigest()[:20]


def _build(folder: Path, data_dir: Path, performances: Sequence[Performance], settings: DecodeSettings) -> None:
    """Decode to a temporary folder, which takes its final name only when complete."""
    temporary = folder.with_suffix(".incomplete")
    shutil.rmtree(temporary, ignore_errors=True)  # the lock is ours: whoever left it is gone
    temporary.mkdir()
    account = Account(files=sum(len(take.files) for take in performances), performances=len(performances))
    written = 0
    with ArrowWriter(path=str(temporary / CLIPS), features=STORE_FEATURES, writer_batch_size=64) as writer:
        for row in _decode_all(data_dir, performances, account, settings):
            writer.write(row)
            written += 1
        if written:
            writer.finalize()
    if not written:
        shutil.rmtree(temporary)
        name, reason = next(iter(account.unreadable.items()))
        raise ValueError(f"{data_dir}: none of {len(performances)} clips can be read, such as {name}: {reason}")
    (temporary / ACCOUNT).write_text(json.dumps(asdict(account), indent=1), encoding="utf-8")
    os.replace(temporary, folder)


def _decode_all(
    data_dir: Path, performances: Sequence[Performance], account: Account, settings: DecodeSettings
) -> Iterator[dict[str, Any]]:
    """Rows in order. Threads are enough: the decoders work outside Python's lock."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(lambda performance: _decode_or_reason(data_dir, performance, settings), performances)
        bar = tqdm(zip(performances, results, strict=True), total=len(performances), desc="decoding", unit="clip")
        for performance, (row, odd) in bar:
            source = _source(performance)
            if row is None:
                account.unreadable[source] = odd[0]
                continue
            if odd:
                account.notes[source] = odd
            yield row


def _decode_or_reason(
    data_dir: Path, performance: Performance, settings: DecodeSettings
) -> tuple[dict[str, Any] | None, list[str]]:
    """The row and what was odd, or None and the reason."""
    try:
        row, odd = decode(data_dir, performance, settings)
    except (MediaError, OSError) as error:
        row, odd = None, [str(error).removeprefix(f"{data_dir}/{_source(performance)}: ")]
    return row, [note.replace(f"{data_dir}/", "") for note in odd]


def decode(data_dir: Path, performance: Performance, settings: DecodeSettings) -> tuple[dict[str, Any], list[str]]:
    """One row of the store, and what was odd about its files.

    Raises:
        MediaError: The files cannot be read.
    """
    clip = _read([data_dir / path for path in performance.files], settings)
    audio = to_int16(clip.audio)
    name = performance.name
    row = {
        "clip": name.performance,
        "frames": None if clip.frames is None else shrink(clip.frames, settings.frame_size).tobytes(),
        "audio": None if audio is None else audio.tobytes(),
        "has_video": clip.frames is not None,
        "has_audio": audio is not None,
        "emotion": name.emotion_name,
        "actor": name.actor,
        "gender": name.gender,
        "intensity": INTENSITIES[name.intensity],
        "statement": name.statement,
        "repetition": name.repetition,
        "channel": CHANNELS[name.channel],
        "source": _source(performance),
    }
    odd = list(clip.notes)
    if clip.audio is None and name.modality in (1, 3):
        odd.append(f"named {MODALITIES[name.modality]}, but there is no sound in it")
    return row, odd


def _read(paths: Sequence[Path], settings: DecodeSettings) -> Clip:
    """Read a picture file and a sound file, or one file; if the first is beyond reading, the second alone."""
    try:
        return read_clip(
            paths[0],
            sound_path=paths[1] if len(paths) == 2 else None,
            num_frames=settings.num_frames * settings.frames_per_step,
            duration=settings.clip_duration,
            sampling_rate=settings.sampling_rate,
            window=settings.window,
        )
    except MediaError as error:
        if len(paths) == 1:
            raise
        clip = _read(paths[1:], settings)
        return replace(clip, notes=(str(error), *clip.notes))


def shrink(frames: np.ndarray, size: int) -> np.ndarray:
    """uint8 `[frames, height, width, 3]` to `[frames, size, size, 3]`, by the video processor's own resizing."""
    channels_first = torch.from_numpy(frames).permute(0, 3, 1, 2)
    return square_resize(channels_first, size, size).permute(0, 2, 3, 1).contiguous().numpy()


def _source(performance: Performance) -> str:
    return " + ".join(path.as_posix() for path in performance.files)
