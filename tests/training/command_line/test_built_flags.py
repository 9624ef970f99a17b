"""Every optimizer and every course of the learning rate of the installed transformers: it works, or it is refused."""

import json
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from transformers.optimization import get_scheduler
from transformers.trainer_utils import SchedulerType
from transformers.training_args import OptimizerNames

from emofusion.training.command_line.built_flags import GO_BY_SCORES
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import ArgumentError

PLACES = ["--data_dir=corpus", "--output_dir=out", "--use_cpu"]

HERE = {"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop"}
"""Optimizers that are torch's and transformers' own."""
PACKAGES = {
    "adamw_torch_xla": "torch_xla",
    "adamw_torch_npu": "torch_npu",
    "adamw_torch_": "torchao",
    "adamw_anyprecision": "torchdistx",
    "galore": "galore_torch",
    "lomo": "lomo_optim",
    "adalomo": "lomo_optim",
    "grokadamw": "grokadamw",
    "schedule_free": "schedulefree",
    "apollo": "apollo_torch",
    "stable_adamw": "optimi",
    "": "bitsandbytes",
}
"""What the others need, by how their names begin; the first that fits."""


@pytest.mark.parametrize("name", [choice.value for choice in OptimizerNames])
def test_optimizer_works_or_is_refused_with_what_to_install(name: str):
    if name in HERE:
        parse_arguments([*PLACES, f"--optim={name}"])
        return
    package = next(package for start, package in PACKAGES.items() if name.startswith(start))
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    with pytest.raises(ArgumentError, match=f"^--optim {name}: .*{package}") as error:
        parse_arguments([*PLACES, f"--optim={name}"])
    assert "\n" not in str(error.value)


KWARGS = {
    "cosine_with_min_lr": {"min_lr_rate": 0.1},
    "cosine_warmup_with_min_lr": {"min_lr_rate": 0.1},
    "warmup_stable_decay": {"num_decay_steps": 10},
}
"""Courses of the learning rate that need a setting more."""


def schedule_of(words: list[str]) -> tuple[Callable[..., None], torch.optim.Optimizer]:
    """A step of the course of the learning rate that Trainer makes of these flags, and who has the rate."""
    args = parse_arguments([*PLACES, *words])[2]
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=args.learning_rate)
    schedule = get_scheduler(args.lr_scheduler_type, optimizer, 1, 10, args.lr_scheduler_kwargs)

    def step(*measured: float) -> None:
        optimizer.step()
        schedule.step(*measured)

    return step, optimizer


@pytest.mark.parametrize("name", [choice.value for choice in SchedulerType])
def test_schedule_works_with_what_it_needs_and_is_refused_without(name: str):
    words = [f"--lr_scheduler_type={name}"]
    if name in KWARGS:
        with pytest.raises(ArgumentError, match=f"^--lr_scheduler_type {name} with --lr_scheduler_kwargs"):
            parse_arguments([*PLACES, *words])
        words.append(f"--lr_scheduler_kwargs={json.dumps(KWARGS[name])}")
    assert parse_arguments([*PLACES, *words])[2].lr_scheduler_type == name
    step, optimizer = schedule_of(words)
    for _ in range(2):
        step(*([0.5] if name in GO_BY_SCORES else []))
    assert optimizer.param_groups[0]["lr"] >= 0


@pytest.mark.parametrize("name", GO_BY_SCORES)
@pytest.mark.parametrize(("metric", "improving"), [("macro_f1", [0.1, 0.3, 0.5]), ("loss", [0.5, 0.3, 0.1])])
def test_rate_falls_where_what_is_measured_gets_worse_and_not_where_it_improves(
    name: str, metric: str, improving: list[float]
):
    words = [f"--lr_scheduler_type={name}", f"--metric_for_best_model={metric}", "--learning_rate=0.1"]
    words.append('--lr_scheduler_kwargs={"patience": 0}')
    for values, falls in ((improving, False), (improving[::-1], True)):
        step, optimizer = schedule_of(words)
        for value in values:
            step(value)
        assert (optimizer.param_groups[0]["lr"] < 0.1) == falls
