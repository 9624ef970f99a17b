"""One run from its command line to its output folder: prepare, train, score the test actors once, save, push."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from huggingface_hub import ModelCard
from huggingface_hub.errors import StrictDataclassError
from transformers import set_seed
from transformers.trainer_utils import PredictionOutput

from emofusion.evaluation.compare import METRICS_FILE
from emofusion.evaluation.reports import card, report
from emofusion.evaluation.scores.metrics import logits_of
from emofusion.evaluation.scores.robustness import robustness_table
from emofusion.evaluation.scores.scoring import score_predictions
from emofusion.training.command_line.recipes import ArgumentError, parse_arguments
from emofusion.training.setup import model as model_setup
from emofusion.training.setup.checks import check_branch_rates, only_scores
from emofusion.training.setup.encoder_weights import check_encoder_weights
from emofusion.training.setup.identity import same_run

from .run import Run, predict_quietly, predict_test, prepare, train
from .tracking import finish_trackers

SCRIPT = "train_hf.py"
CARD_TEMPLATE = Path(__file__).resolve().parents[2] / "model_card.md"


def say(text: str) -> None:
    """Tell people; standard output holds results, standard error everything else."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class JobError(Exception):
    """A run cannot go on; the message says why and what to do."""


class SetupError(JobError):
    """Flags, recipe, checkpoint or corpus are wrong. Nothing was trained."""


class DivergedError(JobError):
    """Training ended in a model that says nothing."""


def run_job(words: Sequence[str], resume: bool = False, within: Path | None = None) -> dict[str, Any]:
    """Do one run; returns the content of its metrics.json.

    Args:
        words (`Sequence[str]`): Its command line, without the script's name.
        resume (`bool`): Go on where the run was stopped, and do nothing where it is finished.
        within (`Path`, *optional*): Folder of the experiment that the run is one of.

    Raises:
        SetupError: Flags, recipe, checkpoint or corpus are wrong. Nothing was trained.
        DivergedError: The model has no finite output for some test clips.
    """
    run = set_up(words, resume, within)
    folder = Path(str(run.args.output_dir))
    if resume and (done := _finished(run, folder)) is not None:
        return done
    is_main = run.trainer.is_world_process_zero()
    if is_main:
        say(run.account.table())
    metrics = run.record([SCRIPT, *words])
    if run.trains:
        metrics |= train(run)
    prediction = predict_test(run)
    _check_finite(prediction, folder)
    table = report.predictions_table(run.splits["test"], prediction, metrics["labels"])
    metrics |= score_predictions(table, metrics["labels"])
    metrics["robustness"] = _robustness(run, prediction)
    run.images.log_test(metrics["test_confusion_matrix"], run.trainer.state.global_step)
    finish_trackers(run.trainer)
    if is_main:
        _save(run, metrics, table, folder)
    if run.args.push_to_hub:
        run.trainer.push_to_hub()
    return metrics


def _check_finite(prediction: PredictionOutput, folder: Path) -> None:
    """Raise where there is nothing to score."""
    finite = np.isfinite(logits_of(prediction.predictions)).all(-1)
    if not finite.all():
        raise DivergedError(
            f"--output_dir {folder}: the model's output is not finite for {(~finite).sum()} of {len(finite)} test "
            "clips, so it cannot be scored; if training diverged, train again in another folder with a lower "
            "--learning_rate, or without --fp16"
        )


def _robustness(run: Run, prediction: PredictionOutput) -> list[dict[str, Any]]:
    """Scores with missing and damaged input."""
    return robustness_table(
        lambda rows: predict_quietly(run, rows),
        run.splits["test"],
        run.trainer.processor,
        run.config.modalities,
        undisturbed=prediction,
    )


def set_up(words: Sequence[str], resume: bool = False, within: Path | None = None) -> Run:
    """A run that is ready to train.

    Raises:
        SetupError: Flags, recipe, checkpoint or corpus are wrong.
    """
    with setup_errors():
        model_args, data_args, args = parse_arguments(words)
        if resume:
            args.resume_from_checkpoint = "latest"
        set_seed(args.seed)
        return prepare(model_args, data_args, args, within)


def check_settings(words: Sequence[str], place: str) -> None:
    """Find what is wrong with the flags of a run by itself, before anything is read.

    Raises:
        ArgumentError: Something is; the message begins with `place`.
    """
    try:
        model_args, data_args, args = parse_arguments(words)
        config = model_setup.make_config(model_args, data_args, args)
        check_branch_rates(args, config.modalities)
        check_encoder_weights(model_args, config, trains=not only_scores(args))
    except (ValueError, OSError, StrictDataclassError) as error:
        raise ArgumentError(f"{place}: {error}") from error


@contextmanager
def setup_errors() -> Iterator[None]:
    """What reading flags, recipe, checkpoint and corpus raises, as one kind of error.

    Raises:
        SetupError: in its place.
    """
    try:
        yield
    except (ValueError, OSError, StrictDataclassError) as error:
        raise SetupError(str(error)) from error


def _finished(run: Run, folder: Path) -> dict[str, Any] | None:
    """The scores that this very run left when it finished, if it did."""
    path = folder / METRICS_FILE
    if not path.is_file() or not same_run(run.identity, folder):
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def _license(run: Run) -> str:
    """Licence of the weights: of what they were trained on, not of what they are scored on."""
    if run.trains:
        return run.corpus.license
    path = Path(run.load_from) / "README.md"
    return str(ModelCard.load(path).data.license) if path.is_file() else "other"


def _save(run: Run, metrics: dict[str, Any], table: pd.DataFrame, folder: Path) -> None:
    """Write predictions, plots, card and, last of all, scores into the output folder, and print the scores."""
    folder.mkdir(parents=True, exist_ok=True)
    report.save_predictions(table, folder)
    run.account.save(folder / "corpus_account.json")
    report.save_plots(metrics, run.trainer.state.log_history, folder)
    card.write_card(metrics, _license(run), CARD_TEMPLATE, folder, model_name=run.model_name)
    report.save_metrics(metrics, folder)  # a run with scores is a finished one
    say(report.summary(metrics))
    say(f"{'weights, ' if run.trains else ''}scores, plots and card: {folder}")
