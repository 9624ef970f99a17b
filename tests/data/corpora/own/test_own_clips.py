"""Clips of one's own: what is read of tables, folders, data sets and exports, how they are dealt, what is refused."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import emofusion.data  # noqa: F401  # registers "clips"
from emofusion.data.corpora.own.dealing import deal
from emofusion.data.corpora.own.folder import list_folder
from emofusion.data.corpora.own.own_clips import FIRST_NUMBER, Listing, OwnClip, label_names
from emofusion.data.protocols import FoldRefusedError
from emofusion.data.sources.files import CorpusFiles
from helpers.corpora.ravdess_files import make_sound, write_corpus, write_sound

SPEAKERS = ("ann", "bob", "cem", "dee", "eva")
LABELS = ("bored", "happy")


def write_clips(folder: Path, table: str | None = "metadata.csv", **columns: Callable[[str, str], str]) -> Path:
    """Two clips of each label by each speaker, with a table of file, label, speaker and more columns."""
    rows = []
    for speaker in SPEAKERS:
        for label in LABELS:
            for number in (1, 2):
                name = f"{speaker}-{label}-{number}.wav"
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(f"{name} ".encode() * 9)
                more = {column: value(speaker, label) for column, value in columns.items()}
                rows.append({"file_name": name, "label": label, "speaker": speaker, **more})
    if table is not None:
        write_table(folder / table, rows)
    return folder


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    else:
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def listed(folder: Path, label: str = "label", speaker: str = "speaker") -> Listing:
    return list_folder(CorpusFiles(folder), label, speaker)


# ---- what is read ----


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_table_of_each_kind_names_clips_labels_and_speakers(table: str, tmp_path: Path):
    (write_clips(tmp_path, table) / "elsewhere.wav").write_bytes(b"")
    found = listed(tmp_path)
    assert found.classes.labels == ["happy", "bored"]  # emotions that we know go first
    assert {clip.speaker for clip in found.clips} == set(SPEAKERS)
    assert (len(found.clips), found.other_files, found.natural_protocol) == (20, 1, "speakers")


def test_folders_are_labels_and_folders_above_them_splits(tmp_path: Path):
    for name in ("train/angry/1.wav", "train/calm/2.wav", "test/angry/3.mp4", "val/calm/4.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = {clip.name: (clip.label, clip.split, bool(clip.pictures)) for clip in listed(tmp_path).clips}
    assert found == {
        "test/angry/3.mp4": ("angry", "test", True),
        "train/angry/1.wav": ("angry", "train", False),
        "train/calm/2.wav": ("calm", "train", False),
        "val/calm/4.flac": ("calm", "validation", False),
    }
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "train/angry/1.wav", "calm/9.wav")
    for folder in ("train", "test", "val"):
        (tmp_path / folder).rename(tmp_path / f"of-{folder}")  # no names of splits any more
    assert listed(tmp_path).by_name["calm/9.wav"].label == "calm"
    assert listed(tmp_path).natural_protocol == "random_clips"


def test_other_columns_are_taken_where_they_are_named(tmp_path: Path):
    write_clips(tmp_path, mood=lambda _, label: f"{label}!", who=lambda speaker, _: speaker[0])
    found = listed(tmp_path, "mood", "who")
    assert found.classes.labels == ["bored!", "happy!"]
    assert {clip.speaker for clip in found.clips} == set("abcde")


def test_speakers_have_numbers_that_are_nobodys_in_ravdess_and_stay(tmp_path: Path):
    first, second = listed(write_clips(tmp_path / "here")), listed(write_clips(tmp_path / "there", "metadata.jsonl"))
    numbers = {clip.speaker: clip.number for clip in first.clips}
    assert numbers == {clip.speaker: clip.number for clip in second.clips}
    assert len(set(numbers.values())) == 5
    assert all(FIRST_NUMBER <= number < 2**31 for number in numbers.values())
    unknown = [OwnClip(clip.name, clip.label, clip.pictures, clip.sounds) for clip in first.clips]
    assert len({clip.number for clip in unknown} - set(numbers.values())) == 20  # clips have numbers of their own


def test_few_whole_numbers_are_names_and_more_or_others_are_regression():
    assert label_names([1, "2", 1.0], "label", "x") == ["1", "2", "1"]
    assert label_names(["1", "two"], "label", "x") == ["1", "two"]
    for values in (["0.5", "1"], [*range(21)]):
        with pytest.raises(ValueError, match="x: column label holds numbers, .*: that is regression"):
            label_names(values, "label", "x")


# ---- what is refused ----


def _change(folder: Path, old: str, new: str) -> None:
    path = folder / "metadata.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing file": (
        lambda folder: (folder / "bob-happy-1.wav").unlink(),
        r"metadata.csv, row 7: no file bob-happy-1.wav below .*; put it there, or leave out the row",
    ),
    "a duplicate": (
        lambda folder: _change(folder, "ann-bored-2.wav", "ann-bored-1.wav"),
        r"metadata.csv: ann-bored-1.wav stands in row 1 and in row 2",
    ),
    "an unknown split": (
        lambda folder: write_clips(folder, split=lambda speaker, _: "tset" if speaker == "cem" else "train"),
        r"metadata.csv, row 9: unknown split 'tset'; write train, validation or test",
    ),
    "no label column": (
        lambda folder: _change(folder, "label", "mood"),
        r"metadata.csv: no column label among file_name, mood, speaker; .*--label_column",
    ),
    "no file column": (lambda folder: _change(folder, "file_name", "path"), "expected a column file_name, found path"),
    "an empty label": (lambda folder: _change(folder, ",bored,", ",,"), "row 1: ann-bored-1.wav has no label"),
    "a speaker in some rows": (
        lambda folder: _change(folder, "bored,ann", "bored,"),
        "ann-bored-1.wav has no speaker, and other clips have one",
    ),
    "another encoding": (
        lambda folder: (folder / "metadata.csv").write_bytes("file_name,label\na.wav,müde\n".encode("latin-1")),
        "metadata.csv, line 2: expected text in UTF-8, found the byte 0xfc; save it as UTF-8",
    ),
    "a cell too many": (
        lambda folder: _change(folder, "bored,ann", "bored,ann,x"),
        "line 2: expected 3 cells, found more",
    ),
    "two tables": (
        lambda folder: (folder / "metadata.jsonl").write_text("{}"),
        "expected one table, found metadata.csv",
    ),
    "an empty table": (lambda folder: (folder / "metadata.csv").write_text("file_name,label\n"), "no row in it"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_table_is_one_clear_error(wrong: str, tmp_path: Path):
    change, message = WRONG[wrong]
    change(write_clips(tmp_path))
    with pytest.raises(ValueError, match=message):
        listed(tmp_path)


def test_empty_folder_and_clips_without_labels_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no clip in it, expected files such as happy/1.wav"):
        listed(tmp_path)
    (tmp_path / "1.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1 clips such as 1.wav, and no label; put them into one folder for each"):
        listed(tmp_path)


def test_label_with_one_clip_and_a_single_label_are_refused(tmp_path: Path):
    write_clips(tmp_path)
    _change(tmp_path, ",bored,", ",sole,")
    with pytest.raises(ValueError, match="label sole has one clip, which cannot both train and test"):
        listed(tmp_path).check_labels()
    clips = [OwnClip(f"{number}", "happy", (), ()) for number in range(3)]
    with pytest.raises(ValueError, match="expected several labels, found happy alone"):
        Listing("x", clips).check_labels()


# ---- how they are dealt ----


def test_speakers_are_dealt_whole_and_each_tests_once(tmp_path: Path):
    found = listed(write_clips(tmp_path))
    tested = []
    for k in range(5):
        parts: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
        for clip, part in zip(found.clips, deal(found, found.clips, "speakers", k), strict=True):
            parts[part].add(str(clip.speaker))
        assert {part: len(people) for part, people in parts.items()} == {"train": 3, "validation": 1, "test": 1}
        assert len(set.union(*parts.values())) == 5
        tested += parts["test"]
    assert sorted(tested) == sorted(SPEAKERS)
    with pytest.raises(FoldRefusedError, match="speakers fold 5: these clips have folds 0 to 4"):
        deal(found, found.clips, "speakers", 5)


def test_clips_are_dealt_singly_as_given_or_all_to_one_part(tmp_path: Path):
    found = listed(write_clips(tmp_path, split=lambda speaker, _: {"ann": "dev", "bob": "test"}.get(speaker, "train")))
    assert found.natural_protocol == "given"
    given = deal(found, found.clips, "given", 0)
    assert [part for clip, part in zip(found.clips, given, strict=True) if clip.speaker == "ann"] == ["validation"] * 4
    assert sorted(set(deal(found, found.clips, "random_clips", 0))) == ["test", "train", "validation"]
    assert set(deal(found, found.clips, "all_test", 0)) == {"test"}


def test_too_few_speakers_are_refused_with_a_way_out(tmp_path: Path):
    found = listed(write_clips(tmp_path))
    two = [clip for clip in found.clips if clip.speaker in ("ann", "bob")]
    with pytest.raises(
        FoldRefusedError, match="expected at least 3 speakers, .*; found 2; add others, or deal single"
    ):
        deal(found, two, "speakers", 0)
    for protocol, lacks in (("given", "no split is given to these clips"), ("speakers", "nobody knows who is in")):
        nobody = [OwnClip(str(number), "happy", (), ()) for number in range(4)]
        with pytest.raises(FoldRefusedError, match=lacks):
            deal(Listing("x", nobody), nobody, protocol, 0)


# ---- through load_dataset ----

SMALL = {"num_frames": 2, "frame_size": 16}


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips with a sound in each."""
    folder = write_clips(tmp_path_factory.mktemp("voices"))
    for seed, path in enumerate(sorted(folder.glob("*.wav"))):
        write_sound(path, make_sound(seed=seed))
    return folder


