"""Any number of channels to one, as loud as the loudest of them. Travels to the hub."""

from dataclasses import dataclass

import numpy as np

DEAD = 0.01  # a channel with less than this share of the loudest one's power (-20 dB) carries no sound
CANCELLED = 0.25  # where the mean of channels has less than this share of it (-6 dB), they cancel each other
SAME_LEVEL = 0.95  # so much of it is near enough


@dataclass
class Moments:
    """Sums over all samples of sounds with as many channels."""

    count: int
    sums: np.ndarray  # float64 [channels]
    products: np.ndarray  # float64 [channels, channels]

    @classmethod
    def of(cls, channels: np.ndarray) -> "Moments":
        """Of one piece, `[channels, samples]`."""
        exact = channels.astype(np.float64)
        return cls(channels.shape[1], exact.sum(axis=1), exact @ exact.T)

    def add(self, other: "Moments") -> None:
        """Join those of another piece."""
        self.count += other.count
        self.sums = self.sums + other.sums
        self.products = self.products + other.products

    def covariance(self) -> np.ndarray:
        """float64 `[channels, channels]`: a constant offset is no sound."""
        mean = self.sums / max(self.count, 1)
        return self.products / max(self.count, 1) - np.outer(mean, mean)


def mono_weights(covariance: np.ndarray) -> np.ndarray:
    """By how much each channel enters the mono sound, so that this is as loud as the loudest channel.

    The mean of the channels that carry sound, turned up to that level; the loudest channel alone where that mean is
    much quieter, because channels cancel each other, or because many carry different things.

    Args:
        covariance (`np.ndarray`): float64 `[channels, channels]`.

    Returns:
        `np.ndarray`: float32 `[channels]`, 0 or the same for all.
    """
    power = covariance.diagonal().clip(min=0.0)
    live = power >= DEAD * power.max()
    weights = live / live.sum()
    mixed = weights @ covariance @ weights
    if mixed < CANCELLED * power.max():
        weights = np.eye(len(power))[power.argmax()]
    elif mixed < SAME_LEVEL * power.max():
        weights *= np.sqrt(power.max() / mixed)
    return weights.astype(np.float32)


def mix_to_mono(channels: np.ndarray) -> np.ndarray:
    """Sound float `[channels, samples]` to mono float32 `[samples]`, as the sound of a file is mixed."""
    channels = np.asarray(channels, np.float32)
    return mix(channels, mono_weights(Moments.of(channels).covariance()))


def mix(channels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Channels float32 `[channels, samples]` to mono `[samples]`, by the weights of [`mono_weights`]."""
    used, gain = channels[weights > 0], np.float32(weights.sum())
    mixed = used.mean(axis=0) if len(used) > 1 else used[0]
    return mixed if abs(gain - 1) < 1e-4 else mixed * gain
