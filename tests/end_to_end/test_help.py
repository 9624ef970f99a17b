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
ONE_WORD = ("predict", "info", "explain", "train", "evaluate", "compare", "export", "data")
VERBS = [[], *([verb] for verb in ONE_WORD), ["data", "inspect"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_help_does_not_import_torch(command: list[str]):
    assert imported_by_help(command) & SLOW_TO_IMPORT == set()


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_of_the_command_imports_little_but_itself(verb: list[str]):
    slow = SLOW_TO_IMPORT | {"numpy", "pandas", "datasets", "transformers", "huggingface_hub"}
    assert imported_by_help(["-m", "emofusion", *verb]) & slow == set()


def imported_by_help(command: list[str]) -> set[str]:
    """Modules that a command imports to show its help."""
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
    assert "re" in imported, "nothing was told of imports"
    return imported
