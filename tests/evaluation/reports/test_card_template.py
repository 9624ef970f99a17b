"""The text of the card is where `card_template` looks, in a checkout and in a wheel."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from emofusion.evaluation.reports.card_template import card_template
from helpers import REPOSITORY

BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def build(kind: str, source: Path, target: Path) -> Path:
    """Build what the packaging tools would, in a copy, and without the network."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, f"build_{kind}", str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return next(target.iterdir())


def test_checkout_has_it_at_the_top():
    assert card_template() == (REPOSITORY / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_wheel_of_a_source_distribution_has_it_beside_its_reader(tmp_path: Path):
    tree = tmp_path / "tree"
    for name in ("modeling", "data", "evaluation", "training"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "model_card.md", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tree)
    packed = build("sdist", tree, tmp_path / "sdist")
    shutil.unpack_archive(packed, tmp_path / "unpacked", filter="data")
    wheel = build("wheel", next((tmp_path / "unpacked").iterdir()), tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as content:
        inside = content.read("emofusion/evaluation/reports/model_card.md").decode("utf-8")
    assert inside == card_template()
