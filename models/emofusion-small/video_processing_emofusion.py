"""Frames to normalised tensors: of files, and of whatever form a library hands them over in."""

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as tvf
from transformers import BatchFeature
from transformers.image_utils import PILImageResampling
from transformers.processing_utils import VideosKwargs
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import group_videos_by_shape, reorder_videos

from .backbones_emofusion import values_of_frames
from .faces_emofusion import FaceFinder, crop_face, locate, make_face_finder, square_resize, to_grey
from .feature_extraction_emofusion import as_array
from .media_emofusion import EARLY_S, Clip, Source, read_clip

logger = logging.getLogger(__name__)

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]
COLOURS = (1, 3, 4)
"""How many there are in a picture: grey, RGB, RGB and transparency."""
NO_FACE = "no face found in it, so the middle square of its picture is taken"


class EmoFusionVideosKwargs(VideosKwargs, total=False):  # type: ignore[call-arg]
    """What [`EmoFusionVideoProcessor`] knows beside what every video processor knows."""

    sampling_rate: int
    clip_duration: int | float
    window: str
    face_crop: str
    grey: bool
    yunet_path: str | os.PathLike | None
    backbone: dict[str, Any] | None


class EmoFusionVideoProcessor(BaseVideoProcessor):
    """The middle square of each frame, resized, cropped and normalised with ImageNet's mean and deviation.

    Frames are resized to somewhat more than the model takes (128 for 112 pixels) and the middle is cut out, so that
    training can crop at random from the very same pictures. Given paths, as by the pipeline `"video-classification"`,
    it takes the frames that [`EmoFusionProcessor`] takes of them, without their sound.

    Args:
        kwargs: `size` and `crop_size` (`{"height": int, "width": int}`), and what video processors take. Of files:
            `num_frames`, `window`, `clip_duration` (seconds), `sampling_rate` (Hz, at which the voice is looked for)
            and `face_crop`, as in [`EmoFusionConfig`]; `yunet_path`, as of [`EmoFusionProcessor`]. Of all: `grey`.
            `backbone`, as of [`settings_of`]: the image processor of a picture encoder of transformers, which
            normalises in its place.
    """

    model_input_names = ["pixel_values"]
    valid_kwargs = EmoFusionVideosKwargs
    size = {"height": 128, "width": 128}
    crop_size = {"height": 112, "width": 112}
    resample = PILImageResampling.BILINEAR  # always, with antialiasing
    do_resize = True
    do_center_crop = True
    do_rescale = True
    do_normalize = True
    image_mean = IMAGENET_MEAN
    image_std = IMAGENET_STD
    do_sample_frames = False
    num_frames = 8
    window = "voice"
    clip_duration = 3.0
    sampling_rate = 16_000
    face_crop = "none"
    grey = False
    yunet_path = None
    backbone = None
    _finder: FaceFinder | None = None
    _told: frozenset[str] = frozenset()  # files whose oddities are known

    def read(self, path: Source) -> np.ndarray:
        """The frames of a file that the model looks at: uint8 `[num_frames, height, width, 3]`, cut to the face.

        Raises:
            MediaError: It cannot be read, or has no picture.
        """
        frames = self.read_clip(path, want_audio=False).frames
        assert frames is not None  # else it would have raised
        return frames

    def read_clip(self, path: Source, frames_per_step: int = 1, **options: Any) -> Clip:
        """The seconds of a file that the model looks at, as of `read_clip`, whose `options` may be others.

        Every `frames_per_step`-th frame is one that the model takes. Frames are cut to the face; the notes are told.
        """
        clip = read_clip(
            path,
            num_frames=frames_per_step * self.num_frames,
            window=self.window,
            **{"duration": self.clip_duration, "sampling_rate": self.sampling_rate, **options},
        )
        notes = list(clip.notes)
        frames = None if clip.frames is None else self.on_face(str(path), clip.frames, notes, frames_per_step)
        self.tell(str(path), notes)
        return replace(clip, frames=frames)

    def tell(self, name: str, notes: Sequence[str]) -> None:
        """One warning of all that is odd about a clip; a file is not warned of again."""
        if notes and name not in self._told:
            logger.warning("%s: %s", name, "; ".join(notes))
            if os.path.exists(name):  # else it is a number, and another clip may have it next time
                self._told |= {name}

    def on_face(self, name: str, frames: np.ndarray, notes: list[str], frames_per_step: int = 1) -> np.ndarray:
        """Frames uint8 `[frames, height, width, 3]`, cut to the face of the clip; `notes` takes that there is none.

        Raises:
            ValueError, ImportError: As of [`make_face_finder`]; or other frames, by the name.
        """
        if self.face_crop == "none":
            return frames
        finder = self.face_finder()
        try:
            box = locate(finder, frames, frames_per_step)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if box is None:
            notes.append(NO_FACE)
        return crop_face(frames, box)

    def shrink(self, frames: np.ndarray) -> np.ndarray:
        """Frames uint8 `[frames, height, width, 3]` at the size that the model takes, so that a few bytes are kept."""
        video = torch.from_numpy(np.require(frames, requirements=("C", "W"))).permute(0, 3, 1, 2)
        cut = self._cut(video, self.size, self.crop_size, self.do_resize, self.do_center_crop)
        return cut.permute(0, 2, 3, 1).contiguous().numpy()

    @staticmethod
    def _cut(video: torch.Tensor, size: Any, crop: Any, do_resize: bool | None, do_crop: bool | None) -> torch.Tensor:
        """Pictures `[frames, 3, height, width]`, resized and cut as is asked for."""
        if do_resize:
            video = square_resize(video, size["height"], size["width"])
        return tvf.center_crop(video, [crop["height"], crop["width"]]) if do_crop else video

    def face_finder(self) -> FaceFinder | None:
        """What finds the faces, opened when first needed: a model may be loaded where there is no OpenCV.

        Raises:
            ValueError, ImportError: As of [`make_face_finder`].
        """
        wanted = None if self.yunet_path is None else os.fspath(self.yunet_path)
        if self._finder is None or (self._finder.face_crop, self._finder.yunet_path) != (self.face_crop, wanted):
            self._finder = make_face_finder(self.face_crop, wanted)
        return self._finder

    def to_dict(self) -> dict[str, Any]:
        """What is saved: all but places of files on this machine."""
        here = ("yunet_path", "_finder", "_told")
        return {name: value for name, value in super().to_dict().items() if name not in here}

    def _decode_and_sample_videos(
        self, videos: Any, video_metadata: Any = None, do_sample_frames: bool | None = None, **kwargs: Any
    ) -> Any:
        """Read files as the processor reads them, which has its own rule for which frames; leave arrays alone."""
        paths = [videos] if isinstance(videos, (str, os.PathLike)) else videos
        if isinstance(paths, (list, tuple)) and any(isinstance(path, (str, os.PathLike)) for path in paths):
            videos, video_metadata, do_sample_frames = [self.read(path) for path in paths], None, False
        return super()._decode_and_sample_videos(
            videos, video_metadata=video_metadata, do_sample_frames=do_sample_frames, **kwargs
        )

    def _preprocess(
        self,
        videos: list[torch.Tensor],
        do_resize: bool,
        size: dict[str, int],
        do_center_crop: bool,
        crop_size: dict[str, int],
        do_rescale: bool,
        rescale_factor: float,
        do_normalize: bool,
        image_mean: list[float],
        image_std: list[float],
        grey: bool = False,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Videos uint8 `[frames, 3, height, width]` to `pixel_values` `[batch, frames, 3, 112, 112]`."""
        cut = []
        for index, video in enumerate(videos):
            if video.dtype != torch.uint8:
                raise ValueError(f"video {index}: expected uint8 frames 0..255, found {video.dtype}")
            cut.append(self._cut(video, size, crop_size, do_resize, do_center_crop))
        if self.backbone is not None:
            values = [values_of_frames(self.backbone, to_grey(video) if grey else video) for video in cut]
            return BatchFeature({"pixel_values": values}, tensor_type=return_tensors)
        groups, places = group_videos_by_shape(cut)  # small ones are several times as quick together
        rest = (do_rescale, rescale_factor, do_normalize, image_mean, image_std)
        pixels = {
            shape: self.rescale_and_normalize(to_grey(group) if grey else group, *rest)
            for shape, group in groups.items()
        }
        return BatchFeature({"pixel_values": reorder_videos(pixels, places)}, tensor_type=return_tensors)


class EmoFusionImageProcessor(EmoFusionVideoProcessor):
    """Still pictures as clips of one frame, for what asks for an image processor.

    Args:
        kwargs: As of [`EmoFusionVideoProcessor`].
    """

    def __call__(self, images: Any, **kwargs: Any) -> BatchFeature:
        """One picture or several, as PIL images or arrays, to `pixel_values` `[batch, 1, 3, 112, 112]`."""
        several = images if isinstance(images, (list, tuple)) or len(getattr(images, "shape", ())) == 4 else [images]
        pixels = [as_pixels([image], f"image {index}") for index, image in enumerate(several)]
        return super().__call__([torch.from_numpy(frame).permute(0, 3, 1, 2) for frame in pixels], **kwargs)


class Picture:
    """The frames of one clip, of which those that are wanted are fetched later.

    Args:
        frames: Frames in any form that [`as_pixels`] takes.
        fps (`float`, *optional*): Frames a second; None where nobody says so.
        name (`str`): What errors call it.
    """

    begin: float | None = None  # when it begins, on a clock that its sound may share

    def __init__(self, frames: Sequence[Any], fps: float | None, name: str) -> None:
        self.frames, self.fps, self.name = frames, fps, name

    def seconds(self, otherwise: float) -> float:
        """How long it lasts; frames without a rate are spread over `otherwise` seconds."""
        self.fps = self.fps or len(self.frames) / otherwise
        return len(self.frames) / self.fps

    def at(self, times: np.ndarray) -> np.ndarray:
        """uint8 `[n, height, width, 3]`: the frames shown at `times` seconds, the first and the last one beyond."""
        assert self.fps is not None  # `seconds` is asked before
        positions = np.floor((times + EARLY_S) * self.fps).astype(int).clip(0, len(self.frames) - 1)
        if isinstance(self.frames, (list, tuple)):
            return as_pixels([self.frames[position] for position in positions], self.name)
        return as_pixels(self.frames[positions.tolist()], self.name)


class DecodedPicture(Picture):
    """The frames of a `VideoDecoder` of torchcodec, which has a clock of its own."""

    def __init__(self, decoder: Any, name: str) -> None:
        super().__init__(decoder, None, name)
        self.decoder, self.end = decoder, float(decoder.metadata.end_stream_seconds)
        self.begin = self.first = float(decoder.metadata.begin_stream_seconds)

    def seconds(self, otherwise: float) -> float:
        """How long it lasts."""
        return self.end - self.first

    def at(self, times: np.ndarray) -> np.ndarray:
        """The frames shown at `times` seconds after it begins."""
        shown = (self.first + times + EARLY_S).clip(self.first, np.nextafter(self.end, self.first))
        return as_pixels(self.decoder.get_frames_played_at(shown.tolist()).data, self.name)


def as_videos(videos: Any) -> list[Any]:
    """One video or several, as a list of videos, each as it was given (None where there is none).

    One video is an array with four axes, a decoder, or a list of frames; a single frame is a video of one.
    """
    if _leaf(videos) is not videos and isinstance(_leaf(videos), (int, float)):
        videos = as_array(videos, "videos")  # numbers in lists, as `datasets` has them
    if _is_frame(videos) or _is_video(videos):
        return [videos]
    if not hasattr(videos, "__iter__") or isinstance(videos, (str, bytes, dict)) or hasattr(videos, "read"):
        raise ValueError(f"videos: expected frames, found {type(videos).__name__}; files are given as clips")
    items = list(videos)
    return [items] if items and all(_is_frame(item) for item in items) else items


def check_video_fps(found: Any) -> float | None:
    """Frames a second, as they were given; None where nobody says so.

    Raises:
        ValueError: It is no finite number above 0.
    """
    try:
        fps = math.nan if isinstance(found, (bool, str)) else float(1.0 if found is None else found)
    except (TypeError, ValueError, OverflowError):
        fps = math.nan
    if not 0 < fps < math.inf:
        raise ValueError(f"video_fps: expected frames per second, such as 25, found {found!r}")
    return None if found is None else fps


def as_picture(video: Any, name: str, fps: float | None) -> Picture:
    """One video, in the form in which a library hands it over.

    Args:
        video: Frames `[frames, height, width, 3]` or `[frames, 3, height, width]` as an array or a tensor on any
            device, a list of such frames or of PIL images, one frame, a `VideoDecoder` or `FrameBatch` of torchcodec.
        name (`str`): What errors call it.
        fps (`float`, *optional*): Frames a second, where it does not say so itself.

    Raises:
        ValueError: It is none of these, or has no frames.
    """
    if hasattr(video, "get_frames_played_at"):
        return DecodedPicture(video, name)
    if hasattr(video, "pts_seconds") and hasattr(video, "data"):
        times, lasts = video.pts_seconds.reshape(-1), video.duration_seconds.reshape(-1)
        fps = len(times) / float(times[-1] + lasts[-1] - times[0])
        video = video.data
    if isinstance(video, Image.Image):
        video = [video]
    if not isinstance(video, (list, tuple)):
        video = video if isinstance(video, (np.ndarray, torch.Tensor)) else as_array(video, name)
        video = video[None] if video.ndim == 3 and {video.shape[0], video.shape[2]} & set(COLOURS) else video
        _check_shape(tuple(video.shape), name)
    if not len(video):
        raise ValueError(f"{name}: expected frames, found an empty list")
    return Picture(video, fps, name)


def as_pixels(frames: Any, name: str) -> np.ndarray:
    """Frames that all have one size, as uint8 `[frames, height, width, 3]`.

    Args:
        frames: An array or a tensor with four axes, or a list of frames with three, or of PIL images. The colours are
            the last axis or the second; grey is made RGB, and transparency goes.
        name (`str`): What errors call them.

    Raises:
        ValueError: Another shape, frames of several sizes, or numbers that are no whole ones in 0..255.
    """
    if isinstance(frames, list):
        arrays = [_of_image(frame, name) if isinstance(frame, Image.Image) else frame for frame in frames]
        parts = [_as_colours(as_array(array, name)[None], name) for array in arrays]
        if len({part.shape for part in parts}) > 1:
            sizes = sorted({f"{part.shape[2]} x {part.shape[1]}" for part in parts})
            raise ValueError(f"{name}: expected frames of one size, found {', '.join(sizes)}")
        return np.concatenate(parts)
    return _as_colours(as_array(frames, name), name)


def _leaf(nested: Any) -> Any:
    """What lies in the first place of lists in lists."""
    while isinstance(nested, (list, tuple)) and nested:
        nested = nested[0]
    return nested


def _is_frame(item: Any) -> bool:
    return isinstance(item, Image.Image) or len(getattr(item, "shape", ())) == 3


def _is_video(item: Any) -> bool:
    decoded = hasattr(item, "get_frames_played_at") or (hasattr(item, "pts_seconds") and hasattr(item, "data"))
    return decoded or len(getattr(item, "shape", ())) == 4


def _of_image(image: Image.Image, name: str) -> np.ndarray:
    """A PIL image, upright, as uint8 `[height, width, 3]`."""
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"{name}: expected pictures of 8 bits a colour, found PIL's mode {image.mode!r}")
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _check_shape(shape: tuple[int, ...], name: str) -> bool:
    """Refuse frames that are no colours `[frames, ...]`; returns whether the colours are the last axis."""
    last = len(shape) == 4 and shape[3] in COLOURS
    if 0 in shape or not (last or (len(shape) == 4 and shape[1] in COLOURS)):
        raise ValueError(
            f"{name}: expected [frames, height, width, 3], found shape {list(shape)}; "
            "[frames, 3, height, width] and lists of PIL images will do, too"
        )
    return last


def _as_colours(frames: np.ndarray, name: str) -> np.ndarray:
    """Frames with four axes as uint8 `[frames, height, width, 3]`."""
    frames = frames if _check_shape(frames.shape, name) else np.moveaxis(frames, 1, 3)
    if frames.dtype != np.uint8:
        if frames.dtype.kind not in "iu" or frames.min() < 0 or frames.max() > 255:
            many = f" in {frames.min()}..{frames.max()}" if frames.dtype.kind in "iuf" else ""
            raise ValueError(
                f"{name}: expected uint8 frames 0..255, found {frames.dtype}{many}; "
                "of floats in 0..1 pass (255 * frames).round().astype('uint8')"
            )
        frames = frames.astype(np.uint8)
    return np.ascontiguousarray(np.repeat(frames, 3, axis=3) if frames.shape[3] == 1 else frames[..., :3])


EmoFusionVideoProcessor.register_for_auto_class()
EmoFusionImageProcessor.register_for_auto_class("AutoImageProcessor")

__all__ = ["EmoFusionImageProcessor", "EmoFusionVideoProcessor"]
