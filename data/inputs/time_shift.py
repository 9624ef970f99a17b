"""Shift in time: the seconds that are heard begin a little earlier or later than those that the window chose."""

import numpy as np
import torch


def sound_line(before: np.ndarray, audio: np.ndarray, after: np.ndarray, first: int, count: int) -> np.ndarray:
    """Samples of a clip on its own time line, with silence where nothing was stored.

    Args:
        before (`np.ndarray`): int16 `[samples]` that lead up to `audio`.
        audio (`np.ndarray`): int16 `[samples]`; time 0 is its first one.
        after (`np.ndarray`): int16 `[samples]` that follow on it.
        first (`int`): Where to begin; below 0 it is before `audio`.
        count (`int`): How many.

    Returns:
        `np.ndarray`: int16 `[count]`.
    """
    stored = np.concatenate([before, audio, after])
    begin = first + len(before)
    line = np.zeros(count, np.int16)
    there = stored[max(begin, 0) : max(begin + count, 0)]
    place = max(-begin, 0)
    line[place : place + len(there)] = there
    return line


def shift_in_time(lines: torch.Tensor, draws: torch.Tensor, furthest: int) -> torch.Tensor:
    """Cut the seconds that are heard out of longer sound, each place equally likely.

    Args:
        lines (`torch.Tensor`): `[batch, furthest + samples + furthest]`.
        draws (`torch.Tensor`): `[batch]` uniform in 0..1; 0.5 cuts out the middle.
        furthest (`int`): Samples.

    Returns:
        `torch.Tensor`: `[batch, samples]`.
    """
    begins = (draws.double() * (2 * furthest + 1)).long()
    return lines.gather(1, begins[:, None] + torch.arange(lines.shape[1] - 2 * furthest))
