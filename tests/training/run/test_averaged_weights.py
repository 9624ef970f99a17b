"""The average of the weights: its value, where it is used, and that a resumed training goes on as it would have."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.optim.swa_utils import AveragedModel
from transformers import TrainerCallback

from emofusion.evaluation.run_files import TRAINING_WEIGHTS_FILE
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.run.averaged_weights import AveragedWeights
from emofusion.training.run.trainer import EmoFusionTrainer
from emofusion.training.setup.checkpoints import check_has_optimizer
from helpers.tiny_models import batch_of, new_model, one_thread  # noqa: F401

Weights = dict[str, torch.Tensor]


class Watch(TrainerCallback):
    """Remembers the weights after each step; stops a training after `stop` of them."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.seen = stop, []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.seen.append(weights_of(model))
        control.should_training_stop |= state.global_step == self.stop


def weights_of(model: EmoFusionModel) -> Weights:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def clips(number: int) -> list[dict[str, torch.Tensor]]:
    batch = batch_of(number, labels=True)
    return [{name: values[clip] for name, values in batch.items()} for clip in range(number)]


def trainer_of(model: EmoFusionModel, folder: Path, watch: Watch, **options: Any) -> EmoFusionTrainer:
    settings: dict[str, Any] = {
        "per_device_train_batch_size": 4,
        "max_steps": 3,
        "learning_rate": 0.05,
        "optim": "sgd",
        "ema_decay": 0.9,
        "metric_for_best_model": "loss",
        "eval_strategy": "steps",
        "save_strategy": "steps",
        "eval_steps": 1,
        "save_steps": 1,
        "save_total_limit": 9,
        "select": "last",
        "report_to": ["none"],
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return EmoFusionTrainer(
        model=model,
        args=EmoFusionTrainingArguments(output_dir=str(folder), **(settings | options)),
        processing_class=EmoFusionProcessor.from_config(model.config),
        data_collator=torch.utils.data.default_collate,
        train_dataset=clips(12),
        eval_dataset=clips(5),
        callbacks=[watch],
    )


def assert_same(found: Weights, expected: Weights, exactly: bool = True) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        if exactly:
            assert torch.equal(found[name], expected[name]), name
        else:
            torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-5, msg=name)


def average(steps: list[Weights], decay: float) -> Weights:
    """By hand: the first step's weights, of which each later step leaves the share `decay`."""
    found = {name: tensor.double() for name, tensor in steps[0].items() if tensor.is_floating_point()}
    for step in steps[1:]:
        found = {name: decay * tensor + (1 - decay) * step[name].double() for name, tensor in found.items()}
    return {name: tensor.float() for name, tensor in found.items()}


def floats(weights: Weights) -> Weights:
    return {name: tensor for name, tensor in weights.items() if tensor.is_floating_point()}


def test_average_over_three_steps_is_validated_saved_and_kept(tmp_path: Path):
    model, watch = new_model("audio", audio_encoder="cnn"), Watch()
    trainer = trainer_of(model, tmp_path, watch)
    trainer.train()
    for step in (1, 2, 3):
        expected = average(watch.seen[:step], decay=0.9)
        saved = EmoFusionModel.from_pretrained(tmp_path / f"checkpoint-{step}")
        assert_same(floats(saved.state_dict()), expected, exactly=False)
        (loss,) = (
            line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line and line["step"] == step
        )
        assert trainer_of(saved, tmp_path / "none", Watch()).evaluate()["eval_loss"] == loss
        assert_same(load_without_count(tmp_path / f"checkpoint-{step}"), watch.seen[step - 1])
    statistics = [name for name in expected if name.endswith("running_mean")]
    assert any(not torch.equal(expected[name], watch.seen[-1][name]) for name in statistics)
    assert_same(floats(model.state_dict()), expected, exactly=False)
    assert_same(model.state_dict(), saved.state_dict())
    assert trainer.evaluate()["eval_loss"] == loss


