"""Warping of the frequency axis: as if somebody with a longer or shorter throat spoke, for a whole batch at once."""

import torch


def warp_mels(features: torch.Tensor, draws: torch.Tensor, most: float) -> torch.Tensor:
    """Stretch the axis of mels by a factor in `1 - most .. 1 + most`, every factor equally likely.

    What was in band m is in band `factor * m` then, interpolated linearly; the highest band repeats where nothing is
    above it.

    Args:
        features (`torch.Tensor`): `[batch, mels, time]`.
        draws (`torch.Tensor`): `[batch]` uniform in 0..1; 0.5 changes nothing.
        most (`float`): Below 1.

    Source: Jaitly & Hinton 2013, Vocal Tract Length Perturbation (VTLP) improves speech recognition, done to log-mels
    instead of to the filters.
    """
    mels = features.shape[1]
    factors = 1 + (2 * draws - 1) * most
    places = (torch.arange(mels) / factors[:, None]).clamp(max=mels - 1)
    below = places.long()
    above = (below + 1).clamp(max=mels - 1)
    lower, upper = (features.gather(1, band[:, :, None].expand_as(features)) for band in (below, above))
    return lower + (upper - lower) * (places - below)[:, :, None]
