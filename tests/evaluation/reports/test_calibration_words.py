"""What a card and a summary say of calibration, and of answers that may be unsure."""

import pytest

from emofusion.evaluation.reports.calibration_words import calibration_words, mark_of_answers, unsure_words

PEOPLE = {"actors": {"test": [17]}}
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
    assert calibration_words(metrics | PEOPLE) == words


SOME = {"clips": 71, "coverage": 0.71, "accuracy": 0.8119, "accuracy_interval": [0.7, 0.9], "uar": 0.8}
ALL = SOME | {"coverage": 1.0}
NONE = {"clips": 0, "coverage": 0.0, "accuracy": None, "accuracy_interval": None, "uar": None}
ASKED = "0.8 of its answers right were asked for"


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({}, ""),  # of an older release
        ({"test_answered": ALL, "unsure_below": 0.0}, ""),
        ({"test_answered": SOME, "unsure_below": 0.634}, "is unsure below 0.63: 71 % answered, accuracy 0.812"),
        ({"test_answered": NONE, "unsure_below": 0.9}, "is unsure below 0.90: 0 % answered"),
        (
            {"test_answered": SOME},  # several runs as one
            "is unsure below the threshold of each run: 71 % answered, accuracy 0.812",
        ),
        (
            {"test_answered": ALL, "unsure_below": 0.3, "unsure_accuracy": 0.8, "validation_answered": SOME},
            f"is unsure below 0.30: 100 % answered, accuracy 0.812 ({ASKED}; on the validation actors 71 % answered, "
            "accuracy 0.812)",
        ),
        (
            {"test_answered": ALL, "unsure_below": 0.0, "unsure_accuracy": 0.8, "validation_answered": ALL},
            f"always answers: {ASKED}, and on the validation actors 0.812 are",
        ),
        (
            {"test_answered": ALL, "unsure_below": 0.0, "unsure_accuracy": 0.8, "validation_answered": None},
            f"always answers: {ASKED}, and on the validation actors not even the surest are",
        ),
    ],
)
def test_words_say_what_is_answered_and_how_well(metrics: dict, words: str):
    assert unsure_words(metrics | PEOPLE) == words
    mark = mark_of_answers(metrics)
    assert (f"is {mark}" in words) if "is unsure" in words else mark == ""
