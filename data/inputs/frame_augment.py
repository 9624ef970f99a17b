"""Augmentation of frames: jitter in time, a random crop and a flip, the same for all frames of a clip."""

import numpy as np

NUM_FRAME_DRAWS = 3
"""Draws per clip beside one per frame: flip, and place of the crop down and across."""


def augment_frames(stored: np.ndarray, draws: np.ndarray, frames_per_step: int, crop: int) -> np.ndarray:
    """Choose and cut the frames of one clip.

    Args:
        stored (`np.ndarray`): uint8 `[frames_per_step * frames, size, size, 3]`.
        draws (`np.ndarray`): `[NUM_FRAME_DRAWS + frames]` uniform in 0..1.
        frames_per_step (`int`): Stored frames for each frame that the model takes.
        crop (`int`): Side of the cut in pixels, at most `size`.

    Returns:
        `np.ndarray`: uint8 `[frames, crop, crop, 3]`.
    """
    flip, place = draws[0] < 0.5, draws[1:NUM_FRAME_DRAWS]
    jitter = (draws[NUM_FRAME_DRAWS:] * frames_per_step).astype(int)
    frames = stored[np.arange(len(jitter)) * frames_per_step + jitter]
    top, left = (place * (stored.shape[1] - crop + 1)).astype(int)
    cut = frames[:, top : top + crop, left : left + crop]
    return np.ascontiguousarray(cut[:, :, ::-1] if flip else cut)
