"""transformers' TrainingArguments as a run has them, and all arguments of a run as one."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, NamedTuple

import torch
from transformers import TrainingArguments
from transformers.utils import is_torch_bf16_gpu_available

from emofusion.data.protocols import EVERYONE

from .arguments import DEFAULT_SELECT, ModelArguments, StageArguments, TrainingDefaults
from .built_flags import check_json, check_optimizer, check_torch_compile, point_schedule
from .combinations import check_combinations
from .data_arguments import DataArguments
from .refused_flags import check_refused
from .values import check_choices, check_numbers


@dataclass
class EmoFusionTrainingArguments(TrainingDefaults, TrainingArguments):
    """transformers' TrainingArguments with defaults that suit, and what Trainer lacks."""

    _argument_group_name = "training"

    def __post_init__(self) -> None:
        """Refuse what cannot work, alone or together or on this device, before anything is read."""
        if self.output_dir is None:
            raise ValueError(
                "--output_dir is missing: name a folder for weights, scores, plots and card; with a recipe it is "
                "runs/ and the recipe's name"
            )
        self.metric_for_best_model = str(self.metric_for_best_model or "macro_f1").removeprefix("eval_")
        self._decide_select()
        check_refused(self, _defaults())
        check_numbers(self)
        check_choices(self)
        check_json(self)
        check_torch_compile(self)
        has_gpu = not self.use_cpu and torch.accelerator.is_available()
        check_combinations(self, has_gpu, is_torch_bf16_gpu_available())
        if not has_gpu:
            self.dataloader_pin_memory = False  # it speeds up copies to a GPU; without one torch warns
        super().__post_init__()
        point_schedule(self)
        check_optimizer(self)

    @property
    def fits(self) -> str:
        """The flag by which something is fitted on the validation actors after training; empty where nothing is."""
        return "--calibrate" if self.calibrate else "--unsure_accuracy" if self.unsure_accuracy else ""

    def _decide_select(self) -> None:
        """`--select` and `--load_best_model_at_end` say the same: each is set by the other, or both by default."""
        if self.load_best_model_at_end is not None:
            wanted: Literal["best", "last"] = "best" if self.load_best_model_at_end else "last"
            if self.select not in (None, wanted):
                given = f"--load_best_model_at_end {str(self.load_best_model_at_end).lower()}"
                raise ValueError(
                    f"--select {self.select} with {given}: that is --select {wanted}; leave one of them out"
                )
            self.select = wanted
        if self.select is None:
            self.select = DEFAULT_SELECT if self.eval_strategy != "no" else "last"
        self.load_best_model_at_end = self.select == "best"


def _defaults() -> dict[str, Any]:
    """Values of the flags that have one where none is given."""
    return {
        item.name: item.default_factory() if item.default_factory is not MISSING else item.default
        for item in fields(EmoFusionTrainingArguments)
    }


class Arguments(NamedTuple):
    """Everything that one run is told.

    Attributes:
        model (`ModelArguments`): The model.
        data (`DataArguments`): Corpus, classes and split.
        training (`EmoFusionTrainingArguments`): How it is trained.
        stages (`StageArguments`): Whether the branches of a fusion are trained first.
    """

    model: ModelArguments
    data: DataArguments
    training: EmoFusionTrainingArguments
    stages: StageArguments = StageArguments()

    @property
    def trains(self) -> bool:
        """False where a checkpoint is only to be scored."""
        return bool(self.training.do_train or not self.training.do_predict)

    @property
    def trains_nothing(self) -> bool:
        """Whether a training has no step: what it begins with is what it ends with."""
        return self.trains and self.training.num_train_epochs == 0 and self.training.max_steps <= 0

    @property
    def tests(self) -> bool:
        """Whether anybody is left to be scored on."""
        return self.data.protocol != EVERYONE

    @property
    def validates(self) -> bool:
        """Whether anything is measured on validation actors, of whom there are none where they or everybody trains."""
        return self.has_validation and self.training.eval_strategy != "no"

    @property
    def has_validation(self) -> bool:
        """Whether a training leaves anybody to validate on."""
        return self.trains and self.tests and not self.data.train_on_validation
