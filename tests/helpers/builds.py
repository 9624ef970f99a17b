"""The package as packaging tools would build it, from a copy of the checkout and without the network."""

import shutil
import subprocess
import sys
from pathlib import Path

from helpers import REPOSITORY

_BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def copy_sources(tree: Path) -> Path:
    """What a build reads; a build leaves files beside it, so the checkout itself is left alone."""
    for name in ("modeling", "data", "evaluation", "serving", "training", "commands", "models"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "__main__.py", "model_card.md", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tree)
    return tree


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a `"wheel"` or an `"sdist"` into an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, f"build_{kind}", str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return next(target.iterdir())
