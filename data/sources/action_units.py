"""Action units of the takes of RAVDESS: OpenFace's tables of single frames, or one table of means over whole clips."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from .face_tracks import FaceTracks

NAME = "name"
"""The column of a table of means that says which clip a row is of."""


class ActionUnits(ABC):
    """Where the action units of takes are.

    Attributes:
        unreadable (`dict[str, str]`): Reason by file that cannot be used.
    """

    unreadable: dict[str, str]

    @abstractmethod
    def stamp(self, clip: str) -> str:
        """Changes when what is known of a take does; empty where nothing is."""

    @abstractmethod
    def of(self, clip: str, start: float, duration: float, steps: int) -> np.ndarray | None:
        """What was measured in a take.

        Args:
            clip (`str`): The take: the last six fields of its files' names.
            start (`float`): Seconds at which the window of the model begins.
            duration (`float`): Seconds that it lasts.
            steps (`int`): Equal steps of it.

        Returns:
            `np.ndarray`: float32 `[steps, 35]`, NaN in steps in which no face was seen; or `[1, 35]` of means over
            the whole clip. None where nothing is known.
        """


class MeanActionUnits(ActionUnits):
    """A table with one row a clip: the means over all of its frames, and its name.

    Args:
        path (`Path`): A CSV with the 35 columns of OpenFace and one called `name`, parted by commas or semicolons.

    Raises:
        ValueError: No such table, no row under a RAVDESS name, or two of one take.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        from emofusion.modeling.action_units_emofusion import ACTION_UNITS, read_table

        from .ravdess_names import looks_like_ravdess

        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such file; name a table of action units, or the folder of face tracks"
            )
        table = read_table(path.read_bytes(), str(path), (NAME,))
        stems = [Path(word).stem for word in table.words(NAME)]
        self.unreadable = {}
        self._rows: dict[str, np.ndarray] = {}
        for stem, row in zip(stems, table.numbers(ACTION_UNITS).astype(np.float32), strict=True):
            if not looks_like_ravdess(stem):
                continue
            take = _take(stem)
            if take in self._rows and not np.array_equal(self._rows[take], row, equal_nan=True):
                raise ValueError(f"{path}: expected one row for each take, found several that differ of {take}")
            self._rows[take] = row
        if not self._rows:
            found = f", such as {stems[0]}" if stems else ""
            raise ValueError(
                f"{path}: expected rows named as RAVDESS clips, such as 01-01-06-01-02-01-12, in the column {NAME}, "
                f"found {len(stems)} under other names{found}"
            )

    def stamp(self, clip: str) -> str:
        """The row itself."""
        row = self._rows.get(_take(clip))
        return "" if row is None else row.tobytes().hex()

    def of(self, clip: str, start: float, duration: float, steps: int) -> np.ndarray | None:
        """`[1, 35]`, whatever seconds are asked for."""
        row = self._rows.get(_take(clip))
        return None if row is None else row[np.newaxis]


class TrackedActionUnits(ActionUnits):
    """The official face tracks, which have the action units of every frame.

    Args:
        folder (`Path`): Of the tables, as plain files or in zip archives; or one such archive.

    Raises:
        FileNotFoundError, ValueError: As `FaceTracks`.
    """

    def __init__(self, folder: Path) -> None:
        self._tracks = FaceTracks(folder)
        self.unreadable = dict(self._tracks.unreadable)

    def stamp(self, clip: str) -> str:
        """Name, size and time of change (or checksum) of the take's table."""
        file = self._tracks.file(clip)
        return "" if file is None else f"{file} {file.stamp}"

    def of(self, clip: str, start: float, duration: float, steps: int) -> np.ndarray | None:
        """`[steps, 35]` of these seconds; a table that cannot be read is told in `unreadable`."""
        file = self._tracks.file(clip)
        if file is None:
            return None
        try:
            return self._tracks.face(file).steps(start, duration, steps)
        except (ValueError, OSError) as error:
            self.unreadable[str(file)] = str(error)
            return None


def action_units_at(place: Path) -> ActionUnits:
    """Action units that lie at a place: a table of means, or else the folder or archive of face tracks.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: What is there is neither.
    """
    return MeanActionUnits(place) if is_table_of_means(place) else TrackedActionUnits(place)


def is_table_of_means(place: Path) -> bool:
    """Whether a place is one table for all clips, and not the tracks of single ones."""
    return place.suffix.lower() == ".csv" and not place.is_dir()


def _take(stem: str) -> str:
    return "-".join(stem.split("-")[-6:])
