"""From rows of the dataset to model inputs, on the fly: `dataset.with_transform(ClipInputs(processor))`."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image

from emofusion.data.corpora.builders.image_index import StillImage
from emofusion.data.store.decode import shrink
from emofusion.data.store.settings import DecodeOptions, options_for
from emofusion.data.store.stored_frames import view_frames
from emofusion.modeling import EmoFusionProcessor
from emofusion.modeling.processing_emofusion import ClipArrays

from .frame_augment import NUM_FRAME_DRAWS, augment_frames
from .random_draws import clip_draws
from .spec_augment import SpecAugment


class EpochClock:
    """The current epoch, in memory that data-loading workers share: they see it move without being restarted."""

    def __init__(self) -> None:
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """Epoch, from 0."""
        return int(self._epoch.item())

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch.fill_(value)


@dataclass
class Augmentation:
    """What training does to a clip beyond reading it.

    Attributes:
        seed (`int`): Seed of the run.
        clock (`EpochClock`): Tells the epoch.
        spec_augment (`SpecAugment`, *optional*): Masks in the spectrogram; None leaves it as it is.
        frames (`bool`): Whether frames are jittered, cropped at random and flipped.
    """

    seed: int
    clock: EpochClock = field(default_factory=EpochClock)
    spec_augment: SpecAugment | None = field(default_factory=SpecAugment)
    frames: bool = True


class ClipInputs:
    """Transform of a batch of rows; what it gives without augmentation equals what the processor gives for the files.

    Rows have the columns of RAVDESS, or `image` in place of `frames`: a still picture is a clip of one frame. Columns
    of what the model does not read may be absent.

    Args:
        processor (`EmoFusionProcessor`): The model's processor.
        augmentation (`Augmentation`, *optional*): For the training split alone.
    """

    def __init__(self, processor: EmoFusionProcessor, augmentation: Augmentation | None = None) -> None:
        self.processor = processor
        self.augmentation = augmentation

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, torch.Tensor]:
        """Rows by column to `pixel_values`, `video_mask`, `input_features`, `audio_mask`, `labels` `[batch, ...]`.

        Raises:
            ValueError: A clip without what the model reads (named), frames stored with other settings, or a picture
                that cannot be read (named).
        """
        if "image" in rows and "video" in self.processor.modalities:
            frames = self._still_frames(rows)
        else:
            self._check_crop(rows)
            frames = self._choose_frames(self._stored_frames(rows), rows["clip"])
        audio = rows.get("audio", [None] * len(rows["clip"]))
        sounds = [None if binary is None else np.frombuffer(binary, dtype=np.int16) for binary in audio]
        clips = [ClipArrays(*parts) for parts in zip(rows["source"], frames, sounds, strict=True)]
        inputs = dict(self.processor.pack(clips, cropped=self._crops))
        spec_augment = self.augmentation.spec_augment if self.augmentation is not None else None
        if spec_augment is not None and "input_features" in inputs:
            draws = self._draws(rows["clip"], spec_augment.num_draws, "spectrogram")
            inputs["input_features"] = spec_augment(inputs["input_features"], draws)
        inputs["labels"] = torch.tensor(rows["label"])
        return inputs

    @property
    def _crops(self) -> bool:
        return self.augmentation is not None and self.augmentation.frames

    def _check_crop(self, rows: dict[str, list[Any]]) -> None:
        """Frames must be cut as the processor cuts those of files: training and use would differ unnoticed."""
        for binary, face, source in zip(rows.get("frames", ()), rows.get("face", ()), rows["source"], strict=False):
            if binary is not None and bool(face) != (self.processor.face_crop != "none"):
                raise ValueError(
                    f"{source}: its frames are {'' if face else 'not '}cut to the face, and the processor has "
                    f"face_crop={self.processor.face_crop!r}; load the dataset with the face_crop of the processor"
                )

    def _stored_frames(self, rows: dict[str, list[Any]]) -> list[np.ndarray | None]:
        """uint8 `[frames_per_step * frames, size, size, 3]` of each clip, which must be stored for this processor."""
        options = options_for(self.processor)
        stored = rows.get("frames", [None] * len(rows["clip"]))
        return [
            None if binary is None else view_frames(binary, options, clip)
            for clip, binary in zip(rows["clip"], stored, strict=True)
        ]

    def _choose_frames(self, stored: list[np.ndarray | None], clips: list[str]) -> list[np.ndarray | None]:
        """uint8 `[frames, side, side, 3]` of each clip: those that the model takes, or augmented and cropped ones."""
        if not self._crops:
            return [None if frames is None else frames[:: DecodeOptions.frames_per_step] for frames in stored]
        draws = self._draws(clips, NUM_FRAME_DRAWS + self.processor.num_frames, "frames")
        crop = self.processor.video_processor.crop_size["height"]
        return [
            None if frames is None else augment_frames(frames, draw, DecodeOptions.frames_per_step, crop)
            for frames, draw in zip(stored, draws.numpy(), strict=True)
        ]

    def _still_frames(self, rows: dict[str, list[Any]]) -> list[np.ndarray | None]:
        """uint8 `[1, side, side, 3]` of each picture: as it is, or resized as stored frames are and augmented."""
        pictures = zip(rows["image"], rows["clip"], rows["source"], strict=True)
        stills = [None if image is None else as_still(image, clip, source) for image, clip, source in pictures]
        if not self._crops:
            return stills
        size = self.processor.video_processor.size["height"]
        crop = self.processor.video_processor.crop_size["height"]
        draws = self._draws(rows["clip"], NUM_FRAME_DRAWS + 1, "frames").numpy()  # one frame: nothing to jitter
        return [
            None if still is None else augment_frames(shrink(still, size), draw, frames_per_step=1, crop=crop)
            for still, draw in zip(stills, draws, strict=True)
        ]

    def _draws(self, clips: list[str], count: int, purpose: str) -> torch.Tensor:
        assert self.augmentation is not None
        return clip_draws(self.augmentation.seed, self.augmentation.clock.epoch, clips, count, purpose)


def as_still(image: Any, clip: str, source: str) -> np.ndarray:
    """A picture, in colours and (by `datasets`) upright, as uint8 `[1, height, width, 3]`.

    Args:
        image (`PIL.Image.Image` or `dict`): The picture, or its file as `datasets.Image(decode=False)` gives it.
        clip (`str`): What errors call it.
        source (`str`): Where they say it lies.

    Raises:
        ValueError: It cannot be read.
    """
    try:
        picture: Image.Image = StillImage().decode_example(image)
        return np.array(picture.convert("RGB"))[np.newaxis]
    except (ValueError, OSError) as error:
        raise ValueError(f"{clip} ({source}): {error}") from error
