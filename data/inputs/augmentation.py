"""What training does to clips beyond reading them, by name, and the epoch by which it draws."""

from dataclasses import dataclass, field

import torch

from emofusion.data.store.settings import SOUND_MARGIN_S

from .spec_augment import SpecAugment


class EpochClock:
    """The current epoch, in memory that data-loading workers share: they see it move without being restarted."""

    def __init__(self) -> None:
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """Epoch, from 0."""
        return int(self._epoch.item())

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch.fill_(value)


@dataclass
class Augmentation:
    """What training does to a clip beyond reading it; 0 leaves it as it is.

    Attributes:
        seed (`int`): Seed of the run.
        clock (`EpochClock`): Tells the epoch.
        spec_augment (`SpecAugment`, *optional*): Masks in the spectrogram; None leaves it as it is.
        frames (`bool`): Whether frames are jittered, cropped at random and flipped.
        time_shift (`float`): Seconds, at most 0.25, by which sound begins up to so much earlier or later.
        gain (`float`): Decibels by which it is up to so much louder or quieter.
        noise (`float`): Share of clips that get noise of any colour and level.
        mel_warp (`float`): Share by which the axis of mels is stretched or squeezed, up to 0.5.
        black (`float`): Share of clips that lose some of their frames, or all.
        mixup (`float`): Alpha of the Beta distribution by which clips are mixed, see `mix`.

    Raises:
        ValueError: A number outside its range; the message names the field.
    """

    seed: int
    clock: EpochClock = field(default_factory=EpochClock)
    spec_augment: SpecAugment | None = field(default_factory=SpecAugment)
    frames: bool = True
    time_shift: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    mel_warp: float = 0.0
    black: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name}={value}: expected a number from 0 (which leaves it out) to {most}")


MOST = {"time_shift": SOUND_MARGIN_S, "gain": 30.0, "noise": 1.0, "mel_warp": 0.5, "black": 1.0, "mixup": 10.0}
"""The largest value of each field: of the shift, what the store keeps; of the others, what still leaves a clip."""
