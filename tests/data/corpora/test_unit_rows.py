"""`load_dataset("ravdess", face_tracks=...)`: action units in place of frames, and an account of them."""

import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

import emofusion.data  # noqa: F401  registers the builder
from emofusion.data import ClipCollator, ClipInputs
from emofusion.data.corpora.ravdess import Ravdess
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor
from helpers.corpora.openface_files import write_means, write_tracks
from helpers.corpora.ravdess_files import write_corpus, write_named
from helpers.tiny_models import SIZES

ACTORS, EMOTIONS = (1, 2), (1, 3, 4)
STEMS = [f"01-01-{emotion:02d}-01-01-01-{actor:02d}" for actor in ACTORS for emotion in EMOTIONS]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Voices alone, in `corpus`; no video is anywhere."""
    folder = tmp_path_factory.mktemp("units")
    write_corpus(folder / "corpus", ACTORS, EMOTIONS, kind="flac")
    return folder


def builder_of(place: Path, tracks: Path, **options: object) -> Ravdess:
    return datasets.load_dataset_builder(
        "ravdess",
        data_dir=str(place / "corpus"),
        cache_dir=str(place / "cache"),
        face_tracks=str(tracks),
        num_frames=4,
        **options,
    )


def test_tracks_become_rows_of_the_window(place: Path):
    builder = builder_of(place, write_tracks(place / "tracks", STEMS[1:], lost=range(40, 85)))
    builder.download_and_prepare()
    rows = builder.as_dataset("all")
    assert "frames" not in rows.column_names and rows.features["action_units"] == builder.info.features["action_units"]
    assert rows["has_video"] == [clip != STEMS[0][3:] for clip in rows["clip"]]
    found = [None if units is None else np.array(units) for units in rows["action_units"]]
    assert found[rows["clip"].index(STEMS[0][3:])] is None
    assert {units.shape for units in found if units is not None} == {(4, 35)}
    account = builder.account
    assert (account.picture, account.with_picture, account.without_picture) == ("action units", 5, [STEMS[0][3:]])
    lost = sum(int(np.isnan(units[:, 0]).sum()) for units in found if units is not None)
    assert (account.steps, account.unmeasured_steps) == (20, lost) and 5 <= lost <= 10
    assert f"5 clips with action units; 1 clip without; {lost} of 20 steps not measured" in account.summary()
    assert "with action units" in account.table() and "with picture" not in account.table()
    assert any(gap.startswith("1 clips without action units") for gap in account.gaps())


def test_means_are_one_row_a_clip(place: Path):
    builder = builder_of(place, write_means(place / "means.csv", STEMS))
    builder.download_and_prepare()
    rows = builder.as_dataset("all")
    assert {np.shape(units) for units in rows["action_units"]} == {(1, 35)} and all(rows["has_video"])


def test_tables_are_read_once_and_again_where_they_changed(place: Path, monkeypatch: pytest.MonkeyPatch):
    tracks = write_tracks(place / "changing", STEMS)
    first = builder_of(place, tracks)
    first.download_and_prepare()
    with monkeypatch.context() as patch:
        patch.setattr("emofusion.data.sources.face_tracks.FaceTracks.face", None)
        again = builder_of(place, tracks)
        again.download_and_prepare()
    assert again.fingerprint == first.fingerprint
    assert again.as_dataset("all")["action_units"] == first.as_dataset("all")["action_units"]
    write_tracks(tracks, STEMS[:1], frames=95)
    changed = builder_of(place, tracks)
    changed.download_and_prepare()
    assert changed.fingerprint != first.fingerprint


def test_with_a_face_crop_tracks_are_what_they_were(place: Path):
    pytest.importorskip("cv2")
    builder = builder_of(place, write_tracks(place / "tracks", STEMS), face_crop="haar")
    assert "frames" in builder.info.features and "action_units" not in builder.info.features


def test_rows_become_inputs_of_a_model_of_action_units(place: Path):
    builder = builder_of(place, write_tracks(place / "tracks", STEMS[1:]))
    builder.download_and_prepare()
    config = EmoFusionConfig(**{**SIZES, "video_encoder": "action_units"})
    rows = builder.as_dataset("all")
    inputs = rows.with_transform(ClipInputs(EmoFusionProcessor.from_config(config)))
    batch = ClipCollator()([inputs[index] for index in range(len(rows))])
    assert batch["action_units"].shape == (6, 4, 35) and batch["action_units"].isfinite().all()
    assert batch["action_unit_mask"].shape == (6, 4)
    assert batch["video_mask"].tolist() == rows["has_video"] and batch["audio_mask"].all()
    first = rows["has_video"].index(True)
    assert np.array_equal(batch["action_units"][first], np.array(rows["action_units"][first], np.float32))


def test_clips_are_mixed_where_the_same_steps_were_measured():
    units = torch.arange(4.0)[:, None, None].expand(4, 2, 35).clone()
    measured = torch.tensor([[True, True], [True, True], [True, False], [True, True]])
    clips = [
        {
            "action_units": rows,
            "action_unit_mask": there,
            "video_mask": torch.tensor(True),
            "labels": index,
            "mixup": plan,
        }
        for index, (rows, there, plan) in enumerate(
            zip(units, measured, torch.tensor([[0.75, 0.0], [0.75, 0.2], [0.75, 0.4], [0.75, 0.6]]), strict=True)
        )
    ]
    batch = ClipCollator(num_labels=4)(clips)
    assert batch["action_units"][:, 0, 0].tolist() == [0.25, 1.0, 2.0, 2.25]  # 1 and 2, 2 and 3 have other steps
    assert batch["labels"][0].tolist() == [0.75, 0.25, 0.0, 0.0] and batch["labels"][1, 1] == 1
    assert torch.equal(batch["action_unit_mask"], measured)


def test_rows_without_the_column_are_named(place: Path):
    rows = datasets.load_dataset(
        "ravdess", data_dir=str(place / "corpus"), cache_dir=str(place / "cache"), num_frames=4, split="all"
    )
    config = EmoFusionConfig(**{**SIZES, "video_encoder": "action_units"})
    with pytest.raises(ValueError, match=r"flac: the model reads action units, .* load the dataset with face_tracks="):
        rows.with_transform(ClipInputs(EmoFusionProcessor.from_config(config)))[0]


def test_real_voices_and_real_action_units_are_one_corpus(test_data: Path, tmp_path: Path):
    """Two actors of it: the corpus is decoded where it is not decoded yet."""
    for actor in (1, 2):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        (tmp_path / "corpus" / f"Actor_{actor:02d}").symlink_to(test_data / "ravdess" / f"Actor_{actor:02d}")
    builder = builder_of(tmp_path, test_data / "visual_features" / "df_average_AUs_total.csv")
    builder.download_and_prepare()
    account = builder.account
    assert (account.takes, account.with_picture, account.with_sound, account.unmeasured_steps) == (120, 120, 120, 0)


def test_tables_of_no_clip_are_refused(place: Path):
    tracks = write_means(place / "others.csv", [stem.replace("-01-01-", "-02-02-") for stem in STEMS])
    with pytest.raises(ValueError, match="others.csv: expected action units of the clips .*, found none of these 6"):
        builder_of(place, tracks).download_and_prepare()


def test_clip_with_neither_sound_nor_action_units_is_left_out_and_told(place: Path, tmp_path: Path):
    shutil.copytree(place / "corpus", tmp_path / "corpus")
    silent = write_named(tmp_path / "corpus", "02-01-08-01-01-01-01", "silent.mp4")
    builder = builder_of(tmp_path, write_means(tmp_path / "means.csv", STEMS))
    builder.download_and_prepare()
    assert len(builder.as_dataset("all")) == len(STEMS)
    assert builder.account.unreadable == {
        silent.relative_to(tmp_path / "corpus").as_posix(): "no sound in it, and no action units for it"
    }
