"""Frames that are black, action units that are noisy: a fusion learns from them how little a bad picture is worth."""

from typing import Any

import numpy as np
import torch

NUM_BLACK_DRAWS = 2
"""Draws per clip beside one per frame: whether, and how many."""
NUM_UNIT_DRAWS = 2
"""Draws per clip beside one per number of its action units: whether, and how loud."""
LOUDEST_UNIT_NOISE_DB = -5.0
QUIETEST_UNIT_NOISE_DB = 20.0


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
