"""Still pictures as arrays: decoded when first asked for, and kept while there is room."""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from emofusion.data.corpora.builders.image_index import StillImage
from emofusion.data.store.decode import shrink

ROOM = 2**29
"""Bytes of pictures that are kept: all of FER-2013, of AffectNet some."""


class Stills:
    """Decodes pictures, and those that come as files once: an epoch asks for the same ones as that before.

    A file that changes is decoded again. What is kept belongs to this process; whoever gets a copy begins without.

    Args:
        room (`int`): Bytes that may be kept; what comes when they are full is decoded each time.
    """

    def __init__(self, room: int = ROOM) -> None:
        self.room = self._left = room
        self._kept: dict[bytes, np.ndarray] = {}

    def __reduce__(self) -> tuple[type["Stills"], tuple[int]]:
        return Stills, (self.room,)

    def __call__(self, image: Any, clip: str, source: str) -> np.ndarray:
        """One picture, as of `as_still`; the array is not to be written to."""
        key = _key(image) if isinstance(image, dict) else None
        if key in self._kept:
            return self._kept[key]
        still = as_still(image, clip, source)
        if key is not None and still.nbytes <= self._left:
            self._left -= still.nbytes
            self._kept[key] = still
        return still


def _key(file: dict[str, Any]) -> bytes | None:
    """Tells the content of a picture's file; None where there is no such file."""
    content, path = file.get("bytes"), file.get("path")
    if content is None:
        try:
            content = f"{path} {os.stat(path or '').st_mtime_ns}".encode()
        except OSError:
            return None
    return hashlib.blake2b(content, digest_size=16).digest()


def as_still(image: Any, clip: str, source: str) -> np.ndarray:
    """A picture, in colours and (by `datasets`) upright, as uint8 `[1, height, width, 3]`.

    Args:
        image (`PIL.Image.Image` or `dict`): The picture, or its file as `datasets.Image(decode=False)` gives it.
        clip (`str`): What errors call it.
        source (`str`): Where they say it lies.

    Raises:
        ValueError: It cannot be read.
    """
    try:
        picture: Image.Image = StillImage().decode_example(image)
        return np.array(picture.convert("RGB"))[np.newaxis]
    except (ValueError, OSError) as error:
        raise ValueError(f"{clip} ({source}): {error}") from error


def shrink_all(stills: Sequence[np.ndarray | None], size: int) -> list[np.ndarray | None]:
    """Pictures `[1, height, width, 3]` to `[1, size, size, 3]`, those of one shape together."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, still in enumerate(stills):
        if still is not None:
            places.setdefault(still.shape, []).append(place)
    small: list[np.ndarray | None] = [None] * len(stills)
    for group in places.values():
        together = shrink(np.concatenate([stills[place] for place in group]), size)
        for place, picture in zip(group, together, strict=True):
            small[place] = picture[np.newaxis]
    return small
