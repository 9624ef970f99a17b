"""`load_dataset("fer2013")` and `load_dataset("affectnet")`: still pictures as clips of one frame."""

import io
import json
import os
import pickle
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import emofusion.data  # noqa: F401  registers the builders
from emofusion.data import ClipCollator, ClipInputs, label_set
from emofusion.data.corpora.affectnet import read_number
from emofusion.data.corpora.builders.dealing import deal
from emofusion.data.corpora.fer2013 import CLASS_FOLDERS, CSV_EMOTIONS, FER2013, parse_row
from emofusion.data.inputs import stills
from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.stills import as_still
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from helpers.corpora.picture_files import write_affectnet, write_picture, write_tree, zip_tree

SEVEN = ["neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
# data/FER2013.md of the test data
PUBLISHED = {
    "train": {
        "angry": 3995,
        "disgust": 436,
        "fearful": 4097,
        "happy": 7215,
        "neutral": 4965,
        "sad": 4830,
        "surprised": 3171,
    },
    "test": {
        "angry": 467,
        "disgust": 56,
        "fearful": 496,
        "happy": 895,
        "neutral": 607,
        "sad": 653,
        "surprised": 415,
    },
}
TREE = ["train/angry/1.png", "train/happy/2.jpg", "train/neutral/3.webp", "PublicTest/fear/4.png"]
TREE += ["PrivateTest/surprise/5.png", "train/sad/6.png"]


def write_table(path: Path, rows: list[tuple[Any, ...]], header: str = "emotion,pixels,Usage") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def pixels(level: int) -> str:
    return " ".join([str(level)] * 48 * 48)


def load(name: str, place: Path | None, cache: Path, **options: Any) -> Any:
    named = {} if place is None else {"data_dir": str(place)}
    return datasets.load_dataset(name, cache_dir=str(cache), **named, **options)


def builder_of(name: str, place: Path, cache: Path, **options: Any) -> Any:
    builder = datasets.load_dataset_builder(name, data_dir=str(place), cache_dir=str(cache), **options)
    builder.download_and_prepare()
    return builder


def sizes(splits: datasets.DatasetDict) -> dict[str, int]:
    return {name: rows.num_rows for name, rows in splits.items()}


# FER-2013: the real one


@pytest.fixture(scope="module")
def real(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> datasets.DatasetDict:
    cache = tmp_path_factory.mktemp("real")
    return load("fer2013", None, cache, data_files=str(test_data / "fer2013.zip"), keep_copies=True)


@pytest.fixture(scope="module")
def real_without_copies(real: datasets.DatasetDict, test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """By protocol; the index is that of `real`."""
    cache = Path(real["train"].cache_files[0]["filename"]).parents[1]
    named = {"data_files": str(test_data / "fer2013.zip"), "cache_dir": str(cache), "label_set": "emotions7"}

    def open_by(protocol: str) -> Any:
        builder = datasets.load_dataset_builder("fer2013", protocol=protocol, **named)
        builder.download_and_prepare()
        return builder

    return open_by


def test_fer2013_real_counts_are_the_published_ones_and_those_of_the_names(
    real: datasets.DatasetDict, test_data: Path
):
    found = {split: dict(Counter(rows["emotion"])) for split, rows in real.items()}
    assert found == PUBLISHED
    names = zipfile.ZipFile(test_data / "fer2013.zip").namelist()
    independent = Counter(tuple(name.split("/")[:2]) for name in names if name.endswith(".webp"))
    spelt = {"fearful": "fear", "surprised": "surprise"}
    assert independent == {
        (split, spelt.get(emotion, emotion)): count
        for split, classes in found.items()
        for emotion, count in classes.items()
    }


def test_fer2013_real_labels_go_by_name_and_copies_between_splits_are_said(real: datasets.DatasetDict):
    rows = real["train"]
    assert rows.features["label"].names == label_set("emotions8").labels
    for index in range(0, len(rows), 1000):
        row = rows[index]
        folder = row["source"].split("/")[2]
        assert rows.features["label"].int2str(row["label"]) == row["emotion"] == CLASS_FOLDERS[folder]
    assert "280 pictures of test are also in train" in rows.info.description  # as counted on the originals
    assert rows.info.description.startswith(FER2013.notice)
    assert rows.info.license == "other"


def test_fer2013_real_clips_are_unique_and_webp_reads_as_grey(real: datasets.DatasetDict):
    clips = [clip for rows in real.values() for clip in rows["clip"]]
    assert len(set(clips)) == len(clips) == 28709 + 3589
    for row in real["test"].select(range(0, 3589, 400)):
        levels = np.asarray(row["image"]).astype(int)
        assert levels.shape == (48, 48, 3)
        assert np.ptp(levels, axis=-1).max() <= 1
    frames = real["test"].with_transform(ClipInputs(tiny_processor()))[0]["pixel_values"]
    grey = frames * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    grey = grey + torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    assert (grey[:, 0] - grey[:, 1]).abs().max() < 2 / 255


def test_fer2013_real_pictures_that_stand_in_training_are_not_scored(
    real: datasets.DatasetDict, real_without_copies: Any
):
    builder = real_without_copies("public_test")
    found = builder.as_dataset()
    assert sizes(found)["test"] == 3589 - 280
    assert sizes(found)["train"] + sizes(found)["validation"] == 28709
    assert builder.account.left_out == {"test": 280}
    assert builder.account.held_out == sizes(found)["validation"] == pytest.approx(2871, rel=0.05)
    said = found["test"].info.description
    assert "280 copies of pictures to learn from or to choose by are left out of test" in said
    assert f"{builder.account.held_out} pictures of train are held out to validate on" in said
    assert ["280"] in [line.split()[4:5] for line in builder.account.table().splitlines() if "not scored" in line]
    content = {split: {row["bytes"] for row in undecoded(rows)} for split, rows in found.items()}
    assert not content["train"] & content["validation"]
    assert not content["test"] & (content["train"] | content["validation"])
    kept = {split: {row["bytes"] for row in undecoded(rows)} for split, rows in real.items()}
    assert content["train"] | content["validation"] == kept["train"]
    assert content["test"] == kept["test"] - kept["train"]
    shares = {split: Counter(rows["emotion"]) for split, rows in found.items()}
    for emotion, count in shares["validation"].items():
        assert count / shares["train"][emotion] == pytest.approx(1 / 9, rel=0.35), emotion


def undecoded(rows: datasets.Dataset) -> list[dict[str, Any]]:
    return rows.cast_column("image", datasets.Image(decode=False))["image"]


def test_fer2013_real_private_test_is_not_in_the_zip(real_without_copies: Any):
    assert list(real_without_copies("private_test").as_dataset()) == ["train", "validation"]


# FER-2013: layouts


def test_fer2013_of_a_zip_and_of_its_folder_are_the_same_rows_but_for_the_place(tmp_path: Path):
    folder = write_tree(tmp_path / "folder", TREE)
    archive = zip_tree(folder, tmp_path / "zip" / "fer2013.zip")
    plain = load("fer2013", folder, tmp_path / "cache")
    assert sizes(plain) == {"train": 4, "validation": 1, "test": 1}
    by_name = load("fer2013", None, tmp_path / "cache", data_files=str(archive))
    for packed in (load("fer2013", archive.parent, tmp_path / "cache"), by_name):
        assert sizes(packed) == sizes(plain)
        for split, rows in plain.items():
            for one, other in zip(rows, packed[split], strict=True):
                assert np.array_equal(np.asarray(one.pop("image")), np.asarray(other.pop("image")))
                assert other.pop("source") == f"fer2013.zip/{one.pop('source')}"
                assert one == other


def test_fer2013_columns_are_those_of_ravdess_with_the_image_in_place_of_the_frames(tmp_path: Path):
    rows = load("fer2013", write_tree(tmp_path / "a", TREE), tmp_path / "cache", split="train", label_set="emotions7")
    row = rows[0]
    assert rows.features["image"] == datasets.Image()
    assert datasets.Image() == rows.features["image"]
    assert rows.features["label"] == datasets.ClassLabel(names=SEVEN)
    assert row.pop("image").size == (48, 48)
    assert row == {
        "clip": "train/angry/1.png",
        "has_video": True,
        "has_audio": False,
        "emotion": "angry",
        "actor": None,
        "gender": None,
        "source": "train/angry/1.png",
        "label": 3,
    }
    ravdess = {"clip": "string", "has_video": "bool", "actor": "int32", "gender": "string", "source": "string"}
    assert {name: rows.features[name].dtype for name in ravdess} == ravdess


@pytest.mark.parametrize(
    "folders, splits",
    [
        (["train", "validation", "test"], ["train", "validation", "test"]),
        (["Training", "PublicTest", "PrivateTest"], ["train", "validation", "test"]),
        (["TRAIN", "public_test", "private_test"], ["train", "validation", "test"]),
        (["train", "test", "private_test"], ["train", "test", "private_test"]),
        (["train", "PublicTest", "test", "PrivateTest"], ["train", "validation", "test", "private_test"]),
    ],
)
def test_fer2013_split_folders_mean_what_they_say(tmp_path: Path, folders: list[str], splits: list[str]):
    write_tree(tmp_path / "a" / "deep" / "er", [f"{folder}/sad/{index}.png" for index, folder in enumerate(folders)])
    found = load("fer2013", tmp_path / "a", tmp_path / "cache")
    assert list(found) == splits
    by_split = {split: Path(rows[0]["source"]).parts[-3] for split, rows in found.items()}
    assert sorted(by_split.values()) == sorted(folders)
    assert by_split == dict(zip(splits, folders, strict=True))


def test_fer2013_archives_named_by_split_count_as_folders(tmp_path: Path):
    for split in ("train", "test"):
        zip_tree(write_tree(tmp_path / split, [f"{split}/anger/1.png"]) / split, tmp_path / "zips" / f"{split}.zip")
    found = load("fer2013", tmp_path / "zips", tmp_path / "cache", keep_copies=True)
    assert {split: rows["clip"][:] for split, rows in found.items()} == {
        "train": ["train/angry/1.png"],
        "test": ["test/angry/1.png"],
    }


def test_fer2013_tests_in_one_folder_are_told_apart_by_the_names_of_their_files(tmp_path: Path):
    names = ["train/sad/Training_1.png", "test/sad/PublicTest_2.png", "test/sad/PrivateTest_3.png"]
    found = load("fer2013", write_tree(tmp_path / "a", names), tmp_path / "cache")
    assert {split: rows["source"][:] for split, rows in found.items()} == {
        split: [name] for split, name in zip(("train", "test", "private_test"), names, strict=True)
    }


LAYOUTS = {
    "as published": ("Training", "PublicTest", "PrivateTest"),
    "public test as the test": ("train", "test", "private_test"),
    "private test as the test": ("train", "validation", "test"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("protocol", "place"), [("public_test", 1), ("private_test", 2)])
def test_fer2013_protocols_score_what_they_name_and_validate_on_a_part_of_training(
    tmp_path: Path, layout: str, protocol: str, place: int
):
    folders = LAYOUTS[layout]
    names = [f"{folders[0]}/{word}/{k}.png" for word in ("sad", "happy", "fear") for k in range(4)]
    names += [f"{folder}/sad/{k}.png" for folder in folders[1:] for k in range(2)]
    folder = write_tree(tmp_path / "a", names)
    write_picture(folder / folders[place] / "sad" / "copy.png", 0, mode="L")  # as the first one of training
    builder = builder_of("fer2013", folder, tmp_path / "cache", protocol=protocol)
    found = builder.as_dataset()
    assert sizes(found) == {"train": 10, "validation": 2, "test": 2}  # a tenth, rounded up
    assert found["test"]["source"][:] == [f"{folders[place]}/sad/{k}.png" for k in range(2)]
    assert (builder.account.left_out, builder.account.held_out) == ({"test": 1}, 2)
    again = builder_of("fer2013", folder, tmp_path / "cache", protocol=protocol, keep_copies=True).as_dataset()
    assert sizes(again) == {"train": 10, "validation": 2, "test": 3}
    assert again["train"]["clip"] == found["train"]["clip"]
    with pytest.raises(ValueError, match="protocol: unknown 'holdout'; the choices are public_test, private_test"):
        load("fer2013", folder, tmp_path / "cache", protocol="holdout")


def test_copies_are_dealt_together_and_none_of_what_is_known_is_scored():
    published = ["train"] * 40 + ["validation", "validation", "test", "test", "test"]
    digests: list[str | None] = [f"{number // 2:02d}" for number in range(40)]  # each stands there twice
    digests += ["00", "v", "v", "39", "t"]
    dealt = deal(published, digests, None, keep_copies=False)
    assert (dealt.held_out, dealt.left_out) == ([], {40: "validation", 42: "test"})
    dealt = deal(published, digests, "test", keep_copies=False)
    assert dealt.held_out == [0, 1, 2, 3]
    assert dealt.splits == [*["validation"] * 4, *["train"] * 36, None, None, "test", "test", "test"]
    dealt = deal(published, [*digests[:42], "00", "19", "t"], "test", keep_copies=False)
    assert dealt.left_out == {42: "test", 43: "test"}  # of a picture to choose by, and of one to learn from
    assert deal(published, [None] * 45, None, keep_copies=False).splits == published


def test_fer2013_common_spellings_of_classes_are_known(tmp_path: Path):
    spelt = {"anger": "angry", "Disgusted": "disgust", "fearful": "fearful", "Happiness": "happy"}
    spelt |= {"NEUTRAL": "neutral", "sadness": "sad", "surprised": "surprised"}
    write_tree(tmp_path / "a", [f"train/{word}/1.png" for word in spelt])
    rows = load("fer2013", tmp_path / "a", tmp_path / "cache", split="train", label_set="emotions7")
    found = {source.split("/")[1]: emotion for source, emotion in zip(rows["source"], rows["emotion"], strict=True)}
    assert found == spelt
    assert [SEVEN[label] for label in rows["label"]] == rows["emotion"][:]


def test_fer2013_of_a_table_has_its_pictures_and_splits(tmp_path: Path):
    rows = [(number, pixels(10 * number), "Training") for number in range(7)]
    rows += [(3, pixels(200), "PublicTest"), (6, pixels(30), "PrivateTest")]
    table = write_table(tmp_path / "a" / "fer2013.csv", rows)
    for found in (
        load("fer2013", table.parent, tmp_path / "cache", keep_copies=True),
        load("fer2013", None, tmp_path / "cache", data_files=str(table), keep_copies=True),
        load("fer2013", zip_tree(table.parent, tmp_path / "b/a.zip").parent, tmp_path / "cache", keep_copies=True),
    ):
        assert sizes(found) == {"train": 7, "validation": 1, "test": 1}
        assert found["train"]["emotion"][:] == [
            "angry",
            "disgust",
            "fearful",
            "happy",
            "sad",
            "surprised",
            "neutral",
        ]
        assert found["train"][2]["clip"] == "train/fearful/row_3"
        assert found["train"][2]["source"].endswith("fer2013.csv row 3")
        for number, row in enumerate(found["train"]):
            assert row["image"].mode == "L"
            assert (np.asarray(row["image"]) == 10 * number).all()
            assert np.asarray(row["image"]).shape == (48, 48)
        assert "1 pictures of test are also in train" in found["test"].info.description


def test_fer2013_table_columns_are_found_by_name(tmp_path: Path):
    write_table(tmp_path / "a" / "icml_face_data.csv", [(4, "Training", pixels(1))], header="emotion, Usage, pixels")
    write_table(tmp_path / "a" / "submission.csv", [(1, 2)], header="id,emotion")
    assert load("fer2013", tmp_path / "a", tmp_path / "cache")["train"]["emotion"][:] == ["sad"]


@given(emotion=st.integers(0, 6), pattern=st.binary(min_size=1, max_size=48))
def test_fer2013_table_row_reads_back_its_levels(emotion: int, pattern: bytes):
    levels = (pattern * 2304)[:2304]
    row = parse_row(str(emotion), " ".join(map(str, levels)), "PublicTest")
    assert row == (CSV_EMOTIONS[emotion], "validation", levels)


# Dropped, doubled, left out


def test_emotions_without_a_class_are_dropped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write_tree(tmp_path / "a", [*TREE, "train/contempt/1.png", "train/contempt/2.png"])
    counts = {"emotions8": 6, "emotions7": 6, "emotions7_calm": 6, "affectnet8": 8, "emotions4": 4}
    for name, count in counts.items():
        builder = builder_of("fer2013", tmp_path / "a", tmp_path / "cache", label_set=name)
        rows = builder.as_dataset(split="all")
        assert len(rows) == count
        assert len(rows) + sum(builder.account.dropped.values()) == 8
    assert builder.account.dropped == {"contempt": 2, "surprised": 1, "fearful": 1}
    assert "not in the label set: contempt 2, fearful 1, surprised 1" in caplog.text
    assert "not in the label set: contempt 2, fearful 1, surprised 1" in rows.info.description
    assert builder.account.found["train"] == {"angry": 1, "happy": 1, "neutral": 1, "sad": 1, "contempt": 2}
    builder.account.save(tmp_path / "account.json")
    assert json.loads((tmp_path / "account.json").read_text())["dropped"]["contempt"] == 2


def test_duplicates_strays_and_copies_are_counted(tmp_path: Path):
    folder = write_tree(tmp_path / "a", TREE)
    zip_tree(write_tree(tmp_path / "b", TREE[:2]), folder / "again.zip")
    write_picture(folder / "cover.png")
    (folder / "PrivateTest" / "anger").mkdir()
    shutil.copy(folder / "train/angry/1.png", folder / "PrivateTest" / "anger" / "same.png")
    (folder / "broken.zip").write_bytes(b"PK nothing")
    (folder / "train" / "angry" / "._1.png").write_bytes(b"what a Mac leaves in archives")
    write_table(folder / "fer2013.csv", [(0, pixels(0), "Training")])
    builder = builder_of("fer2013", folder, tmp_path / "cache")
    account = builder.account
    assert sizes(builder.as_dataset()) == {"train": 4, "validation": 1, "test": 1}
    assert account.left_out == {"test": 1}
    assert len(builder.as_dataset("all")) == 7
    assert account.duplicates == {f"again.zip/{name}": name for name in TREE[:2]}
    assert account.copies == {"test": {"train": 1}}
    assert account.unreadable.keys() == {"cover.png", "broken.zip", "fer2013.csv"}
    for phrase in ("2 duplicate files left out", "cover.png: not in a folder SPLIT/CLASS", "broken.zip: not a"):
        assert phrase in account.summary()


def test_member_of_a_damaged_archive_is_left_out_and_said(tmp_path: Path):
    archive = zip_tree(write_tree(tmp_path / "a", TREE), tmp_path / "fer2013.zip")
    content = bytearray(archive.read_bytes())
    place = content.index((tmp_path / "a" / TREE[0]).read_bytes())
    content[place + 20] ^= 255
    archive.write_bytes(content)
    builder = builder_of("fer2013", archive, tmp_path / "cache")
    assert sizes(builder.as_dataset()) == {"train": 3, "validation": 1, "test": 1}
    assert list(builder.account.unreadable) == [f"fer2013.zip/{TREE[0]}"]


# Nothing is decoded before it is read


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_picture_is_met_only_when_it_is_read(tmp_path: Path, packed: bool):
    folder = write_tree(tmp_path / "a", TREE)
    (folder / "train/happy/2.jpg").write_bytes(b"no picture")
    place = zip_tree(folder, tmp_path / "b" / "fer2013.zip").parent if packed else folder
    rows = load("fer2013", place, tmp_path / "cache", split="train")
    assert len(rows) == 4
    assert rows[0]["image"].size == (48, 48)
    with pytest.raises(ValueError, match=r"train/happy/2\.jpg: cannot be read"):
        rows[1]
    inputs = rows.with_transform(ClipInputs(tiny_processor()))
    assert inputs[0]["pixel_values"].shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"train/happy/2\.jpg: cannot be read"):
        inputs[1]
    undecoded = rows.cast_column("image", datasets.Image(decode=False)).with_transform(ClipInputs(tiny_processor()))
    assert torch.equal(undecoded[0]["pixel_values"], inputs[0]["pixel_values"])
    with pytest.raises(ValueError, match=r"^train/happy/2\.jpg \(.*train/happy/2\.jpg\): .*cannot be read"):
        undecoded[1]


def test_second_load_reads_no_picture_and_changed_files_are_indexed_anew(tmp_path: Path):
    folder = write_tree(tmp_path / "a", TREE)
    load("fer2013", folder, tmp_path / "cache")
    index = next((tmp_path / "cache").glob("images-*/images.arrow"))
    written = index.stat().st_mtime_ns
    load("fer2013", folder, tmp_path / "cache", label_set="emotions4")
    assert [path for path in (tmp_path / "cache").glob("images-*") if path.is_dir()] == [index.parent]
    assert index.stat().st_mtime_ns == written
    write_picture(folder / "train/angry/7.png", 99)
    assert sizes(load("fer2013", folder, tmp_path / "cache"))["train"] == 5
    load("fer2013", folder, tmp_path / "cache", download_mode="force_redownload")
    assert index.exists()
    assert not list((tmp_path / "cache").glob("*.incomplete"))


def test_folder_rows_keep_places_and_not_pictures(tmp_path: Path):
    folder = write_tree(tmp_path / "a", TREE)
    rows = load("fer2013", folder, tmp_path / "cache", split="train")
    stored = rows.cast_column("image", datasets.Image(decode=False))[0]["image"]
    assert stored == {"bytes": None, "path": str(folder / "train/angry/1.png")}


@pytest.mark.parametrize("name", ["fer2013", "affectnet"])
def test_index_made_through_a_link_outlives_it(tmp_path: Path, name: str):
    folder = tmp_path / "a"
    write_tree(folder, TREE) if name == "fer2013" else write_affectnet(folder, {"0": 0, "1": 1})
    (tmp_path / "link").symlink_to(folder)
    rows = load(name, tmp_path / "link", tmp_path / "cache", split="train")
    (tmp_path / "link").unlink()
    assert rows[0]["image"] is not None
    assert load(name, folder, tmp_path / "cache", split="train")[1]["image"] is not None


def test_datasets_does_not_list_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a million files would be listed by patterns")

    monkeypatch.setattr("datasets.load.get_data_patterns", refuse)
    assert len(load("fer2013", write_tree(tmp_path / "a", TREE), tmp_path / "cache")) == 3
    with pytest.raises(AssertionError):
        datasets.load_dataset("csv", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"))


def test_streaming_and_parts_of_splits_are_what_datasets_understands(tmp_path: Path):
    folder = write_tree(tmp_path / "a", TREE)
    assert len(load("fer2013", folder, tmp_path / "cache", split="train[:50%]+test")) == 3
    streamed = load("fer2013", folder, tmp_path / "cache", split="train", streaming=True)
    assert [row["emotion"] for row in streamed] == ["angry", "happy", "neutral", "sad"]


# Clear errors


def test_fer2013_of_nothing_says_what_is_expected(tmp_path: Path):
    with pytest.raises(ValueError, match="data_dir is missing"):
        load("fer2013", None, tmp_path / "cache")
    with pytest.raises(FileNotFoundError, match="missing: no such folder"):
        load("fer2013", tmp_path / "missing", tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no FER-2013 in it .*SPLIT/CLASS/NAME .* emotion, pixels, Usage"):
        load("fer2013", tmp_path / "empty", tmp_path / "cache")
    write_picture(tmp_path / "flat" / "angry" / "1.png")
    with pytest.raises(ValueError, match=r"flat: no FER-2013 in it \(angry/1.png: not in a folder SPLIT/CLASS\)"):
        load("fer2013", tmp_path / "flat", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.incomplete"))


def test_fer2013_unknown_class_folder_is_named_with_the_known_ones(tmp_path: Path):
    write_tree(tmp_path / "a", [*TREE, "train/0/1.png", "train/joyful/1.png"])
    with pytest.raises(ValueError, match="unknown class folder train/0, train/joyful; .* angry, anger, disgust, "):
        load("fer2013", tmp_path / "a", tmp_path / "cache")


@pytest.mark.parametrize(
    "row, message",
    [
        ((0, "1 2 3", "Training"), r"fer2013\.csv row 2: pixels: expected 2304 \(48 x 48\), found 3"),
        ((0, pixels(256), "Training"), r"fer2013\.csv row 2: pixels: expected grey levels 0 to 255"),
        ((7, pixels(1), "Training"), r"fer2013\.csv row 2: emotion: expected 0 to 6, found '7'"),
        ((0, pixels(1), "Test"), r"fer2013\.csv row 2: Usage: expected Training, .*found 'Test'"),
        ((0,), r"fer2013\.csv row 2: too few columns"),
    ],
)
def test_fer2013_bad_table_row_is_named(tmp_path: Path, row: tuple[Any, ...], message: str):
    write_table(tmp_path / "a" / "fer2013.csv", [(0, pixels(1), "Training"), row])
    with pytest.raises(ValueError, match=message):
        load("fer2013", tmp_path / "a", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("images-*/"))


def test_fer2013_tables_that_do_not_fit_are_named(tmp_path: Path):
    write_table(tmp_path / "a" / "train.csv", [(0, "1")], header="emotion,pixels")
    with pytest.raises(ValueError, match=r"train\.csv: expected the columns .*Usage, found emotion, pixels$"):
        load("fer2013", tmp_path / "a", tmp_path / "cache")
    for name in ("one.csv", "two.csv"):
        write_table(tmp_path / "a" / name, [(0, pixels(1), "Training")])
    with pytest.raises(ValueError, match=r"several tables of pictures \(one\.csv, two\.csv\); name the one to read: "):
        load("fer2013", tmp_path / "a", tmp_path / "cache")
    with pytest.raises(ValueError, match="data_files: expected one zip or csv file, found .*one.csv, .*two.csv"):
        load("fer2013", None, tmp_path / "cache", data_files=str(tmp_path / "a" / "*o*.csv"))


def test_label_set_that_is_unknown_or_leaves_nothing_is_refused(tmp_path: Path):
    write_tree(tmp_path / "a", ["train/fear/1.png"])
    with pytest.raises(ValueError, match="label_set: unknown 'seven'"):
        load("fer2013", tmp_path / "a", tmp_path / "cache", label_set="seven")
    with pytest.raises(ValueError, match="no picture of 1 is left in label set emotions4 "):
        load("fer2013", tmp_path / "a", tmp_path / "cache", label_set="emotions4")


# AffectNet


@pytest.fixture
def affectnet(tmp_path: Path) -> Path:
    """Every number in train, as text as AffectNet has it; some as numbers in validation."""
    folder = write_affectnet(tmp_path / "affectnet" / "inner", {str(n): str(n) for n in range(11)})
    write_affectnet(folder, {"0": 6, "1": np.int64(3), "2": 7.0}, "val_set")
    return folder.parent


def test_affectnet_numbers_are_those_of_its_authors(affectnet: Path, tmp_path: Path):
    builder = builder_of("affectnet", affectnet, tmp_path / "cache", label_set="affectnet8")
    splits = builder.as_dataset()
    assert list(zip(splits["train"]["clip"], splits["train"]["emotion"], strict=True)) == [
        ("train/0", "neutral"),
        ("train/1", "happy"),
        ("train/2", "sad"),
        ("train/3", "surprised"),
        ("train/4", "fearful"),
        ("train/5", "disgust"),
        ("train/6", "angry"),
        ("train/7", "contempt"),
    ]
    assert splits["validation"]["emotion"][:] == ["angry", "surprised", "contempt"]
    assert splits["train"].features["label"].names == [*SEVEN, "contempt"]
    assert builder.account.dropped == {"none": 1, "uncertain": 1, "no face": 1}
    assert not builder.account.unreadable
    assert splits["train"][3]["source"] == "inner/train_set/images/3.jpg"
    assert splits["train"][3]["image"].size == (60, 40)
    assert "AffectNet, Mollahosseini" in splits["train"].info.description
    assert "for research only" in splits["train"].info.description


@pytest.mark.parametrize("name, clips", [("emotions7", 9), ("emotions8", 9), ("emotions4", 5)])
def test_affectnet_label_sets_drop_and_count_the_rest(affectnet: Path, tmp_path: Path, name: str, clips: int):
    builder = builder_of("affectnet", affectnet, tmp_path / "cache", label_set=name)
    rows = builder.as_dataset(split="all")
    assert len(rows) == clips
    assert builder.account.dropped["contempt"] == 2
    assert clips + sum(builder.account.dropped.values()) == 14


def test_affectnet_files_that_do_not_fit_are_counted_with_their_reason(affectnet: Path, tmp_path: Path):
    train = affectnet / "inner" / "train_set"
    (train / "annotations" / "1_exp.npy").unlink()
    (train / "images" / "2.jpg").unlink()
    np.save(train / "annotations" / "3_exp.npy", np.array("11"))
    np.save(train / "annotations" / "4_exp.npy", np.array(-1))
    (train / "annotations" / "5_exp.npy").write_bytes(b"no array")
    np.save(train / "annotations" / "6_exp.npy", np.array([1, 2]))
    np.save(train / "annotations" / "7_exp.npy", np.array("happy"))
    builder = builder_of("affectnet", affectnet, tmp_path / "cache", label_set="affectnet8")
    assert builder.as_dataset(split="train")["emotion"][:] == ["neutral"]
    images, no_number = "inner/train_set/images", "annotation is no number in an npy file"
    assert builder.account.unreadable == {
        "inner/train_set/annotations/2_exp.npy": "annotation without image",
        f"{images}/1.jpg": "image without annotation",
        f"{images}/3.jpg": "annotation 11 is out of range 0-10",
        f"{images}/4.jpg": "annotation -1 is out of range 0-10",
        f"{images}/5.jpg": no_number,
        f"{images}/6.jpg": no_number,
        f"{images}/7.jpg": no_number,
    }
    assert f"3 not used, such as {images}/5.jpg: {no_number}" in builder.account.summary()


def test_affectnet_second_load_reads_no_annotation_unless_one_changed(
    affectnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    read: list[str] = []

    def spy(path: Path) -> int:
        read.append(path.name)
        return read_number(path)

    monkeypatch.setattr("emofusion.data.corpora.affectnet.read_number", spy)
    load("affectnet", affectnet, tmp_path / "cache")
    assert len(read) == 14
    assert load("affectnet", affectnet, tmp_path / "cache")["train"]["emotion"][0] == "neutral"
    assert len(read) == 14
    np.save(affectnet / "inner" / "train_set" / "annotations" / "0_exp.npy", np.array("06"))
    assert load("affectnet", affectnet, tmp_path / "cache")["train"]["emotion"][0] == "angry"


def test_affectnet_of_a_wrong_place_says_what_is_expected(affectnet: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="data_dir is missing"):
        load("affectnet", None, tmp_path / "cache")
    with pytest.raises(ValueError, match="no AffectNet in it, expected train_set/images/0.jpg"):
        load("affectnet", write_tree(tmp_path / "fer", TREE), tmp_path / "cache")
    with pytest.raises(ValueError, match="data_files: AffectNet is read from a folder"):
        load("affectnet", None, tmp_path / "cache", data_files=str(next(affectnet.rglob("*.jpg"))))
    shutil.copytree(affectnet / "inner" / "val_set", affectnet / "old" / "val_set")
    with pytest.raises(ValueError, match="val_set is in it twice"):
        load("affectnet", affectnet, tmp_path / "cache")
    (affectnet / "bare" / "train_set" / "images").mkdir(parents=True)
    with pytest.raises(ValueError, match="bare: no picture in it can be used"):
        load("affectnet", affectnet / "bare", tmp_path / "cache")


# The model


def tiny_processor(**fields: Any) -> EmoFusionProcessor:
    sizes = {"num_frames": 4, "image_size": 32, "num_mel_bins": 16}
    return EmoFusionProcessor.from_config(EmoFusionConfig(**sizes | fields))


def test_model_scores_still_pictures_by_its_video_branch(tmp_path: Path, tiny_model: EmoFusionModel):
    rows = load("fer2013", write_tree(tmp_path / "a", TREE), tmp_path / "cache", split="train")
    inputs = rows.with_transform(ClipInputs(tiny_processor()))
    batch = ClipCollator()([inputs[index] for index in range(len(rows))])
    assert batch["pixel_values"].shape == (4, 1, 3, 32, 32)
    assert sorted(batch) == ["labels", "pixel_values", "video_mask"]
    with torch.no_grad():
        output = tiny_model(**batch)
        changed = tiny_model(**batch | {"pixel_values": batch["pixel_values"].flip(0)})
    assert output.logits.shape == (4, 8)
    assert torch.isfinite(output.loss)
    assert (output.gate == 0).all()  # all weight on the picture
    torch.testing.assert_close(changed.logits, output.logits.flip(0))
    assert not torch.allclose(output.logits[0], output.logits[1])


def test_model_trains_on_augmented_still_pictures(tmp_path: Path, tiny_model: EmoFusionModel):
    rows = load("fer2013", write_tree(tmp_path / "a", TREE), tmp_path / "cache", split="train")
    batch = rows.with_transform(ClipInputs(tiny_processor(), Augmentation(seed=0)))[:]
    tiny_model.train()(**batch).loss.backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in tiny_model.parameters())


@pytest.mark.slow
def test_model_scores_real_faces(real: datasets.DatasetDict, tiny_model: EmoFusionModel):
    rows = real["test"].shuffle(seed=0).select(range(64)).with_transform(ClipInputs(tiny_processor()))
    with torch.no_grad():
        assert torch.isfinite(tiny_model(**ClipCollator()([rows[index] for index in range(64)])).logits).all()


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_of_files_are_decoded_once_and_again_when_they_change(
    tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
):
    folder = write_tree(tmp_path / "a", TREE)
    place = zip_tree(folder, tmp_path / "b" / "fer2013.zip") if packed else folder
    rows = load("fer2013", place, tmp_path / "cache", split="train")
    files = rows.cast_column("image", datasets.Image(decode=False))
    decoded: list[str] = []
    monkeypatch.setattr(
        stills, "as_still", lambda image, clip, source: decoded.append(clip) or as_still(image, clip, source)
    )
    inputs = files.with_transform(ClipInputs(tiny_processor(), Augmentation(1, erase=0.5)))
    first = [row["pixel_values"] for row in inputs]
    assert sorted(decoded) == sorted(rows["clip"])
    plain = rows.with_transform(ClipInputs(tiny_processor(), Augmentation(1, erase=0.5)))
    assert all(torch.equal(row["pixel_values"], before) for row, before in zip(plain, first, strict=True))
    decoded.clear()
    assert all(torch.equal(row["pixel_values"], before) for row, before in zip(inputs, first, strict=True))
    assert decoded == []
    if not packed:
        write_picture(folder / TREE[0], 200)
        os.utime(folder / TREE[0], (1, 1))
        assert not torch.equal(inputs[0]["pixel_values"], first[0])
        assert decoded == [rows[0]["clip"]]


def test_pictures_are_kept_while_there_is_room_and_not_handed_on():
    with_room = stills.Stills(room=2 * 48 * 48 * 3)
    files = [{"bytes": png(level), "path": None} for level in range(3)]
    arrays = [with_room(file, f"clip {k}", "place") for k, file in enumerate(files)]
    again = [with_room(file, f"clip {k}", "place") for k, file in enumerate(files)]
    assert [one is other for one, other in zip(arrays, again, strict=True)] == [True, True, False]
    assert all((one == other).all() for one, other in zip(arrays, again, strict=True))
    copied = pickle.loads(pickle.dumps(with_room))
    assert copied.room == with_room.room
    assert copied(files[0], "clip 0", "place") is not arrays[0]


def png(level: int) -> bytes:
    stored = io.BytesIO()
    Image.new("L", (48, 48), level).save(stored, "PNG")
    return stored.getvalue()
