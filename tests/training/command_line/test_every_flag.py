"""Every flag of the installed transformers' TrainingArguments: it works, or it is refused before anything is read.

A flag that a new version adds fails the first test, until it is placed in one of the tables below.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import TrainingArguments

from emofusion.data.inputs.augmentation import MOST, Augmentation
from emofusion.training.command_line.flags import AUGMENTATION, flag_of
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.refused_flags import REFUSED
from emofusion.training.errors import ArgumentError
from helpers import REPOSITORY
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.forked import ForkedRun

PLACES = ["--data_dir=corpus", "--output_dir=out", "--use_cpu"]
TINY = ["--fusion=audio", "--audio_encoder=cnn", "--encoder_width=8", "--label_set=emotions4", "--use_cpu"]

TRIED: dict[str, dict[str, Any]] = {
    "validation by the loss alone, and worker processes": {
        "max_steps": 4,
        "per_device_train_batch_size": 3,
        "per_device_eval_batch_size": 3,
        "dataloader_drop_last": True,
        "dataloader_num_workers": 2,
        "dataloader_persistent_workers": True,
        "dataloader_prefetch_factor": 1,
        "dataloader_multiprocessing_context": "fork",
        "dataloader_in_order": False,
        "dataloader_pin_memory": False,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "eval_on_start": True,
        "eval_accumulation_steps": 1,
        "prediction_loss_only": True,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
        "load_best_model_at_end": True,
        "save_strategy": "steps",
        "save_steps": 2,
        "save_total_limit": 2,
        "save_on_each_node": True,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "log_on_each_node": False,
        "skip_memory_metrics": False,
        "disable_tqdm": True,
        "do_train": True,
        "do_eval": True,
        "do_predict": True,
        "optim": "sgd",
        "optim_args": "momentum=0.9",
        "learning_rate": 0.01,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
        "warmup_steps": 0.5,
        "weight_decay": 0.01,
        "max_grad_norm": 0.5,
        "seed": 7,
    },
    "another optimizer, compiled, in bfloat16": {
        "num_train_epochs": 2.0,
        "per_device_train_batch_size": 4,
        "auto_find_batch_size": True,
        "gradient_accumulation_steps": 2,
        "average_tokens_across_devices": False,
        "bf16": True,
        "tf32": False,
        "torch_compile": True,
        "torch_compile_backend": "eager",
        "torch_empty_cache_steps": 1,
        "debug": "underflow_overflow",
        "full_determinism": True,
        "data_seed": 3,
        "train_sampling_strategy": "sequential",
        "accelerator_config": {"use_seedable_sampler": False},
        "adam_beta1": 0.8,
        "adam_beta2": 0.99,
        "adam_epsilon": 1e-7,
        "label_smoothing_factor": 0.1,
        "eval_delay": 1.0,
        "save_only_model": True,
        "ignore_data_skip": True,
        "restore_callback_states_from_checkpoint": False,
        "log_level": "error",
        "log_level_replica": "error",
        "report_to": "none",
        "run_name": "a name",
        "project": "a project",
        "ddp_find_unused_parameters": False,
        "ddp_bucket_cap_mb": 10,
        "ddp_broadcast_buffers": False,
        "ddp_static_graph": False,
        "ddp_timeout": 60,
    },
}
"""Runs, and the flags that are tried in each."""

ELSEWHERE = {
    "output_dir": "in all runs",
    "use_cpu": "in all runs here",
    "resume_from_checkpoint": "tests/end_to_end/test_train_hf.py kills runs and resumes them",
    "push_to_hub": "tests/end_to_end/test_push_to_hub.py pushes to a server",
    "hub_model_id": "the same",
    "hub_token": "the same, from its variable of the environment; it is Trainer's to hand on",
    "hub_strategy": "the same",
    "hub_private_repo": "it is Trainer's to hand on",
    "hub_always_push": "it is Trainer's to hand on",
    "hub_revision": "it is Trainer's to hand on",
    "trackio_space_id": "it is Trackio's, on the network; refused without Trackio below",
    "trackio_bucket_id": "the same",
    "trackio_static_space_id": "the same",
    "local_rank": "torchrun's",
    "activation_checkpointing": "tests/training/run/test_backbones_job.py trains with it, and refuses it elsewhere",
    "activation_checkpointing_kwargs": "the same",
    "gradient_checkpointing": "the same",
    "gradient_checkpointing_kwargs": "the same",
}
"""Flags that are not tried here, and why."""

NEEDS: dict[str, tuple[list[str], str]] = {
    "fp16": (["--fp16"], "--fp16: half precision needs a GPU"),
    "torch_compile_mode": (["--torch_compile_mode=fast"], "--torch_compile_mode fast: expected one of"),
    "ddp_backend": (["--ddp_backend=gloo"], "--ddp_backend gloo: there is one process"),
    "optim_target_modules": (["--optim_target_modules=all"], "--optim adamw_torch_fused has no use for it"),
}
"""Flags that need what this machine may not have: they are transformers' to read, and refused where that is absent."""

