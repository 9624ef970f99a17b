"""`load_dataset("ravdess")`: the builder, and the decoded store below it."""

import dataclasses
import json
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, ReadInstruction

from emofusion.data import Account, DecodeSettings, FoldRefusedError, describe_corpus
from emofusion.data.store.decode import shrink
from emofusion.modeling import read_clip
from emofusion.modeling.sound_emofusion import to_int16
from helpers.corpora.ravdess_files import (
    RATE,
    make_frames,
    make_sound,
    write_corpus,
    write_media,
    write_named,
    write_sound,
)

TINY = DecodeSettings(num_frames=2, frame_size=16)
COLUMNS = ["frames", "audio", "label", "emotion", "actor", "gender", "intensity", "statement", "repetition", "channel"]
COLUMNS += ["source", "clip", "has_video", "has_audio", "face", "audio_before", "audio_after"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of four actors; read only."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the corpus above, decoded once for this module."""
    return tmp_path_factory.mktemp("cache")


def load(folder: Path, cache: Path, **options: Any) -> Any:
    options = {"num_frames": TINY.num_frames, "frame_size": TINY.frame_size} | options
    return datasets.load_dataset("ravdess", data_dir=str(folder), cache_dir=str(cache), **options)


def stores(cache: Path) -> list[Path]:
    """Finished and unfinished stores."""
    return sorted(path for path in cache.glob("store-*") if path.is_dir())


def decoded(folder: Path, cache: Path, **options: Any) -> tuple[Dataset, Account]:
    """All rows and the account."""
    options = {"num_frames": TINY.num_frames, "frame_size": TINY.frame_size} | options
    builder = datasets.load_dataset_builder("ravdess", data_dir=str(folder), cache_dir=str(cache), **options)
    builder.download_and_prepare()
    return builder.as_dataset("all"), builder.account


# Splits and columns


def test_load_dataset_of_a_tree_splits_by_actor(corpus: Path, cache: Path):
    splits = load(corpus, cache)
    assert isinstance(splits, DatasetDict)
    assert {name: rows.num_rows for name, rows in splits.items()} == {"train": 6, "validation": 3, "test": 3}
    assert {name: set(rows["actor"]) for name, rows in splits.items()} == {
        "train": {1, 2},
        "validation": {13},
        "test": {17},
    }


def test_load_dataset_columns_are_those_of_the_design(corpus: Path, cache: Path):
    rows = load(corpus, cache, split="train")
    assert sorted(rows.column_names) == sorted(COLUMNS)
    label = rows.features["label"]
    assert isinstance(label, ClassLabel)
    assert label.names == ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
    row = rows[3]
    frames, audio = row.pop("frames"), row.pop("audio")
    beside = row.pop("audio_before"), row.pop("audio_after")
    assert row == {
        "clip": "01-03-01-01-01-02",
        "label": 2,
        "emotion": "happy",
        "actor": 2,
        "gender": "female",
        "intensity": "normal",
        "statement": 1,
        "repetition": 1,
        "channel": "speech",
        "face": "",
        "has_video": True,
        "has_audio": True,
        "source": "Actor_02/01-01-03-01-01-01-02.mp4",
    }
    assert (len(frames), len(audio)) == (TINY.num_frames * TINY.frames_per_step * 16 * 16 * 3, 3 * RATE * 2)
    assert [len(sound) for sound in beside] == [RATE // 4 * 2, 0]  # the window is the end of the file


def test_load_dataset_frames_and_audio_are_those_that_read_clip_gives(corpus: Path, cache: Path):
    for row in load(corpus, cache, split="train+test"):
        clip = read_clip(corpus / row["source"], num_frames=4, margin=0.25)
        assert row["frames"] == shrink(clip.frames, 16).tobytes()
        for name in ("audio", "audio_before", "audio_after"):
            assert np.array_equal(
                np.frombuffer(row[name], np.int16), to_int16(getattr(clip, name), like=clip.audio)
            ), name
        assert np.frombuffer(row["audio"], np.int16).std() > 1000
        assert np.frombuffer(row["frames"], np.uint8).std() > 10


@pytest.mark.parametrize(
    "label_set, classes, counts",
    [
        ("emotions8", 8, {"neutral": 2, "happy": 2, "sad": 2}),
        ("emotions4", 4, {"neutral": 2, "happy": 2, "sad": 2}),
        ("emotions4_calm", 4, {"neutral": 2, "happy": 2, "sad": 2}),
        ("groups4", 4, {"neutral": 2, "happy": 2, "negative": 2}),
    ],
)
def test_load_dataset_label_set_names_the_classes(
    corpus: Path, cache: Path, label_set: str, classes: int, counts: dict[str, int]
):
    rows = load(corpus, cache, label_set=label_set, split="train")
    label = rows.features["label"]
    assert label.num_classes == classes
    assert Counter(label.int2str(rows["label"][:])) == counts


def test_load_dataset_label_set_leaves_emotions_out(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1, 17), emotions=(1, 2, 8), kind="wav")
    splits = load(folder, tmp_path / "cache", label_set="emotions4", split=["train", "test"])
    assert [rows["emotion"][:] for rows in splits] == [["neutral"], ["neutral"]]
    merged = load(folder, tmp_path / "cache", label_set="emotions4_calm", split="train")
    assert list(zip(merged["emotion"], merged["label"], strict=True)) == [("neutral", 0), ("calm", 0)]


@pytest.mark.parametrize(
    "split, clips",
    [
        ("test[:50%]", 2),  # of 3, rounded to the nearest as datasets does
        ("train[2:4]", 2),
        ("train+test", 9),
        ("all", 12),
        ("all[:5]", 5),
        ("test+all[:1]", 4),
        (datasets.Split.TEST, 3),
        (ReadInstruction("train", to=1), 1),
    ],
)
def test_load_dataset_split_is_what_datasets_understands(corpus: Path, cache: Path, split: Any, clips: int):
    assert load(corpus, cache, split=split).num_rows == clips


def test_load_dataset_list_of_splits_gives_a_list(corpus: Path, cache: Path):
    test, train = load(corpus, cache, split=["test", "train[:1]"])
    assert (test.num_rows, train.num_rows) == (3, 1)
    assert set(test["actor"]) == {17}


def test_load_dataset_streaming_gives_the_same_rows(corpus: Path, cache: Path):
    splits = load(corpus, cache)
    streamed = load(corpus, cache, streaming=True)
    assert sorted(streamed) == sorted(splits)
    for name, rows in splits.items():
        assert list(streamed[name]) == list(rows)
        assert streamed[name].features == rows.features
    assert [row["clip"] for row in load(corpus, cache, streaming=True, split="test")] == splits["test"]["clip"][:]


def test_load_dataset_of_a_fold_without_its_actors_is_refused(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1, 17), emotions=(3,), kind="wav")
    message = r"holdout fold 0 is refused: none of its validation actors \(13-16\) is there, only actors 1, 17"
    for options in ({}, {"split": "validation"}):
        with pytest.raises(FoldRefusedError, match=message):
            load(folder, tmp_path / "cache", **options)
    # What is asked for by name needs nothing else.
    assert load(folder, tmp_path / "cache", split="test")["actor"][:] == [17]
    assert load(folder, tmp_path / "cache", split="all")["actor"][:] == [1, 17]


