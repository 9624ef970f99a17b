"""What happens to clips in use, done to test clips on purpose: a modality missing, noise, black frames, late sound.

Of a model of action units these are noisy, in place of black frames.

Source: the robustness tests of Derington et al. 2023, Testing Speech Emotion Recognition Machine Learning Models
(arXiv:2312.06270), taken over to sound and picture together.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from emofusion.data.store.settings import DecodeSettings

from .clip_inputs import ClipInputs
from .stills import as_still

Rows = dict[str, list[Any]]

_COLUMNS = {"audio": ["audio"], "video": ["frames", "image", "action_units"]}


@dataclass(frozen=True)
class Condition:
    """One way in which clips are worse than they were recorded; without any of the fields they are undisturbed.

    Attributes:
        name (`str`): What tables call it.
        without (`str`, *optional*): The modality that is missing: `"audio"` or `"video"`.
        noise_db (`float`, *optional*): Signal-to-noise ratio of added white noise, in decibels.
        black (`float`): Share of the frames that are black, 0..1.
        late (`float`): Seconds by which the sound comes late.
        unit_noise_db (`float`, *optional*): Variance of each action unit over the clips scored, over that of added
            Gaussian noise, in decibels.
    """

    name: str
    without: str | None = None
    noise_db: float | None = None
    black: float = 0.0
    late: float = 0.0
    unit_noise_db: float | None = None

    @property
    def needs(self) -> set[str]:
        """The modalities without which it would change nothing, or leave nothing."""
        if self.without is not None or self.late:
            return {"audio", "video"}
        sees = self.black or self.unit_noise_db is not None
        return ({"audio"} if self.noise_db is not None else set()) | ({"video"} if sees else set())


CONDITIONS = (
    Condition("audio and video"),
    Condition("audio only", without="video"),
    Condition("video only", without="audio"),
    Condition("noise 20 dB", noise_db=20.0),
    Condition("noise 10 dB", noise_db=10.0),
    Condition("noise 0 dB", noise_db=0.0),
    Condition("black frames 50 %", black=0.5),
    Condition("black frames 100 %", black=1.0),
    Condition("noisy action units 10 dB", unit_noise_db=10.0),
    Condition("noisy action units 0 dB", unit_noise_db=0.0),
    Condition("sound late by 0.5 s", late=0.5),
    Condition("sound late by 1 s", late=1.0),
)
"""In the order of tables; the first is the undisturbed input."""

UNDISTURBED = "undisturbed"
"""What the first is called where there is only sound or only picture."""


def conditions_for(
    modalities: Sequence[str],
    has_audio: bool = True,
    has_video: bool = True,
    num_frames: int = DecodeSettings.num_frames,
    action_units: bool = False,
) -> list[Condition]:
    """The conditions that make sense, the undisturbed input first.

    Args:
        modalities (`Sequence[str]`): What the model reads: `"audio"`, `"video"` or both.
        has_audio (`bool`): Whether any clip has sound.
        has_video (`bool`): Whether any clip has a picture.
        num_frames (`int`): Frames of a clip; a still picture is one, and half of it cannot be black.
        action_units (`bool`): Whether the model reads action units in place of frames.
    """
    there = set(modalities) & {name for name, has in (("audio", has_audio), ("video", has_video)) if has}
    first, *others = CONDITIONS
    return [
        first if len(there) == 2 else replace(first, name=UNDISTURBED),
        *(
            condition
            for condition in others
            if condition.needs <= there and _is_possible(condition, num_frames, action_units)
        ),
    ]


def _is_possible(condition: Condition, num_frames: int, action_units: bool) -> bool:
    """Whether there is something that a condition can damage: frames enough, or action units."""
    if condition.unit_noise_db is not None:
        return action_units
    return not condition.black or (not action_units and len(black_frames(num_frames, condition.black)) > 0)


class Degraded:
    """Transform of a batch of rows: worsens the clips, then makes model inputs of them.

    A clip that lacks what a condition is about stays as it is: the picture is not taken from a clip that has
    nothing else, and sound without a picture cannot be late.

    Args:
        transform (`ClipInputs`): Makes the inputs.
        condition (`Condition`): What is done before.
        unit_spread (`np.ndarray`, *optional*): Standard deviation `[35]` of each action unit over the clips scored,
            for noise in them.

    Example:
        ```python
        >>> noisy = rows.with_transform(Degraded(ClipInputs(processor), Condition("noise 10 dB", noise_db=10.0)))
        ```
    """

    def __init__(self, transform: ClipInputs, condition: Condition, unit_spread: np.ndarray | None = None) -> None:
        self.transform = transform
        self.condition = condition
        self.unit_spread = unit_spread

    def __call__(self, rows: Rows) -> dict[str, torch.Tensor]:
        """Rows by column to what `transform` gives.

        Raises:
            ValueError: As `ClipInputs`.
        """
        return self.transform(self.degrade(rows))

    def degrade(self, rows: Rows) -> Rows:
        """The rows with other `frames`, `image`, `action_units` and `audio`; those given stay as they are."""
        condition = self.condition
        changed = dict(rows)
        if condition.without is not None:
            changed |= _without(rows, condition.without)
        if condition.black:
            changed |= self._blackened(rows)
        if "action_units" in rows and condition.unit_noise_db is not None:
            assert self.unit_spread is not None  # who makes such a condition knows the clips
            clips = zip(rows["action_units"], rows["clip"], strict=True)
            changed["action_units"] = [
                None if units is None else add_unit_noise(units, condition.unit_noise_db, clip, self.unit_spread)
                for units, clip in clips
            ]
        if "audio" in rows and condition.noise_db is not None:
            clips = zip(rows["audio"], rows["clip"], strict=True)
            changed["audio"] = [
                None if sound is None else add_noise(_samples(sound), condition.noise_db, clip).tobytes()
                for sound, clip in clips
            ]
        if "audio" in rows and condition.late:
            count = round(condition.late * self.transform.processor.feature_extractor.sampling_rate)
            changed["audio"] = [
                delay(_samples(sound), count).tobytes() if sound is not None and seen else sound
                for sound, seen in zip(changed["audio"], _has(rows, "video"), strict=True)
            ]
        return changed

    def _blackened(self, rows: Rows) -> Rows:
        share, steps = self.condition.black, self.transform.processor.num_frames
        changed: Rows = {}
        if "frames" in rows:
            changed["frames"] = [
                None if stored is None else blacken(stored, steps, share) for stored in rows["frames"]
            ]
        if "image" in rows and len(black_frames(1, share)):
            stills = zip(rows["image"], rows["clip"], rows["source"], strict=True)
            changed["image"] = [
                None if image is None else Image.fromarray(np.zeros_like(as_still(image, clip, source)[0]))
                for image, clip, source in stills
            ]
        return changed


def add_noise(samples: np.ndarray, noise_db: float, clip: str) -> np.ndarray:
    """A sound with white Gaussian noise; digital silence stays as it is, because no noise is in proportion to it.

    Args:
        samples (`np.ndarray`): int16 `[samples]`.
        noise_db (`float`): Mean power of these samples over that of the noise, in decibels. Rounding, and clipping at
            the ends of int16, move it a little.
        clip (`str`): The clip's name. Noise depends on it alone: the levels of a clip differ in loudness only.

    Returns:
        `np.ndarray`: int16 `[samples]`.
    """
    sound = samples.astype(np.float64)
    if not sound.any():
        return samples
    generator = np.random.Generator(np.random.Philox(key=zlib.crc32(f"noise/{clip}".encode())))
    noise = generator.standard_normal(len(sound))
    wanted = np.mean(sound**2) / 10 ** (noise_db / 10)
    noise *= np.sqrt(wanted / np.mean(noise**2))
    return np.clip(np.rint(sound + noise), -32768, 32767).astype(np.int16)


def add_unit_noise(units: Any, noise_db: float, clip: str, spread: np.ndarray) -> np.ndarray:
    """Action units with Gaussian noise, alike in all measurements once these are standardised.

    Args:
        units: Rows `[steps, 35]`; NaN stays NaN.
        noise_db (`float`): Variance of a measurement over that of its noise, in decibels.
        clip (`str`): The clip's name. Noise depends on it alone: the levels of a clip differ in strength only.
        spread (`np.ndarray`): Standard deviation of each measurement `[35]`.

    Returns:
        `np.ndarray`: float32 `[steps, 35]`.
    """
    rows = np.array(units, np.float32)
    generator = np.random.Generator(np.random.Philox(key=zlib.crc32(f"unit noise/{clip}".encode())))
    noise = generator.standard_normal(rows.shape) * spread / 10 ** (noise_db / 20)
    return (rows + noise).astype(np.float32)


def delay(samples: np.ndarray, count: int) -> np.ndarray:
    """A sound `[samples]` that begins `count` samples later, after silence; its length stays, its end is cut off."""
    late = np.zeros_like(samples)
    late[count:] = samples[: max(len(samples) - count, 0)]
    return late


def black_frames(num_frames: int, share: float) -> np.ndarray:
    """Which of the frames that the model takes are black: as many as come nearest to the share, evenly spread."""
    count = round(num_frames * share)
    return np.arange(count) * num_frames // max(count, 1)


def blacken(frames: bytes, num_frames: int, share: float) -> bytes:
    """Stored frames, some of them black.

    Args:
        frames (`bytes`): uint8, one after the other: `frames_per_step` for each that the model takes.
        num_frames (`int`): Frames that the model takes; what is stored beside a black one is black too.
        share (`float`): Share of black ones.
    """
    pixels = np.frombuffer(frames, dtype=np.uint8).copy()
    steps = np.array_split(pixels, num_frames)  # views, also of a wrong number, which ClipInputs refuses
    for index in black_frames(num_frames, share):
        steps[index][:] = 0
    return pixels.tobytes()


def _samples(binary: bytes) -> np.ndarray:
    return np.frombuffer(binary, dtype=np.int16)


def _has(rows: Rows, modality: str) -> list[bool]:
    """Which clips have sound, or a picture."""
    columns = [name for name in _COLUMNS[modality] if name in rows]
    return [any(rows[name][clip] is not None for name in columns) for clip in range(len(rows["clip"]))]


def _without(rows: Rows, modality: str) -> Rows:
    """The columns of a modality, empty where the clip has the other one."""
    left = _has(rows, "video" if modality == "audio" else "audio")
    return {
        name: [None if has else value for value, has in zip(rows[name], left, strict=True)]
        for name in _COLUMNS[modality]
        if name in rows
    }
