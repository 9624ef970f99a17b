"""Bars of long work: whole on a terminal, a few lines in a file."""

import io
import time

import datasets
import pytest

from emofusion.data.store import progress
from emofusion.data.store.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def count(stream: io.StringIO, steps: int = 200) -> str:
    for _ in Bar(range(steps), desc="decoding", unit="clip", file=stream):
        time.sleep(0.001)
    return stream.getvalue()


def test_short_work_leaves_nothing_in_a_file():
    assert count(io.StringIO()) == ""


def test_long_work_leaves_whole_lines_in_a_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.05)
    lines = count(io.StringIO()).split("\n")
    assert lines.pop() == ""
    assert all(line.startswith("decoding: ") and "/200 [" in line for line in lines)
    assert "200/200" in lines[-1]
    assert not any("\r" in line or line != line.strip() for line in lines)


def test_a_terminal_has_its_bar():
    shown = count(Terminal())
    assert "100%" in shown and shown.count("\r") > 1


def test_bars_that_datasets_was_told_not_to_show_are_not_shown():
    datasets.disable_progress_bars()
    try:
        assert count(Terminal()) == ""
    finally:
        datasets.enable_progress_bars()
