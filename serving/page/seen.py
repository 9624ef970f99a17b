"""What a model saw and heard, and pictures of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch

from emofusion.evaluation.explain.explanation import band_edges
from emofusion.evaluation.plots.figures import GREY, blank_figure, png_bytes
from emofusion.evaluation.timelines.files import Timeline
from emofusion.evaluation.timelines.picture import POINTS, THUMBNAILS, add_to_envelope, timeline_figure
from emofusion.modeling import EmoFusionProcessor
from emofusion.modeling.clips_emofusion import ClipArrays
from emofusion.modeling.faces_emofusion import to_grey
from emofusion.modeling.sound_emofusion import from_int16
from emofusion.modeling.window_emofusion import frame_times

_DRAWING = Lock()  # matplotlib's fonts are shared by all threads


@dataclass(frozen=True)
class Seen:
    """What a model took in of one window.

    Attributes:
        frames (`np.ndarray`, *optional*): uint8 `[frames, height, width, 3]`; None where it saw nothing.
        seconds (`np.ndarray`): Of the recording, at which they were taken: float64 `[frames]`.
        sound (`np.ndarray`, *optional*): Log-mel `[mels, time]`, or samples `[samples]` where it takes these; None
            where it heard nothing.
        start (`float`): Second of the recording at which the window begins.
        end (`float`): Second at which it would end; a recording may be shorter.
        rate (`int`): Of the sound, in hertz.
    """

    frames: np.ndarray | None
    seconds: np.ndarray
    sound: np.ndarray | None
    start: float
    end: float
    rate: int


def seen_of(clip: ClipArrays, processor: EmoFusionProcessor) -> Seen:
    """What a model takes in of a window.

    Args:
        clip (`ClipArrays`): The window.
        processor (`EmoFusionProcessor`): The model's.
    """
    length, rate = _length_and_rate(processor)
    inputs = processor.pack([clip], cropped=True)
    sound = inputs[processor.feature_extractor.model_input_names[0]][0].numpy() if "audio_mask" in inputs else None
    frames = clip.frames if "pixel_values" in inputs else None
    if frames is not None and processor.grey:  # only now does the processor make them so
        frames = to_grey(torch.from_numpy(frames).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    seconds = frame_times(clip.start, length, 0 if frames is None else len(frames))
    return Seen(frames, seconds, sound, clip.start, clip.start + length, rate)


class Watched:
    """What a model took in of a recording, gathered from its windows; few numbers, whatever its length.

    Args:
        processor (`EmoFusionProcessor`): The model's.

    Attributes:
        whole (`ClipArrays`, *optional*): The window that stands for all.
        pictures (`list`): Of the timeline: seconds, and a picture of then, uint8 `[height, width, 3]`.
        wave (`np.ndarray`, *optional*): Of the timeline: lowest and highest samples float32 `[POINTS, 2]`; None
            without sound.
        duration (`float`): Seconds of the recording; 0 before a window of the timeline has come.
    """

    def __init__(self, processor: EmoFusionProcessor) -> None:
        self.processor = processor
        self.whole: ClipArrays | None = None
        self.pictures: list[tuple[float, np.ndarray]] = []
        self.wave: np.ndarray | None = None
        self.duration = 0.0

    def add(self, window: Mapping[str, Any]) -> None:
        """One more window, as of `windows_of` in modeling/pipeline_emofusion.py."""
        clip: ClipArrays = window["clip"]
        if window["stands_for_all"]:
            self.whole = clip
            return
        length, rate = _length_and_rate(self.processor)
        self.duration = clip.duration or length
        if clip.frames is not None:
            middle = len(clip.frames) // 2
            second = float(frame_times(clip.start, length, len(clip.frames))[middle])
            room = 0.7 * self.duration / THUMBNAILS  # less than each has: the last windows are closer together
            if not self.pictures or second - self.pictures[-1][0] >= room:
                self.pictures.append((second, clip.frames[middle]))
        if clip.audio is not None:
            self.wave = np.zeros((POINTS, 2), np.float32) if self.wave is None else self.wave
            add_to_envelope(self.wave, from_int16(clip.audio), clip.start * rate, self.duration * rate)

    @property
    def seen(self) -> Seen:
        """Of the window that stands for all."""
        assert self.whole is not None  # it is always there
        return seen_of(self.whole, self.processor)


def sound_picture(seen: Seen) -> bytes | None:
    """The sound as the model has it, as a PNG; None where it heard nothing."""
    if seen.sound is None:
        return None
    figure = blank_figure(6.4, 2.6, "")
    axes = figure.subplots()
    if seen.sound.ndim == 1:
        axes.plot(np.linspace(seen.start, seen.end, len(seen.sound)), seen.sound, color=GREY, lw=0.5)
        axes.set_xlim(seen.start, seen.end)
    else:
        mels = len(seen.sound)
        axes.imshow(seen.sound, origin="lower", aspect="auto", cmap="magma", extent=(seen.start, seen.end, 0, mels))
        edges = [low for low, _ in band_edges(mels, seen.rate)]
        axes.set_yticks(np.linspace(0, mels, len(edges) + 1)[:-1], [f"{edge:.0f}" for edge in edges])
        axes.set_ylabel("Hz")
    axes.set_xlabel("seconds")
    with _DRAWING:
        return png_bytes(figure)


def timeline_picture(timeline: Timeline, watched: Watched) -> bytes:
    """A timeline, as a PNG.

    Args:
        timeline (`Timeline`): As the pipeline returns it.
        watched (`Watched`): What was seen and heard meanwhile.
    """
    with _DRAWING:
        return png_bytes(timeline_figure(timeline, watched.pictures, watched.wave, watched.duration, ""))


def _length_and_rate(processor: EmoFusionProcessor) -> tuple[float, int]:
    """Seconds of a window, and hertz of its sound."""
    return float(processor.feature_extractor.clip_duration), int(processor.feature_extractor.sampling_rate)
