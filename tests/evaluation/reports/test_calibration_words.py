"""What a card and a summary say of calibration."""

import pytest

from emofusion.evaluation.reports.calibration_words import calibration_words

LATE = {"temperature": 1.0, "late_audio_weight": 0.62, "audio_temperature": 1.5, "video_temperature": 0.8}


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({}, ""),
        ({"calibration": {"temperature": 1.84}}, ""),  # of a checkpoint that is scored as it is
        (
            {"calibration": {"temperature": 1.84}, "test_calibration_error_before": 0.2144},
            "0.214 before a temperature of 1.84 was fitted on the validation actors",
        ),
        (
            {"calibration": LATE, "test_calibration_error_before": 0.1},
            "0.100 before temperatures of 1.50 (sound) and 0.80 (picture) and a share of the sound of 0.62 were "
            "fitted on the validation actors",
        ),
    ],
)
def test_words_say_what_was_fitted_and_what_it_gained(metrics: dict, words: str):
    assert calibration_words(metrics) == words
