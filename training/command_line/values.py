"""Numbers and words that a flag can have. A wrong one would be found after all clips are decoded, or never."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.trainer_utils import HubStrategy, IntervalStrategy, SaveStrategy, SchedulerType
from transformers.training_args import OptimizerNames, trainer_log_levels

from emofusion.data.inputs.augmentation import MOST
from emofusion.evaluation.scores.score_fields import Scores

from .flags import expected_one_of, flag_of

Rule = tuple[Callable[[float], bool], str]
"""Whether a number will do, and what to write instead of one that will not."""

_ONE_OR_MORE: Rule = (lambda number: number >= 1, "write 1 or more")
_NOT_NEGATIVE: Rule = (lambda number: number >= 0, "write 0 or more")
_POSITIVE: Rule = (lambda number: number > 0, "write a number above 0")
_BELOW_ONE: Rule = (lambda number: 0 <= number < 1, "write a number from 0 to below 1")
_SEED: Rule = (lambda number: 0 <= number < 2**32, "write 0 to 4294967295")


def _up_to(most: float) -> Rule:
    return (lambda number: 0 <= number <= most), f"write a number from 0 (which leaves it out) to {most:g}"


_STEPS: Rule = (
    lambda number: 0 < number < 1 or (number >= 1 and number == int(number)),
    "write a whole number of steps, or a share of all steps below 1",
)
_WARMUP: Rule = (lambda number: number == 0 or _STEPS[0](number), f"{_STEPS[1]}, or 0")

RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "per_device_train_batch_size",
            "per_device_eval_batch_size",
            "gradient_accumulation_steps",
            "early_stopping_patience",
            "eval_accumulation_steps",
            "torch_empty_cache_steps",
            "dataloader_prefetch_factor",
            "ddp_timeout",
            "ddp_bucket_cap_mb",
            "max_train_samples",
            "max_eval_samples",
        ),
        _ONE_OR_MORE,
    ),
    **dict.fromkeys(
        (
            "learning_rate",
            "joint_learning_rate",
            "audio_learning_rate",
            "video_learning_rate",
            "adam_epsilon",
            "spec_augment_strength",
        ),
        _POSITIVE,
    ),
    **dict.fromkeys(
        (
            "dataloader_num_workers",
            "weight_decay",
            "max_grad_norm",
            "eval_delay",
            "embedding_views",
            "audio_trainable_layers",
            "video_trainable_layers",
            "joint_epochs",
            "num_train_epochs",
        ),
        _NOT_NEGATIVE,
    ),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "label_smoothing_factor", "ema_decay"), _BELOW_ONE),
    **{flag_of(name): _up_to(most) for name, most in MOST.items()},
    "unsure_accuracy": _up_to(1),
    "layer_decay": (lambda number: 0 < number <= 1, "write a number above 0, up to 1 (which leaves it out)"),
    **dict.fromkeys(("eval_steps", "save_steps", "logging_steps"), _STEPS),
    **dict.fromkeys(("seed", "data_seed"), _SEED),
    "warmup_steps": _WARMUP,
    "max_steps": (lambda number: number == -1 or number >= 1, "write 1 or more, or -1 to go by --num_train_epochs"),
    "save_total_limit": (lambda number: number >= 0, "write 1 or more, or 0 to keep all of them"),
}


def check_numbers(values: Any) -> None:
    """Refuse numbers that cannot be, nan and infinity among them.

    Args:
        values (`Any`): A dataclass of arguments.

    Raises:
        ValueError: naming the first flag.
    """
    for name, (will_do, instead) in RULES.items():
        number = getattr(values, name, None)
        if number is not None and not (math.isfinite(number) and will_do(number)):
            raise ValueError(f"--{name} {number}: {instead}")


LOSS = "loss"
METRICS = (LOSS, *Scores.__annotations__)
"""What validation measures: the loss, of which less is better, and scores, of which more is."""


def _values(kind: Iterable[Any]) -> list[str]:
    return [str(choice.value) for choice in kind]


CHOICES: dict[str, list[str]] = {
    "lr_scheduler_type": _values(SchedulerType),
    "optim": _values(OptimizerNames),
    "eval_strategy": _values(IntervalStrategy),
    "logging_strategy": _values(IntervalStrategy),
    "save_strategy": _values(SaveStrategy),
    "hub_strategy": _values(HubStrategy),
    "log_level": list(trainer_log_levels),
    "log_level_replica": list(trainer_log_levels),
    "debug": ["underflow_overflow"],
    # The others sort clips by their length, and for the model all are equally long.
    "train_sampling_strategy": ["random", "sequential"],
    "torch_compile_mode": ["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"],
    "dataloader_multiprocessing_context": ["fork", "spawn", "forkserver"],
    "metric_for_best_model": list(METRICS),
    "report_to": ["none", "all", *INTEGRATION_TO_CALLBACK],
}


def check_choices(values: Any) -> None:
    """Refuse words that are none of the choices.

    Args:
        values (`TrainingArguments`): As they were given; `metric_for_best_model` without Trainer's `eval_`.

    Raises:
        ValueError: naming the first such flag, and what may have been meant.
    """
    for name, choices in CHOICES.items():
        value = getattr(values, name)
        for word in value if isinstance(value, list) else [value]:
            text = str(getattr(word, "value", word))
            if word not in (None, "") and text not in choices:
                raise ValueError(f"--{name} {text}: {expected_one_of(choices, text)}")


def less_is_better(metric: str) -> bool:
    """Whether a checkpoint with less of it is the better one."""
    return metric == LOSS