def test_load_dataset_says_what_was_found_and_which_actors_are_missing(
    corpus: Path, cache: Path, caplog: pytest.LogCaptureFixture
):
    load(corpus, cache, label_set="emotions4", split="test")
    assert "12 of 1440 takes in 12 files" in caplog.text
    assert "holdout fold 0: train actors 3-12, 21-24 are not there" in caplog.text


def test_load_dataset_msaf6_lets_the_next_group_validate_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = write_corpus(tmp_path / "corpus", actors=(1, 9, 17), emotions=(3,), kind="wav")
    splits = load(folder, tmp_path / "cache", protocol="msaf6", fold=4)
    assert {name: rows["actor"][:] for name, rows in splits.items()} == {"train": [9], "validation": [1], "test": [17]}
    assert "msaf6 fold 4: actors 1 are its validation actors" in caplog.text


def test_load_dataset_random_clips_deals_clips(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=range(1, 13), emotions=range(1, 6), kind="wav")
    clips = [load(folder, tmp_path / "cache", protocol="random_clips", fold=fold) for fold in (0, 1)]
    for splits in clips:
        assert sum(rows.num_rows for rows in splits.values()) == 60
        assert set(splits["train"]["actor"]) & set(splits["test"]["actor"])  # that is the leak
    assert set(clips[0]["validation"]["clip"]) == set(clips[1]["test"]["clip"])


