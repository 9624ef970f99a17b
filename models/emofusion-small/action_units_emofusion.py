"""Action units: what OpenFace measures in a face, read from its tables. Travels to the hub.

Source: Ekman and Friesen 1978, Facial Action Coding System; measured as by Baltrusaitis et al. 2018, OpenFace 2.0:
Facial Behavior Analysis Toolkit.
"""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

_NUMBERS = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")
INTENSITIES = tuple(f"AU{number}_r" for number in _NUMBERS)
PRESENCES = tuple(f"AU{number}_c" for number in sorted((*_NUMBERS, "28")))  # of AU28 there is no intensity
ACTION_UNITS = (*INTENSITIES, *PRESENCES)
"""The 35 measurements of a row, in OpenFace's order: intensities 0..5, then presences 0..1."""

OPENFACE = "OpenFace's `FeatureExtraction -f clip.mp4 -aus` measures them in a film, and writes such a table"


@dataclass(frozen=True)
class Table:
    """A table of words under their names.

    Attributes:
        place (`str`): What errors call it.
        header (`list[str]`): Names of the columns, without the blanks that OpenFace puts before them.
        rows (`list[list[str]]`): Words.
    """

    place: str
    header: list[str]
    rows: list[list[str]]

    def words(self, name: str) -> list[str]:
        """One column."""
        column = self.header.index(name)
        return [row[column].strip() for row in self.rows]

    def numbers(self, names: tuple[str, ...]) -> np.ndarray:
        """Some columns: float64 `[rows, names]`; an empty word is NaN.

        Raises:
            ValueError: A word is no number; the message names its row and column.
        """
        columns = [self.header.index(name) for name in names]
        values = np.empty((len(self.rows), len(columns)))
        for index, row in enumerate(self.rows):
            for place, column in enumerate(columns):
                word = row[column].strip()
                try:
                    values[index, place] = float(word or "nan")
                except ValueError:
                    raise ValueError(
                        f"{self.place}: row {index + 1}, column {names[place]}: expected a number, found {word!r}. "
                        "Let OpenFace write it again"
                    ) from None
        return values


def read_table(content: bytes, place: str, needed: tuple[str, ...]) -> Table:
    """A table of action units as CSV, its columns parted by commas or semicolons, in any order.

    Args:
        content (`bytes`): Of the file.
        place (`str`): What errors call it.
        needed (`tuple[str, ...]`): Columns that must be there beside the 35 action units.

    Raises:
        ValueError: No such table, a column lacks or a row is too short; the message names the file.
    """
    try:
        text = content.decode("utf-8-sig")
        first = text.partition("\n")[0]
        delimiter = ";" if first.count(";") > first.count(",") else ","
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{place}: expected a table of action units as CSV, found: {error}. {OPENFACE}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in (*needed, *ACTION_UNITS) if name not in header]
    if missing:
        raise ValueError(
            f"{place}: expected a table with the columns {', '.join([*needed, 'AU01_r..AU45_r', 'AU01_c..AU45_c'])}, "
            f"found none named {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}. {OPENFACE}"
        )
    for index, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise ValueError(
                f"{place}: row {index}: expected {len(header)} columns, found {len(row)}. Unpack or copy it again"
            )
    return Table(place, header, rows[1:])


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """What OpenFace measured in the frames of one film.

    Attributes:
        times (`np.ndarray`): float64 `[frames]`, seconds from the beginning of the film.
        units (`np.ndarray`): float32 `[frames, 35]`, `ACTION_UNITS`; NaN in frames in which the face was lost.
    """

    times: np.ndarray
    units: np.ndarray
    begin: None = None  # on no other clock than its own

    def seconds(self, window: float) -> float:
        """How long the film lasts, as far as the table tells."""
        return float(self.times.max(initial=0.0))

    def steps(self, start: float, duration: float, count: int) -> np.ndarray:
        """What was measured in `count` equal steps of a window: the mean over the frames of each.

        A single step is the whole film, as in tables that hold one mean a film.

        Args:
            start (`float`): Seconds at which the window begins.
            duration (`float`): Seconds that it lasts.
            count (`int`): Steps.

        Returns:
            `np.ndarray`: float32 `[count, 35]`; NaN in a step in whose frames no face was seen.
        """
        if count == 1:
            start, duration = 0.0, float(self.times.max(initial=0.0)) + 1.0
        step = np.floor((self.times - start) * count / duration + 1e-6)  # a frame at the very edge, whatever rounding
        seen = np.isfinite(self.units).all(axis=1)
        means = np.full((count, self.units.shape[1]), np.nan, np.float32)
        for index in range(count):
            inside = seen & (step == index)
            if inside.any():
                means[index] = self.units[inside].mean(axis=0)
        return means


