"""Clips to model inputs: files or arrays, with or without sound, with or without a picture, mixed in one batch."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

from .configuration_emofusion import EmoFusionConfig
from .faces_emofusion import check_face_crop
from .feature_extraction_emofusion import EmoFusionFeatureExtractor, Heard, as_sound, as_sounds, is_file
from .media_emofusion import MediaBytes, MediaPath, Source, read_sound
from .sound_emofusion import SYNC_S
from .video_processing_emofusion import (
    EmoFusionVideoProcessor,
    Picture,
    as_picture,
    as_videos,
    check_video_fps,
    stored_size,
)
from .window_emofusion import frame_times, window_start


@dataclass
class ClipArrays:
    """The seconds of one clip that the model looks at.

    Attributes:
        name (`str`): What errors call the clip.
        frames (`np.ndarray`, *optional*): uint8 `[num_frames, height, width, 3]`.
        audio (`np.ndarray`, *optional*): int16 `[samples]`, mono, at the model's rate; or, of all clips of a batch,
            float32 of exactly as many samples as the model hears, of any loudness.
    """

    name: str
    frames: np.ndarray | None
    audio: np.ndarray | None


class NoTokenizer:
    """Stands where `Trainer` looks for a processor's tokenizer, and says that there are no special tokens."""

    eos_token_id = bos_token_id = pad_token_id = None
    init_kwargs: dict[str, Any] = {}


