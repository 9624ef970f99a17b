"""Flags of transformers' TrainingArguments that make no sense for this model, and why: every other one works.

[The page about a run](../../docs/train/one_run.md) has the same table; `tests/training/command_line` holds that each
flag of the installed version either stands here or is tried there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_LARGE = "it divides models that are too large for one device; this one has 23 million parameters"
_TOKENS = "it is about tokens of text, and there are none here"
_ALL_AT_ONCE = "macro-F1 and the intervals over actors need the predictions for all clips at once"
_FULL_PRECISION = "the scores would not be those of the weights that are saved; --bf16 speeds scoring up, too"
_ONE_LENGTH = "every clip is equally long for the model"

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "batch_eval_metrics": _ALL_AT_ONCE,
        "eval_do_concat_batches": _ALL_AT_ONCE,
        "include_for_metrics": "the scores are made of predictions and labels alone",
        "eval_use_gather_object": "what this model predicts are tensors, which processes exchange as they are",
        "bf16_full_eval": _FULL_PRECISION,
        "fp16_full_eval": _FULL_PRECISION,
        "deepspeed": _LARGE,
        "fsdp": _LARGE,
        "fsdp_config": _LARGE,
        "parallelism_config": _LARGE,
        "enable_jit_checkpoint": "the training that it ends early would be scored as if it were whole; a run that is "
        "killed goes on from its last checkpoint with --resume_from_checkpoint latest",
        "include_num_input_tokens_seen": _TOKENS,
        "neftune_noise_alpha": _TOKENS,
        "use_cache": "it is about writing text, and this model writes none",
        "use_liger_kernel": "it has kernels for language models alone",
        "liger_kernel_config": "it has kernels for language models alone",
        "label_names": "the labels of a clip are called labels",
        "length_column_name": _ONE_LENGTH,
        "remove_unused_columns": "the inputs are made from all columns",
    }
)
"""What is refused, without its dashes, with any value but the default."""


def refusal(flag: str) -> str:
    """Why a flag is refused, with its name; `flag` may have its value behind it."""
    return f"--{flag}: refused, because {REFUSED[flag.split()[0]]}; leave it out"


def check_refused(values: Any, defaults: Mapping[str, Any]) -> None:
    """Refuse what makes no sense.

    Args:
        values (`TrainingArguments`): As they were given.
        defaults (`Mapping`): Of its fields.

    Raises:
        ValueError: naming the first such flag, and why.
    """
    for name in REFUSED:
        value, default = getattr(values, name), defaults[name]
        asks_for_nothing = default is not True and value in (None, False, "", [])
        if value != default and not asks_for_nothing:
            raise ValueError(refusal(f"{name} false" if default is True else name))
