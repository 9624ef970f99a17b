"""The script beside an ONNX file: its parts do as those of the package, and it is one file that needs no package."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from emofusion.commands.export import run_onnx
from emofusion.commands.export.one_file import Module, OneFile, one_file
from emofusion.modeling.faces_emofusion import square_resize, to_grey


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
    assert off.max() <= 1 and off.mean() < 0.02  # none where torch resizes bytes in whole numbers (AVX2)


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
