"""Clips to model inputs: files or arrays, with or without sound, with or without a picture, mixed in one batch."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

from .configuration_emofusion import EmoFusionConfig
from .faces_emofusion import FaceFinder, check_face_crop, crop_face, locate, make_face_finder
from .feature_extraction_emofusion import EmoFusionFeatureExtractor, as_batch, as_mono, check_sampling_rate
from .media_emofusion import EARLY_S, Clip, MediaPath, read_clip
from .video_processing_emofusion import EmoFusionVideoProcessor, stored_size
from .window_emofusion import frame_times, window_start

logger = logging.getLogger(__name__)


@dataclass
class ClipArrays:
    """The seconds of one clip that the model looks at.

    Attributes:
        name (`str`): What errors call the clip.
        frames (`np.ndarray`, *optional*): uint8 `[num_frames, height, width, 3]`.
        audio (`np.ndarray`, *optional*): int16 `[samples]`, mono, at the model's rate.
    """

    name: str
    frames: np.ndarray | None
    audio: np.ndarray | None


class EmoFusionProcessor(ProcessorMixin):
    """Turns clips into what [`EmoFusionModel`] takes.

    Args:
        feature_extractor (`EmoFusionFeatureExtractor`): Sound to log-mel.
        video_processor (`EmoFusionVideoProcessor`): Frames to pixels.
        num_frames (`int`): Frames of a clip.
        window (`str`): Which seconds of a longer clip are taken, for frames and sound alike: `"voice"`, `"center"` or
            `"start"`.
        modalities (`list[str]`): What the model reads; a clip that has none of it is refused by name.
        face_crop (`str`): What frames are cut to: `"none"` (the middle square), `"haar"` (the face that OpenCV's own
            cascade finds) or `"yunet"`. A clip without a face keeps its middle square, with a warning.
        yunet_path (`str` or `os.PathLike`, *optional*): The detector's ONNX file, for `"yunet"`. It belongs to the
            machine, not to the model, and is not saved.

    Example:
        ```python
        >>> processor = EmoFusionProcessor.from_pretrained("runs/demo")
        >>> inputs = processor("clip.mp4", return_tensors="pt")
        >>> inputs = processor(["with_sound.mp4", "voice.wav"], return_tensors="pt")
        >>> inputs = processor(videos=frames, audio=samples, sampling_rate=16000, return_tensors="pt")
        ```
    """

    def __init__(
        self,
        feature_extractor: EmoFusionFeatureExtractor,
        video_processor: EmoFusionVideoProcessor,
        num_frames: int = 8,
        window: str = "voice",
        modalities: Sequence[str] = ("audio", "video"),
        face_crop: str = "none",
        yunet_path: MediaPath | None = None,
    ) -> None:
        super().__init__(feature_extractor=feature_extractor, video_processor=video_processor)
        check_face_crop(face_crop)
        self.num_frames = num_frames
        self.window = window
        self.modalities = list(modalities)
        self.face_crop = face_crop
        self.yunet_path = yunet_path
        self._finder: FaceFinder | None = None

    @classmethod
    def from_config(cls, config: EmoFusionConfig) -> "EmoFusionProcessor":
        """The processor that a model of this config needs."""
        stored = stored_size(config.image_size)
        return cls(
            feature_extractor=EmoFusionFeatureExtractor(
                feature_size=config.num_mel_bins,
                sampling_rate=config.sampling_rate,
                n_fft=config.n_fft,
                hop_length=config.hop_length,
                clip_duration=config.clip_duration,
            ),
            video_processor=EmoFusionVideoProcessor(
                size={"height": stored, "width": stored},
                crop_size={"height": config.image_size, "width": config.image_size},
            ),
            num_frames=config.num_frames,
            window=config.window,
            modalities=config.modalities,
            face_crop=config.face_crop,
        )

    def __call__(
        self,
        clips: MediaPath | Sequence[MediaPath] | None = None,
        videos: np.ndarray | Sequence[np.ndarray | None] | None = None,
        audio: np.ndarray | Sequence[np.ndarray | None] | None = None,
        sampling_rate: int | None = None,
        video_fps: float | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Make a batch of clips.

        Args:
            clips: Path of a media file, or a list of paths. Sound and picture are read from it.
            videos: Instead of `clips`: uint8 frames `[frames, height, width, 3]`, or a list of such arrays, where None
                stands for a clip without a picture.
            audio: Instead of `clips`: mono sound `[samples]` in -1..1, or a list of such arrays with None likewise.
            sampling_rate (`int`): Hz of `audio`.
            video_fps (`float`): Frames a second of `videos`; without it the frames are spread evenly over the sound,
                or, where there is none, over the seconds that the model looks at.
            return_tensors (`str`): `"pt"` or `"np"`.

        Returns:
            `BatchFeature`: if any clip has a picture, `pixel_values` float32 `[batch, frames, 3, 112, 112]` and
            `video_mask` bool `[batch]`; if any has sound, `input_features` float32 `[batch, mels, time]` and
            `audio_mask` bool `[batch]`. Zeros stand where one is missing.

        Raises:
            ValueError: nothing given, a file that cannot be read (named), a clip without what the model needs (named),
                another sampling rate, or a wrong shape.
        """
        if clips is not None:
            if videos is not None or audio is not None:
                raise ValueError("give either clips (paths), or videos and audio (arrays), not both")
            paths = [clips] if isinstance(clips, (str, os.PathLike)) else list(clips)
            batch = [self.read(path) for path in paths]
        else:
            batch = self._from_arrays(videos, audio, sampling_rate, video_fps)
        if not batch:
            raise ValueError("nothing to process: give clips (paths), or videos and/or audio (arrays)")
        return self.pack(batch, return_tensors)

    def read(self, path: MediaPath, frames_per_step: int = 1) -> ClipArrays:
        """The seconds of a file that the model looks at, with `frames_per_step * num_frames` frames, cut to the face.

        Every `frames_per_step`-th frame is one that the model takes; the others lie between them, for training.
        """
        clip: Clip = read_clip(
            path,
            num_frames=frames_per_step * self.num_frames,
            duration=self.feature_extractor.clip_duration,
            sampling_rate=self.feature_extractor.sampling_rate,
            window=self.window,
            want_video="video" in self.modalities,
            want_audio=True,  # a video-only model needs it too: the voice chooses the window
        )
        return ClipArrays(str(path), self._on_face(str(path), clip.frames, frames_per_step), to_int16(clip.audio))

    def pack(
        self, batch: Sequence[ClipArrays], return_tensors: str | None = "pt", cropped: bool = False
    ) -> BatchFeature:
        """Model inputs of clips whose seconds are chosen; see [`EmoFusionProcessor.__call__`] for what it returns.

        `cropped` says that the frames already have the size that the model takes.
        """
        for clip in batch:
            self._check(clip)
        data: dict[str, torch.Tensor] = {}
        frames = [clip.frames if "video" in self.modalities else None for clip in batch]
        if any(array is not None for array in frames):
            writable = [np.require(array, requirements="W") for array in frames if array is not None]  # PyTorch warns
            videos = [torch.from_numpy(array).permute(0, 3, 1, 2) for array in writable]
            pixels = self.video_processor(
                videos, do_resize=not cropped, do_center_crop=not cropped, return_tensors="pt"
            )["pixel_values"]
            data["pixel_values"], data["video_mask"] = scatter(pixels, [array is not None for array in frames])
        audio = [clip.audio if "audio" in self.modalities else None for clip in batch]
        if any(array is not None for array in audio):
            sounds = [from_int16(array) for array in audio if array is not None]
            extractor = self.feature_extractor
            features = extractor(sounds, sampling_rate=extractor.sampling_rate)["input_features"]
            data["input_features"], data["audio_mask"] = scatter(features, [array is not None for array in audio])
        return BatchFeature({name: tensor.numpy() for name, tensor in data.items()}, tensor_type=return_tensors)

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's inputs that this makes."""
        return ["pixel_values", "input_features", "video_mask", "audio_mask"]

    def to_dict(self) -> dict[str, Any]:
        """What is saved: all but the place of a file on this machine."""
        return {name: value for name, value in super().to_dict().items() if name != "yunet_path"}

    def face_finder(self) -> FaceFinder | None:
        """What finds the faces, opened when first needed: a model may be loaded where there is no OpenCV.

        Raises:
            ValueError, ImportError: As of [`make_face_finder`].
        """
        wanted = None if self.yunet_path is None else os.fspath(self.yunet_path)
        if self._finder is None or (self._finder.face_crop, self._finder.yunet_path) != (self.face_crop, wanted):
            self._finder = make_face_finder(self.face_crop, wanted)
        return self._finder

    def _on_face(self, name: str, frames: np.ndarray | None, frames_per_step: int = 1) -> np.ndarray | None:
        """The frames, cut to the face of the clip."""
        if frames is None or self.face_crop == "none" or "video" not in self.modalities:
            return frames
        finder = self.face_finder()
        try:
            box = locate(finder, frames, frames_per_step)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if box is None:
            logger.warning("%s: no face found in it, so the middle square of its picture is taken", name)
        return crop_face(frames, box)

    def _check(self, clip: ClipArrays) -> None:
        has = {"video": clip.frames is not None, "audio": clip.audio is not None}
        if not any(has[name] for name in self.modalities):
            wanted = {"video": "picture", "audio": "sound"}
            lacking = " or ".join(wanted[name] for name in self.modalities)
            only = f"; this model reads {wanted[self.modalities[0]]} alone" if len(self.modalities) == 1 else ""
            raise ValueError(f"{clip.name}: no {lacking} in it{only}")

    def _from_arrays(
        self,
        videos: np.ndarray | Sequence[np.ndarray | None] | None,
        audio: np.ndarray | Sequence[np.ndarray | None] | None,
        sampling_rate: int | None,
        video_fps: float | None,
    ) -> list[ClipArrays]:
        """Choose the seconds of each clip from arrays."""
        if audio is not None:
            check_sampling_rate(sampling_rate, self.feature_extractor.sampling_rate)
        sounds: list[np.ndarray | None] = [] if audio is None else as_sounds(audio)
        pictures: list[np.ndarray | None] = [] if videos is None else as_videos(videos)
        if videos is not None and audio is not None and len(sounds) != len(pictures):
            raise ValueError(
                f"videos has {len(pictures)} clips and audio {len(sounds)}: put None where one is missing"
            )
        pictures = pictures or [None] * len(sounds)
        sounds = sounds or [None] * len(pictures)
        return [
            self._cut(f"clip {index}", picture, sound, video_fps)
            for index, (picture, sound) in enumerate(zip(pictures, sounds, strict=True))
        ]

    def _cut(self, name: str, picture: np.ndarray | None, sound: np.ndarray | None, fps: float | None) -> ClipArrays:
        rate, duration = self.feature_extractor.sampling_rate, self.feature_extractor.clip_duration
        samples = None if sound is None else as_mono(sound, name)
        seconds = 0.0 if samples is None else len(samples) / rate
        if picture is not None:
            fps = fps or len(picture) / (seconds or duration)
            seconds = max(seconds, len(picture) / fps)
        start = window_start(samples, rate, seconds, duration, self.window)
        if picture is not None and fps is not None:
            steps = np.floor((frame_times(start, duration, self.num_frames) + EARLY_S) * fps).astype(int)
            picture = np.asarray(picture)[np.clip(steps, 0, len(picture) - 1)]
        if samples is not None:
            first = round(start * rate)
            samples = samples[first : first + self.feature_extractor.num_samples]
        picture = self._on_face(name, picture)
        return ClipArrays(name, picture, None if samples is None or not samples.size else to_int16(samples))


