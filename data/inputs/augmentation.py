"""What training does to clips beyond reading them, by name, and the epoch by which it draws."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from emofusion.data.store.settings import SOUND_MARGIN_S

from .mel_warp import warp_mels
from .mixup import NUM_MIX_DRAWS, shares_kept
from .picture_augment import (
    NUM_BLACK_DRAWS,
    NUM_ERASE_DRAWS,
    NUM_UNIT_DRAWS,
    add_unit_noise,
    drawn_black,
    erase,
    erased_rectangle,
)
from .random_draws import clip_draws
from .sound_augment import NUM_NOISE_DRAWS, add_coloured_noise, change_gain
from .spec_augment import SpecAugment
from .time_shift import shift_in_time


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
        erase (`float`): Share of clips of which a rectangle, the same in all frames, is erased.
        mixup (`float`): Alpha of the Beta distribution by which clips are mixed, see `mix`.
        unit_noise (`float`): Share of clips whose action units get noise of any level.
        unit_spread (`np.ndarray`, *optional*): Standard deviation of each action unit `[35]`, by which noise of them
            is measured.

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
    erase: float = 0.0
    mixup: float = 0.0
    unit_noise: float = 0.0
    unit_spread: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name}={value}: expected a number from 0 (which leaves it out) to {most}")

    @property
    def changes_sound(self) -> bool:
        """Whether sound becomes another before it becomes a spectrogram."""
        return bool(self.time_shift or self.gain or self.noise)

    def furthest_shift(self, rate: int) -> int:
        """Samples of sound that `augment_sounds` needs at each end."""
        return round(self.time_shift * rate)

    def draws(self, clips: Sequence[str], count: int, purpose: str) -> torch.Tensor:
        """Uniform draws `[clips, count]` of this epoch, see `clip_draws`."""
        return clip_draws(self.seed, self.clock.epoch, clips, count, purpose)

    def augment_sounds(self, lines: torch.Tensor, clips: Sequence[str], rate: int) -> torch.Tensor:
        """Shift sounds in time, change their level and add noise.

        Args:
            lines (`torch.Tensor`): int16 `[clips, samples]`, with `furthest_shift` samples more at each end.
            clips (`Sequence[str]`): What identifies each clip.
            rate (`int`): Samples per second.

        Returns:
            `torch.Tensor`: float32 `[clips, samples]`, 1 at full scale; louder sound is not cut off.
        """
        shifts = self.draws(clips, 1, "time shift")[:, 0]
        sounds = shift_in_time(lines, shifts, self.furthest_shift(rate)).float() / 32768
        if self.gain:
            sounds = change_gain(sounds, self.draws(clips, 1, "gain")[:, 0], self.gain)
        choices = self.draws(clips, NUM_NOISE_DRAWS, "noise")
        noisy = choices[:, 0] < self.noise
        if noisy.any():
            names = [clip for clip, is_noisy in zip(clips, noisy, strict=True) if is_noisy]
            draws = self.draws(names, sounds.shape[1], "samples of noise")
            sounds[noisy] = add_coloured_noise(sounds[noisy], choices[noisy, 1:], draws, rate)
        return sounds

    def augment_features(self, features: torch.Tensor, clips: Sequence[str]) -> torch.Tensor:
        """Warp and mask log-mels `[clips, mels, time]`."""
        if self.mel_warp:
            features = warp_mels(features, self.draws(clips, 1, "mel warp")[:, 0], self.mel_warp)
        if self.spec_augment is not None:
            features = self.spec_augment(features, self.draws(clips, self.spec_augment.num_draws, "spectrogram"))
        return features

    def black_frames(self, clips: Sequence[str], frames: int) -> torch.Tensor:
        """Which frames of each clip are black: bool `[clips, frames]`."""
        return drawn_black(self.draws(clips, NUM_BLACK_DRAWS + frames, "black frames"), self.black)

    def erase_frames(self, frames: Sequence[np.ndarray | None], clips: Sequence[str]) -> list[np.ndarray | None]:
        """Frames uint8 `[frames, height, width, 3]` of each clip, in some clips with a rectangle erased."""
        draws = self.draws(clips, NUM_ERASE_DRAWS, "erasing").numpy()
        done = []
        for array, clip, (chance, *rest) in zip(frames, clips, draws, strict=True):
            if array is not None and chance < self.erase:
                place = erased_rectangle(np.array(rest), *array.shape[1:3])
                noise = self.draws([clip], array[0][place].size, "what is erased")[0].numpy()
                array = erase(array, place, noise)
            done.append(array)
        return done

    def noisy_units(self, units: np.ndarray, clip: str) -> np.ndarray:
        """Action units `[steps, 35]` of a clip, in some clips with noise."""
        if not self.unit_noise or self.unit_spread is None:
            return units
        draws = self.draws([clip], NUM_UNIT_DRAWS + units.size, "noise of action units")[0]
        return add_unit_noise(units, draws, self.unit_noise, self.unit_spread)

    def plan_mixup(self, clips: Sequence[str]) -> torch.Tensor:
        """What `mix` needs to know of each clip: `[clips, 2]`."""
        plan = self.draws(clips, NUM_MIX_DRAWS, "mixup")
        plan[:, 0] = shares_kept(plan[:, 0], self.mixup)
        return plan


MOST = {
    "time_shift": SOUND_MARGIN_S,
    "gain": 30.0,
    "noise": 1.0,
    "mel_warp": 0.5,
    "black": 1.0,
    "erase": 1.0,
    "mixup": 10.0,
    "unit_noise": 1.0,
}
"""The largest value of each field: of the shift, what the store keeps; of the others, what still leaves a clip.

Flags have the same limits.
"""
