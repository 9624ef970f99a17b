"""`--help` of every command answers at once: it imports nothing that takes seconds."""

import subprocess
import sys

import pytest

from helpers import REPOSITORY

COMMANDS = [
    ["train_hf.py"],
    ["-m", "emofusion.data.prepare"],
    ["-m", "emofusion.data.demo_corpus"],
    ["-m", "emofusion.evaluation.compare"],
]
SLOW_TO_IMPORT = {"torch", "torchaudio", "torchvision", "accelerate", "sklearn", "matplotlib"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_help_does_not_import_torch(command: list[str]):
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *command, "--help"],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.startswith("usage: ")
    # "import time:       123 |        456 |   torch"
    imported = {
        line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time")
    }
    assert "argparse" in imported, "nothing was told of imports"
    assert imported & SLOW_TO_IMPORT == set()
