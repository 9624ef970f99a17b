"""Checkpoints of a run that was begun: which are complete, and from which to go on."""

import json
from pathlib import Path

from transformers.trainer import OPTIMIZER_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from emofusion.evaluation.run_files import TRAINER_STATE_FILE, TRAINING_WEIGHTS_FILE
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError


def resumes(args: EmoFusionTrainingArguments) -> bool:
    """Whether to go on with a run that was begun."""
    return str(args.resume_from_checkpoint).lower() not in ("false", "none")


def checkpoint_to_resume(args: EmoFusionTrainingArguments) -> str | None:
    """Where to resume: `latest` (or `true`) is the newest checkpoint of the output folder, if there is one.

    Raises:
        ArgumentError: No such folder.
    """
    wanted = args.resume_from_checkpoint
    if not resumes(args):
        return None
    if str(wanted).lower() not in ("latest", "true"):
        if not Path(wanted).is_dir():
            raise ArgumentError(f"--resume_from_checkpoint {wanted}: no such folder")
        return str(wanted)
    return last_complete_checkpoint(args.output_dir)


def check_has_optimizer(checkpoint: str, averaged: bool) -> None:
    """Refuse a checkpoint that holds a model alone.

    Args:
        checkpoint (`str`): Its folder.
        averaged (`bool`): Whether weights are averaged; then those that training goes on from lie beside the average.

    Raises:
        ArgumentError: naming the file that it lacks.
    """
    for name in (OPTIMIZER_NAME, TRAINING_WEIGHTS_FILE) if averaged else (OPTIMIZER_NAME,):
        if not (Path(checkpoint) / name).is_file():
            raise ArgumentError(
                f"--resume_from_checkpoint: {checkpoint} has no {name}, because --save_only_model left it out; start "
                "from its weights with --model_name_or_path"
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
        json.loads((checkpoint / TRAINER_STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
