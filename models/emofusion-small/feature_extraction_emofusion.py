"""Sound to normalised log-mel spectrograms, from whatever form a library hands it over in."""

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torchaudio.transforms import MelSpectrogram
from transformers import BatchFeature, SequenceFeatureExtractor

from .backbones_emofusion import values_of_sounds
from .media_emofusion import MediaBytes
from .mono_emofusion import mix_to_mono
from .sound_emofusion import resample
from .window_emofusion import check_settings, window_start

logger = logging.getLogger(__name__)

FLOOR = 1e-6
"""Added to the mel power before the logarithm: about the hiss of a quiet recording, so digital silence stays near."""
LOUDEST = 2.0
"""Peak up to which floats are taken for sound: a loud recording overshoots 1, samples of 16 bits go on to 32768."""
MOST_CHANNELS = 8
"""The shorter axis of a sound with two is that of its channels, if it is no longer than this."""
FEW_SAMPLES = 64
"""A sound with two axes is at least so long: 4 ms at 16 kHz."""
_NUMBER = (int, float, np.number)


@lru_cache(maxsize=4)
def mel_spectrogram(sampling_rate: int, n_fft: int, hop_length: int, num_mel_bins: int) -> MelSpectrogram:
    """The transform for these settings; made once a process, because the feature extractor itself must pickle."""
    return MelSpectrogram(sampling_rate, n_fft=n_fft, hop_length=hop_length, n_mels=num_mel_bins)


