"""One run: from flags to a Trainer that is ready, and what it then does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import EarlyStoppingCallback
from transformers.trainer_utils import PredictionOutput

from emofusion.data import ClipCollator, Corpus, describe_corpus
from emofusion.evaluation import report
from emofusion.evaluation.metrics import compute_metrics
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor

from . import model_setup, splits_setup
from .arguments import DataArguments, EmoFusionTrainingArguments, ModelArguments
from .checks import check_flags, checkpoint_to_resume, keep_installed_trackers, only_scores
from .trainer import EmoFusionTrainer, TellEpoch


@dataclass
class Run:
    """Everything of one run.

    Attributes:
        trains (`bool`): False where a checkpoint is only scored.
        splits (`dict[str, Dataset]`): Rows by split, without their transform.
        inputs (`dict[str, Dataset]`): The same rows as model inputs.
        checkpoint (`str`, *optional*): Where training resumes.
    """

    data_args: DataArguments
    args: EmoFusionTrainingArguments
    config: EmoFusionConfig
    corpus: Corpus
    splits: dict[str, Dataset]
    inputs: dict[str, Dataset]
    trainer: EmoFusionTrainer
    trains: bool
    checkpoint: str | None

    @property
    def model_name(self) -> str:
        """What the card calls the model: its name on the hub, else its folder."""
        return self.trainer.hub_model_id if self.args.push_to_hub else Path(str(self.args.output_dir)).name

    def record(self) -> dict[str, Any]:
        """What metrics.json says of the run beside its scores."""
        protocol = report.Protocol(
            self.corpus, self.data_args.protocol, self.data_args.fold, self.config.label_set, self.splits
        )
        return protocol.record() | report.run_record(self.trainer.model, self.args.seed) | {"trained": self.trains}


def prepare(model_args: ModelArguments, data_args: DataArguments, args: EmoFusionTrainingArguments) -> Run:
    """Load and build everything; all that can be wrong with flags and corpus is found here.

    Raises:
        ArgumentError, FileNotFoundError: naming the flag or the file.
    """
    check_flags(model_args, data_args, args)
    keep_installed_trackers(args)
    trains = not only_scores(args)
    config = model_setup.make_config(model_args, data_args, args)
    processor = EmoFusionProcessor.from_config(config)
    with args.main_process_first(desc="decoding"):  # the others find the clips decoded
        splits = splits_setup.load_splits(data_args, config, processor)
    if trains:
        splits_setup.check_training_splits(splits, args)
    model = model_setup.make_model(config, model_args, splits["train"]["label"] if trains else None)
    augmentation = splits_setup.augmentation_for(data_args, args.seed)
    inputs = splits_setup.with_inputs(splits, processor, augmentation)
    callbacks = [TellEpoch(augmentation.clock)]
    if args.early_stopping_patience is not None:
        callbacks.append(EarlyStoppingCallback(args.early_stopping_patience))
    trainer = EmoFusionTrainer(
        model=model,
        args=args,
        processor=processor,
        train_dataset=inputs["train"] if trains else None,
        eval_dataset=inputs.get("validation"),
        data_collator=ClipCollator(),
        compute_metrics=compute_metrics,
        callbacks=callbacks,
    )
    return Run(
        data_args=data_args,
        args=args,
        config=config,
        corpus=describe_corpus(Path(data_args.data_dir or "").expanduser()),
        splits=splits,
        inputs=inputs,
        trainer=trainer,
        trains=trains,
        checkpoint=checkpoint_to_resume(args),
    )


def train(run: Run) -> dict[str, Any]:
    """Train, end with the best checkpoint, save it; returns what metrics.json says of the training."""
    trainer = run.trainer
    result = trainer.train(resume_from_checkpoint=run.checkpoint)
    trainer.save_model()
    trainer.save_state()
    record = {
        "epochs": round(trainer.state.epoch or 0, 2),
        "train_loss": result.training_loss,
        "train_clips_per_second": result.metrics["train_samples_per_second"],
    }
    if trainer.state.best_metric is not None:
        record["validation_macro_f1"] = trainer.state.best_metric
    return record


def predict_test(run: Run) -> PredictionOutput | None:
    """Score the test actors; None where the corpus has none of them."""
    return run.trainer.predict(run.inputs["test"]) if "test" in run.inputs else None
