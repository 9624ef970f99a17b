"""transformers' TrainingArguments as a run has them, and all arguments of a run as one."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import TrainingArguments
from transformers.utils import is_torch_bf16_gpu_available

from .arguments import DataArguments, ModelArguments, TrainingDefaults


@dataclass
class EmoFusionTrainingArguments(TrainingDefaults, TrainingArguments):
    """transformers' TrainingArguments with defaults that suit, and what Trainer lacks."""

    _argument_group_name = "training"

    def __post_init__(self) -> None:
        """Refuse what the device cannot do, before anything is read."""
        if self.output_dir is None:
            raise ValueError(
                "--output_dir is missing: name a folder for weights, scores, plots and card; with a recipe it is "
                "runs/ and the recipe's name"
            )
        if self.fp16 and (self.use_cpu or not torch.accelerator.is_available()):
            raise ValueError("--fp16: half precision needs a GPU and there is none in use; leave the flag out")
        if self.bf16 and not self.use_cpu and not is_torch_bf16_gpu_available():
            raise ValueError(
                "--bf16: no device with bfloat16 in use; leave the flag out, or add --use_cpu to train in bfloat16 "
                "on the CPU"
            )
        if self.eval_strategy == "no":
            self.load_best_model_at_end = False  # nothing tells which one was best
        if self.use_cpu or not torch.accelerator.is_available():
            self.dataloader_pin_memory = False  # it speeds up copies to a GPU; without one torch warns
        super().__post_init__()


class Arguments(NamedTuple):
    """Everything that one run is told.

    Attributes:
        model (`ModelArguments`): The model.
        data (`DataArguments`): Corpus, classes and split.
        training (`EmoFusionTrainingArguments`): How it is trained.
    """

    model: ModelArguments
    data: DataArguments
    training: EmoFusionTrainingArguments

    @property
    def trains(self) -> bool:
        """False where a checkpoint is only to be scored."""
        return bool(self.training.do_train or not self.training.do_predict)

    @property
    def validates(self) -> bool:
        """Whether validation actors choose the checkpoint."""
        return self.trains and self.training.eval_strategy != "no"
