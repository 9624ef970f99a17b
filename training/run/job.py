"""One run from its command line to its output folder, top to bottom.

parse -> validate -> clips -> model -> trainer -> train -> score -> save

`run_job` is the whole of it, and `make_ready` its first five steps, which a trial of a search takes as well.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from huggingface_hub.errors import StrictDataclassError
from transformers import set_seed
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput

from emofusion.data import EpochClock
from emofusion.data.corpora.registry import CORPORA
from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.evaluation.record.predictions import predictions_table
from emofusion.evaluation.record.run_record import OutcomeFields, PreparedFields, RunRecord, SetupFields
from emofusion.evaluation.record.setup_fields import circumstance_fields, corpus_fields, model_fields
from emofusion.evaluation.record.training_fields import training_fields
from emofusion.evaluation.reports.card import license_of
from emofusion.evaluation.reports.run_report import complete_run, remove_results, save_run
from emofusion.evaluation.reports.summary import summary
from emofusion.evaluation.run_files import CARD_FILE, METRICS_FILE
from emofusion.evaluation.scores.robustness import robustness_table
from emofusion.evaluation.scores.scoring import score_predictions
from emofusion.evaluation.scores.trainer_output import logits_of
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError, DivergedError, NoCardError, SetupError
from emofusion.training.setup.batches import check_drop_last
from emofusion.training.setup.checkpoints import check_has_optimizer, checkpoint_to_resume, resumes
from emofusion.training.setup.checks import check_flags, check_model, check_start
from emofusion.training.setup.clips import Clips, augmentation_for, load_clips
from emofusion.training.setup.defaults import (
    fill_in_protocol,
    fill_in_what_scoring_needs,
    leave_out_absent_trackers,
)
from emofusion.training.setup.embeddings import EmbeddedClips, embed, embed_training
from emofusion.training.setup.encoder_weights import check_encoder_weights
from emofusion.training.setup.identity import check_same_run, identity_of, same_run, save_identity
from emofusion.training.setup.model import make_config, make_model, make_processor
from emofusion.training.setup.training_actors import leak_of, seen_after, seen_before

from .calibration import calibrate
from .tracking import check_wandb_login, finish_trackers, folder_name, log_confusion, name_run
from .trainer import EmoFusionTrainer, make_trainer

logger = logging.getLogger(__name__)

SCRIPT = "train_hf.py"


def run_job(
    words: Sequence[str],
    resume: bool = False,
    within: Path | None = None,
    command: Sequence[str] | None = None,
) -> RunRecord:
    """Do one run; returns the content of its metrics.json.

    Args:
        words (`Sequence[str]`): Its command line, without the script's name.
        resume (`bool`): Go on where the run was stopped, as `--resume_from_checkpoint latest` does; a finished run is
            only read, and quietly.
        within (`Path`, *optional*): Folder of the experiment that the run is one of.
        command (`Sequence[str]`, *optional*): What metrics.json calls its command line, where that is another.

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
            say(f"{summary(finished)}\nfinished already, nothing was trained or scored again: {run.folder}")
        if arguments.training.push_to_hub:
            push(run)
        return finished
    if run.is_main:
        (say if within is None else say_once)(run.clips.account.table())
    prepared: PreparedFields = train(run) if run.trains else _calibrate(run)
    known = run.record([SCRIPT, *(words if command is None else command)])
    predictions, outcome = score(run, known["labels"])
    metrics: RunRecord = {**known, **prepared, **outcome}
    if run.is_main:
        save(run, predictions, metrics)
    tell_trackers(run.trainer, metrics)
    if run.arguments.training.push_to_hub:
        push(run)
    return metrics


