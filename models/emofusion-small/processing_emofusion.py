"""Clips to model inputs: files or arrays, with or without sound, with or without a picture, mixed in one batch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

from .action_units_emofusion import pack_rows, scatter
from .backbones_emofusion import settings_for
from .clips_emofusion import ClipArrays, NoTokenizer, Told, Windows
from .configuration_emofusion import EmoFusionConfig
from .faces_emofusion import check_face_crop, stored_size
from .feature_extraction_emofusion import EmoFusionFeatureExtractor, is_clip
from .media_emofusion import MediaPath
from .reading_emofusion import ClipReader
from .sound_emofusion import from_int16
from .video_processing_emofusion import EmoFusionVideoProcessor, check_video_fps


class EmoFusionProcessor(ProcessorMixin, ClipReader):
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
        return self.pack(batch, return_tensors, cropped=True)

    def windows(
        self, clip: Any, hop: float = 1.0, batch_size: int = 1, return_tensors: str | None = "pt", **given: Any
    ) -> Iterator[Windows]:
        """Slide the window of the model over a recording of any length, in one way through it and bounded memory.

        The first begins at 0, each other one `hop` seconds after the one before, and the last ends where the recording
        ends; one that is not longer than a window is one window. A window holds what there is of sound and picture
        while it lasts; those without anything that the model reads are left out.

        Args:
            clip: One clip, as of [`EmoFusionProcessor.recording`].
            hop (`float`): Seconds from one window to the next.
            batch_size (`int`): Windows that are handed out at a time.
            return_tensors (`str`): `"pt"` or `"np"`.
            given: The rates of arrays, as of [`EmoFusionProcessor.recording`].

        Yields:
            `Windows`: `start` and `end` of each in seconds, and `inputs` of all, as [`EmoFusionProcessor.__call__`]
            makes them of clips.

        Raises:
            ValueError: As of [`EmoFusionProcessor.recording`], `hop` or `batch_size` is no number above 0, or there is
                nothing in it that the model reads.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r}: expected how many windows to hand out at a time, such as 8")
        recording = self.recording(clip, **given)
        batch: list[ClipArrays] = []
        found = False
        for window in recording.clips(self.starts(recording, hop)):
            if self.reads(window):
                found, batch = True, [*batch, window]
            if len(batch) == batch_size:
                yield self._windows(batch, return_tensors)
                batch = []
        if batch or not found:
            yield self._windows(batch or [recording.clip()], return_tensors)
        self.video_processor.tell(recording.name, recording.notes)

    def _windows(self, batch: list[ClipArrays], return_tensors: str | None) -> Windows:
        inputs = self.pack(batch, return_tensors, cropped=True)
        return Windows([clip.start for clip in batch], [clip.end for clip in batch], inputs)

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
        if return_tensors == "pt":
            return BatchFeature(data)
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
        if not self.reads(clip):
            reads_units = self.reads_action_units
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


EmoFusionProcessor.register_for_auto_class()

__all__ = ["ClipArrays", "EmoFusionProcessor"]
