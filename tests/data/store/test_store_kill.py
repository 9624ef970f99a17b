"""A build that is killed: what was decoded stays decoded, and the result is that of an undisturbed build."""

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

import emofusion.data  # noqa: F401  registers the builder
from emofusion.data.store import decode as decoder
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.forked import PROCESSES

CLIPS, KILLS = 60, 10


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), actors=range(1, 13), emotions=range(1, 6), kind="wav")


def build(corpus: Path, cache: Path, log: Path, result: Path) -> None:
    """Load the corpus; each clip whose decoding begins is a line of `log`."""
    decode = decoder.decode

    def logged(files: Any, take: Any, *rest: Any) -> dict[str, Any]:
        with log.open("a") as lines:  # one short write: whole lines, whatever happens
            lines.write(f"{take.clip}\n")
        time.sleep(0.02)  # so that kills fall into the build
        return decode(files, take, *rest)

    decoder.decode = logged
    rows = datasets.load_dataset("ravdess", data_dir=str(corpus), cache_dir=str(cache), split="train")
    result.write_text(rows._fingerprint)


def start_build(*args: Path) -> Any:
    process = PROCESSES.Process(target=build, args=args)
    process.start()
    return process


def fingerprint_of_build(*args: Path) -> str:
    process = start_build(*args)
    process.join(timeout=120)
    return args[-1].read_text()


def begun(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


@pytest.mark.slow
def test_build_killed_at_ten_random_moments_loses_only_the_clips_in_flight(corpus: Path, tmp_path: Path):
    result, draws, log = tmp_path / "fingerprint", random.Random(7), tmp_path / "log"
    expected = fingerprint_of_build(corpus, tmp_path / "undisturbed", tmp_path / "undisturbed.log", result)
    result.unlink()
    for _ in range(KILLS):
        before = len(begun(log))
        process = start_build(corpus, tmp_path / "cache", log, result)
        while process.is_alive() and len(begun(log)) == before:
            time.sleep(0.002)  # the kill is to fall into the decoding, not into what goes before it
        time.sleep(draws.uniform(0.0, 0.06))
        assert process.is_alive(), "the build was done before it could be killed"
        process.kill()
        process.join(timeout=60)
    assert not result.exists()
    assert fingerprint_of_build(corpus, tmp_path / "cache", log, result) == expected
    counts = Counter(begun(log))
    assert len(counts) == len(begun(tmp_path / "undisturbed.log")) == CLIPS
    lost = sum(counts.values()) - CLIPS
    in_flight = 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    assert 0 < lost <= KILLS * in_flight
