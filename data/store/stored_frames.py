"""The frames of one clip as the store keeps them: bytes that do not tell their shape, so the options have to."""

from typing import Any

import numpy as np

from .settings import DecodeOptions


def check_frames(size: int, options: DecodeOptions, clip: str) -> None:
    """Refuse frames that were stored with other options.

    Args:
        size (`int`): Bytes of all frames of the clip.
        options (`DecodeOptions`): How the clip is said to have been decoded.
        clip (`str`): What the error calls it.

    Raises:
        ValueError: They have another number or size.
    """
    frames, side = options.num_frames * options.frames_per_step, options.frame_size
    if size != frames * side * side * 3:
        raise ValueError(
            f"clip {clip}: expected {frames} stored frames of {side} x {side} pixels, found {size} bytes; it was "
            "decoded with another num_frames, frames_per_step or frame_size"
        )


def view_frames(binary: Any, options: DecodeOptions, clip: str) -> np.ndarray:
    """Stored frames as a read-only array, without copying.

    Args:
        binary (`bytes` or any buffer): The frames, one after the other.
        options (`DecodeOptions`): How the clip was decoded.
        clip (`str`): What the error calls it.

    Returns:
        `np.ndarray`: uint8 `[num_frames * frames_per_step, frame_size, frame_size, 3]`.

    Raises:
        ValueError: The frames have another number or size.
    """
    pixels = np.frombuffer(binary, np.uint8)
    check_frames(pixels.size, options, clip)
    return pixels.reshape(-1, options.frame_size, options.frame_size, 3)
