"""`python -m emofusion.data.prepare`: what is there, and the exports."""

import json
import shutil
from pathlib import Path

import datasets
import pytest
from PIL import Image

from emofusion.data import prepare
from helpers.corpora.ravdess_files import make_frames, write_corpus, write_media
from helpers.servers.file_server import FileServer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), actors=(1, 13, 17), emotions=(3, 4))


def run(corpus: Path, folder: Path, *words: object) -> None:
    places = ["--data_dir", corpus, "--cache_dir", folder / "cache"]
    small = ["--num_frames", 2, "--image_size", 28]
    prepare.main([str(word) for word in [*places, *small, *words]])


def test_prepare_prints_and_saves_the_account(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run(corpus, tmp_path, "--account", tmp_path / "new" / "account.json")
    printed = " ".join(capsys.readouterr().out.split())
    assert "takes 6 1440 expected" in printed
    assert "missing 1434 actors 2-12, 14-16, 18-24 (60 each); actors 1, 13, 17 (58 each)" in printed
    assert "holdout 1 of 1" in printed
    assert "chumachenko 0 of 1; chumachenko fold 0 is refused: none of its test actors (5, 10, 16, 19)" in printed
    assert f"account: {tmp_path}/new/account.json" in printed
    assert json.loads((tmp_path / "new" / "account.json").read_text())["takes"] == 6


def test_prepare_writes_only_what_it_is_told_to(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = sorted(corpus.rglob("*"))
    run(corpus, tmp_path)
    assert list((tmp_path / "here").iterdir()) == []
    assert sorted(corpus.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir() if path.name != "here"] == ["cache"]
    assert capfd.readouterr().err == ""  # what there is to say stands in the table


def test_prepare_of_a_synthetic_corpus_misses_nothing(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    made = shutil.copytree(corpus, tmp_path / "made")
    (made / "DEMO_CORPUS.json").write_text(json.dumps({"notice": "Drawn by a test."}))
    run(made, tmp_path, "--strict")
    printed = capsys.readouterr().out
    assert "expected" not in printed and "missing" not in printed


def test_prepare_tells_every_note_of_a_file_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    silent = shutil.copytree(corpus, tmp_path / "silent")
    for path in silent.glob("Actor_1*/*"):  # what is named as having sound, and has none
        write_media(path, make_frames(seed=int(path.stem[-2:])))
    run(silent, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if "named as having sound" in line)
    assert line.split()[:4] == ["odd", "but", "usable", "4"]
    assert "  4  such as Actor_13/" in line


def test_prepare_strict_ends_with_an_error_after_the_account(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    with pytest.raises(ValueError, match="strict, and not all is there: 1434 of 1440 takes missing"):
        run(corpus, tmp_path, "--strict")
    assert "missing" in capsys.readouterr().out


def test_prepare_writes_sheets_and_exports(corpus: Path, tmp_path: Path):
    exports = {name: tmp_path / name for name in ("contact_sheets", "export_npz", "export_parquet")}
    run(corpus, tmp_path, "--face_crop", "haar", *(w for name, path in exports.items() for w in (f"--{name}", path)))
    assert sorted(path.name for path in exports["contact_sheets"].iterdir()) == [
        "Actor_01.png",
        "Actor_13.png",
        "Actor_17.png",
    ]
    assert Image.open(exports["contact_sheets"] / "Actor_01.png").width > 100
    assert len(list(exports["export_npz"].rglob("*.npz"))) == 6
    exported = datasets.load_dataset(str(exports["export_parquet"]), cache_dir=str(tmp_path / "plain"))
    assert {name: set(rows["actor"]) for name, rows in exported.items()} == {
        "train": {1},
        "validation": {13},
        "test": {17},
    }


def test_prepare_downloads_what_it_then_reads(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    archive = shutil.make_archive(str(tmp_path / "made"), "zip", corpus, "Actor_17")
    path = "/records/1188976/files/Video_Speech_Actor_17.zip"
    with FileServer({path: Path(archive).read_bytes()}) as server:
        monkeypatch.setenv("EMOFUSION_DOWNLOAD_URL", server.url)
        run(tmp_path / "fetched", tmp_path, "--download", "video_speech", "--actors", "17")
    printed = " ".join(capsys.readouterr().out.split())
    assert "Video_Speech_Actor_17.zip: unverified (no published checksum)" in printed
    assert "takes 2 1440 expected" in printed
    assert [path.name for path in (tmp_path / "fetched").glob("*.zip")] == ["Video_Speech_Actor_17.zip"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--actors", "1-x", "--download"], "--actors: expected numbers or ranges such as 1-4 7, found '1-x'"),
        (["--actors", "4-1", "--download"], "--actors: the range 4-1 runs backwards"),
        (["--actors", "4"], "--actors: it chooses the videos that --download fetches"),
        (["--public"], "--public: it says how --push_to_hub makes the repository"),
        (["--actors", "25", "--download"], "--actors: there is no actor 25; RAVDESS has 1-24"),
        (["--download", "video"], "^--download: unknown 'video'; the choices are audio_speech"),
        (["--account", "."], r"^--account \.: a folder; name a file"),
        (["--contact_sheets", __file__], "^--contact_sheets .*: a file; name a folder"),
        (["--image_size", "0"], "^--image_size 0: expected pixels"),
        (["--num_frames", "0"], "^--num_frames=0: expected a number above 0"),
        (["--yunet_path", "x.onnx"], "^--yunet_path: it does nothing without --face_crop yunet"),
        (["--push_to_hub", "you/clips"], "--push_to_hub: name the folder"),
        (
            ["--face_tracks", "tracks", "--export_npz", "x"],
            "^--face_tracks: without --face_crop .* --export_npz is of frames",
        ),
    ],
)
def test_prepare_wrong_words_are_named(corpus: Path, tmp_path: Path, words: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        run(corpus, tmp_path, *words)


def test_prepare_of_a_missing_folder_names_it(tmp_path: Path):
    with pytest.raises(
        FileNotFoundError,
        match="nowhere: no such folder or file; `emofusion data download` fetches the corpus into it",
    ):
        run(tmp_path / "nowhere", tmp_path)


def test_actor_numbers_reads_ranges():
    assert prepare.actor_numbers(["1-3", "7", "24"]) == [1, 2, 3, 7, 24]
