"""From a clip file to the seconds the model looks at: frames and sound of the same window.

One pass over the file with PyAV decodes the sound and lists when each picture is shown. On that the window is placed,
and only its pictures are decoded: by decord (random access), or by PyAV from the beginning where decord fails (AV1,
damage, no wheel) or would silently deliver other pictures (edit lists, open groups of pictures, no timestamps). Time
counts from the earlier of picture and sound. The file travels to the hub, so it imports nothing of ours.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]
try:
    import decord
except ImportError:
    decord = None

Path = str | os.PathLike[str]

WINDOWS = ("voice", "center", "start")

HOP_S = 0.016  # grid on which the voiced window may begin: one hop of the log-mel spectrogram
EQUALLY_GOOD = 0.99  # windows with at least this share of the most energy count as equally good
SILENCE = 1e-12  # mean square below which a sound is silence: -120 dB, a thousandth of one 16-bit step
SYNC_S = 0.02  # offsets and gaps up to this cannot be noticed, and containers round by as much
SHORT_S = 0.25  # picture and sound may end this far apart, or before the announced end, without a note
PADDING = 2048  # samples by which a decoder may overshoot the announced end: two AAC frames
# A picture counts as shown this early, since containers round timestamps to milliseconds. Odd on purpose: timestamps
EARLY_S = 0.000437  # and wanted times are round numbers, and no two may differ by exactly this


class MediaError(ValueError):
    """A file that cannot be used. The message begins with its path and ends with what to do."""


@dataclass(frozen=True, eq=False)
class Clip:
    """The seconds of one file that the model looks at.

    Attributes:
        frames (`np.ndarray`, *optional*): uint8 [num_frames, height, width, 3], RGB, full size, upright.
        audio (`np.ndarray`, *optional*): float32 [samples] mono, the window's seconds only and not padded: at most
            `round(duration * sampling_rate)` samples.
        start (`float`): Seconds from the beginning of the material to that of the window.
        duration (`float`): Seconds of material in the whole file: the later end of picture and sound.
        notes (`tuple[str, ...]`): What was odd about the file, but usable.
    """

    frames: np.ndarray | None
    audio: np.ndarray | None
    start: float
    duration: float
    notes: tuple[str, ...]


def read_clip(
    path: Path,
    *,
    num_frames: int = 8,
    duration: float = 3.0,
    sampling_rate: int = 16000,
    window: str = "voice",
    want_video: bool = True,
    want_audio: bool = True,
) -> Clip:
    """Read one window of a media file: equally spaced frames and the sound of the same seconds.

    Args:
        path (`str` or `os.PathLike`): A local file in any format that FFmpeg reads.
        num_frames (`int`): Frame k is the one shown at `start + k * duration / num_frames`. Before the first and after
            the last picture these two repeat.
        duration (`float`): Seconds the window lasts.
        sampling_rate (`int`): Samples per second to which the sound is brought.
        window (`str`): Which seconds, one of `WINDOWS`; see `window_start`. Does not depend on what is wanted.
        want_video (`bool`): Whether to return frames.
        want_audio (`bool`): Whether to return sound.

    Raises:
        MediaError: If the file is missing, no media, or nothing of what is wanted can be decoded.
        ValueError: If a setting is impossible.
    """
    _check_settings(num_frames, duration, sampling_rate, window)
    picture, sound, length, notes = _scan(path, sampling_rate)
    start = window_start(sound, sampling_rate, length, duration, window)
    frames = audio = None
    if want_video and picture is not None:
        times = frame_times(start, duration, num_frames)
        frames = _frames_by_decord(path, picture, times)
        if frames is None:
            frames = _frames_by_pyav(path, picture, times, notes)
        if frames is None and sound is not None:  # what never appears must not place the window either
            length = sound.size / sampling_rate
            start = window_start(sound, sampling_rate, length, duration, window)
    if want_audio and sound is not None:
        first = round(start * sampling_rate)
        inside = sound[first : first + round(duration * sampling_rate)]
        audio = inside.copy() if inside.size else None  # a copy lets go of the rest
    if frames is None and audio is None:
        wanted = " or ".join(["picture"] * want_video + ["sound"] * want_audio)
        found = "; ".join(notes) or f"only {'sound' if want_video else 'picture'}"
        raise MediaError(f"{path}: expected {wanted} that can be decoded, found {found}. Record or download it again.")
    return Clip(frames, audio, start, length, tuple(notes))


def read_audio(path: Path, sampling_rate: int = 16000) -> np.ndarray | None:
    """Read the whole sound of a file, on the same time line as `read_clip`; raises what that raises.

    Returns:
        `np.ndarray`, *optional*: float32 [samples] mono, beginning with zeros where the sound sets in after the
        picture; None where the file has pictures only.
    """
    _check_settings(1, 1.0, sampling_rate, "start")
    _, sound, _, notes = _scan(path, sampling_rate)
    damage = "; ".join(note for note in notes if note.startswith("sound:"))
    if sound is None and damage:
        raise MediaError(f"{path}: expected sound that can be decoded, found {damage}. Record or download it again.")
    return sound


def frame_times(start: float, duration: float, num_frames: int) -> np.ndarray:
    """Times at which frames are taken: float64 [num_frames] seconds, `start + k * duration / num_frames`.

    None lies on the window's end, so every second one of `2 * num_frames` times is exactly one of `num_frames` times,
    and frames stored on the finer grid serve both.
    """
    return start + np.arange(num_frames) * duration / num_frames


def window_start(
    audio: np.ndarray | None, sampling_rate: int, clip_duration: float, duration: float, window: str
) -> float:
    """Decide which seconds of a clip are looked at.

    `"start"` is the beginning, `"center"` the middle of the clip. `"voice"` has the most sound energy; of windows that
    are equally good within 1 % it is the one in whose middle that energy is centred. Silence and absence of sound give
    the centre. A clip that is not longer than the window is taken from its beginning.

    Args:
        audio (`np.ndarray`, *optional*): float [samples] mono, the whole sound from time 0.
        sampling_rate (`int`): Samples per second of `audio`.
        clip_duration (`float`): Seconds in the whole clip.
        duration (`float`): Seconds the window lasts.
        window (`str`): One of `WINDOWS`.

    Returns:
        `float`: Seconds, never negative; the window ends inside the clip wherever it fits. For `"voice"` a whole
        number of 16 ms hops, or the last place in the clip.

    Raises:
        ValueError: If a setting is impossible.
    """
    _check_settings(1, duration, sampling_rate, window)
    spare = clip_duration - duration
    if window == "start" or not spare > 0:
        return 0.0
    if spare + duration > clip_duration:  # rounding: the window must not end one bit after the clip
        spare = math.nextafter(spare, 0.0)
    voice = None if window == "center" or audio is None else _voice_start(audio, sampling_rate, spare, duration)
    return spare / 2 if voice is None else voice


def _voice_start(audio: np.ndarray, sampling_rate: int, spare: float, duration: float) -> float | None:
    """Place a window on the most sound energy: seconds in 0..`spare`, None for silence."""
    hop = max(1, round(HOP_S * sampling_rate))
    hop_s = hop / sampling_rate
    samples = audio[: round((spare + duration) * sampling_rate)].astype(np.float64)
    power = np.square(samples - samples.mean()) if samples.size else np.zeros(1)
    energy = np.add.reduceat(power, np.arange(0, power.size, hop))
    if power.mean() <= SILENCE:
        return None
    # The last place too: otherwise up to a hop at the end of the clip could never be seen.
    starts = np.append(np.arange(math.floor(spare / hop_s) + 1) * hop_s, spare).clip(max=spare)
    edges = np.arange(energy.size + 1) * hop_s
    until = np.concatenate([[0.0], np.cumsum(energy)])
    inside = np.interp(starts + duration, edges, until) - np.interp(starts, edges, until)
    best = starts[inside.argmax()]
    middles = edges[:-1] + hop_s / 2
    weights = energy * ((middles >= best) & (middles < best + duration))
    good = starts[inside >= EQUALLY_GOOD * inside.max()]
    centred = (weights * middles).sum() / weights.sum() - duration / 2
    # A tenth of a hop aside, so that rounding noise does not decide when the centre lies just between two hops.
    return float(good[np.abs(good - (centred + 0.1 * hop_s)).argmin()])


def _check_settings(num_frames: int, duration: float, sampling_rate: int, window: str) -> None:
    """Refuse settings under which no window exists."""
    if window not in WINDOWS:
        raise ValueError(f"window={window!r}: expected one of {', '.join(map(repr, WINDOWS))}.")
    for name, value in (("num_frames", num_frames), ("duration", duration), ("sampling_rate", sampling_rate)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name}={value}: expected a number above 0.")


def _open(path: Path) -> Any:
    """Open a container, which is a context manager; MediaError naming the file if it is none."""
    if av is None:
        raise ImportError("PyAV is needed to read media files and is not installed: pip install 'av>=15,<19'")
    place = os.path.abspath(path)  # keeps FFmpeg from taking "http:..." for an address
    try:
        container = av.open(place, metadata_errors="ignore")
        if container.format.name != "tty":  # FFmpeg films any file named .txt as a screen of text
            return container
        found = "text"
    except (av.FFmpegError, OSError) as error:
        found = error.strerror or type(error).__name__
        if os.path.isfile(place) and not os.path.getsize(place):
            found = "an empty file"
    todo = "Check the path, and that the file is complete and of the kind its name says"
    raise MediaError(f"{path}: expected a media file such as mp4, mov or wav, found: {found}. {todo}.")


def _best_stream(container: Any, kind: Literal["video", "audio"], notes: list[str]) -> Any:
    """The stream that FFmpeg, and so decord, takes for the main one; None without. Album covers are no video."""
    stream = container.streams.best(kind)
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        return None
    if stream.codec_context is None:
        notes.append(f"{'picture' if kind == 'video' else 'sound'}: in a format that no decoder here knows")
        return None
    return stream


def _packets(container: Any, streams: list[Any], notes: list[str]) -> Iterator[Any]:
    """Compressed packets in file order, as far as the container can be read."""
    try:
        yield from container.demux([stream for stream in streams if stream is not None])
    except (av.FFmpegError, IndexError) as error:  # PyAV's IndexError: a stream that the header did not name
        notes.append(f"file: cannot be read to its end ({error})")


@dataclass
class _Picture:
    """When the pictures of a file are shown; nothing is decoded yet."""

    times: np.ndarray  # float64 [pictures], ascending seconds
    end: float  # seconds at which the last one goes
    zero: float  # what the stream's own clock shows at time 0
    timed: bool  # whether decoded pictures carry that clock
    closed: bool  # whether no picture is shown before a keyframe that is stored before it
    size: tuple[int, int]  # stored height and width


def _scan(path: Path, sampling_rate: int) -> tuple[_Picture | None, np.ndarray | None, float, list[str]]:
    """Pass over the file once: pictures, sound as float32 [samples] from time 0, seconds of material, oddities."""
    notes: list[str] = []
    with _open(path) as container:
        video, audio = _best_stream(container, "video", notes), _best_stream(container, "audio", notes)
        announced = (container.duration or 0) / av.time_base
        longest = min(announced or 10.0, 3600.0)  # offsets and gaps beyond this come from a broken clock
        sound, shown = _Sound(sampling_rate, longest), []
        for packet in _packets(container, [video, audio], notes) if video or audio else ():
            if packet.stream is audio:
                sound.decode(packet)
            elif packet.size:
                shown.append((packet.pts, packet.dts, packet.is_keyframe, packet.is_discard))
        picture = _list_pictures(video, shown) if video else None
        samples = sound.finish(float(audio.duration * audio.time_base) if audio and audio.duration else 0.0, notes)
    if picture is None and samples is None:
        found = "; ".join(notes) or "neither"
        raise MediaError(f"{path}: expected picture or sound that can be decoded, found {found}. Name another file.")
    if picture is not None and samples is not None:
        late = sound.begin - picture.zero
        samples = _align(picture, samples, sampling_rate, late if SYNC_S < abs(late) <= longest else 0.0, notes)
    length = max(picture.end if picture else 0.0, samples.size / sampling_rate if samples is not None else 0.0)
    if announced > length + SHORT_S:
        notes.append(f"file: cut short, it announces {announced:.2f} s and holds {length:.2f} s")
    return picture, samples, length, notes


def _align(picture: _Picture, samples: np.ndarray, rate: int, late: float, notes: list[str]) -> np.ndarray:
    """Put both on one time line, for sound that sets in `late` seconds after (negative: before) the picture."""
    if late > 0:
        samples = np.concatenate([np.zeros(round(late * rate), np.float32), samples])
    else:
        picture.times, picture.end, picture.zero = picture.times - late, picture.end - late, picture.zero + late
    end = samples.size / rate
    if abs(late) > SHORT_S or abs(end - picture.end) > SHORT_S:
        sound, shown = (max(late, 0.0), end), (picture.times[0], picture.end)
        notes.append("sound: lasts {:.2f}-{:.2f} s, the picture {:.2f}-{:.2f} s".format(*sound, *shown))
    return samples


def _list_pictures(stream: Any, shown: list[tuple[Any, ...]]) -> _Picture | None:
    """Sort out when pictures are shown from (pts in ticks, dts, is a keyframe, is discarded) of each packet."""
    kept = [packet for packet in shown if not packet[3]]
    if not kept:
        return None
    avi = stream.container.format.name == "avi"  # has no presentation times (pts); FFmpeg guesses them, badly
    clock = [packet[1 if avi else 0] for packet in kept]
    spacing = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
    ticks = np.arange(len(kept)) if None in clock else np.array(clock)
    times = np.sort(ticks) * (spacing if None in clock else float(stream.time_base))
    if len(kept) > 1:
        spacing = float(np.median(np.diff(times)))
    keys = np.array([packet[2] for packet in kept], bool)
    return _Picture(
        times=times - times[0],
        end=float(times[-1] - times[0] + spacing),
        zero=float(times[0]),
        timed=not avi and None not in clock,
        closed=np.array_equal(keys, keys[np.argsort(ticks, kind="stable")]),
        size=(stream.height, stream.width),
    )


class _Sound:
    """Decodes one sound stream to mono at `rate`, with zeros where it has gaps. `begin` is its clock's first time."""

    def __init__(self, rate: int, longest: float) -> None:
        self.rate, self.longest = rate, longest
        self.begin = 0.0
        self._read: float | None = None  # seconds from `begin` to the end of the last frame
        self._parts: list[np.ndarray] = []
        self._failed = 0
        self._resampler: Any = None
        self._setup = ("", 0, 1)  # format, channels, samples per second that the resampler takes

    def decode(self, packet: Any) -> None:
        """Decode one packet, or count it as failed."""
        try:
            for frame in packet.decode():
                self._add(frame)
        except av.FFmpegError:
            self._failed += 1

    def _add(self, frame: Any) -> None:
        if self._read is None:
            self.begin, self._read = frame.time or 0.0, 0.0
        time = self._read if frame.time is None else frame.time - self.begin
        missing = time - self._read if self._read + SYNC_S < time <= self.longest else 0.0
        setup = (frame.format.name, frame.layout.nb_channels, frame.sample_rate)
        if missing or setup != self._setup:
            self._resample(None)
            self._parts.append(np.zeros(round(missing * self.rate), np.float32))
            # FFmpeg's own way to mono makes stereo 3 dB louder; the mean of left and right does not.
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            self._resampler, self._setup = av.AudioResampler("fltp", layout, self.rate), setup
        self._read += missing + frame.samples / frame.sample_rate
        self._resample(frame)

    def _resample(self, frame: Any) -> None:
        if self._resampler is not None:
            self._parts += [part.to_ndarray().mean(axis=0) for part in self._resampler.resample(frame)]

    def finish(self, announced: float, notes: list[str]) -> np.ndarray | None:
        """Join to float32 [samples], None without any; `announced` seconds are in the header (0: it does not say)."""
        self._resample(None)
        if self._failed:
            notes.append(f"sound: {self._failed} packets do not decode")
        if not sum(part.size for part in self._parts):
            return None
        samples = np.concatenate(self._parts)
        found = samples.size / self.rate
        if announced and 0 < found - announced <= PADDING / self._setup[2]:
            samples = samples[: round(announced * self.rate)]  # off goes what filled the encoder's last block
        if not np.isfinite(samples).all():
            notes.append("sound: samples that are no numbers were set to 0")
            samples = np.where(np.isfinite(samples), samples, np.float32(0))
        return samples


