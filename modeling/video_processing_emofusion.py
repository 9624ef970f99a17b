"""Frames to normalised tensors."""

from typing import Any

import torch
from torchvision.transforms.v2 import functional as tvf
from transformers import BatchFeature
from transformers.image_utils import PILImageResampling
from transformers.video_processing_utils import BaseVideoProcessor

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


def square_resize(frames: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The middle square of pictures `[..., height, width]`, resized with antialiasing."""
    side = min(frames.shape[-2:])
    return tvf.resize(tvf.center_crop(frames, [side, side]), [height, width], antialias=True)


def stored_size(image_size: int) -> int:
    """Side in pixels to which frames are resized before the crop to `image_size`: 128 for 112, as 256 for 224."""
    return round(image_size * 8 / 7)


class EmoFusionVideoProcessor(BaseVideoProcessor):
    """The middle square of each frame, resized, cropped and normalised with ImageNet's mean and deviation.

    Frames are resized to somewhat more than the model takes (128 for 112 pixels) and the middle is cut out, so that
    training can crop at random from the very same pictures.

    Args:
        kwargs: `size` and `crop_size` (`{"height": int, "width": int}`), and what video processors take.
    """

    model_input_names = ["pixel_values"]
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
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Videos uint8 `[frames, 3, height, width]` to `pixel_values` `[batch, frames, 3, 112, 112]`."""
        pixels = []
        for index, video in enumerate(videos):
            if video.dtype != torch.uint8:
                raise ValueError(f"video {index}: expected uint8 frames 0..255, found {video.dtype}")
            if do_resize:
                video = square_resize(video, size["height"], size["width"])
            if do_center_crop:
                video = tvf.center_crop(video, [crop_size["height"], crop_size["width"]])
            pixels.append(
                self.rescale_and_normalize(video, do_rescale, rescale_factor, do_normalize, image_mean, image_std)
            )
        return BatchFeature({"pixel_values": pixels}, tensor_type=return_tensors)


EmoFusionVideoProcessor.register_for_auto_class()

__all__ = ["EmoFusionVideoProcessor"]
