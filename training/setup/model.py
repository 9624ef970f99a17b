"""From flags to config and model."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from emofusion.data import LabelSet, label_set
from emofusion.data.label_sets import OWN
from emofusion.data.sources.action_units import is_table_of_means
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.configuration_emofusion import NOT_FITTED
from emofusion.modeling.encoders_emofusion import ActionUnitEncoder
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError

from .backbones import backbone_changes, load_backbones, preparers_of
from .encoder_weights import start_encoders
from .own_labels import has_own_labels, names_of, own_classes
from .start_head import start_head

logger = logging.getLogger(__name__)

# Fields of ModelArguments that are fields of the config, too.
CONFIG_FLAGS = (
    "fusion",
    "audio_encoder",
    "video_encoder",
    "gate",
    "gate_bias",
    "gate_dropout",
    "branch_loss_weight",
    "modality_dropout_p",
    "encoder_width",
    "audio_encoder_width",
    "num_frames",
    "image_size",
    "window",
    "face_crop",
    "grey",
    "audio_pooling",
)


def make_config(arguments: Arguments) -> EmoFusionConfig:
    """The config of a new model, or that of the checkpoint with what the flags change."""
    model_args, args = arguments.model, arguments.training
    changes: dict[str, Any] = {
        name: getattr(model_args, name) for name in CONFIG_FLAGS if getattr(model_args, name) is not None
    }
    changes |= backbone_changes(model_args)
    if _reads_means(arguments) and model_args.model_name_or_path is None:
        changes.setdefault("num_frames", 1)
    if not model_args.modality_dropout:
        changes["modality_dropout_p"] = 0.0
    if args.label_smoothing_factor:
        # In the model's own loss, which knows the branches; Trainer's smoother would bypass it.
        changes["label_smoothing"] = args.label_smoothing_factor
        args.label_smoothing_factor = 0.0
    if model_args.model_name_or_path is None:
        classes = _new_classes(arguments)
        return EmoFusionConfig(**changes, label_set=_known_name(classes), id2label=classes.id2label)
    config = EmoFusionConfig.from_pretrained(model_args.model_name_or_path, **changes)
    if arguments.trains:
        config.class_weights = None  # those of the earlier training; make_model weighs this one's classes
        for name, value in NOT_FITTED.items() if not arguments.trains_nothing else ():
            setattr(config, name, value)  # what was fitted is of the earlier weights
    classes = classes_of(config, arguments.data, may_change=arguments.trains)
    config.label_set, config.id2label = _known_name(classes), classes.id2label
    config.label2id = {name: index for index, name in classes.id2label.items()}
    return config


def _reads_means(arguments: Arguments) -> bool:
    """Whether a model of action units gets one row a clip."""
    tracks = arguments.data.face_tracks
    of_units = arguments.model.video_encoder == "action_units"
    return of_units and tracks is not None and is_table_of_means(Path(tracks))


def _new_classes(arguments: Arguments) -> LabelSet:
    """What a model that begins anew tells apart."""
    if has_own_labels(arguments.data):
        return own_classes(arguments.data, None, may_change=True)
    return label_set(arguments.data.label_set or "emotions8")


def _known_name(classes: LabelSet) -> str | None:
    """The name of the label set; classes of one's own have none."""
    return None if classes.name == OWN else classes.name


def classes_of(config: EmoFusionConfig, data_args: DataArguments, may_change: bool) -> LabelSet:
    """The label set of a checkpoint, or the one the flags ask for if the head may be made anew."""
    if has_own_labels(data_args):
        return own_classes(data_args, names_of(config), may_change)
    wanted = data_args.label_set or config.label_set
    if wanted is None:
        raise ArgumentError("--label_set is missing: the checkpoint does not say which label set its classes are")
    classes = label_set(wanted)
    if not may_change and classes.id2label != config.id2label:
        raise ArgumentError(
            f"--label_set {wanted}: the checkpoint tells apart {', '.join(config.label2id)}; "
            "scoring needs the same classes"
        )
    return classes


def balanced_weights(labels: Iterable[int], num_labels: int) -> list[float]:
    """Class weights inverse to frequency, 1 on average over the clips; 0 for a class without clips."""
    counts = np.bincount(list(labels), minlength=num_labels)
    present = counts > 0
    weights = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 0.0)
    return [float(weight) for weight in weights]


def make_processor(config: EmoFusionConfig, arguments: Arguments) -> EmoFusionProcessor:
    """The processor of this config; a checkpoint's spectrograms keep the normalisation that it was trained with.

    Raises:
        ArgumentError: The checkpoint has no processor.
    """
    source = arguments.model.model_name_or_path
    if source is None:
        return EmoFusionProcessor.from_config(config, *preparers_of(arguments.model))
    try:
        saved = EmoFusionProcessor.from_pretrained(source)
    except OSError as error:
        raise ArgumentError(
            f"--model_name_or_path {source}: its processor is not beside the model (processor_config.json); save "
            "it there with processor.save_pretrained"
        ) from error
    trained = saved.feature_extractor
    processor = EmoFusionProcessor.from_config(config, trained.backbone, saved.video_processor.backbone)
    processor.feature_extractor.mean, processor.feature_extractor.std = trained.mean, trained.std
    return processor


