"""Action units of takes: the official tracks, a table of means, what is not there, and the real table."""

from pathlib import Path

import numpy as np
import pytest

from emofusion.data.protocols import ALL_PROTOCOLS, SPLITS, fold_of_present
from emofusion.data.sources.action_units import MeanActionUnits, TrackedActionUnits, action_units_at
from emofusion.data.sources.ravdess_names import all_takes
from helpers.corpora.openface_files import means_table, units_of, write_means, write_tracks

STEM, TAKE = "01-01-03-01-02-01-12", "01-03-01-02-01-12"


@pytest.mark.parametrize("delimiter", [";", ","])
def test_means_belong_to_every_file_of_the_take(tmp_path: Path, delimiter: str):
    path = tmp_path / "means.csv"
    path.write_text(means_table({STEM: np.arange(35.0), "notes": np.zeros(35)}, delimiter))
    units = action_units_at(path)
    assert isinstance(units, MeanActionUnits)
    for clip in (TAKE, STEM, f"03-{TAKE}"):
        assert np.array_equal(units.of(clip, 0.0, 3.0, 8), np.arange(35.0)[None])
    assert units.of(f"{TAKE[:-2]}13", 0.0, 3.0, 8) is None
    assert units.stamp(TAKE) and not units.stamp(f"{TAKE[:-2]}13")


def test_tracks_are_read_in_the_seconds_that_are_asked_for(tmp_path: Path):
    units = action_units_at(write_tracks(tmp_path, [STEM], fps=30.0, lost=range(30, 60)))
    assert isinstance(units, TrackedActionUnits)
    drawn = units_of(3, 102, seed=12)
    found = units.of(TAKE, 0.4, 3.0, 3)
    np.testing.assert_allclose(found[2], drawn[72:102].mean(0), atol=2e-3)
    assert np.isfinite(found[[0, 1]]).all(), "parts of both are seen"
    assert np.isnan(units.of(TAKE, 1.0, 1.0, 1)[0]).sum() == 0
    assert np.isnan(units.of(TAKE, 1.0, 0.9, 3)).all()
    assert units.of(f"{TAKE[:-2]}13", 0.0, 3.0, 3) is None


def test_track_that_cannot_be_read_is_told_and_is_none(tmp_path: Path):
    write_tracks(tmp_path, [STEM])
    (tmp_path / f"{STEM}.csv").write_text("frame, success\n1, 1\n")
    units = action_units_at(tmp_path)
    assert units.of(TAKE, 0.0, 3.0, 3) is None
    assert list(units.unreadable) == [f"{STEM}.csv"]
    assert "found none named timestamp, AU01_r" in units.unreadable[f"{STEM}.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (means_table({STEM: np.zeros(35)}).replace("AU04_c", "AU04"), "found none named AU04_c"),
        (means_table({STEM: np.zeros(35)}).replace("name", "clip"), "found none named name"),
        (means_table({"happy": np.zeros(35)}), "expected rows named as RAVDESS clips, .* found 1 under other names"),
        (means_table({STEM: np.zeros(35), f"02-{TAKE}": np.ones(35)}), f"found several that differ of {TAKE}"),
        (means_table({STEM: np.zeros(35)}).replace("0.0000", "many", 1), "row 1, column AU01_r: expected a number"),
    ],
)
def test_table_that_is_none_is_one_clear_error(tmp_path: Path, text: str, message: str):
    path = tmp_path / "means.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"{path}: .*{message}"):
        action_units_at(path)


def test_place_with_nothing_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv: no such file"):
        action_units_at(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        action_units_at(tmp_path / "nowhere")


def test_real_means_are_there_for_every_take_of_all_folds(test_data: Path):
    units = action_units_at(test_data / "visual_features" / "df_average_AUs_total.csv")
    takes = [name.take for name in all_takes() if name.channel == 1]
    rows = np.concatenate([units.of(take, 0.0, 3.0, 1) for take in takes])
    assert rows.shape == (1440, 35) and np.isfinite(rows).all()
    present, scored = set(range(1, 21)), 0
    for fold in range(5):
        parts = fold_of_present("msaf6", fold, present, SPLITS, ALL_PROTOCOLS)
        scored += sum(int(take[-2:]) in parts.test for take in takes)
    assert scored == 1200


def test_means_that_are_written_are_those_of_the_tracks(tmp_path: Path):
    """What a model of means gets of a table in use is what it got in training."""
    means = action_units_at(write_means(tmp_path / "means.csv", [STEM])).of(TAKE, 0.0, 3.0, 1)
    tracked = action_units_at(write_tracks(tmp_path / "tracks", [STEM])).of(TAKE, 0.7, 2.0, 1)
    np.testing.assert_allclose(means, tracked, atol=1e-3)
