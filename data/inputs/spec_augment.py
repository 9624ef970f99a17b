"""SpecAugment: masks over mels and time, for a whole batch at once."""

import torch
from torch import nn


class SpecAugment(nn.Module):
    """Blank out bands of mels and stretches of time in normalised log-mels.

    The draws are an input, so the module has no state and repeats itself exactly.

    Args:
        p (`float`): Share of clips that are masked at all.
        num_masks (`int`): Masks over mels, and as many over time.
        max_mels (`int`): Widest mask over mels, in bands.
        max_steps (`int`): Widest mask over time, in steps.
        fill (`float`): What stands in a mask; 0 is the mean of a normalised spectrogram.

    Source: Park et al. 2019, SpecAugment (arXiv:1904.08779), without time warping.
    """

    def __init__(
        self, p: float = 0.5, num_masks: int = 2, max_mels: int = 20, max_steps: int = 40, fill: float = 0.0
    ) -> None:
        super().__init__()
        self.p = p
        self.num_masks = num_masks
        self.max_mels = max_mels
        self.max_steps = max_steps
        self.fill = fill

    @classmethod
    def of_strength(cls, strength: float) -> "SpecAugment":
        """Masks that are `strength` times as wide as the defaults, as whole numbers of bands and steps."""
        source = cls()
        return cls(max_mels=round(strength * source.max_mels), max_steps=round(strength * source.max_steps))

    @property
    def num_draws(self) -> int:
        """Uniform draws needed per clip: whether, then width and place of each mask."""
        return 1 + 4 * self.num_masks

    def forward(self, features: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """Mask `features [batch, mels, time]` by `draws [batch, num_draws]` in 0..1."""
        masked = torch.zeros_like(features, dtype=torch.bool)
        widths_and_places = draws[:, 1:].unflatten(1, (2, self.num_masks, 2))
        for mask in range(self.num_masks):
            mels = self._band(widths_and_places[:, 0, mask], features.shape[1], self.max_mels)
            steps = self._band(widths_and_places[:, 1, mask], features.shape[2], self.max_steps)
            masked |= mels[:, :, None] | steps[:, None, :]
        chosen = draws[:, 0] < self.p
        return features.masked_fill(masked & chosen[:, None, None], self.fill)

    @staticmethod
    def _band(draws: torch.Tensor, size: int, widest: int) -> torch.Tensor:
        """Bool `[batch, size]`: True in a band of 0 to `widest` positions that lies wholly inside."""
        width = (draws[:, :1] * (min(widest, size) + 1)).floor()
        first = (draws[:, 1:] * (size - width + 1)).floor()
        position = torch.arange(size, device=draws.device)
        return (position >= first) & (position < first + width)
