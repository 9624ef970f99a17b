"""The command of a run as a user would type it again."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path


def command_line(argv: Sequence[str]) -> str:
    """The command as a user would type it again: no flag twice, and no access tokens, because the card is public."""
    words = [re.sub(r"^(--[\w-]*token)=.*", r"\1=...", word) for word in _last_of_each_flag(argv[1:])]
    words = [
        "..." if before.startswith("--") and before.endswith("token") else word
        for before, word in zip(["", *words], words, strict=False)
    ]
    return shlex.join(["accelerate", "launch", Path(argv[0]).name, *words])


def for_others(command: str, here: Path) -> str:
    """The command without places of this machine: paths as they are told from `here`, others as `<data_dir>`.

    Args:
        command (`str`): What `command_line` made.
        here (`Path`): Folder in which it was run.
    """
    words = shlex.split(command)
    return " ".join(_for_others(before, word, here) for before, word in zip(["", *words], words, strict=False))


def told_from(here: Path, path: str) -> str:
    """A path from `here`, as `runs/gated`; one that is relative stays, and one that lies elsewhere is empty text."""
    if not Path(path).is_absolute():
        return path
    return Path(path).relative_to(here).as_posix() if Path(path).is_relative_to(here) else ""


def _for_others(before: str, word: str, here: Path) -> str:
    flag, equals, value = word.partition("=") if word.startswith("--") else (before, "", word)
    near = told_from(here, value)
    if near:
        return shlex.quote(f"{flag}={near}" if equals else near)
    named = f"<{flag.lstrip('-')}>" if flag.startswith("--") else f"<{Path(value).name}>"
    return f"{flag}={named}" if equals else named if value else shlex.quote(word)


def _last_of_each_flag(words: Sequence[str]) -> list[str]:
    """The words without flags that a later one of the same name overrides, as those of one run of several are."""
    groups: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    names = [group[0].split("=")[0].replace("-", "_") for group in groups]  # --output-dir is --output_dir
    last = dict(zip(names, groups, strict=True))
    return [word for name, group in zip(names, groups, strict=True) if last[name] is group for word in group]
