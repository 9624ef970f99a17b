"""Flags from which something is built: settings in JSON, the optimizer, the course of its rate, a compiler."""

import importlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments
from transformers.optimization import get_scheduler
from transformers.trainer_pt_utils import AcceleratorConfig

from .suggestions import did_you_mean

_PROCESSES = "with several processes, clips would be scored twice or never"
_REFUSED_OF_ACCELERATOR = {
    "even_batches": (False, _PROCESSES),
    "dispatch_batches": (True, _PROCESSES),
    "split_batches": (True, f"--per_device_train_batch_size says how large a batch is, and {_PROCESSES}"),
}


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
    known = [item.name for item in fields(AcceleratorConfig)]
    for name, value in _mapping(config, "accelerator_config").items():
        if name not in known:
            raise ValueError(f"--accelerator_config: no setting {name!r}{did_you_mean(name, known, '')}")
        bad, reason = _REFUSED_OF_ACCELERATOR.get(name, (None, ""))
        if bad is not None and value is bad:
            raise ValueError(f"--accelerator_config: {name} {str(value).lower()} is refused, because {reason}")


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
