"""`emofusion export`: what it writes and prints, and what it refuses."""

import importlib.util
import json
from pathlib import Path

import onnx
import pytest
import torch

from emofusion.commands.endings import UsageError
from emofusion.commands.export import exporting
from emofusion.commands.export.exportable import Exportable, axes_of
from emofusion.commands.export.graph_files import open_archive, write_archive
from emofusion.commands.export.parity import TOLERANCE, drawn_batches, parity_of
from emofusion.commands.main import main
from emofusion.modeling import EmoFusionFeatureExtractor
from helpers.corpora.ravdess_files import write_corpus
from helpers.exports import assert_missing_does_not_count, save_model, write_clips
from helpers.tiny_checkpoint import FOLDER
from helpers.tiny_models import one_thread, trained_model  # noqa: F401


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"), "audio", audio_encoder="cnn")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two that have a sound."""
    folder = write_clips(tmp_path_factory.mktemp("clips"))
    return [str(folder / "both.mp4"), str(folder / "voice.wav")]


@pytest.mark.slow
def test_int8_is_fitted_to_clips_and_close_to_the_model(
    model: Path, clips: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main(["export", str(model), "--to", "int8", "--clips", *clips, "--output", str(tmp_path)]) == 0
    path = tmp_path / "model_int8.onnx"
    out = capsys.readouterr().out
    assert f"{path}: " in out and "quantised by 2 clips of --clips; on these: the label of the model for " in out
    assert {entry.name for entry in tmp_path.iterdir()} == {"model_int8.onnx", "run_onnx.py"}
    written = onnx.load(path)
    about = {entry.key: json.loads(entry.value) for entry in written.metadata_props}
    assert about["quantised_by"] == "2 clips of --clips"
    assert about["license"] == "cc-by-nc-sa-4.0"
    convolutions = [node for node in written.graph.node if node.op_type == "Conv"]
    by_output = {output: node for node in written.graph.node for output in node.output}
    assert convolutions and all(by_output[node.input[1]].op_type == "DequantizeLinear" for node in convolutions)
    (spectrum,) = [node for node in written.graph.node if node.op_type == "STFT"]  # stays in 32 bits
    assert "DequantizeLinear" not in {by_output[name].op_type for name in spectrum.input if name in by_output}
    off = float(out.split("probabilities ")[1].split()[0])
    assert 0 < off < 0.05


@pytest.mark.slow
def test_archive_is_checked_on_clips_too_and_has_no_runner(
    model: Path, clips: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    words = ["--to", "torch", "--sound", "log_mel", "--clips", *clips, "--output", str(tmp_path)]
    assert main(["export", str(model), *words]) == 0
    assert "other lengths and 2 clips of --clips" in capsys.readouterr().out
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pt2"]


@pytest.mark.slow
def test_file_that_does_not_answer_as_the_model_is_not_left(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)  # 0 would allow a graph of the very same operations
    assert main(["export", str(model), "--to", "torch", "--sound", "log_mel", "--output", str(tmp_path)]) == 1
    assert "off what the model answers, and -1 is allowed; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_archive_with_attention_and_action_units_answers_as_the_model(tmp_path: Path):
    model = trained_model("xattn", audio_encoder="cnn", video_encoder="action_units")
    axes, path = axes_of(model.config, "log_mel"), tmp_path / "model.pt2"
    write_archive(path, Exportable(model), axes, {"a": "1"})
    run, batches = open_archive(path), drawn_batches(model, axes)
    parity = parity_of(run, model, EmoFusionFeatureExtractor(feature_size=32), batches)
    assert parity.furthest <= TOLERANCE
    assert parity.same_label == parity.clips == 4
    assert_missing_does_not_count(run, batches[0])
    extra = {"emofusion.json": ""}
    torch.export.load(path, extra_files=extra)
    assert '"a": "1"' in extra["emofusion.json"]


def test_clips_of_others_than_those_that_trained_the_model_are_refused(tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus", actors=(1, 2, 3, 17), emotions=(1, 3), kind="wav")
    voices = save_model(tmp_path / "voices", "audio", actors=(1, 2), audio_encoder="cnn")
    job = exporting.Export(str(voices), "samples")
    words = ["--data_dir", str(corpus), "--cache_dir", str(tmp_path / "cache")]
    clips, name = exporting.load_corpus(str(voices), words)
    with pytest.raises(UsageError, match="--protocol: its training part has actors 3 that this model was not"):
        exporting.training_clips(clips, name, job.processor, job.axes, job.model.config, 8)
    job.model.config.training_actors_complete = False
    with pytest.raises(UsageError, match="nobody knows whom this model was trained on"):
        exporting.training_clips(clips, name, job.processor, job.axes, job.model.config, 8)
    job.model.config.training_actors, job.model.config.training_actors_complete = [1, 2, 3], True
    found = exporting.training_clips(clips, name, job.processor, job.axes, job.model.config, 3)
    assert found.words.startswith("3 training clips of RAVDESS, actors 1-3")
    assert [len(batch["samples"]) for batch in found.batches] == [3]
    assert found.batches[0]["samples"].shape == (3, 48_000) and found.batches[0]["samples"].abs().max() > 0.1


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["--to", "int8"], 2, "--to int8: expected clips to quantise by, found none"),
        (["--to", "onnx", "--data_dir", "x"], 2, "--data_dir: --to onnx needs no corpus"),
        (["--to", "int8", "--clips", "x", "--data_dir", "y"], 2, "--data_dir: expected a corpus or --clips"),
        (["--to", "onnx", "--max_clips", "0"], 2, "--max_clips 0: expected 1 or more"),
        (["--to", "onnx", "--output", __file__], 2, "expected a folder, found a file"),
    ],
)
def test_words_that_cannot_be_used_are_named(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture):
    assert main(["export", str(FOLDER), *words]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_encoders_of_transformers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    config = {"model_type": "emofusion", "fusion": "gated", "audio_encoder": "auto"}
    (tmp_path / "config.json").write_text(json.dumps(config | {"audio_config": {"model_type": "wavlm"}}))
    assert main(["export", str(tmp_path), "--to", "onnx"]) == 1
    assert "found audio_encoder='auto', a wavlm of transformers" in capsys.readouterr().err


def test_library_that_lacks_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    assert main(["export", str(FOLDER), "--to", "onnx"]) == 1
    assert capsys.readouterr().err == ("error: --to onnx: it needs onnxscript: pip install 'emofusion[export]'\n")


def test_half_precision_is_exported_in_full(tmp_path: Path):
    folder = save_model(tmp_path, audio_encoder="cnn")
    exporting.EmoFusionModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(folder)
    assert exporting.Export(str(folder), "samples").model.dtype == torch.float32
