"""Action units in place of frames: the rows of a store with what OpenFace measured in the same seconds."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, Value, concatenate_datasets
from datasets import List as ListFeature

from emofusion.data.sources.action_units import ActionUnits
from emofusion.data.whole_files import write_whole

from .arrow_parts import STORE_FEATURES
from .clip_store import UNITS_FILE, Store
from .settings import DecodeSettings

_VERSION = 1
"""Raised whenever the same tables would be read as something else."""

_COLUMN = Features({"action_units": ListFeature(ListFeature(Value("float32"))), "has_video": Value("bool")})
UNIT_FEATURES = Features(
    {name: kind for name, kind in STORE_FEATURES.items() if name not in ("frames", "has_video")} | _COLUMN
)
"""Columns of rows whose picture is a table: `action_units` are rows of 35 numbers, NaN where no face was seen."""


def with_action_units(store: Store, units: ActionUnits, settings: DecodeSettings) -> Store:
    """The store with `action_units` in place of `frames`; `has_video` tells whether a clip has them.

    A clip that has neither sound nor action units is left out, and its file told with those that cannot be read.
    """
    found = _measured(store, units, settings)
    units_of_rows: list[list[list[float]] | None] = [None] * len(store.rows)
    content = hashlib.sha256(store.fingerprint.encode())
    for row, rows in zip(store.order, found, strict=True):
        units_of_rows[row] = None if rows is None else rows.tolist()
        content.update(b"none" if rows is None else rows.tobytes())
    columns = {"action_units": units_of_rows, "has_video": [units is not None for units in units_of_rows]}
    beside = Dataset.from_dict(columns, features=_COLUMN)
    rows = concatenate_datasets([store.rows.remove_columns(["frames", "has_video"]), beside], axis=1)
    sounds, sources = store.rows.data.column("has_audio").to_pylist(), store.rows.data.column("source").to_pylist()
    order = [row for row in store.order if sounds[row] or units_of_rows[row] is not None]
    empty = {sources[row]: "no sound in it, and no action units for it" for row in set(store.order) - set(order)}
    unreadable = dict(sorted({**store.unreadable, **empty}.items()))
    return replace(store, rows=rows, order=order, unreadable=unreadable, fingerprint=content.hexdigest()[:16])


def unmeasured_steps(store: Store) -> tuple[int, int]:
    """Of the steps of clips that have action units: in how many no face was seen, and how many there are."""
    rows = [np.array(rows) for rows in store.column("action_units") if rows is not None]
    measured = [np.isfinite(units).all(axis=1) for units in rows]
    return sum(int((~there).sum()) for there in measured), sum(map(len, measured))


def _measured(store: Store, units: ActionUnits, settings: DecodeSettings) -> list[np.ndarray | None]:
    """float32 `[steps, 35]` of each clip; None where in no step a face was seen. Tables are read once."""
    names, starts = store.column("clip"), store.column("start")
    identity = repr([_VERSION, names, list(map(units.stamp, names)), starts, asdict(settings)])
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    path = store.folder.with_suffix(f".{key}{UNITS_FILE}")
    found = _read(path, names)
    if found is None:
        found = [
            units.of(name, start, settings.clip_duration, settings.num_frames)
            for name, start in zip(names, starts, strict=True)
        ]
        found = [rows if rows is not None and np.isfinite(rows).all(1).any() else None for rows in found]
        if not units.unreadable:  # what could not be read now is tried again
            _write(path, names, found)
    return found


def _read(path: Path, names: list[str]) -> list[np.ndarray | None] | None:
    """What was measured in each clip, if it lies there already: to read 1440 tables takes a minute."""
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return [arrays[name] if name in arrays else None for name in names]


def _write(path: Path, names: list[str], found: list[np.ndarray | None]) -> None:
    arrays = {name: rows for name, rows in zip(names, found, strict=True) if rows is not None}

    write_whole(path, lambda place: np.savez(place, allow_pickle=False, **arrays))
