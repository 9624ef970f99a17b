"""What `emofusion predict` is asked about: files as they are named, and the media files of folders."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Inputs:
    """What was found.

    Attributes:
        files (`list[str]`): Paths and addresses, in the order in which they were named, those of a folder in order of
            their names; none twice.
        failed (`dict[str, str]`): Why something that was named cannot be looked at.
        passed_over (`Counter`): How many other files folders hold, by ending.
    """

    files: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)

    def passed_over_words(self) -> str:
        """`3 files that are no media: passed over (2 .json, 1 .md)`; empty where there were none."""
        count = sum(self.passed_over.values())
        kinds = ", ".join(f"{number} {ending}" for ending, number in self.passed_over.most_common())
        what = "files that are" if count > 1 else "file that is"
        return f"{count} {what} no media: passed over ({kinds})" if count else ""


def find_inputs(named: Sequence[str]) -> Inputs:
    """Look for the files; whatever is named itself is taken whatever it is called.

    Args:
        named (`Sequence[str]`): Files, folders at any depth, and addresses (`https://...`).
    """
    found, known = Inputs(), set()
    for name in named:
        for file in [name] if is_address(name) else _files_of(Path(name).expanduser(), found):
            place = file if is_address(file) else os.path.realpath(file)
            if place not in known:
                known.add(place)
                found.files.append(file)
    return found


def is_address(name: str) -> bool:
    """Whether it lies on the web."""
    return name.lower().startswith(("http://", "https://"))


def _files_of(path: Path, found: Inputs) -> list[str]:
    if path.is_dir():
        files = sorted(_media_below(path, found))
        if not files:
            found.failed[str(path)] = "a folder without any media file"
        return files
    if path.exists():
        return [str(path)]
    found.failed[str(path)] = "a link to no file" if path.is_symlink() else "no such file or folder"
    return []


def _media_below(folder: Path, found: Inputs) -> Iterator[str]:
    """Media files at any depth, also behind links to folders; hidden files and folders are no one's clips."""
    from emofusion.data.sources.named_files import MEDIA_ENDINGS, STILL_ENDINGS  # takes seconds, and --help has none

    media, visited = MEDIA_ENDINGS | STILL_ENDINGS, set[str]()
    for path, folders, names in os.walk(folder, followlinks=True, onerror=lambda error: _unlisted(error, found)):
        visited.add(os.path.realpath(path))
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(path, name)) not in visited
        ]
        for name in names:
            ending = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if ending in media:
                yield os.path.join(path, name)
            else:
                found.passed_over[ending or "without ending"] += 1


def _unlisted(error: OSError, found: Inputs) -> None:
    found.failed[str(error.filename)] = f"a folder that cannot be listed ({error.strerror})"