@dataclass
class Run:
    """Everything of one run that is ready to train, or to score a checkpoint.

    Attributes:
        arguments (`Arguments`): What it was told, with what was left open filled in.
        config (`EmoFusionConfig`): Of its model.
        clips (`Clips`): Rows by split, and the account of the corpus.
        clock (`EpochClock`): By which the augmentation of the training split draws.
        inputs (`dict[str, Dataset]`): The same rows as model inputs.
        trainer (`EmoFusionTrainer`): With model and processor.
        leaky (`bool`, *optional*): Whether actors of the test were seen in training; None where nobody knows.
        identity (`dict`): What must not change on the way.
        checkpoint (`str`, *optional*): Where training resumes.
        name (`str`): Name of its output folder, with that of the experiment that it is one of.
    """

    arguments: Arguments
    config: EmoFusionConfig
    clips: Clips
    clock: EpochClock
    inputs: dict[str, Dataset]
    trainer: EmoFusionTrainer
    leaky: bool | None
    identity: dict[str, Any]
    checkpoint: str | None
    name: str

    @property
    def trains(self) -> bool:
        """False where a checkpoint is only scored."""
        return self.arguments.trains

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.trainer.is_world_process_zero()

    @property
    def folder(self) -> Path:
        """Its output folder."""
        return Path(str(self.arguments.training.output_dir))

    @property
    def load_from(self) -> str:
        """What `from_pretrained` takes to load the model."""
        args = self.arguments.training
        if args.push_to_hub and args.hub_model_id:
            return args.hub_model_id
        return Path(str(args.output_dir if self.trains else self.arguments.model.model_name_or_path)).as_posix()

    @property
    def model_name(self) -> str:
        """What the card calls the model: its name on the hub, else its folder."""
        return self.trainer.hub_model_id if self.arguments.training.push_to_hub else self.name

    def record(self, command: Sequence[str]) -> SetupFields:
        """What metrics.json says of the run beside its scores; `command` are the words of its command line."""
        data, args = self.arguments.data, self.arguments.training
        corpus = corpus_fields(
            self.clips.corpus,
            self.clips.account,
            self.clips.splits,
            label_set=self.config.label_set,
            protocol=str(data.protocol),
            fold=data.fold,
            test_part=CORPORA[data.corpus].test_part,
        )
        circumstances = circumstance_fields(
            command,
            seed=args.seed,
            trained=self.trains,
            leaky=self.leaky,
            processes=args.world_size,
            load_from=self.load_from,
        )
        return {**corpus, **model_fields(self.trainer.model, self.trainer.seen), **circumstances}


def make_ready(arguments: Arguments, within: Path | None = None) -> Run:
    """Validate, decode and build everything; all that can be wrong with flags and corpus is found here.

    Args:
        arguments (`Arguments`): The run's; what they leave open is filled in.
        within (`Path`, *optional*): Folder of the experiment that the run is one of, for its name in trackers.

    Raises:
        ValueError, OSError: naming the flag or the file.
    """
    set_seed(arguments.training.seed)
    config = complete_and_check(arguments)
    processor = make_processor(config, arguments)
    clips = load_clips(arguments, config, processor)
    if arguments.trains:
        check_drop_last(arguments.training, len(clips.splits["train"]))
    identity = identity_of(config, arguments, clips)
    checkpoint = _checkpoint_of_same_run(arguments, identity)
    before = seen_before(arguments, checkpoint)
    seen = seen_after(before, arguments, config, clips)
    leaky = leak_of(seen, arguments, clips)
    model = make_model(config, arguments.model, clips.splits["train"]["label"] if arguments.trains else None)
    augmentation = augmentation_for(arguments)
    name_run(arguments.training, resumes=checkpoint is not None, within=within)
    inputs = clips.inputs(processor, augmentation)
    trainer = make_trainer(arguments, model, processor, inputs, augmentation.clock, seen=(before, seen))
    name = folder_name(Path(str(arguments.training.output_dir)), within)
    return Run(arguments, config, clips, augmentation.clock, inputs, trainer, leaky, identity, checkpoint, name)


def complete_and_check(arguments: Arguments) -> EmoFusionConfig:
    """Fill in what the flags leave open, refuse what cannot work; returns the config of the model.

    Raises:
        ValueError, OSError: naming the flag or the checkpoint.
    """
    fill_in_protocol(arguments)
    check_flags(arguments)
    leave_out_absent_trackers(arguments)
    check_wandb_login(arguments.training)
    fill_in_what_scoring_needs(arguments)
    check_start(arguments.model)
    config = make_config(arguments)
    check_model(arguments, config)
    check_encoder_weights(arguments.model, config, arguments.trains)
    return config


def check_words(words: Sequence[str], place: str) -> None:
    """Find what is wrong with the flags of one run of several by themselves, before anything is read.

    Raises:
        ArgumentError: Something is; the message begins with `place`.
    """
    try:
        arguments = parse_arguments(words)
        check_start(arguments.model)
        config = make_config(arguments)
        check_model(arguments, config)
        check_encoder_weights(arguments.model, config, arguments.trains)
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


def _checkpoint_of_same_run(arguments: Arguments, identity: dict[str, Any]) -> str | None:
    """Where to resume, if there is something to resume.

    Raises:
        ArgumentError: What is there was begun with other settings.
    """
    checkpoint = checkpoint_to_resume(arguments.training)
    if resumes(arguments.training):
        if checkpoint:
            check_same_run(identity, Path(checkpoint).parent, must_know=True)
            check_has_optimizer(checkpoint, averaged=arguments.training.ema_decay > 0)
        check_same_run(identity, Path(str(arguments.training.output_dir)))
    return checkpoint


