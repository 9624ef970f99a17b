"""From flags to splits of the corpus, and to model inputs."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from emofusion.data.inputs import Augmentation, ClipInputs
from emofusion.data.protocols import SPLITS, FoldRefusedError
from emofusion.data.ravdess import Ravdess
from emofusion.data.spec_augment import SpecAugment
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor

from .arguments import DataArguments, EmoFusionTrainingArguments
from .recipes import ArgumentError

logger = logging.getLogger(__name__)


def load_splits(
    data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor, needed: Sequence[str]
) -> tuple[dict[str, Any], Ravdess]:
    """Splits by name, decoded as the processor decodes, and the builder, which knows the corpus and its account.

    Raises:
        ArgumentError: No such folder, nothing in it, no clip for a needed split, or a clip lacks the one modality that
            the model reads.
    """
    if not Path(str(data_args.data_dir)).expanduser().exists():
        raise ArgumentError(f"--data_dir {data_args.data_dir}: no such folder")
    try:
        builder = _builder(data_args, config, processor)
        builder.download_and_prepare()
        splits = dict(zip(needed, builder.as_dataset(list(needed)), strict=True))
    except FoldRefusedError as error:
        only_validation = "validation actors" in str(error) and "none of its test" not in str(error)
        hint = "; --eval_strategy no does without validation" if only_validation else ""
        raise ArgumentError(f"--data_dir {data_args.data_dir}: {error}{hint}") from error
    for rows in splits.values():
        check_modalities(rows, config)
    if "video" not in config.modalities:
        # Not read at all, then.
        splits = {name: rows.remove_columns("frames") for name, rows in splits.items()}
    limits = {"train": data_args.max_train_samples}
    limited = {name: thin_out(rows, limits.get(name, data_args.max_eval_samples)) for name, rows in splits.items()}
    return limited, builder


def _builder(data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> Ravdess:
    return datasets.load_dataset_builder(
        "ravdess",
        data_dir=data_args.data_dir,
        cache_dir=data_args.cache_dir,
        label_set=config.label_set,
        protocol=data_args.protocol,
        fold=data_args.fold,
        channel=data_args.channel,
        num_frames=processor.num_frames,
        frame_size=processor.video_processor.size["height"],
        clip_duration=processor.feature_extractor.clip_duration,
        sampling_rate=processor.feature_extractor.sampling_rate,
        window=processor.window,
        face_crop=processor.face_crop,
        face_tracks=data_args.face_tracks,
        yunet_path=data_args.yunet_path,
        strict=data_args.strict,
    )


def needed_splits(args: EmoFusionTrainingArguments, trains: bool) -> tuple[str, ...]:
    """Training needs clips to learn from, others to choose the checkpoint by, and others to be scored on."""
    if not trains:
        return ("test",)
    return ("train", "test") if args.eval_strategy == "no" else SPLITS


def seen_actors(config: EmoFusionConfig, splits: dict[str, datasets.Dataset]) -> list[int]:
    """Actors that train or choose the checkpoint, and those that did so for the one that the run begins with."""
    now = {actor for name in ("train", "validation") if name in splits for actor in splits[name]["actor"]}
    return sorted(now | set(config.training_actors or ()))


def check_modalities(rows: datasets.Dataset, config: EmoFusionConfig) -> None:
    """A single-branch model needs its modality in every clip."""
    if len(config.modalities) == 2:
        for modality, wanted in (("video", "picture"), ("audio", "sound")):
            if not any(rows[f"has_{modality}"]):
                logger.warning(
                    "no clip of %d has a %s: fusion=%r learns nothing from it", len(rows), wanted, config.fusion
                )
        return
    (modality,) = config.modalities
    there = rows[f"has_{modality}"]
    if not all(there):
        lacking = [source for source, has in zip(rows["source"], there, strict=True) if not has]
        wanted = {"audio": "sound", "video": "picture"}[modality]
        raise ArgumentError(
            f"{lacking[0]}: no {wanted} in it ({len(lacking)} of {len(rows)} clips lack it), and a model with "
            f"fusion={config.fusion!r} reads nothing else"
        )


def thin_out(rows: datasets.Dataset, limit: int | None) -> datasets.Dataset:
    """At most `limit` rows, drawn evenly over all of them."""
    if limit is None or limit >= len(rows):
        return rows
    return rows.select(np.linspace(0, len(rows) - 1, limit).astype(int))


def augmentation_for(data_args: DataArguments, seed: int) -> Augmentation:
    """What happens to training clips."""
    return Augmentation(
        seed=seed, spec_augment=SpecAugment() if data_args.spec_augment else None, frames=data_args.frame_augment
    )


def with_inputs(splits: dict[str, Any], processor: EmoFusionProcessor, augmentation: Augmentation) -> dict[str, Any]:
    """The splits with their transform: augmentation on the training split alone."""
    return {
        name: rows.with_transform(ClipInputs(processor, augmentation if name == "train" else None))
        for name, rows in splits.items()
    }
