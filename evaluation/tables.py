"""Tables as Markdown, and how numbers stand in them."""

import math
from collections.abc import Sequence
from typing import Any


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; empty text without rows.

    Args:
        header (`Sequence[str]`): Names of the columns.
        rows (`Sequence[Sequence[str]]`): Cells.
        left (`int`, *optional*, defaults to 1): So many first columns stand at the left, the others, which hold
            numbers, at the right.
    """
    if not rows:
        return ""
    lines = [header, ["---"] * left + ["---:"] * (len(header) - left), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def known(value: Any) -> bool:
    """Whether there is a number: neither None nor NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def in_brackets(bounds: Sequence[float] | None, sign: str = "") -> str:
    """An interval behind a score, after a space; nothing where there is none. With `sign="+"` both ends have one."""
    return "" if bounds is None else f" ({bounds[0]:{sign}.3f} to {bounds[1]:{sign}.3f})"


def number(value: Any) -> str:
    """A score to three places, an interval as two, a count as it is; `-` for what is not known."""
    if not known(value):
        return "-"
    if isinstance(value, list | tuple):
        return " to ".join(map(number, value))
    return str(value) if isinstance(value, int) else f"{value:.3f}"
