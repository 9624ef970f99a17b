"""Tables as OpenFace 2.1 writes them: blanks after commas, more columns than are needed, a row a frame."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from emofusion.modeling.action_units_emofusion import ACTION_UNITS

BEFORE = ("frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "pose_Tx")
EMOTION_UNIT = {1: 0, 3: 8, 4: 2, 5: 4, 6: 14}
"""By code of an emotion: the action unit that is strong in its clips."""


def units_of(emotion: int, frames: int, seed: int = 0) -> np.ndarray:
    """float `[frames, 35]`: all are weak, and the one of the emotion is strong in the second half."""
    units = np.random.default_rng(seed).uniform(0.0, 0.3, (frames, len(ACTION_UNITS)))
    units[frames // 2 :, EMOTION_UNIT.get(emotion, 1)] += 2.0
    return units


def openface_table(units: np.ndarray, fps: float = 30.0, lost: Collection[int] = (), gap: Collection[int] = ()) -> str:
    """The table of a film whose face is lost in some frames, and of which some have no row at all."""
    lines = [", ".join((*BEFORE, *ACTION_UNITS))]
    for index, row in enumerate(units):
        if index not in gap:
            seen = index not in lost
            head = f"{index + 1}, 0, {index / fps:.3f}, {0.98 if seen else 0.2}, {int(seen)}, 0.1, -3.0"
            lines.append(f"{head}, " + ", ".join(f"{value if seen else 9.0:.3f}" for value in row))
    return "\n".join(lines) + "\n"


def write_tracks(
    folder: Path, stems: Iterable[str], frames: int = 102, fps: float = 30.0, **lacking: Collection[int]
) -> Path:
    """Tracks of clips under their names; see [`openface_table`]."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        units = units_of(int(stem[6:8]), frames, seed=int(stem[-2:]))
        (folder / f"{stem}.csv").write_text(openface_table(units, fps, **lacking))
    return folder


def means_table(rows: dict[str, np.ndarray], delimiter: str = ";") -> str:
    """One row a clip: its 35 means, its name, and a column that nobody needs."""
    lines = [delimiter.join((*ACTION_UNITS, "speech", "name"))]
    lines += [delimiter.join((*(f"{value:.4f}" for value in row), stem, stem)) for stem, row in rows.items()]
    return "\n".join(lines) + "\n"


def write_means(path: Path, stems: Iterable[str]) -> Path:
    """Means of the same films as [`write_tracks`] draws."""
    rows = {stem: units_of(int(stem[6:8]), 102, seed=int(stem[-2:])).mean(0) for stem in stems}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(means_table(rows))
    return path
