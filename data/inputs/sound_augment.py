"""How loud the sound of a clip is, and noise of any colour and level beneath it, for a whole batch at once."""

import torch

COLOURS = (-1.0, 2.0)
"""Power falls with frequency by this exponent: blue -1, white 0, pink 1, brown 2."""
NOISE_DB = (0.0, 40.0)
"""Power of the clip over that of the noise, in decibels."""
LOWEST_HZ = 20.0
"""Below it nobody hears, and brown noise would have most of its power there."""
NUM_NOISE_DRAWS = 3
"""Draws per clip beside one per sample: whether, colour and level."""


def change_gain(sounds: torch.Tensor, draws: torch.Tensor, most: float) -> torch.Tensor:
    """Sounds that are up to `most` decibels louder or quieter, every level in between equally likely.

    Args:
        sounds (`torch.Tensor`): float32 `[batch, samples]`.
        draws (`torch.Tensor`): `[batch]` uniform in 0..1; 0.5 changes nothing.
        most (`float`): Decibels.
    """
    return sounds * 10 ** ((2 * draws[:, None] - 1) * most / 20)


def add_coloured_noise(sounds: torch.Tensor, choices: torch.Tensor, draws: torch.Tensor, rate: int) -> torch.Tensor:
    """Sounds with noise whose power is some share of their own; silence stays silent.

    Args:
        sounds (`torch.Tensor`): float32 `[batch, samples]`.
        choices (`torch.Tensor`): `[batch, 2]` uniform in 0..1: where in `COLOURS` and in `NOISE_DB`.
        draws (`torch.Tensor`): `[batch, samples]` uniform in 0..1, of which the noise is made.
        rate (`int`): Samples per second.
    """
    colour, level = (low + choices[:, k] * (high - low) for k, (low, high) in enumerate((COLOURS, NOISE_DB)))
    noise = coloured(draws, colour, rate)
    wanted = sounds.square().mean(1) / 10 ** (level / 10)
    return sounds + noise * (wanted / noise.square().mean(1)).sqrt()[:, None]


def coloured(draws: torch.Tensor, exponents: torch.Tensor, rate: int) -> torch.Tensor:
    """Gaussian noise whose power at a frequency f is in proportion to `f ** -exponent`, from `LOWEST_HZ` upwards.

    Args:
        draws (`torch.Tensor`): `[batch, samples]` uniform in 0..1.
        exponents (`torch.Tensor`): `[batch]`.
        rate (`int`): Samples per second.

    Returns:
        `torch.Tensor`: float32 `[batch, samples]`, of no particular level.

    Source: Timmer & Koenig 1995, On generating power law noise: white noise, weighed in the spectrum.
    """
    samples = draws.shape[1]
    white = torch.erfinv((2 * draws - 1).clamp(-1 + 1e-7, 1 - 1e-7))
    hertz = torch.fft.rfftfreq(samples, 1 / rate)
    octaves = hertz.clamp(min=LOWEST_HZ).div(LOWEST_HZ).log2()
    weights = torch.exp2(-exponents[:, None] / 2 * octaves) * (hertz >= LOWEST_HZ)
    return torch.fft.irfft(torch.fft.rfft(white) * weights, n=samples)
