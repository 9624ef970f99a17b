"""`emofusion predict`: real files, a real (tiny, untrained) model, and what goes wrong."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest

from emofusion.commands.main import main
from emofusion.commands.predict import formats
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound
from helpers.tiny_checkpoint import FOLDER

MODEL = ["--model", str(FOLDER), "--device", "cpu", "--no_progress"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files that can be read, of each kind of input; a text and an empty file that cannot; and others."""
    folder = tmp_path_factory.mktemp("clips")
    write_media(folder / "both.mp4", make_frames(), make_sound())
    write_media(folder / "deep" / "silent.mp4", make_frames())
    write_sound(folder / "voice.wav", make_sound(seconds=5.0))
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp4").write_text("this is a text\n" * 100)
    (folder / "README.md").write_text("# Clips\n")
    (folder / "notes.json").write_text("{}")
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
def test_folder_is_answered_but_for_what_cannot_be_read(jobs: int, clips: Path, capsys: pytest.CaptureFixture):
    assert main(["predict", str(clips), *MODEL, "--jobs", str(jobs), "--batch_size", "2"]) == 1
    out, err = capsys.readouterr()
    head, *lines = out.splitlines()
    assert head.split()[0] == "file" and head.split()[-1] == "notes"
    read = {Path(line.split()[0]).name: line for line in lines}
    assert list(read) == ["both.mp4", "silent.mp4", "voice.wav"]
    assert " sound+picture " in read["both.mp4"]
    assert " picture " in read["silent.mp4"] and " sound" not in read["silent.mp4"]
    assert " sound " in read["voice.wav"] and " 5.00 " in read["voice.wav"]
    failed = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert [line.split(": ")[1] for line in failed] == [str(clips / "empty.wav"), str(clips / "text.mp4")]
    assert "an empty file" in failed[0]
    assert "2 files that are no media: passed over" in err
    assert err.splitlines()[-1] == "2 of 5 failed, the others are answered"


def test_answers_for_programs_go_to_standard_output_alone(clips: Path, capsys: pytest.CaptureFixture):
    files = [str(clips / name) for name in ("both.mp4", "voice.wav")]
    assert main(["predict", *files, *MODEL, "--jobs", "1", "--format", "jsonl", "--top_k", "8"]) == 0
    out, err = capsys.readouterr()
    both, voice = map(json.loads, out.splitlines())
    assert [both["file"], voice["file"]] == files
    assert both["modalities"] == ["audio", "video"] and voice["modalities"] == ["audio"]
    assert voice["gate"] == 1.0 and 0 < both["gate"] < 1
    assert sum(both["scores"].values()) == pytest.approx(1, abs=1e-4)
    assert max(both["scores"], key=both["scores"].get) == both["label"]
    assert both["score"] == both["scores"][both["label"]]
    start, end = voice["window"]
    assert end - start == pytest.approx(3.0) and voice["duration"] == pytest.approx(5.0, abs=0.01)
    assert err == ""


def test_answers_do_not_depend_on_batches_and_processes(clips: Path, capsys: pytest.CaptureFixture):
    told = []
    for words in (["--jobs", "1", "--batch_size", "1"], ["--jobs", "2", "--batch_size", "3"]):
        main(["predict", str(clips), *MODEL, "--format", "json", *words])
        told.append(json.loads(capsys.readouterr().out))
    for one, other in zip(*told, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)
        assert {**one, "scores": 0, "score": 0, "gate": 0} == {**other, "scores": 0, "score": 0, "gate": 0}


def test_timeline_has_a_line_for_each_window(clips: Path, capsys: pytest.CaptureFixture):
    words = ["--timeline", "--hop", "1", "--format", "csv"]
    assert main(["predict", str(clips / "voice.wav"), str(clips / "text.mp4"), *MODEL, *words]) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    assert [(float(row["start"]), float(row["end"])) for row in rows] == [(0, 3), (1, 4), (2, 5)]
    assert {row["file"] for row in rows} == {str(clips / "voice.wav")}
    assert f"failed: {clips / 'text.mp4'}: expected a media file" in err


def test_answers_are_written_whole_or_not_at_all(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "answers.csv"
    words = ["predict", str(clips), *MODEL, "--jobs", "1", "--format", "csv", "--output", str(out)]
    assert main(words) == 1
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == 3
    assert capsys.readouterr().out == ""
    before = out.read_text()

    def stopped_after_the_first(answers, top_k: int):
        pieces = formats.csv_text(answers, top_k)
        yield next(pieces)
        os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does
        yield from pieces

    monkeypatch.setattr("emofusion.commands.predict.verb.FORMATS", {"csv": stopped_after_the_first})
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run side by side it is ignored
    try:
        assert main(words) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.splitlines()[-1] == "stopped"
    assert out.read_text() == before
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--top_k", "0"], "--top_k 0: expected 1 or more"),
        (["--jobs", "0"], "--jobs 0: expected 1 or more"),
        (["--hop", "0.5"], "--hop: it does nothing without --timeline"),
        (["--timeline", "--jobs", "2"], "--jobs with --timeline: recordings are read one after the other"),
        (["--timeline", "--hop", "0"], "--hop 0: expected seconds above 0"),
        (
            ["--output", "nowhere/answers.csv"],
            "--output nowhere/answers.csv: expected a file in a folder that is there",
        ),
        (["--device", "toaster"], "--device toaster: cannot be used here"),
    ],
)
def test_flags_that_cannot_be_used_are_named(words: list[str], said: str, clips: Path, capsys: pytest.CaptureFixture):
    assert main(["predict", str(clips / "voice.wav"), *MODEL, *words]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {said}") and err.count("\n") == 1
    assert out == ""


def test_nothing_to_look_at_is_said_without_loading_the_model(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["predict", str(tmp_path), str(tmp_path / "gone.mp4"), *MODEL]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"failed: {tmp_path}: a folder without any media file" in err
    assert f"failed: {tmp_path}/gone.mp4: no such file or folder" in err
