"""From a clip file to the seconds the model looks at: frames and sound of the same window.

One pass over the file with PyAV decodes the sound and lists when each picture is shown. On that the window is placed,
and only its pictures are decoded. Time counts from the earlier of picture and sound, by the time stamps of both: where
these contradict themselves, the file is refused. This file travels to the hub: it imports nothing but its neighbours.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .container_emofusion import (
    MediaBytes,
    MediaError,
    MediaPath,
    Source,
    decode_packet,
    first_track,
    open_container,
    packets_of,
)
from .pictures_emofusion import EARLY_S, Pictures, PictureTrack, fetch
from .sound_emofusion import SYNC_S, Sound, SoundTrack
from .window_emofusion import check_settings, frame_times, place_window

MICROSECONDS = 1_000_000  # FFmpeg's unit of the duration in a header
LOUD = 1.5  # times full scale; lossy codecs and resampling go a little beyond it with any loud sound
SHORT_S = 0.25  # picture and sound may end this far apart, or before the announced end, without a note
LONGEST_PAUSE_S = 3600.0  # longer ones come from a broken clock, unless the header or the picture is as long


@dataclass(frozen=True, eq=False)
class Clip:
    """The seconds of one file that the model looks at.

    Attributes:
        frames (`np.ndarray`, *optional*): uint8 [num_frames, height, width, 3], RGB, as a player shows them: upright,
            not mirrored, with square pixels, full size.
        audio (`np.ndarray`, *optional*): float32 [up to duration * sampling_rate] mono, the window only, not padded.
        audio_before (`np.ndarray`, *optional*): float32 [up to margin * sampling_rate], the sound that leads up to the
            window; [0] where the window is the beginning, None without sound.
        audio_after (`np.ndarray`, *optional*): The same of the sound that follows on it.
        start (`float`): Seconds from the beginning of the material to that of the window.
        duration (`float`): Seconds of material in the whole file: the later end of picture and sound.
        channels (`int`): Channels of the sound before it was mixed to mono; 0 without sound.
        paired (`bool`): Whether the sound is that of another file.
        notes (`tuple[str, ...]`): What was odd about the file, but usable.
    """

    frames: np.ndarray | None
    audio: np.ndarray | None
    audio_before: np.ndarray | None
    audio_after: np.ndarray | None
    start: float
    duration: float
    channels: int
    paired: bool
    notes: tuple[str, ...]


def read_clip(
    path: Source,
    *,
    sound_path: Source | Sound | None = None,
    own_sound: bool = True,
    num_frames: int = 8,
    duration: float = 3.0,
    sampling_rate: int = 16000,
    window: str = "voice",
    start: float | None = None,
    margin: float = 0.0,
    want_video: bool = True,
    want_audio: bool = True,
) -> Clip:
    """Read one window of a media file: equally spaced frames and the sound of the same seconds.

    Args:
        path (`str`, `os.PathLike` or `MediaBytes`): A local file in any format that FFmpeg reads, or one in memory.
        sound_path (`str`, `os.PathLike` or `MediaBytes`, *optional*): File of the same take with the sound that
            `path` lacks; one that is silent throughout counts as lacking. Or that sound itself, at `sampling_rate`.
        own_sound (`bool`): False where that of `sound_path` is heard in any case.
        num_frames (`int`): Frame k is the one shown at `start + k * duration / num_frames`; first and last one repeat.
        duration (`float`): Seconds the window lasts.
        sampling_rate (`int`): Samples per second to which the sound is brought.
        window (`str`): Which seconds, one of `WINDOWS`; see `window_start`. Does not depend on what is wanted.
        start (`float`, *optional*): Seconds at which the window begins, whatever `window` says; it has what is there.
        margin (`float`): Seconds of sound that are returned beside those of the window, before and after it.
        want_video (`bool`): Whether to return frames.
        want_audio (`bool`): Whether to return sound.

    Raises:
        MediaError: If the file is missing, no media, nothing of what is wanted can be decoded, or its clocks do not
            tell which picture belongs to which sound.
        ValueError: If a setting is impossible.
    """
    check_settings(num_frames, duration, sampling_rate, window)
    notes: list[str] = []
    broken: set[int] = set()  # tracks of pictures of which none decodes: they must not place the window either
    while True:
        scan = scan_file(path, sampling_rate, notes, broken)
        paired = sound_path is not None and borrow_sound(scan, sound_path, sampling_rate, own_sound)
        begin = window_of(scan, duration, window) if start is None else start
        wanted, frames = frame_times(begin, duration, num_frames), None
        seen = want_video and (start is None or shows(scan, wanted))
        if scan.pictures is None or (scan.pictures.decodes and not seen):
            break
        frames = fetch(path, scan.pictures, wanted if seen else scan.pictures.times[:1], notes)
        if frames is not None:
            break
        broken.add(scan.pictures.index)
    frames = frames if seen else None
    before, audio, after = None, None, None
    sound = heard(scan, want_video) if want_audio else None
    if sound is not None and (start is None or sounds(scan, begin, duration)):
        before, audio, after = _with_margins(sound, *(round(t * sampling_rate) for t in (begin, duration, margin)))
        notes += too_loud(audio)
    found = tuple(dict.fromkeys(notes))
    if frames is None and audio is None:
        raise _nothing_wanted(path, want_video, want_audio, found)
    return Clip(frames, audio, before, after, begin, scan.length, scan.channels, paired, found)


def _nothing_wanted(path: Source, want_video: bool, want_audio: bool, notes: Collection[str]) -> MediaError:
    """What to raise where a file has nothing of what is asked for."""
    asked = " or ".join(["picture"] * want_video + ["sound"] * want_audio)
    what = "; ".join(notes) or f"only {'sound' if want_video else 'picture'}"
    return MediaError(f"{path}: expected {asked}, found {what}. Name another file, or record it again.")


def shows(scan: "Scan", times: np.ndarray) -> bool:
    """Whether any of some times `[n]` lies in the seconds of the picture."""
    pictures = scan.pictures
    return pictures is not None and bool(((times + EARLY_S >= pictures.times[0]) & (times < pictures.end)).any())


def sounds(scan: "Scan", start: float, duration: float) -> bool:
    """Whether a window reaches into the seconds of the sound."""
    return scan.sound is not None and scan.sound.begin < start + duration and start < scan.sound.seconds


def heard(scan: "Scan", want_video: bool) -> Sound | None:
    """The sound of a file, but for an empty track beside pictures that are wanted: nobody was recorded in it."""
    empty = want_video and scan.pictures is not None and scan.sound is not None and scan.sound.silent
    return None if empty else scan.sound


def too_loud(audio: np.ndarray | None) -> list[str]:
    """A note on sound that no file of 16 bits holds as it is."""
    peak = 0.0 if audio is None else np.abs(audio).max()
    return [f"sound: {peak:.1f} times as loud as fits, it is turned down"] if peak > LOUD else []


def _with_margins(sound: Sound, first: int, count: int, margin: int) -> tuple[np.ndarray | None, ...]:
    """Up to `margin` samples before a window, those of the window, and as many after it; None where it has none."""
    begin = max(first - margin, 0)
    samples = sound.part(begin, first + count + margin - begin)  # at once: a long sound is decoded for it
    before, audio, after = np.split(samples, [first - begin, first - begin + count])
    return (before, audio, after) if audio.size else (None, None, None)


def window_of(scan: "Scan", duration: float, window: str) -> float:
    """Where the window begins; one that follows the voice stays where there is picture, too."""
    if scan.sound is None or window != "voice":
        return place_window(None, scan.length, duration, window)
    begin, end = _with_both(scan, duration)
    return begin + place_window(scan.sound.energy(begin, end), end - begin, duration, window)


def _with_both(scan: "Scan", duration: float) -> tuple[float, float]:
    """From where to where a window may lie: all of the file, but for where picture or sound is away for longer."""
    if scan.pictures is None or scan.sound is None:
        return 0.0, scan.length
    begin, end = max(scan.pictures.times[0], scan.sound.begin), min(scan.pictures.end, scan.sound.seconds)
    begin, end = min(begin, end - duration), max(end, begin + duration)  # where both are short, around what they share
    begin, end = max(float(begin), 0.0), min(float(end), scan.length)
    return (begin if begin > SHORT_S else 0.0), (end if scan.length - end > SHORT_S else scan.length)


def read_audio(path: Source, sampling_rate: int = 16000) -> np.ndarray | None:
    """Read the whole sound of a file, on the same time line as `read_clip`; raises what that raises.

    Returns:
        `np.ndarray`, *optional*: float32 [samples] mono, beginning with zeros where the sound sets in after the
        picture; None where the file has pictures only.
    """
    return read_sound(path, sampling_rate)[0]


def read_sound(path: Source, sampling_rate: int = 16000) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """[`read_audio`], and what was odd about the file, but usable."""
    check_settings(1, 1.0, sampling_rate, "start")
    sound, _, notes = _whole_sound(path, sampling_rate)
    return None if sound is None else sound.part(0, sound.size), tuple(dict.fromkeys(notes))


def borrow_sound(scan: "Scan", path: Source | Sound, sampling_rate: int, own_sound: bool = True) -> bool:
    """Give a scan another sound, where its `own_sound` does not count, is missing or silent; returns whether it did.

    That is the sound of another file, in which case what is odd about it joins the notes, or one that is decoded.
    """
    if own_sound and scan.sound is not None and not scan.sound.silent:
        return False
    if isinstance(path, Sound):
        scan.sound, scan.channels, scan.length = path, 1, max(scan.length, path.seconds)
        return True
    borrowed = False
    try:
        sound, channels, notes = _whole_sound(path, sampling_rate)
        scan.notes += [f"{path}: {note}" for note in dict.fromkeys(notes)]
        if sound is None and not own_sound:
            raise MediaError(f"{path}: expected sound, found a file with pictures only. Name another file.")
        if sound is not None:
            scan.sound, scan.channels, borrowed = sound, channels, True
    except MediaError as error:
        if not own_sound:  # nobody asked for the picture alone
            raise
        scan.notes.append(str(error))
    scan.length = max(scan.length, scan.sound.seconds if scan.sound is not None else 0.0)
    return borrowed


def _whole_sound(path: Source, sampling_rate: int) -> tuple[Sound | None, int, list[str]]:
    """The whole sound, None without; the channels that it had; and what was odd about its file."""
    notes: list[str] = []
    scan = scan_file(path, sampling_rate, notes)
    if scan.sound is None and any(note.startswith("sound:") for note in notes):
        found = "; ".join(dict.fromkeys(notes))
        raise MediaError(f"{path}: expected sound, found {found}. Name another file, or record it again.")
    return scan.sound, scan.channels, notes


@dataclass
class Scan:
    """What one pass over a file tells."""

    pictures: Pictures | None
    sound: Sound | None
    channels: int  # of the sound before it was mixed
    length: float  # seconds of material
    notes: list[str]  # oddities


@dataclass
class _Pass:
    """Both tracks, as one pass over the file has left them."""

    pictures: Pictures | None
    sound: SoundTrack | None
    sound_index: int | None  # of its track
    announced: float  # seconds that the header says, of these two
    longest: float  # of all that is in the file
    announced_sound: float  # of the sound


def scan_file(path: Source, sampling_rate: int, notes: list[str], broken: Collection[int] = ()) -> Scan:
    """Pass over the file; again with its next track where one of sound gives nothing."""
    without = set(broken)
    while True:
        read = _pass_over(path, notes, without)
        sound = _on_one_time_line(path, read, sampling_rate, notes)
        if read.sound is not None and read.sound.failed:
            notes.append(f"sound: {len(read.sound.failed)} packets do not decode")
        if sound is not None or read.sound_index is None:
            break
        without.add(read.sound_index)
    if read.pictures is None and sound is None:
        found = "; ".join(dict.fromkeys(notes)) or "neither"
        raise MediaError(f"{path}: expected picture or sound, found {found}. Name another file.")
    length = max(read.pictures.end if read.pictures else 0.0, sound.seconds if sound is not None else 0.0)
    if read.announced > length + SHORT_S:
        notes.append(f"file: cut short, it announces {read.announced:.2f} s and holds {length:.2f} s")
    channels = read.sound.channels if read.sound is not None and sound is not None else 0
    return Scan(read.pictures, sound, channels, length, notes)


def _pass_over(path: Source, notes: list[str], without: Collection[int]) -> _Pass:
    """Decode the sound, and list the pictures."""
    with open_container(path) as container:
        video = first_track(container, "video", notes, without)
        audio = first_track(container, "audio", notes, without)
        pictures = PictureTrack(path, video, notes) if video else None
        sound = SoundTrack(partial(_frames_of, path, audio.index)) if audio else None
        for packet in packets_of(container, [video, audio], notes):
            if pictures is not None and packet.stream is video:
                pictures.add(packet)
            elif sound is not None:
                for frame in decode_packet(packet, sound.failed):
                    sound.add(frame)
        if sound is not None:
            sound.finish()
        return _Pass(
            pictures.pictures() if pictures is not None else None,
            sound,
            audio.index if audio else None,
            _announced(container, [track for track in (video, audio) if track]),
            (container.duration or 0) / MICROSECONDS,
            float(audio.duration * audio.time_base) if audio and audio.duration else 0.0,
        )


def _announced(container: Any, tracks: list[Any]) -> float:
    """Seconds that the header says of the tracks that are read; 0 where it does not say, or speaks of others, too."""
    said = [float(track.duration * track.time_base) for track in tracks if track.duration]
    if said or len(container.streams) > len(tracks):
        return max(said, default=0.0)
    # Some headers announce when the last packet ends, on a clock that need not begin at 0.
    return ((container.duration or 0) - max(container.start_time or 0, 0)) / MICROSECONDS


def _frames_of(path: Source, index: int) -> Iterator[Any]:
    """The frames of a track of sound, decoded anew."""
    with open_container(path) as container:
        for packet in packets_of(container, [container.streams[index]], []):
            yield from decode_packet(packet, [])


def _on_one_time_line(path: Source, read: _Pass, rate: int, notes: list[str]) -> Sound | None:
    """Place the runs of the sound, and the pictures, by what their clocks show; time 0 is the earlier of both."""
    track, pictures = read.sound, read.pictures
    if track is None or not track.clock.runs:
        if pictures is not None and pictures.leap is not None:
            notes.append(f"picture: its clock leaps back from {_span(pictures.leap)}, so its pictures are counted")
        return None
    begin = track.clock.runs[0].begin
    late = begin - pictures.zero if pictures is not None else 0.0  # of the sound
    late = late if abs(late) > SYNC_S else 0.0
    starts = [run.begin - begin + max(late, 0.0) for run in track.clock.runs]
    odd = _broken_clock(read, late)
    if odd is not None and pictures is not None:
        raise MediaError(
            f"{path}: expected picture and sound of the same moments, found that the clock of its {odd}. Write it "
            "anew (ffmpeg -i FILE NEW.mp4), or name a file with sound or picture alone."
        )
    if odd is not None:
        notes.append(f"sound: the clock of its {odd}; what follows is joined without a pause")
        starts = list(np.cumsum([0.0, *(run.seconds for run in track.clock.runs[:-1])]))
    sound = track.sound(rate, starts, read.announced_sound, notes)
    if pictures is not None and sound is not None:
        pictures.delay(max(-late, 0.0))
        if abs(late) > SHORT_S or abs(sound.seconds - pictures.end) > SHORT_S:
            shown = f"picture: {pictures.times[0]:.2f}-{pictures.end:.2f} s"
            notes.append(f"sound: {starts[0]:.2f}-{sound.seconds:.2f} s, {shown}")
    return sound


def _broken_clock(read: _Pass, late: float) -> str | None:
    """What is impossible about the times of picture and sound, in words; None if nothing is."""
    assert read.sound is not None
    clock, pictures = read.sound.clock, read.pictures
    if pictures is not None and pictures.leap is not None:
        return f"picture leaps back from {_span(pictures.leap)}"
    if clock.leap is not None:
        return f"sound leaps back from {_span(clock.leap)}"
    longest = max(read.longest, pictures.end if pictures is not None else 0.0, LONGEST_PAUSE_S)
    leaps = [(before.end, after.begin) for before, after in zip(clock.runs, clock.runs[1:], strict=False)]
    far = [leap for leap in leaps if leap[1] - leap[0] > longest]
    if far:
        return f"sound leaps from {_span(far[0])}"
    if abs(late) > longest:
        return f"sound begins {abs(late):.0f} s {'after' if late > 0 else 'before'} that of its picture"
    return None


def _span(leap: tuple[float, float]) -> str:
    return f"{leap[0]:.2f} to {leap[1]:.2f} s"


__all__ = [
    "EARLY_S",
    "Clip",
    "MediaBytes",
    "MediaError",
    "MediaPath",
    "Source",
    "read_audio",
    "read_clip",
    "read_sound",
]
