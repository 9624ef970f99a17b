"""From a clip file to the seconds the model looks at: frames and sound of the same window.

One pass over the file with PyAV decodes the sound and lists when each picture is shown. On that the window is placed,
and only its pictures are decoded: by decord (random access), or by PyAV from the beginning where decord fails (AV1,
damage) or would silently deliver others (edit lists, open groups of pictures, no timestamps). Time counts from the
earlier of picture and sound. This file travels to the hub: it imports nothing but its neighbours.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .sound_emofusion import SYNC_S, SoundMixer
from .window_emofusion import check_settings, frame_times, window_start

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]
try:
    import decord
except ImportError:
    decord = None


@dataclass(frozen=True, repr=False)
class MediaBytes:
    """A media file held in memory, such as a member of an archive.

    Attributes:
        name (`str`): What messages call it.
        content (`bytes`): All of it.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


MediaPath = str | os.PathLike[str]
Source = MediaPath | MediaBytes

SHORT_S = 0.25  # picture and sound may end this far apart, or before the announced end, without a note
EARLY_S = 0.000437  # a picture counts as shown this early: timestamps are rounded; odd, so that no two tie


class MediaError(ValueError):
    """A file that cannot be used. The message begins with its path and ends with what to do."""


@dataclass(frozen=True, eq=False)
class Clip:
    """The seconds of one file that the model looks at.

    Attributes:
        frames (`np.ndarray`, *optional*): uint8 [num_frames, height, width, 3], RGB, full size, upright.
        audio (`np.ndarray`, *optional*): float32 [up to duration * sampling_rate] mono, the window only, not padded.
        start (`float`): Seconds from the beginning of the material to that of the window.
        duration (`float`): Seconds of material in the whole file: the later end of picture and sound.
        channels (`int`): Channels of the sound before it was mixed to mono; 0 without sound.
        paired (`bool`): Whether the sound is that of another file.
        notes (`tuple[str, ...]`): What was odd about the file, but usable.
    """

    frames: np.ndarray | None
    audio: np.ndarray | None
    start: float
    duration: float
    channels: int
    paired: bool
    notes: tuple[str, ...]


def read_clip(
    path: Source,
    *,
    sound_path: Source | None = None,
    num_frames: int = 8,
    duration: float = 3.0,
    sampling_rate: int = 16000,
    window: str = "voice",
    want_video: bool = True,
    want_audio: bool = True,
) -> Clip:
    """Read one window of a media file: equally spaced frames and the sound of the same seconds.

    Args:
        path (`str`, `os.PathLike` or `MediaBytes`): A local file in any format that FFmpeg reads, or one in memory.
        sound_path (`str`, `os.PathLike` or `MediaBytes`, *optional*): File of the same take with the sound that
            `path` lacks; one that is silent throughout counts as lacking.
        num_frames (`int`): Frame k is the one shown at `start + k * duration / num_frames`; first and last one repeat.
        duration (`float`): Seconds the window lasts.
        sampling_rate (`int`): Samples per second to which the sound is brought.
        window (`str`): Which seconds, one of `WINDOWS`; see `window_start`. Does not depend on what is wanted.
        want_video (`bool`): Whether to return frames.
        want_audio (`bool`): Whether to return sound.

    Raises:
        MediaError: If the file is missing, no media, or nothing of what is wanted can be decoded.
        ValueError: If a setting is impossible.
    """
    check_settings(num_frames, duration, sampling_rate, window)
    scan = _scan(path, sampling_rate)
    paired = sound_path is not None and _borrow_sound(scan, sound_path, sampling_rate)
    start = window_start(scan.sound, sampling_rate, scan.length, duration, window)
    frames = audio = None
    if want_video and scan.picture is not None:
        times = frame_times(start, duration, num_frames)
        frames = _frames_by_decord(path, scan.picture, times)
        if frames is None:
            frames = _frames_by_pyav(path, scan.picture, times, scan.notes)
        if frames is None and scan.sound is not None:  # what never appears must not place the window either
            scan.length = scan.sound.size / sampling_rate
            start = window_start(scan.sound, sampling_rate, scan.length, duration, window)
    if want_audio and scan.sound is not None:
        inside = scan.sound[round(start * sampling_rate) :][: round(duration * sampling_rate)]
        audio = inside.copy() if inside.size else None  # a copy lets go of the rest
    notes = tuple(dict.fromkeys(scan.notes))
    if frames is None and audio is None:
        wanted = " or ".join(["picture"] * want_video + ["sound"] * want_audio)
        found = "; ".join(notes) or f"only {'sound' if want_video else 'picture'}"
        raise MediaError(f"{path}: expected {wanted}, found {found}. Name another file, or record it again.")
    return Clip(frames, audio, start, scan.length, scan.channels, paired, notes)


