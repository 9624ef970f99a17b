"""Draw docs/clips/drawn.mp4, the clip of the README: somebody of the demo corpus, who is happy, then sad, then angry.

python docs/clips/draw_clip.py
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from emofusion.data.demo_corpus.acting import draw_acting
from emofusion.data.demo_corpus.corpus import write_clip
from emofusion.data.demo_corpus.face import draw_frames
from emofusion.data.demo_corpus.voice import speak
from emofusion.data.sources.ravdess_names import RavdessName

CLIP = Path(__file__).with_name("drawn.mp4")
ACTOR, SEED, SIZE, FPS = 1, 42, 160, 10
HAPPY, SAD, ANGRY = 3, 4, 5  # as RAVDESS numbers them
STRONG = 2


def main() -> None:
    """Draw and save."""
    takes = [RavdessName(1, 1, emotion, STRONG, 1, 1, ACTOR) for emotion in (HAPPY, SAD, ANGRY)]
    sound = np.concatenate([speak(draw_acting(SEED, take, FPS), SEED) for take in takes])
    write_clip(CLIP, chain.from_iterable(map(frames, takes)), sound, SIZE, FPS)


def frames(take: RavdessName) -> Iterator[np.ndarray]:
    """The pictures of a take."""
    return draw_frames(draw_acting(SEED, take, FPS), SEED, SIZE, FPS)


if __name__ == "__main__":
    main()
