"""`--calibrate` and `--unsure_accuracy` with a trainer: the config has what is fitted, and scores are those by it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from emofusion.evaluation.scores.calibration import fit_temperature
from emofusion.evaluation.scores.metrics import calibration_error
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import DivergedError
from emofusion.training.run.calibration import calibrate, fit_unsure
from emofusion.training.run.trainer import EmoFusionTrainer
from helpers.tiny_models import batch_of, one_thread, trained_model, without  # noqa: F401

CLIPS = 24


def trainer_of(model: EmoFusionModel, folder: Path) -> EmoFusionTrainer:
    args = EmoFusionTrainingArguments(output_dir=str(folder), eval_strategy="no", use_cpu=True, report_to=["none"])
    processor = EmoFusionProcessor.from_config(model.config)
    collate = torch.utils.data.default_collate
    return EmoFusionTrainer(model=model, args=args, processing_class=processor, data_collator=collate)


def clips_of(batch: dict[str, torch.Tensor]) -> tuple[Any, Any]:
    """Rows of a validation split, and their inputs."""
    rows = {f"has_{name}": batch[f"{name}_mask"].tolist() for name in ("audio", "video")}
    return Dataset.from_dict(rows), [{name: values[clip] for name, values in batch.items()} for clip in range(CLIPS)]


def answers(model: EmoFusionModel, batch: dict[str, torch.Tensor]) -> Any:
    with torch.no_grad():
        return model.eval()(**batch)


def test_branch_that_is_right_gets_the_larger_share(tmp_path: Path):
    model = trained_model("late", late_audio_weight=0.3, video_temperature=3.0)  # as from an earlier calibration
    batch = without(batch_of(CLIPS, labels=True), "video", [0, 1], 0.0)
    batch["labels"] = answers(model, batch).audio_logits.argmax(1)
    model.config.late_audio_weight, plain = 0.5, trained_model("late")
    found = calibrate(trainer_of(model, tmp_path), *clips_of(batch), clips_of(batch)[1])
    assert model.config.late_audio_weight == pytest.approx(0.95)
    assert model.config.audio_temperature == pytest.approx(0.25)
    assert model.config.temperature == 1
    labels = batch["labels"].numpy()
    before, after = (calibration_error(labels, answers(m, batch).logits.softmax(1).numpy()) for m in (plain, model))
    assert found["validation_calibration_error_before"] == pytest.approx(before, abs=1e-5)
    assert found["test_calibration_error_before"] == pytest.approx(before, abs=1e-5)
    assert found["validation_calibration_error"] == pytest.approx(after, abs=1e-5)
    right = [(answers(m, batch).logits.argmax(1) == batch["labels"]).float().mean() for m in (plain, model)]
    assert right[0] < right[1] == 1


def test_every_other_model_gets_one_temperature(tmp_path: Path):
    model, batch = trained_model("gated"), batch_of(CLIPS, labels=True)
    expected = fit_temperature(answers(model, batch).logits.numpy(), batch["labels"].numpy())
    model.config.temperature = 7.0  # which is no part of what is fitted
    calibrate(trainer_of(model, tmp_path), *clips_of(batch), clips_of(batch)[1])
    assert model.config.temperature == pytest.approx(expected, rel=1e-3)
    assert model.config.late_audio_weight == 0.5


def test_model_that_diverged_cannot_be_calibrated(tmp_path: Path):
    model, batch = trained_model("gated"), batch_of(CLIPS, labels=True)
    with torch.no_grad():
        model.head.classifier.bias[0] = torch.nan
    with pytest.raises(
        DivergedError, match="--calibrate: the logits of 24 of 24 clips are not finite, so nothing can"
    ):
        calibrate(trainer_of(model, tmp_path), *clips_of(batch), clips_of(batch)[1])
    with pytest.raises(DivergedError, match="--unsure_accuracy: the probabilities of 24 of 24 clips are not finite"):
        fit_unsure(trainer_of(model, tmp_path), *clips_of(batch), 0.5)


def right_where_surest(model: EmoFusionModel, batch: dict[str, torch.Tensor], share: float) -> torch.Tensor:
    """Confidence `[clips]`; the labels of the batch become such that the model is right in this share, the surest."""
    confidence, classes = answers(model, batch).logits.softmax(1).max(1)
    right = confidence >= confidence.sort(descending=True).values[int(share * CLIPS) - 1]
    batch["labels"] = torch.where(right, classes, (classes + 1) % 8)
    return confidence


def test_unsure_is_fitted_to_the_clips_that_the_model_has_right(tmp_path: Path):
    model, batch = trained_model("gated", unsure_below=0.99), batch_of(CLIPS, labels=True)
    confidence = right_where_surest(model, batch, 0.5)
    surest_first = confidence.sort(descending=True).values
    rows, inputs = clips_of(batch)
    found = fit_unsure(trainer_of(model, tmp_path), rows.add_column("actor", [13, 14] * 12), inputs, 1.0)
    assert surest_first[12] < model.config.unsure_below < surest_first[11]
    kept = found["validation_answered"]
    assert (found["unsure_accuracy"], kept["clips"], kept["coverage"], kept["accuracy"]) == (1.0, 12, 0.5, 1.0)
    assert kept["accuracy_interval"] == [1.0, 1.0], "of two actors"
    fit_unsure(trainer_of(model, tmp_path), rows, inputs, 0.75)
    assert surest_first[16] < model.config.unsure_below < surest_first[15], "12 of 16 are right"
    assert model.answers(answers(model, batch).logits).count("unsure") == 8
    fit_unsure(trainer_of(model, tmp_path), rows, inputs, 0.5)
    assert model.config.unsure_below == 0


def test_unsure_that_cannot_be_promised_is_said_and_the_model_always_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    model, batch = trained_model("gated", unsure_below=0.99), batch_of(CLIPS, labels=True)
    batch["labels"] = (answers(model, batch).logits.argmax(1) + 1) % 8
    found = fit_unsure(trainer_of(model, tmp_path), *clips_of(batch), 0.5)
    assert found == {"unsure_accuracy": 0.5, "validation_answered": None}
    assert model.config.unsure_below == 0
    assert "--unsure_accuracy 0.5: not even the surest answers are right so often" in caplog.text


def test_calibration_takes_back_a_threshold_of_other_probabilities(tmp_path: Path):
    model, batch = trained_model("gated", unsure_below=0.5), batch_of(CLIPS, labels=True)
    calibrate(trainer_of(model, tmp_path), *clips_of(batch), clips_of(batch)[1])
    assert model.config.unsure_below == 0
