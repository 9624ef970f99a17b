"""How few clips a training step can have, as BatchNorm itself says, and what is left out or refused because of it."""

import pytest
import torch

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.command_line.training_arguments import Arguments, EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.setup.batches import check_batch_size, check_drop_last, clips_of_an_epoch, least_clips


def arguments(model: ModelArguments | None = None, data: DataArguments | None = None, batch: int = 4) -> Arguments:
    training = EmoFusionTrainingArguments(output_dir="unused", use_cpu=True, per_device_train_batch_size=batch)
    return Arguments(model or ModelArguments(), data or DataArguments(), training)


def learns_from_one(config: EmoFusionConfig, frozen: bool) -> bool:
    model = EmoFusionModel(config)
    if frozen:
        model.freeze_video_encoder()
    model.train()
    size = config.image_size
    batch = {
        "pixel_values": torch.randn(1, config.num_frames, 3, size, size),
        "input_features": torch.randn(1, config.num_mel_bins, 188),
    }
    try:
        model(**batch, labels=torch.tensor([0]))
    except ValueError as error:
        assert "more than 1 value per channel" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    ("size", "frames", "fusion", "frozen"),
    [
        (28, 1, "video", False),
        (32, 1, "gated", False),
        (33, 1, "video", False),
        (32, 2, "video", False),
        (32, 1, "video", True),
        (32, 1, "audio", False),
    ],
)
def test_least_clips_is_what_batch_norm_says(size: int, frames: int, fusion: str, frozen: bool):
    config = EmoFusionConfig(encoder_width=4, image_size=size, num_frames=frames, fusion=fusion)
    least = least_clips(arguments(ModelArguments(freeze_video_encoder=frozen)), config)
    assert least == (1 if learns_from_one(config, frozen) else 2)


@pytest.mark.parametrize(("corpus", "least"), [("ravdess", 1), ("fer2013", 2)])
def test_still_picture_is_one_frame_however_many_the_model_looks_at(corpus: str, least: int):
    config = EmoFusionConfig(encoder_width=4, image_size=32, num_frames=8, fusion="video")
    assert least_clips(arguments(data=DataArguments(corpus=corpus)), config) == least


@pytest.mark.parametrize(
    ("clips", "batch_size", "least", "devices", "expected"),
    [
        (7, 2, 2, 1, 6),
        (7, 2, 1, 1, 7),
        (7, 3, 2, 1, 6),
        (8, 3, 2, 1, 8),
        (6, 3, 2, 1, 6),
        (1, 4, 2, 1, 0),
        (5, 1, 2, 1, 0),
        (5, 1, 1, 1, 5),
        (11, 8, 2, 2, 8),  # 3 clips on two devices are 2 and 1
        (12, 8, 2, 2, 12),
        (9, 8, 2, 2, 8),
        (4, 2, 2, 2, 0),
    ],
)
def test_epoch_leaves_out_a_last_batch_that_is_too_small(
    clips: int, batch_size: int, least: int, devices: int, expected: int
):
    assert clips_of_an_epoch(clips, batch_size, least, devices) == expected


@pytest.mark.parametrize(
    ("batch", "data", "flag"),
    [
        (1, DataArguments(), "per_device_train_batch_size"),
        (4, DataArguments(max_train_samples=1), "max_train_samples"),
    ],
)
def test_batches_of_one_small_picture_are_refused(batch: int, data: DataArguments, flag: str):
    small = EmoFusionConfig(encoder_width=4, image_size=32, num_frames=1, fusion="video")
    with pytest.raises(ArgumentError, match=f"--{flag} 1: BatchNorm cannot learn from a single frame of 32 pixels"):
        check_batch_size(arguments(data=data, batch=batch), small)
    large = EmoFusionConfig(encoder_width=4, image_size=64, num_frames=1, fusion="video")
    check_batch_size(arguments(data=data, batch=batch), large)


def test_only_batch_is_not_left_out():
    training = arguments(batch=4).training
    check_drop_last(training, clips=3)
    training.dataloader_drop_last = True
    check_drop_last(training, clips=4)
    with pytest.raises(
        ArgumentError, match="^--dataloader_drop_last: the 3 training clips are fewer than a batch of 4"
    ):
        check_drop_last(training, clips=3)
