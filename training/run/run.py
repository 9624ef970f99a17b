"""One run: from flags to a Trainer that is ready, and what it then does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import EarlyStoppingCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, IntervalStrategy, PredictionOutput

from emofusion.data import Account, ClipCollator, Corpus
from emofusion.data.corpora.image_account import ImageAccount
from emofusion.data.corpora.registry import CORPORA
from emofusion.data.protocols import LEAKY
from emofusion.evaluation.compare import METRICS_FILE
from emofusion.evaluation.reports import report
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.arguments import DataArguments, EmoFusionTrainingArguments, ModelArguments
from emofusion.training.setup import model as model_setup
from emofusion.training.setup import splits as splits_setup
from emofusion.training.setup.checks import (
    check_branch_rates,
    check_flags,
    check_reads_corpus,
    checkpoint_to_resume,
    keep_installed_trackers,
    only_scores,
    resumes,
)
from emofusion.training.setup.encoder_weights import check_encoder_weights, encoder_sources
from emofusion.training.setup.identity import check_same_run, identity_of, save_identity
from emofusion.training.setup.leaks import actors_of, check_leak, seen_by, seen_in_training

from .tracking import ConfusionImages, ScoresWithConfusion, check_wandb_login, folder_name, name_run
from .trainer import EmoFusionTrainer, TellEpoch


@dataclass
class Run:
    """Everything of one run.

    Attributes:
        trains (`bool`): False where a checkpoint is only scored.
        account (`Account` or `ImageAccount`): What was read of the corpus and what was not.
        splits (`dict[str, Dataset]`): Rows by split, without their transform.
        inputs (`dict[str, Dataset]`): The same rows as model inputs.
        images (`ConfusionImages`): Draws for trackers.
        checkpoint (`str`, *optional*): Where training resumes.
        identity (`dict`): What must not change on the way.
        folder_name (`str`): Name of its output folder, with that of the experiment that it is one of.
        load_from (`str`): What `from_pretrained` takes to load the model.
        leaky (`bool`, *optional*): Whether actors of the test were seen in training; None where nobody knows.
    """

    data_args: DataArguments
    args: EmoFusionTrainingArguments
    config: EmoFusionConfig
    corpus: Corpus
    account: Account | ImageAccount
    splits: dict[str, Dataset]
    inputs: dict[str, Dataset]
    trainer: EmoFusionTrainer
    images: ConfusionImages
    trains: bool
    checkpoint: str | None
    identity: dict[str, Any]
    folder_name: str
    load_from: str
    leaky: bool | None

    @property
    def model_name(self) -> str:
        """What the card calls the model: its name on the hub, else its folder."""
        return self.trainer.hub_model_id if self.args.push_to_hub else self.folder_name

    def record(self, command: Sequence[str]) -> dict[str, Any]:
        """What metrics.json says of the run beside its scores; `command` are the words of its command line."""
        protocol = report.Protocol(
            corpus=self.corpus,
            name=str(self.data_args.protocol),
            fold=self.data_args.fold,
            label_set=self.config.label_set,
            splits=self.splits,
            account=self.account,
            test_part=CORPORA[self.data_args.corpus].test_part,
        )
        facts = {
            "trained": self.trains,
            "leaky": self.leaky,
            "processes": self.args.world_size,
            "load_from": self.load_from,
        }
        return protocol.record() | report.run_record(self.trainer.model, self.args.seed, command) | facts


def _load_from(model_args: ModelArguments, args: EmoFusionTrainingArguments, trains: bool) -> str:
    if args.push_to_hub and args.hub_model_id:
        return args.hub_model_id
    return Path(str(args.output_dir if trains else model_args.model_name_or_path)).as_posix()


def prepare(
    model_args: ModelArguments, data_args: DataArguments, args: EmoFusionTrainingArguments, within: Path | None = None
) -> Run:
    """Load and build everything; all that can be wrong with flags and corpus is found here.

    Args:
        model_args (`ModelArguments`): Flags of the model.
        data_args (`DataArguments`): Flags of corpus and split.
        args (`EmoFusionTrainingArguments`): Flags of the training.
        within (`Path`, *optional*): Folder of the experiment that the run is one of, for its name in trackers.

    Raises:
        ArgumentError, FileNotFoundError: naming the flag or the file.
    """
    check_flags(model_args, data_args, args)
    keep_installed_trackers(args)
    check_wandb_login(args)
    trains = not only_scores(args)
    if not trains:
        args.eval_strategy, args.load_best_model_at_end = IntervalStrategy.NO, False
    config = model_setup.make_config(model_args, data_args, args)
    check_branch_rates(args, config.modalities)
    check_encoder_weights(model_args, config, trains)
    check_reads_corpus(config, model_args, data_args)
    processor = model_setup.make_processor(config, model_args)
    with args.main_process_first(desc="decoding"):  # the others find the clips decoded
        needed = splits_setup.needed_splits(args, trains)
        splits, builder = splits_setup.load_splits(data_args, config, processor, needed)
    if trains:
        before = [seen_by(config)] if model_args.model_name_or_path else []
        trained_on = seen_in_training([*before, *encoder_sources(model_args)], splits)
        config.training_actors, config.training_actors_complete = sorted(trained_on.known), trained_on.complete
    seen = check_leak(seen_by(config), actors_of(splits["test"]), args, data_args.allow_leaky_split)
    leaky = True if data_args.protocol == LEAKY else seen
    checkpoint = checkpoint_to_resume(args)
    identity = identity_of(config, model_args, data_args, args, splits, builder.fingerprint)
    if resumes(args):
        begun = Path(checkpoint).parent if checkpoint else Path(str(args.output_dir))
        check_same_run(identity, begun, must_know=checkpoint is not None)
    model = model_setup.make_model(config, model_args, splits["train"]["label"] if trains else None)
    augmentation = splits_setup.augmentation_for(data_args, args.seed)
    inputs = splits_setup.with_inputs(splits, processor, augmentation)
    name_run(args, resumes=checkpoint is not None, within=within)
    callbacks = [TellEpoch(augmentation.clock)]
    if args.early_stopping_patience is not None and args.eval_strategy != IntervalStrategy.NO:
        callbacks.append(EarlyStoppingCallback(args.early_stopping_patience))
    scores = ScoresWithConfusion(config.num_labels)
    trainer = EmoFusionTrainer(
        model=model,
        args=args,
        processor=processor,
        train_dataset=inputs["train"] if trains else None,
        eval_dataset=inputs.get("validation") if trains else None,
        data_collator=ClipCollator(),
        compute_metrics=scores,
        callbacks=callbacks,
    )
    images = ConfusionImages(trainer, scores)
    trainer.add_callback(images)
    return Run(
        data_args=data_args,
        args=args,
        config=config,
        corpus=builder.corpus,
        account=builder.account,
        splits=splits,
        inputs=inputs,
        trainer=trainer,
        images=images,
        trains=trains,
        checkpoint=checkpoint,
        identity=identity,
        folder_name=folder_name(Path(str(args.output_dir)), within),
        load_from=_load_from(model_args, args, trains),
        leaky=leaky,
    )


def train(run: Run) -> dict[str, Any]:
    """Train, end with the best checkpoint, save it; returns what metrics.json says of the training."""
    trainer = run.trainer
    if trainer.is_world_process_zero():
        for name in (METRICS_FILE, report.PREDICTIONS_FILE, "README.md"):  # of an earlier run, whose weights go
            (Path(str(run.args.output_dir)) / name).unlink(missing_ok=True)
        save_identity(run.identity, Path(str(run.args.output_dir)))
    result = trainer.train(resume_from_checkpoint=run.checkpoint)
    trainer.save_model(_internal_call=True)  # else it would push here already, without scores and card
    trainer.save_state()
    record: dict[str, Any] = {"epochs": round(trainer.state.epoch or 0, 2)}
    if run.checkpoint is None:  # Trainer counts the steps of this call alone
        record["train_loss"] = result.training_loss
    if trainer.state.best_metric is not None:
        record[f"validation_{run.args.metric_for_best_model}"] = trainer.state.best_metric
    return record


def predict_test(run: Run) -> PredictionOutput:
    """Score the test actors."""
    return run.trainer.predict(run.inputs["test"])


def predict_quietly(run: Run, rows: Dataset) -> EvalLoopOutput:
    """Predict rows with their transform, as `Trainer.predict` does; trackers are not told of the scores."""
    run.trainer.remove_callback(ProgressCallback)  # its bar is only closed by what tells trackers, too
    loader = run.trainer.get_test_dataloader(rows)
    return run.trainer.evaluation_loop(loader, "Prediction", metric_key_prefix="robustness")
