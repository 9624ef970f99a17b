"""From flags to splits of the corpus, and to model inputs."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from emofusion.data.corpora.clip_builder import ClipBuilder
from emofusion.data.corpora.registry import CORPORA
from emofusion.data.corpora.still_images import StillImages
from emofusion.data.inputs.clip_inputs import Augmentation, ClipInputs
from emofusion.data.inputs.spec_augment import SpecAugment
from emofusion.data.protocols import SPLITS, FoldRefusedError
from emofusion.data.store.settings import options_for
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor
from emofusion.training.command_line.arguments import DataArguments, EmoFusionTrainingArguments
from emofusion.training.command_line.recipes import ArgumentError

logger = logging.getLogger(__name__)

CorpusBuilder = ClipBuilder | StillImages


def load_splits(
    data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor, needed: Sequence[str]
) -> tuple[dict[str, Any], CorpusBuilder]:
    """Splits by name, decoded as the processor decodes, and the builder, which knows the corpus and its account.

    Still pictures have no columns `frames`, `actor` and `gender`.

    Raises:
        ArgumentError: No such folder, nothing in it, no clip for a needed split, or a clip lacks the one modality that
            the model reads.
    """
    builder = open_corpus(data_args, config, processor)
    if isinstance(builder, StillImages):
        splits = _published_splits(builder, data_args, needed)
    else:
        splits = _splits_by_actor(builder, data_args, needed)
    for rows in splits.values():
        check_modalities(rows, config)
    if "video" not in config.modalities:
        # Not read at all, then. No still picture comes here: check_reads_corpus refuses such a model.
        splits = {name: rows.remove_columns("frames") for name, rows in splits.items()}
    limits = {"train": data_args.max_train_samples}
    limited = {name: thin_out(rows, limits.get(name, data_args.max_eval_samples)) for name, rows in splits.items()}
    return limited, builder


def _splits_by_actor(builder: ClipBuilder, data_args: DataArguments, needed: Sequence[str]) -> dict[str, Any]:
    try:
        return dict(zip(needed, builder.as_dataset(list(needed)), strict=True))
    except FoldRefusedError as error:
        only_validation = "validation actors" in str(error) and "none of its test" not in str(error)
        hint = "; --eval_strategy no does without validation" if only_validation else ""
        raise ArgumentError(f"--data_dir {data_args.data_dir}: {error}{hint}") from error


def _published_splits(builder: StillImages, data_args: DataArguments, needed: Sequence[str]) -> dict[str, Any]:
    """The splits that the corpus has, under our names, without the columns that no picture fills."""
    choice, there = CORPORA[data_args.corpus], builder.as_dataset()
    lacking = [name for name in needed if choice.part(name) not in there]
    if lacking:
        hint = "; --eval_strategy no does without validation" if lacking == ["validation"] else ""
        raise ArgumentError(
            f"--data_dir {data_args.data_dir}: no picture of its split {choice.part(lacking[0])} in it, only of "
            f"{', '.join(there)}{hint}"
        )
    return {name: there[choice.part(name)].remove_columns(["actor", "gender"]) for name in needed}


def open_corpus(data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> CorpusBuilder:
    """The builder of the corpus, decoded as the processor decodes.

    Raises:
        ArgumentError: No such folder or file.
        ValueError, OSError: Nothing in it that can be used.
    """
    if not Path(str(data_args.data_dir)).expanduser().exists():
        raise ArgumentError(f"--data_dir {data_args.data_dir}: no such folder or file")
    builder = _builder(data_args, config, processor)
    builder.download_and_prepare()
    return builder


def _builder(data_args: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> CorpusBuilder:
    entry = CORPORA[data_args.corpus]
    options = {flag: getattr(data_args, flag) for flag in entry.flags}
    if not entry.still:
        options |= {"protocol": data_args.protocol, "fold": data_args.fold, **vars(options_for(processor))}
    return datasets.load_dataset_builder(
        data_args.corpus,
        data_dir=data_args.data_dir,
        cache_dir=data_args.cache_dir,
        label_set=config.label_set,
        **options,
    )


def needed_splits(args: EmoFusionTrainingArguments, trains: bool) -> tuple[str, ...]:
    """Training needs clips to learn from, others to choose the checkpoint by, and others to be scored on."""
    if not trains:
        return ("test",)
    return ("train", "test") if args.eval_strategy == "no" else SPLITS


def check_modalities(rows: datasets.Dataset, config: EmoFusionConfig) -> None:
    """A single-branch model needs its modality in every clip."""
    if len(config.modalities) == 2:
        for modality, wanted in (("video", "picture"), ("audio", "sound")):
            if not any(rows[f"has_{modality}"]):
                logger.warning(
                    "no clip of %d has a %s: fusion=%r does without it here", len(rows), wanted, config.fusion
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