class Told:
    """A setting that is kept by parts of a processor, so that each of them chooses the same when it is used alone."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, processor: Any, owner: type) -> Any:
        return self if processor is None else getattr(getattr(processor, self.parts[0]), self.name)

    def __set__(self, processor: Any, value: Any) -> None:
        for part in self.parts:
            setattr(getattr(processor, part), self.name, value)


class EmoFusionProcessor(ProcessorMixin):
    """Turns clips into what [`EmoFusionModel`] takes.

    What is odd about a file, but usable, is one warning with its name, the first time that it is read.

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

    tokenizer = NoTokenizer()

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
        self.modalities = list(modalities)
        self.num_frames, self.window = num_frames, window
        self.face_crop, self.yunet_path = face_crop, yunet_path
        video_processor.clip_duration = feature_extractor.clip_duration
        video_processor.sampling_rate = feature_extractor.sampling_rate

    num_frames = Told("video_processor")
    window = Told("feature_extractor", "video_processor")
    face_crop = Told("video_processor")
    yunet_path = Told("video_processor")

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
        clips: Any = None,
        videos: Any = None,
        audio: Any = None,
        sampling_rate: int | None = None,
        video_fps: float | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Make a batch of clips.

        Args:
            clips: A media file, or a list of them: paths, open files, bytes, or `{"bytes", "path"}` of `datasets`.
                Sound and picture are read from it. Sounds that know their rate and decoders will do, too.
            videos: Instead of `clips`: uint8 frames `[frames, height, width, 3]`, or a list of such videos, where None
                stands for a clip without a picture. What else a video may be, [`as_picture`] says.
            audio: Instead of `clips`: sound `[samples]` in -1..1, or a list of such sounds with None likewise. What
                else a sound may be, [`as_sound`] says; or a file.
            sampling_rate (`int`): Hz of the sounds in `audio` that do not say it themselves.
            video_fps (`float`): Frames a second of `videos`; without it the frames are spread evenly over the sound,
                or, where there is none, over the seconds that the model looks at.
            return_tensors (`str`): `"pt"` or `"np"`.

        Returns:
            `BatchFeature`: if any clip has a picture, `pixel_values` float32 `[batch, frames, 3, 112, 112]` and
            `video_mask` bool `[batch]`; if any has sound, `input_features` float32 `[batch, mels, time]` and
            `audio_mask` bool `[batch]`. Zeros stand where one is missing.

        Raises:
            ValueError: nothing given, a file that cannot be read (named), a clip without what the model needs (named),
                a sound or frames without a plain rate, or an array that is no plain sound or video (named).
        """
        if clips is not None:
            if videos is not None or audio is not None:
                raise ValueError("give either clips (files), or videos and audio (arrays), not both")
            items = list(clips) if hasattr(clips, "__iter__") and not is_clip(clips) else [clips]
            batch = [self._clip(item, f"clip {index}", sampling_rate) for index, item in enumerate(items)]
        else:
            batch = self._from_arrays(videos, audio, sampling_rate, check_video_fps(video_fps))
        if not batch:
            raise ValueError("nothing to process: give clips (files), or videos and/or audio (arrays)")
        return self.pack(batch, return_tensors)

    def read(self, path: Source, frames_per_step: int = 1, with_picture: bool = True) -> ClipArrays:
        """The seconds of a file that the model looks at, with `frames_per_step * num_frames` frames, cut to the face.

        Every `frames_per_step`-th frame is one that the model takes; the others lie between them, for training.
        """
        clip = self.video_processor.read_clip(
            path,
            frames_per_step,
            duration=self.feature_extractor.clip_duration,
            sampling_rate=self.feature_extractor.sampling_rate,
            want_video=with_picture and "video" in self.modalities,
            want_audio=True,  # a video-only model needs it too: the voice chooses the window
        )
        return ClipArrays(str(path), clip.frames, to_int16(clip.audio))

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
            features = self._log_mels([array for array in audio if array is not None])
            data["input_features"], data["audio_mask"] = scatter(features, [array is not None for array in audio])
        return BatchFeature({name: tensor.numpy() for name, tensor in data.items()}, tensor_type=return_tensors)

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's inputs that this makes."""
        return ["pixel_values", "input_features", "video_mask", "audio_mask"]

    def to_dict(self) -> dict[str, Any]:
        """What is saved: how files are read, too, and where `AutoImageProcessor` finds its class."""
        saved = {name: value for name, value in super().to_dict().items() if name != "yunet_path"}
        saved |= {name: getattr(self, name) for name in ("num_frames", "window", "face_crop")}
        image_processor = {"AutoImageProcessor": "video_processing_emofusion.EmoFusionImageProcessor"}
        return saved | {"image_processor": {"auto_map": image_processor}}

    def _check(self, clip: ClipArrays) -> None:
        has = {"video": clip.frames is not None, "audio": clip.audio is not None}
        if not any(has[name] for name in self.modalities):
            wanted = {"video": "picture", "audio": "sound"}
            lacking = " or ".join(wanted[name] for name in self.modalities)
            only = f"; this model reads {wanted[self.modalities[0]]} alone" if len(self.modalities) == 1 else ""
            raise ValueError(f"{clip.name}: no {lacking} in it{only}")

    def _log_mels(self, sounds: list[np.ndarray]) -> torch.Tensor:
        """Log-mels `[clips, mels, time]` of the sounds of a batch; floats may be louder than any file."""
        if sounds[0].dtype == np.float32:
            return self.feature_extractor.log_mel(torch.from_numpy(np.stack(sounds)))
        rate = self.feature_extractor.sampling_rate
        return self.feature_extractor([from_int16(array) for array in sounds], sampling_rate=rate)["input_features"]

    def _clip(self, item: Any, name: str, sampling_rate: int | None) -> ClipArrays:
        """One of `clips`: a file, or what knows by itself what it is."""
        if is_file(item):
            return self.read(as_source(item, name))
        if is_clip(item):
            is_video = hasattr(item, "get_frames_played_at")
            picture = as_picture(item, name, None) if is_video else None
            return self._cut(name, picture, None if is_video else self._heard(item, name, sampling_rate))
        raise ValueError(
            f"{name}: expected a media file (a path, an open file, bytes, or a dictionary with 'bytes' and 'path'), "
            f"found {type(item).__name__}; arrays are given as videos= and audio="
        )

    def _from_arrays(
        self, videos: Any, audio: Any, sampling_rate: int | None, video_fps: float | None
    ) -> list[ClipArrays]:
        """Choose the seconds of each clip from arrays."""
        pictures: list[Any] = [] if videos is None else as_videos(videos)
        sounds: list[Any] = []
        if audio is not None:
            sounds = as_sounds(audio, None if videos is None else len(pictures))
        if videos is not None and audio is not None and len(sounds) != len(pictures):
            raise ValueError(
                f"videos has {len(pictures)} clips and audio {len(sounds)}: put None where one is missing"
            )
        return [
            self.read(as_source(sound, f"clip {index}"), with_picture=False)
            if video is None and is_file(sound)
            else self._cut(
                f"clip {index}",
                None if video is None else as_picture(video, f"video {index}", video_fps),
                None if sound is None else self._heard(sound, f"clip {index}", sampling_rate),
            )
            for index, (video, sound) in enumerate(
                zip(pictures or [None] * len(sounds), sounds or [None] * len(pictures), strict=True)
            )
        ]

    def _heard(self, sound: Any, name: str, sampling_rate: int | None) -> Heard:
        """One sound, as samples or as a file."""
        rate = self.feature_extractor.sampling_rate
        if not is_file(sound):
            return as_sound(sound, name, sampling_rate, rate)
        source = as_source(sound, name)
        samples, notes = read_sound(source, rate)
        self.video_processor.tell(str(source), notes)
        if samples is None:
            raise ValueError(f"{name}: expected sound, found a file with pictures only")
        return Heard(samples)

    def _cut(self, name: str, picture: Picture | None, sound: Heard | None) -> ClipArrays:
        """The seconds of a clip that the model looks at."""
        rate, duration = self.feature_extractor.sampling_rate, self.feature_extractor.clip_duration
        samples, ahead = None if sound is None else sound.samples, 0.0
        if picture is not None and picture.begin is not None and sound is not None and sound.begin is not None:
            late = sound.begin - picture.begin  # both on the clock of their file
            samples = np.pad(sound.samples, (round(max(late, 0.0) * rate) if late > SYNC_S else 0, 0))
            ahead = -late if late < -SYNC_S else 0.0
        seconds = 0.0 if samples is None else len(samples) / rate
        if picture is not None:
            seconds = max(seconds, ahead + picture.seconds(seconds or duration))
        start = window_start(samples, rate, seconds, duration, self.window)
        notes: list[str] = []
        frames = None
        if picture is not None:
            frames = picture.at(frame_times(start - ahead, duration, self.num_frames))
            if "video" in self.modalities:
                frames = self.video_processor.on_face(name, frames, notes)
        self.video_processor.tell(name, notes)
        samples = None if samples is None else self.feature_extractor.heard(samples, start)
        return ClipArrays(name, frames, None if samples is None or not samples.size else to_int16(samples))