def train(run: Run) -> PreparedFields:
    """Train, end with the weights that are kept, save them; returns what metrics.json says of the training."""
    trainer = run.trainer
    if run.is_main:
        remove_results(run.folder)  # of an earlier run, whose weights go
        save_identity(run.identity, run.folder)
    if run.arguments.model.embedding_views:
        _train_on_embeddings(run)
    nothing_to_learn = run.arguments.training.num_train_epochs == 0
    if nothing_to_learn and run.arguments.validates:
        trainer.evaluate()
    result = None if nothing_to_learn else trainer.train(resume_from_checkpoint=run.checkpoint)
    calibrated = _calibrate(run)  # before the model is saved: its config keeps what was fitted
    trainer.save_model(_internal_call=True)  # else it would push here already, without scores and card
    trainer.save_state()
    # Trainer counts the steps of this call alone.
    loss = result.training_loss if result is not None and run.checkpoint is None else None
    args = run.arguments.training
    trained = training_fields(trainer.state, str(args.metric_for_best_model), str(args.select), loss)
    return {**trained, **calibrated}


def _calibrate(run: Run) -> PreparedFields:
    """Fit temperatures on the validation actors, where that is asked for."""
    if not run.arguments.training.calibrate:
        return {}
    return {**calibrate(run.trainer, run.clips.splits["validation"], run.inputs["validation"], run.inputs["test"])}


def _train_on_embeddings(run: Run) -> None:
    """Let the trainer see what the frozen encoders make of the clips, computed now, in place of the clips."""
    trainer, size = run.trainer, run.arguments.training.per_device_eval_batch_size
    model, device = trainer.accelerator.unwrap_model(trainer.model), run.arguments.training.device
    views = run.arguments.model.embedding_views
    trainer.train_dataset = embed_training(model, run.inputs["train"], run.clock, views, size, device)
    if trainer.eval_dataset is not None:
        validation = embed(model, run.inputs["validation"], size, device, "embedding, validation")
        trainer.eval_dataset = EmbeddedClips([validation])


def score(run: Run, labels: Sequence[str]) -> tuple[pd.DataFrame, OutcomeFields]:
    """Score the test actors, once as they are and then with missing and damaged input.

    Returns:
        The table of predictions, a row a clip, and the scores as metrics.json has them.

    Raises:
        DivergedError: The model has no finite output for some clips.
    """
    rows = run.clips.splits["test"]
    prediction = run.trainer.predict(run.inputs["test"])
    _check_finite(prediction, run.folder)
    predictions = predictions_table(rows, prediction, labels)
    scores = score_predictions(predictions, list(labels))
    robustness = robustness_table(
        lambda damaged: _predict_quietly(run.trainer, damaged),
        rows,
        run.trainer.processing_class,
        run.config.modalities,
        undisturbed=prediction,
    )
    return predictions, {**scores, "robustness": robustness}


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
        log_confusion(trainer, "test", metrics["test_confusion_matrix"], trainer.state.global_step)
        finish_trackers(trainer)
    except Exception as error:  # whatever a tracker stumbles over, such as a network that is gone
        logger.warning("a tracker was not told of the test: %s: %s; the scores are saved", type(error).__name__, error)


def _license(run: Run) -> str:
    """Licence of the weights: of what they were trained on, not of what they are scored on."""
    return run.clips.corpus.license if run.trains else license_of(Path(run.load_from))


def push(run: Run) -> None:
    """Push the output folder to the hub.

    Raises:
        NoCardError: It has no card. Nothing was pushed.
    """
    has_card = [(run.folder / CARD_FILE).is_file()]
    if not broadcast_object_list(has_card)[0]:  # of the main process: all of them go on, or none
        raise NoCardError(
            f"--push_to_hub: {run.folder / CARD_FILE} could not be written, and nobody should get a model without its "
            "limits and licence; mend what the warning above names, and score and push it again"
        )
    run.trainer.push_to_hub()


def _finished(run: Run) -> RunRecord | None:
    """The scores that this very run left when it finished, if it did; what it was stopped before is written now."""
    if not (run.folder / METRICS_FILE).is_file() or not same_run(run.identity, run.folder):
        return None
    try:
        metrics = read_metrics(run.folder)
    except ValueError:  # not a file of ours: the run is scored again
        return None
    if run.is_main:
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
