"""Augmentation of pictures: frames that are cut, flipped, erased or black, and action units that are noisy.

From black frames and noisy units a fusion learns how little a bad picture is worth.
"""

import math
from typing import Any

import numpy as np
import torch

NUM_FRAME_DRAWS = 3
"""Draws per clip beside one per frame: flip, and place of the crop down and across."""
NUM_ERASE_DRAWS = 5
"""Draws per clip: whether, area, shape, and place of the rectangle down and across."""
ERASED_AREA = (0.02, 0.4)
"""Least and most of a frame that is erased."""
ERASED_SHAPE = (0.3, 1 / 0.3)
"""Height of the rectangle over its width, at least and at most."""
NUM_BLACK_DRAWS = 2
"""Draws per clip beside one per frame: whether, and how many."""
NUM_UNIT_DRAWS = 2
"""Draws per clip beside one per number of its action units: whether, and how loud."""
LOUDEST_UNIT_NOISE_DB = -5.0
QUIETEST_UNIT_NOISE_DB = 20.0


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


def erased_rectangle(draws: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
    """Where a frame is erased: rows and columns.

    Every area is equally likely, and so is every shape, tall as often as broad; what would be longer than the frame is
    cut to it.

    Args:
        draws (`np.ndarray`): `[4]` uniform in 0..1: area, shape, and place down and across.
        height (`int`): Of the frame in pixels.
        width (`int`): The same.

    Source: Zhong et al. 2017, Random Erasing Data Augmentation (arXiv:1708.04896), which draws rectangles until one
    fits.
    """
    low, high = ERASED_AREA
    area = (low + float(draws[0]) * (high - low)) * height * width
    log_low, log_high = (math.log(shape) for shape in ERASED_SHAPE)
    shape = math.exp(log_low + float(draws[1]) * (log_high - log_low))
    tall = min(max(round(math.sqrt(area * shape)), 1), height)
    broad = min(max(round(math.sqrt(area / shape)), 1), width)
    top, left = int(draws[2] * (height - tall + 1)), int(draws[3] * (width - broad + 1))
    return slice(top, top + tall), slice(left, left + broad)


def erase(frames: np.ndarray, place: tuple[slice, slice], noise: np.ndarray) -> np.ndarray:
    """Frames `[frames, height, width, 3]` with noise of all colours at a place, the same in each.

    Args:
        frames (`np.ndarray`): uint8.
        place (`tuple[slice, slice]`): Rows and columns.
        noise (`np.ndarray`): At least `[3 * height * width]` uniform in 0..1.
    """
    erased = frames.copy()
    shape = erased[0][place].shape
    erased[(slice(None), *place)] = (noise[: math.prod(shape)].reshape(shape) * 256).astype(np.uint8)
    return erased


def drawn_black(draws: torch.Tensor, share: float) -> torch.Tensor:
    """Which frames are black: in a share of the clips any number of them, one to all, equally likely.

    Args:
        draws (`torch.Tensor`): `[batch, NUM_BLACK_DRAWS + frames]` uniform in 0..1.
        share (`float`): Of clips, 0..1.

    Returns:
        `torch.Tensor`: bool `[batch, frames]`.
    """
    order = draws[:, NUM_BLACK_DRAWS:].argsort(dim=1, stable=True).argsort(dim=1)
    count = 1 + (draws[:, 1:2] * order.shape[1]).long()
    return (draws[:, :1] < share) & (order < count)


def add_unit_noise(units: np.ndarray, draws: torch.Tensor, share: float, spread: np.ndarray) -> np.ndarray:
    """Action units of a clip with Gaussian noise, or, mostly, as they are.

    Args:
        units (`np.ndarray`): float32 `[steps, 35]`; NaN stays NaN.
        draws (`torch.Tensor`): `[NUM_UNIT_DRAWS + steps * 35]` uniform in 0..1. The level of the noise is uniform
            between `QUIETEST_UNIT_NOISE_DB` and `LOUDEST_UNIT_NOISE_DB` below the spread of each measurement.
        share (`float`): Of clips that get any, 0..1.
        spread (`np.ndarray`): Standard deviation of each measurement `[35]` over the training clips.
    """
    if draws[0] >= share:
        return units
    level = QUIETEST_UNIT_NOISE_DB + float(draws[1]) * (LOUDEST_UNIT_NOISE_DB - QUIETEST_UNIT_NOISE_DB)
    uniform = draws[NUM_UNIT_DRAWS:].double().clamp(1e-7, 1 - 1e-7)
    noise = torch.special.ndtri(uniform).reshape(units.shape).numpy()
    return (units + noise * spread / 10 ** (level / 20)).astype(np.float32)


def unit_spread(rows: Any) -> np.ndarray | None:
    """Standard deviation `[35]` of each action unit over the rows of a dataset; None where there are none."""
    if "action_units" not in rows.column_names:
        return None
    found = [np.array(units) for units in rows["action_units"] if units is not None]
    return np.nanstd(np.concatenate(found), axis=0) if found else None
