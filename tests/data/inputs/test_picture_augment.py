"""What training does to pictures: a rectangle erased, noise in action units."""

import numpy as np
import pytest

from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.picture_augment import (
    ERASED_AREA,
    ERASED_SHAPE,
    LOUDEST_UNIT_NOISE_DB,
    QUIETEST_UNIT_NOISE_DB,
)

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


FRAMES = np.broadcast_to(np.arange(3, dtype=np.uint8)[:, None, None, None] + 100, (3, 40, 50, 3))
"""Frames of one colour each."""


def erased(augmentation: Augmentation, frames: np.ndarray = FRAMES) -> list[np.ndarray]:
    """Where frames changed in each clip: bool `[height, width]`, the same in all frames, or the test fails."""
    found = []
    for frames_of_clip in augmentation.erase_frames([frames] * len(CLIPS), CLIPS):
        assert frames_of_clip is not None
        changed = (frames_of_clip != frames).any(-1)
        # Noise may by chance be what stood there in one frame, but not in all colours of all frames.
        found.append(changed.any(0))
        if changed.any():
            top, left = (np.nonzero(found[-1].any(axis))[0][0] for axis in (1, 0))
            assert (frames_of_clip[:, top, left] == frames_of_clip[0, top, left]).all()
    return found


def test_share_of_the_clips_has_one_rectangle_erased_in_all_frames_at_any_place():
    found = erased(Augmentation(1, erase=0.5))
    there = [changed for changed in found if changed.any()]
    assert len(there) / len(CLIPS) == pytest.approx(0.5, abs=0.08)
    for changed in there:
        rows, columns = changed.any(1), changed.any(0)
        assert changed.sum() > 0.97 * rows.sum() * columns.sum()  # a rectangle
        assert np.ptp(np.nonzero(rows)[0]) == rows.sum() - 1
        assert np.ptp(np.nonzero(columns)[0]) == columns.sum() - 1
    areas = np.array([changed.mean() for changed in there])
    assert areas.mean() == pytest.approx(sum(ERASED_AREA) / 2, abs=0.03)
    assert (areas.min(), areas.max()) == (pytest.approx(ERASED_AREA[0], abs=0.01), pytest.approx(0.4, abs=0.03))
    shapes = np.array([changed.any(1).sum() / changed.any(0).sum() for changed in there])
    assert (shapes > 1).mean() == pytest.approx(0.5, abs=0.1)
    assert shapes.min() == pytest.approx(ERASED_SHAPE[0], rel=0.2)
    assert shapes.max() == pytest.approx(ERASED_SHAPE[1], rel=0.2)
    assert np.any(there, axis=0).mean() > 0.99  # no part of a frame is spared


def test_erasing_depends_on_seed_epoch_and_clip_alone_and_leaves_its_input():
    augmentation, frames = Augmentation(1, erase=1.0), FRAMES.copy()
    first = augmentation.erase_frames([frames, None, frames], ["a", "b", "c"])
    assert first[1] is None
    assert (frames == FRAMES).all()
    (alone,) = augmentation.erase_frames([frames], ["a"])
    np.testing.assert_array_equal(first[0], alone)
    places = [(changed != FRAMES).any((0, 3)) for changed in (first[0], first[2]) if changed is not None]
    assert (places[0] != places[1]).any()
    augmentation.clock.epoch = 1
    assert not np.array_equal(augmentation.erase_frames([frames], ["a"])[0], alone)
    with pytest.raises(ValueError, match="erase=1.5: expected a number from 0 .* to 1"):
        Augmentation(1, erase=1.5)
