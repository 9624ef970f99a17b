"""The benchmarks run; what they print is for docs/results.md, not for a test."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from helpers import REPOSITORY
from helpers.corpora.ravdess_files import write_corpus, write_named
from helpers.exports import save_model


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_store_building_prints_a_line_for_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    building = script("store_building")
    monkeypatch.setattr(building, "ROUNDS", 1)
    building.compare(write_named(tmp_path, "01-01-03-01-01-01-01"), 3, {"faces off": "none", "faces": "haar"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| mp4, faces off", "| mp4, faces"]
    assert all(float(line.split(" | ")[3]) > 0 for line in lines)


def test_store_reading_prints_a_line_for_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    pytest.importorskip("librosa", reason="pip install -e '.[bench]'")
    reading = script("store_reading")
    monkeypatch.setattr(reading, "ROUNDS", 1)
    corpus = write_corpus(tmp_path, actors=(1,), emotions=(3, 4))
    monkeypatch.setattr("sys.argv", ["store_reading.py", "--data_dir", str(corpus)])
    reading.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 4


def test_window_coverage_prints_a_line_for_each_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    coverage = script("window_coverage")
    corpus = write_corpus(tmp_path, actors=(1,), emotions=(3, 4), kind="wav")
    monkeypatch.setattr("sys.argv", ["window_coverage.py", str(corpus)])
    coverage.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split(" | ")[:2] for line in lines] == [[f"| {name}", "2"] for name in coverage.WINDOWS]


def test_augmentation_prints_a_line_for_each_field(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    augmentation = script("augmentation")
    monkeypatch.setattr(augmentation, "ROUNDS", 1)
    monkeypatch.setattr(augmentation, "BATCH", 2)
    augmentation.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {name}" for name in ("nothing", *augmentation.WAYS)]
    assert float(lines[0].split(" | ")[1].removesuffix(" |")) > 0


def test_long_sound_prints_a_line_for_each_length(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    long_sound = script("long_sound")
    monkeypatch.setattr("sys.argv", ["long_sound.py", "--hours", "0.02"])
    monkeypatch.setattr(long_sound, "SHORT_S", 6.0)
    monkeypatch.setattr(long_sound, "in_its_own_process", lambda work, path: work(path))
    long_sound.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| 0.00167 h", "| 0.02 h"]
    assert [float(line.split(" | ")[3].split()[0]) for line in lines] == pytest.approx([3.0, 48.0], abs=0.1)


def test_long_windows_prints_a_line_for_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    long_windows = script("long_windows")
    clip = write_named(tmp_path, "01-01-03-01-01-01-01")
    monkeypatch.setattr("sys.argv", ["long_windows.py", str(clip), "--minutes", "0.15"])
    monkeypatch.setattr(long_windows, "in_its_own_process", lambda work, path: work(path))
    long_windows.main()
    *lines, _, ratio = capsys.readouterr().out.splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {way}" for way in long_windows.WAYS]
    assert re.fullmatch(r"forward passes \d+\.\d s; all of it is \d\.\d\d times bare decoding and these", ratio)
    assert int(lines[-1].split(" | ")[4].removesuffix(" |")) >= 7


@pytest.mark.slow
def test_exported_prints_a_line_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    exported = script("exported")
    monkeypatch.setattr(exported, "ROUNDS", 1)
    monkeypatch.setattr(exported, "CALLED", {"torch": "torch.export"})  # each ONNX takes 10 s more
    model = save_model(tmp_path / "model", "audio", actors=(1, 2), audio_encoder="cnn")
    corpus = write_corpus(tmp_path / "corpus", actors=(1, 2, 17), emotions=(1, 3), kind="wav")
    words = ["--data_dir", str(corpus), "--cache_dir", str(tmp_path / "cache"), "--use_cpu"]
    monkeypatch.setattr("sys.argv", ["exported.py", str(model), *words])
    exported.main()
    told, _, _, _, *lines = capsys.readouterr().out.splitlines()
    assert told.endswith("4 training clips of RAVDESS, actors 1-2; scored on 2 test clips of RAVDESS, actors 17")
    assert [line.split(" | ")[0] for line in lines] == ["| torch, as it is", "| torch.export"]
    assert float(lines[1].split(" | ")[-1].removesuffix(" |")) == 0.0