def read_audio(path: Source, sampling_rate: int = 16000) -> np.ndarray | None:
    """Read the whole sound of a file, on the same time line as `read_clip`; raises what that raises.

    Returns:
        `np.ndarray`, *optional*: float32 [samples] mono, beginning with zeros where the sound sets in after the
        picture; None where the file has pictures only.
    """
    check_settings(1, 1.0, sampling_rate, "start")
    return _read_sound(path, sampling_rate)[0]


def _borrow_sound(scan: "_Scan", path: Source, sampling_rate: int) -> bool:
    """Give a scan whose sound is missing or silent throughout that of another file; returns whether there is any."""
    if scan.sound is not None and scan.sound.any():
        return False
    borrowed = False
    try:
        sound, channels = _read_sound(path, sampling_rate)
        if sound is not None:
            scan.sound, scan.channels, borrowed = sound, channels, True
    except MediaError as error:
        scan.notes.append(str(error))
    scan.length = max(scan.length, scan.sound.size / sampling_rate if scan.sound is not None else 0.0)
    return borrowed


def _read_sound(path: Source, sampling_rate: int) -> tuple[np.ndarray | None, int]:
    """The whole sound as float32 [samples] mono, None without, and the channels that it had."""
    scan = _scan(path, sampling_rate)
    if scan.sound is None and any(note.startswith("sound:") for note in scan.notes):
        found = "; ".join(scan.notes)
        raise MediaError(f"{path}: expected sound, found {found}. Name another file, or record it again.")
    return scan.sound, scan.channels


@contextmanager
def _open(path: Source) -> Iterator[Any]:
    """Open a container and close it again; MediaError naming the file for whatever FFmpeg cannot do with it."""
    if av is None:
        raise ImportError("PyAV is needed to read media files and is not installed: pip install 'av>=15,<19'")
    place = _place(path)
    try:
        with av.open(place, metadata_errors="ignore") as container:
            if container.format.name == "tty":  # FFmpeg films any file named .txt as a screen of text
                raise av.InvalidDataError(0, "text")
            yield container
    except (av.FFmpegError, OSError) as error:
        found = "an empty file" if _is_empty(path) else error.strerror
        todo = "Check the path, and that the file is complete and of the kind its name says"
        raise MediaError(f"{path}: expected a media file such as mp4, mov or wav, found: {found}. {todo}.") from error


def _place(path: Source) -> str | io.BytesIO:
    """What PyAV and decord open."""
    if isinstance(path, MediaBytes):
        return io.BytesIO(path.content)
    return os.path.abspath(path)  # keeps FFmpeg from taking "http:..." for an address


def _is_empty(path: Source) -> bool:
    if isinstance(path, MediaBytes):
        return not path.content
    return os.path.isfile(path) and not os.path.getsize(path)


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


def _decode(packet: Any, failed: list[Any]) -> list[Any]:
    """Frames of one packet; one that does not decode joins `failed`."""
    try:
        return packet.decode()
    except av.FFmpegError:
        failed.append(packet)
        return []


@dataclass
class _Picture:
    """When the pictures of a file are shown; nothing is decoded yet."""

    times: np.ndarray  # float64 [pictures], ascending seconds
    end: float  # seconds at which the last one goes
    zero: float  # what the stream's own clock shows at time 0
    timed: bool  # whether decoded pictures carry that clock
    plain: bool  # whether decord numbers the pictures in the same way and survives the file
    size: tuple[int, int]  # stored height and width


@dataclass
class _Scan:
    """What one pass over a file tells."""

    picture: _Picture | None
    sound: np.ndarray | None  # float32 [samples] mono from time 0
    channels: int  # of the sound before it was mixed
    length: float  # seconds of material
    notes: list[str]  # oddities


def _scan(path: Source, sampling_rate: int) -> _Scan:
    """Pass over the file once."""
    notes: list[str] = []
    failed: list[Any] = []
    shown: list[Any] = []
    with _open(path) as container:
        video, audio = _best_stream(container, "video", notes), _best_stream(container, "audio", notes)
        announced = (container.duration or 0) / av.time_base
        longest = min(announced or 10.0, 3600.0)  # offsets and gaps beyond this come from a broken clock
        sound = SoundMixer(sampling_rate, longest, failed)
        for packet in _packets(container, [video, audio], notes) if video or audio else ():
            if packet.stream is audio:
                for frame in _decode(packet, failed):
                    sound.add(frame)
            elif packet.size:  # the last one is empty
                shown.append((packet.pts, packet.is_keyframe, packet.is_discard))
        picture = _list_pictures(video, shown) if video else None
        samples = sound.finish(float(audio.duration * audio.time_base) if audio and audio.duration else 0.0, notes)
    if failed:
        notes.append(f"sound: {len(failed)} packets do not decode")
    if picture is None and samples is None:
        raise MediaError(
            f"{path}: expected picture or sound, found {'; '.join(notes) or 'neither'}. Name another file."
        )
    if picture is not None and samples is not None:
        late = sound.begin - picture.zero
        samples = _align(picture, samples, sampling_rate, late if SYNC_S < abs(late) <= longest else 0.0, notes)
    length = max(picture.end if picture else 0.0, samples.size / sampling_rate if samples is not None else 0.0)
    if announced > length + SHORT_S:
        notes.append(f"file: cut short, it announces {announced:.2f} s and holds {length:.2f} s")
    return _Scan(picture, samples, sound.channels if samples is not None else 0, length, notes)


