"""Flags that cannot work together, resuming, and trackers that are not there."""

import importlib.util
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from emofusion.data.corpora.registry import CORPORA, flags_of_some
from emofusion.data.protocols import LEAKY
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.arguments import DataArguments, EmoFusionTrainingArguments, ModelArguments
from emofusion.training.command_line.recipes import ArgumentError

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
"""In the output folder of a training: what must not change when it is resumed."""
# transformers' name of a tracker -> the module that must be there.
_TRACKERS = {"wandb": "wandb", "trackio": "trackio", "tensorboard": "tensorboard", "mlflow": "mlflow"}


def only_scores(args: EmoFusionTrainingArguments) -> bool:
    """Whether a checkpoint is to be scored without training."""
    return bool(args.do_predict and not args.do_train)


def check_data_dir(data_args: DataArguments) -> None:
    """The folder of the corpus must be named.

    Raises:
        ArgumentError: It is not.
    """
    if not data_args.data_dir:
        raise ArgumentError(
            f"--data_dir is missing: name the folder with the {CORPORA[data_args.corpus].corpus.name} files, or make "
            "the synthetic demo corpus with `python -m emofusion.data.demo_corpus runs/demo_corpus`"
        )


def check_flags(model_args: ModelArguments, data_args: DataArguments, args: EmoFusionTrainingArguments) -> None:
    """Refuse combinations that cannot work, and fill in the protocol of the corpus where none is asked for.

    Raises:
        ArgumentError: naming the flag.
    """
    choose_protocol(data_args, args)
    check_data_dir(data_args)
    if only_scores(args) and not model_args.model_name_or_path:
        raise ArgumentError("--do_predict without --model_name_or_path: name the checkpoint to score")
    if only_scores(args) and (Path(str(args.output_dir)) / RUN_FILE).is_file():
        raise ArgumentError(
            f"--output_dir {args.output_dir}: a model was trained there, and its scores and card would be lost; name "
            "another folder for these"
        )
    if args.push_to_hub and data_args.protocol == LEAKY and not data_args.allow_leaky_split:
        raise ArgumentError(
            f"--protocol {LEAKY}: its scores are inflated, because every actor is in training and test; to push "
            "such a model all the same, add --allow_leaky_split"
        )
    if args.resume_from_checkpoint is None and not only_scores(args) and last_complete_checkpoint(args.output_dir):
        raise ArgumentError(
            f"--output_dir {args.output_dir} already holds checkpoints of a run: continue it with "
            "--resume_from_checkpoint latest, or name another folder"
        )


def choose_protocol(data_args: DataArguments, args: EmoFusionTrainingArguments) -> None:
    """Fill in the protocol of the corpus where none is asked for.

    Raises:
        ArgumentError: A protocol or another flag that the corpus does not have, or a protocol that cannot train.
    """
    choice = CORPORA[data_args.corpus]
    name = choice.corpus.name
    if data_args.protocol is None:
        data_args.protocol = choice.scores_by if only_scores(args) else choice.trains_by
    if data_args.protocol not in choice.protocols:
        raise ArgumentError(
            f"--protocol {data_args.protocol}: {name} has no such protocol; the choices are "
            f"{', '.join(choice.protocols)}"
        )
    folds = choice.protocols[data_args.protocol]
    if not 0 <= data_args.fold < len(folds):
        raise ArgumentError(
            f"--fold {data_args.fold}: the folds of {data_args.protocol} of {name} are 0 to {len(folds) - 1}"
        )
    if not only_scores(args) and not choice.still and not folds[data_args.fold].train:
        others = [other for other in choice.protocols if choice.protocols[other][0].train]
        raise ArgumentError(
            f"--protocol {data_args.protocol}: it has no training actors; train by {' or '.join(others)}, or score a "
            "checkpoint with --do_predict"
        )
    _check_corpus_flags(data_args, args)


def _check_corpus_flags(data_args: DataArguments, args: EmoFusionTrainingArguments) -> None:
    """Refuse flags that this corpus has no use for, and validating on the split that is scored."""
    choice = CORPORA[data_args.corpus]
    default = DataArguments()
    given = [flag for flag in flags_of_some() if getattr(data_args, flag) != getattr(default, flag)]
    useless = [flag for flag in given if flag not in choice.flags]
    if useless:
        raise ArgumentError(f"--{useless[0]}: {choice.corpus.name} has no use for it; leave it out")
    if choice.test_part == "validation" and not only_scores(args) and args.eval_strategy != "no":
        raise ArgumentError(
            f"--corpus {data_args.corpus}: no labels of its test split were ever published, so its validation split "
            "is scored and cannot choose the checkpoint, too; add --eval_strategy no"
        )


def check_reads_corpus(config: EmoFusionConfig, model_args: ModelArguments, data_args: DataArguments) -> None:
    """Still pictures are nothing to a model that only listens.

    Raises:
        ArgumentError: naming the model.
    """
    choice = CORPORA[data_args.corpus]
    if choice.still and "video" not in config.modalities:
        model = f"--model_name_or_path {model_args.model_name_or_path}: " if model_args.model_name_or_path else ""
        raise ArgumentError(
            f"{model}a model with fusion={config.fusion!r} reads sound alone, and the still pictures of "
            f"{choice.corpus.name} have none; take a model that reads pictures"
        )


def last_complete_checkpoint(folder: str | None) -> str | None:
    """The newest complete checkpoint in a folder that may not exist yet.

    Trainer fills a checkpoint under its final name, trainer_state.json last; one that a killed run left behind without
    it is passed over.
    """
    complete = [path for path in Path(folder or ".").glob(f"{PREFIX_CHECKPOINT_DIR}-*") if _is_complete(path)]
    return str(max(complete, key=lambda path: int(path.name.split("-")[1]))) if complete else None


def _is_complete(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def resumes(args: EmoFusionTrainingArguments) -> bool:
    """Whether to go on with a run that was begun."""
    return str(args.resume_from_checkpoint).lower() not in ("false", "none")


def checkpoint_to_resume(args: EmoFusionTrainingArguments) -> str | None:
    """Where to resume: `latest` (or `true`) is the newest checkpoint of the output folder, if there is one."""
    wanted = args.resume_from_checkpoint
    if not resumes(args):
        return None
    if str(wanted).lower() not in ("latest", "true"):
        if not Path(wanted).is_dir():
            raise ArgumentError(f"--resume_from_checkpoint {wanted}: no such folder")
        return str(wanted)
    return last_complete_checkpoint(args.output_dir)


def keep_installed_trackers(args: EmoFusionTrainingArguments) -> None:
    """Go on without trackers that are not installed, and say so in one line."""
    for name in list(args.report_to):
        if name in _TRACKERS and importlib.util.find_spec(_TRACKERS[name]) is None:
            args.report_to.remove(name)
            logger.warning("tracker %s is not installed: going on without it (pip install 'emofusion[track]')", name)


def check_branch_rates(args: EmoFusionTrainingArguments, modalities: Sequence[str]) -> None:
    """A learning rate for an encoder that the model does not have is a mistake.

    Raises:
        ArgumentError: naming the flag.
    """
    for name in ("audio", "video"):
        if getattr(args, f"{name}_learning_rate") is not None and name not in modalities:
            raise ArgumentError(f"--{name}_learning_rate: this model reads {' and '.join(modalities)} alone")
