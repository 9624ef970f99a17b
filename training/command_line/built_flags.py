"""Flags from which something is built: settings in JSON, the optimizer, the course of its rate, a compiler."""

import importlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import GradientAccumulationPlugin
from transformers import Trainer, TrainingArguments
from transformers.optimization import get_scheduler
from transformers.trainer_pt_utils import AcceleratorConfig

from emofusion.training.suggestions import did_you_mean

from .values import less_is_better

_PROCESSES = "with several processes, clips would be scored twice or never"
_REFUSED_OF_ACCELERATOR = {
    "even_batches": (False, _PROCESSES),
    "dispatch_batches": (True, _PROCESSES),
    "split_batches": (True, f"--per_device_train_batch_size says how large a batch is, and {_PROCESSES}"),
}
GO_BY_SCORES = ("reduce_lr_on_plateau", "greedy")
"""Courses of the learning rate that go by what validation measures."""


def check_json(values: Any) -> None:
    """Refuse `--accelerator_config` and `--lr_scheduler_kwargs` that cannot be read, or have what they must not.

    Args:
        values (`TrainingArguments`): As they were given.

    Raises:
        ValueError: naming the flag.
    """
    _mapping(values.lr_scheduler_kwargs, "lr_scheduler_kwargs")
    config = values.accelerator_config
    if isinstance(config, str) and not config.startswith("{"):
        if not Path(config).is_file():
            raise ValueError(f"--accelerator_config {config}: no such file")
        config = Path(config).read_text(encoding="utf-8")
    config = _mapping(config, "accelerator_config")
    _check_settings(config, AcceleratorConfig, "--accelerator_config")
    for name, value in config.items():
        bad, reason = _REFUSED_OF_ACCELERATOR.get(name, (None, ""))
        if bad is not None and value is bad:
            raise ValueError(f"--accelerator_config: {name} {str(value).lower()} is refused, because {reason}")
    accumulation = "accelerator_config: gradient_accumulation_kwargs"
    settings = _mapping(config.get("gradient_accumulation_kwargs"), accumulation)
    _check_settings(settings, GradientAccumulationPlugin, f"--{accumulation}")
    if "num_steps" in settings:
        raise ValueError(f"--{accumulation}: num_steps is refused, because --gradient_accumulation_steps says it")


def _check_settings(settings: dict[str, Any], kind: type, place: str) -> None:
    """A dataclass takes no others than its fields, and whatever they are given."""
    known = {item.name: item.default for item in fields(kind)}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"{place}: no setting {name!r}{did_you_mean(name, list(known), '')}")
        if isinstance(known[name], bool) and not isinstance(value, bool):
            raise ValueError(f"{place}: {name} {value!r}: expected true or false")


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if value is None or isinstance(value, AcceleratorConfig):
        return {}
    try:
        content = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(f"--{name} {value}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f'--{name} {value}: expected JSON such as {{"name": 1}}')
    return content


def check_torch_compile(values: Any) -> None:
    """Refuse a compiler that torch does not know, or that needs another one which is not there.

    Args:
        values (`TrainingArguments`): As they were given.

    Raises:
        ValueError: naming the flag, and what may have been meant.
    """
    name = values.torch_compile_backend
    if not (name or values.torch_compile or values.torch_compile_mode):
        return
    known = importlib.import_module("torch._dynamo").list_backends(exclude_tags=())
    if name and name not in known:
        usual = importlib.import_module("torch._dynamo").list_backends()
        raise ValueError(
            f"--torch_compile_backend {name}: expected one of {', '.join(usual)}{did_you_mean(name, known, '')}"
        )
    if (name or "inductor") == "inductor" and (values.use_cpu or not torch.accelerator.is_available()):
        try:
            importlib.import_module("torch._inductor.cpp_builder").get_cpp_compiler()
        except RuntimeError as error:
            raise ValueError("--torch_compile: no C++ compiler on this machine; install one, such as g++") from error


def point_schedule(args: TrainingArguments) -> None:
    """Tell a course that goes by what validation measures whether more of it is better; untold, it goes by less.

    Args:
        args (`TrainingArguments`): Complete; `lr_scheduler_kwargs` gets the `mode`.

    Raises:
        ValueError: The `mode` that was given says otherwise.
    """
    if args.lr_scheduler_type not in GO_BY_SCORES:
        return
    metric, settings = str(args.metric_for_best_model), args.lr_scheduler_kwargs or {}
    mode, better = ("min", "less") if less_is_better(metric) else ("max", "more")
    if settings.get("mode", mode) != mode:
        raise ValueError(
            f"--lr_scheduler_kwargs: mode {settings['mode']!r} with --metric_for_best_model {metric}: {better} of it "
            "is better; leave it out"
        )
    args.lr_scheduler_kwargs = {**settings, "mode": mode}


def check_optimizer(args: TrainingArguments) -> None:
    """Make the optimizer for a single number, and the course of its learning rate: what they lack is said now.

    Args:
        args (`TrainingArguments`): Complete.

    Raises:
        ValueError: naming the flag, and what to install where a package is missing.
    """
    name = getattr(args.optim, "value", args.optim)
    number = torch.nn.Linear(1, 1)
    try:
        kind, settings = Trainer.get_optimizer_cls_and_kwargs(args, number)
        plain = isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and "optimizer_dict" not in settings
        optimizer = kind(number.parameters(), **settings) if plain else None
    except (ImportError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        flag = f"--optim_args {args.optim_args}" if args.optim_args else f"--optim {name}"
        raise ValueError(f"{flag}: {' '.join(str(error).split())}") from error
    _check_optim_args(args, name, settings)
    _check_schedule(args, optimizer or torch.optim.SGD(number.parameters(), lr=args.learning_rate))


def _check_optim_args(args: TrainingArguments, name: str, settings: dict[str, Any]) -> None:
    """Optimizers pass over what they have no use for."""
    if args.optim_args:
        given, args.optim_args = args.optim_args, None
        try:
            without = Trainer.get_optimizer_cls_and_kwargs(args, torch.nn.Linear(1, 1))[1]
        finally:
            args.optim_args = given
        if without == settings:
            raise ValueError(f"--optim_args {given}: --optim {name} has no use for it; leave it out")


def _check_schedule(args: TrainingArguments, optimizer: torch.optim.Optimizer) -> None:
    name = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    if args.lr_scheduler_kwargs and name in ("constant", "constant_with_warmup"):
        raise ValueError(f"--lr_scheduler_kwargs: --lr_scheduler_type {name} has no use for it; leave it out")
    try:
        get_scheduler(
            args.lr_scheduler_type,
            optimizer=optimizer,
            num_warmup_steps=args.get_warmup_steps(100),
            num_training_steps=100,
            scheduler_specific_kwargs=args.lr_scheduler_kwargs,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--lr_scheduler_type {name} with --lr_scheduler_kwargs {args.lr_scheduler_kwargs or {}}: {error}"
        ) from error
