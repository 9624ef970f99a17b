"""From rows of the dataset to model inputs, on the fly: `dataset.with_transform(ClipInputs(processor))`."""

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

from .augmentation import Augmentation
from .black_augment import NUM_BLACK_DRAWS, drawn_black
from .frame_augment import NUM_FRAME_DRAWS, augment_frames
from .mel_warp import warp_mels
from .mixup import NUM_MIX_DRAWS, shares_kept
from .random_draws import clip_draws
from .sound_augment import NUM_NOISE_DRAWS, add_coloured_noise, change_gain
from .time_shift import shift_in_time, sound_line


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
        parts = zip(rows["source"], self._blacken(frames, rows["clip"]), self._sounds(rows), strict=True)
        inputs = dict(self.processor.pack([ClipArrays(*part) for part in parts], cropped=self._crops))
        if "input_features" in inputs:
            inputs["input_features"] = self._augment_features(inputs["input_features"], rows["clip"])
        inputs["labels"] = torch.tensor(rows["label"])
        if self.augmentation is not None and self.augmentation.mixup:
            plan = self._draws(rows["clip"], NUM_MIX_DRAWS, "mixup")
            plan[:, 0] = shares_kept(plan[:, 0], self.augmentation.mixup)
            inputs["mixup"] = plan  # the collator mixes: whom a clip is mixed with is known in the batch alone
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

    def _blacken(self, frames: list[np.ndarray | None], clips: list[str]) -> list[np.ndarray | None]:
        """The frames of each clip, some of them black in training."""
        most = max((len(array) for array in frames if array is not None), default=0)
        if self.augmentation is None or not self.augmentation.black or not most:
            return frames
        black = drawn_black(self._draws(clips, NUM_BLACK_DRAWS + most, "black"), self.augmentation.black).numpy()
        return [
            None if array is None else np.where(hidden[: len(array), None, None, None], np.uint8(0), array)
            for array, hidden in zip(frames, black, strict=True)
        ]

    def _sounds(self, rows: dict[str, list[Any]]) -> list[np.ndarray | None]:
        """int16 `[samples]` of each clip as it is stored, or float32 of the seconds that are heard, augmented."""
        clips, wanted = rows["clip"], self.augmentation
        stored = [_samples(binary) for binary in rows.get("audio", [None] * len(clips))]
        there = [place for place, sound in enumerate(stored) if sound is not None]
        if wanted is None or not there or not (wanted.time_shift or wanted.gain or wanted.noise):
            return stored
        names = [clips[place] for place in there]
        furthest = round(wanted.time_shift * self.processor.feature_extractor.sampling_rate)
        lines = torch.from_numpy(np.stack([self._sound_line(rows, place, furthest) for place in there]))
        sounds = shift_in_time(lines, self._draws(names, 1, "time shift")[:, 0], furthest).float() / 32768
        if wanted.gain:
            sounds = change_gain(sounds, self._draws(names, 1, "gain")[:, 0], wanted.gain)
        if wanted.noise:
            sounds = self._add_noise(sounds, names, wanted.noise)
        for place, sound in zip(there, sounds, strict=True):
            stored[place] = sound.numpy()
        return stored

    def _sound_line(self, rows: dict[str, list[Any]], place: int, margin: int) -> np.ndarray:
        """int16: the seconds of a clip that the model hears, and `margin` samples more at each end."""
        before, audio, after = (
            _samples(rows[name][place]) if name in rows else None for name in ("audio_before", "audio", "audio_after")
        )
        assert audio is not None
        nothing = np.zeros(0, np.int16)
        extractor = self.processor.feature_extractor
        first, count = extractor.first_heard(audio), extractor.num_samples
        return sound_line(
            nothing if before is None else before,
            audio,
            nothing if after is None else after,
            first - margin,
            count + 2 * margin,
        )

    def _add_noise(self, sounds: torch.Tensor, clips: list[str], share: float) -> torch.Tensor:
        """The sounds, a share of them with noise."""
        draws = self._draws(clips, NUM_NOISE_DRAWS, "noise")
        chosen = draws[:, 0] < share
        if not chosen.any():
            return sounds
        names = [clip for clip, is_chosen in zip(clips, chosen, strict=True) if is_chosen]
        samples = self._draws(names, sounds.shape[1], "samples of noise")
        rate = self.processor.feature_extractor.sampling_rate
        noisy = sounds.clone()
        noisy[chosen] = add_coloured_noise(sounds[chosen], draws[chosen, 1:], samples, rate)
        return noisy

    def _augment_features(self, features: torch.Tensor, clips: list[str]) -> torch.Tensor:
        """Log-mels `[batch, mels, time]`, warped and masked in training."""
        wanted = self.augmentation
        if wanted is None:
            return features
        if wanted.mel_warp:
            features = warp_mels(features, self._draws(clips, 1, "mel warp")[:, 0], wanted.mel_warp)
        if wanted.spec_augment is not None:
            draws = self._draws(clips, wanted.spec_augment.num_draws, "spectrogram")
            features = wanted.spec_augment(features, draws)
        return features

    def _draws(self, clips: list[str], count: int, purpose: str) -> torch.Tensor:
        assert self.augmentation is not None
        return clip_draws(self.augmentation.seed, self.augmentation.clock.epoch, clips, count, purpose)


def _samples(binary: bytes | None) -> np.ndarray | None:
    return None if binary is None else np.frombuffer(binary, dtype=np.int16)


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