def is_clip(item: Any) -> bool:
    """Whether something is one clip by itself: a file, a sound with its rate, or a decoder."""
    decoder = hasattr(item, "get_all_samples") or hasattr(item, "get_frames_played_at")
    return is_file(item) or isinstance(item, Mapping) or decoder


def as_source(item: Any, name: str) -> Source:
    """A media file, in the form in which it is read.

    Args:
        item: A path, bytes, a file that is open in binary mode, or `{"bytes", "path"}` as `datasets` has it.
        name (`str`): What messages call it where it has no name of its own.

    Raises:
        ValueError: A file that is open as text, or a dictionary without either.
    """
    if isinstance(item, Mapping):
        path, content = item.get("path"), item.get("bytes")
        if content is not None:
            return MediaBytes(str(path or name), bytes(content))
        if path is None:
            raise ValueError(f"{name}: expected 'bytes' or 'path', found {', '.join(map(repr, item)) or 'nothing'}")
        return path
    if isinstance(item, (bytes, bytearray, memoryview)):
        return MediaBytes(name, bytes(item))
    if not hasattr(item, "read") or isinstance(item, os.PathLike):
        return item
    own_name = str(getattr(item, "name", name))
    if isinstance(item, io.BufferedReader) and os.path.isfile(own_name):
        return own_name  # a long recording need not be held in memory
    content = None
    if not isinstance(item, io.TextIOBase):  # to read a film as text would fail in other words
        if item.seekable():
            item.seek(0)
        content = item.read()
    if not isinstance(content, bytes):
        raise ValueError(f"{own_name}: expected a file that is open in binary mode ('rb'), found text")
    return MediaBytes(own_name, content)


def scatter(values: torch.Tensor, there: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
    """Put `values [n, ...]` at the n places that are True, zeros elsewhere; returns `[batch, ...]` and the mask."""
    mask = torch.tensor(there)
    spread = torch.zeros(len(there), *values.shape[1:], dtype=values.dtype)
    spread[mask] = values
    return spread, mask


def to_int16(audio: np.ndarray | None, like: np.ndarray | None = None) -> np.ndarray | None:
    """Sound -1..1 as 16-bit samples, the form in which decoded clips are stored.

    One that goes beyond is made so much quieter that it fits: cut off at the limit it would be another sound.

    Args:
        audio (`np.ndarray`, *optional*): float32 `[samples]`.
        like (`np.ndarray`, *optional*): The sound that decides how much quieter, where `audio` is what goes on before
            or after it; what does not fit then is cut off.
    """
    if audio is None:
        return None
    scaled = audio * 32768.0
    peak = float(np.abs((audio if like is None else like) * 32768.0).max())
    if np.rint(peak) > 32768:
        scaled = scaled * (32767 / peak)
    return np.rint(scaled).clip(-32768, 32767).astype(np.int16)  # 1 itself is half a step too much


def from_int16(audio: np.ndarray) -> np.ndarray:
    """16-bit samples as float32 -1..1."""
    return audio.astype(np.float32) / 32768.0


EmoFusionProcessor.register_for_auto_class()

__all__ = ["ClipArrays", "EmoFusionProcessor"]
