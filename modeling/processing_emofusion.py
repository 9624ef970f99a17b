"""Clips to model inputs: files or arrays, with or without sound, with or without a picture, mixed in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

from .action_units_emofusion import OPENFACE, Face, GivenRows, MeasuredFace, as_faces, pack_rows, scatter
from .backbones_emofusion import settings_for
from .configuration_emofusion import EmoFusionConfig
from .container_emofusion import as_source
from .faces_emofusion import check_face_crop, stored_size
from .feature_extraction_emofusion import EmoFusionFeatureExtractor, Heard, as_sound, as_sounds, is_clip, is_file
from .media_emofusion import MediaPath, Source, read_sound
from .sound_emofusion import SYNC_S, from_int16, to_int16
from .video_processing_emofusion import EmoFusionVideoProcessor, Picture, as_picture, as_videos, check_video_fps
from .window_emofusion import frame_times, window_start


@dataclass
class ClipArrays:
    """The seconds of one clip that the model looks at.

    Attributes:
        name (`str`): What errors call the clip.
        frames (`np.ndarray`, *optional*): uint8 `[num_frames, height, width, 3]`.
        audio (`np.ndarray`, *optional*): int16 `[samples]`, mono, at the model's rate; or, of all clips of a batch,
            float32 of exactly as many samples as the model hears, of any loudness.
        action_units (`np.ndarray`, *optional*): float32 `[steps, 35]`, NaN in steps in which none were measured.
    """

    name: str
    frames: np.ndarray | None
    audio: np.ndarray | None
    action_units: np.ndarray | None = None


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
        grey (`bool`): Whether frames are turned grey.
        video_encoder (`str`): The model's; `"action_units"` reads what OpenFace measured in the face, and no frames.
        action_unit_size (`int`): Measurements in a row of action units.

    Example:
        ```python
        >>> processor = EmoFusionProcessor.from_pretrained("runs/demo")
        >>> inputs = processor("clip.mp4", return_tensors="pt")
        >>> inputs = processor(["with_sound.mp4", "voice.wav"], return_tensors="pt")
        >>> inputs = processor(videos=frames, audio=samples, sampling_rate=16000, return_tensors="pt")
        >>> inputs = processor(action_units="openface.csv", audio="voice.wav")  # where video_encoder="action_units"
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
        video_encoder: str = "resnet18",
        action_unit_size: int = 35,
        grey: bool = False,
    ) -> None:
        super().__init__(feature_extractor=feature_extractor, video_processor=video_processor)
        check_face_crop(face_crop)
        self.modalities = list(modalities)
        self.video_encoder, self.action_unit_size = video_encoder, action_unit_size
        self.num_frames, self.window = num_frames, window
        self.face_crop, self.yunet_path, self.grey = face_crop, yunet_path, grey
        video_processor.clip_duration = feature_extractor.clip_duration
        video_processor.sampling_rate = feature_extractor.sampling_rate

    num_frames = Told("video_processor")
    window = Told("feature_extractor", "video_processor")
    face_crop = Told("video_processor")
    yunet_path = Told("video_processor")
    grey = Told("video_processor")

    @classmethod
    def from_config(
        cls, config: EmoFusionConfig, feature_extractor: Any = None, image_processor: Any = None
    ) -> "EmoFusionProcessor":
        """The processor that a model of this config needs.

        Args:
            config (`EmoFusionConfig`): The model's.
            feature_extractor (*optional*): That of the sound encoder, where it is transformers' own: an
                `AutoFeatureExtractor`, or its settings as a processor keeps them.
            image_processor (*optional*): Likewise of the picture encoder, an `AutoImageProcessor`.

        Raises:
            ValueError: An encoder of transformers, and what prepares its inputs is not given.
        """
        stored = stored_size(config.image_size)
        hears, sees = settings_for(config, "audio", feature_extractor), settings_for(config, "video", image_processor)
        return cls(
            feature_extractor=EmoFusionFeatureExtractor(
                feature_size=config.num_mel_bins,
                sampling_rate=config.sampling_rate,
                n_fft=config.n_fft,
                hop_length=config.hop_length,
                clip_duration=config.clip_duration,
                backbone=hears,
            ),
            video_processor=EmoFusionVideoProcessor(
                size={"height": stored, "width": stored},
                crop_size={"height": config.image_size, "width": config.image_size},
                backbone=sees,
            ),
            num_frames=config.num_frames,
            window=config.window,
            modalities=config.modalities,
            face_crop=config.face_crop,
            video_encoder=config.video_encoder,
            action_unit_size=config.action_unit_size,
            grey=config.grey,
        )

    @property
    def reads_action_units(self) -> bool:
        """Whether the model's picture is a row of measurements instead of frames."""
        return "video" in self.modalities and self.video_encoder == "action_units"

    def __call__(
        self,
        clips: Any = None,
        videos: Any = None,
        audio: Any = None,
        sampling_rate: int | None = None,
        video_fps: float | None = None,
        return_tensors: str | None = "pt",
        action_units: Any = None,
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
            action_units: In place of `videos`, for a model of action units: the path of a table that OpenFace wrote,
                from which the seconds of the sound are taken; or numbers `[steps, 35]`, as they are. Or a list of
                these, with None likewise.

        Returns:
            `BatchFeature`: if any clip has a picture, `pixel_values` float32 `[batch, frames, 3, 112, 112]`, or
            `action_units` float32 `[batch, steps, 35]` and `action_unit_mask` bool `[batch, steps]`, and
            `video_mask` bool `[batch]`; if any has sound, `input_features` float32 `[batch, mels, time]` and
            `audio_mask` bool `[batch]`. Zeros stand where one is missing. For a sound encoder of transformers
            `input_values` stand in place of `input_features`.

        Raises:
            ValueError: nothing given, a file that cannot be read (named), a clip without what the model needs (named),
                a sound or frames without a plain rate, or an array that is no plain sound or video (named).
        """
        if clips is not None:
            if videos is not None or audio is not None or action_units is not None:
                raise ValueError("give either clips (files), or videos and audio (arrays), not both")
            items = list(clips) if hasattr(clips, "__iter__") and not is_clip(clips) else [clips]
            batch = [self._clip(item, f"clip {index}", sampling_rate) for index, item in enumerate(items)]
        else:
            pictures = self._pictures(videos, action_units)
            batch = self._from_arrays(pictures, audio, sampling_rate, check_video_fps(video_fps))
        if not batch:
            raise ValueError("nothing to process: give clips (files), or videos and/or audio (arrays)")
        return self.pack(batch, return_tensors)

    def read(self, path: Source, frames_per_step: int = 1, with_picture: bool = True) -> ClipArrays:
        """The seconds of a file that the model looks at, with `frames_per_step * num_frames` frames, cut to the face.

        Every `frames_per_step`-th frame is one that the model takes; the others lie between them, for training.
        """
        with_picture = with_picture and "video" in self.modalities
        clip = self.video_processor.read_clip(
            path,
            frames_per_step,
            duration=self.feature_extractor.clip_duration,
            sampling_rate=self.feature_extractor.sampling_rate,
            want_video=with_picture,
            want_audio=True,  # a video-only model needs it too: the voice chooses the window
        )
        if clip.frames is not None and self.reads_action_units:
            raise ValueError(
                f"{path}: this model reads action units in place of frames. {OPENFACE}: "
                "processor(action_units='clip.csv', audio='clip.mp4')"
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
        if self.reads_action_units:
            data = pack_rows([clip.action_units for clip in batch], self.action_unit_size)
        else:
            data = self._pack_frames(batch, cropped)
        audio = [clip.audio if "audio" in self.modalities else None for clip in batch]
        if any(array is not None for array in audio):
            values = self._hear([array for array in audio if array is not None])
            (name,) = self.feature_extractor.model_input_names
            data[name], data["audio_mask"] = scatter(values, [array is not None for array in audio])
        return BatchFeature({name: tensor.numpy() for name, tensor in data.items()}, tensor_type=return_tensors)

    def _pack_frames(self, batch: Sequence[ClipArrays], cropped: bool) -> dict[str, torch.Tensor]:
        """`pixel_values` and `video_mask` of clips of which any has a picture that the model reads."""
        frames = [clip.frames if "video" in self.modalities else None for clip in batch]
        if all(array is None for array in frames):
            return {}
        writable = [np.require(array, requirements="W") for array in frames if array is not None]  # PyTorch warns
        videos = [torch.from_numpy(array).permute(0, 3, 1, 2) for array in writable]
        pixels = self.video_processor(videos, do_resize=not cropped, do_center_crop=not cropped, return_tensors="pt")
        values, mask = scatter(pixels["pixel_values"], [array is not None for array in frames])
        return {"pixel_values": values, "video_mask": mask}

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's inputs that this makes."""
        picture = ["action_units", "action_unit_mask"] if self.reads_action_units else ["pixel_values"]
        return [*picture, *self.feature_extractor.model_input_names, "video_mask", "audio_mask"]

    def to_dict(self) -> dict[str, Any]:
        """What is saved: how files are read, too, and where `AutoImageProcessor` finds its class."""
        saved = {name: value for name, value in super().to_dict().items() if name != "yunet_path"}
        saved |= {name: getattr(self, name) for name in ("num_frames", "window", "face_crop", "grey")}
        image_processor = {"AutoImageProcessor": "video_processing_emofusion.EmoFusionImageProcessor"}
        return saved | {"image_processor": {"auto_map": image_processor}}

    def _check(self, clip: ClipArrays) -> None:
        units, reads_units = clip.action_units, self.reads_action_units
        seen = clip.frames is not None if not reads_units else units is not None and np.isfinite(units).all(1).any()
        has = {"video": seen, "audio": clip.audio is not None}
        if not any(has[name] for name in self.modalities):
            wanted = {"video": "action units" if reads_units else "picture", "audio": "sound"}
            lacking = " or ".join(wanted[name] for name in self.modalities)
            only = f"; this model reads {wanted[self.modalities[0]]} alone" if len(self.modalities) == 1 else ""
            raise ValueError(f"{clip.name}: no {lacking} in it{only}")

    def _hear(self, sounds: list[np.ndarray]) -> torch.Tensor:
        """What the model hears of the sounds of a batch `[clips, ...]`; floats may be louder than any file."""
        if sounds[0].dtype == np.float32:
            return self.feature_extractor.values(torch.from_numpy(np.stack(sounds)))
        found = self.feature_extractor(
            [from_int16(array) for array in sounds], sampling_rate=self.feature_extractor.sampling_rate
        )
        return found[self.feature_extractor.model_input_names[0]]

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

    def _pictures(self, videos: Any, action_units: Any) -> list[Any] | None:
        """What shows the face in each clip, videos or measurements of it; None where nothing was given.

        Raises:
            ValueError: The model reads the other of the two, or they are not such (named).
        """
        if videos is not None and self.reads_action_units:
            raise ValueError(f"videos: this model reads action units in place of frames. {OPENFACE}: action_units=")
        if action_units is not None and not self.reads_action_units:
            raise ValueError("action_units: this model reads none; they are for video_encoder='action_units'")
        if action_units is not None:
            return as_faces(action_units, self.action_unit_size)
        return None if videos is None else as_videos(videos)

    def _from_arrays(
        self, pictures: list[Any] | None, audio: Any, sampling_rate: int | None, video_fps: float | None
    ) -> list[ClipArrays]:
        """Choose the seconds of each clip from arrays; pictures are videos, or measured faces."""
        sounds: list[Any] = []
        if audio is not None:
            sounds = as_sounds(audio, None if pictures is None else len(pictures))
        if pictures is not None and audio is not None and len(sounds) != len(pictures):
            kind = "action_units" if self.reads_action_units else "videos"
            raise ValueError(
                f"{kind} has {len(pictures)} clips and audio {len(sounds)}: put None where one is missing"
            )
        return [
            self.read(as_source(sound, f"clip {index}"), with_picture=False)
            if video is None and is_file(sound)
            else self._cut(
                f"clip {index}",
                video if video is None or self.reads_action_units else as_picture(video, f"video {index}", video_fps),
                None if sound is None else self._heard(sound, f"clip {index}", sampling_rate),
            )
            for index, (video, sound) in enumerate(
                zip(pictures or [None] * len(sounds), sounds or [None] * len(pictures or ()), strict=True)
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

    def _cut(self, name: str, picture: Picture | Face | None, sound: Heard | None) -> ClipArrays:
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
        frames = units = None
        if isinstance(picture, (MeasuredFace, GivenRows)):
            units = picture.steps(start - ahead, duration, self.num_frames)
        elif picture is not None:
            frames = picture.at(frame_times(start - ahead, duration, self.num_frames))
            if "video" in self.modalities:
                frames = self.video_processor.on_face(name, frames, notes)
        self.video_processor.tell(name, notes)
        samples = None if samples is None else self.feature_extractor.heard(samples, start)
        return ClipArrays(name, frames, None if samples is None or not samples.size else to_int16(samples), units)


EmoFusionProcessor.register_for_auto_class()

__all__ = ["ClipArrays", "EmoFusionProcessor"]
