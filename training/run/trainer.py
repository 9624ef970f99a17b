"""What HF Trainer lacks: learning rates per branch, the epoch for augmentation, and our own card."""

import math
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from emofusion.data import ClipCollator, EpochClock
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.backbones_emofusion import depths_of
from emofusion.modeling.seen_emofusion import NOBODY_KNOWS, Seen
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.publish.hub import Repository
from emofusion.training.publish.push import pack, push_model, to_stderr
from emofusion.training.setup.batches import least_clips

from .averaged_weights import AveragedWeights
from .clip_loops import ClipLoops
from .loss_over_clips import LossOverClips
from .progress import Progress, no_bars_of_transformers
from .start_counts import StartCounts
from .tracking import ConfusionImages, ScoresWithConfusion


class EmoFusionTrainer(StartCounts, AveragedWeights, ClipLoops, LossOverClips):
    """Trainer whose optimizer knows the branches; the card is ours and not overwritten.

    Args:
        args: As Trainer's.
        seen (`tuple[Seen, Seen]`): What the weights have seen before training, and after a step of it.
        kwargs: As Trainer's, and `least_clips`.
    """

    def __init__(
        self,
        *args: Any,
        seen: tuple[Seen, Seen] = (NOBODY_KNOWS, NOBODY_KNOWS),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._seen_before, self._seen_after = seen

    @property
    def seen(self) -> Seen:
        """What the weights have seen by now; what is fitted on validation actors has seen them, too."""
        return self._seen_after if self.state.global_step or self.args.fits else self._seen_before

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        self.accelerator.unwrap_model(self.model).seal_seen(self.seen, state_dict)
        with no_bars_of_transformers():
            super()._save(output_dir, state_dict)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's own optimizer, its groups split where a branch or a layer of it has a rate of its own."""
        optimizer = super().create_optimizer(model)
        rates = self._rates_of_encoders(self.accelerator.unwrap_model(model or self.model))
        if rates:
            groups = []
            for group in optimizer.param_groups:
                by_rate: dict[float, list[torch.nn.Parameter]] = {}
                for parameter in group["params"]:
                    by_rate.setdefault(rates.get(parameter, group["lr"]), []).append(parameter)
                groups += [{**group, "params": chosen, "lr": rate} for rate, chosen in by_rate.items()]
            optimizer.param_groups[:] = groups
        return optimizer

    def _rates_of_encoders(self, model: EmoFusionModel) -> dict[torch.nn.Parameter, float]:
        """Learning rates of the weights of encoders; empty where all have that of the head.

        Source of the decay from layer to layer: Clark et al. 2020, ELECTRA (arXiv:2003.10555).
        """
        args = self.args
        rates: dict[torch.nn.Parameter, float] = {}
        for name in model.config.modalities:
            own, encoder = getattr(args, f"{name}_learning_rate"), getattr(model, f"{name}_encoder")
            rate = args.learning_rate if own is None else own
            if own is not None:
                rates |= dict.fromkeys(encoder.parameters(), rate)
            if args.layer_decay < 1 and getattr(model.config, f"{name}_encoder") == "auto":
                rates |= {
                    parameter: rate * args.layer_decay**depth for parameter, depth in depths_of(encoder.backbone)
                }
        return rates

    def push_to_hub(self, *_: Any, **__: Any) -> None:
        """Push what of the output folder is the model, as `emofusion push` does; it must be saved there already."""
        args = self.args
        self.callback_handler.on_push_begin(args, self.state, self.control)
        if self.hub_model_id is None:
            self.init_hf_repo(token=args.hub_token)
        if not self.is_world_process_zero():
            return
        package = pack(Path(str(args.output_dir)), str(self.hub_model_id))
        repository = Repository(str(self.hub_model_id), to_stderr, branch=args.hub_revision, token=args.hub_token)
        push_model(package, repository, to_stderr, private=bool(args.hub_private_repo))

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `train_hf.py` has written the card (evaluation/reports/card.py)."""


class TellEpoch(TrainerCallback):
    """Sets the clock by which augmentation draws."""

    def __init__(self, clock: EpochClock) -> None:
        self.clock = clock

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """After a resume in mid-epoch the state holds a fraction of that epoch."""
        self.clock.epoch = math.floor((state.epoch or 0.0) + 1e-6)


def make_trainer(
    arguments: Arguments,
    model: EmoFusionModel,
    processor: EmoFusionProcessor,
    inputs: dict[str, Dataset],
    clock: EpochClock,
    seen: tuple[Seen, Seen],
) -> EmoFusionTrainer:
    """The trainer of a run.

    Args:
        arguments (`Arguments`): How to train.
        model (`EmoFusionModel`): What to train.
        processor (`EmoFusionProcessor`): Saved with it.
        inputs (`dict[str, Dataset]`): Model inputs by split.
        clock (`EpochClock`): By which the augmentation of the training split draws.
        seen (`tuple[Seen, Seen]`): What the weights have seen before training, and after a step of it.
    """
    callbacks: list[TrainerCallback] = [TellEpoch(clock)]
    if arguments.training.early_stopping_patience is not None and arguments.training.eval_strategy != "no":
        callbacks.append(EarlyStoppingCallback(arguments.training.early_stopping_patience))
    scores = ScoresWithConfusion(model.config.num_labels)
    trainer = EmoFusionTrainer(
        model=model,
        args=arguments.training,
        processing_class=processor,
        seen=seen,
        least_clips=least_clips(arguments, model.config),
        train_dataset=inputs["train"] if arguments.trains else None,
        eval_dataset=inputs.get("validation") if arguments.trains else None,
        data_collator=ClipCollator(model.config.num_labels),
        compute_metrics=scores,
        callbacks=callbacks,
    )
    for shows_dicts in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(shows_dicts)
    trainer.add_callback(Progress())
    trainer.add_callback(ConfusionImages(trainer, scores))
    return trainer
