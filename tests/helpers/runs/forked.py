"""Processes of their own that begin with everything imported.

A test that kills a run, or sets two against each other, needs real processes, but not the ten seconds that each of
them would import for. They are forked from one that has done nothing but import.
"""

import gc
import importlib.util
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers import REPOSITORY
from helpers.runs.unpainted import leave_plots_unpainted

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "emofusion.data.store.decode",
        "emofusion.training.run.job",
        "emofusion.training.experiments.cross_validation",
        "emofusion.training.search.search",
        "pytest",
    ]
)


@cache
def train_hf() -> ModuleType:
    """The script as a module; it lies in no package."""
    spec = importlib.util.spec_from_file_location("train_hf", REPOSITORY / "train_hf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ForkedRun:
    """A run of train_hf.py in a process of its own; its plots are not painted.

    Args:
        words (`object`): Its command line.
        log (`Path`): Where what it prints goes.
    """

    def __init__(self, *words: object, log: Path) -> None:
        self.log = log
        self.process: BaseProcess = PROCESSES.Process(target=_train, args=([*map(str, words)], log))
        self.process.start()

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.is_alive()

    def kill(self) -> None:
        """Kill it, and its data-loading workers with it."""
        assert self.process.pid is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()

    def kill_at(self, found: Callable[[], bool]) -> None:
        """Kill it as soon as something is so, which must not take it to its end."""
        while not found():
            assert self.is_alive(), f"ended before it could be killed\n{self._said()}"
            time.sleep(0.002)
        self.kill()

    def printed(self, timeout: float = 500) -> str:
        """Wait for its end and return what it printed; a failure shows it."""
        self.process.join(timeout)
        text = self._said()
        assert self.process.exitcode == 0, f"exit code {self.process.exitcode}\n{text[-6000:]}"
        return text

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""


def _train(words: list[str], log: Path) -> None:
    import torch

    gc.freeze()  # what the server has imported stays, and is not looked through for garbage
    os.setsid()  # so that it can be killed with its own processes
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Whatever the server had of the terminal or of pytest's capture, this process prints to its log.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    os.chdir(REPOSITORY)
    multiprocessing.set_start_method(None, force=True)  # data-loading workers begin as they do for a user
    torch.set_num_threads(1)  # as many in every run: sums in another order are other sums
    leave_plots_unpainted(pytest.MonkeyPatch())
    train_hf().main(words)


def run_alone(target: Any, *args: Any, timeout: float = 300) -> None:
    """Call a function in a process of its own, which must end well."""
    process = PROCESSES.Process(target=target, args=args)
    process.start()
    process.join(timeout)
    assert process.exitcode == 0


def write_modules(path: Path) -> None:
    """List what is imported in a process that trains, and has done nothing yet."""
    importlib.import_module("emofusion.training.run.job")  # whoever began the server may have had it import others
    path.write_text("\n".join(sys.modules), encoding="utf-8")
