"""A timeline as a picture: thumbnails, waveform, probabilities and gate over the seconds of a recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofusion.evaluation.plots.figures import COLOURS, GREY, blank_figure, save_figure
from emofusion.evaluation.timelines.files import Timeline
from emofusion.modeling.media_emofusion import Source, scan_file
from emofusion.modeling.pictures_emofusion import Pictures, pictures_in_order
from emofusion.modeling.sound_emofusion import Sound

THUMBNAILS = 10
THUMBNAIL_PIXELS = 160  # of the shorter side
POINTS = 1200  # of the waveform, each from its lowest to its highest sample
MOST_LINES = 5
"""Classes that are drawn; the others are as low as the last of them, or lower."""


def save_timeline_picture(answer: Mapping[str, Any], recording: Source, path: str | Path, title: str) -> None:
    """Draw what the pipeline answered with `return_timeline=True` about a file, and write it as a PNG.

    Args:
        answer (`dict`): The answer, with its `timeline`.
        recording (`str`, `Path` or `MediaBytes`): The file that it is about.
        path (`str` or `Path`): Where to write.
        title (`str`): Above it.

    Raises:
        MediaError: The file cannot be read.
        ValueError: The answer has no timeline.
    """
    if not answer.get("timeline"):
        raise ValueError("answer: expected a timeline, found none; ask the pipeline with return_timeline=True")
    save_figure(timeline_figure(answer["timeline"], *glance(recording), title), Path(path))


def glance(recording: Source) -> tuple[list[tuple[float, np.ndarray]], np.ndarray | None, float]:
    """What is to be seen and heard in a file, in few numbers: bounded memory, whatever its length.

    Returns:
        Thumbnails with their seconds, uint8 `[height, width, 3]`; the lowest and the highest sample in each of
        `POINTS` equal stretches, float `[POINTS, 2]`, None without sound; and the seconds of the file.
    """
    notes: list[str] = []
    scan = scan_file(recording, 16_000, notes)
    sound = None if scan.sound is None else envelope(scan.sound, scan.length)
    pictures = [] if scan.pictures is None else thumbnails(recording, scan.pictures, notes)
    return pictures, sound, scan.length


def thumbnails(recording: Source, pictures: Pictures, notes: list[str]) -> list[tuple[float, np.ndarray]]:
    """Some pictures, evenly spread, with their seconds."""
    count = min(THUMBNAILS, pictures.times.size)
    begin = float(pictures.times[0])
    times = begin + (np.arange(count) + 0.5) / count * (pictures.end - begin)
    shown = pictures_in_order(recording, pictures, times, notes)
    return [(float(time), _small(picture)) for time, picture in zip(times, shown, strict=False)]


def _small(picture: np.ndarray) -> np.ndarray:
    step = max(1, min(picture.shape[:2]) // THUMBNAIL_PIXELS)
    return picture[::step, ::step].copy()


def envelope(sound: Sound, seconds: float) -> np.ndarray:
    """Lowest and highest sample of equal stretches of `seconds`: float32 `[POINTS, 2]`, zeros without sound."""
    found, at = np.zeros((POINTS, 2), np.float32), 0
    for chunk in sound.chunks():
        add_to_envelope(found, chunk, at, seconds * sound.rate)
        at += chunk.size
    return found


def add_to_envelope(found: np.ndarray, samples: np.ndarray, first: float, count: float) -> None:
    """Put samples into an envelope `[POINTS, 2]`, of `count` in all, where these are from the `first` on."""
    places = np.minimum(((first + np.arange(samples.size)) * (POINTS / count)).astype(int), POINTS - 1)
    np.minimum.at(found[:, 0], places, samples)
    np.maximum.at(found[:, 1], places, samples)


def timeline_figure(
    timeline: Timeline,
    pictures: Sequence[tuple[float, np.ndarray]],
    sound: np.ndarray | None,
    seconds: float,
    title: str,
) -> Figure:
    """Draw a timeline above each other: pictures, waveform, probabilities, gate.

    Args:
        timeline (`Timeline`): As the pipeline returns it.
        pictures: Thumbnails with their seconds.
        sound (`np.ndarray`, *optional*): Lowest and highest samples `[n, 2]` over the whole time.
        seconds (`float`): Of the recording.
        title (`str`): Above all.
    """
    has_gate = any(window["gate"] is not None for window in timeline)
    heights = {
        "pictures": 0.9 * bool(pictures),
        "sound": 0.8 * (sound is not None),
        "scores": 2.6,
        "gate": 0.9 * has_gate,
    }
    rows = {name: height for name, height in heights.items() if height}
    figure = blank_figure(10.0, sum(rows.values()) + 0.9, title)
    axes = dict(
        zip(
            rows,
            figure.subplots(len(rows), 1, sharex=True, height_ratios=list(rows.values()), squeeze=False)[:, 0],
            strict=True,
        )
    )
    if pictures:
        _draw_pictures(axes["pictures"], pictures, seconds, axes_ratio=9.3 / rows["pictures"])
    if sound is not None:
        places = np.linspace(0, seconds, len(sound))
        axes["sound"].fill_between(places, sound[:, 0], sound[:, 1], color=GREY, lw=0.5)
        axes["sound"].set_ylabel("sound")
        axes["sound"].set_yticks([])
    middles = [(window["start"] + window["end"]) / 2 for window in timeline]
    _draw_scores(axes["scores"], timeline, middles)
    if has_gate:
        gates = [np.nan if window["gate"] is None else window["gate"] for window in timeline]
        axes["gate"].plot(middles, gates, color="black", marker=".", ms=3)
        axes["gate"].set_ylim(-0.05, 1.05)
        axes["gate"].set_ylabel("weight of\nthe sound")
    last = list(axes.values())[-1]
    last.set_xlabel("seconds (middle of the window)")
    last.set_xlim(0, seconds)
    return figure


def _draw_pictures(
    axes: Axes, pictures: Sequence[tuple[float, np.ndarray]], seconds: float, axes_ratio: float
) -> None:
    """Thumbnails beside each other, each around its second; the middle of those for which there is no room."""
    room = seconds / len(pictures)
    for time, picture in pictures:
        most = max(1, round(picture.shape[0] * axes_ratio / len(pictures)))  # columns
        left = max(0, (picture.shape[1] - most) // 2)
        picture = picture[:, left : left + most]
        width = min(room, picture.shape[1] / picture.shape[0] * seconds / axes_ratio)
        axes.imshow(picture, extent=(time - width / 2, time + width / 2, 0, 1), aspect="auto")
    axes.set_ylim(0, 1)
    axes.axis("off")


def _draw_scores(axes: Axes, timeline: Timeline, middles: list[float]) -> None:
    """A line for each of the classes that are the likeliest at their highest."""
    names = list(dict.fromkeys(name for window in timeline for name in window["scores"]))
    lines = {name: [window["scores"].get(name, np.nan) for window in timeline] for name in names}
    highest = sorted(names, key=lambda name: -np.nanmax(lines[name]))[:MOST_LINES]
    for name, colour in zip(highest, COLOURS, strict=False):
        axes.plot(middles, lines[name], color=colour, marker=".", ms=4, label=name)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("probability")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


__all__ = ["envelope", "glance", "save_timeline_picture", "thumbnails", "timeline_figure"]
