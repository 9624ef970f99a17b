"""Real runs of train_hf.py, small enough for tests."""

import os
import subprocess
import sys
from pathlib import Path

from helpers import REPOSITORY

TINY = """\
label_set: emotions8
encoder_width: 8
num_frames: 2
image_size: 28
num_train_epochs: 2
per_device_train_batch_size: 8
learning_rate: 2.0e-3
"""


def tiny_recipe(folder: Path) -> Path:
    """A recipe for a run of seconds."""
    path = folder / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


def train_command(*words: object, launch: bool = False) -> list[str]:
    """The command line of a run, through accelerate or plain Python."""
    python = Path(sys.executable)
    launcher = [str(python.with_name("accelerate")), "launch", "--config_file", "recipes/accelerate/single.yaml"]
    return [*(launcher if launch else [str(python)]), "train_hf.py", *map(str, words)]


def training_environment() -> dict[str, str]:
    """As many threads in every run: sums in another order are other sums."""
    return {**os.environ, "OMP_NUM_THREADS": "2"}


def run_training(*words: object, launch: bool = False, env: dict[str, str] | None = None) -> str:
    """Run train_hf.py to its end and return what it printed; a failure shows it."""
    result = subprocess.run(
        train_command(*words, launch=launch),
        cwd=REPOSITORY,
        env={**training_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return result.stdout


def run_without_package(code: str, *words: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run Python code where `emofusion` cannot be imported, in an empty folder; returns what it printed."""
    script = "import sys\nsys.modules['emofusion'] = None\n" + code
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-6000:]
    return result.stdout
