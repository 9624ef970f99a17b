"""From flags to decoded clips by split, and to model inputs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np

from emofusion.data.corpora.builders.clip_builder import ClipBuilder
from emofusion.data.corpora.builders.image_account import ImageAccount
from emofusion.data.corpora.builders.still_images import StillImages
from emofusion.data.corpora.registry import CORPORA
from emofusion.data.inputs.augmentation import MOST, Augmentation
from emofusion.data.inputs.clip_inputs import ClipInputs
from emofusion.data.inputs.picture_augment import unit_spread
from emofusion.data.inputs.spec_augment import SpecAugment
from emofusion.data.label_sets import OWN
from emofusion.data.protocols import SPLITS, FoldRefusedError
from emofusion.data.sources.account import Account
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.store.settings import options_for
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.command_line.flags import flag_of
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError

from .own_labels import check_place_is_there, has_own_labels, names_of, place_options

logger = logging.getLogger(__name__)

CorpusBuilder = ClipBuilder | StillImages


@dataclass(frozen=True)
class Clips:
    """The clips of a run.

    Attributes:
        splits (`dict[str, Dataset]`): Rows by split, without their transform; of still pictures they have no columns
            `frames`, `actor` and `gender`.
        corpus (`Corpus`): What the corpus says about itself.
        account (`Account` or `ImageAccount`): What was read of it and what was not.
        fingerprint (`str`): Changes when the content of the corpus does.
    """

    splits: dict[str, datasets.Dataset]
    corpus: Corpus
    account: Account | ImageAccount
    fingerprint: str

    def inputs(self, processor: EmoFusionProcessor, augmentation: Augmentation) -> dict[str, datasets.Dataset]:
        """The same rows as model inputs: augmentation on the training split alone."""
        return {
            name: _undecoded(rows).with_transform(ClipInputs(processor, augmentation if name == "train" else None))
            for name, rows in self.splits.items()
        }


def _undecoded(rows: datasets.Dataset) -> datasets.Dataset:
    """The rows with still pictures as files: `ClipInputs` decodes each of them once, and not in each epoch."""
    return rows.cast_column("image", datasets.Image(decode=False)) if "image" in rows.column_names else rows


def load_clips(arguments: Arguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> Clips:
    """The splits that the run needs, decoded as the processor decodes.

    Raises:
        ArgumentError: No such folder, nothing in it, no clip for a needed split, or a clip lacks the one modality that
            the model reads.
        ValueError, OSError: Nothing in it that can be used.
    """
    data = arguments.data
    builder = decode_corpus(arguments, config, processor)
    select = _published_splits if isinstance(builder, StillImages) else _splits_by_actor
    splits = select(builder, data, needed_splits(arguments))
    account = builder.account
    if arguments.trains and data.train_on_validation:
        splits["train"] = datasets.concatenate_datasets([splits["train"], splits.pop("validation")])
        account = replace(account, held_out=0) if isinstance(account, ImageAccount) else account
    for rows in splits.values():
        check_modalities(rows, config)
    if "video" not in config.modalities:
        # Not read at all, then. No still picture comes here: check_model refuses such a model.
        splits = {name: rows.remove_columns(_pictures(rows)) for name, rows in splits.items()}
    limits = {"train": data.max_train_samples}
    splits = {name: thin_out(rows, limits.get(name, data.max_eval_samples)) for name, rows in splits.items()}
    return Clips(splits, builder.corpus, account, builder.fingerprint)


def needed_splits(arguments: Arguments) -> tuple[str, ...]:
    """Clips to learn from, others to choose the checkpoint and to calibrate by, and others to be scored on.

    Where the second train, too, they are read all the same, and dealt to the first afterwards.
    """
    joins_training = arguments.trains and arguments.data.train_on_validation
    needed = {
        "train": arguments.trains,
        "validation": arguments.validates or bool(arguments.training.fits) or joins_training,
        "test": arguments.tests,
    }
    return tuple(name for name in SPLITS if needed[name])


def decode_corpus(arguments: Arguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> CorpusBuilder:
    """The builder of the corpus, all of which is decoded then: by the main process first, so that others find it so.

    Raises:
        ArgumentError: No such folder or file.
        ValueError, OSError: Nothing in it that can be used.
    """
    data = arguments.data
    check_place_is_there(data)
    with arguments.training.main_process_first(desc="decoding"):
        builder = _builder(data, config, processor)
        builder.download_and_prepare(tell=False)  # the account is printed whole
    return builder


def _builder(data: DataArguments, config: EmoFusionConfig, processor: EmoFusionProcessor) -> CorpusBuilder:
    entry = CORPORA[data.corpus]
    options = {"protocol": data.protocol, "label_set": config.label_set, **place_options(data)}
    if has_own_labels(data):
        options |= {"label_set": OWN, "labels": names_of(config)}
    if not entry.still:
        options |= {"fold": data.fold, **vars(options_for(processor))}
    return datasets.load_dataset_builder(data.corpus, data_dir=data.data_dir, cache_dir=data.cache_dir, **options)


def _splits_by_actor(builder: ClipBuilder, data: DataArguments, needed: Sequence[str]) -> dict[str, Any]:
    try:
        return dict(zip(needed, builder.as_dataset(list(needed)), strict=True))
    except FoldRefusedError as error:
        only_validation = any(part in str(error) for part in ("validation actors", "is in its validation part")) and (
            "none of its test" not in str(error)
        )
        hint = _without_validation(data) if only_validation else ""
        raise ArgumentError(f"{_place(data)}: {error}{hint}") from error


def _without_validation(data: DataArguments) -> str:
    """What to do where only validation clips are lacking."""
    if data.train_on_validation:
        return "; leave out --train_on_validation, and add --eval_strategy no"
    return "; --eval_strategy no does without validation, unless there is --calibrate or --unsure_accuracy"


def _place(data: DataArguments) -> str:
    """The flag that names the clips, with its value."""
    return f"--dataset_name {data.dataset_name}" if data.dataset_name else f"--data_dir {data.data_dir}"


def _published_splits(builder: StillImages, data: DataArguments, needed: Sequence[str]) -> dict[str, Any]:
    """The splits that the corpus has, under our names, without the columns that no picture fills."""
    entry, there = CORPORA[data.corpus], builder.as_dataset()
    lacking = [name for name in needed if entry.part(name) not in there]
    if lacking:
        hint = _without_validation(data) if lacking == ["validation"] else ""
        split = entry.scored_part(str(data.protocol)) if lacking[0] == "test" else lacking[0]
        raise ArgumentError(
            f"--data_dir {data.data_dir}: no picture of its split {split} in it, only of "
            f"{', '.join(builder.account.found)}{hint}"
        )
    return {name: there[entry.part(name)].remove_columns(["actor", "gender"]) for name in needed}


def check_modalities(rows: datasets.Dataset, config: EmoFusionConfig) -> None:
    """A single-branch model needs its modality in every clip.

    Raises:
        ArgumentError: naming the first clip that lacks it.
    """
    picture = "action units" if config.video_encoder == "action_units" else "picture"
    if len(config.modalities) == 2:
        for modality, wanted in (("video", f"a {picture}" if picture == "picture" else picture), ("audio", "a sound")):
            if not any(rows[f"has_{modality}"]):
                logger.warning(
                    "no clip of %d has %s: fusion=%r does without it here", len(rows), wanted, config.fusion
                )
        return
    (modality,) = config.modalities
    there = rows[f"has_{modality}"]
    if not all(there):
        lacking = [source for source, has in zip(rows["source"], there, strict=True) if not has]
        wanted = {"audio": "sound", "video": picture}[modality]
        raise ArgumentError(
            f"{lacking[0]}: no {wanted} in it ({len(lacking)} of {len(rows)} clips lack it), and a model with "
            f"fusion={config.fusion!r} reads nothing else"
        )


def _pictures(rows: datasets.Dataset) -> list[str]:
    return [name for name in ("frames", "action_units") if name in rows.column_names]


def thin_out(rows: datasets.Dataset, limit: int | None) -> datasets.Dataset:
    """At most `limit` rows, drawn evenly over all of them."""
    if limit is None or limit >= len(rows):
        return rows
    return rows.select(np.linspace(0, len(rows) - 1, limit).astype(int))


def augmentation_for(arguments: Arguments, rows: datasets.Dataset | None) -> Augmentation:
    """What happens to training clips; `rows` are those, where anything is trained."""
    data = arguments.data
    return Augmentation(
        arguments.training.seed,
        spec_augment=SpecAugment.of_strength(data.spec_augment_strength) if data.spec_augment else None,
        frames=data.frame_augment,
        unit_spread=unit_spread(rows) if data.unit_noise_augment and rows is not None else None,
        **{name: getattr(data, flag_of(name)) for name in MOST},
    )
