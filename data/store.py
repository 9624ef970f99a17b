"""The decoded store: every clip is decoded once, into Arrow files that are memory-mapped from then on.

It is keyed by the decoding settings and the source files alone. Label set, protocol and fold only select its rows, and
augmentation never touches it. Each clip is written as soon as it is decoded, so whatever interrupts a build costs the
clips in flight; and each has a key of its own, so a changed file is decoded anew and the others are not.
"""

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, Value, concatenate_datasets
from datasets import List as ListFeature
from datasets.utils import tqdm
from filelock import FileLock

from emofusion.modeling.media_emofusion import MediaError

from .decode import DecodeSettings, Faces, decode, digest
from .files import CorpusFiles
from .takes import Take

logger = logging.getLogger(__name__)

STORE_VERSION = 2
"""Raised whenever the same files and settings would be decoded to something else."""

STORE_FEATURES = Features(
    {
        "clip": Value("string"),
        "frames": Value("large_binary"),
        "audio": Value("large_binary"),
        "has_video": Value("bool"),
        "has_audio": Value("bool"),
        "emotion": Value("string"),
        "actor": Value("int32"),
        "gender": Value("string"),
        "intensity": Value("string"),
        "statement": Value("int32"),
        "repetition": Value("int32"),
        "channel": Value("string"),
        "face": Value("string"),
        "source": Value("string"),
    }
)
FINDINGS = Features(
    {
        "notes": ListFeature(Value("string")),
        "channels": Value("int32"),
        "frames_digest": Value("string"),
        "audio_digest": Value("string"),
        "key": Value("string"),
    }
)
"""What the store knows of a clip beside its row."""

_SCHEMA = Features(STORE_FEATURES | FINDINGS).arrow_schema
_DAMAGE = (pa.ArrowException, OSError, ValueError, LookupError, AttributeError)  # what reading a damaged part raises
_PART, _UNFINISHED = "part-*.arrow", "part-*.incomplete"
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


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


def open_store(
    files: CorpusFiles, takes: Sequence[Take], settings: DecodeSettings, cache_dir: Path, faces: Faces | None = None
) -> Store:
    """The decoded clips of these takes; those that were not decoded before are decoded first.

    Processes that open the same store at once wait for each other. Takes that cannot be read are tried again each
    time.

    Args:
        files (`CorpusFiles`): The corpus.
        takes (`Sequence[Take]`): What to decode.
        settings (`DecodeSettings`): How.
        cache_dir (`Path`): Where stores lie.
        faces (`Faces`, *optional*): What finds faces, where the settings ask for it.

    Raises:
        ValueError: Not one clip could be read; the message names the first and the reason.
    """
    folder = store_folder(files.folder, settings, cache_dir)
    keys = {take.clip: _key(take, faces) for take in takes}
    unreadable: dict[str, str] = {}
    rows, places = _load(folder)
    if not all(key in places for key in keys.values()):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            _load(folder, mend=True)
            for left in folder.glob(_UNFINISHED):  # the lock is ours: whoever left it is gone
                _salvage(left)
            _, places = _load(folder)
            todo = [take for take in takes if keys[take.clip] not in places]
            try:
                if todo and faces is not None:
                    _ = faces.finder  # what it lacks is told before anything is decoded
                unreadable = _build(folder, files, todo, keys, settings, faces, total=len(takes))
            finally:
                if not any(folder.iterdir()):
                    folder.rmdir()
            rows, places = _load(folder)
        lost = sum(key not in places for key in keys.values()) - len(unreadable)
        if lost > 0:
            raise OSError(
                f"{folder}: {lost} of {len(takes)} decoded clips cannot be read back; try again, or delete it"
            )
    order = [places[key] for key in keys.values() if key in places]
    if not order:
        name, reason = next(iter(unreadable.items()))
        raise ValueError(f"{files.folder}: none of {len(takes)} clips can be read, such as {name}: {reason}")
    assert rows is not None  # some key has a place
    content = [rows.data.column(name).take(order).to_pylist() for name in ("clip", "frames_digest", "audio_digest")]
    fingerprint = hashlib.sha256(json.dumps([STORE_VERSION, asdict(settings), content]).encode()).hexdigest()[:16]
    return Store(folder, rows, order, unreadable, fingerprint)


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