def test_load_dataset_has_own_labels_and_speakers(voices: Path, tmp_path: Path):
    splits = datasets.load_dataset("clips", data_dir=str(voices), cache_dir=str(tmp_path), **SMALL)
    assert {part: len(set(rows["speaker"])) for part, rows in splits.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    row = splits["test"][0]
    assert splits["test"].features["label"].int2str(row["label"]) == row["emotion"]
    assert row["gender"] is None
    assert row["has_audio"]


def test_data_set_with_sounds_is_the_same_clips(voices: Path, tmp_path: Path):
    paths = sorted(voices.glob("*.wav"))
    content = {
        "sound": [{"bytes": path.read_bytes(), "path": path.name} for path in paths],
        "mood": [LABELS.index(path.stem.split("-")[1]) for path in paths],
        "speaker": [path.stem.split("-")[0] for path in paths],
    }
    features = datasets.Features(
        {"sound": datasets.Audio(), "mood": datasets.ClassLabel(names=[*LABELS]), "speaker": datasets.Value("string")}
    )
    datasets.Dataset.from_dict(content).cast(features).save_to_disk(tmp_path / "saved")
    options = {"source": str(tmp_path / "saved"), "label_column": "mood", "cache_dir": str(tmp_path), **SMALL}
    rows = datasets.load_dataset("clips", split="all", **options)
    plain = datasets.load_dataset("clips", split="all", data_dir=str(voices), cache_dir=str(tmp_path), **SMALL)
    for name in ("emotion", "speaker", "actor", "audio"):
        assert list(rows[name]) == list(plain[name]), name
    with pytest.raises(ValueError, match="no column label among sound, mood, speaker; .*--label_column"):
        datasets.load_dataset("clips", **{**options, "label_column": None})
    with pytest.raises(ValueError, match=r"expected a column of type Audio or Video, found mood \(ClassLabel\)"):
        datasets.Dataset.from_dict(content).cast(features).remove_columns("sound").save_to_disk(tmp_path / "bare")
        datasets.load_dataset("clips", **{**options, "source": str(tmp_path / "bare")})


def test_export_of_decoded_clips_is_taken_as_it_lies(tmp_path: Path):
    from emofusion.data.export.parquet import export_parquet

    corpus = write_corpus(tmp_path / "corpus", actors=(1, 2, 13, 17), emotions=(3, 4), kind="wav")
    words = {"data_dir": str(corpus), "cache_dir": str(tmp_path / "cache"), **SMALL}
    builder = datasets.load_dataset_builder("ravdess", **words)
    builder.download_and_prepare()
    rows = builder.as_dataset("all")
    settings = builder.config.decode_settings
    export_parquet(
        rows, tmp_path / "export", corpus=builder.corpus, account_summary="", decode_settings=settings, progress=False
    )
    own = datasets.load_dataset("clips", **{**words, "data_dir": str(tmp_path / "export")}, split="all")
    assert own.features["label"].names == ["happy", "sad"]
    for name in ("clip", "actor", "audio", "emotion"):  # with the numbers by which leaks are found
        assert sorted(own[name], key=str) == sorted(rows[name], key=str), name