def scatter(values: torch.Tensor, there: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
    """Put `values [n, ...]` at the n places that are True, zeros elsewhere; returns `[batch, ...]` and the mask."""
    mask = torch.tensor(there)
    spread = torch.zeros(len(there), *values.shape[1:], dtype=values.dtype)
    spread[mask] = values
    return spread, mask


def as_sounds(audio: np.ndarray | Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
    """One sound `[samples]` or several, as a list; one array of two axes could as well be stereo."""
    if isinstance(audio, (np.ndarray, torch.Tensor)) and audio.ndim != 1:
        raise ValueError(f"audio: expected mono sound [samples] or a list of such, found shape {list(audio.shape)}")
    return as_batch(audio)


def as_videos(videos: np.ndarray | Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
    """One video `[frames, height, width, 3]` or several, as a list."""
    several = [videos] if isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 4 else list(videos)
    for index, video in enumerate(several):
        if video is not None and (np.ndim(video) != 4 or np.shape(video)[-1] != 3 or not len(video)):
            raise ValueError(
                f"video {index}: expected [frames, height, width, 3], found shape {list(np.shape(video))}"
            )
    return several


def to_int16(audio: np.ndarray | None) -> np.ndarray | None:
    """Sound -1..1 as 16-bit samples, the form in which decoded clips are stored."""
    return None if audio is None else np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)


def from_int16(audio: np.ndarray) -> np.ndarray:
    """16-bit samples as float32 -1..1."""
    return audio.astype(np.float32) / 32768.0


EmoFusionProcessor.register_for_auto_class()

__all__ = ["ClipArrays", "EmoFusionProcessor"]