def test_load_dataset_strict_refuses_what_is_not_whole(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3,), kind="wav")
    (folder / "Actor_01" / "03-01-04-01-01-01-01.wav").write_text("no sound at all")
    message = "strict, and not all is there: 1438 of 1440 takes missing: .*; 1 unreadable: Actor_01/03-01-04"
    with pytest.raises(ValueError, match=message):
        load(folder, tmp_path / "cache", split="all", strict=True)


def test_builder_that_failed_hands_out_nothing(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1, 13, 17), emotions=(3,), kind="wav")
    options = {"data_dir": str(folder), "cache_dir": str(tmp_path / "cache")}
    strict = datasets.load_dataset_builder("ravdess", strict=True, **options)
    with pytest.raises(ValueError, match="strict, and not all is there"):
        strict.download_and_prepare()
    with pytest.raises(ValueError, match="nothing is opened yet"):
        strict.as_dataset("all")
    builder = datasets.load_dataset_builder("ravdess", **options)
    builder.download_and_prepare()
    assert len(builder.as_dataset("all"))
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        builder.download_and_prepare()
    with pytest.raises(ValueError, match="nothing is opened yet"):
        builder.as_dataset("all")


@pytest.mark.parametrize("channel, clips", [("speech", 2), ("song", 1), ("both", 3)])
def test_load_dataset_channel_chooses_speech_song_or_both(tmp_path: Path, channel: str, clips: int):
    for stem in ("03-01-03-01-01-01-01", "03-01-08-01-01-01-01", "03-02-03-01-01-01-01"):
        write_named(tmp_path / "corpus", stem, "wav")
    rows = load(tmp_path / "corpus", tmp_path / "cache", channel=channel, split="train")
    assert rows.num_rows == clips
    assert set(rows["channel"]) == ({channel} if channel != "both" else {"speech", "song"})


def test_load_dataset_description_is_notice_and_account(corpus: Path, cache: Path, tmp_path: Path):
    assert "doi:10.5281/zenodo.1188976" in load(corpus, cache, split="test").info.description
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3,), kind="wav")
    (folder / "DEMO_CORPUS.json").write_text('{"notice": "Drawn by a test."}')
    description = load(folder, tmp_path / "cache", split="train").info.description
    assert description.splitlines() == ["Drawn by a test.", "1 take in 1 file"]
    assert describe_corpus(folder).synthetic


# Kinds of files


def only_row(folder: Path, cache: Path) -> dict[str, Any]:
    rows, account = decoded(folder, cache)
    assert (len(rows), account.unreadable) == (1, {})
    return rows[0]


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_store_of_sound_alone_has_no_frames(tmp_path: Path, kind: str):
    write_named(tmp_path / "corpus", "03-01-03-01-01-01-01", kind)
    row = only_row(tmp_path / "corpus", tmp_path / "cache")
    assert (row["frames"], row["has_video"], row["has_audio"]) == (None, False, True)
    assert len(row["audio"]) == 3 * RATE * 2


def test_store_of_picture_alone_has_no_audio(tmp_path: Path):
    write_named(tmp_path / "corpus", "02-01-03-01-01-01-01", "silent.mp4")
    row = only_row(tmp_path / "corpus", tmp_path / "cache")
    assert (row["audio"], row["has_video"], row["has_audio"]) == (None, True, False)


