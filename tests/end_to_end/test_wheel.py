"""The wheel is whole: installed where there is no checkout, it trains, scores and describes a model."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from emofusion.data.demo_corpus.corpus import make_demo_corpus
from helpers import REPOSITORY
from helpers.builds import build, copy_sources
from helpers.runs.demo_runs import tiny_recipe

pytestmark = pytest.mark.slow

PACKAGES = ("modeling", "data", "evaluation", "serving", "training", "commands")
TRAIN = """
import runpy
import emofusion.data, emofusion.evaluation, emofusion.modeling, emofusion.training
for package in (emofusion.data, emofusion.evaluation, emofusion.modeling, emofusion.training):
    print("imported", package.__file__)
runpy.run_path("train_hf.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("build")
    return build("wheel", copy_sources(folder / "tree"), folder / "wheel")


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and behind it what the package needs of this one.

    A path that a .pth file names is only searched: the .pth files in it, such as that of an editable install, are not
    read.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True, timeout=300)
    (place,) = folder.glob("lib/python*/site-packages")
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def test_wheel_has_every_file_of_the_house(wheel: Path):
    expected = {
        f"emofusion/{path.relative_to(REPOSITORY).as_posix()}"
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    assert expected - names == set()
    assert not [name for name in names if "emofusion-small" in name]  # the model in the box stays in the checkout
    assert {name for name in names if re.fullmatch(r"emofusion/[^/]+", name)} == {"emofusion/__main__.py"}


def test_wheel_brings_the_command(environment: Path):
    for command in ([environment / "bin" / "emofusion"], [environment / "bin" / "python", "-m", "emofusion"]):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, env={}, timeout=120, check=True)
        assert done.stdout.startswith("usage: emofusion VERB")


def test_editable_install_brings_the_command_and_all_packages(tmp_path: Path):
    tree = copy_sources(tmp_path / "tree")
    with zipfile.ZipFile(build("editable", tree, tmp_path / "wheel")) as content:
        content.extractall(tmp_path / "site")
    code = (
        "import runpy, site, sys; site.addsitedir('site'); sys.argv = ['emofusion', '--version']\n"
        "import emofusion.evaluation.run_files as file; print(file.__file__)\n"
        "runpy.run_module('emofusion', run_name='__main__')"
    )
    command = [sys.executable, "-S", "-c", code]  # without the packages of this environment, of which emofusion is one
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={}, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    place, version = done.stdout.splitlines()
    assert Path(place) == tree / "evaluation" / "run_files.py"
    assert version == f"emofusion {metadata.version('emofusion')}"


def test_run_of_the_wheel_alone_leaves_scores_predictions_and_card(environment: Path, tmp_path: Path):
    corpus = make_demo_corpus(
        tmp_path / "corpus", actors=[1, 13, 17], clips_per_actor=8, image_size=32, jobs=1, progress=False
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(REPOSITORY / "train_hf.py", empty)
    words = [tiny_recipe(tmp_path), "--data_dir", corpus, "--cache_dir", tmp_path / "cache", "--output_dir", "out"]
    done = subprocess.run(
        [environment / "bin" / "python", "-c", TRAIN, *map(str, words), "--num_train_epochs", "1"],
        cwd=empty,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    places = [Path(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("imported ")]
    assert len(places) == 4
    assert all(place.is_relative_to(environment) for place in places), places
    metrics = json.loads((empty / "out" / "metrics.json").read_text(encoding="utf-8"))
    card = ModelCard.load(empty / "out" / "README.md")
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        name: round(metrics[f"test_{name}"], 4) for name in ("macro_f1", "weighted_f1", "uar", "accuracy")
    }
    assert (empty / "out" / "predictions.parquet").is_file()
    assert (empty / "out" / "model.safetensors").is_file()
