"""From flags to splits of the corpus, and to model inputs."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
from datasets.data_files import EmptyDatasetError

import emofusion.data  # noqa: F401  registers the builder "ravdess"
from emofusion.data.inputs import Augmentation, ClipInputs
from emofusion.data.spec_augment import SpecAugment
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor

from .arguments import DataArguments, EmoFusionTrainingArguments
from .recipes import ArgumentError


def load_splits(data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> dict[str, Any]:
    """Splits by name, decoded as the processor decodes; a clip that the model cannot use is refused by name.

    Raises:
        ArgumentError: No such folder, nothing in it, or a clip lacks the one modality that the model reads.
    """
    if not Path(str(data_args.data_dir)).expanduser().is_dir():
        raise ArgumentError(f"--data_dir {data_args.data_dir}: no such folder")
    try:
        splits = _load(data_args, config, processor)
    except EmptyDatasetError as error:
        raise ArgumentError(f"--data_dir {data_args.data_dir}: no RAVDESS file in it, it is empty") from error
    for rows in splits.values():
        check_modalities(rows, config)
    if "video" not in config.modalities:
        splits = splits.remove_columns("frames")  # not read at all, then
    limits = {"train": data_args.max_train_samples}
    return {name: thin_out(rows, limits.get(name, data_args.max_eval_samples)) for name, rows in splits.items()}


def _load(data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> datasets.DatasetDict:
    return datasets.load_dataset(
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
    )


def check_splits(splits: dict[str, Any], args: EmoFusionTrainingArguments, trains: bool) -> None:
    """Training needs clips to learn from, and others to choose the checkpoint by; scoring needs clips to score.

    Raises:
        ArgumentError: naming the split.
    """
    needed = (["train"] if args.eval_strategy == "no" else ["train", "validation"]) if trains else ["test"]
    for name in needed:
        if name not in splits:
            hint = " (--eval_strategy no does without)" if name == "validation" else ""
            raise ArgumentError(f"--data_dir has no clip of the {name} actors, only of {', '.join(splits)}{hint}")


def check_modalities(rows: datasets.Dataset, config: EmoFusionConfig) -> None:
    """A single-branch model needs its modality in every clip."""
    if len(config.modalities) == 2:
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
