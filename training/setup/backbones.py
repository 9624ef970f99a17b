"""Encoders of transformers as branches: `--audio_backbone` and `--video_backbone`, from a folder or the hub."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModel,
    AutoVideoProcessor,
    PreTrainedConfig,
)

from emofusion.modeling import EMOTIONS, EmoFusionConfig, EmoFusionModel
from emofusion.modeling.backbones_emofusion import as_encoder, side_of
from emofusion.modeling.configuration_emofusion import is_video_config, nested_config
from emofusion.modeling.seen_emofusion import NEVER_TRAINED, NOBODY_KNOWS, Seen
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.command_line.training_arguments import Arguments, EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError

logger = logging.getLogger(__name__)

NOT_IN_USE = ("masked_spec_embed", "mask_token")
"""Weights for clips of which something is hidden: checkpoints may lack them, and no score depends on them."""


CALLED = {*EMOTIONS, "happiness", "sadness", "anger", "fear", "surprise", "joy", "neu", "hap", "ang"}
"""What corpora of emotions call their classes."""


def backbone_changes(model_args: ModelArguments) -> dict[str, Any]:
    """Fields of the config that `--audio_backbone` and `--video_backbone` decide.

    Frames have the size and the number that the encoder was trained on, unless a flag says another.

    Raises:
        ArgumentError: No such encoder, or another flag asks for another one.
    """
    changes: dict[str, Any] = {}
    for modality in ("audio", "video"):
        name, kind = getattr(model_args, f"{modality}_backbone"), getattr(model_args, f"{modality}_encoder")
        flag = f"--{modality}_backbone {name}"
        if name is None:
            if kind == "auto" and model_args.model_name_or_path is None and _reads(model_args, modality):
                raise ArgumentError(f"--{modality}_encoder auto: name the encoder with --{modality}_backbone")
            continue
        if kind not in (None, "auto"):
            raise ArgumentError(f"{flag} with --{modality}_encoder {kind}: choose one of them")
        if model_args.model_name_or_path is not None:
            raise ArgumentError(
                f"{flag} with --model_name_or_path {model_args.model_name_or_path}: the checkpoint has its encoders; "
                "leave one of them out"
            )
        given = _load(AutoConfig.from_pretrained, name, flag, "config")
        changes |= {f"{modality}_encoder": "auto", f"{modality}_config": nested_config(given, flag)}
    if model_args.audio_backbone is not None:
        changes["sampling_rate"] = preparers_of(model_args)[0].sampling_rate
    if model_args.video_backbone is not None:
        changes |= _frames_of(changes["video_config"], preparers_of(model_args)[1], model_args)
    return changes


def _reads(model_args: ModelArguments, modality: str) -> bool:
    """Whether the model that flags ask for reads a modality."""
    return model_args.fusion not in ({"audio", "video"} - {modality})


def _frames_of(config: PreTrainedConfig, processor: Any, model_args: ModelArguments) -> dict[str, Any]:
    """Size and number of frames, where flags leave them open."""
    found = {} if model_args.image_size is not None else {"image_size": side_of(processor, config)}
    if is_video_config(config) and model_args.num_frames is None:
        found["num_frames"] = config.num_frames
    return found


def preparers_of(model_args: ModelArguments) -> tuple[Any, Any]:
    """The feature extractor and the image processor of the encoders that flags name; None for ours.

    Raises:
        ArgumentError: There is none beside the encoder.
    """
    audio, video = model_args.audio_backbone, model_args.video_backbone
    extractor = processor = None
    if audio is not None:
        extractor = _load(
            AutoFeatureExtractor.from_pretrained, audio, f"--audio_backbone {audio}", "feature extractor"
        )
    if video is not None:
        processor = _load(_picture_processor, video, f"--video_backbone {video}", "image processor")
    return extractor, processor


def _picture_processor(name: str) -> Any:
    """Of still pictures, as most encoders have it, or of videos."""
    try:
        return AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError):
        return AutoVideoProcessor.from_pretrained(name)


def _load(load: Callable[[str], Any], name: str, flag: str, what: str) -> Any:
    try:
        return load(name)
    except (OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ArgumentError(
            f"{flag}: expected a folder with an encoder of transformers, or its name on the hub; its {what} cannot be "
            f"read: {reason}"
        ) from error


def load_backbones(model: EmoFusionModel, model_args: ModelArguments) -> None:
    """Put the weights of the encoders that flags name into a new model.

    Those of an encoder that a branch was trained with (`--audio_encoder_weights`) come from there.

    Raises:
        ArgumentError: There are none, or some of the encoder's own are missing.
    """
    for modality in model.config.modalities:
        name = getattr(model_args, f"{modality}_backbone")
        if name is None or model_args.backbone_weights == "random":
            continue
        if getattr(model_args, f"{modality}_encoder_weights") is None:
            load_backbone(getattr(model, f"{modality}_encoder").backbone, name, f"--{modality}_backbone {name}")


def load_backbone(backbone: nn.Module, name: str, flag: str) -> None:
    """Put the weights of a checkpoint of transformers into an encoder built by its config.

    Args:
        backbone (`nn.Module`): Changed in place.
        name (`str`): Folder or hub name.
        flag (`str`): What errors call it.

    Raises:
        ArgumentError: No weights there, or not those of this encoder.
    """
    try:
        with torch.random.fork_rng(devices=[]):  # a pooler that is not used may be drawn
            whole, info = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ArgumentError(
            f"{flag}: no weights of an encoder to read in it: {reason}; add --backbone_weights random to begin with "
            "none"
        ) from error
    drawn = {name for name in info["missing_keys"] if not name.endswith(NOT_IN_USE)}
    places = {id(value): name for name, value in whole.named_parameters()}
    encoder = as_encoder(whole)
    anew = sorted({places[id(value)] for value in encoder.parameters()} & drawn)
    if anew:
        raise ArgumentError(
            f"{flag}: its weights lack {len(anew)} of the encoder's own, such as {anew[0]}; name a checkpoint that "
            "has them, or add --backbone_weights random to begin with none"
        )
    backbone.load_state_dict(encoder.state_dict())


def backbone_sources(model_args: ModelArguments) -> list[Seen]:
    """What the weights of these encoders have seen, beside what nobody is scored on.

    General encoders (of LibriSpeech, AudioSet, ImageNet) have met no actor of ours. Of one that was trained to tell
    emotions nobody knows on whom, and RAVDESS is the usual place.

    Raises:
        ArgumentError: No such encoder.
    """
    found = []
    for modality in ("audio", "video"):
        name = getattr(model_args, f"{modality}_backbone")
        if name is None or model_args.backbone_weights == "random":
            continue
        config = _load(AutoConfig.from_pretrained, name, f"--{modality}_backbone {name}", "config")
        emotions = tells_emotions(config)
        if emotions:
            logger.warning(
                "--%s_backbone %s: it was trained to tell %s, and does not say on whom", modality, name, emotions[0]
            )
        found.append(NOBODY_KNOWS if emotions else NEVER_TRAINED)
    return found


def tells_emotions(config: PreTrainedConfig) -> list[str]:
    """The classes of an encoder that are called as emotions are."""
    return [str(name) for name in (config.id2label or {}).values() if str(name).lower() in CALLED]


def check_backbones(arguments: Arguments, config: EmoFusionConfig) -> None:
    """Refuse flags that are about encoders of transformers where there are none, or that change nothing in them.

    Raises:
        ArgumentError: naming the flag.
    """
    model_args = arguments.model
    kinds = {name: getattr(config, f"{name}_encoder") for name in config.modalities}
    for modality in ("audio", "video"):
        layers, freezes = (
            getattr(model_args, name) for name in (f"{modality}_trainable_layers", f"freeze_{modality}_encoder")
        )
        if layers is not None and kinds.get(modality) != "auto":
            raise ArgumentError(
                f"--{modality}_trainable_layers {layers}: it is about the layers of an encoder of transformers; name "
                f"one with --{modality}_backbone, or leave it out"
            )
        if layers and freezes:
            raise ArgumentError(f"--{modality}_trainable_layers {layers} with --freeze_{modality}_encoder: choose one")
    if "auto" not in kinds.values():
        _check_without(arguments)
    if kinds.get("audio") == "auto" and arguments.trains:
        data = arguments.data
        for flag, value, instead in (
            ("spec_augment", data.spec_augment, "add --no_spec_augment"),
            ("mel_warp", data.mel_warp, "leave it out"),
        ):
            if value:
                raise ArgumentError(
                    f"--{flag}: it changes spectrograms of ours, and --audio_backbone hears raw sound; {instead} "
                    "(--time_shift, --gain_augment and --noise_augment change the sound itself)"
                )


def _check_without(arguments: Arguments) -> None:
    """Refuse what is about the layers of encoders of transformers in a model that has none."""
    args = arguments.training
    if args.layer_decay < 1:
        raise ArgumentError(
            f"--layer_decay {args.layer_decay}: it is about the layers of an encoder of transformers; name one with "
            "--audio_backbone or --video_backbone, or leave it out"
        )
    if arguments.model.backbone_weights == "random":
        raise ArgumentError(
            "--backbone_weights random: there is no --audio_backbone or --video_backbone; leave it out"
        )


def check_checkpointing(model: EmoFusionModel, args: EmoFusionTrainingArguments) -> None:
    """Refuse to save memory by computing layers twice where no encoder can.

    Raises:
        ArgumentError: naming the flag.
    """
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        if getattr(args, name, None) and not model.supports_gradient_checkpointing:
            raise ArgumentError(
                f"--{name}: no layer of this model is computed twice to save memory; lower "
                "--per_device_train_batch_size and raise --gradient_accumulation_steps instead, or name an encoder "
                "that can with --audio_backbone or --video_backbone"
            )


def check_views_of_branch(model_args: ModelArguments, config: EmoFusionConfig) -> None:
    """Refuse to keep what the encoder of a branch makes of clips where that changes while it learns.

    Raises:
        ArgumentError: naming the flag.
    """
    (modality,) = config.modalities
    if getattr(config, f"{modality}_encoder") != "auto":
        raise ArgumentError(
            f"--embedding_views: a model with fusion={config.fusion!r} has no fusion head to train alone; leave it "
            f"out, or name a frozen encoder of transformers with --{modality}_backbone"
        )
    frozen = getattr(model_args, f"freeze_{modality}_encoder")
    if not frozen and getattr(model_args, f"{modality}_trainable_layers") != 0:
        raise ArgumentError(
            f"--embedding_views: the {modality} backbone learns, and what it makes of a clip changes; add "
            f"--freeze_{modality}_encoder"
        )
    if modality == "audio" and config.audio_pooling == "attention":
        raise ArgumentError(
            "--embedding_views with --audio_pooling attention: it listens to every step of every layer, which is too "
            "much to keep; take --audio_pooling statistics"
        )
