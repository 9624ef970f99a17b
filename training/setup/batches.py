"""How few clips a step of training can have.

BatchNorm learns from the spread of its values, and refuses a single one: that is what it gets of one still picture
where the last stage of the encoder is 1 x 1.
"""

import math

from transformers import TrainingArguments

from emofusion.data.corpora.registry import CORPORA
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError

SHRINKS = 32
"""How many pixels of a frame's side one of the last stage stands for."""


def least_clips(arguments: Arguments, config: EmoFusionConfig) -> int:
    """Clips that a step needs on a device: 1, or 2 where one alone would be a single value for BatchNorm."""
    if "video" not in config.modalities or arguments.model.freeze_video_encoder or arguments.model.embedding_views:
        return 1  # a spectrogram is never that small
    if config.video_encoder == "action_units":
        return 1  # no BatchNorm in its encoder
    frames = 1 if CORPORA[arguments.data.corpus].still else config.num_frames
    return 2 if frames * math.ceil(config.image_size / SHRINKS) ** 2 == 1 else 1


def check_batch_size(arguments: Arguments, config: EmoFusionConfig) -> None:
    """Refuse batches that would be too small, whatever the corpus holds.

    Raises:
        ArgumentError: naming the flag.
    """
    if not arguments.trains or least_clips(arguments, config) == 1:
        return
    for flag, clips in (
        ("per_device_train_batch_size", arguments.training.per_device_train_batch_size),
        ("max_train_samples", arguments.data.max_train_samples),
    ):
        if clips == 1:
            raise ArgumentError(
                f"--{flag} 1: BatchNorm cannot learn from a single frame of {config.image_size} pixels; write 2 or "
                f"more, or an --image_size above {SHRINKS}"
            )


def check_drop_last(args: TrainingArguments, clips: int) -> None:
    """Refuse to leave out the last batch of an epoch where it is the only one.

    Args:
        args (`TrainingArguments`): The run's.
        clips (`int`): Of the training split.

    Raises:
        ArgumentError: naming the flag.
    """
    batch_size = args.train_batch_size * args.world_size
    if args.dataloader_drop_last and clips < batch_size:
        raise ArgumentError(
            f"--dataloader_drop_last: the {clips} training clips are fewer than a batch of {batch_size}, so none is "
            "left to learn from; leave it out, or write a smaller --per_device_train_batch_size"
        )


def clips_of_an_epoch(clips: int, batch_size: int, least: int, devices: int = 1) -> int:
    """How many of the clips an epoch has: all, but for batches that are too small to learn from.

    Args:
        clips (`int`): Of the training split.
        batch_size (`int`): Of a whole batch, on all devices that this process has.
        least (`int`): What a device needs, as `least_clips` says.
        devices (`int`): Over which torch's DataParallel deals a batch.
    """
    if batch_size // devices < least:
        return 0
    rest = clips % batch_size
    of_each = math.ceil(rest / devices)
    of_the_last = rest % of_each or of_each if rest else batch_size
    return clips if of_the_last >= least else clips - rest
