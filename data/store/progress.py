"""A bar of long work: as everywhere on a terminal and in notebooks, and a line every half minute in a file."""

import sys
from collections.abc import Callable
from typing import Any

from datasets.utils import tqdm
from tqdm.auto import notebook_tqdm, std_tqdm

LINE_EVERY = 30.0
"""Seconds between two lines of a bar that goes to a file or a pipe; work that takes less leaves none."""


class Bar(tqdm):
    """The bar of `datasets`, which its `disable_progress_bars` turns off, without hundreds of bars in a log file."""

    def __init__(self, *given: Any, **options: Any) -> None:
        stream = options.get("file") or sys.stderr
        if not stream.isatty() and notebook_tqdm is std_tqdm:
            options |= {"delay": LINE_EVERY, "mininterval": LINE_EVERY, "maxinterval": 2 * LINE_EVERY, "ncols": 0}
            self.status_printer = _line_printer
        super().__init__(*given, **options)


def _line_printer(file: Any) -> Callable[[str], None]:
    """What writes each state of a bar on a line of its own; whoever closes the bar ends the last line."""
    lines: list[str] = []

    def write(state: str) -> None:
        if state.strip() and state not in lines[-1:]:
            file.write("\n" * bool(lines) + state.strip())
            file.flush()
            lines.append(state)

    return write
