"""Clips for visitors who have none: drawn and spoken by a program, anew for each of them."""

import random
import wave
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from emofusion.data.demo_corpus.acting import ACTORS, draw_acting
from emofusion.data.demo_corpus.corpus import write_clip
from emofusion.data.demo_corpus.face import draw_frames
from emofusion.data.demo_corpus.voice import SAMPLING_RATE, speak
from emofusion.data.label_sets import EMOTIONS
from emofusion.data.sources.ravdess_names import RavdessName

SIZE, FPS = 240, 10
STRONG = 2


def film(folder: Path) -> tuple[Path, str]:
    """Somebody acts an emotion: the film, and what it is in words."""
    (take,), seed = _takes(1)
    write_clip(folder / "film.mp4", _frames(take, seed), _sound([take], seed), SIZE, FPS)
    return folder / "film.mp4", f"a drawn face with a made-up voice, meant to be {take.emotion_name}"


def voice(folder: Path) -> tuple[Path, str]:
    """Somebody says something: the sound, and what it is in words."""
    (take,), seed = _takes(1)
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLING_RATE)
        file.writeframes((_sound([take], seed).clip(-1, 1) * 32767).astype("<i2").tobytes())
    return folder / "voice.wav", f"a made-up voice without a picture, meant to be {take.emotion_name}"


def recording(folder: Path) -> tuple[Path, str]:
    """Somebody is three things in turn: the film, and what it is in words."""
    takes, seed = _takes(3)
    pictures = chain.from_iterable(_frames(take, seed) for take in takes)
    write_clip(folder / "recording.mp4", pictures, _sound(takes, seed), SIZE, FPS)
    told = ", then ".join(take.emotion_name for take in takes)
    return folder / "recording.mp4", f"a drawn face with a made-up voice, meant to be {told}"


EXAMPLES: dict[str, Callable[[Path], tuple[Path, str]]] = {
    "A short film": film,
    "A voice alone": voice,
    "Three moods in turn": recording,
}
"""What draws an example into a folder, by what its button says."""


def _takes(count: int) -> tuple[list[RavdessName], int]:
    """So many strong emotions of one actor, and the seed by which they are drawn."""
    actor = random.choice(ACTORS)
    emotions = random.sample(range(3, len(EMOTIONS) + 1), count)  # neutral and calm show little
    return [RavdessName(1, 1, emotion, STRONG, 1, 1, actor) for emotion in emotions], random.getrandbits(32)


def _frames(take: RavdessName, seed: int) -> Iterator[np.ndarray]:
    return draw_frames(draw_acting(seed, take, FPS), seed, SIZE, FPS)


def _sound(takes: list[RavdessName], seed: int) -> np.ndarray:
    return np.concatenate([speak(draw_acting(seed, take, FPS), seed) for take in takes])
