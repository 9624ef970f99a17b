"""When the pictures of a file are shown, and the pictures shown at chosen times. Travels to the hub.

They are fetched by decord (random access), or by PyAV from the beginning where decord fails (AV1, damage) or would
silently deliver others (edit lists, open groups of pictures, no time stamps, pictures that are mirrored or cut).
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np

from .container_emofusion import Source, decode_packet, open_container, packets_of, place
from .display_emofusion import Display, display_of
from .sound_emofusion import LEAP_BACK_S

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]
try:
    import decord
except ImportError:
    decord = None

EARLY_S = 0.000437  # a picture counts as shown this early: timestamps are rounded; odd, so that no two tie


@dataclass
class Pictures:
    """When the pictures of a track are shown; none but the first is decoded yet.

    Attributes:
        index (`int`): Of the track in its file.
        times (`np.ndarray`): float64 `[pictures]`, ascending seconds on the time line of the file.
        end (`float`): Seconds at which the last one goes.
        zero (`float`): What the track's own clock shows at time 0.
        timed (`bool`): Whether decoded pictures carry that clock.
        plain (`bool`): Whether decord numbers the pictures in the same way, survives the file and shows them right.
        size (`tuple[int, int]`): Stored height and width.
        display (`Display`): How they are shown.
        leap (`tuple[float, float]`, *optional*): Where the clock of the track leaps back: from, to.
        decodes (`bool`): Whether one picture has decoded; else nobody knows yet.
    """

    index: int
    times: np.ndarray
    end: float
    zero: float
    timed: bool
    plain: bool
    size: tuple[int, int]
    display: Display
    leap: tuple[float, float] | None
    decodes: bool

    def shown_at(self, times: np.ndarray | float) -> np.ndarray:
        """Which picture is shown at `times`, float64 `[...]` seconds; before the first one that one: int64 `[...]`."""
        return (np.searchsorted(self.times, times + EARLY_S, side="right") - 1).clip(min=0)

    def delay(self, seconds: float) -> None:
        """Show all of them later."""
        self.times = self.times + seconds
        self.end += seconds
        self.zero -= seconds


NO_TIME = -(2**63)


@dataclass
class PictureTrack:
    """Takes the packets of a video track in file order; then sorts out when their pictures are shown."""

    path: Source
    stream: Any
    notes: list[str]
    leap: tuple[float, float] | None = None
    display: Display | None = None
    _shown: "array[int]" = field(default_factory=lambda: array("q"))  # ticks; few bytes, for recordings of a day
    _stored: "array[int]" = field(default_factory=lambda: array("q"))
    _keys: "array[int]" = field(default_factory=lambda: array("b"))
    _discarded: int = 0
    _last: float | None = None

    def add(self, packet: Any) -> None:
        """Take the next packet."""
        if not packet.size:  # the last one is empty
            return
        self._watch(packet.dts)
        if self.display is None:
            self._look(packet)
        if packet.is_discard:  # by an edit list
            self._discarded += 1
        else:
            self._shown.append(NO_TIME if packet.pts is None else packet.pts)
            self._stored.append(NO_TIME if packet.dts is None else packet.dts)
            self._keys.append(packet.is_keyframe)

    def _watch(self, ticks: int | None) -> None:
        """Notice where the clock leaps back: after that, times no longer tell the order."""
        if ticks is None:
            return
        now = float(ticks * self.stream.time_base)
        if self._last is not None and now < self._last - LEAP_BACK_S and self.leap is None:
            self.leap = (self._last, now)
        self._last = now

    def _look(self, packet: Any) -> None:
        """Decode this picture alone; what it says of its display is in no header that PyAV hands out."""
        try:
            frames = [*self.stream.codec_context.decode(packet), *self.stream.codec_context.decode(None)]
        except av.FFmpegError:
            frames = []
        self.stream.codec_context.flush_buffers()
        if frames:
            self.display = display_of(self.path, self.stream, frames[0], self.notes)

    def pictures(self) -> Pictures | None:
        """All pictures in the order in which they are shown; None without any."""
        if not self._shown:
            self.notes.append("picture: there is nothing in its track")
            return None
        stream, display = self.stream, self.display or Display()
        ticks, keys = np.array(self._shown), np.array(self._keys)
        # FFmpeg guesses the times of AVI.
        timed = stream.container.format.name != "avi" and (ticks != NO_TIME).all() and self.leap is None
        spacing = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
        times = np.arange(len(ticks)) * spacing
        if timed or self._numbered():
            times = np.sort(ticks if timed else np.array(self._stored)) * float(stream.time_base)
        gaps, zero = np.diff(times), float(times[0])
        end = float(times[-1] - zero + (np.median(gaps) if gaps.size else spacing))
        # decord aborts the process over an absurd frame count in the header, and where pictures stored after a
        # keyframe are shown before it (open groups of pictures, as in HEVC) it delivers the wrong ones without an
        # error. It knows quarter turns, but nothing else of a display.
        counted = stream.frames in (0, len(ticks) + self._discarded)
        plain = timed and counted and (gaps > 0).all() and (keys == keys[ticks.argsort()]).all()
        chosen = stream.container.streams.best("video")
        plain = plain and display.only_turns and chosen is not None and chosen.index == stream.index
        size = (stream.height, stream.width)
        decodes = self.display is not None
        times -= zero
        return Pictures(stream.index, times, end, zero, bool(timed), bool(plain), size, display, self.leap, decodes)

    def _numbered(self) -> bool:
        """Whether packets carry the number of their picture, which leaves out those that were lost: as in AVI."""
        return self.stream.container.format.name == "avi" and NO_TIME not in self._stored and self.leap is None


def fetch(path: Source, pictures: Pictures, wanted: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """The pictures shown at `wanted` seconds (ascending): uint8 `[wanted, height, width, 3]`; None if none decodes."""
    frames = _by_decord(path, pictures, wanted)
    return _by_pyav(path, pictures, wanted, notes) if frames is None else frames


def _by_decord(path: Source, pictures: Pictures, wanted: np.ndarray) -> np.ndarray | None:
    """None where decord cannot."""
    if decord is None or not pictures.plain:
        return None
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(place(path), num_threads=1)
        # It counts the pictures that an edit list discards, and may read no times from MPEG. Then its clock differs.
        times = reader.get_frame_timestamp(range(len(reader)))[:, 0]
        if len(times) != pictures.times.size or np.ptp(times - pictures.times) > 0.002:
            return None
        frames = reader.get_batch(pictures.shown_at(wanted).tolist()).asnumpy()
    except (RuntimeError, decord._ffi.base.DECORDError):  # the second is not a RuntimeError
        return None
    return frames if sorted(frames.shape[1:3]) == sorted(pictures.size) else None  # else it took another stream


def _by_pyav(path: Source, pictures: Pictures, wanted: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """The wanted pictures, by decoding all up to the last of them."""
    chosen = list(pictures_in_order(path, pictures, wanted, notes))
    return np.stack(chosen) if chosen else None


def pictures_in_order(path: Source, pictures: Pictures, wanted: np.ndarray, notes: list[str]) -> Iterator[np.ndarray]:
    """Decode a track once from its beginning, leaping over what is damaged, and hand out the wanted pictures.

    Where one of these is damaged, the last one before it that was decoded is shown.

    Args:
        path (`Source`): The file.
        pictures (`Pictures`): Of the track.
        wanted (`np.ndarray`): float64 `[n]`, ascending seconds.
        notes (`list[str]`): Takes, when the last picture is out, what did not decode.

    Yields:
        `np.ndarray`: uint8 `[height, width, 3]` for each of `wanted`, the same array where the same picture is shown;
        nothing at all if none decodes.
    """
    given, shown, failed = 0, None, []  # type: int, Any, list[Any]
    as_shown = _Shown(pictures)
    with open_container(path) as container:
        packets = packets_of(container, [container.streams[pictures.index]], notes)
        for count, frame in enumerate(frame for packet in packets for frame in decode_packet(packet, failed)):
            counted = pictures.times[: count + len(failed) + 1][-1]
            time = (frame.time or 0.0) - pictures.zero if pictures.timed else counted
            due = int(np.searchsorted(wanted, time - EARLY_S))  # so many wanted times lie before this picture
            if due > given:
                yield from repeat(as_shown(shown or frame), due - given)
                given = due
            if given == wanted.size:
                break
            shown = frame
        if shown is not None and given < wanted.size:
            yield from repeat(as_shown(shown), wanted.size - given)
    nothing = given == 0 and shown is None
    if failed:
        what = f"picture: {len(failed)} of {pictures.times.size} frames do not decode"
        notes.append(what if nothing else f"{what}, those before are shown")


class _Shown:
    """Turns decoded pictures of a track into those shown, uint8 `[height, width, 3]`, all from one stored size.

    They are looked at where FFmpeg has written them: in a long film a copy of each costs as much as the conversion.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._converter: Any = av.video.reformatter.VideoReformatter()  # keeps its tables from picture to picture

    def __call__(self, frame: Any) -> np.ndarray:
        height, width = self._pictures.size
        rgb = self._converter.reformat(frame, width, height, "rgb24", dst_colorspace="itu601")  # PyAV 15 needs it
        rows = np.frombuffer(rgb.planes[0], np.uint8).reshape(height, -1)  # each may end in padding
        return self._pictures.display.show(rows[:, : 3 * width].reshape(height, width, 3))
