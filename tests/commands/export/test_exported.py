"""What `emofusion export --to onnx` leaves in a folder: a file that answers as the model, a script as the package."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emofusion.commands.export import run_onnx
from emofusion.commands.export.exportable import axes_of
from emofusion.commands.export.graph_files import describe, open_onnx
from emofusion.commands.export.parity import TOLERANCE, drawn_batches, parity_of
from emofusion.commands.main import main
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline
from helpers.exports import assert_missing_does_not_count, save_model, signature_of, write_clips
from helpers.tiny_models import one_thread  # noqa: F401

ABSENT = ("torch", "torchvision", "torchaudio", "transformers", "decord", "cv2", "PIL", "pandas", "scipy", "onnx")
RUN = """
import runpy, sys
sys.modules.update(dict.fromkeys({absent!r}))  # as if they were not installed
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command writes, of a model with ResNets for both modalities."""
    folder = tmp_path_factory.mktemp("exported")
    assert main(["export", str(model), "--to", "onnx", "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def pipe(model: Path) -> Iterator[EmoFusionPipeline]:
    processor = EmoFusionProcessor.from_pretrained(model)
    yield EmoFusionPipeline(model=EmoFusionModel.from_pretrained(model), processor=processor, device="cpu")


# --- the file ---


def test_no_place_of_this_machine_stands_in_it(exported: Path):
    assert b".py" not in (exported / "model.onnx").read_bytes()  # torch notes lines of code, by their whole path


@pytest.mark.slow
def test_file_answers_as_the_model_with_anything_missing_at_any_length(exported: Path, pipe: EmoFusionPipeline):
    path, axes = exported / "model.onnx", axes_of(pipe.model.config, "samples")
    run, batches = open_onnx(path), drawn_batches(pipe.model, axes)
    parity = parity_of(run, pipe.model, pipe.processor.feature_extractor, batches)
    assert parity.furthest <= TOLERANCE
    assert parity.same_label == parity.clips == 4
    assert signature_of(path) == (axes, ["logits", "gate"])
    assert_missing_does_not_count(run, batches[0])


@pytest.mark.slow
def test_metadata_says_what_the_model_is_and_needs(exported: Path):
    about = run_onnx.ExportedModel(exported / "model.onnx").about
    assert about["labels"][:2] == ["neutral", "calm"] and len(about["labels"]) == 8
    assert about["license"] == "cc-by-nc-sa-4.0"
    assert (about["sampling_rate"], about["num_frames"], about["image_size"]) == (16_000, 4, 32)
    assert about["image_mean"] == [0.485, 0.456, 0.406]
    assert about["log_mel"] == {"n_fft": 1024, "hop_length": 256, "feature_size": 32, "mean": -7.9, "std": 4.8}


# --- the script ---


def answers_without_package(exported: Path, *words: object) -> tuple[list[dict[str, Any]], str, int]:
    code = RUN.format(absent=[*ABSENT, "emofusion"])
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported / "run_onnx.py"), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=exported,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode


def assert_same_answer(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["label"] == expected["label"]
    assert found["scores"] == pytest.approx(expected["scores"], abs=1e-4)
    assert found["gate"] == pytest.approx(expected["gate"], abs=1e-3)
    assert found["modalities"] == expected["modalities"]
    assert found["window"] == pytest.approx(expected["window"])
    assert found["duration"] == pytest.approx(expected["duration"])


@pytest.mark.slow
def test_answers_are_those_of_the_package(exported: Path, pipe: EmoFusionPipeline, tmp_path: Path):
    clips = write_clips(tmp_path)
    (clips / "empty.mp4").write_bytes(b"")
    files = [clips / name for name in ("both.mp4", "silent.mp4", "voice.wav", "empty.mp4")]
    found, err, code = answers_without_package(exported, *files)
    assert [answer["file"] for answer in found] == [str(file) for file in files[:3]]
    expected = [pipe(str(file)) for file in files[:3]]
    for answer, other in zip(found, expected, strict=True):
        assert_same_answer(answer, other)
    assert len({answer["label"] for answer in expected}) > 1 or max(expected[0]["scores"].values()) > 0.3
    assert code == 1
    assert err.startswith(f"failed: {files[3]}: expected a media file") and err.count("\n") == 1


@pytest.mark.slow
def test_answer_about_a_real_clip_is_that_of_the_package(exported: Path, pipe: EmoFusionPipeline, test_data: Path):
    clip = test_data / "clips" / "derived" / "01-01-08-02-01-01-19.mp4"
    found, err, code = answers_without_package(exported, clip)
    assert (code, err) == (0, "")
    assert_same_answer(found[0], pipe(str(clip)))


@pytest.mark.slow
def test_model_that_wants_faces_is_refused_without_opencv(exported: Path, tmp_path: Path):
    path = tmp_path / "model.onnx"
    path.write_bytes((exported / "model.onnx").read_bytes())
    about = run_onnx.ExportedModel(path).about
    describe(path, {name: json.dumps(value) for name, value in {**about, "face_crop": "haar"}.items()})
    found, err, code = answers_without_package(exported, "clip.mp4", "--model", path)
    assert (found, code) == ([], 1)
    assert err.startswith("error: OpenCV 4 is needed to find faces")
