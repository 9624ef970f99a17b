"""What is fitted on the validation actors after training, and kept in the model's config.

`--calibrate`: what makes the probabilities of a model come true. `--unsure_accuracy`: below which it is unsure.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from datasets import Dataset
from scipy.special import softmax
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from emofusion.evaluation.people import people_of
from emofusion.evaluation.record.run_record import CalibrationFields, UnsureFields
from emofusion.evaluation.scores.calibration import fit_late, fit_temperature
from emofusion.evaluation.scores.metrics import calibration_error
from emofusion.evaluation.scores.selective import answered, fit_threshold
from emofusion.evaluation.scores.trainer_output import logits_of
from emofusion.modeling import EmoFusionConfig
from emofusion.modeling.configuration_emofusion import NOT_FITTED
from emofusion.training.errors import DivergedError

logger = logging.getLogger(__name__)

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
    _set(config, NOT_FITTED)  # a threshold, too, is of other probabilities
    output = _predict(trainer, validation, _BESIDE_BRANCHES if config.fusion == "late" else None)
    with _diverged("--calibrate"):
        found = _fit(output, rows, config.fusion)
    errors: CalibrationFields = {"validation_calibration_error_before": _error_of(output)}
    errors["test_calibration_error_before"] = _error_of(_predict(trainer, test))
    _set(config, found)
    return {**errors, "validation_calibration_error": _error_of(_predict(trainer, validation))}


def fit_unsure(trainer: Trainer, rows: Dataset, validation: Dataset, accuracy: float) -> UnsureFields:
    """Fit the probability below which answers are unsure; the config of the trainer's model keeps it.

    Where not even the surest answers are right so often there is none, and the model always answers: a promise that
    it could not keep is not made.

    Args:
        trainer (`Trainer`): With the weights that are kept, calibrated where they are to be.
        rows (`Dataset`): Clips of the validation actors, without their transform.
        validation (`Dataset`): The same as model inputs.
        accuracy (`float`): Share of the answers that are to be right, 0..1.

    Returns:
        `UnsureFields`: The share, and the scores of the validation clips that are answered.

    Raises:
        DivergedError: The model has no finite output for some validation clips.
    """
    config = trainer.accelerator.unwrap_model(trainer.model).config
    output = _predict(trainer, validation)
    probabilities, labels = _probabilities(output), np.asarray(output.label_ids)
    with _diverged("--unsure_accuracy"):
        found = fit_threshold(labels, probabilities, accuracy)
    _set(config, {"unsure_below": found or 0.0})
    if found is None:
        logger.warning(
            "--unsure_accuracy %g: not even the surest answers are right so often on the validation clips, so the "
            "model always answers; write less",
            accuracy,
        )
        return {"unsure_accuracy": accuracy, "validation_answered": None}
    people = people_of(rows)
    units = np.arange(len(labels)) if people is None else np.asarray(people)
    sure = probabilities.max(1) >= found
    kept = answered(labels, probabilities.argmax(1), sure, units, config.num_labels)
    return {"unsure_accuracy": accuracy, "validation_answered": kept}


@contextmanager
def _diverged(flag: str) -> Iterator[None]:
    """What cannot be fitted, because the model has no finite output, as an error that says what to do."""
    try:
        yield
    except ValueError as error:
        raise DivergedError(
            f"{flag}: {error}, so nothing can be fitted; if training diverged, train again in another folder with a "
            "lower --learning_rate, or without --fp16"
        ) from error


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


def _probabilities(output: EvalLoopOutput) -> np.ndarray:
    return softmax(logits_of(output.predictions).astype(np.float64), axis=1)


def _error_of(output: EvalLoopOutput) -> float:
    return calibration_error(np.asarray(output.label_ids), _probabilities(output))
