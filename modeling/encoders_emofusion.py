"""Encoders: a ResNet18 for frames, a ResNet18 or a small CNN for log-mel spectrograms.

Each turns its input into a short sequence of tokens; the mean over the tokens is the embedding of the clip.
"""

import torch
from torch import nn
from transformers import ResNetConfig, ResNetModel

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
        pooled = self.backbone(pixel_values.flatten(0, 1)).pooler_output
        return pooled.flatten(1).unflatten(0, (batch, frames))


class AudioResNet(nn.Module):
    """ResNet18 with a one-channel stem and a linear layer to the embedding; 11,235,904 parameters at full width."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.backbone = build_resnet18(config.encoder_width, num_channels=1)
        self.projection = nn.Linear(8 * config.encoder_width, config.audio_embedding_size)

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        """Encode log-mels `[batch, mels, time]` to tokens `[batch, time / 32, 128]`, each the mean over mels."""
        feature_map = self.backbone(input_features.unsqueeze(1)).last_hidden_state
        return self.projection(feature_map.mean(dim=2).transpose(1, 2))


class AudioCNN(nn.Module):
    """The small audio baseline: five 3x3 convolutions, each with BatchNorm, ReLU and pooling; about 151 thousand."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        width = config.encoder_width
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


AUDIO_ENCODERS: dict[str, type[nn.Module]] = {"resnet18": AudioResNet, "cnn": AudioCNN}
