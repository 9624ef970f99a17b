"""An explanation as a picture: frames, spectrogram, and below each what hiding it does."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from emofusion.evaluation.plots.figures import GREY, ORANGE, PURPLE, blank_figure

from .explanation import Explanation, band_edges
from .occlusion import BANDS, STRETCHES

_HEAT = "PuOr_r"
"""Orange where hiding makes the answer less likely, purple where it makes it more likely."""
_FALL = "fall of the probability"


def explanation_figure(
    found: Explanation, frames: np.ndarray | None, start: float, seconds: float, rate: int, title: str
) -> Figure:
    """Draw an explanation.

    Args:
        found (`Explanation`): What moved the answer.
        frames (`np.ndarray`, *optional*): uint8 `[frames, height, width, 3]`, as the model saw them.
        start (`float`): Second of the clip at which what it heard and saw begins.
        seconds (`float`): Length of that.
        rate (`int`): Sampling rate of the sound, in hertz.
        title (`str`): Names clip and model.
    """
    sees, hears = found.parts.frames is not None, found.parts.tiles is not None
    heights = [4.2] * sees + [5.6] * hears
    figure = blank_figure(10, sum(heights), f"{title}: {found.answer.label}, probability {_told(found)}")
    rows = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if sees:
        assert frames is not None
        _picture(rows.pop(0), found, frames)
    if hears:
        _sound(rows.pop(0), found, start, seconds, rate)
    return figure


def _told(found: Explanation) -> str:
    """The probability, and what is left of it where a modality is taken away."""
    called = {"audio": "without the sound", "video": "without the picture"}
    rest = [f"{called[name]} {score:.2f}" for name, score in found.without.items()]
    return ", ".join([f"{found.answer.score:.2f}", *rest])


def _picture(row: SubFigure, found: Explanation, frames: np.ndarray) -> None:
    """The frames, what hiding each of them does, and their gradients; beside them what hiding regions does."""
    regions, size = found.parts.regions, found.gradients["video"]
    assert regions is not None
    grid = row.add_gridspec(3, len(frames) + 1, height_ratios=[1.6, 0.7, 1.6])
    for k, (frame, gradient) in enumerate(zip(frames, size, strict=True)):
        seen, moved = row.add_subplot(grid[0, k]), row.add_subplot(grid[2, k])
        seen.imshow(frame)
        moved.imshow(frame.mean(-1), cmap="gray")
        moved.imshow(gradient, cmap="Oranges", alpha=0.6, vmin=0, vmax=float(size.max()))
        for axes, name in ((seen, f"frame {k + 1}"), (moved, "averaged gradient" if k == 0 else "")):
            axes.set_title(name, fontsize="small")
            axes.axis("off")
    _bars(row.add_subplot(grid[1, :-1]), found.parts.frames, [f"{k + 1} hidden" for k in range(len(frames))])
    place, most = row.add_subplot(grid[:2, -1]), _most(regions)
    place.imshow(frames.mean(0).astype(np.uint8))
    heat = place.imshow(regions, cmap=_HEAT, vmin=-most, vmax=most, alpha=0.6, extent=_extent(frames))
    place.set_title("region hidden in all", fontsize="small")
    place.axis("off")
    row.colorbar(heat, ax=place, label=_FALL, location="bottom")


def _sound(row: SubFigure, found: Explanation, start: float, seconds: float, rate: int) -> None:
    """The spectrogram with what hiding each tile does, the same of whole stretches, and the gradient."""
    tiles, sound = found.parts.tiles, found.answer.sound
    assert tiles is not None
    assert sound is not None
    first, second, third = row.subplots(3, 1, sharex=True, height_ratios=[2.0, 0.8, 2.0])
    extent, most = (start, start + seconds, 0.0, float(BANDS)), _most(tiles)
    first.imshow(sound.cpu().numpy(), cmap="gray", origin="lower", aspect="auto", extent=extent)
    look = {"origin": "lower", "aspect": "auto", "extent": extent}
    heat = first.imshow(tiles, cmap=_HEAT, vmin=-most, vmax=most, alpha=0.55, **look)
    edges = band_edges(len(sound), rate)
    first.set_yticks(range(BANDS + 1), [f"{low:.0f}" for low, _ in edges] + [f"{edges[-1][1]:.0f}"], fontsize="small")
    first.set_ylabel("Hz")
    first.set_title("sound: tile hidden", fontsize="small")
    row.colorbar(heat, ax=first, label=_FALL)
    length = seconds / STRETCHES
    _bars(
        second, found.parts.stretches, None, places=start + length * (np.arange(STRETCHES) + 0.5), width=0.9 * length
    )
    second.set_title("stretch hidden", fontsize="small")
    picture = third.imshow(found.gradients["audio"], cmap="Oranges", **look)
    third.set_title("averaged gradient", fontsize="small")
    third.set_yticks([])
    third.set_xlabel("seconds of the clip")
    row.colorbar(picture, ax=third, label="size")


def _bars(
    axes: Axes,
    falls: np.ndarray | None,
    names: Sequence[str] | None,
    places: np.ndarray | None = None,
    width: float = 0.6,
) -> None:
    """How far the probability falls by each part."""
    assert falls is not None
    places = np.arange(len(falls)) if places is None else places
    axes.bar(places, falls, color=[ORANGE if fall > 0 else PURPLE for fall in falls], width=width)
    axes.axhline(0, color=GREY, lw=0.8)
    if names is not None:
        axes.set_xticks(places, names, fontsize="small")
    axes.set_ylabel("fall", fontsize="small")


def _most(falls: np.ndarray) -> float:
    return max(float(np.abs(falls).max()), 1e-6)


def _extent(frames: np.ndarray) -> tuple[float, float, float, float]:
    height, width = frames.shape[1:3]
    return (-0.5, width - 0.5, height - 0.5, -0.5)