def _key(take: Take, faces: Faces | None) -> str:
    """A hash of name, size and time of change (or checksum) of every file of a take."""
    track = faces.track(take) if faces is not None else None
    sources = [(str(file), file.stamp) for file in (*take.files, *([track] if track is not None else []))]
    return hashlib.sha256(json.dumps([take.clip, take.facts, sources]).encode()).hexdigest()[:24]


def _load(folder: Path, mend: bool = False) -> tuple[Dataset | None, dict[str, int]]:
    """All rows of the finished parts, memory-mapped, and the row of each key; both of one listing of the folder.

    A part that cannot be opened, as after a power cut, is left out. Who holds the lock may `mend` it: it is called
    unfinished again, and what is whole of it is salvaged.
    """
    parts = []
    for path in sorted(folder.glob(_PART)):
        try:
            parts.append(Dataset.from_file(str(path)))
        except _DAMAGE as error:
            if mend:
                logger.warning("%s is damaged (%s); what is lost of it is decoded again", path, error)
                os.replace(path, path.with_suffix(".incomplete"))
    if not parts:
        return None, {}
    rows = concatenate_datasets(parts)
    return rows, {key: row for row, key in enumerate(rows.data.column("key").to_pylist())}


def _build(
    folder: Path,
    files: CorpusFiles,
    todo: Sequence[Take],
    keys: dict[str, str],
    settings: DecodeSettings,
    faces: Faces | None,
    total: int,
) -> dict[str, str]:
    """Decode into a new part; returns the reasons of what cannot be read."""
    unreadable: dict[str, str] = {}
    with (
        _new_part(folder) as part,
        tqdm(total=total, initial=total - len(todo), desc="decoding", unit="clip") as bar,
    ):
        for take, row in _decode_all(files, todo, settings, faces):
            if isinstance(row, dict):
                part.write(row | {"key": keys[take.clip]})
            else:
                source = " + ".join(map(str, (*take.pictures[:1], *take.sounds[:1])))
                unreadable[source] = str(row).replace(f"{files.folder}/", "").removeprefix(f"{source}: ")
            bar.update()
    return dict(sorted(unreadable.items()))


def _decode_all(
    files: CorpusFiles, takes: Sequence[Take], settings: DecodeSettings, faces: Faces | None
) -> Iterator[tuple[Take, dict[str, Any] | Exception]]:
    """Takes with their row, or with the reason why there is none, as they are done.

    Threads are enough: the decoders work outside Python's lock. No more are begun than can be lost.
    """
    waiting = iter(takes)
    workers = _cores()
    running: dict[Future[dict[str, Any]], Take] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                for take in waiting:
                    running[pool.submit(decode, files, take, settings, faces)] = take
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


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Part:
    """A file that rows are added to, each in a batch of its own."""

    writer: pa.RecordBatchStreamWriter
    rows: int = 0

    def write(self, row: dict[str, Any]) -> None:
        """Hand a row to the operating system: it survives the end of this process."""
        self.writer.write_batch(pa.RecordBatch.from_pylist([row], schema=_SCHEMA))
        self.rows += 1


@contextmanager
def _new_part(folder: Path) -> Iterator[_Part]:
    """A part that takes its final name when it is closed, also by an error: what was decoded stays decoded."""
    path = folder / f"part-{uuid.uuid4().hex}.incomplete"
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
            part = _Part(writer)
            yield part
    except BaseException:
        _salvage(path)
        raise
    _finish(path, part.rows)


def _finish(path: Path, rows: int) -> None:
    """Give a part its final name, or remove it where it has no row."""
    if rows:
        with path.open("rb+") as file:
            os.fsync(file.fileno())  # a power cut must not leave the name without the content
        os.replace(path, path.with_suffix(".arrow"))
    else:
        path.unlink()


def _salvage(path: Path) -> None:
    """Finish a part that was left: cut off a row that was being written."""
    whole, rows = 0, 0
    with pa.memory_map(str(path)) if path.stat().st_size else pa.BufferReader(b"") as source:
        try:
            reader = pa.ipc.open_stream(source)
            for batch in reader if reader.schema.equals(_SCHEMA, check_metadata=True) else ():
                batch.validate(full=True)
                row = batch.to_pylist()[0]
                if any(digest(row[name]) != row[f"{name}_digest"] for name in ("frames", "audio")):
                    break
                whole, rows = source.tell(), rows + 1
        except _DAMAGE:
            logger.info("%s: its last row was being written, and is decoded again", path.name)
    with path.open("r+b") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(_END_OF_STREAM)
    _finish(path, rows)
