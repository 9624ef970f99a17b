"""Encoders: a ResNet18 for frames or an MLP for action units, a ResNet18 or a small CNN for log-mel spectrograms.

Or any of transformers', see backbones_emofusion.py. Each turns its input into a short sequence of tokens; the mean
over the tokens is the embedding of the clip.
"""

import torch
from torch import nn
from transformers import ResNetConfig, ResNetModel

from .backbones_emofusion import AutoAudioEncoder, AutoVideoEncoder
from .configuration_emofusion import EmoFusionConfig


def build_resnet18(width: int, num_channels: int) -> ResNetModel:
    """ResNet18 without its classifier: stages of `width` times 1, 2, 4 and 8 channels.

    transformers' own ResNet is used because torchvision's basic block cannot be narrowed; the layers correspond one to
    one, so torchvision's ImageNet weights fit.

    Source: He et al. 2016, Deep Residual Learning for Image Recognition (arXiv:1512.03385).
    """
    config = ResNetConfig(
        num_channels=num_channels,
        embedding_size=width,
        hidden_sizes=[width, 2 * width, 4 * width, 8 * width],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )
    return ResNetModel(config)


class VideoEncoder(nn.Module):
    """ResNet18 on each frame; 11,176,512 parameters at full width."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.backbone = build_resnet18(config.encoder_width, num_channels=3)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Encode frames `[batch, frames, 3, height, width]` to tokens `[batch, frames, 512]`."""
        batch, frames = pixel_values.shape[:2]
        # Channels last in memory: a CPU is up to a third quicker with them, and what is computed is the same.
        images = pixel_values.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pooled = self.backbone(images).pooler_output
        return pooled.flatten(1).unflatten(0, (batch, frames))


FURTHEST = 5.0


class Standardise(nn.Module):
    """Brings measurements to mean 0 and spread 1, as they were over the training clips.

    Both are part of the weights: whoever loads the model measures with them, and the seal holds them, too.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def fit(self, rows: torch.Tensor) -> None:
        """Take mean and spread from `rows [n, size]`; a row with a NaN does not count, and a constant keeps spread 1.

        Raises:
            ValueError: No row is left.
        """
        rows = rows[rows.isfinite().all(1)].double()
        if not len(rows):
            raise ValueError("expected rows to standardise by, found none without a NaN")
        std = rows.std(0, correction=0)
        self.mean.copy_(rows.mean(0))
        self.std.copy_(torch.where(std > 1e-6, std, 1.0))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Standardise `rows [..., size]`; no measurement counts for more than `FURTHEST` spreads.

        Some action units are hardly ever seen in training, and in another face they would outweigh all others.
        """
        return ((rows - self.mean) / self.std).clamp(-FURTHEST, FURTHEST)


class ActionUnitEncoder(nn.Module):
    """An MLP on each row of action units; about 22 thousand parameters.

    A row is known by its last number to be measured. One that is not gets the mean of the clip's others for a token,
    so the mean over the tokens is that of the measured rows, whatever stands in the rest.
    """

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        size = config.video_embedding_size
        self.standardise = Standardise(config.action_unit_size)
        self.layers = nn.Sequential(
            nn.Linear(config.action_unit_size, size),
            nn.LayerNorm(size),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(size, size),
            nn.LayerNorm(size),
            nn.ReLU(),
            nn.Dropout(0.5),
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode `[batch, steps, action units + 1]`, as [`join_rows`] makes it, to tokens `[batch, steps, 128]`."""
        units, measured = rows[..., :-1], rows[..., -1:] > 0
        tokens = torch.where(measured, self.layers(self.standardise(units)), 0.0)
        mean = tokens.sum(1, keepdim=True) / measured.sum(1, keepdim=True).clamp(min=1)
        return torch.where(measured, tokens, mean)


def join_rows(action_units: torch.Tensor, action_unit_mask: torch.Tensor | None, size: int) -> torch.Tensor:
    """Action units `[batch, steps, size]` and which `[batch, steps]` of the rows were measured, in one tensor.

    Without a mask, a row counts as measured that has no NaN.

    Returns:
        `torch.Tensor`: `[batch, steps, size + 1]`; the last number says whether the row was measured, and one that was
        not is 0.

    Raises:
        ValueError: Another shape.
    """
    if action_units.ndim != 3 or action_units.shape[2] != size:
        raise ValueError(f"action_units: expected [batch, steps, {size}], found {list(action_units.shape)}")
    if action_unit_mask is None:
        measured = action_units.isfinite().all(-1)
    elif action_unit_mask.shape == action_units.shape[:2]:
        measured = action_unit_mask.to(device=action_units.device, dtype=torch.bool)
    else:
        expected = list(action_units.shape[:2])
        raise ValueError(f"action_unit_mask: expected {expected}, found {list(action_unit_mask.shape)}")
    units = torch.where(measured[..., None], action_units, 0.0)
    return torch.cat([units, measured[..., None].to(units.dtype)], dim=-1)


class AudioResNet(nn.Module):
    """ResNet18 with a one-channel stem and a linear layer to the embedding; 11,235,904 parameters at full width."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.backbone = build_resnet18(config.audio_width, num_channels=1)
        self.projection = nn.Linear(8 * config.audio_width, config.audio_embedding_size)

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        """Encode log-mels `[batch, mels, time]` to tokens `[batch, time / 32, 128]`, each the mean over mels."""
        feature_map = self.backbone(input_features.unsqueeze(1)).last_hidden_state
        return self.projection(feature_map.mean(dim=2).transpose(1, 2))


class AudioCNN(nn.Module):
    """The small audio baseline: five 3x3 convolutions, each with BatchNorm, ReLU and pooling; about 151 thousand."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        width = config.audio_width
        channels = [1, width // 4, width // 2, width, width, 2 * width]
        self.blocks = nn.Sequential(
            *(self._block(before, after) for before, after in zip(channels, channels[1:], strict=False))
        )
        self.projection = nn.Linear(channels[-1], config.audio_embedding_size)

    @staticmethod
    def _block(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        """Encode log-mels `[batch, mels, time]` to tokens `[batch, time / 32, 128]`, each the mean over mels."""
        feature_map = self.blocks(input_features.unsqueeze(1))
        return self.projection(feature_map.mean(dim=2).transpose(1, 2))


VIDEO_ENCODERS: dict[str, type[nn.Module]] = {
    "resnet18": VideoEncoder,
    "action_units": ActionUnitEncoder,
    "auto": AutoVideoEncoder,
}
AUDIO_ENCODERS: dict[str, type[nn.Module]] = {"resnet18": AudioResNet, "cnn": AudioCNN, "auto": AutoAudioEncoder}
