"""Noise in the action units of training clips."""

import numpy as np
import pytest

from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.picture_augment import LOUDEST_UNIT_NOISE_DB, QUIETEST_UNIT_NOISE_DB

SPREAD = np.linspace(0.1, 2, 35)
CLIPS = [f"clip {number}" for number in range(400)]
UNITS = np.where(np.arange(30)[:, None] == 3, np.nan, np.ones((30, 35))).astype(np.float32)


def levels(augmentation: Augmentation) -> np.ndarray:
    """Decibels of noise below the spread in each clip; NaN where there is none."""
    added = np.stack([augmentation.noisy_units(UNITS, clip) - UNITS for clip in CLIPS])
    assert np.isnan(added[:, 3]).all()
    power = np.nanmean((added / SPREAD) ** 2, axis=(1, 2))
    return -10 * np.log10(np.where(power > 0, power, np.nan))


def test_share_of_the_clips_has_noise_of_any_level_alike_in_all_measurements():
    found = levels(Augmentation(1, unit_noise=0.5, unit_spread=SPREAD))
    assert np.isfinite(found).mean() == pytest.approx(0.5, abs=0.08)
    expected = (QUIETEST_UNIT_NOISE_DB + LOUDEST_UNIT_NOISE_DB) / 2
    assert np.nanmean(found) == pytest.approx(expected, abs=1.5)
    assert np.nanmin(found) == pytest.approx(LOUDEST_UNIT_NOISE_DB, abs=1)
    assert np.nanmax(found) == pytest.approx(QUIETEST_UNIT_NOISE_DB, abs=1)
    noise = np.stack([Augmentation(1, unit_noise=1.0, unit_spread=SPREAD).noisy_units(UNITS, clip) for clip in CLIPS])
    spread = np.nanstd(noise, axis=(0, 1))
    np.testing.assert_allclose(spread / spread.mean(), SPREAD / SPREAD.mean(), rtol=0.1)


def test_draws_depend_on_seed_epoch_and_clip_alone():
    augmentation = Augmentation(1, unit_noise=1.0, unit_spread=SPREAD)
    first = augmentation.noisy_units(UNITS, "a")
    np.testing.assert_array_equal(augmentation.noisy_units(UNITS, "a"), first)
    augmentation.clock.epoch = 1
    assert not np.array_equal(augmentation.noisy_units(UNITS, "a"), first, equal_nan=True)
    assert augmentation.noisy_units(UNITS, "a") is not UNITS
    assert Augmentation(1).noisy_units(UNITS, "a") is UNITS
