"""What `--report_to` lacks: confusion matrices as images, names that tell runs apart, and an end to every run.

The curves are the work of transformers' own callbacks. Nothing of a tracker that is not in use is imported.
"""

import os
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback, TrackioCallback, WandbCallback

from emofusion.data.whole_files import write_text
from emofusion.evaluation.plots.confusion import confusion_figure
from emofusion.evaluation.run_files import TRACKER_FOLDER, TRACKER_NAME_FILE
from emofusion.evaluation.scores.metrics import confusion
from emofusion.evaluation.scores.score_fields import Scores
from emofusion.evaluation.scores.trainer_output import compute_metrics, logits_of
from emofusion.training.errors import ArgumentError

PROJECT = "emofusion"
_TRANSFORMERS_PROJECT = "huggingface"
# Trackio and W&B count a step at each call; transformers' curves are drawn over this value instead.
_STEP = "train/global_step"


class ScoresWithConfusion:
    """`compute_metrics` for Trainer, which also remembers the confusion matrix of the clips scored last.

    Args:
        num_classes (`int`): Rows and columns of the matrix.

    Attributes:
        matrix (`list[list[int]]`, *optional*): Clips; rows are the true classes. None before the first scores.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.matrix: list[list[int]] | None = None

    def __call__(self, prediction: EvalPrediction) -> Scores:
        """The scores of the clips."""
        predicted = logits_of(prediction.predictions).argmax(-1)
        self.matrix = confusion(prediction.label_ids, predicted, self.num_classes)
        return compute_metrics(prediction)


class ConfusionImages(TrainerCallback):
    """Draws the confusion matrix after every validation, for the trackers of the trainer.

    TensorBoard's events, curves and images, go to `OUTPUT_DIR/runs/RUN_NAME`, unless TENSORBOARD_LOGGING_DIR says
    otherwise; transformers would choose a new folder at every start, and so tear a resumed run in two.

    Args:
        trainer (`Trainer`): Its callbacks are the trackers; its model's config names the classes. Add this callback
            to it with `add_callback`.
        scores (`ScoresWithConfusion`): The trainer's `compute_metrics`.
    """

    def __init__(self, trainer: Trainer, scores: ScoresWithConfusion) -> None:
        self.trainer = trainer
        self.scores = scores
        for callback, _ in _trackers(trainer):
            if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
                callback.logging_dir = str(
                    Path(trainer.args.output_dir) / TRACKER_FOLDER / (trainer.args.run_name or "run")
                )

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log the matrix of the evaluation that has just ended."""
        if self.scores.matrix is not None:
            log_confusion(self.trainer, "validation", self.scores.matrix, state.global_step)


def log_confusion(trainer: Trainer, split: str, matrix: list[list[int]], step: int) -> None:
    """Log a confusion matrix as the image `SPLIT/confusion_matrix`, from the main process.

    Args:
        trainer (`Trainer`): Its callbacks are the trackers; its model's config names the classes.
        split (`str`): What was scored.
        matrix (`list[list[int]]`): Clips; rows are the true classes.
        step (`int`): Optimizer step of the scored weights, as a rule `trainer.state.global_step`.
    """
    trackers = _trackers(trainer) if trainer.is_world_process_zero() else []
    if not trackers:
        return
    names = trainer.model.config.id2label
    labels = [names[index] for index in range(len(matrix))]
    pixels = _pixels(confusion_figure(matrix, labels, f"{split}, step {step}"))
    for callback, log_image in trackers:
        log_image(trainer, callback, f"{split}/confusion_matrix", pixels, step)


def finish_trackers(trainer: Trainer) -> None:
    """End the trainer's runs in all its trackers, so that the next trainer of this process begins runs of its own.

    Without it W&B would go on in the first run, and Trackio would leave the run open that it opened for the test.
    Nothing more can be logged with this trainer.
    """
    for callback, _ in _trackers(trainer):
        if isinstance(callback, TensorBoardCallback):
            if callback.tb_writer is not None:
                callback.tb_writer.close()
                callback.tb_writer = None
        elif isinstance(callback, TrackioCallback):
            if _trackio_run() is not None:
                import_module("trackio").finish()
        elif import_module("wandb").run is not None:
            import_module("wandb").finish()