def _frames_by_decord(path: Path, picture: _Picture, wanted: np.ndarray) -> np.ndarray | None:
    """Fetch the pictures shown at `wanted` seconds: uint8 [wanted, height, width, 3], None where decord cannot."""
    if decord is None or not (picture.timed and picture.closed):
        return None
    decord.logging.set_level(decord.logging.QUIET)
    positions = np.searchsorted(picture.times, wanted + EARLY_S, side="right") - 1
    try:
        reader = decord.VideoReader(os.path.abspath(path), num_threads=1)
        # It counts the pictures that an edit list discards, and may read no times from MPEG. Then its clock differs.
        times = reader.get_frame_timestamp(range(len(reader)))[:, 0]
        if len(times) != picture.times.size or np.ptp(times - picture.times) > 0.002:
            return None
        frames = reader.get_batch(positions.clip(min=0).tolist()).asnumpy()
    except (RuntimeError, decord._ffi.base.DECORDError):  # the second is not a RuntimeError
        return None
    return frames if sorted(frames.shape[1:3]) == sorted(picture.size) else None  # else it took another stream


def _frames_by_pyav(path: Path, picture: _Picture, wanted: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Decode up to the last wanted picture, leaping over what is damaged, and keep the wanted ones; None if none."""
    chosen: list[np.ndarray] = []
    shown: Any = None
    failed = 0
    with _open(path) as container:
        for count, frame in enumerate(_decoded(container, notes)):
            if frame is None:
                failed += 1
                continue
            clocked = picture.timed and frame.time is not None
            time = frame.time - picture.zero if clocked else picture.times[min(count, picture.times.size - 1)]
            due = int(np.searchsorted(wanted, time - EARLY_S))  # so many wanted times lie before this picture
            if due > len(chosen):
                chosen += [_upright(shown or frame, picture.size)] * (due - len(chosen))
            if due == wanted.size:
                break
            shown = frame
        if shown is not None:
            chosen += [_upright(shown, picture.size)] * (wanted.size - len(chosen))
    if failed:
        notes.append(f"picture: {failed} of {picture.times.size} frames do not decode, the ones before are shown")
    return np.stack(chosen) if chosen else None


def _decoded(container: Any, notes: list[str]) -> Iterator[Any]:
    """Pictures in the order in which they are shown; None in place of one that does not decode."""
    for packet in _packets(container, [_best_stream(container, "video", notes)], notes):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            yield None


def _upright(frame: Any, size: tuple[int, int]) -> np.ndarray:
    """Turn a decoded picture into uint8 [height, width, 3], rotation mark obeyed, all of one stored size."""
    return np.rot90(frame.to_ndarray(format="rgb24", height=size[0], width=size[1]), round(frame.rotation / 90) % 4)
