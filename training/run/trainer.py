"""What HF Trainer lacks: learning rates per branch, the epoch for augmentation, and our own card."""

import math
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from emofusion.data import EpochClock
from emofusion.modeling import EmoFusionProcessor


class EmoFusionTrainer(Trainer):
    """Trainer whose optimizer knows the branches; the card is ours and not overwritten.

    Args:
        args: As Trainer's.
        processor (`EmoFusionProcessor`): Saved with every checkpoint. Not Trainer's `processing_class`: of a processor
            it demands a tokenizer.
        kwargs: As Trainer's.
    """

    def __init__(self, *args: Any, processor: EmoFusionProcessor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.processor = processor

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, state_dict)
        self.processor.save_pretrained(output_dir or self.args.output_dir)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's own optimizer, its parameter groups split by branch where a branch has a rate of its own."""
        optimizer = super().create_optimizer(model)
        rates = {"audio_encoder": self.args.audio_learning_rate, "video_encoder": self.args.video_learning_rate}
        branch_of = {
            parameter: name
            for name, rate in rates.items()
            if rate is not None
            for parameter in getattr(self.accelerator.unwrap_model(model or self.model), name).parameters()
        }
        if branch_of:
            groups = []
            for group in optimizer.param_groups:
                for name in (None, *rates):
                    chosen = [parameter for parameter in group["params"] if branch_of.get(parameter) == name]
                    if chosen:
                        rate = group["lr"] if name is None else rates[name]
                        groups.append({**group, "params": chosen, "lr": rate})
            optimizer.param_groups[:] = groups
        return optimizer

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `train_hf.py` has written the card (evaluation/card.py)."""


class TellEpoch(TrainerCallback):
    """Sets the clock by which augmentation draws."""

    def __init__(self, clock: EpochClock) -> None:
        self.clock = clock

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """After a resume in mid-epoch the state holds a fraction of that epoch."""
        self.clock.epoch = math.floor((state.epoch or 0.0) + 1e-6)
