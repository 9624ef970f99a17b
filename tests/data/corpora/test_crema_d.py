"""`load_dataset("crema_d")`: names, pairing, defects, protocols, and the builder over the decoded store."""

import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from emofusion.data import Account, FoldRefusedError
from emofusion.data.corpora.crema_d import CREMA_D_PROTOCOLS
from emofusion.data.label_sets import label_set
from emofusion.data.protocols import SPLITS, fold, fold_of_present
from emofusion.data.sources.crema_d_names import (
    ACTORS,
    EMOTION_CODES,
    KNOWN_DEFECTS,
    LEVELS,
    MALE_ACTORS,
    SENTENCES,
    all_takes,
    looks_like_crema_d,
    parse_name,
)
from emofusion.data.sources.crema_d_takes import find_takes
from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.takes import Take
from helpers.corpora.crema_d_files import write_crema_d
from helpers.corpora.ravdess_files import RATE, make_frames, make_sound, write_corpus, write_media

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:88205410d875\nsize 199310\n"


def touch(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def find(folder: Path) -> tuple[list[Take], Account]:
    return find_takes(CorpusFiles(folder))


def builder_of(folder: Path, cache: Path, **options: Any) -> Any:
    options = {"num_frames": 2, "frame_size": 16} | options
    return datasets.load_dataset_builder("crema_d", data_dir=str(folder), cache_dir=str(cache), **options)


def load(folder: Path, cache: Path, **options: Any) -> Any:
    options = {"num_frames": 2, "frame_size": 16} | options
    return datasets.load_dataset("crema_d", data_dir=str(folder), cache_dir=str(cache), **options)


def decoded(folder: Path, cache: Path, **options: Any) -> tuple[Dataset, Account]:
    """All rows and the account."""
    builder = builder_of(folder, cache, **options)
    builder.download_and_prepare()
    return builder.as_dataset("all"), builder.account


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four actors, one of each part of the holdout and one more of training; read only."""
    folder = tmp_path_factory.mktemp("corpus")
    for actor in (1001, 1003, 1005, 1006):
        for rest in ("DFA_ANG_XX", "IEO_FEA_LO", "TSI_NEU_XX"):
            write_crema_d(folder, f"{actor}_{rest}", "wav")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the corpus above, decoded once for this module."""
    return tmp_path_factory.mktemp("cache")


# Names

STEMS = st.builds(
    lambda *fields: "_".join(fields),
    st.sampled_from(["1000", "1001", "1091", "1092", "0042", "10O1"]),
    st.sampled_from([*SENTENCES, "ABC", "dfa"]),
    st.sampled_from([*EMOTION_CODES, "CAL", "SA"]),
    st.sampled_from([*LEVELS, "X", "H", "", "XXX"]),
)


def test_parse_name_reads_the_four_fields():
    name = parse_name("1012_IEO_HAP_LO")
    assert (name.actor, name.emotion_name, name.gender, name.intensity) == (1012, "happy", "female", "low")
    assert name.statement == 1
    assert parse_name("1001_WSI_DIS_XX").statement == len(SENTENCES) == 12
    assert parse_name("1040_ITH_SAD_X") == parse_name("1040_ITH_SAD_XX")


@pytest.mark.parametrize(
    "stem, message",
    [
        ("1092_DFA_ANG_XX", "^1092_DFA_ANG_XX: actor 1092 is out of range 1001-1091$"),
        ("1001_ABC_ANG_XX", "^1001_ABC_ANG_XX: sentence ABC is none of IEO, TIE, .*, WSI$"),
        ("1001_DFA_CAL_XX", "emotion CAL is none of ANG, DIS, FEA, HAP, NEU, SAD$"),
        ("1001_DFA_ANG_VH", "level VH is none of XX, LO, MD, HI$"),
        ("1001-DFA-ANG-XX", "not a CREMA-D name, expected ACTOR_SENTENCE_EMOTION_LEVEL such as 1001_DFA_ANG_XX$"),
        ("١٠٠١_DFA_ANG_XX", "not a CREMA-D name"),
    ],
)
def test_parse_name_of_an_impossible_name_says_which_field(stem: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_name(stem)


@given(st.one_of(STEMS, st.text(max_size=20)))
def test_parse_name_gives_back_the_name_or_refuses_it(stem: str):
    fields = stem.split("_")
    possible = (
        len(fields) == 4
        and fields[0] in {str(actor) for actor in ACTORS}
        and fields[1] in SENTENCES
        and fields[2] in EMOTION_CODES
        and fields[3] in {*LEVELS, "X"}
    )
    if not possible:
        with pytest.raises(ValueError, match=r": (actor|sentence|emotion|level|not a CREMA-D name)"):
            parse_name(stem)
        return
    name = parse_name(stem)
    assert looks_like_crema_d(stem)
    assert str(name) == (f"{stem}X" if fields[3] == "X" else stem)
    assert parse_name(str(name)) == name


def test_all_clips_are_the_7442_of_the_corpus():
    names = list(all_takes())
    stems = {str(name) for name in names}
    assert len(names) == len(stems) == 7442
    assert all(parse_name(stem) == name for stem, name in zip(map(str, names), names, strict=True))
    assert Counter(name.emotion for name in names) == {**dict.fromkeys(EMOTION_CODES, 1271), "NEU": 1087}
    per_actor = Counter(name.actor for name in names)
    assert {actor: count for actor, count in per_actor.items() if count != 82} == {
        **dict.fromkeys((1008, 1009, 1019), 76),
        **dict.fromkeys((1002, 1076), 81),
    }
    assert set(KNOWN_DEFECTS) <= stems


def test_actors_are_48_male_and_43_female():
    assert (len(ACTORS), len(MALE_ACTORS), len(ACTORS - MALE_ACTORS)) == (91, 48, 43)
    assert MALE_ACTORS < ACTORS


# Protocols


@pytest.mark.parametrize("name", CREMA_D_PROTOCOLS)
def test_protocol_partitions_the_actors(name: str):
    parts = [getattr(fold(name, 0, CREMA_D_PROTOCOLS), part) for part in SPLITS]
    assert Counter(actor for part in parts for actor in part) == dict.fromkeys(ACTORS, 1)


def test_protocol_holdout_has_63_14_and_14_actors_with_both_sexes_balanced():
    whole = fold("holdout", 0, CREMA_D_PROTOCOLS)
    sizes = [(len(getattr(whole, part)), len(getattr(whole, part) & MALE_ACTORS)) for part in SPLITS]
    assert sizes == [(63, 34), (14, 7), (14, 7)]


@given(st.sets(st.sampled_from(sorted(ACTORS))))
def test_fold_of_present_actors_is_a_partition_of_them_or_refused(present: set[int]):
    whole = fold("holdout", 0, CREMA_D_PROTOCOLS)
    absent = [part for part in SPLITS if not getattr(whole, part) & present]
    try:
        found = fold_of_present("holdout", 0, present, protocols=CREMA_D_PROTOCOLS)
    except FoldRefusedError as error:
        assert absent and all(f"its {part} actors" in str(error) for part in absent)
        return
    assert not absent
    assert Counter(a for part in SPLITS for a in getattr(found, part)) == dict.fromkeys(present, 1)


# Files


def test_find_clips_pairs_by_name_at_any_depth_wav_before_mp3(tmp_path: Path):
    stem = "1001_DFA_ANG_XX"
    touch(tmp_path, f"a/b/{stem}.FLV", f"{stem}.mp4", f"AudioMP3/{stem}.mp3", f"z/{stem}.wav", "1002_DFA_ANG_XX.wav")
    (one, two), account = find(tmp_path)
    assert [str(file) for file in one.pictures] == [f"a/b/{stem}.FLV", f"{stem}.mp4"]
    assert [str(file) for file in one.sounds] == [f"z/{stem}.wav", f"AudioMP3/{stem}.mp3"]
    assert (two.clip, two.facts["gender"], account.files, account.duplicates) == ("1002_DFA_ANG_XX", "female", 5, {})


def test_find_clips_of_one_format_twice_is_a_duplicate(tmp_path: Path):
    touch(
        tmp_path, *(f"{folder}/1001_DFA_ANG_XX.wav" for folder in "ab"), "1040_ITH_SAD_X.flv", "c/1040_ITH_SAD_XX.flv"
    )
    takes, account = find(tmp_path)
    assert [str(take.files[0]) for take in takes] == ["a/1001_DFA_ANG_XX.wav", "1040_ITH_SAD_X.flv"]
    assert account.duplicates == {
        "b/1001_DFA_ANG_XX.wav": "same name and size as a/1001_DFA_ANG_XX.wav",
        "c/1040_ITH_SAD_XX.flv": "same name and size as 1040_ITH_SAD_X.flv",
    }


def test_find_clips_counts_impossible_and_foreign_names(tmp_path: Path):
    touch(tmp_path, "1001_DFA_ANG_XX.wav", "1001_DFA_CAL_XX.wav", "holiday.mp4", "README.md", "._1002_DFA_ANG_XX.wav")
    takes, account = find(tmp_path)
    assert (len(takes), account.files, account.other_files) == (1, 2, 1)
    assert list(account.unreadable) == ["1001_DFA_CAL_XX.wav"]


def test_find_clips_tells_what_is_missing_by_actor(tmp_path: Path):
    touch(tmp_path, *(f"{name}.wav" for name in all_takes() if name.actor > 1003), "1001_IEO_ANG_LO.wav")
    account = find(tmp_path)[1]
    assert (account.expected, account.takes, len(account.missing)) == (7442, 7442 - 82 - 81 - 82 + 1, 244)
    assert account.gaps() == ["244 of 7442 takes missing: actor 1003 (82); actors 1001-1002 (81 each)"]


def test_find_clips_of_the_whole_corpus_has_no_gap_and_all_defects(tmp_path: Path):
    touch(tmp_path, *(f"{name}.wav" for name in all_takes() if str(name) != "1040_ITH_SAD_XX"), "1040_ITH_SAD_X.wav")
    takes, account = find(tmp_path)
    assert (len(takes), account.gaps()) == (7442, [])
    assert set(account.notes) == set(KNOWN_DEFECTS) | {"1040_ITH_SAD_XX"}
    assert all(note.startswith("known defect: ") for notes in account.notes.values() for note in notes)
    assert account.notes["1006_TIE_NEU_XX"] == [
        "known defect: the same sound as 1006_TIE_HAP_XX, which has another label"
    ]
    assert account.notes["1040_ITH_SAD_XX"] == ["known defect: 1040_ITH_SAD_X.wav stands for 1040_ITH_SAD_XX"]


def test_find_clips_does_not_take_pointers_of_git_lfs_for_files(tmp_path: Path):
    write_crema_d(tmp_path, "1001_DFA_ANG_XX", "wav")
    pointer = tmp_path / "VideoFlash" / "1001_DFA_ANG_XX.flv"
    pointer.parent.mkdir()
    pointer.write_bytes(POINTER)
    with zipfile.ZipFile(tmp_path / "master.zip", "w") as archive:
        archive.writestr("CREMA-D-master/AudioWAV/1002_DFA_ANG_XX.wav", POINTER)
    (one,), account = find(tmp_path)
    assert [str(file) for file in one.files] == ["AudioWAV/1001_DFA_ANG_XX.wav"]
    reason = "a Git LFS pointer, not the file itself: fetch it with git lfs pull"
    assert account.unreadable == {
        "VideoFlash/1001_DFA_ANG_XX.flv": reason,
        "master.zip/CREMA-D-master/AudioWAV/1002_DFA_ANG_XX.wav": reason,
    }
    assert "1002_DFA_ANG_XX" in account.missing


def test_load_dataset_of_pointers_alone_says_how_to_get_the_files(tmp_path: Path):
    (tmp_path / "1001_DFA_ANG_XX.flv").write_bytes(POINTER)
    with pytest.raises(ValueError, match=r"no CREMA-D file in it.*; 1001_DFA_ANG_XX.flv: a Git LFS pointer"):
        load(tmp_path, tmp_path / "cache")


# Rows


def only_row(folder: Path, cache: Path) -> dict[str, Any]:
    rows, account = decoded(folder, cache)
    assert (len(rows), account.unreadable) == (1, {})
    return rows[0]


def test_load_dataset_of_flv_alone_has_picture_and_sound(tmp_path: Path):
    write_crema_d(tmp_path / "corpus", "1005_IEO_SAD_MD", "flv")
    row = only_row(tmp_path / "corpus", tmp_path / "cache")
    frames, audio, _, _ = (row.pop(name) for name in ("frames", "audio", "audio_before", "audio_after"))
    assert row == {
        "clip": "1005_IEO_SAD_MD",
        "label": 3,
        "emotion": "sad",
        "actor": 1005,
        "gender": "male",
        "intensity": "medium",
        "statement": 1,
        "repetition": 1,
        "channel": "speech",
        "face": "",
        "has_video": True,
        "has_audio": True,
        "source": "VideoFlash/1005_IEO_SAD_MD.flv",
    }
    assert (len(frames), len(audio)) == (2 * 2 * 16 * 16 * 3, 3 * RATE * 2)


def test_load_dataset_of_a_silent_flv_and_its_wav_is_the_clip_with_that_sound(tmp_path: Path):
    stem = "1005_IEO_SAD_MD"
    write_crema_d(tmp_path / "parts", stem, "silent.flv")
    write_crema_d(tmp_path / "parts", stem, "wav")
    # A container that holds the sound unchanged: the mp3 of a flv sets in some milliseconds later.
    write_media(tmp_path / "whole" / f"{stem}.avi", make_frames(), make_sound(), codecs=("flv1", "pcm_s16le"))
    row, whole = (only_row(tmp_path / name, tmp_path / "cache") for name in ("parts", "whole"))
    assert row["source"] == f"VideoFlash/{stem}.flv + AudioWAV/{stem}.wav"
    assert (row["has_video"], row["has_audio"]) == (True, True)
    assert row["frames"] == whole["frames"]  # the voice, heard in the wav, chooses the window of the frames
    sound, reference = (np.frombuffer(one["audio"], np.int16).astype(int) for one in (row, whole))
    assert abs(sound - reference).max() <= 1  # rounded by different writers
    assert sound.std() > 1000


def test_load_dataset_with_a_broken_flv_takes_the_wav_and_notes_it(tmp_path: Path):
    write_crema_d(tmp_path / "corpus", "1001_DFA_ANG_XX", "wav")
    write_crema_d(tmp_path / "corpus", "1001_DFA_ANG_XX", "flv").write_bytes(b"nearly empty" * 100)
    rows, account = decoded(tmp_path / "corpus", tmp_path / "cache")
    assert (rows[0]["has_video"], rows[0]["has_audio"]) == (False, True)
    assert "expected a media file" in account.notes["AudioWAV/1001_DFA_ANG_XX.wav"][0]


def test_load_dataset_takes_the_wav_alone_where_the_flv_is_known_to_be_wrong(tmp_path: Path):
    for ending in ("wav", "flv"):
        write_crema_d(tmp_path / "corpus", "1064_IEO_DIS_MD", ending)
    rows, account = decoded(tmp_path / "corpus", tmp_path / "cache")
    assert rows["source"][:] == ["AudioWAV/1064_IEO_DIS_MD.wav"]
    assert account.notes["1064_IEO_DIS_MD"][0].startswith("known defect: flv and mp3 last one minute")


def test_load_dataset_of_mp3_is_read_where_the_wav_is_broken(tmp_path: Path):
    write_crema_d(tmp_path / "corpus", "1005_IEO_SAD_MD", "mp3")
    write_crema_d(tmp_path / "corpus", "1005_IEO_SAD_MD", "wav").write_bytes(b"no sound" * 200)
    row = only_row(tmp_path / "corpus", tmp_path / "cache")
    assert row["source"] == "AudioMP3/1005_IEO_SAD_MD.mp3"
    assert np.frombuffer(row["audio"], np.int16).std() > 1000


def test_load_dataset_reads_a_real_flv(test_data: Path, tmp_path: Path):
    folder = tmp_path / "CREMA-D" / "VideoFlash"
    folder.mkdir(parents=True)
    shutil.copy(test_data / "clips" / "derived" / "flv1_mp3.flv", folder / "1091_ITS_HAP_XX.flv")
    row = only_row(tmp_path / "CREMA-D", tmp_path / "cache")
    assert (row["has_video"], row["has_audio"], row["emotion"], row["gender"]) == (True, True, "happy", "female")
    assert np.frombuffer(row["frames"], np.uint8).std() > 20
    assert np.frombuffer(row["audio"], np.int16).std() > 100


# Splits, label sets, errors


def test_load_dataset_is_all_test_unless_told_otherwise(corpus: Path, cache: Path):
    splits = load(corpus, cache)
    assert {name: rows.num_rows for name, rows in splits.items()} == {"test": 12}
    assert splits["test"]["clip"][:4] == ["1001_DFA_ANG_XX", "1001_IEO_FEA_LO", "1001_TSI_NEU_XX", "1003_DFA_ANG_XX"]
    with pytest.raises(ValueError, match='Unknown split "train"'):
        load(corpus, cache, split="train")


def test_load_dataset_holdout_splits_by_actor(corpus: Path, cache: Path, caplog: pytest.LogCaptureFixture):
    splits = load(corpus, cache, protocol="holdout")
    actors = {name: set(rows["actor"]) for name, rows in splits.items()}
    assert actors == {"train": {1003, 1005}, "validation": {1001}, "test": {1006}}
    assert "holdout fold 0: test actors 1013-1014, 1026" in caplog.text


def test_load_dataset_holdout_without_its_actors_is_refused(tmp_path: Path):
    write_crema_d(tmp_path / "corpus", "1003_DFA_ANG_XX", "wav")
    with pytest.raises(
        FoldRefusedError, match=r"holdout fold 0 is refused: none of its validation actors \(1001-1002, "
    ):
        load(tmp_path / "corpus", tmp_path / "cache", protocol="holdout")


def test_load_dataset_drops_and_counts_what_the_label_set_lacks(
    corpus: Path, cache: Path, caplog: pytest.LogCaptureFixture
):
    builder = builder_of(corpus, cache, label_set="emotions4")
    builder.download_and_prepare()
    rows = builder.as_dataset("test")
    assert Counter(rows["emotion"]) == {"angry": 4, "neutral": 4}
    assert builder.account.dropped == {"fearful": 4}
    told = "4 clips not in the label set (fearful 4)"
    assert told in builder.account.summary() and told in rows.info.description and told in caplog.text
    assert any(line.split() == ["not", "in", "the", "label", "set", "4", "fearful", "4"] for line in lines(builder))
    assert decoded(corpus, cache)[1].dropped == {}


def lines(builder: Any) -> list[str]:
    return builder.account.table().splitlines()


def test_load_dataset_of_ravdess_drops_and_counts_too(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(1, 2, 8), kind="wav")
    options = {"data_dir": str(folder), "cache_dir": str(tmp_path / "cache"), "label_set": "emotions4"}
    builder = datasets.load_dataset_builder("ravdess", num_frames=2, frame_size=16, **options)
    builder.download_and_prepare()
    assert builder.account.dropped == {"calm": 1, "surprised": 1}
    assert "2 clips not in the label set (calm 1, surprised 1)" in builder.as_dataset("all").info.description


@pytest.mark.parametrize("name", ["emotions8", "emotions7", "groups4"])
def test_load_dataset_maps_emotions_by_name(corpus: Path, cache: Path, name: str):
    rows = load(corpus, cache, label_set=name, split="test")
    names = rows.features["label"].int2str(rows["label"][:])
    mapping = label_set(name).mapping
    assert names == [mapping[emotion] for emotion in rows["emotion"]]


def test_load_dataset_from_a_folder_of_zips_is_the_same(corpus: Path, cache: Path, tmp_path: Path):
    (tmp_path / "zips").mkdir()
    with zipfile.ZipFile(tmp_path / "zips" / "AudioWAV.zip", "w") as archive:
        for path in corpus.rglob("*.wav"):
            archive.write(path, f"AudioWAV/{path.name}")
    zipped = load(tmp_path / "zips", tmp_path / "cache", split="test").remove_columns("source")
    assert list(zipped) == list(load(corpus, cache, split="test").remove_columns("source"))


def test_load_dataset_describes_the_corpus(corpus: Path, cache: Path):
    info = load(corpus, cache, split="test").info
    assert "CREMA-D, Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244" in info.description
    assert "12 of 7442 takes in 12 files" in info.description
    builder = builder_of(corpus, cache)
    assert (builder.corpus.name, builder.corpus.license, builder.info.license) == ("CREMA-D", "odbl", "odbl")


def test_load_dataset_of_clips_drawn_by_somebody_is_synthetic(tmp_path: Path):
    write_crema_d(tmp_path / "corpus", "1001_DFA_ANG_XX", "wav")
    (tmp_path / "corpus" / "DEMO_CORPUS.json").write_text('{"notice": "Drawn by a test."}')
    assert builder_of(tmp_path / "corpus", tmp_path / "cache").corpus.synthetic


@pytest.mark.parametrize(
    "option, message",
    [
        ({"protocol": "luna5"}, "protocol: unknown 'luna5'; the choices are all_test, holdout"),
        ({"protocol": "holdout", "fold": 1}, "fold: holdout has folds 0 to 0, found 1"),
        ({"label_set": "emotions5"}, "label_set: unknown 'emotions5'; the choices are emotions8"),
        ({"channel": "speech"}, "channel"),
        ({"strict": True}, "strict, and not all is there: 7430 of 7442 takes missing"),
    ],
)
def test_load_dataset_refuses_impossible_options(corpus: Path, cache: Path, option: dict[str, Any], message: str):
    with pytest.raises((ValueError, TypeError), match=message):
        load(corpus, cache, **option)


def test_load_dataset_of_no_missing_or_empty_folder_says_so(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r'data_dir is missing: load_dataset\("crema_d", data_dir="folder of CREMA-D"'
    ):
        datasets.load_dataset("crema_d", cache_dir=str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        load(tmp_path / "nowhere", tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no CREMA-D file in it, expected names such as VideoFlash/1001_DFA"):
        load(tmp_path / "empty", tmp_path / "cache")