GIVEN = {
    "eval_do_concat_batches": "false",
    "include_for_metrics": "loss",
    "fsdp": "full_shard",
    "fsdp_config": '{"xla": true}',
    "deepspeed": "zero2.json",
    "parallelism_config": "any",
    "include_num_input_tokens_seen": "all",
    "neftune_noise_alpha": "5",
    "liger_kernel_config": '{"rope": true}',
    "label_names": "label",
    "length_column_name": "frames",
}
"""What the refused flags are given; the others are true."""


def test_every_flag_of_the_installed_version_is_placed_once():
    placed = [*(name for flags in TRIED.values() for name in flags), *ELSEWHERE, *NEEDS, *REFUSED]
    named = {item.name for item in fields(TrainingArguments) if item.init}
    assert set(placed) == named
    twice = sorted({name for name in placed if placed.count(name) > 1})
    assert twice == ["per_device_train_batch_size"]  # of both runs, because one has an odd one


@pytest.mark.parametrize("name", REFUSED)
def test_flag_that_makes_no_sense_is_refused_with_the_reason(name: str):
    value = GIVEN.get(name, "true")
    with pytest.raises(ArgumentError) as error:
        parse_arguments([*PLACES, f"--{name}={value}"])
    said = str(error.value)
    assert said.startswith(f"--{name}{' false' if value == 'false' else ''}: refused, because {REFUSED[name]}")
    assert "\n" not in said


@pytest.mark.parametrize("name", ["batch_eval_metrics", "remove_unused_columns", "use_cache"])
def test_refused_flag_may_say_what_is_so_anyway(name: str):
    parse_arguments([*PLACES, f"--{name}=false"])


