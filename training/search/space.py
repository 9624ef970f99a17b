"""The search space: a YAML file that gives flags of a run a range or choices, as Optuna's distributions."""

import json
import math
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import BaseTrial

from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.command_line.flags import AUGMENTATION
from emofusion.training.command_line.recipes import read_mapping
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.suggestions import did_you_mean

# Left out is what decides which clips are learnt from or scored (scores of two trials could not be compared), what
# concerns the machine, and the seed: the best of several seeds is luck.
SEARCHABLE = {
    ModelArguments: [item.name for item in fields(ModelArguments) if item.name != "model_name_or_path"],
    DataArguments: list(AUGMENTATION),
    EmoFusionTrainingArguments: [
        "learning_rate",
        "audio_learning_rate",
        "video_learning_rate",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "num_train_epochs",
        "early_stopping_patience",
        "ema_decay",
        "select",
        "weight_decay",
        "label_smoothing_factor",
        "lr_scheduler_type",
        "warmup_steps",
        "max_grad_norm",
        "optim",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
    ],
}
_RANGE, _CHOICES = {"low", "high", "log", "step"}, {"choices"}
_HOW = "write `{low: 0.1, high: 0.5}`, with `log: true` or `step: 0.1` where wanted, or `{choices: [a, b]}`"

Space = dict[str, BaseDistribution]
"""Distributions by the name of their flag."""


def read_space(path: str) -> Space:
    """Read a search space: `flag: {low: .., high: .., log: true, step: ..}` or `flag: {choices: [..]}`.

    Raises:
        ArgumentError: No such file, not a mapping, a flag that is misspelt or cannot be searched, or an impossible
            range; the message names file and flag.
    """
    expected = f"a line for each flag to search, such as `weight_decay: {{...}}` ({_HOW})"
    content = read_mapping(path, "--search ", expected)
    if not content:
        raise ArgumentError(f"{path}: expected {expected}, found nothing")
    try:
        return {name: distribution_of(name, entry) for name, entry in content.items()}
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error


def distribution_of(name: Any, entry: Any) -> BaseDistribution:
    """One line of the space as Optuna's distribution.

    Raises:
        ArgumentError: naming the flag.
    """
    kind = _kind_of(name)
    if not isinstance(entry, dict) or not (set(entry) == _CHOICES or {"low", "high"} <= set(entry) <= _RANGE):
        raise ArgumentError(f"{name}: found {entry!r}; {_HOW}")
    if "choices" in entry:
        return CategoricalDistribution(_choices(name, entry["choices"], kind))
    if kind not in (int, float):
        raise ArgumentError(f"{name}: not a number, so it has no range; write `{{choices: [..]}}`")
    if not isinstance(entry.get("log", False), bool):
        raise ArgumentError(f"{name}: log is {entry['log']!r}; write true or false")
    numbers = {key: _number(name, value, kind) for key, value in entry.items() if key != "log"}
    if numbers["low"] >= numbers["high"]:
        raise ArgumentError(f"{name}: low ({numbers['low']}) must be less than high ({numbers['high']})")
    try:
        made = IntDistribution if kind is int else FloatDistribution
        return made(**numbers, log=entry.get("log", False))
    except ValueError as error:
        raise ArgumentError(f"{name}: {error}") from error


def _kind_of(name: Any) -> type:
    """`int`, `float`, `bool` or `str`: what a flag takes.

    Raises:
        ArgumentError: No such flag, or not one for a search.
    """
    for group, names in SEARCHABLE.items():
        if name in names:
            found = typing.get_type_hints(group)[name]
            kinds = typing.get_args(found) or (found,)
            return next((kind for kind in (float, bool, int) if kind in kinds), str)
    known = [flag for names in SEARCHABLE.values() for flag in names]
    hint = did_you_mean(name, known, ".")
    raise ArgumentError(f"{name!r} cannot be searched{hint} What can: {', '.join(known)}")


def _number(name: str, value: Any, kind: type) -> float:
    """A bound or choice as a number. YAML takes `1e-4`, without a dot, for a word."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or (kind is int and not number.is_integer()):
        raise ArgumentError(f"{name}: {value!r} is not {'a whole' if kind is int else 'a finite'} number")
    return int(number) if kind is int else number


def _choices(name: str, choices: Any, kind: type) -> list[Any]:
    if not isinstance(choices, list) or not choices:
        raise ArgumentError(f"{name}: choices is {choices!r}; write a list, such as `{{choices: [a, b]}}`")
    if kind in (int, float):
        choices = [_number(name, choice, kind) for choice in choices]
    for choice in choices:
        if kind in (bool, str) and not isinstance(choice, kind):
            raise ArgumentError(f"{name}: the choice {choice!r} is not a {'word' if kind is str else 'true or false'}")
    if len(set(choices)) < len(choices):
        raise ArgumentError(f"{name}: a choice stands twice in {choices}")
    return choices


def suggest(space: Space, trial: BaseTrial) -> dict[str, Any]:
    """The values of a trial; asked again, a trial gives the same."""
    values: dict[str, Any] = {}
    for name, found in space.items():
        if isinstance(found, CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, found.choices)
        elif isinstance(found, IntDistribution):
            values[name] = trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
        elif isinstance(found, FloatDistribution):
            values[name] = trial.suggest_float(name, found.low, found.high, step=found.step, log=found.log)
    return values


def ends_of(found: BaseDistribution) -> list[Any]:
    """Lowest and highest value of a range, or all choices."""
    if isinstance(found, (IntDistribution, FloatDistribution)):
        return [found.low, found.high]
    return list(found.choices) if isinstance(found, CategoricalDistribution) else []


def plain(space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The space as JSON holds it."""
    return {name: json.loads(distribution_to_json(found))["attributes"] for name, found in space.items()}