def name_run(args: TrainingArguments, resumes: bool, within: Path | None = None) -> None:
    """Name project and run in the trackers, where the user has not.

    A new run is named after its folder and the time, because Trackio appends to a run of the same name. The name is
    kept in the output folder, so that a resumed run goes on in the same curves.

    Args:
        args (`TrainingArguments`): `run_name` and `project` are set; W&B reads its project from WANDB_PROJECT alone.
        resumes (`bool`): Whether the run goes on from a checkpoint in its output folder.
        within (`Path`, *optional*): Folder of the experiment that the run is part of; its name comes first.
    """
    if not args.report_to:
        return
    if args.project == _TRANSFORMERS_PROJECT:
        args.project = PROJECT
    os.environ.setdefault("WANDB_PROJECT", args.project)
    if args.run_name is not None or args.process_index != 0:
        return
    file = Path(args.output_dir) / TRACKER_NAME_FILE
    if resumes and file.is_file():
        args.run_name = file.read_text(encoding="utf-8").strip()
        return
    args.run_name = f"{folder_name(Path(args.output_dir), within)}-{datetime.now():%Y%m%d-%H%M%S}"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, f"{args.run_name}\n")


def check_wandb_login(args: TrainingArguments) -> None:
    """Refuse W&B without a login at once; later it would stop the run to ask for a key, or fail.

    Raises:
        ArgumentError: `--report_to wandb` would go online and there is no key.
    """
    if "wandb" not in args.report_to or args.process_index != 0:
        return
    wandb = import_module("wandb")
    online = wandb.setup().settings.mode in ("online", "shared")
    if online and not wandb.login(prompt=False, verify=False):
        raise ArgumentError(
            "--report_to wandb: no login found; run `wandb login`, or set WANDB_MODE=offline to keep the run on this "
            "machine"
        )


def folder_name(folder: Path, within: Path | None) -> str:
    """Name of a run's folder; in an experiment, the experiment's folder comes first."""
    folder = folder.resolve()
    if within is None or not folder.is_relative_to(within.resolve()):
        return folder.name
    return "-".join(folder.relative_to(within.resolve().parent).parts)


def _pixels(figure: Figure) -> np.ndarray:
    """The figure as RGB bytes `[height, width, 3]`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _to_tensorboard(trainer: Trainer, callback: TensorBoardCallback, name: str, pixels: np.ndarray, step: int) -> None:
    """After training the callback has closed its writer, and before it has none yet."""
    if callback.tb_writer is None:
        from torch.utils.tensorboard import SummaryWriter

        callback.tb_writer = SummaryWriter(log_dir=callback.logging_dir)
    callback.tb_writer.add_image(name, pixels, step, dataformats="HWC")
    callback.tb_writer.flush()


def _to_trackio(trainer: Trainer, callback: TrackioCallback, name: str, pixels: np.ndarray, step: int) -> None:
    """After training the callback has ended the run; its `setup` goes on in the run of that name."""
    trackio = import_module("trackio")
    if _trackio_run() is None:
        callback.setup(trainer.args, trainer.state, trainer.model)
    trackio.log({name: trackio.Image(pixels), _STEP: step})


def _to_wandb(trainer: Trainer, callback: WandbCallback, name: str, pixels: np.ndarray, step: int) -> None:
    wandb = import_module("wandb")
    if wandb.run is None:
        callback.setup(trainer.args, trainer.state, trainer.model)
    wandb.log({name: wandb.Image(pixels), _STEP: step})


_LOG_IMAGE: dict[type, Callable[..., None]] = {
    TensorBoardCallback: _to_tensorboard,
    TrackioCallback: _to_trackio,
    WandbCallback: _to_wandb,
}


def _trackers(trainer: Trainer) -> list[tuple[TrainerCallback, Callable[..., None]]]:
    """The trackers that can show images, each with the function that logs one."""
    return [
        (callback, log_image)
        for callback in trainer.callback_handler.callbacks
        for kind, log_image in _LOG_IMAGE.items()
        if isinstance(callback, kind)
    ]


def _trackio_run() -> Any:
    return import_module("trackio").context_vars.current_run.get()
