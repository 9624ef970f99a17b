"""Parts of a clip are hidden one after the other: how far the probability of the answer falls says what moved it.

Source: Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks (arXiv:1311.2901), section 2.1.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .answer import Answer

BANDS, STRETCHES = 8, 12
"""Tiles of a spectrogram: of 8 mels and a quarter of a second each, for 64 mels and 3 s."""
REGIONS = 6
"""Regions of the picture, down and across."""


@dataclass(frozen=True)
class Occlusion:
    """How much less likely the answer is where a part is hidden; below 0 where it is more likely then.

    Attributes:
        tiles (`np.ndarray`, *optional*): `[bands, stretches]` of the spectrogram, low mels first.
        stretches (`np.ndarray`, *optional*): `[stretches]`: all bands of a stretch of time at once.
        bands (`np.ndarray`, *optional*): `[bands]`: a band throughout.
        frames (`np.ndarray`, *optional*): `[frames]`: one frame.
        regions (`np.ndarray`, *optional*): `[down, across]`: a region of the picture in all frames.
    """

    tiles: np.ndarray | None = None
    stretches: np.ndarray | None = None
    bands: np.ndarray | None = None
    frames: np.ndarray | None = None
    regions: np.ndarray | None = None


def occlude(answer: Answer) -> Occlusion:
    """Hide every part of what the clip has.

    A tile of the spectrogram is replaced by the mean of its mels over the clip, a frame or a region of it by the mean
    colour of the clip: there is nothing to be learnt from either, and neither is as odd as silence or black would be.
    """
    found: dict[str, np.ndarray] = {}
    if answer.has("audio"):
        assert answer.sound is not None
        tiles = tile_masks(answer.sound)
        fall = _fall(answer, "audio", torch.cat([tiles.flatten(0, 1), tiles.any(0), tiles.any(1)]))
        found["tiles"] = fall[: BANDS * STRETCHES].reshape(BANDS, STRETCHES)
        found["stretches"] = fall[BANDS * STRETCHES :][:STRETCHES]
        found["bands"] = fall[-BANDS:]
    if answer.has("video"):
        assert answer.frames is not None
        count = len(answer.frames)
        fall = _fall(answer, "video", torch.cat([frame_masks(answer.frames), region_masks(answer.frames)]))
        found["frames"], found["regions"] = fall[:count], fall[count:].reshape(REGIONS, REGIONS)
    return Occlusion(**found)


def hide(answer: Answer, modality: str, masks: torch.Tensor) -> torch.Tensor:
    """Copies of the clip's sound or frames with parts hidden.

    Args:
        answer (`Answer`): With the clip.
        modality (`str`): `"audio"` or `"video"`.
        masks (`torch.BoolTensor`): True where a copy is hidden: `[copies, mels, time]`, or `[copies, frames, 1,
            height, width]`.

    Returns:
        `torch.FloatTensor`: `[copies, mels, time]`, or `[copies, frames, 3, height, width]`.
    """
    value = answer.sound if modality == "audio" else answer.frames
    assert value is not None
    mean = value.mean(-1, keepdim=True) if modality == "audio" else value.mean((0, 2, 3), keepdim=True)
    return torch.where(masks, mean, value)


def tile_masks(sound: torch.Tensor) -> torch.Tensor:
    """Bool `[bands, stretches, mels, time]`: where each tile of a spectrogram `[mels, time]` lies."""
    band, stretch = (_places(size, parts) for size, parts in zip(sound.shape, (BANDS, STRETCHES), strict=True))
    return (band[:, None, :, None] & stretch[None, :, None, :]).to(sound.device)


def frame_masks(frames: torch.Tensor) -> torch.Tensor:
    """Bool `[frames, frames, 1, height, width]`: one frame of `[frames, 3, height, width]` in each copy."""
    count, _, height, width = frames.shape
    one = torch.eye(count, dtype=torch.bool, device=frames.device)
    return one[:, :, None, None, None].expand(count, count, 1, height, width)


def region_masks(frames: torch.Tensor) -> torch.Tensor:
    """Bool `[regions, frames, 1, height, width]`: one region of all frames in each copy, row by row."""
    count, _, height, width = frames.shape
    down, across = _places(height, REGIONS), _places(width, REGIONS)
    tiles = (down[:, None, :, None] & across[None, :, None, :]).flatten(0, 1).to(frames.device)
    return tiles[:, None, None].expand(-1, count, 1, height, width)


def _places(size: int, parts: int) -> torch.Tensor:
    """Bool `[parts, size]`: which places belong to each of so many parts of about the same length."""
    return torch.arange(size) * parts // size == torch.arange(parts)[:, None]


def _fall(answer: Answer, modality: str, masks: torch.Tensor) -> np.ndarray:
    """How far the probability falls where each of the masks hides its part."""
    score = answer.of_sounds if modality == "audio" else answer.of_frames
    found = [score(hide(answer, modality, part)) for part in masks.split(32)]
    return (answer.score - torch.cat(found)).cpu().numpy()


def faithfulness(
    answer: Answer, tiles: np.ndarray, hidden: int = 10, draws: int = 20, seed: int = 0
) -> tuple[float, float]:
    """Whether the tiles that are said to matter do: how far hiding them together makes the probability fall.

    Source: the deletion test of Petsiuk et al. 2018, RISE (arXiv:1806.07421), at one point of its curve.

    Args:
        answer (`Answer`): Of a clip with sound.
        tiles (`np.ndarray`): `[bands, stretches]`, as `occlude` gives them.
        hidden (`int`): How many tiles are hidden at once.
        draws (`int`): How many random choices of as many tiles they are compared with.
        seed (`int`): Of these.

    Returns:
        The fall by the tiles that matter most, and the mean fall by random ones.
    """
    assert answer.sound is not None
    masks, draw = tile_masks(answer.sound).flatten(0, 1), np.random.default_rng(seed)
    chosen = [np.argsort(tiles.reshape(-1))[::-1][:hidden]]
    chosen += [draw.choice(tiles.size, hidden, replace=False) for _ in range(draws)]
    fall = _fall(answer, "audio", torch.stack([masks[torch.from_numpy(one.copy())].any(0) for one in chosen]))
    return float(fall[0]), float(fall[1:].mean())
