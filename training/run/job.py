"""One run from its command line to its output folder, top to bottom.

parse -> validate -> clips -> model -> trainer -> train -> score -> save

`run_job` is the whole of it; its first five steps are in `ready.py`.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput

from emofusion.evaluation.record.metrics_file import read_metrics, save_metrics
from emofusion.evaluation.record.predictions import predictions_table, read_predictions
from emofusion.evaluation.record.run_record import OutcomeFields, PreparedFields, RunRecord
from emofusion.evaluation.record.training_fields import training_fields
from emofusion.evaluation.reports.card import license_of
from emofusion.evaluation.reports.run_report import complete_run, remove_results, save_run
from emofusion.evaluation.reports.summary import summary
from emofusion.evaluation.run_files import CARD_FILE, METRICS_FILE
from emofusion.evaluation.scores.branches import branch_fields
from emofusion.evaluation.scores.robustness import robustness_table
from emofusion.evaluation.scores.score_fields import BranchFields
from emofusion.evaluation.scores.scoring import score_predictions
from emofusion.evaluation.scores.trainer_output import logits_of
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import DivergedError, NoCardError
from emofusion.training.setup.checkpoints import resumes
from emofusion.training.setup.identity import same_run, save_identity

from .calibration import calibrate, fit_unsure
from .ready import Run, make_ready, setup_errors, train_on_embeddings
from .tracking import finish_trackers, log_confusion
from .trainer import EmoFusionTrainer

logger = logging.getLogger(__name__)

SCRIPT = "train_hf.py"


def run_job(
    words: Sequence[str],
    resume: bool = False,
    within: Path | None = None,
    command: Sequence[str] | None = None,
    branches: Mapping[str, Path] | None = None,
) -> RunRecord:
    """Do one run; returns the content of its metrics.json.

    Args:
        words (`Sequence[str]`): Its command line, without the script's name.
        resume (`bool`): Go on where the run was stopped, as `--resume_from_checkpoint latest` does; a finished run is
            only read, and quietly.
        within (`Path`, *optional*): Folder of the experiment that the run is one of.
        command (`Sequence[str]`, *optional*): What metrics.json calls its command line, where that is another.
        branches (`Mapping[str, Path]`, *optional*): By modality: the folder of the model that a fusion starts from and
            is compared with.

    Raises:
        SetupError: Flags, recipe, checkpoint or corpus are wrong. Nothing was trained.
        DivergedError: The model has no finite output for some test clips.
        NoCardError: The model was to be pushed, and its card could not be written.
    """
    with setup_errors():
        arguments = parse_arguments(words)
        if resume:
            arguments.training.resume_from_checkpoint = "latest"
        run = make_ready(arguments, within)
    if resumes(arguments.training) and (finished := _finished(run)) is not None:
        if run.is_main and not resume:
            scores = f"{summary(finished)}\n" if arguments.tests else ""
            say(f"{scores}finished already, nothing was trained or scored again: {run.folder}")
        if arguments.training.push_to_hub:
            push(run)
        return finished
    if run.is_main:
        one_of_several = within is not None or branches  # the others have the same clips
        (say_once if one_of_several else say)(run.clips.account.table())
    prepared: PreparedFields = train(run) if run.trains else _fit(run)
    known = run.record([SCRIPT, *(words if command is None else command)])
    if not arguments.tests:
        return _end_without_test(run, {**known, **prepared})
    predictions, outcome = score(run, known["labels"], known["unsure_below"])
    metrics: RunRecord = {**known, **prepared, **outcome}
    if branches:
        metrics |= _beside_branches(metrics, predictions, branches, run.folder)
    if run.is_main:
        save(run, predictions, metrics)
    tell_trackers(run.trainer, metrics)
    if run.arguments.training.push_to_hub:
        push(run)
    return metrics


def train(run: Run) -> PreparedFields:
    """Train, end with the weights that are kept, save them; returns what metrics.json says of the training."""
    trainer = run.trainer
    if run.is_main:
        remove_results(run.folder)  # of an earlier run, whose weights go
        save_identity(run.identity, run.folder)
    train_on_embeddings(run)
    nothing_to_learn = run.arguments.trains_nothing
    if nothing_to_learn and run.arguments.validates:
        trainer.evaluate()
    result = None if nothing_to_learn else trainer.train(resume_from_checkpoint=run.checkpoint)
    fitted = _fit(run)  # before the model is saved: its config keeps what was fitted
    trainer.save_model(_internal_call=True)  # else it would push here already, without scores and card
    trainer.save_state()
    # Trainer counts the steps of this call alone.
    loss = result.training_loss if result is not None and run.checkpoint is None else None
    args = run.arguments.training
    trained = training_fields(trainer.state, str(args.metric_for_best_model), str(args.select), loss)
    if views := run.arguments.model.embedding_views:
        trained["embedding_views"] = views
    if run.arguments.data.train_on_validation:
        trained["trained_on_validation"] = True
    return {**trained, **fitted}


def _fit(run: Run) -> PreparedFields:
    """Fit on the validation actors what is asked for: temperatures, and below which probability answers are unsure."""
    args, fitted = run.arguments.training, PreparedFields()
    if not args.fits:
        return fitted
    rows, inputs = run.clips.splits["validation"], run.inputs["validation"]
    if args.calibrate:
        fitted |= calibrate(run.trainer, rows, inputs, run.inputs["test"])
    if args.unsure_accuracy:  # by the probabilities that calibration leaves
        fitted |= fit_unsure(run.trainer, rows, inputs, args.unsure_accuracy)
    return fitted


def score(run: Run, labels: Sequence[str], unsure_below: float) -> tuple[pd.DataFrame, OutcomeFields]:
    """Score the test actors, once as they are and then with missing and damaged input.

    Args:
        run (`Run`): With the weights that are kept.
        labels (`Sequence[str]`): Names of the classes in id order.
        unsure_below (`float`): Probability below which the model does not answer.

    Returns:
        The table of predictions, a row a clip, and the scores as metrics.json has them.

    Raises:
        DivergedError: The model has no finite output for some clips.
    """
    rows = run.clips.splits["test"]
    prediction = run.trainer.predict(run.inputs["test"])
    _check_finite(prediction, run.folder)
    predictions = predictions_table(rows, prediction, labels, unsure_below)
    scores = score_predictions(predictions, list(labels))
    robustness = robustness_table(
        lambda damaged: _predict_quietly(run.trainer, damaged),
        rows,
        run.trainer.processing_class,
        run.config.modalities,
        undisturbed=prediction,
    )
    return predictions, {**scores, "robustness": robustness}


def _end_without_test(run: Run, known: Mapping[str, Any]) -> RunRecord:
    """Finish a run in which everybody trained: its metrics.json has no score."""
    metrics = cast(RunRecord, known)
    if run.is_main:
        save_metrics(metrics, run.folder)
        say(f"weights of a model that everybody trained, so that nobody is left to score it on: {run.folder}")
    tell_trackers(run.trainer, metrics)
    return metrics


def _beside_branches(
    metrics: RunRecord, predictions: pd.DataFrame, branches: Mapping[str, Path], folder: Path
) -> BranchFields:
    """What the models say that a fusion started from, and how far it is ahead of them."""
    scored = {name: (read_metrics(place), read_predictions(place)) for name, place in branches.items()}
    places = {name: Path(os.path.relpath(place, folder)).as_posix() for name, place in branches.items()}
    try:
        return branch_fields((metrics, predictions), scored, places)
    except ValueError as error:  # the fusion's own scores are good all the same
        logger.warning("%s: its branches are left out of metrics.json: %s", folder, error)
        return {}


def _check_finite(prediction: PredictionOutput, folder: Path) -> None:
    """Raise where there is nothing to score."""
    finite = np.isfinite(logits_of(prediction.predictions)).all(-1)
    if not finite.all():
        raise DivergedError(
            f"--output_dir {folder}: the model's output is not finite for {(~finite).sum()} of {len(finite)} test "
            "clips, so it cannot be scored; if training diverged, train again in another folder with a lower "
            "--learning_rate, or without --fp16"
        )


def _predict_quietly(trainer: EmoFusionTrainer, rows: Dataset) -> EvalLoopOutput:
    """Predict rows with their transform, as `Trainer.predict` does; trackers are not told of the scores."""
    return trainer.evaluation_loop(trainer.get_test_dataloader(rows), "Prediction", metric_key_prefix="robustness")


def save(run: Run, predictions: pd.DataFrame, metrics: RunRecord) -> None:
    """Write scores, and then what illustrates them, into the output folder, and print the scores."""
    account, folder = run.clips.account, run.folder
    failed = save_run(metrics, predictions, account, folder, license_id=_license(run), model_name=run.model_name)
    say(summary(metrics))
    say(f"{'weights, ' if run.trains else ''}scores{'' if failed else ', plots and card'}: {folder}")


def tell_trackers(trainer: EmoFusionTrainer, metrics: RunRecord) -> None:
    """Show the confusion matrix of the test in the trackers and end their runs; the scores lie on disk already."""
    try:
        if "test_confusion_matrix" in metrics:
            log_confusion(trainer, "test", metrics["test_confusion_matrix"], trainer.state.global_step)
        finish_trackers(trainer)
    except Exception as error:  # whatever a tracker stumbles over, such as a network that is gone
        logger.warning("a tracker was not told of the test: %s: %s; the scores are saved", type(error).__name__, error)


def _license(run: Run) -> str:
    """Licence of the weights: of what they were trained on, not of what they are scored on."""
    start = run.arguments.model.model_name_or_path
    if run.trains and start is not None and run.own_clips:
        return license_of(Path(start))  # nobody knows the licence of the clips; that of the checkpoint is carried on
    return run.clips.corpus.license if run.trains else license_of(Path(run.load_from))


def push(run: Run) -> None:
    """Push the model of the output folder to the hub.

    Raises:
        NoCardError: It has no card. Nothing was pushed.
        PublishError: It cannot be pushed; the message says why.
    """
    has_card = [(run.folder / CARD_FILE).is_file()]
    if not broadcast_object_list(has_card)[0]:  # of the main process: all of them go on, or none
        raise NoCardError(
            f"--push_to_hub: {run.folder / CARD_FILE} could not be written, and nobody should get a model without its "
            "limits and licence; mend what the warning above names, and score and push it again"
        )
    if (
        not run.trains
    ):  # a checkpoint that was scored is not there yet; a trained model is, and a resumed one only there
        run.trainer.save_model(_internal_call=True)
    run.trainer.push_to_hub()


def _finished(run: Run) -> RunRecord | None:
    """The scores that this very run left when it finished, if it did; what it was stopped before is written now."""
    if not (run.folder / METRICS_FILE).is_file() or not same_run(run.identity, run.folder):
        return None
    try:
        metrics = read_metrics(run.folder, tested=run.arguments.tests)
    except ValueError:  # not a file of ours: the run is scored again
        return None
    if run.is_main and run.arguments.tests:
        complete_run(metrics, run.clips.account, run.folder, license_id=_license(run), model_name=run.model_name)
    return metrics


@cache
def say_once(text: str) -> None:
    """Tell people what the runs of an experiment have in common, the first time."""
    say(text)


def say(text: str) -> None:
    """Tell people; standard output holds results, standard error everything else."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