@pytest.mark.parametrize("modality", ["01", "02"])
def test_store_of_a_silent_picture_and_its_sound_is_one_clip_of_the_same_seconds(tmp_path: Path, modality: str):
    """Modality 02 is silent by name; files named 01 are silent now and then."""
    whole_file = tmp_path / "whole" / "01-01-03-01-01-01-01.mov"
    write_media(whole_file, make_frames(seed=3), make_sound(seed=3), codecs=("libx264", "pcm_s16le"))
    write_named(tmp_path / "parts", f"{modality}-01-03-01-01-01-01", "silent.mp4", seed=3)
    write_named(tmp_path / "parts", "03-01-03-01-01-01-01", "wav", seed=3)
    row = only_row(tmp_path / "parts", tmp_path / "cache")
    stem = "01-03-01-01-01-01"
    assert row["source"] == f"Actor_01/{modality}-{stem}.mp4 + Actor_01/03-{stem}.wav"
    assert (row["has_video"], row["has_audio"]) == (True, True)
    whole = only_row(whole_file.parent, tmp_path / "cache")
    assert row["frames"] == whole["frames"]  # the voice, heard in the wav, chooses the window of the frames
    sound, reference = (np.frombuffer(one["audio"], np.int16).astype(int) for one in (row, whole))
    assert abs(sound - reference).max() <= 1  # rounded by different writers
    assert sound.std() > 1000


def test_store_of_a_file_that_lacks_what_its_name_says_notes_it(tmp_path: Path):
    write_named(tmp_path / "corpus", "01-01-03-01-01-01-01", "silent.mp4")
    _, account = decoded(tmp_path / "corpus", tmp_path / "cache")
    assert account.notes == {"Actor_01/01-01-03-01-01-01-01.mp4": ["named as having sound, but there is none in it"]}


@pytest.mark.parametrize("broken", ["picture", "sound", "both"])
def test_store_of_a_broken_and_a_good_file_keeps_the_good_one_and_notes_the_other(tmp_path: Path, broken: str):
    picture = write_named(tmp_path / "corpus", "02-01-03-01-01-01-01", "silent.mp4")
    sound = write_named(tmp_path / "corpus", "03-01-03-01-01-01-01", "wav")
    write_named(tmp_path / "corpus", "03-01-04-01-01-01-01", "wav")
    for path, name in ((picture, "picture"), (sound, "sound")):
        if broken in (name, "both"):
            path.write_bytes(b"no media at all" * 50)
    rows, account = decoded(tmp_path / "corpus", tmp_path / "cache")
    source = f"Actor_01/{picture.name} + Actor_01/{sound.name}"
    if broken == "both":
        assert (rows["emotion"][:], list(account.unreadable)) == (["sad"], [source])
        return
    assert (rows[0]["has_video"], rows[0]["has_audio"]) == (broken != "picture", broken != "sound")
    assert account.unreadable == {}
    bad, good = (picture, sound) if broken == "picture" else (sound, picture)
    note = account.notes[f"Actor_01/{good.name}"][0]
    assert note.startswith(f"Actor_01/{bad.name}: expected a media file")


@pytest.mark.parametrize("kind", ["wav", "mp4"])
def test_store_of_a_broken_file_takes_its_copy(tmp_path: Path, kind: str):
    stem = "03-01-03-01-01-01-01" if kind == "wav" else "01-01-03-01-01-01-01"
    whole = only_row(write_named(tmp_path / "whole", stem, kind).parent.parent, tmp_path / "cache")
    write_named(tmp_path / "twice", stem, kind).write_bytes(b"no media at all" * 50)
    copy = write_named(tmp_path / "twice" / "nested", stem, kind)
    row = only_row(tmp_path / "twice", tmp_path / "cache")
    assert row | {"source": ""} == whole | {"source": ""}
    assert row["source"] == copy.relative_to(tmp_path / "twice").as_posix()


def test_store_of_a_picture_that_is_broken_in_part_takes_the_other_picture_and_keeps_the_sound(tmp_path: Path):
    """A file named 01 that has sound alone, beside a silent 02."""
    sound_alone = write_media(tmp_path / "c" / "01-01-03-01-01-01-01.mp4", None, make_sound(seed=3))
    picture = write_named(tmp_path / "c", "02-01-03-01-01-01-01", "silent.mp4", seed=3)
    row = only_row(tmp_path / "c", tmp_path / "cache")
    assert (row["has_video"], row["has_audio"]) == (True, True)
    assert row["source"] == f"Actor_01/{picture.name} + {sound_alone.name}"


