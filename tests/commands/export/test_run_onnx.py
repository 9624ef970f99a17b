"""The script beside an ONNX file answers as the package does, without it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emofusion.commands.export import run_onnx
from emofusion.commands.export.graph_files import describe
from emofusion.commands.export.one_file import Module, OneFile, one_file
from emofusion.commands.main import main
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.faces_emofusion import square_resize, to_grey
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline
from helpers.exports import save_model, write_clips
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
    """With ResNets for both modalities; the command itself has compared them."""
    folder = tmp_path_factory.mktemp("exported")
    assert main(["export", str(model), "--to", "onnx", "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def pipe(model: Path) -> Iterator[EmoFusionPipeline]:
    processor = EmoFusionProcessor.from_pretrained(model)
    yield EmoFusionPipeline(model=EmoFusionModel.from_pretrained(model), processor=processor, device="cpu")


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
    assert found["scores"] == pytest.approx(expected["scores"], abs=1e-3)
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


@pytest.mark.slow
def test_metadata_says_what_the_model_is_and_needs(exported: Path):
    about = run_onnx.ExportedModel(exported / "model.onnx").about
    assert about["labels"][:2] == ["neutral", "calm"] and len(about["labels"]) == 8
    assert about["license"] == "cc-by-nc-sa-4.0"
    assert (about["sampling_rate"], about["num_frames"], about["image_size"]) == (16_000, 4, 32)
    assert about["image_mean"] == [0.485, 0.456, 0.406]
    assert about["log_mel"] == {"n_fft": 1024, "hop_length": 256, "feature_size": 32, "mean": -7.9, "std": 4.8}


def test_file_that_is_no_exported_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "text.onnx").write_text("this is a text")
    for name, said in (("text.onnx", "found what onnxruntime refuses"), ("absent.onnx", "found no such file")):
        assert run_onnx.main(["clip.mp4", "--model", str(tmp_path / name)]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"error: {tmp_path / name}: expected an exported model, ") and said in err


@pytest.mark.parametrize("size", [(720, 720), (48, 64), (130, 90)])
def test_pictures_are_made_small_as_torchvision_does(size: tuple[int, int]):
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    found = run_onnx.resized(run_onnx.middle(frames, min(size)), 128)
    expected = square_resize(torch.from_numpy(frames).permute(0, 3, 1, 2), 128, 128).permute(0, 2, 3, 1).numpy()
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= 1 and off.mean() < 0.3


def test_grey_is_that_of_the_package():
    frames = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    luma = (frames.astype(np.int32) @ np.array(run_onnx.LUMA) + 500) // 1000
    expected = to_grey(torch.from_numpy(frames).permute(0, 3, 1, 2))
    assert (luma == expected[:, 0].numpy()).all()


# --- one file of several modules ---


def test_script_imports_nothing_but_what_it_says():
    tree = ast.parse(one_file("emofusion.commands.export.run_onnx"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    optional = {"cv2", "decord", "PIL"}  # used where they are
    assert {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - optional == {
        "numpy",
        "onnxruntime",
        "av",
    }


ENTRY = """'Entry.'
from .other import twice

A = 3
print(twice(A))
"""
OTHER = """'Other.'
import math
import torch

# So many.
B = 2
'Times.'

def twice(x):
    return math.floor(B * x)

def unused():
    return torch
"""


def joined(entry: str, other: str) -> str:
    texts = {"emofusion.entry": entry, "emofusion.other": other}
    return OneFile({name: Module(name, text) for name, text in texts.items()}).text("emofusion.entry")


def test_definitions_come_before_what_uses_them_and_what_is_not_used_stays_away(capsys: pytest.CaptureFixture):
    text = joined(ENTRY, OTHER)
    assert "torch" not in text and "import math" in text and "# So many.\nB = 2\n'Times.'" in text
    exec(compile(text, "text", "exec"), {})
    assert capsys.readouterr().out == "6\n"


def test_two_definitions_of_one_name_are_refused():
    with pytest.raises(ValueError, match="emofusion.entry: B: another module has something of this name, too"):
        joined(ENTRY + "B = 1\n", OTHER)