class EmoFusionFeatureExtractor(SequenceFeatureExtractor):
    """Log-mel spectrograms `[mels, time]` of clips of a fixed length; 64 x 188 for 3 s.

    The same mean and standard deviation are used for every clip, so that loudness, which is a cue, survives. For a
    sound encoder of transformers (`audio_encoder="auto"`) it chooses and cuts the seconds, and the encoder's own
    extractor makes of them what it hears.

    Args:
        feature_size (`int`): Mel bands.
        sampling_rate (`int`): Hz, to which sound of other rates is brought.
        padding_value (`float`): What shorter sound is padded with.
        n_fft (`int`): Samples of one spectrogram frame.
        hop_length (`int`): Samples between frames.
        clip_duration (`float`): Seconds; shorter sound is padded at its end, longer sound is cut.
        mean (`float`): Mean of the log-mel power over RAVDESS speech, actors 1-12 (natural logarithm).
        std (`float`): Its standard deviation.
        window (`str`): Which seconds of longer sound are taken: `"voice"`, `"center"` or `"start"`.
        backbone (`dict`, *optional*): Settings of the encoder's own extractor, as of [`settings_of`]; None for
            spectrograms of ours.
    """

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
        window: str = "voice",
        backbone: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # Every clip has one length, and the model takes no attention mask.
        super().__init__(feature_size, sampling_rate, padding_value, **{**kwargs, "return_attention_mask": False})
        check_settings(1, clip_duration, sampling_rate, window)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.clip_duration = clip_duration
        self.mean = mean
        self.std = std
        self.window = window
        self.backbone = backbone
        if backbone is not None and backbone.get("sampling_rate") != sampling_rate:
            raise ValueError(
                f"sampling_rate: the sound encoder's own extractor takes {backbone.get('sampling_rate')} Hz, found "
                f"{sampling_rate}"
            )

    @property
    def model_input_names(self) -> list[str]:
        """What the model calls what this makes: `"input_features"`, or `"input_values"` for a backbone."""
        return ["input_features" if self.backbone is None else "input_values"]

    @property
    def num_samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_duration * self.sampling_rate)

    def __call__(
        self,
        raw_speech: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """Log-mel spectrograms of one or several sounds, of the seconds that `window` chooses.

        Args:
            raw_speech: Float sound `[samples]` in -1..1, or a batch `[batch, samples]`, or a list of sounds, each in
                any form that [`as_sound`] takes.
            sampling_rate (`int`): Hz of sounds that do not say it themselves.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`.
            kwargs: Taken and ignored, as transformers' own feature extractors do.

        Returns:
            `BatchFeature` with `input_features` float32 `[batch, mels, time]`, or `input_values` of a backbone.

        Raises:
            ValueError: A sound that [`as_sound`] refuses, by its place; or none at all.
        """
        sounds = as_sounds(raw_speech, rows_are_sounds=True)
        if not sounds:
            raise ValueError("nothing to process: give a sound [samples], or a list of sounds")
        heard = [
            as_sound(sound, f"sound {index}", sampling_rate, self.sampling_rate).samples
            for index, sound in enumerate(sounds)
        ]
        batch = torch.from_numpy(np.stack([self._fit(samples) for samples in heard]))
        return BatchFeature({self.model_input_names[0]: self.values(batch)}, tensor_type=return_tensors)

    def to_dict(self) -> dict[str, Any]:
        """What is saved; transformers would leave out the window, because others keep an array under this name."""
        return {**super().to_dict(), "window": self.window}

    def values(self, waveforms: torch.Tensor) -> torch.Tensor:
        """What the model hears of float32 sound `[batch, num_samples]`: log-mels, or what its backbone takes."""
        return self.log_mel(waveforms) if self.backbone is None else values_of_sounds(self.backbone, waveforms)

    def log_mel(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Normalised log-mels float32 `[batch, mels, time]` of float32 sound `[batch, num_samples]`."""
        transform = mel_spectrogram(self.sampling_rate, self.n_fft, self.hop_length, self.feature_size)
        return ((transform(waveforms) + FLOOR).log() - self.mean) / self.std

    def heard(self, samples: np.ndarray, start: float) -> np.ndarray:
        """The samples of the window that begins at `start` seconds."""
        first = round(start * self.sampling_rate)
        return samples[first : first + self.num_samples]

    def first_heard(self, samples: np.ndarray) -> int:
        """Which of the samples `[samples]` is the first of the seconds that `window` chooses."""
        seconds = len(samples) / self.sampling_rate
        start = window_start(samples, self.sampling_rate, seconds, self.clip_duration, self.window)
        return round(start * self.sampling_rate)

    def _fit(self, samples: np.ndarray) -> np.ndarray:
        """Cut or pad to the length of a clip."""
        first = self.first_heard(samples)
        samples = samples[first : first + self.num_samples]
        return np.pad(samples, (0, self.num_samples - len(samples)), constant_values=self.padding_value)


class Heard(NamedTuple):
    """A sound: float32 `[samples]`, and on whose clock it begins when (None where it has no clock)."""

    samples: np.ndarray
    begin: float | None = None


def as_sounds(audio: Any, clips: int | None = None, rows_are_sounds: bool = False) -> list[Any]:
    """One sound or several, as a list of sounds, each as it was given (None where there is none).

    Args:
        audio: A sound, or a list of sounds. An array `[batch, channels, samples]` is several.
        clips (`int`, *optional*): How many pictures there are: then an array with as many rows is several sounds, too.
        rows_are_sounds (`bool`): Whether the rows of any array with two axes are sounds, and not channels; those of
            `[samples, channels]` are not.

    Raises:
        ValueError: An array with 3 to 8 rows, which may be sounds or channels, and nothing says which.
    """
    axes = len(getattr(audio, "shape", ()))
    rows_are_sounds = (
        rows_are_sounds and axes == 2 and not (audio.shape[1] <= MOST_CHANNELS < FEW_SAMPLES <= len(audio))
    )
    if axes == 3 or rows_are_sounds or (axes == 2 and clips != 1 and clips == len(audio)):
        return list(audio)
    if axes == 2 and clips != 1 and 2 < len(audio) <= MOST_CHANNELS and audio.shape[1] >= FEW_SAMPLES:
        raise ValueError(
            f"audio: expected one sound or a list of sounds, found {len(audio)} rows (shape {list(audio.shape)}) that "
            "may be sounds or the channels of one: pass list(audio) for sounds, [audio] for channels"
        )
    if isinstance(audio, np.ndarray) and audio.dtype.kind == "O":
        return list(audio)
    knows_itself = (
        is_file(audio) or isinstance(audio, Mapping) or hasattr(audio, "get_all_samples") or _has_rate(audio)
    )
    if axes or knows_itself or not hasattr(audio, "__iter__"):
        return [audio]
    sounds = list(audio)
    return [audio] if sounds and isinstance(sounds[0], _NUMBER) else sounds


def as_sound(sound: Any, name: str, sampling_rate: Any, wanted: int) -> Heard:
    """One sound, in the form in which a library hands it over, as mono samples of one rate.

    Args:
        sound: Float samples in -1..1, `[samples]`, `[channels, samples]` or `[samples, channels]`, as an array, a
            tensor on any device or a list; or with their rate: `{"array", "sampling_rate"}` of `datasets`,
            `(samples, rate)` of torchaudio, soundfile and librosa, an `AudioDecoder` or `AudioSamples` of torchcodec.
        name (`str`): What errors call it.
        sampling_rate (`int`): Hz, where the sound does not say it itself.
        wanted (`int`): Hz to which it is brought.

    Returns:
        `Heard`.

    Raises:
        ValueError: The rate is missing, there are no samples, the shape is not plain, or they are not floats in -1..1.
    """
    values, own_rate, begin = _unpacked(sound, name)
    rate = check_sampling_rate(sampling_rate if own_rate is None else own_rate, wanted)
    samples = as_mono(values, name, channels_first=begin is not None)
    return Heard(samples if rate == wanted else resample(samples, rate, wanted), begin)


def check_sampling_rate(found: Any, wanted: int) -> int:
    """The rate of a sound in Hz.

    Raises:
        ValueError: It is missing, for nothing in the samples would show it, or no whole number above 0.
    """
    if found is None:
        raise ValueError(f"sampling_rate is missing: pass the rate of the sound in Hz (the model expects {wanted})")
    try:
        rate = 0 if isinstance(found, (bool, str)) else int(found)
    except (TypeError, ValueError, OverflowError):
        rate = 0
    if rate <= 0 or rate != found:
        raise ValueError(f"sampling_rate: expected samples per second, such as {wanted}, found {found!r}")
    return rate


def as_mono(values: Any, name: str, channels_first: bool = False) -> np.ndarray:
    """Float samples with or without channels as float32 `[samples]`; integers are refused, for they are not -1..1.

    Samples that are no numbers become 0, with a warning, as those of files.

    Raises:
        ValueError: naming the sound, with what was found.
    """
    samples = as_array(values, name)
    if samples.dtype.kind != "f" and samples.size:
        raise ValueError(f"{name}: expected float sound in -1..1, found {samples.dtype}; divide int16 by 32768")
    channels = _channels(samples, name, channels_first)
    whole = np.isfinite(channels)
    if not whole.all():
        logger.warning("%s: sound: samples that are no numbers were set to 0", name)
        channels = np.where(whole, channels, 0.0)
    peak = float(np.abs(channels).max())
    if peak > LOUDEST:
        raise ValueError(f"{name}: expected float sound in -1..1, found a peak of {peak:.6g}; divide by 32768 or such")
    return mix_to_mono(channels)


def as_array(values: Any, name: str) -> np.ndarray:
    """Numbers that a library holds as an array of numpy, wherever they are and whether or not they have gradients.

    Raises:
        ValueError: They are not numbers, or do not form an array.
    """
    try:
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu()
            return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        array = np.asarray(values.asnumpy() if hasattr(values, "asnumpy") else values)  # decord has a type of its own
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: expected an array or a tensor, found {_kind(values)} ({error})") from error
    if array.dtype.kind not in "fiub":
        found = _kind(values) if array.dtype.kind == "O" else str(array.dtype)
        raise ValueError(f"{name}: expected an array or a tensor of numbers, found {found}")
    return array


def is_file(item: Any) -> bool:
    """Whether something is a media file: its path, its content, or opened."""
    if isinstance(item, Mapping):
        return item.get("array") is None and item.get("raw") is None
    return isinstance(item, (str, os.PathLike, bytes, bytearray, memoryview, MediaBytes)) or hasattr(item, "read")


def is_clip(item: Any) -> bool:
    """Whether something is one clip by itself: a file, a sound with its rate, or a decoder."""
    decoder = hasattr(item, "get_all_samples") or hasattr(item, "get_frames_played_at")
    return is_file(item) or isinstance(item, Mapping) or decoder


def _kind(values: Any) -> str:
    """What errors call something of another type."""
    return f"{type(values).__module__}.{type(values).__qualname__}".removeprefix("builtins.")


def _has_rate(sound: Any) -> bool:
    """Whether samples come with their rate, as from torchaudio, soundfile or librosa, or from torchcodec."""
    if isinstance(sound, tuple):
        return len(sound) == 2 and isinstance(sound[1], _NUMBER) and len(getattr(sound[0], "shape", ())) > 0
    return hasattr(sound, "sample_rate") and hasattr(sound, "data")


def _unpacked(sound: Any, name: str) -> tuple[Any, Any, float | None]:
    """Samples as they were given, their rate where they come with it, and when they begin where they have a clock."""
    if isinstance(sound, Mapping):
        values = next((sound[key] for key in ("array", "raw") if sound.get(key) is not None), None)
        if values is None:
            raise ValueError(f"{name}: expected 'array' and 'sampling_rate', found {', '.join(map(repr, sound))}")
        return values, sound.get("sampling_rate"), None
    if hasattr(sound, "get_all_samples"):
        sound = sound.get_all_samples()
    if _has_rate(sound):
        if isinstance(sound, tuple):
            return *sound, None
        return sound.data, sound.sample_rate, float(getattr(sound, "pts_seconds", 0.0))
    if sound is None or is_file(sound):
        raise ValueError(f"{name}: expected samples, found {_kind(sound)}; files are read by EmoFusionProcessor")
    return sound, None, None


def _channels(samples: np.ndarray, name: str, channels_first: bool) -> np.ndarray:
    """Samples as `[channels, samples]`."""
    channels = samples[None] if samples.ndim == 1 else samples
    if not samples.size:
        raise ValueError(f"{name}: expected sound, found no samples (shape {list(samples.shape)})")
    if channels.ndim == 2 and not channels_first and len(channels) > 1:
        few, many = sorted(channels.shape)
        plain = few <= MOST_CHANNELS and many >= FEW_SAMPLES
        channels = channels if channels.shape[0] == few else channels.T
    else:
        plain = channels.ndim == 2
    if not plain:
        raise ValueError(
            f"{name}: expected mono sound [samples], or [channels, samples] with at most {MOST_CHANNELS} channels, "
            f"found shape {list(samples.shape)}; several sounds are a list"
        )
    return channels


EmoFusionFeatureExtractor.register_for_auto_class()

__all__ = ["EmoFusionFeatureExtractor"]