def test_store_of_a_picture_with_a_silent_track_takes_the_sound_beside_it(tmp_path: Path):
    write_media(tmp_path / "c" / "01-01-03-01-01-01-01.mp4", make_frames(), np.zeros(50_000, np.float32))
    write_sound(tmp_path / "c" / "03-01-03-01-01-01-01.wav", make_sound())
    row = only_row(tmp_path / "c", tmp_path / "cache")
    assert np.frombuffer(row["audio"], np.int16).std() > 1000
    assert row["source"] == "01-01-03-01-01-01-01.mp4 + 03-01-03-01-01-01-01.wav"


def test_store_of_a_silent_picture_takes_the_sound_of_its_copy(tmp_path: Path):
    silent = write_named(tmp_path / "c", "01-01-03-01-01-01-01", "silent.mp4")
    (tmp_path / "c" / "again").mkdir()
    whole = write_named(tmp_path / "c" / "again", "01-01-03-01-01-01-01")
    row = only_row(tmp_path / "c", tmp_path / "cache")
    assert (row["has_video"], row["has_audio"]) == (True, True)
    assert row["source"] == " + ".join(path.relative_to(tmp_path / "c").as_posix() for path in (silent, whole))


@pytest.mark.parametrize("kind", ["mp4", "silent.mp4"])
def test_store_of_a_picture_beside_a_damaged_sound_in_an_archive_keeps_it(tmp_path: Path, kind: str):
    write_named(tmp_path / "c", "01-01-03-01-01-01-01", kind)
    sound = write_named(tmp_path / "made", "03-01-03-01-01-01-01", "wav")
    with zipfile.ZipFile(tmp_path / "c" / "sound.zip", "w") as archive:
        archive.write(sound, sound.name)
    content = bytearray((tmp_path / "c" / "sound.zip").read_bytes())
    content[5000:5100] = bytes(100)
    content[40_000:40_100] = b"x" * 100
    (tmp_path / "c" / "sound.zip").write_bytes(content)
    rows, account = decoded(tmp_path / "c", tmp_path / "cache")
    assert (rows[0]["has_video"], rows[0]["has_audio"]) == (True, kind == "mp4")
    assert "sound.zip/03-01-03-01-01-01-01.wav: cannot be unpacked" in account.notes[rows[0]["source"]][0]