@dataclass(frozen=True, eq=False)
class GivenRows:
    """Rows of action units that are what the model looks at, whenever that was.

    Attributes:
        units (`np.ndarray`): float32 `[steps, size]`.
    """

    units: np.ndarray
    begin: None = None

    def seconds(self, window: float) -> float:
        """They do not tell how long the film lasts."""
        return 0.0

    def steps(self, start: float, duration: float, count: int) -> np.ndarray:
        """The rows as they were given."""
        return self.units


Face = MeasuredFace | GivenRows


def read_measured_face(content: bytes, place: str) -> MeasuredFace:
    """The table that OpenFace wrote of one film, a row a frame.

    Raises:
        ValueError: As `read_table`, or a word in it is no number.
    """
    table = read_table(content, place, ("timestamp", "success"))
    times, success = table.numbers(("timestamp", "success")).T
    units = table.numbers(ACTION_UNITS).astype(np.float32)
    return MeasuredFace(times, np.where((success == 1)[:, None], units, np.nan))


def as_measured(item: Any, name: str, size: int) -> Face:
    """What a user gives as the action units of one clip.

    Args:
        item: Path of a table of OpenFace; or numbers `[steps, size]`, one row a step, or `[size]` for the mean over
            the clip. NaN marks steps in which nothing was measured.
        name (`str`): What errors call the clip.
        size (`int`): Measurements in a row.

    Raises:
        ValueError: Neither.
        OSError: The file cannot be read.
    """
    if _is_path(item):
        if size != len(ACTION_UNITS):
            raise ValueError(
                f"{name}: this model reads rows of {size} numbers, and tables of OpenFace have {len(ACTION_UNITS)}; "
                "give an array"
            )
        return read_measured_face(Path(item).read_bytes(), str(item))
    try:
        rows = np.asarray(item, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {_expected(size)}, found {type(item).__name__}") from error
    rows = rows[np.newaxis] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] != size or not len(rows):
        raise ValueError(f"{name}: {_expected(size)}, found {list(np.shape(item))}")
    return GivenRows(rows)


def as_faces(action_units: Any, size: int) -> list[Face | None]:
    """Action units of a batch, one item a clip.

    Args:
        action_units: Those of one clip, as [`as_measured`] takes them, or a list of such with None for a clip without
            any; or numbers `[clips, steps, size]`. Nested lists of numbers, as rows of the dataset have them, are the
            steps of one clip; several clips of one row each are a list of arrays.
        size (`int`): Measurements in a row.

    Raises:
        ValueError: They are not such; the message names the clip.
    """
    items = [action_units]
    if isinstance(action_units, (list, tuple)):
        rows = action_units if _is_row(action_units[0], size) else [action_units]
        is_one = all(_is_row(row, size) for row in rows) if action_units else False
        items = items if is_one else list(action_units)
    elif not _is_path(action_units) and np.ndim(action_units) == 3:
        items = list(action_units)
    return [None if item is None else as_measured(item, f"clip {index}", size) for index, item in enumerate(items)]


def pack_rows(found: Sequence[np.ndarray | None], size: int) -> dict[str, torch.Tensor]:
    """Rows of several clips as the model takes them; those that have fewer are filled up, unmeasured.

    Args:
        found (`Sequence[np.ndarray]`): float32 `[steps, size]` of each clip, NaN where nothing was measured; or None.
        size (`int`): Measurements in a row.

    Returns:
        `dict[str, torch.Tensor]`: `action_units` float32 `[batch, steps, size]` without NaN, `action_unit_mask` bool
        `[batch, steps]` and `video_mask` bool `[batch]`; empty where no clip has any.
    """
    steps = max((len(rows) for rows in found if rows is not None), default=0)
    if not steps:
        return {}
    units = torch.full((len(found), steps, size), torch.nan)
    for index, rows in enumerate(found):
        if rows is not None:
            units[index, : len(rows)] = torch.tensor(rows)
    measured = units.isfinite().all(-1)
    units = torch.where(measured[..., None], units, 0.0)
    return {"action_units": units, "action_unit_mask": measured, "video_mask": measured.any(1)}


def scatter(values: torch.Tensor, there: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
    """Put `values [n, ...]` at the n places that are True, zeros elsewhere; returns `[batch, ...]` and the mask."""
    mask = torch.tensor(there)
    if all(there):
        return values, mask  # as they are: in a long recording a copy of each window counts
    spread = torch.zeros(len(there), *values.shape[1:], dtype=values.dtype)
    spread[mask] = values
    return spread, mask


def _is_row(item: Any, size: int) -> bool:
    """Whether something is a list of `size` numbers."""
    return isinstance(item, (list, tuple)) and len(item) == size and all(np.isscalar(number) for number in item)


def _is_path(item: Any) -> bool:
    return isinstance(item, (str, os.PathLike))


def _expected(size: int) -> str:
    return f"action units: expected the path of a table of OpenFace, or numbers [steps, {size}]"