def _align(picture: _Picture, samples: np.ndarray, rate: int, late: float, notes: list[str]) -> np.ndarray:
    """Put both on one time line, for sound that sets in `late` seconds after (negative: before) the picture."""
    if late > 0:
        samples = np.concatenate([np.zeros(round(late * rate), np.float32), samples])
    else:
        picture.times, picture.end, picture.zero = picture.times - late, picture.end - late, picture.zero + late
    end = samples.size / rate
    if abs(late) > SHORT_S or abs(end - picture.end) > SHORT_S:
        notes.append(f"sound: {max(late, 0.0):.2f}-{end:.2f} s, picture: {picture.times[0]:.2f}-{picture.end:.2f} s")
    return samples


def _list_pictures(stream: Any, packets: list[tuple[Any, bool, bool]]) -> _Picture | None:
    """Sort out when pictures are shown from (pts in ticks, is a keyframe, is discarded) of each packet."""
    kept = [(pts, key) for pts, key, discarded in packets if not discarded]  # discarded by an edit list
    if not kept:
        return None
    clock, keys = np.array([[np.nan if pts is None else pts, key] for pts, key in kept], np.float64).T
    timed = stream.container.format.name != "avi" and not np.isnan(clock).any()  # FFmpeg guesses the times of AVI
    spacing = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
    times = np.sort(clock) * float(stream.time_base) if timed else np.arange(len(kept)) * spacing
    gaps, zero = np.diff(times), float(times[0])
    end = float(times[-1] - zero + (np.median(gaps) if gaps.size else spacing))
    # decord aborts the process over an absurd frame count in the header, and where pictures stored after a keyframe
    # are shown before it (open groups of pictures, as in HEVC) it delivers the wrong ones without an error.
    plain = timed and stream.frames in (0, len(packets)) and (gaps > 0).all() and (keys == keys[clock.argsort()]).all()
    return _Picture(times - zero, end, zero, timed, bool(plain), (stream.height, stream.width))


def _frames_by_decord(path: Source, picture: _Picture, wanted: np.ndarray) -> np.ndarray | None:
    """Fetch the pictures shown at `wanted` seconds: uint8 [wanted, height, width, 3], None where decord cannot."""
    if decord is None or not picture.plain:
        return None
    decord.logging.set_level(decord.logging.QUIET)
    positions = np.searchsorted(picture.times, wanted + EARLY_S, side="right") - 1
    try:
        reader = decord.VideoReader(_place(path), num_threads=1)
        # It counts the pictures that an edit list discards, and may read no times from MPEG. Then its clock differs.
        times = reader.get_frame_timestamp(range(len(reader)))[:, 0]
        if len(times) != picture.times.size or np.ptp(times - picture.times) > 0.002:
            return None
        frames = reader.get_batch(positions.clip(min=0).tolist()).asnumpy()
    except (RuntimeError, decord._ffi.base.DECORDError):  # the second is not a RuntimeError
        return None
    return frames if sorted(frames.shape[1:3]) == sorted(picture.size) else None  # else it took another stream


def _frames_by_pyav(path: Source, picture: _Picture, wanted: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Decode up to the last wanted picture, leaping over what is damaged, and keep the wanted ones; None if none."""
    chosen: list[np.ndarray] = []
    shown: Any = None
    failed: list[Any] = []
    with _open(path) as container:
        packets = _packets(container, [_best_stream(container, "video", notes)], notes)
        for count, frame in enumerate(frame for packet in packets for frame in _decode(packet, failed)):
            counted = picture.times[: count + len(failed) + 1][-1]
            time = (frame.time or 0.0) - picture.zero if picture.timed else counted
            due = int(np.searchsorted(wanted, time - EARLY_S))  # so many wanted times lie before this picture
            if due > len(chosen):
                chosen += [_upright(shown or frame, picture.size)] * (due - len(chosen))
            if due == wanted.size:
                break
            shown = frame
        if shown is not None:
            chosen += [_upright(shown, picture.size)] * (wanted.size - len(chosen))
    if failed:
        notes.append(f"picture: {len(failed)} of {picture.times.size} frames do not decode, those before are shown")
    return np.stack(chosen) if chosen else None


def _upright(frame: Any, size: tuple[int, int]) -> np.ndarray:
    """Turn a decoded picture into uint8 [height, width, 3], rotation mark obeyed, all of one stored size."""
    rgb = frame.to_ndarray(format="rgb24", height=size[0], width=size[1], dst_colorspace="itu601")  # PyAV 15 needs it
    return np.rot90(rgb, round(frame.rotation / 90) % 4)
