"""Random numbers that depend on seed, epoch and clip alone.

No state is kept, so any number of workers, and a run resumed in mid-epoch, draw the same.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch


def clip_draws(seed: int, epoch: int, clips: Sequence[str], count: int, purpose: str) -> torch.Tensor:
    """`count` uniform draws in 0..1 for each clip.

    Args:
        seed (`int`): Seed of the run.
        epoch (`int`): Epoch, from 0.
        clips (`Sequence[str]`): What identifies each clip.
        count (`int`): Draws per clip.
        purpose (`str`): What they are for; different purposes draw independently.

    Returns:
        `torch.Tensor`: float32 `[clips, count]`.

    Source: the counter-based generator Philox, Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3.
    """
    rows = []
    for clip in clips:
        stream = zlib.crc32(f"{purpose}/{clip}".encode())
        key = np.array([seed % 2**64, (epoch << 32) + stream], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        rows.append(generator.random(count, dtype=np.float32))
    return torch.from_numpy(np.stack(rows))
