"""What people read about the calibration of a model, and about the answers that it leaves open."""

from collections.abc import Mapping
from typing import Any

from .subject import people


def calibration_words(metrics: Mapping[str, Any]) -> str:
    """What was fitted on the validation part and what the test gains by it; empty where the run fitted nothing."""
    before, fitted = metrics.get("test_calibration_error_before"), metrics.get("calibration")
    if before is None or not fitted:
        return ""
    if "late_audio_weight" in fitted:
        sound, picture = fitted["audio_temperature"], fitted["video_temperature"]
        what = f"temperatures of {sound:.2f} (sound) and {picture:.2f} (picture) and a share of the sound of "
        what += f"{fitted['late_audio_weight']:.2f}"
    else:
        what = f"a temperature of {fitted['temperature']:.2f}"
    was = "were" if " and " in what else "was"
    return f"{before:.3f} before {what} {was} fitted on the validation {people(metrics)}"


def mark_of_answers(metrics: Mapping[str, Any]) -> str:
    """What a plot calls the clips that are answered: `unsure below 0.63: 71 % answered, accuracy 0.812`.

    Empty where the model always answers. Runs that are pooled have a threshold each.

    Args:
        metrics (`Mapping`): Content of metrics.json, or several runs as one.
    """
    found, below = metrics.get("test_answered"), metrics.get("unsure_below")
    if not found or not (below or found["coverage"] < 1):
        return ""
    return f"unsure below {f'{below:.2f}' if below else 'the threshold of each run'}: {_answers(found)}"


def unsure_words(metrics: Mapping[str, Any]) -> str:
    """What the model does: `is unsure below 0.63: ...`, or why it always answers, and by what that was chosen.

    Empty where it always answers and nobody asked for anything else. The argument is that of `mark_of_answers`.
    """
    mark, wanted = mark_of_answers(metrics), metrics.get("unsure_accuracy")
    if wanted is None:
        return f"is {mark}" if mark else ""
    chosen, asked = metrics.get("validation_answered"), f"{wanted:g} of its answers right were asked for"
    validated = f"on the validation {people(metrics)}"
    if chosen is None:
        return f"always answers: {asked}, and {validated} not even the surest are"
    if not mark:
        return f"always answers: {asked}, and {validated} {chosen['accuracy']:.3f} are"
    return f"is {mark} ({asked}; {validated} {_answers(chosen)})"


def fitted_by_scoring(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Fields of the config that a scoring fitted, and that the checkpoint which it scored does not have.

    Empty of a run that trained, whose model keeps them, and where nothing was fitted.
    """
    if metrics.get("trained") or not ("test_calibration_error_before" in metrics or "unsure_accuracy" in metrics):
        return {}
    return {**(metrics.get("calibration") or {}), "unsure_below": metrics.get("unsure_below", 0.0)}


def _answers(found: Mapping[str, Any]) -> str:
    """How many clips are answered, and how many of the answers are right, where there is one."""
    right = "" if found["accuracy"] is None else f", accuracy {found['accuracy']:.3f}"
    return f"{100 * found['coverage']:.0f} % answered{right}"
