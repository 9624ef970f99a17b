"""What people read about the calibration of a model."""

from collections.abc import Mapping
from typing import Any


def calibration_words(metrics: Mapping[str, Any]) -> str:
    """What was fitted on the validation actors and what the test gains by it; empty where the run fitted nothing."""
    before, fitted = metrics.get("test_calibration_error_before"), metrics.get("calibration")
    if before is None or not fitted:
        return ""
    if "late_audio_weight" in fitted:
        sound, picture = fitted["audio_temperature"], fitted["video_temperature"]
        what = f"temperatures of {sound:.2f} (sound) and {picture:.2f} (picture) and a share of the sound of "
        what += f"{fitted['late_audio_weight']:.2f}"
    else:
        what = f"a temperature of {fitted['temperature']:.2f}"
    return f"{before:.3f} before {what} {'were' if ' and ' in what else 'was'} fitted on the validation actors"
