"""Frames and sound of decoded clips as arrays, without copying: the fastest way to read them in any order."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from datasets import Dataset

from .settings import DecodeSettings
from .stored_frames import view_frames

FramesAndSound = tuple[np.ndarray | None, np.ndarray | None]


class StoredClips(Sequence[FramesAndSound]):
    """The clips of a dataset as pairs of frames uint8 `[frames, size, size, 3]` and sound int16 `[samples]`.

    The arrays are read-only views of the memory-mapped store: nothing is read before they are used, and nothing is
    copied. None stands for what a clip lacks.

    Args:
        rows (`Dataset`): Such as `load_dataset("ravdess", data_dir=...)["train"]`.
        settings (`DecodeSettings`, *optional*): How the dataset was decoded, where that is not the default.

    Raises:
        ValueError: The frames have another size.

    Example:
        ```python
        >>> clips = StoredClips(ravdess["train"])
        >>> frames, sound = clips[0]
        ```
    """

    def __init__(self, rows: Dataset, settings: DecodeSettings | None = None) -> None:
        table = rows.select_columns(["clip", "frames", "audio"]).with_format("arrow")[:]
        options = settings or DecodeSettings()
        self._frames = [
            None if pixels is None else view_frames(pixels, options, clip)
            for clip, pixels in zip(table["clip"].to_pylist(), _views(table["frames"], np.uint8), strict=True)
        ]
        self._sounds = _views(table["audio"], np.int16)

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> FramesAndSound: ...

    @overload
    def __getitem__(self, index: slice) -> list[FramesAndSound]: ...

    def __getitem__(self, index: int | slice) -> FramesAndSound | list[FramesAndSound]:
        if isinstance(index, slice):
            return list(zip(self._frames[index], self._sounds[index], strict=True))
        return self._frames[index], self._sounds[index]


def _views(column: Any, dtype: Any) -> list[np.ndarray | None]:
    """The values of an Arrow column of large binaries, as arrays over its memory (its scalars would be copies)."""
    views: list[np.ndarray | None] = []
    for chunk in column.chunks:
        _, places, content = chunk.buffers()
        bounds = np.frombuffer(places, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1].tolist()
        for first, last, there in zip(bounds, bounds[1:], chunk.is_valid().to_pylist(), strict=False):
            size = (last - first) // np.dtype(dtype).itemsize
            views.append(np.frombuffer(content, dtype, size, first) if there else None)
    return views
