"""From rows of the dataset to model inputs, on the fly: `dataset.with_transform(ClipInputs(processor))`."""

from typing import Any

import numpy as np
import torch

from emofusion.data.store.settings import DecodeOptions, options_for
from emofusion.data.store.stored_frames import view_frames
from emofusion.modeling import EmoFusionProcessor
from emofusion.modeling.processing_emofusion import ClipArrays

from .augmentation import Augmentation
from .picture_augment import NUM_FRAME_DRAWS, augment_frames
from .stills import Stills, shrink_all
from .time_shift import sound_line


class ClipInputs:
    """Transform of a batch of rows; what it gives without augmentation equals what the processor gives for the files.

    Rows have the columns of RAVDESS, or `image` in place of `frames`: a still picture is a clip of one frame; or
    `action_units`, which a model of them needs. Columns of what the model does not read may be absent.

    Args:
        processor (`EmoFusionProcessor`): The model's processor.
        augmentation (`Augmentation`, *optional*): For the training split alone.

    Raises:
        ValueError: It changes spectrograms, and the model hears raw sound.
    """

    def __init__(self, processor: EmoFusionProcessor, augmentation: Augmentation | None = None) -> None:
        self.processor = processor
        self.augmentation = augmentation
        self._stills = Stills()
        hears = "audio" in processor.modalities and processor.feature_extractor.backbone is not None
        if hears and augmentation is not None and (augmentation.spec_augment is not None or augmentation.mel_warp):
            raise ValueError(
                "Augmentation: spec_augment and mel_warp change spectrograms of ours, and this sound encoder takes "
                "raw sound; write spec_augment=None and mel_warp=0"
            )

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, torch.Tensor]:
        """Rows by column to `pixel_values`, `video_mask`, `input_features`, `audio_mask`, `labels` `[batch, ...]`.

        A model of action units gets `action_units` and `action_unit_mask` in place of `pixel_values`, and one whose
        sound encoder is transformers' own `input_values` in place of `input_features`.

        Raises:
            ValueError: A clip without what the model reads (named), frames stored with other settings, or a picture
                that cannot be read (named).
        """
        units = self._action_units(rows)
        if self.processor.reads_action_units:
            frames: list[np.ndarray | None] = [None] * len(rows["clip"])
        elif "image" in rows and "video" in self.processor.modalities:
            frames = self._still_frames(rows)
        else:
            self._check_crop(rows)
            frames = self._choose_frames(self._stored_frames(rows), rows["clip"])
        frames = self._blacken(self._erase(frames, rows["clip"]), rows["clip"])
        parts = zip(rows["source"], frames, self._sounds(rows), units, strict=True)
        inputs = dict(self.processor.pack([ClipArrays(*part) for part in parts], cropped=self._crops))
        if "input_features" in inputs and self.augmentation is not None:
            inputs["input_features"] = self.augmentation.augment_features(inputs["input_features"], rows["clip"])
        inputs["labels"] = torch.tensor(rows["label"])
        if self.augmentation is not None and self.augmentation.mixup:
            # The collator mixes: whom a clip is mixed with is known in the batch alone.
            inputs["mixup"] = self.augmentation.plan_mixup(rows["clip"])
        return inputs

    @property
    def _crops(self) -> bool:
        return self.augmentation is not None and self.augmentation.frames

    def _action_units(self, rows: dict[str, list[Any]]) -> list[np.ndarray | None]:
        """float32 `[steps, 35]` of each clip, for a model that reads them."""
        if not self.processor.reads_action_units:
            return [None] * len(rows["clip"])
        if "action_units" not in rows:
            raise ValueError(
                f"{rows['source'][0]}: the model reads action units, and these rows have no column action_units; load "
                "the dataset with face_tracks="
            )
        measured = [None if found is None else np.array(found, np.float32) for found in rows["action_units"]]
        if self.augmentation is None:
            return measured
        clips = zip(measured, rows["clip"], strict=True)
        return [None if units is None else self.augmentation.noisy_units(units, clip) for units, clip in clips]

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
        if self.augmentation is None or not self.augmentation.frames:
            return [None if frames is None else frames[:: DecodeOptions.frames_per_step] for frames in stored]
        draws = self.augmentation.draws(clips, NUM_FRAME_DRAWS + self.processor.num_frames, "frames")
        crop = self.processor.video_processor.crop_size["height"]
        return [
            None if frames is None else augment_frames(frames, draw, DecodeOptions.frames_per_step, crop)
            for frames, draw in zip(stored, draws.numpy(), strict=True)
        ]

    def _still_frames(self, rows: dict[str, list[Any]]) -> list[np.ndarray | None]:
        """uint8 `[1, side, side, 3]` of each picture: as it is, or resized as stored frames are and augmented."""
        pictures = zip(rows["image"], rows["clip"], rows["source"], strict=True)
        stills = [None if picture[0] is None else self._stills(*picture) for picture in pictures]
        if self.augmentation is None or not self.augmentation.frames:
            return stills
        size = self.processor.video_processor.size["height"]
        crop = self.processor.video_processor.crop_size["height"]
        # One frame: nothing to jitter.
        draws = self.augmentation.draws(rows["clip"], NUM_FRAME_DRAWS + 1, "frames").numpy()
        return [
            None if still is None else augment_frames(still, draw, frames_per_step=1, crop=crop)
            for still, draw in zip(shrink_all(stills, size), draws, strict=True)
        ]

    def _erase(self, frames: list[np.ndarray | None], clips: list[str]) -> list[np.ndarray | None]:
        """The frames of each clip, some of them with a rectangle erased in training."""
        if self.augmentation is None or not self.augmentation.erase:
            return frames
        return self.augmentation.erase_frames(frames, clips)

    def _blacken(self, frames: list[np.ndarray | None], clips: list[str]) -> list[np.ndarray | None]:
        """The frames of each clip, some of them black in training."""
        most = max((len(array) for array in frames if array is not None), default=0)
        if self.augmentation is None or not self.augmentation.black or not most:
            return frames
        return [
            None if array is None else np.where(black[: len(array), None, None, None], np.uint8(0), array)
            for array, black in zip(frames, self.augmentation.black_frames(clips, most).numpy(), strict=True)
        ]

    def _sounds(self, rows: dict[str, list[Any]]) -> list[np.ndarray | None]:
        """int16 `[samples]` of each clip as it is stored, or float32 of the seconds that are heard, augmented."""
        clips, rate = rows["clip"], self.processor.feature_extractor.sampling_rate
        stored = [_samples(binary) for binary in rows.get("audio", [None] * len(clips))]
        there = [place for place, sound in enumerate(stored) if sound is not None]
        heard = "audio" in self.processor.modalities and there
        if self.augmentation is None or not self.augmentation.changes_sound or not heard:
            return stored
        margin = self.augmentation.furthest_shift(rate)
        lines = torch.from_numpy(np.stack([self._sound_line(rows, place, margin) for place in there]))
        sounds = self.augmentation.augment_sounds(lines, [clips[place] for place in there], rate).numpy()
        by_place = dict(zip(there, sounds, strict=True))
        return [by_place.get(place) for place in range(len(clips))]

    def _sound_line(self, rows: dict[str, list[Any]], place: int, margin: int) -> np.ndarray:
        """int16: the seconds of a clip that the model hears, and `margin` samples more at each end."""
        columns = [rows.get(name) for name in ("audio_before", "audio", "audio_after")]
        parts = [None if column is None else _samples(column[place]) for column in columns]
        before, audio, after = (np.zeros(0, np.int16) if part is None else part for part in parts)
        extractor = self.processor.feature_extractor
        first, count = extractor.first_heard(audio), extractor.num_samples
        return sound_line(before, audio, after, first - margin, count + 2 * margin)


def _samples(binary: bytes | None) -> np.ndarray | None:
    return None if binary is None else np.frombuffer(binary, dtype=np.int16)
