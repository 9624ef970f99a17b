"""Temperatures and the share of a branch: the right values are known where labels are drawn from probabilities."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from emofusion.evaluation.scores.calibration import (
    AUDIO_WEIGHTS,
    BRANCH_TEMPERATURES,
    TEMPERATURES,
    fit_late,
    fit_temperature,
)
from emofusion.evaluation.scores.metrics import calibration_error

EVERYWHERE = np.ones(4000, bool)


def drawn(generator: np.random.Generator, probabilities: np.ndarray) -> np.ndarray:
    """Labels `[clips]`, each class as often as its probability says."""
    return (generator.random((len(probabilities), 1)) > probabilities.cumsum(1)).sum(1).clip(max=7)


def clips(seed: int = 0, size: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits `[4000, 8]` and labels that come true as often as these say."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, size, (4000, 8))
    return logits, drawn(generator, softmax(logits, axis=1))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 5.0])
def test_temperature_undoes_how_much_too_sure_logits_are(factor: float):
    logits, labels = clips()
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(factor * logits, labels) == pytest.approx(
        factor * fit_temperature(logits, labels), rel=1e-4
    )


def test_calibration_error_falls_and_no_prediction_changes():
    logits, labels = clips()
    sure = 3 * logits
    before, after = (softmax(sure / temperature, axis=1) for temperature in (1.0, fit_temperature(sure, labels)))
    assert calibration_error(labels, before) > 0.15
    assert calibration_error(labels, after) < 0.03
    assert (before.argmax(1) == after.argmax(1)).all()


def test_temperature_stays_within_bounds_where_every_clip_is_right_or_wrong():
    logits = 5 * np.eye(8)
    assert TEMPERATURES[0] <= fit_temperature(logits, np.arange(8)) < 0.2
    assert 9.9 < fit_temperature(logits, (np.arange(8) + 1) % 8) <= TEMPERATURES[1]


def test_late_fusion_trusts_the_branch_that_knows():
    knows, labels = clips()
    guesses = np.random.default_rng(1).normal(0, 2, knows.shape)
    weight, audio, video = fit_late(knows, guesses, EVERYWHERE, EVERYWHERE, labels)
    assert weight > 0.85
    assert audio == pytest.approx(1.0, abs=0.15)
    assert video > 2
    weight, audio, video = fit_late(guesses, knows, EVERYWHERE, EVERYWHERE, labels)
    assert weight < 0.15
    assert video == pytest.approx(1.0, abs=0.15)


def test_late_fusion_finds_the_mixture_that_drew_the_labels():
    generator = np.random.default_rng(2)
    audio, video = generator.normal(0, 3, (2, 4000, 8))
    labels = drawn(generator, 0.7 * softmax(audio, axis=1) + 0.3 * softmax(video, axis=1))
    found = fit_late(2 * audio, 0.5 * video, EVERYWHERE, EVERYWHERE, labels)
    assert found == pytest.approx((0.7, 2.0, 0.5), rel=0.15)


def test_clip_with_one_modality_tells_of_that_branch_alone():
    audio, labels = clips()
    there = np.arange(4000) < 2000
    nothing = np.full_like(audio, 0.5)
    weight, audio_temperature, video_temperature = fit_late(2 * audio, nothing, EVERYWHERE, ~EVERYWHERE, labels)
    assert (weight, video_temperature) == (0.5, 1.0), "nothing was learnt of what no clip has"
    assert audio_temperature == pytest.approx(2.0, rel=0.05)
    assert audio_temperature == pytest.approx(fit_temperature(2 * audio, labels), rel=1e-3)
    video = np.where(there[:, None], 0.0, log_softmax(audio, axis=1))
    weight, *_ = fit_late(audio, video, there, ~there, labels)
    assert weight == 0.5, "no clip has both"


def test_late_fit_keeps_within_bounds():
    right = 9.0 * np.eye(8)
    weight, *temperatures = fit_late(right, -right, EVERYWHERE[:8], EVERYWHERE[:8], np.arange(8))
    assert weight == pytest.approx(AUDIO_WEIGHTS[1])
    assert all(BRANCH_TEMPERATURES[0] <= found <= BRANCH_TEMPERATURES[1] for found in temperatures)


def test_logits_that_cannot_be_calibrated_are_named():
    with pytest.raises(ValueError, match=r"logits of shape \(0, 8\) and labels of shape \(0,\): expected"):
        fit_temperature(np.zeros((0, 8)), np.zeros(0, int))
    with pytest.raises(ValueError, match="the logits of 1 of 2 clips are not finite"):
        fit_temperature(np.array([[0.0, 1.0], [np.nan, 1.0]]), np.array([0, 1]))
