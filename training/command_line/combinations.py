"""Flags of transformers' TrainingArguments that cannot go together, or would do nothing."""

import os
from typing import Any

from transformers.utils import is_torch_tf32_available

from .built_flags import GO_BY_SCORES
from .values import LOSS, less_is_better

_NEEDS_TARGETS = ("galore", "apollo")


def check_combinations(values: Any, has_gpu: bool, has_bf16: bool) -> None:
    """Refuse flags that cannot go together.

    Args:
        values (`TrainingArguments`): As they were given, before they change each other.
        has_gpu (`bool`): Whether a GPU is in use.
        has_bf16 (`bool`): Whether it has bfloat16.

    Raises:
        ValueError: naming a flag of them.
    """
    _check_precision(values, has_gpu, has_bf16)
    _check_what_is_done(values)
    _check_best(values)
    _check_loading(values)
    if values.optim_target_modules is not None and not str(values.optim).startswith(_NEEDS_TARGETS):
        raise ValueError(f"--optim_target_modules: --optim {values.optim} has no use for it; leave it out")
    if values.ddp_backend and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        raise ValueError(f"--ddp_backend {values.ddp_backend}: there is one process, and none that it talks to")
    if "none" in values.report_to and len(values.report_to) > 1:
        raise ValueError(f"--report_to {' '.join(values.report_to)}: name trackers, or none")
    for name in ("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"):
        if getattr(values, name) and "trackio" not in values.report_to:
            raise ValueError(f"--{name} without --report_to trackio: it would do nothing")


def _check_precision(values: Any, has_gpu: bool, has_bf16: bool) -> None:
    if values.fp16 and values.bf16:
        raise ValueError("--fp16 with --bf16: choose one of them")
    if values.fp16 and not has_gpu:
        raise ValueError("--fp16: half precision needs a GPU and there is none in use; leave the flag out")
    if values.bf16 and not values.use_cpu and not has_bf16:
        raise ValueError(
            "--bf16: no device with bfloat16 in use; leave the flag out, or add --use_cpu to train in bfloat16 "
            "on the CPU"
        )
    if values.tf32 and not is_torch_tf32_available():
        raise ValueError("--tf32: it needs an NVIDIA GPU of 2020 or later, and none is in use; leave the flag out")


def _check_what_is_done(values: Any) -> None:
    """Validation is part of training; a checkpoint alone is scored by `--do_predict`."""
    if values.do_eval and not values.do_train:
        raise ValueError(
            "--do_eval: --eval_strategy says when to validate, and --do_predict scores a checkpoint; leave it out"
        )
    if values.do_eval and values.eval_strategy == "no":
        raise ValueError("--do_eval with --eval_strategy no: choose one of them")
    if values.eval_strategy == "no":
        if values.eval_on_start:
            raise ValueError("--eval_on_start with --eval_strategy no: nothing is validated then")
        if values.lr_scheduler_type in GO_BY_SCORES:
            raise ValueError(
                f"--lr_scheduler_type {values.lr_scheduler_type} with --eval_strategy no: it goes by validation scores"
            )
    elif values.eval_strategy == "epoch" and values.max_steps < 0 and values.eval_delay >= values.num_train_epochs > 0:
        raise ValueError(f"--eval_delay {values.eval_delay:g}: training ends after epoch {values.num_train_epochs:g}")
    elif values.eval_strategy == "steps" and 0 < values.max_steps < values.eval_delay:
        raise ValueError(f"--eval_delay {values.eval_delay:g}: training ends after step {values.max_steps}")
    # How many steps an epoch has is not known yet; training ends with a warning where nothing was validated.


def _check_best(values: Any) -> None:
    """The best checkpoint is chosen by something that is measured where it is saved."""
    metric = values.metric_for_best_model
    if values.eval_strategy == "no":
        if values.save_strategy == "best":
            raise ValueError("--save_strategy best with --eval_strategy no: nothing tells which one is the best")
        if values.select == "best":
            raise ValueError(
                "--select best with --eval_strategy no: nothing tells which one is the best; add --select last"
            )
        return
    if values.select == "last" and values.early_stopping_patience is not None:
        raise ValueError(
            f"--early_stopping_patience {values.early_stopping_patience} with --select last: the end of a run is kept "
            "because its learning rate has run out there, and early stopping ends it before; leave it out, or add "
            "--select best"
        )
    if values.greater_is_better not in (None, not less_is_better(metric)):
        raise ValueError(
            f"--greater_is_better {str(values.greater_is_better).lower()} with --metric_for_best_model {metric}: "
            f"{'less' if less_is_better(metric) else 'more'} of it is better; leave it out"
        )
    if values.prediction_loss_only and metric != LOSS:
        raise ValueError(
            f"--prediction_loss_only: validation knows no {metric} then; add --metric_for_best_model {LOSS}"
        )
    if values.select == "best" and values.save_strategy != "best":
        _check_saved_where_validated(values)


def _check_saved_where_validated(values: Any) -> None:
    instead = "or add --select last"
    if values.eval_strategy != values.save_strategy:
        raise ValueError(
            f"--save_strategy {values.save_strategy} with --eval_strategy {values.eval_strategy}: the best "
            f"checkpoint is one that was validated when it was saved; let both be the same, {instead}"
        )
    if values.eval_strategy == "steps":
        every = values.eval_steps or values.logging_steps
        times = values.save_steps / every
        if (every < 1) != (values.save_steps < 1) or abs(times - round(times)) > 1e-6 or round(times) < 1:
            raise ValueError(
                f"--save_steps {values.save_steps} with --eval_steps {every}: the best checkpoint is one that was "
                f"validated when it was saved; write a multiple of --eval_steps, {instead}"
            )


def _check_loading(values: Any) -> None:
    """What is about worker processes needs some."""
    if values.dataloader_num_workers == 0:
        for name in (
            "dataloader_persistent_workers",
            "dataloader_prefetch_factor",
            "dataloader_multiprocessing_context",
        ):
            if getattr(values, name):
                raise ValueError(f"--{name} without --dataloader_num_workers: no process but this one loads clips")
