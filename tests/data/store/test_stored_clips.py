"""Clips as arrays, without copying."""

import pickle

import datasets
import numpy as np
import pytest

import emofusion.data  # noqa: F401  registers the builder
from emofusion.data import DecodeSettings, StoredClips
from helpers.corpora.ravdess_files import write_corpus, write_named

SETTINGS = DecodeSettings(num_frames=2, frame_size=16)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    """Six clips with both, a silent one and sound alone, in an order that is not that of the store."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), actors=(1, 2), emotions=(3, 4, 5))
    write_named(folder, "02-01-06-01-01-01-01", "silent.mp4")
    write_named(folder, "03-01-07-01-01-01-01", "wav")
    words = {"data_dir": str(folder), "cache_dir": str(folder / "cache"), "num_frames": 2, "frame_size": 16}
    return datasets.load_dataset("ravdess", split="all", **words).select([5, 0, 7, 3, 6, 1])


def test_stored_clips_are_the_bytes_of_the_rows_in_their_order(rows: datasets.Dataset):
    clips = StoredClips(rows, SETTINGS)
    assert len(clips) == len(rows) == 6
    for (frames, sound), row in zip(clips, rows, strict=True):
        assert (frames is None, sound is None) == (not row["has_video"], not row["has_audio"])
        if frames is not None:
            assert (frames.shape, frames.dtype, frames.tobytes()) == ((4, 16, 16, 3), np.uint8, row["frames"])
        if sound is not None:
            assert (sound.dtype, sound.tobytes()) == (np.int16, row["audio"])
    assert {frames is None for frames, _ in clips[:3]} == {False, True}


def test_stored_clips_are_views_of_the_mapped_file(rows: datasets.Dataset):
    frames, sound = StoredClips(rows, SETTINGS)[0]
    assert frames is not None
    assert not frames.flags.owndata
    assert not frames.flags.writeable
    addresses = {StoredClips(rows, SETTINGS)[0][0].__array_interface__["data"][0] for _ in range(2)}
    assert len(addresses) == 1  # the same memory each time


def test_stored_clips_of_another_size_are_refused(rows: datasets.Dataset):
    message = f"^clip {rows[0]['clip']}: expected 16 stored frames of 8 x 8 pixels, found 3072 bytes; it was decoded"
    with pytest.raises(ValueError, match=message.replace("16 stored", "4 stored")):
        StoredClips(rows, DecodeSettings(num_frames=2, frame_size=8))
    with pytest.raises(ValueError, match=message.replace("8 x 8", "128 x 128")):
        StoredClips(rows)


def test_rows_of_the_store_are_pickled_by_name_not_by_content(rows: datasets.Dataset):
    """Data-loading workers get the place of the store, not the clips."""
    assert len(pickle.dumps(rows)) < 20_000
