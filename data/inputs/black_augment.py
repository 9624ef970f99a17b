"""Frames that are black: what a fusion learns from them is how little a bad picture is worth."""

import torch

NUM_BLACK_DRAWS = 2
"""Draws per clip beside one per frame: whether, and how many."""


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
