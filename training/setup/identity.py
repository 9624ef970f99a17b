"""What makes a run the same run: resuming one under other settings would mix two runs in one score."""

import hashlib
import json
from pathlib import Path
from typing import Any

from transformers.utils import SAFE_WEIGHTS_NAME

from emofusion.data.whole_files import write_json
from emofusion.evaluation.run_files import IDENTITY_FILE
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.command_line.flags import AUGMENTATION
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError

from .clips import Clips
from .model import CONFIG_FLAGS

_TRAINING = (
    "seed",
    "data_seed",
    "num_train_epochs",
    "max_steps",
    "learning_rate",
    "audio_learning_rate",
    "video_learning_rate",
    "layer_decay",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "optim",
    "optim_args",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "dataloader_drop_last",
    "auto_find_batch_size",
    "weight_decay",
    "train_sampling_strategy",
    "accelerator_config",
    "lr_scheduler_type",
    "lr_scheduler_kwargs",
    "warmup_steps",
    "eval_strategy",
    "eval_steps",
    "eval_delay",
    "eval_on_start",
    "select",
    "ema_decay",
    "calibrate",
    "unsure_accuracy",
    "metric_for_best_model",
    "greater_is_better",
    "early_stopping_patience",
    "bf16",
    "fp16",
)
_MODEL = (
    "model_name_or_path",
    "video_encoder_weights",
    "audio_encoder_weights",
    "class_weights",
    "freeze_audio_encoder",
    "freeze_video_encoder",
    "audio_backbone",
    "video_backbone",
    "backbone_weights",
    "audio_trainable_layers",
    "video_trainable_layers",
    "start_head",
    "embedding_views",
)
_DATA = (
    "corpus",
    "label_set",
    "protocol",
    "fold",
    "channel",
    "train_on_validation",
    "keep_copies",
    "dataset_name",
    "label_column",
    "speaker_column",
    "face_tracks",
    *AUGMENTATION,
)


_NOT_WRITTEN_DOWN_BEFORE = {"train_on_validation": False}
"""What folders of earlier versions do not say, and how it was."""


def identity_of(config: EmoFusionConfig, arguments: Arguments, clips: Clips) -> dict[str, Any]:
    """The settings and clips that decide what a run learns."""
    rows = {name: "\n".join(rows["clip"]) for name, rows in clips.splits.items()}
    settings = {
        **{name: getattr(config, name) for name in (*CONFIG_FLAGS, "label_smoothing")},
        **{name: getattr(arguments.model, name) for name in _MODEL},
        **{name: getattr(arguments.data, name) for name in _DATA},
        **{name: getattr(arguments.training, name) for name in _TRAINING},
        **{f"clips of {name}": hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in rows.items()},
        "content of the corpus": clips.fingerprint,
        "content of the start weights": [_digest(source) for source in _start_weights(arguments.model)],
    }
    return json.loads(json.dumps(settings, default=vars))  # as it is read back: names in place of enum members


def _start_weights(model_args: ModelArguments) -> list[str]:
    sources = (model_args.model_name_or_path, model_args.video_encoder_weights, model_args.audio_encoder_weights)
    backbones = (model_args.video_backbone, model_args.audio_backbone)
    return [source for source in (*sources, *backbones) if source is not None]


def _digest(source: str) -> str | None:
    """Hash of weights on this machine; None for a name on a hub, and for ImageNet's, which never change."""
    path = Path(source).expanduser()
    whole = path / SAFE_WEIGHTS_NAME if path.is_dir() else path
    files = [whole] if whole.is_file() else sorted(path.glob("*.safetensors"))  # or in several parts
    digests = []
    for file in files:
        with file.open("rb") as weights:
            digests.append(hashlib.file_digest(weights, "sha256").hexdigest())
    if len(digests) < 2:
        return digests[0][:16] if digests else None
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def check_same_run(identity: dict[str, Any], folder: Path, must_know: bool = False) -> None:
    """Refuse to resume a run that was begun with other settings.

    Args:
        identity (`dict`): What the settings are now.
        folder (`Path`): Output folder of the run that was begun.
        must_know (`bool`): Refuse a folder that does not say with which settings its run was begun.

    Raises:
        ArgumentError: naming the first setting that differs.
    """
    path = folder / IDENTITY_FILE
    if not path.is_file():
        if must_know:
            raise ArgumentError(
                f"--resume_from_checkpoint: {path} is not there, so nobody knows with which settings and actors the "
                "run was begun; start from the checkpoint with --model_name_or_path instead"
            )
        return
    begun = _begun(path)
    for name in identity:
        if begun.get(name) != identity[name]:
            before = f"with {name} {begun[name]}" if name in begun else f"by a version that did not write down {name}"
            raise ArgumentError(
                f"--output_dir {folder}: its run was begun {before}, now it is {identity[name]}; resume it with the "
                "same settings, or train in another folder"
            )


def same_run(identity: dict[str, Any], folder: Path) -> bool:
    """Whether the run in this folder was trained with these very settings."""
    path = folder / IDENTITY_FILE
    return path.is_file() and _begun(path) == identity


def _begun(path: Path) -> dict[str, Any]:
    """The settings with which the run of a run.json was begun."""
    return _NOT_WRITTEN_DOWN_BEFORE | json.loads(path.read_text(encoding="utf-8"))


def save_identity(identity: dict[str, Any], folder: Path) -> None:
    """Write run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / IDENTITY_FILE, identity, indent=1)