@pytest.mark.parametrize("name", NEEDS)
def test_flag_that_needs_what_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    words, message = NEEDS[name]
    with pytest.raises(ArgumentError, match=message):
        parse_arguments([*PLACES, *words])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Four clips to train on, four to validate by and four to test on."""
    folder = tmp_path_factory.mktemp("voices")
    write_corpus(folder / "corpus", (1, 13, 17), emotions=(1, 3, 4, 5), kind="flac")
    return [f"--data_dir={folder / 'corpus'}", f"--cache_dir={folder / 'cache'}"]


@pytest.mark.slow
@pytest.mark.parametrize("run", TRIED)
def test_flags_work(run: str, places: list[str], tmp_path: Path):
    flags = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in TRIED[run].items()}
    words = [f"--{name}={value}" for name, value in flags.items()]
    printed = ForkedRun(*TINY, *places, *words, f"--output_dir={tmp_path / 'out'}", log=tmp_path / "log").printed()
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert len(pd.read_parquet(tmp_path / "out/predictions.parquet")) == metrics["clips"]["test"]
    assert 0 <= metrics["test_macro_f1"] <= 1
    assert metrics["epochs"] > 0
    assert "{'" not in printed, "a dict of Trainer's"
    saved = torch.load(tmp_path / "out/training_args.bin", weights_only=False)
    moved = {"label_smoothing_factor", "accelerator_config", "report_to", "debug"}  # they stand in another form
    for name, value in TRIED[run].items():
        if name not in moved:
            assert getattr(getattr(saved, name), "value", getattr(saved, name)) == value, name
    assert json.loads((tmp_path / "out/config.json").read_text())["label_smoothing"] == TRIED[run].get(
        "label_smoothing_factor", 0.0
    )


@pytest.mark.parametrize(
    ("words", "select"),
    [
        ([], "best"),
        (["--select=last"], "last"),
        (["--load_best_model_at_end"], "best"),
        (["--load_best_model_at_end=false", "--save_strategy=no"], "last"),
        (["--eval_strategy=no"], "last"),
    ],
)
def test_select_and_load_best_model_say_the_same(words: list[str], select: str):
    training = parse_arguments([*PLACES, *words])[2]
    assert (training.select, training.load_best_model_at_end) == (select, select == "best")


@pytest.mark.parametrize(
    ("metric", "more"), [("macro_f1", True), ("eval_uar", True), ("loss", False), ("eval_loss", False)]
)
def test_direction_of_a_metric_goes_by_its_name(metric: str, more: bool):
    training = parse_arguments([*PLACES, f"--metric_for_best_model={metric}"])[2]
    assert training.greater_is_better is more
    assert training.metric_for_best_model == metric.removeprefix("eval_")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--per_device_train_batch_size=0"], "--per_device_train_batch_size 0: write 1 or more"),
        (["--per_device_eval_batch_size=-4"], "--per_device_eval_batch_size -4: write 1 or more"),
        (["--gradient_accumulation_steps=0"], "--gradient_accumulation_steps 0: write 1 or more"),
        (["--num_train_epochs=-2"], "--num_train_epochs -2.0: write 0 or more"),
        (["--embedding_views=-1"], "--embedding_views -1: write 0 or more"),
        (["--joint_learning_rate=0"], "--joint_learning_rate 0.0: write a number above 0"),
        (["--max_steps=0"], "--max_steps 0: write 1 or more, or -1"),
        (["--learning_rate=nan"], "--learning_rate nan: write a number above 0"),
        (["--learning_rate=inf"], "--learning_rate inf: write a number above 0"),
        (["--audio_learning_rate=-1"], "--audio_learning_rate -1.0: write a number above 0"),
        (["--learning_rate=fast"], "--learning_rate: invalid float value: 'fast'"),
        (["--weight_decay=-1"], "--weight_decay -1.0: write 0 or more"),
        (["--warmup_steps=1.5"], "--warmup_steps 1.5: write a whole number of steps, or a share"),
        (["--label_smoothing_factor=1"], "--label_smoothing_factor 1.0: write a number from 0 to below 1"),
        (["--ema_decay=1"], "--ema_decay 1.0: write a number from 0 to below 1"),
        (["--unsure_accuracy=80"], "--unsure_accuracy 80.0: write a number from 0 .* to 1"),
        (["--select=first"], "--select first: expected one of"),
        (["--adam_beta1=1"], "--adam_beta1 1.0: write a number from 0 to below 1"),
        (["--seed=-1"], "--seed -1: write 0 to 4294967295"),
        (["--eval_accumulation_steps=0"], "--eval_accumulation_steps 0: write 1 or more"),
        (["--early_stopping_patience=0"], "--early_stopping_patience 0: write 1 or more"),
        (["--max_train_samples=0"], "--max_train_samples 0: write 1 or more"),
        (["--time_shift=0.3"], "--time_shift 0.3: write a number from 0 .* to 0.25"),
        (["--gain_augment=-1"], "--gain_augment -1.0: write a number from 0 .* to 30"),
        (["--noise_augment=1.5"], "--noise_augment 1.5: write a number from 0 .* to 1"),
        (["--black_augment=2"], "--black_augment 2.0: write a number from 0 .* to 1"),
        (["--erase_augment=-0.1"], "--erase_augment -0.1: write a number from 0 .* to 1"),
        (["--mel_warp=1"], "--mel_warp 1.0: write a number from 0 .* to 0.5"),
        (["--mixup_alpha=nan"], "--mixup_alpha nan: write a number from 0 .* to 10"),
        (["--spec_augment_strength=0"], "--spec_augment_strength 0.0: write a number above 0"),
        (["--save_steps=0"], "--save_steps 0.0: write a whole number of steps"),
        (["--dataloader_num_workers=-1"], "--dataloader_num_workers -1: write 0 or more"),
        (["--metric_for_best_model=f1"], "--metric_for_best_model f1: expected one of .*; did you mean 'macro_f1'?"),
        (["--optim=adamw"], "--optim adamw: expected one of .*; did you mean 'adamw_torch'?"),
        (["--lr_scheduler_type=cosin"], "--lr_scheduler_type cosin: expected one of .*; did you mean 'cosine'?"),
        (["--eval_strategy=epochs"], "--eval_strategy epochs: expected one of .*; did you mean 'epoch'?"),
        (["--log_level=warn"], "--log_level warn: .*; did you mean 'warning'?"),
        (["--report_to=tensorbord"], "--report_to tensorbord: .*; did you mean 'tensorboard'?"),
        (["--train_sampling_strategy=group_by_length"], "--train_sampling_strategy group_by_length: expected one of"),
        (["--torch_compile_backend=eagr"], "--torch_compile_backend eagr: .*; did you mean 'eager'?"),
        (["--optim_args=momentum=0.9"], "--optim_args momentum=0.9: --optim adamw_torch_fused has no use for it"),
        (["--optim=sgd", "--optim_args=momentum"], "--optim_args momentum: "),
        (["--lr_scheduler_kwargs={"], "--lr_scheduler_kwargs {: not JSON"),
        (['--lr_scheduler_kwargs={"x": 1}'], "--lr_scheduler_type cosine with --lr_scheduler_kwargs {'x': 1}: "),
        (["--accelerator_config=no.json"], "--accelerator_config no.json: no such file"),
        (['--accelerator_config={"even_batch": true}'], "no setting 'even_batch'; did you mean 'even_batches'?"),
        (['--accelerator_config={"even_batches": false}'], "--accelerator_config: even_batches false is refused"),
        (
            ['--accelerator_config={"non_blocking": "yes"}'],
            "--accelerator_config: non_blocking 'yes': expected true or",
        ),
        (
            ['--accelerator_config={"gradient_accumulation_kwargs": {"sync_each": true}}'],
            "--accelerator_config: gradient_accumulation_kwargs: no setting 'sync_each'",
        ),
        (
            ['--accelerator_config={"gradient_accumulation_kwargs": {"num_steps": 4}}'],
            "--accelerator_config: gradient_accumulation_kwargs: num_steps is refused, because --gradient_acc",
        ),
        (
            ['--accelerator_config={"gradient_accumulation_kwargs": 4}'],
            "--accelerator_config: gradient_accumulation_kwargs 4: expected JSON",
        ),
        (['--accelerator_config={"split_batches": true}'], "--accelerator_config: split_batches true is refused"),
    ],
)
def test_impossible_value_is_named(words: list[str], message: str):
    with pytest.raises(ArgumentError, match=f"^{message}" if message.startswith("--") else message) as error:
        parse_arguments([*PLACES, *words])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", MOST)
def test_flags_of_augmentation_have_the_limits_of_what_they_set(name: str):
    flag, most = flag_of(name), MOST[name]
    assert flag in AUGMENTATION
    assert getattr(parse_arguments([*PLACES, f"--{flag}={most}"]).data, flag) == getattr(
        Augmentation(0, **{name: most}), name
    )
    for found in (most * 1.01, -0.01):
        with pytest.raises(ArgumentError, match=f"--{flag} {found}: write a number from 0 "):
            parse_arguments([*PLACES, f"--{flag}={found}"])
        with pytest.raises(ValueError, match=f"{name}={found}: expected a number from 0 "):
            Augmentation(0, **{name: found})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--eval_strategy=steps"], "--save_strategy epoch with --eval_strategy steps"),
        (["--save_strategy=no"], "--save_strategy no with --eval_strategy epoch"),
        (
            ["--eval_strategy=steps", "--save_strategy=steps", "--eval_steps=3", "--save_steps=5"],
            "--save_steps 5.0 with --eval_steps 3.0",
        ),
        (["--eval_strategy=no", "--save_strategy=best"], "--save_strategy best with --eval_strategy no"),
        (
            ["--eval_strategy=no", "--lr_scheduler_type=reduce_lr_on_plateau"],
            "--lr_scheduler_type reduce_lr_on_plateau",
        ),
        (["--eval_strategy=no", "--select=best"], "--select best with --eval_strategy no"),
        (["--select=last", "--early_stopping_patience=3"], "--early_stopping_patience 3 with --select last"),
        (["--select=last", "--load_best_model_at_end"], "--select last with --load_best_model_at_end true: that is"),
        (["--select=best", "--load_best_model_at_end=no"], "--select best with --load_best_model_at_end false: that"),
        (["--eval_strategy=no", "--eval_on_start"], "--eval_on_start with --eval_strategy no"),
        (["--eval_delay=20"], "--eval_delay 20: training ends after epoch 20"),
        (
            ["--eval_delay=3", "--max_steps=2", "--eval_strategy=steps", "--save_strategy=steps"],
            "--eval_delay 3: training ends after step 2",
        ),
        (
            ["--lr_scheduler_type=greedy", '--lr_scheduler_kwargs={"mode": "min"}'],
            "--lr_scheduler_kwargs: mode 'min' with --metric_for_best_model macro_f1: more of it is better",
        ),
        (["--greater_is_better=false"], "--greater_is_better false with --metric_for_best_model macro_f1: more of it"),
        (["--metric_for_best_model=loss", "--greater_is_better=true"], "--greater_is_better true .*: less of it"),
        (["--prediction_loss_only"], "--prediction_loss_only: validation knows no macro_f1 then"),
        (["--do_eval"], "--do_eval: --eval_strategy says when to validate"),
        (["--do_eval", "--do_train", "--eval_strategy=no"], "--do_eval with --eval_strategy no"),
        (["--dataloader_persistent_workers"], "--dataloader_persistent_workers without --dataloader_num_workers"),
        (["--dataloader_prefetch_factor=2"], "--dataloader_prefetch_factor without --dataloader_num_workers"),
        (["--bf16", "--fp16"], "--fp16 with --bf16: choose one of them"),
        (["--trackio_space_id=me/space"], "--trackio_space_id without --report_to trackio"),
        (["--report_to", "none", "trackio"], "--report_to none trackio: name trackers, or none"),
        (["--lr_scheduler_type=constant", '--lr_scheduler_kwargs={"a": 1}'], "--lr_scheduler_kwargs: .*no use for it"),
    ],
)
def test_flags_that_cannot_go_together_are_named(words: list[str], message: str):
    with pytest.raises(ArgumentError, match=f"^{message}") as error:
        parse_arguments([*PLACES, *words])
    assert "\n" not in str(error.value)


def test_page_names_every_flag_that_is_refused():
    page = (REPOSITORY / "docs/train/one_run.md").read_text(encoding="utf-8")
    table = page.split("## Flags that are refused")[1]
    assert {name for name in REFUSED if f"`--{name}`" in table} == set(REFUSED)
