"""Decoded sound of any format, brought to mono at one rate on the time line of its file. Travels to the hub.

A sound is measured while it is decoded, because only then is it known which channels carry it. A short one is kept; a
long one is decoded again for whatever is asked of it, so that memory does not grow with the recording.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from .mono_emofusion import Moments, mix, mono_weights
from .window_emofusion import HopEnergy

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

SYNC_S = 0.016  # one hop of the spectrogram: smaller offsets and gaps cannot be noticed, and containers round times

LEAP_BACK_S = 0.25  # packets may be stored a little out of order

KEEP_BYTES = 64 * 2**20  # of decoded sound; 3 minutes of stereo at 48 kHz
BLOCK = 2**16  # samples that are handled at a time


def resample(samples: np.ndarray, source: int, rate: int) -> np.ndarray:
    """Mono float32 `[samples]` at another rate, as the sound of a file is resampled."""
    if av is None:
        raise ImportError("PyAV is needed to resample sound and is not installed: pip install 'av>=15,<19'")
    failed: list[Any] = []
    parts = [np.zeros(0, np.float32), *_resampled([samples], source, rate, failed)]
    if failed:
        raise ValueError(f"sampling_rate={source}: sound of this rate cannot be brought to {rate} Hz")
    return np.concatenate(parts)


@dataclass(frozen=True)
class Piece:
    """What one frame of a decoder holds."""

    run: int  # of a stretch without a leap in its clock
    rate: int  # samples per second
    channels: np.ndarray  # float32 [channels, samples]


@dataclass
class Run:
    """A stretch of sound without a leap in its clock."""

    begin: float  # seconds on the clock of the track
    seconds: float = 0.0

    @property
    def end(self) -> float:
        """Seconds on the clock of the track."""
        return self.begin + self.seconds


@dataclass
class Clock:
    """Cuts a track into runs by the times of its frames."""

    runs: list[Run] = field(default_factory=list)
    leap: tuple[float, float] | None = None  # the first one backwards: from, to
    _latest: float = -math.inf  # time of a frame

    def run_of(self, frame: Any) -> int:
        """The run that the next frame belongs to: a new one after a pause, or where its clock runs slower than it."""
        if not self.runs:
            self.runs.append(Run(frame.time or 0.0))
        elif frame.time is not None and frame.time < self._latest - LEAP_BACK_S:
            self.leap = self.leap or (self._latest, frame.time)
        elif frame.time is not None and frame.time > self._latest:  # else its clock stands still
            if abs(frame.time - self.runs[-1].end) > SYNC_S:
                self.runs.append(Run(frame.time))
        self._latest = self._latest if frame.time is None else frame.time
        self.runs[-1].seconds += frame.samples / frame.sample_rate
        return len(self.runs) - 1


class PieceMaker:
    """Joins the frames of a decoder, which may be short, to pieces that are worth handling.

    Args:
        clock (`Clock`): Cuts the track into runs.
        failed (`list`): Takes what cannot be used.
    """

    def __init__(self, clock: Clock, failed: list[Any]) -> None:
        self.clock = clock
        self.failed = failed
        self._kind: tuple[Any, ...] = ()  # run, rate, format and layout of what waits
        self._waiting = av.AudioFifo()

    def add(self, frame: Any) -> list[Piece]:
        """The pieces that are complete now that the next frame is there."""
        if not frame.samples or not frame.sample_rate:
            return []
        kind = (self.clock.run_of(frame), frame.sample_rate, frame.format.name, frame.layout.nb_channels)
        done = self.rest() if kind != self._kind else []
        self._kind = kind
        frame.pts = None  # the clock has it; the queue would refuse those that leap
        self._waiting.write(frame)
        return done + (self.rest() if self._waiting.samples >= BLOCK else [])

    def rest(self) -> list[Piece]:
        """What still waits, as the last piece."""
        frame = self._waiting.read()
        self._waiting = av.AudioFifo()
        if frame is None:
            return []
        run, rate, _, count = self._kind
        try:
            values = frame.to_ndarray()
        except ValueError:  # a format that PyAV does not hand out, such as 64-bit integers
            self.failed.append(frame)
            return []
        return [Piece(run, rate, as_floats(values if frame.format.is_planar else values.reshape(-1, count).T))]


class SoundTrack:
    """Takes the frames of one track as they are decoded; then makes a `Sound` of them.

    Args:
        again (`Callable`): Decodes the track anew: an iterator over its frames.
    """

    def __init__(self, again: Callable[[], Iterator[Any]]) -> None:
        self.clock = Clock()
        self.failed: list[Any] = []  # frames that cannot be used
        self._again = again
        self._maker = PieceMaker(self.clock, self.failed)
        self._silent = True  # whether every sample is exactly 0
        self._repaired = 0  # samples that are no numbers
        self._moments: dict[int, Moments] = {}  # by the number of channels
        self._kept: list[Piece] | None = []
        self._bytes = 0
        self._source_rate = 1

    def add(self, frame: Any) -> None:
        """Take the next frame."""
        self._take(self._maker.add(frame))

    def _take(self, pieces: list[Piece]) -> None:
        """Measure pieces, and keep them as long as they are few."""
        for piece in pieces:
            channels, self._source_rate = piece.channels, piece.rate
            self._repaired += _repair(channels)
            self._silent = self._silent and not channels.any()
            moments = Moments.of(channels)
            if len(channels) in self._moments:
                self._moments[len(channels)].add(moments)
            else:
                self._moments[len(channels)] = moments
            self._bytes += channels.nbytes
            if self._bytes > KEEP_BYTES:
                self._kept = None
            elif self._kept is not None:
                self._kept.append(piece)

    def finish(self) -> None:
        """No frame comes any more."""
        self._take(self._maker.rest())

    @property
    def channels(self) -> int:
        """The most that any piece has; 0 where nothing was decoded."""
        return max(self._moments, default=0)

    def sound(self, rate: int, starts: Sequence[float], announced: float, notes: list[str]) -> "Sound | None":
        """The mono sound; None where nothing was decoded.

        Args:
            rate (`int`): Samples per second.
            starts (`Sequence[float]`): Seconds at which each run begins, on the time line of the file.
            announced (`float`): Seconds of sound in the header; 0 where it does not say.
            notes (`list[str]`): Takes what was odd.
        """
        if not self._moments:
            return None
        mixer = _Mixer(rate, starts, {count: mono_weights(of.covariance()) for count, of in self._moments.items()})
        notes += self._oddities(mixer.weights)
        seconds = starts[-1] + self.clock.runs[-1].seconds
        sound: Sound
        if self._kept is not None and seconds * rate * 4 <= KEEP_BYTES:
            samples = np.concatenate([np.zeros(0, np.float32), *mixer.mono(self._kept, self.failed)])
            sound = Sound(rate, samples.size, starts[0], self._silent, lambda: iter([samples]))
        else:
            sound = Sound(rate, round(seconds * rate), starts[0], self._silent, lambda: mixer.mono(self._pieces(), []))
        end = round(starts[0] * rate) + announced * rate
        if announced and 0 < sound.size - end <= 2048 / self._source_rate * rate:  # 2048: two AAC frames
            sound.size = round(end)  # off goes what filled the encoder's last block
        return sound if sound.size else None

    def _pieces(self) -> Iterator[Piece]:
        """All pieces, decoded anew."""
        maker = PieceMaker(Clock(), [])
        for frame in self._again():
            yield from map(_repaired, maker.add(frame))
        yield from map(_repaired, maker.rest())

    def _oddities(self, weights: dict[int, np.ndarray]) -> list[str]:
        notes = []
        if self._repaired:
            notes.append("sound: samples that are no numbers were set to 0")
        if self._silent:
            return [*notes, "sound: digital silence from beginning to end"]
        for count, of_channels in weights.items():
            used = np.flatnonzero(of_channels)
            if len(used) < count:
                heard = ", ".join(str(number + 1) for number in used)
                why = "the others are silent or much quieter, or would cancel it"
                notes.append(f"sound: of its {count} channels number {heard} is heard; {why}")
        return notes


@dataclass
class Sound:
    """Mono sound on the time line of its file, float32.

    Attributes:
        rate (`int`): Samples per second.
        size (`int`): Samples from time 0 to its end.
        begin (`float`): Seconds at which it sets in; zeros come before.
        silent (`bool`): Whether every sample is 0.
        chunks (`Callable`): All samples in order, in pieces; decodes a long sound anew.
    """

    rate: int
    size: int
    begin: float
    silent: bool
    chunks: Callable[[], Iterator[np.ndarray]]

    @property
    def seconds(self) -> float:
        """From time 0 to its end."""
        return self.size / self.rate

    def part(self, first: int, count: int) -> np.ndarray:
        """Samples `[up to count]` from the `first` on; a copy."""
        end = min(first + count, self.size)
        part, at = np.zeros(max(end - first, 0), np.float32), 0
        for chunk in self.chunks():
            inside = chunk[max(first - at, 0) : max(end - at, 0)]
            if inside.size:  # copied: a view would keep what it was cut from
                place = max(at - first, 0)
                part[place : place + inside.size] = inside
            at += chunk.size
            if at >= end:
                break
        return part

    def energy(self, begin: float, end: float) -> HopEnergy:
        """Of what lies between two times in seconds, for the choice of a window."""
        first, last, at = round(begin * self.rate), min(round(end * self.rate), self.size), 0
        energy = HopEnergy(self.rate)
        for chunk in self.chunks():
            energy.add(chunk[max(first - at, 0) : max(last - at, 0)])
            at += chunk.size
        return energy


@dataclass(frozen=True)
class _Mixer:
    """Brings pieces to mono at one rate, with zeros in the gaps between runs."""

    rate: int
    starts: Sequence[float]  # seconds at which each run begins
    weights: dict[int, np.ndarray]  # of channels, by how many there are

    def mono(self, pieces: Iterable[Piece], failed: list[Any]) -> Iterator[np.ndarray]:
        """All samples from time 0 on, in order, in pieces `[samples]`."""
        written = 0
        alike = groupby(pieces, key=lambda piece: (piece.run, piece.rate, len(piece.channels)))
        latest = -1
        for (run, rate, count), group in alike:
            missing = round(self.starts[run] * self.rate) - written if run != latest else 0
            latest = run
            for first in range(0, missing, BLOCK):
                yield np.zeros(min(BLOCK, missing - first), np.float32)
            written += max(missing, 0)
            stored_already = max(-missing, 0)
            for samples in _resampled(_blocks(group, self.weights[count]), rate, self.rate, failed):
                new = samples[stored_already:]
                stored_already -= samples.size - new.size
                written += new.size
                yield new


def _blocks(pieces: Iterable[Piece], weights: np.ndarray) -> Iterator[np.ndarray]:
    """Mono samples of pieces that are alike, as many at a time as are worth the call."""
    block: list[np.ndarray] = []
    size = 0
    for piece in pieces:
        block.append(mix(piece.channels, weights))
        size += block[-1].size
        if size >= BLOCK:
            yield np.concatenate(block)
            block, size = [], 0
    if block:
        yield np.concatenate(block)


def _resampled(blocks: Iterable[np.ndarray], source: int, rate: int, failed: list[Any]) -> Iterator[np.ndarray]:
    """Mono samples at another rate, without a seam between the blocks."""
    resampler = av.AudioResampler("fltp", "mono", rate)
    try:
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), "fltp", "mono")
            frame.sample_rate = source
            yield from (part.to_ndarray()[0] for part in resampler.resample(frame))
        yield from (part.to_ndarray()[0] for part in resampler.resample(None))
    except av.FFmpegError:  # damage made a rate that does not exist
        failed.append(source)


def as_floats(values: np.ndarray) -> np.ndarray:
    """Samples of any type as float32, -1..1 for integers of any size; a copy in C order."""
    if values.dtype == np.uint8:
        return ((values - np.float32(128)) / np.float32(128)).astype(np.float32, order="C")
    if values.dtype.kind == "i":
        return (values / -float(np.iinfo(values.dtype).min)).astype(np.float32, order="C")
    return values.astype(np.float32, order="C")


def _repaired(piece: Piece) -> Piece:
    _repair(piece.channels)
    return piece


def _repair(channels: np.ndarray) -> int:
    """Set samples that are no numbers to 0, in place; returns how many there were."""
    wrong = ~np.isfinite(channels)
    channels[wrong] = 0.0
    return int(wrong.sum())


def to_int16(audio: np.ndarray | None, like: np.ndarray | None = None) -> np.ndarray | None:
    """Sound -1..1 as 16-bit samples, the form in which decoded clips are stored.

    One that goes beyond is made so much quieter that it fits: cut off at the limit it would be another sound.

    Args:
        audio (`np.ndarray`, *optional*): float32 `[samples]`.
        like (`np.ndarray`, *optional*): The sound that decides how much quieter, where `audio` is what goes on before
            or after it; what does not fit then is cut off.
    """
    if audio is None:
        return None
    scaled = audio * 32768.0
    peak = float(np.abs((audio if like is None else like) * 32768.0).max())
    if np.rint(peak) > 32768:
        scaled = scaled * (32767 / peak)
    return np.rint(scaled).clip(-32768, 32767).astype(np.int16)  # 1 itself is half a step too much


def from_int16(audio: np.ndarray) -> np.ndarray:
    """16-bit samples as float32 -1..1."""
    return audio.astype(np.float32) / 32768.0
