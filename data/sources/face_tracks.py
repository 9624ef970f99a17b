"""The official face tracks of RAVDESS: where the face is in every clip, and what it does, without a detector.

Swanson, Livingstone and Russo 2019, RAVDESS Facial Landmark Tracking, doi:10.5281/zenodo.3255102: one CSV of OpenFace
2.1 for each audio-video file, in pixels of the original video.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .files import CorpusFile, CorpusFiles
from .ravdess_names import looks_like_ravdess

if TYPE_CHECKING:
    from emofusion.modeling.action_units_emofusion import MeasuredFace
    from emofusion.modeling.faces_emofusion import FaceBox

LANDMARKS = 68  # of OpenFace's tables
_X = [f"x_{index}" for index in range(LANDMARKS)]
_Y = [f"y_{index}" for index in range(LANDMARKS)]
_COLUMNS = ["timestamp", "success", *_X, *_Y]
ORIGINAL = (720, 1280)  # height and width of the official videos, in whose pixels the tracks are
_PICTURES = ("01", "02")  # modalities with a picture, which both show the same


class FaceTracks:
    """The tracks in a folder, as plain files at any depth or in zip archives.

    Args:
        folder (`Path`): Such as where `FacialTracking_Actors_01-24.zip` lies.

    Attributes:
        unreadable (`dict[str, str]`): Reason by archive or link that cannot be read.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: No track in it.
    """

    def __init__(self, folder: Path) -> None:
        self._files = CorpusFiles(folder)
        self.unreadable = self._files.unreadable
        self._tracks: dict[str, CorpusFile] = {}
        for file in self._files:
            if file.name.suffix.lower() == ".csv" and looks_like_ravdess(file.name.stem):
                self._tracks.setdefault(file.name.stem, file)
        if not self._tracks:
            broken = "".join(f"; {name}: {reason}" for name, reason in self.unreadable.items())
            raise ValueError(
                f"{folder}: expected face tracks such as 01-01-06-01-02-01-12.csv, found none{broken}. They are "
                "FacialTracking_Actors_01-24.zip of zenodo.org/records/3255102"
            )

    def __len__(self) -> int:
        return len(self._tracks)

    def file(self, stem: str) -> CorpusFile | None:
        """The track of a clip, by the clip's name without ending or by its take (the last six fields of it)."""
        take = "-".join(stem.split("-")[-6:])
        found = (self._tracks.get(f"{modality}-{take}") for modality in _PICTURES)
        return next((track for track in found if track is not None), None)

    def face(self, file: CorpusFile) -> "MeasuredFace":
        """The action units in every frame of a clip.

        Args:
            file (`CorpusFile`): One that [`FaceTracks.file`] gave.

        Raises:
            ValueError: It is no such table; the message names the file.
            OSError: It cannot be read.
        """
        from emofusion.modeling.action_units_emofusion import read_measured_face

        return read_measured_face(self._files.read(file), f"{self._files.folder}/{file}")

    def box(self, file: CorpusFile, start: float, duration: float, height: int, width: int) -> "FaceBox | None":
        """Where the face is between `start` and `start + duration` seconds of the clip.

        Args:
            file (`CorpusFile`): One that [`FaceTracks.file`] gave.
            start (`float`): Seconds.
            duration (`float`): Seconds.
            height (`int`): Of the clip's picture.
            width (`int`): Of the clip's picture.

        Returns:
            `FaceBox`, or None if OpenFace had lost the face in all frames of these seconds.

        Raises:
            ValueError: It is no such table, or does not fit the picture; the message names the file.
            OSError: It cannot be read.
        """
        place = f"{self._files.folder}/{file}"
        table = _read(place, self._files.read(file))
        inside = table["timestamp"].between(start, start + duration) & (table["success"] == 1)
        seen = table[inside].dropna()
        if seen.empty:
            return None
        if abs(width / height - ORIGINAL[1] / ORIGINAL[0]) > 0.02:
            raise ValueError(
                f"{place}: its pixels are those of {ORIGINAL[1]} x {ORIGINAL[0]} pictures, found {width} x {height}. "
                "Use the original videos, or no tracks"
            )
        scale = width / ORIGINAL[1]
        points = scale * np.stack([seen[_X].to_numpy(), seen[_Y].to_numpy()], axis=2)
        x, y = np.median(points, axis=(0, 1))
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(
                f"{place}: the face is at x={x:.0f}, y={y:.0f}, outside of the picture of {width} x {height} pixels. "
                "Use the original videos, or no tracks"
            )
        from emofusion.modeling.faces_emofusion import face_box_of_landmarks

        return face_box_of_landmarks(points, height, width)


def _read(place: str, content: bytes) -> pd.DataFrame:
    """The columns that are needed, as float64; OpenFace puts blanks before its names."""
    try:
        table = pd.read_csv(
            io.BytesIO(content), skipinitialspace=True, usecols=lambda name: name.strip() in _COLUMNS, dtype=np.float64
        )
    except ValueError as error:  # pandas' own errors of empty and ragged files are such, and UnicodeDecodeError
        raise ValueError(f"{place}: expected a table of OpenFace as CSV, found: {error}. Unpack it again") from error
    table.columns = table.columns.str.strip()
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(
            f"{place}: expected a table of OpenFace with the columns timestamp, success, x_0..x_67, y_0..y_67, "
            f"found none named {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}"
        )
    return table
