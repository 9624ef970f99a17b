"""`--calibrate`: what makes the probabilities of a model come true, fitted on the validation actors."""

from collections.abc import Mapping

import numpy as np
from datasets import Dataset
from scipy.special import softmax
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from emofusion.evaluation.record.run_record import CalibrationFields
from emofusion.evaluation.scores.calibration import fit_late, fit_temperature
from emofusion.evaluation.scores.metrics import calibration_error
from emofusion.evaluation.scores.trainer_output import logits_of
from emofusion.modeling import EmoFusionConfig
from emofusion.modeling.configuration_emofusion import NOT_CALIBRATED
from emofusion.training.errors import DivergedError

_BESIDE_BRANCHES = ["audio_embeds", "video_embeds"]
"""What late fusion gives beside the logits of its branches, and nothing is fitted on."""
_OF_LATE = ("late_audio_weight", "audio_temperature", "video_temperature")


def calibrate(trainer: Trainer, rows: Dataset, validation: Dataset, test: Dataset) -> CalibrationFields:
    """Fit temperatures, and for late fusion the share of the sound; the config of the trainer's model keeps them.

    Args:
        trainer (`Trainer`): With the weights that are kept.
        rows (`Dataset`): Clips of the validation actors, without their transform.
        validation (`Dataset`): The same as model inputs.
        test (`Dataset`): Inputs of the test actors, on whom nothing is fitted.

    Returns:
        `CalibrationFields`: Calibration error on the validation actors before and after, on the test actors before.

    Raises:
        DivergedError: The model has no finite output for some validation clips.
    """
    config = trainer.accelerator.unwrap_model(trainer.model).config
    _set(config, NOT_CALIBRATED)
    output = _predict(trainer, validation, _BESIDE_BRANCHES if config.fusion == "late" else None)
    try:
        found = _fit(output, rows, config.fusion)
    except ValueError as error:
        raise DivergedError(
            f"--calibrate: {error}, so nothing can be fitted; if training diverged, train again in another folder "
            "with a lower --learning_rate, or without --fp16"
        ) from error
    errors: CalibrationFields = {"validation_calibration_error_before": _error_of(output)}
    errors["test_calibration_error_before"] = _error_of(_predict(trainer, test))
    _set(config, found)
    return {**errors, "validation_calibration_error": _error_of(_predict(trainer, validation))}


def _fit(output: EvalLoopOutput, rows: Dataset, fusion: str) -> dict[str, float]:
    """What makes the labels most likely, by field of the config."""
    labels = np.asarray(output.label_ids)
    if fusion != "late":
        return {"temperature": fit_temperature(logits_of(output.predictions), labels)}
    _, audio, video = output.predictions
    audio_there, video_there = (np.asarray(rows[f"has_{name}"], bool) for name in ("audio", "video"))
    return dict(zip(_OF_LATE, fit_late(audio, video, audio_there, video_there, labels), strict=True))


def _set(config: EmoFusionConfig, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        setattr(config, name, value)


def _predict(trainer: Trainer, inputs: Dataset, leave_out: list[str] | None = None) -> EvalLoopOutput:
    """As `Trainer.predict` does; trackers are not told."""
    loader = trainer.get_test_dataloader(inputs)
    return trainer.evaluation_loop(loader, "Calibration", ignore_keys=leave_out, metric_key_prefix="calibration")


def _error_of(output: EvalLoopOutput) -> float:
    logits = logits_of(output.predictions).astype(np.float64)
    return calibration_error(np.asarray(output.label_ids), softmax(logits, axis=1))