def make_model(
    config: EmoFusionConfig, model_args: ModelArguments, train_labels: Iterable[int] | None
) -> EmoFusionModel:
    """A new model, or the checkpoint's with a new classifier where the classes changed.

    Without `train_labels` the model is only to be scored, and every weight must be the checkpoint's.

    Raises:
        ArgumentError: The checkpoint does not fit the flags, or an encoder's weights do not fit the model.
    """
    if model_args.class_weights == "balanced" and train_labels is not None:
        config.class_weights = balanced_weights(train_labels, config.num_labels)
    if model_args.model_name_or_path is None:
        model = EmoFusionModel(config)
    else:
        model, loaded = EmoFusionModel.from_pretrained(
            model_args.model_name_or_path,
            config=config,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            check_seen=train_labels is None,  # what training begins with has been asked, with the classes that it had
        )
        _check_loaded(loaded, model_args.model_name_or_path, scoring=train_labels is None)
        if train_labels is not None:
            _renew_classifier(model, model_args.model_name_or_path)
    load_backbones(model, model_args)
    start_encoders(model, model_args, trains=train_labels is not None)
    if model_args.start_head and train_labels is not None:
        start_head(model, model_args)
    freeze(model, model_args)
    return model


def _renew_classifier(model: EmoFusionModel, checkpoint: str) -> None:
    """Where the classes are others than those of the checkpoint, begin their classifier anew, and say so."""
    before = EmoFusionConfig.from_pretrained(checkpoint).id2label
    if before == model.config.id2label:
        return
    logger.warning(
        "--model_name_or_path %s tells apart %s: its classifier is made anew for %s, all other weights are kept",
        checkpoint,
        ", ".join(before.values()),
        ", ".join(model.config.id2label.values()),
    )
    # Also one that fits: as many classes of other names are other classes.
    for name, layer in model.head.named_modules():
        if isinstance(layer, nn.Linear) and name.endswith("classifier"):
            layer.reset_parameters()
            nn.init.zeros_(layer.bias)


def freeze(model: EmoFusionModel, model_args: ModelArguments) -> None:
    """Stop training what the flags say is not to be trained."""
    head_only = model_args.embedding_views > 0 and len(model.config.modalities) == 2
    for modality, freeze_encoder in (("audio", model.freeze_audio_encoder), ("video", model.freeze_video_encoder)):
        layers = getattr(model_args, f"{modality}_trainable_layers")
        if head_only:
            freeze_encoder(whole=True)
        elif getattr(model_args, f"freeze_{modality}_encoder") or layers is not None:
            try:
                freeze_encoder(trainable_layers=layers or 0)
            except ValueError as error:
                raise ArgumentError(f"--{modality}_trainable_layers {layers}: {error}") from error


def _check_loaded(loaded: dict[str, Any], path: str, scoring: bool) -> None:
    """Refuse weights made anew where the user means the checkpoint's: all for scoring, encoders for training."""
    mismatched = {key if isinstance(key, str) else key[0] for key in loaded["mismatched_keys"]}
    anew = {*loaded["missing_keys"], *mismatched} if scoring else {k for k in mismatched if "_encoder." in k}
    if anew:
        raise ArgumentError(
            f"--model_name_or_path {path}: {len(anew)} weights do not fit the flags or the recipe, such as "
            f"{min(anew)}; leave out what differs from the checkpoint (--fusion, --encoder_width, ...)"
        )


def standardise(model: EmoFusionModel, model_args: ModelArguments, rows: Dataset) -> None:
    """Fit what standardises action units to the rows of the training split, in an encoder that begins anew.

    One that was trained before keeps what it was trained with. A resumed run reads it from its checkpoint, where it
    is the same.

    Args:
        model (`EmoFusionModel`): Changed in place.
        model_args (`ModelArguments`): Say whether the encoder begins anew.
        rows (`Dataset`): The training split, with its column `action_units`.

    Raises:
        ArgumentError: No training clip has any.
    """
    begun = model_args.model_name_or_path is not None or model_args.video_encoder_weights is not None
    if begun or not isinstance(model.video_encoder, ActionUnitEncoder):
        return
    found = [torch.tensor(units) for units in rows["action_units"] if units is not None]
    if not found:
        raise ArgumentError(
            "--face_tracks: no training clip has action units, which the model reads; name the tracks of these clips"
        )
    model.video_encoder.standardise.fit(torch.cat(found))
