"""What is exported: the model with its inputs by name, and, where it is to hear raw sound, its log-mels in front."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from emofusion.modeling import EmoFusionConfig, EmoFusionFeatureExtractor, EmoFusionModel
from emofusion.modeling.feature_extraction_emofusion import FLOOR, mel_spectrogram

Axes = Mapping[str, tuple[int | str, ...]]
"""The inputs by name, in their order: of each axis its length, or the name of one that may have any."""
OUTPUTS = ("logits", "gate")
"""What is exported of `EmoFusionOutput`, as far as a fusion has it."""
MISSING = {"video_mask": (True, False, True), "audio_mask": (True, True, False)}
"""What three drawn clips have: both, sound alone, picture alone."""


class LogMel(nn.Module):
    """Normalised log-mels, as of [`EmoFusionFeatureExtractor.log_mel`], by operations that ONNX has.

    Args:
        extractor (`EmoFusionFeatureExtractor`): The model's.
    """

    window: torch.Tensor
    bands: torch.Tensor

    def __init__(self, extractor: EmoFusionFeatureExtractor) -> None:
        super().__init__()
        self.n_fft, self.hop_length = extractor.n_fft, extractor.hop_length
        self.mean, self.std = float(extractor.mean), float(extractor.std)
        transform = mel_spectrogram(extractor.sampling_rate, self.n_fft, self.hop_length, extractor.feature_size)
        self.register_buffer("window", transform.spectrogram.window.clone())
        self.register_buffer("bands", transform.mel_scale.fb.T.clone())

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Log-mels `[batch, mels, time]` of sound `[batch, samples]`, -1..1."""
        margin = self.n_fft // 2
        padded = F.pad(samples[:, None], (margin, margin), mode="reflect")[:, 0]
        spectrum = torch.stft(
            padded, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        return ((self.bands @ power + FLOOR).log() - self.mean) / self.std


class Exportable(nn.Module):
    """A model whose inputs are all named, and whose outputs are a dictionary without what its fusion lacks.

    Args:
        model (`EmoFusionModel`): In evaluation mode.
        extractor (`EmoFusionFeatureExtractor`, *optional*): Where it hears `samples` in place of `input_features`.
    """

    def __init__(self, model: EmoFusionModel, extractor: EmoFusionFeatureExtractor | None = None) -> None:
        super().__init__()
        self.model = model
        self.log_mel = None if extractor is None else LogMel(extractor)
        self.eval()

    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        action_units: torch.Tensor | None = None,
        action_unit_mask: torch.Tensor | None = None,
        video_mask: torch.Tensor | None = None,
        samples: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        audio_mask: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Classify clips: the arguments are those of [`EmoFusionModel.forward`], and `samples [batch, samples]`."""
        if self.log_mel is not None and samples is not None:
            input_features = self.log_mel(samples)
        output = self.model(
            pixel_values=pixel_values,
            action_units=action_units,
            action_unit_mask=action_unit_mask,
            video_mask=video_mask,
            input_features=input_features,
            audio_mask=audio_mask,
        )
        return {name: output[name] for name in OUTPUTS if getattr(output, name) is not None}


def axes_of(config: EmoFusionConfig, sound: str) -> dict[str, tuple[int | str, ...]]:
    """The inputs of an exported model.

    Args:
        config (`EmoFusionConfig`): The model's.
        sound (`str`): What it hears: `"samples"` or `"log_mel"`.
    """
    axes: dict[str, tuple[int | str, ...]] = {}
    if "video" in config.modalities:
        if config.video_encoder == "action_units":
            axes["action_units"] = ("batch", "frames", config.action_unit_size)
            axes["action_unit_mask"] = ("batch", "frames")
        else:
            axes["pixel_values"] = ("batch", "frames", 3, config.image_size, config.image_size)
        axes["video_mask"] = ("batch",)
    if "audio" in config.modalities:
        if sound == "samples":
            axes["samples"] = ("batch", "samples")
        else:
            axes["input_features"] = ("batch", config.num_mel_bins, "time")
        axes["audio_mask"] = ("batch",)
    return axes


def outputs_of(config: EmoFusionConfig) -> list[str]:
    """Names of the outputs of an exported model."""
    return [name for name in OUTPUTS if name != "gate" or config.fusion in ("gated", "xattn")]


def sizes_of(config: EmoFusionConfig) -> dict[str, int]:
    """Lengths of the named axes, for one clip as its processor makes it."""
    samples = round(config.clip_duration * config.sampling_rate)
    return {"batch": 1, "frames": config.num_frames, "samples": samples, "time": samples // config.hop_length + 1}


def drawn_inputs(axes: Axes, sizes: Mapping[str, int], seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of noise; of each three clips one lacks the picture and one the sound.

    Args:
        axes (`Axes`): Of [`axes_of`].
        sizes (`Mapping[str, int]`): Lengths of the named axes.
        seed (`int`): The same noise for the same number.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, torch.Tensor] = {}
    for name, axis_lengths in axes.items():
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in axis_lengths]
        if name in MISSING:
            drawn[name] = torch.tensor([MISSING[name][clip % 3] for clip in range(shape[0])])
        elif name == "action_unit_mask":
            drawn[name] = torch.rand(shape, generator=generator) > 0.2
        else:
            loudness = 0.1 if name == "samples" else 1.0
            drawn[name] = loudness * torch.randn(shape, generator=generator)
    return drawn


def dynamic_axes(axes: Axes, named: Mapping[str, Any]) -> dict[str, dict[int, Any]]:
    """By input and place: what stands for each axis that may have any length."""
    return {
        name: {place: named[axis] for place, axis in enumerate(shape) if isinstance(axis, str)}
        for name, shape in axes.items()
    }
