"""The decoded store: every clip is decoded once, whatever happens on the way."""

import os
from pathlib import Path
from typing import Any

import datasets
import pytest

import emofusion.data  # registers the builder
from emofusion.data import DecodeSettings
from emofusion.data.store import arrow_parts
from emofusion.data.store import decode as decoder
from emofusion.data.store.clip_store import store_folder
from helpers.corpora.ravdess_files import make_sound, write_corpus, write_named, write_sound
from helpers.runs.forked import PROCESSES

OPTIONS = {"num_frames": 2, "frame_size": 16}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of four actors; read only."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the corpus above, decoded once for this module."""
    return tmp_path_factory.mktemp("cache")


def load(folder: Path, cache: Path, **options: Any) -> Any:
    return datasets.load_dataset("ravdess", data_dir=str(folder), cache_dir=str(cache), **OPTIONS | options)


def stores(cache: Path) -> list[Path]:
    return sorted(path for path in cache.glob("store-*") if path.is_dir())


def parts(cache: Path) -> list[Path]:
    """The files of the only store, finished and unfinished ones."""
    (folder,) = stores(cache)
    return sorted(folder.iterdir())


def count_decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The clips that are decoded from now on."""
    clips: list[str] = []
    decode = decoder.decode

    def counted(files: Any, take: Any, *rest: Any) -> dict[str, Any]:
        clips.append(take.clip)
        return decode(files, take, *rest)

    monkeypatch.setattr(decoder, "decode", counted)
    return clips


def test_store_second_call_decodes_nothing(corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    first = load(corpus, cache)
    (part,) = parts(cache)
    written = part.stat().st_mtime_ns
    decoded = count_decoding(monkeypatch)
    again = load(corpus, cache)
    assert {name: list(rows) for name, rows in again.items()} == {name: list(rows) for name, rows in first.items()}
    assert {name: rows._fingerprint for name, rows in again.items()} == {n: r._fingerprint for n, r in first.items()}
    assert (decoded, parts(cache), part.stat().st_mtime_ns) == ([], [part], written)


def test_store_serves_every_label_set_protocol_and_fold(corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    load(corpus, cache)
    decoded = count_decoding(monkeypatch)
    fingerprints = []
    for label_set in emofusion.data.LABEL_SETS:
        for protocol, fold in (("holdout", 0), ("msaf6", 3), ("msaf6", 4), ("random_clips", 1)):
            rows = load(corpus, cache, label_set=label_set, protocol=protocol, fold=fold, split="test")
            fingerprints.append(rows._fingerprint)
            if protocol != "random_clips":
                assert set(rows["actor"]) == set(emofusion.data.fold(protocol, fold).test) & {1, 2, 13, 17}
    assert decoded == []
    assert len(parts(cache)) == 1
    assert len(set(fingerprints)) == len(fingerprints)


def test_store_of_speech_serves_both_channels_without_decoding_speech_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for stem in ("03-01-03-01-01-01-01", "03-02-03-01-01-01-01"):
        write_named(tmp_path / "corpus", stem, "wav")
    load(tmp_path / "corpus", tmp_path / "cache", split="train")
    decoded = count_decoding(monkeypatch)
    assert len(load(tmp_path / "corpus", tmp_path / "cache", split="train", channel="both")) == 2
    assert decoded == ["02-03-01-01-01-01"]
    assert load(tmp_path / "corpus", tmp_path / "cache", split="train")["channel"][:] == ["speech"]


def test_store_with_force_redownload_decodes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3,), kind="wav")
    load(folder, tmp_path / "cache", split="train")
    decoded = count_decoding(monkeypatch)
    load(folder, tmp_path / "cache", split="train", download_mode="force_redownload")
    assert len(decoded) == 1


@pytest.mark.parametrize(
    "option",
    [{"window": "center"}, {"num_frames": 3}, {"frames_per_step": 1}, {"frame_size": 8}, {"clip_duration": 2}]
    + [{"sampling_rate": 8000}],
)
def test_store_of_other_decoding_settings_is_another(tmp_path: Path, option: dict[str, Any]):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3,))
    first = load(folder, tmp_path / "cache", split="train")[0]
    other = load(folder, tmp_path / "cache", split="train", **option)[0]
    assert len(stores(tmp_path / "cache")) == 2
    assert (first["frames"], first["audio"]) != (other["frames"], other["audio"])
    assert load(folder, tmp_path / "cache", split="train")[0] == first


@pytest.mark.parametrize("change", ["content", "added", "removed"])
def test_store_decodes_only_what_changed(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3, 4), kind="wav")
    before = load(folder, tmp_path / "cache", split="train")
    decoded = count_decoding(monkeypatch)
    path = folder / "Actor_01" / "03-01-04-01-01-01-01.wav"
    if change == "content":
        write_sound(path, make_sound(seed=9))
    elif change == "added":
        write_named(folder, "03-01-05-01-01-01-01", "wav", seed=5)
    else:
        path.unlink()
    after = load(folder, tmp_path / "cache", split="train")
    assert len(after) == {"content": 2, "added": 3, "removed": 1}[change]
    assert after[0] == before[0]
    assert after._fingerprint != before._fingerprint
    touched = {"content": ["01-04-01-01-01-01"], "added": ["01-05-01-01-01-01"], "removed": []}
    assert decoded == touched[change]
    if change == "content":
        assert after[1]["audio"] != before[1]["audio"]


def test_store_of_the_same_folder_spelt_otherwise_is_the_same(
    corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = list(load(corpus, cache, split="test"))
    decoded = count_decoding(monkeypatch)
    monkeypatch.chdir(corpus.parent)
    for spelling in (Path(corpus.name), corpus / ".." / corpus.name):
        assert list(load(spelling, cache, split="test")) == expected
    assert decoded == []


def test_store_of_another_folder_with_the_same_names_is_another(tmp_path: Path):
    for name, seed in (("one", 1), ("two", 2)):
        path = write_named(tmp_path / name, "03-01-03-01-01-01-01", "wav", seed=seed)
        os.utime(path, (1, 1))
    one, two = (load(tmp_path / name, tmp_path / "cache", split="train")[0] for name in ("one", "two"))
    assert one["audio"] != two["audio"]


def test_store_interrupted_while_building_keeps_what_was_decoded(
    corpus: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = load(corpus, cache, split="all")
    decode = decoder.decode

    def decode_some(files: Any, take: Any, *rest: Any) -> dict[str, Any]:
        if take.clip >= "01-04":
            raise KeyboardInterrupt
        return decode(files, take, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(decoder, "decode", decode_some)
        load(corpus, tmp_path)
    assert [path.suffix for path in parts(tmp_path)] == [".arrow"]
    decoded = count_decoding(monkeypatch)
    rows = load(corpus, tmp_path, split="all")
    assert list(rows) == list(expected)
    assert rows._fingerprint == expected._fingerprint
    # The four of emotion 04 failed, and some that were in flight beside the first of them were lost.
    assert 4 <= len(decoded) < 12


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0])
def test_store_left_by_a_killed_process_is_taken_over_up_to_the_row_being_written(
    corpus: Path, cache: Path, tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
):
    expected = list(load(corpus, cache, split="all"))
    (part,) = parts(cache)
    folder = store_folder(corpus, DecodeSettings(num_frames=2, frame_size=16), tmp_path)
    folder.mkdir()
    content = part.read_bytes().removesuffix(arrow_parts._END_OF_STREAM)
    (folder / "part-left.incomplete").write_bytes(content[: round(share * len(content))])
    decoded = count_decoding(monkeypatch)
    assert list(load(corpus, tmp_path, split="all")) == expected
    assert len(decoded) == {0.0: 12, 0.3: 9, 0.999: 1, 1.0: 0}[share]
    assert all(path.suffix == ".arrow" for path in parts(tmp_path))


def test_store_left_with_a_damaged_row_decodes_it_again(corpus: Path, cache: Path, tmp_path: Path):
    expected = list(load(corpus, cache, split="all"))
    (part,) = parts(cache)
    folder = store_folder(corpus, DecodeSettings(num_frames=2, frame_size=16), tmp_path)
    folder.mkdir()
    content = bytearray(part.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)  # as after a power cut
    (folder / "part-left.incomplete").write_bytes(content)
    assert list(load(corpus, tmp_path, split="all")) == expected


@pytest.mark.parametrize("damage", ["truncated", "empty", "no store at all"])
def test_store_with_a_damaged_part_is_mended(
    corpus: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
):
    expected = list(load(corpus, tmp_path, split="all"))
    (part,) = parts(tmp_path)
    whole = part.read_bytes()
    part.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "no store at all": b"text" * 100}[damage])
    decoded = count_decoding(monkeypatch)
    assert list(load(corpus, tmp_path, split="all")) == expected
    assert (len(decoded) < 12) == (damage == "truncated")


def test_store_is_not_mistaken_about_its_rows_when_another_process_adds_some(corpus: Path, tmp_path: Path):
    """Two ways of decoding never share a folder, but two channels do; parts are listed once for keys and rows."""
    write_named(tmp_path / "c", "03-01-03-01-01-01-01", "wav")
    write_named(tmp_path / "c", "03-02-03-01-01-01-01", "wav")
    assert load(tmp_path / "c", tmp_path, split="train")["channel"][:] == ["speech"]
    (part,) = parts(tmp_path)
    listed = arrow_parts.load_parts(part.parent)
    load(tmp_path / "c", tmp_path, split="train", channel="song")
    rows, places = listed
    assert rows.data.column("key").to_pylist() == list(places)
    assert len(arrow_parts.load_parts(part.parent)[1]) == 2


def test_store_forced_anew_on_an_open_builder_is_rebuilt(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3,), kind="wav")
    words = {"data_dir": str(folder), "cache_dir": str(tmp_path / "cache")} | OPTIONS
    builder = datasets.load_dataset_builder("ravdess", **words)
    builder.download_and_prepare()
    before = builder.as_dataset("all")[0]
    write_named(folder, "03-01-04-01-01-01-01", "wav")
    builder.download_and_prepare(download_mode="force_redownload")
    assert parts(tmp_path / "cache")
    rows = builder.as_dataset("all")
    assert (len(rows), rows[0]) == (2, before)


def test_store_rows_stand_in_the_order_of_codes_whatever_finishes_first(corpus: Path, cache: Path):
    clips = load(corpus, cache, split="all")["clip"][:]
    assert clips == sorted(clips)


def test_store_tries_what_was_unreadable_again(tmp_path: Path):
    folder = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3, 4), kind="wav")
    path = folder / "Actor_01" / "03-01-04-01-01-01-01.wav"
    whole, stat = path.read_bytes(), path.stat()
    path.write_bytes(bytes(len(whole)))
    assert len(load(folder, tmp_path / "cache", split="train")) == 1
    path.write_bytes(whole)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert len(load(folder, tmp_path / "cache", split="train")) == 2


def load_and_count(folder: Path, cache: Path, start: Any) -> tuple[list[str], int]:
    """The clips of a corpus, loaded when all are ready, and how many of them were decoded here."""
    calls = []

    def counted(*args: Any) -> Any:
        calls.append(args)
        return decode(*args)

    decode = decoder.decode
    start.wait(timeout=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "decode", counted)
        return load(folder, cache, split="all")["clip"][:], len(calls)


def put_result(queue: Any, *args: Any) -> None:
    queue.put(load_and_count(*args))


@pytest.mark.slow
def test_store_built_by_two_processes_at_once_serves_both(corpus: Path, tmp_path: Path):
    start, queue = PROCESSES.Barrier(2), PROCESSES.Queue()
    other = PROCESSES.Process(target=put_result, args=(queue, corpus, tmp_path, start))
    other.start()
    ours, decoded_here = load_and_count(corpus, tmp_path, start)
    theirs, decoded_there = queue.get(timeout=120)
    other.join(timeout=60)
    assert other.exitcode == 0
    assert ours == theirs
    assert len(ours) == decoded_here + decoded_there == 12
    assert [path.suffix for path in parts(tmp_path)] == [".arrow"]