def load_without_count(checkpoint: Path) -> Weights:
    weights = load_file(checkpoint / TRAINING_WEIGHTS_FILE)
    assert weights.pop("averaged_steps") == int(checkpoint.name.split("-")[1])
    return weights


def test_step_that_a_fused_optimizer_skips_does_not_count():
    """torch tells it by `found_inf`, and the hooks of its steps are called all the same."""
    trainer, model = AveragedWeights.__new__(AveragedWeights), torch.nn.Linear(1, 1)
    trainer._average = AveragedModel(model)
    trainer.accelerator, trainer.model = SimpleNamespace(unwrap_model=lambda found: found), model
    optimizer = torch.optim.SGD(model.parameters())
    for overflow, counted in ((1.0, 0), (0.0, 1)):
        optimizer.found_inf = torch.tensor([overflow])
        trainer._after_step(optimizer, (), {})
        assert trainer._average.n_averaged == counted


@pytest.mark.parametrize(
    "options",
    [{"gradient_accumulation_steps": 2}, {"bf16": True}, {"select": "best"}, {"freeze": True, "optim": "adamw_torch"}],
    ids=lambda options: next(iter(options)),
)
def test_training_that_was_stopped_ends_with_the_same_bits(options: dict[str, Any], tmp_path: Path):
    frozen = options.pop("freeze", False)

    def train(folder: str, stop: int | None = None, resume: str | None = None) -> tuple[Watch, EmoFusionTrainer]:
        model, watch = new_model("concat" if frozen else "audio", audio_encoder="cnn"), Watch(stop)
        if frozen:
            model.freeze_video_encoder()
        trainer = trainer_of(model, tmp_path / folder, watch, max_steps=4, eval_steps=2, save_steps=2, **options)
        trainer.train(resume_from_checkpoint=resume)
        return watch, trainer

    whole, expected = train("whole")
    train("stopped", stop=2)
    rest, found = train("stopped", resume=str(tmp_path / "stopped/checkpoint-2"))
    assert len(rest.seen) == 2
    for before, after in zip(whole.seen[2:], rest.seen, strict=True):
        assert_same(after, before)  # the weights that training goes on from
    assert_same(weights_of(found.model), weights_of(expected.model))
    if options.get("select") == "best":
        kept = f"whole/checkpoint-{expected.state.best_global_step}"
        assert_same(load_file(tmp_path / kept / "model.safetensors"), weights_of(expected.model))


def test_checkpoint_of_a_model_alone_cannot_be_resumed(tmp_path: Path):
    trainer_of(new_model("audio", audio_encoder="cnn"), tmp_path, Watch(), save_only_model=True).train()
    checkpoint = tmp_path / "checkpoint-3"
    assert not (checkpoint / TRAINING_WEIGHTS_FILE).exists()
    with pytest.raises(ArgumentError, match="checkpoint-3 has no optimizer.pt, because --save_only_model left it out"):
        check_has_optimizer(str(checkpoint), averaged=True)
    (checkpoint / "optimizer.pt").touch()
    check_has_optimizer(str(checkpoint), averaged=False)
    with pytest.raises(ArgumentError, match=f"checkpoint-3 has no {TRAINING_WEIGHTS_FILE}, because"):
        check_has_optimizer(str(checkpoint), averaged=True)


def test_trainer_that_trains_once_more_begins_another_average(tmp_path: Path):
    model, watch = new_model("audio", audio_encoder="cnn"), Watch()
    trainer = trainer_of(model, tmp_path, watch)
    trainer.train()
    trainer.train()
    assert_same(floats(model.state_dict()), average(watch.seen[3:], decay=0.9), exactly=False)


def test_without_a_decay_nothing_is_averaged(tmp_path: Path):
    model, watch = new_model("audio", audio_encoder="cnn"), Watch()
    trainer_of(model, tmp_path, watch, ema_decay=0.0).train()
    assert_same(model.state_dict(), watch.seen[-1])
    assert not list(tmp_path.rglob(TRAINING_WEIGHTS_FILE))