def test_store_of_a_picture_with_its_own_sound_names_no_other_file(tmp_path: Path):
    picture = write_named(tmp_path / "c", "01-01-03-01-01-01-01")
    write_named(tmp_path / "c", "03-01-03-01-01-01-01", "wav")
    assert only_row(tmp_path / "c", tmp_path / "cache")["source"] == f"Actor_01/{picture.name}"


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Two good clips, a mp4 cut in half, a text file named wav, an impossible name and a copy."""
    folder = write_corpus(tmp_path / "damaged", actors=(1,), emotions=(1, 3))
    half = write_named(folder, "01-01-04-01-01-01-01")
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    (folder / "Actor_01" / "03-01-05-01-01-01-01.wav").write_text("no sound at all")
    write_sound(folder / "Actor_01" / "03-01-09-01-01-01-01.wav", make_sound(1.0))
    shutil.copytree(folder / "Actor_01", folder / "again" / "Actor_01")
    return folder


def test_store_of_a_damaged_corpus_holds_the_rest_and_accounts_for_all(damaged: Path, tmp_path: Path):
    rows, account = decoded(damaged, tmp_path / "cache")
    assert rows["emotion"][:] == ["neutral", "happy"]
    assert (account.files, account.takes, len(account.duplicates)) == (10, 2, 4)
    saved = json.loads(next((tmp_path / "cache").glob("store-*.account.json")).read_text())
    assert saved == dataclasses.asdict(account)
    assert sorted(account.unreadable) == [
        "Actor_01/01-01-04-01-01-01-01.mp4",
        "Actor_01/03-01-05-01-01-01-01.wav",
        "Actor_01/03-01-09-01-01-01-01.wav",
        "again/Actor_01/03-01-09-01-01-01-01.wav",
    ]
    assert account.unreadable["Actor_01/03-01-05-01-01-01-01.wav"].startswith("expected a media file")
    assert str(tmp_path) not in json.dumps(account.unreadable)


def test_store_opened_again_accounts_for_what_lies_there_now(damaged: Path, tmp_path: Path):
    first = decoded(damaged, tmp_path / "cache")[1]
    assert decoded(damaged, tmp_path / "cache")[1] == first
    shutil.rmtree(damaged / "again")
    rows, account = decoded(damaged, tmp_path / "cache")
    assert len(stores(tmp_path / "cache")) == 1  # the copies never were in it
    assert (len(rows), account.files, account.duplicates, len(account.unreadable)) == (2, 5, {}, 3)


# Clear errors


def test_load_dataset_without_data_dir_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="data_dir is missing"):
        datasets.load_dataset("ravdess", cache_dir=str(tmp_path / "cache"))


def test_load_dataset_of_an_empty_or_missing_folder_names_it(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="missing: no such folder"):
        load(tmp_path / "missing", tmp_path / "cache")
    (tmp_path / "empty" / "holiday.mp4").touch()
    with pytest.raises(ValueError, match="empty: no RAVDESS file in it, expected names such as"):
        load(tmp_path / "empty", tmp_path / "cache")


@pytest.mark.parametrize(
    "option, message",
    [
        ({"label_set": "emotions5"}, "label_set: unknown 'emotions5'; the choices are emotions8"),
        ({"protocol": "random"}, "protocol: unknown 'random'; the choices are holdout"),
        ({"fold": 1}, "fold: holdout has folds 0 to 0, found 1"),
        ({"fold": "0"}, "fold: expected a whole number, found '0'"),
        ({"frame_size": -1}, "frame_size=-1: expected a number above 0"),
        ({"name": "msaf6"}, "there is no configuration 'msaf6'; use label_set=, protocol= and fold="),
        ({"channel": "singing"}, "channel: unknown 'singing'; the choices are speech, song, both"),
        ({"window": "loudest"}, "window='loudest': expected one of 'voice', 'center', 'start'"),
        ({"num_frames": 0}, "num_frames=0"),
    ],
)
def test_load_dataset_unknown_option_lists_the_choices(
    corpus: Path, tmp_path: Path, option: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        load(corpus, tmp_path / "cache", **option)
    assert stores(tmp_path / "cache") == []


def test_load_dataset_misspelt_option_is_named(corpus: Path, tmp_path: Path):
    with pytest.raises((TypeError, ValueError), match="lable_set"):
        load(corpus, tmp_path / "cache", lable_set="emotions4")


def test_load_dataset_with_no_class_left_says_what_there_is(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1, 17), emotions=(2, 8), kind="wav")
    message = r"no clip of 4 is left in label set emotions4 \(neutral, happy, sad, angry\); .* show calm, surprised$"
    with pytest.raises(ValueError, match=message):
        load(folder, tmp_path / "cache", label_set="emotions4")


def test_load_dataset_with_no_clip_of_the_channel_says_what_there_is(corpus: Path, cache: Path):
    with pytest.raises(ValueError, match="no song file in it, but 12 of the other channel"):
        load(corpus, cache, channel="song")


def test_load_dataset_with_nothing_readable_names_the_first_file_and_leaves_nothing(tmp_path: Path):
    for emotion in (3, 4):
        path = tmp_path / "corpus" / "Actor_01" / f"03-01-0{emotion}-01-01-01-01.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no sound at all")
    (path.parent / "03-01-09-01-01-01-01.wav").touch()
    message = "none of 2 clips can be read, such as Actor_01/03-01-03-01-01-01-01.wav: expected a media file"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "corpus", tmp_path / "cache")
    assert stores(tmp_path / "cache") == []


@pytest.mark.slow
def test_load_dataset_of_the_real_voices_has_all_1200_clips(test_data: Path, tmp_path: Path):
    splits = load(test_data / "ravdess", tmp_path, label_set="emotions4")
    assert {name: rows.num_rows for name, rows in splits.items()} == {"train": 336, "validation": 112, "test": 112}
    every = load(test_data / "ravdess", tmp_path, split="all")
    assert every.num_rows == 1200
    assert Counter(every["actor"]) == dict.fromkeys(range(1, 21), 60)
    assert Counter(every["label"]) == {0: 80, **dict.fromkeys(range(1, 8), 160)}
    assert not any(every["has_video"])
    assert all(every["has_audio"])
    lengths = {len(audio) for audio in every.with_format("arrow")["audio"].to_pylist()}
    assert max(lengths) == 2 * 3 * RATE
    assert len(stores(tmp_path)) == 1
