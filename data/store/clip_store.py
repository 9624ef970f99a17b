"""The decoded store: every take is decoded once, into Arrow files that are memory-mapped from then on.

It is keyed by the decoding settings and the source files alone. Label set, protocol and fold only select its rows, and
augmentation never touches it. Each clip is written as soon as it is decoded, so whatever interrupts a build costs the
clips in flight; and each has a key of its own, so a changed file is decoded anew and the others are not.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets import Dataset
from filelock import FileLock

from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.takes import Take

from .arrow_parts import BINARY, UNFINISHED, digest_of, load_parts, new_part, salvage
from .cores import cores
from .faces import Faces
from .progress import Bar
from .settings import DecodeSettings

STORE_VERSION = 4
"""Raised whenever the same files and settings would be decoded to something else."""

UNITS_FILE = ".units.npz"
"""How files end that lie beside a store and hold the action units of its clips."""


@dataclass(frozen=True)
class Store:
    """Decoded clips.

    Attributes:
        folder (`Path`): Where they lie.
        rows (`Dataset`): All rows of the files, in the order of decoding: `STORE_FEATURES` and `FINDINGS`.
        order (`list[int]`): The rows that were asked for, in the order in which they were asked for.
        unreadable (`dict[str, str]`): Reason by file of the takes that could not be read.
        fingerprint (`str`): Depends on the content of the rows asked for, and on nothing else.
    """

    folder: Path
    rows: Dataset
    order: list[int]
    unreadable: dict[str, str]
    fingerprint: str

    def column(self, name: str) -> list[Any]:
        """Values of the rows asked for."""
        values = self.rows.data.column(name)
        return [values[row].as_py() for row in self.order]


@dataclass(frozen=True)
class DecodeRequest:
    """Takes, and how and where they are to lie decoded.

    Attributes:
        files (`CorpusFiles`): The corpus.
        takes (`Sequence[Take]`): What to decode.
        settings (`DecodeSettings`): How.
        cache_dir (`Path`): Where stores lie.
        faces (`Faces`, *optional*): What finds faces, where the settings ask for it.
    """

    files: CorpusFiles
    takes: Sequence[Take]
    settings: DecodeSettings
    cache_dir: Path
    faces: Faces | None = None

    @property
    def folder(self) -> Path:
        """The folder of the store."""
        return store_folder(self.files.folder, self.settings, self.cache_dir)

    @cached_property
    def keys(self) -> dict[str, str]:
        """By take: a hash of name, size and time of change (or checksum) of every file of it."""
        return {take.clip: _key(take, self.faces) for take in self.takes}


def decode_missing(request: DecodeRequest) -> Store:
    """The decoded clips of these takes; those that were not decoded before are decoded first.

    Processes that ask for the same store at once wait for each other. Takes that cannot be read are tried again each
    time.

    Raises:
        ValueError: Not one take could be read; the message names the first and the reason.
        OSError: What was decoded cannot be read back.
    """
    unreadable: dict[str, str] = {}
    rows, places = load_parts(request.folder)
    if not all(key in places for key in request.keys.values()):
        unreadable = _decode_under_lock(request)
        rows, places = load_parts(request.folder)
        lost = sum(key not in places for key in request.keys.values()) - len(unreadable)
        if lost > 0:
            raise OSError(
                f"{request.folder}: {lost} of {len(request.takes)} decoded clips cannot be read back; try again, or "
                "delete it"
            )
    order = [places[key] for key in request.keys.values() if key in places]
    if not order:
        name, reason = next(iter(unreadable.items()))
        raise ValueError(
            f"{request.files.folder}: none of {len(request.takes)} clips can be read, such as {name}: {reason}"
        )
    assert rows is not None  # some key has a place
    named = ("clip", *map(digest_of, BINARY))
    content = [rows.data.column(name).take(order).to_pylist() for name in named]
    identity = json.dumps([STORE_VERSION, asdict(request.settings), content])
    return Store(request.folder, rows, order, unreadable, hashlib.sha256(identity.encode()).hexdigest()[:16])


def store_folder(data_dir: Path, settings: DecodeSettings, cache_dir: Path) -> Path:
    """Where the store of a corpus folder lies: one for each way of decoding."""
    identity = json.dumps([STORE_VERSION, asdict(settings), str(data_dir.resolve())])
    return cache_dir / f"store-{hashlib.sha256(identity.encode()).hexdigest()[:20]}"


def remove_store(data_dir: Path, settings: DecodeSettings, cache_dir: Path) -> None:
    """Delete the store of a corpus folder, as soon as nobody builds it."""
    folder = store_folder(data_dir, settings, cache_dir)
    if folder.is_dir():
        with FileLock(f"{folder}.lock"):
            shutil.rmtree(folder, ignore_errors=True)
            for units in cache_dir.glob(f"{folder.name}.*{UNITS_FILE}"):
                units.unlink()


def _key(take: Take, faces: Faces | None) -> str:
    track = faces.track(take) if faces is not None else None
    sources = [(str(file), file.stamp) for file in (*take.files, *([track] if track is not None else []))]
    return hashlib.sha256(json.dumps([take.clip, take.facts, sources]).encode()).hexdigest()[:24]


def _decode_under_lock(request: DecodeRequest) -> dict[str, str]:
    """Decode what nobody else has decoded meanwhile; returns the reasons of what cannot be read."""
    folder = request.folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        load_parts(folder, mend=True)
        for left in folder.glob(UNFINISHED):  # the lock is ours: whoever left it is gone
            salvage(left)
        _, places = load_parts(folder)
        todo = [take for take in request.takes if request.keys[take.clip] not in places]
        try:
            if todo and request.faces is not None:
                _ = request.faces.finder  # what it lacks is told before anything is decoded
            return _decode_to_part(request, todo)
        finally:
            if not any(folder.iterdir()):
                folder.rmdir()


def _decode_to_part(request: DecodeRequest, todo: Sequence[Take]) -> dict[str, str]:
    """Decode into a new part; returns the reasons of what cannot be read."""
    unreadable: dict[str, str] = {}
    done = len(request.takes) - len(todo)
    with (
        new_part(request.folder) as part,
        Bar(total=len(request.takes), initial=done, desc="decoding", unit="clip") as bar,
    ):
        for take, row in _decode_all(request, todo):
            if isinstance(row, dict):
                part.write(row | {"key": request.keys[take.clip]})
            else:
                source = " + ".join(map(str, (*take.pictures[:1], *take.sounds[:1])))
                unreadable[source] = str(row).replace(f"{request.files.folder}/", "").removeprefix(f"{source}: ")
            bar.update()
    return dict(sorted(unreadable.items()))


def _decode_all(request: DecodeRequest, takes: Sequence[Take]) -> Iterator[tuple[Take, dict[str, Any] | Exception]]:
    """Takes with their row, or with the reason why there is none, as they are done.

    Threads are enough: the decoders work outside Python's lock. No more are begun than can be lost.
    """
    # Only who decodes needs the decoders, and torch with them.
    from emofusion.modeling.media_emofusion import MediaError

    from .decode import decode

    waiting = iter(takes)
    workers = cores()
    running: dict[Future[dict[str, Any]], Take] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                for take in waiting:
                    running[pool.submit(decode, request.files, take, request.settings, request.faces)] = take
                    if len(running) == 2 * workers:
                        break
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    take, error = running.pop(done), done.exception()
                    if error is not None and not isinstance(error, (MediaError, OSError)):
                        error.add_note(f"while decoding {' + '.join(map(str, take.files))}")
                        raise error
                    yield take, done.result() if error is None else error
        finally:
            for future in running:
                future.cancel()
