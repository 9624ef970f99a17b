"""What lies in a RAVDESS folder: its files, grouped to performances, and an account of what was found."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .ravdess_names import CHANNELS, RavdessName, looks_like_ravdess, parse_name

VIDEO_ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".flv", ".avi"}
AUDIO_ENDINGS = {".wav", ".flac", ".m4a", ".mp3", ".ogg"}


@dataclass(frozen=True)
class Performance:
    """One take of one actor, in whatever files it comes.

    Attributes:
        name (`RavdessName`): Its codes; `name.performance` identifies it.
        picture (`Path`, *optional*): File with the picture (modality 01, else 02), relative to the corpus folder.
        sound (`Path`, *optional*): File with the sound alone (modality 03), for where `picture` has none.
    """

    name: RavdessName
    picture: Path | None
    sound: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, the picture's first."""
        return tuple(path for path in (self.picture, self.sound) if path is not None)


@dataclass
class Account:
    """What was read and what was not; nothing is dropped silently.

    Attributes:
        files (`int`): Media files found under RAVDESS names.
        performances (`int`): Performances they make.
        duplicates (`list[str]`): Files left out because another one holds the same take and modality.
        unreadable (`dict[str, str]`): Reason by file (or name) that could not be used.
        notes (`dict[str, list[str]]`): By file: what was odd but usable.
    """

    files: int = 0
    performances: int = 0
    duplicates: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for people."""
        parts = [f"{self.performances} performances in {self.files} files"]
        if self.duplicates:
            parts.append(f"{len(self.duplicates)} duplicate files left out")
        if self.notes:
            parts.append(f"{len(self.notes)} files with something odd but usable")
        if self.unreadable:
            first, reason = next(iter(self.unreadable.items()))
            parts.append(f"{len(self.unreadable)} unreadable, such as {first}: {reason}")
        return "; ".join(parts)


def find_performances(data_dir: Path) -> tuple[list[Performance], Account]:
    """All performances below a folder, in the order of their codes, speech and song alike.

    Any depth of folders is searched, links too. A take that is there twice is taken from the first path in order.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: No media file under a RAVDESS name in it.
    """
    if not data_dir.is_dir():
        raise FileNotFoundError(f"{data_dir}: no such folder; data_dir must hold RAVDESS files (Actor_01/...)")
    account = Account()
    takes: dict[str, dict[int, tuple[RavdessName, Path]]] = defaultdict(dict)
    for path in sorted(_files_below(data_dir)):
        if path.suffix.lower() not in VIDEO_ENDINGS | AUDIO_ENDINGS or not looks_like_ravdess(path.stem):
            continue
        relative = path.relative_to(data_dir)
        account.files += 1
        if not path.is_file():
            account.unreadable[relative.as_posix()] = "a link to no file"
            continue
        try:
            name = parse_name(path.stem)
        except ValueError as error:
            account.unreadable[relative.as_posix()] = str(error)
            continue
        known = takes[name.performance]
        if name.modality in known:
            account.duplicates.append(relative.as_posix())
        else:
            known[name.modality] = (name, relative)
    if not account.files:
        raise ValueError(
            f"{data_dir}: no RAVDESS file in it, expected names such as Actor_01/01-01-06-01-02-01-01.mp4 "
            f"({', '.join(sorted(VIDEO_ENDINGS | AUDIO_ENDINGS))})"
        )
    performances = [_performance(files) for files in takes.values()]
    account.performances = len(performances)
    return sorted(performances, key=lambda performance: performance.name.performance), account


def _files_below(folder: Path) -> Iterator[Path]:
    """All files, also in folders that are links, as parts of a corpus may be; no link is taken back to where it is."""
    visited = set()
    for path, folders, names in os.walk(folder, followlinks=True):
        visited.add(os.path.realpath(path))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(path, name)) not in visited]
        yield from (Path(path, name) for name in names)


def _performance(files: dict[int, tuple[RavdessName, Path]]) -> Performance:
    name = files[min(files)][0]
    paths = {modality: path for modality, (_, path) in files.items()}
    # 01 and 02 of one take show the same picture, 01 and 03 hold the same sound.
    return Performance(name, picture=paths.get(1, paths.get(2)), sound=paths.get(3))


def select_channel(performances: list[Performance], channel: str) -> list[Performance]:
    """Keep `"speech"`, `"song"` or `"both"`.

    Raises:
        ValueError: Another word.
    """
    choices = [*CHANNELS.values(), "both"]
    if channel not in choices:
        raise ValueError(f"channel: unknown {channel!r}; the choices are {', '.join(choices)}")
    return [p for p in performances if channel in ("both", CHANNELS[p.name.channel])]
