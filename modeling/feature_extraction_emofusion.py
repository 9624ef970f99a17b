"""Sound to normalised log-mel spectrograms."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torchaudio.transforms import MelSpectrogram
from transformers import BatchFeature, SequenceFeatureExtractor

FLOOR = 1e-6
"""Added to the mel power before the logarithm: about the hiss of a quiet recording, so digital silence stays near."""


@lru_cache(maxsize=4)
def mel_spectrogram(sampling_rate: int, n_fft: int, hop_length: int, num_mel_bins: int) -> MelSpectrogram:
    """The transform for these settings; made once a process, because the feature extractor itself must pickle."""
    return MelSpectrogram(sampling_rate, n_fft=n_fft, hop_length=hop_length, n_mels=num_mel_bins)


class EmoFusionFeatureExtractor(SequenceFeatureExtractor):
    """Log-mel spectrograms `[mels, time]` of clips of a fixed length; 64 x 188 for 3 s.

    The same mean and standard deviation are used for every clip, so that loudness, which is a cue, survives.

    Args:
        feature_size (`int`): Mel bands.
        sampling_rate (`int`): Hz; other rates are refused.
        padding_value (`float`): What shorter sound is padded with.
        n_fft (`int`): Samples of one spectrogram frame.
        hop_length (`int`): Samples between frames.
        clip_duration (`float`): Seconds; shorter sound is padded at its end, longer sound is refused.
        mean (`float`): Mean of the log-mel power over RAVDESS speech, actors 1-12 (natural logarithm).
        std (`float`): Its standard deviation.
    """

    model_input_names = ["input_features"]

    def __init__(
        self,
        feature_size: int = 64,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        n_fft: int = 1024,
        hop_length: int = 256,
        clip_duration: float = 3.0,
        mean: float = -7.9,
        std: float = 4.8,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.clip_duration = clip_duration
        self.mean = mean
        self.std = std

    @property
    def num_samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_duration * self.sampling_rate)

    def __call__(
        self,
        raw_speech: np.ndarray | Sequence[np.ndarray],
        sampling_rate: int | None = None,
        return_tensors: str | None = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """Log-mel spectrograms of one or several sounds.

        Args:
            raw_speech: Mono sound `[samples]` in -1..1, or a list or a batch `[batch, samples]` of them.
            sampling_rate (`int`): Hz of `raw_speech`.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`.
            kwargs: Taken and ignored, as transformers' own feature extractors do.

        Returns:
            `BatchFeature` with `input_features` float32 `[batch, mels, time]`.

        Raises:
            ValueError: The rate is missing or another one, the sound is longer than the clip, not mono or not float.
        """
        check_sampling_rate(sampling_rate, self.sampling_rate)
        sounds = [as_mono(sound, f"sound {index}") for index, sound in enumerate(as_batch(raw_speech))]
        batch = torch.from_numpy(np.stack([self._pad(sound, index) for index, sound in enumerate(sounds)]))
        return BatchFeature({"input_features": self.log_mel(batch)}, tensor_type=return_tensors)

    def log_mel(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Normalised log-mels float32 `[batch, mels, time]` of float32 sound `[batch, num_samples]`."""
        transform = mel_spectrogram(self.sampling_rate, self.n_fft, self.hop_length, self.feature_size)
        return ((transform(waveforms) + FLOOR).log() - self.mean) / self.std

    def _pad(self, sound: np.ndarray, index: int) -> np.ndarray:
        if len(sound) > self.num_samples:
            raise ValueError(
                f"sound {index}: expected at most {self.num_samples} samples ({self.clip_duration} s), found "
                f"{len(sound)}; EmoFusionProcessor chooses the seconds that the model looks at"
            )
        return np.pad(sound, (0, self.num_samples - len(sound)), constant_values=self.padding_value)


def check_sampling_rate(found: int | None, expected: int) -> None:
    """Refuse sound of another rate: nothing in the samples would show it.

    Raises:
        ValueError: with both rates.
    """
    if found is None:
        raise ValueError(f"sampling_rate is missing: pass the rate of the sound in Hz (the model expects {expected})")
    if found != expected:
        raise ValueError(
            f"sampling_rate: the model expects {expected} Hz, found {found} Hz; resample the sound first "
            "(torchaudio.functional.resample), or pass the file's path"
        )


def as_batch(raw_speech: np.ndarray | Sequence[Any]) -> list[Any]:
    """One sound, a batch of equal lengths or a list of sounds (None where there is none), as a list."""
    if isinstance(raw_speech, (np.ndarray, torch.Tensor)):
        return list(raw_speech) if raw_speech.ndim > 1 else [np.asarray(raw_speech)]
    if len(raw_speech) and raw_speech[0] is not None and np.ndim(raw_speech[0]) == 0:
        return [np.asarray(raw_speech)]
    return list(raw_speech)


def as_mono(sound: Any, name: str) -> np.ndarray:
    """One sound as float32 `[samples]`; integers are refused, for their range is not -1..1.

    Raises:
        ValueError: naming the sound, with what was found.
    """
    samples = np.asarray(sound)
    if samples.ndim != 1:
        raise ValueError(f"{name}: expected mono sound [samples], found shape {list(samples.shape)}")
    if samples.dtype.kind != "f":
        raise ValueError(f"{name}: expected float sound in -1..1, found {samples.dtype}; divide int16 by 32768")
    return samples.astype(np.float32, copy=False)


EmoFusionFeatureExtractor.register_for_auto_class()

__all__ = ["EmoFusionFeatureExtractor"]
