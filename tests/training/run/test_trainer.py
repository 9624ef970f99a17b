"""What our Trainer adds."""

from pathlib import Path

import pytest
import torch
from transformers import EarlyStoppingCallback, TrainerControl, TrainerState

from emofusion.data import ClipCollator, EpochClock
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.run.trainer import EmoFusionTrainer, TellEpoch
from emofusion.training.setup.checkpoints import last_complete_checkpoint
from helpers.tiny_models import batch_of, new_model


def trainer_of(model: EmoFusionModel, folder: Path, **options: float) -> EmoFusionTrainer:
    args = EmoFusionTrainingArguments(output_dir=str(folder), eval_strategy="no", use_cpu=True, **options)
    processor = EmoFusionProcessor.from_config(model.config)
    return EmoFusionTrainer(model=model, args=args, processing_class=processor, data_collator=ClipCollator())


def test_optimizer_gives_each_branch_its_rate(tiny_model: EmoFusionModel, tmp_path: Path):
    optimizer = trainer_of(tiny_model, tmp_path, audio_learning_rate=1e-4, learning_rate=1e-3).create_optimizer()
    rate_of = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rate_of) == len(list(tiny_model.parameters()))
    for name, parameter in tiny_model.named_parameters():
        assert rate_of[id(parameter)] == (1e-4 if name.startswith("audio_encoder.") else 1e-3), name


def test_optimizer_without_branch_rates_is_trainers_own(tiny_model: EmoFusionModel, tmp_path: Path):
    optimizer = trainer_of(tiny_model, tmp_path, learning_rate=2e-3).create_optimizer()
    assert {group["lr"] for group in optimizer.param_groups} == {2e-3}


def test_save_model_saves_the_processor(tiny_model: EmoFusionModel, tmp_path: Path):
    trainer_of(tiny_model, tmp_path / "out").save_model()
    assert EmoFusionProcessor.from_pretrained(tmp_path / "out").num_frames == tiny_model.config.num_frames
    assert (tmp_path / "out" / "modeling_emofusion.py").is_file()


@pytest.mark.parametrize(("epoch", "expected"), [(None, 0), (0, 0), (1.0, 1), (2.75, 2), (2.9999999999, 3)])
def test_tell_epoch_counts_whole_epochs(epoch: float | None, expected: int):
    clock = EpochClock()
    args = EmoFusionTrainingArguments(output_dir="unused", eval_strategy="no", use_cpu=True)
    TellEpoch(clock).on_epoch_begin(args, TrainerState(epoch=epoch), TrainerControl())
    assert clock.epoch == expected


def test_resume_restores_the_patience_of_early_stopping(tmp_path: Path):
    args = EmoFusionTrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    assert args.restore_callback_states_from_checkpoint
    callback = EarlyStoppingCallback(3)
    callback.early_stopping_patience_counter = 2
    state = callback.state()
    assert EarlyStoppingCallback.from_state(state).early_stopping_patience_counter == 2


def test_last_complete_checkpoint_passes_over_a_half_written_one(tmp_path: Path):
    for name, content in (("checkpoint-9", "{}"), ("checkpoint-10", "{}"), ("checkpoint-11", '{"half')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text(content)
    (tmp_path / "checkpoint-12").mkdir()
    assert last_complete_checkpoint(str(tmp_path)) == str(tmp_path / "checkpoint-10")
    assert last_complete_checkpoint(str(tmp_path / "nowhere")) is None


def test_arguments_without_validation_keep_the_last_checkpoint(tmp_path: Path):
    args = EmoFusionTrainingArguments(output_dir=str(tmp_path), eval_strategy="no", use_cpu=True)
    assert not args.load_best_model_at_end


def test_loss_scale_does_not_depend_on_accumulation(tiny_config: EmoFusionConfig):
    assert EmoFusionModel.accepts_loss_kwargs is False
    tiny_config.modality_dropout_p = 0.0
    torch.manual_seed(0)
    model = EmoFusionModel(tiny_config).eval()
    batch = {"pixel_values": torch.randn(4, 4, 3, 32, 32), "input_features": torch.randn(4, 16, 188)}
    labels = torch.tensor([0, 1, 2, 3])
    whole = model(**batch, labels=labels).loss
    halves = [
        model(**{name: tensor[part] for name, tensor in batch.items()}, labels=labels[part]).loss
        for part in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(whole, sum(halves) / 2)


@pytest.mark.parametrize("fusion", ["gated", "late"])
def test_evaluation_loss_is_of_all_clips_whatever_batches_they_come_in(fusion: str, tmp_path: Path):
    weights = [1.0, 0.5, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    model = new_model(fusion, class_weights=weights, label_smoothing=0.1)
    batch = batch_of(7, labels=True) | {"labels": torch.tensor([7, 7, 0, 1, 2, -100, 2])}
    clips = [{name: values[clip] for name, values in batch.items()} for clip in range(7)]
    trainer = trainer_of(model, tmp_path, per_device_eval_batch_size=2)
    trainer.data_collator = torch.utils.data.default_collate
    with torch.no_grad():
        expected = model(**batch).loss.item()
    assert trainer.evaluate(clips)["eval_loss"] == pytest.approx(expected, rel=1e-5)
    assert trainer.evaluate(clips[:2])["eval_loss"] == 0  # none of them counts
