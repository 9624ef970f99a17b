"""Real runs of train_hf.py, small enough for tests."""

import os
import subprocess
import sys
from pathlib import Path

from helpers import REPOSITORY
from helpers.runs.forked import ForkedRun

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


def run_training(*words: object, log: Path) -> str:
    """Run train_hf.py to its end, in a process of its own, and return what it printed; a failure shows it."""
    return ForkedRun(*words, log=log).printed()


def launch_training(*words: object, launcher: bool = False, env: dict[str, str] | None = None) -> str:
    """The same as a user does it, by a command; for what the environment decides as modules are imported."""
    python = Path(sys.executable)
    launch = [str(python.with_name("accelerate")), "launch", "--config_file", "recipes/accelerate/single.yaml"]
    result = subprocess.run(
        [*(launch if launcher else [str(python)]), "train_hf.py", *map(str, words)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
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
