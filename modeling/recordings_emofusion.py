"""Recordings of any length, and the windows that are taken of them one after the other. Travels to the hub.

A file is passed over once, which decodes its sound and lists its pictures. Then the windows come in order: each
picture is decoded once and kept for as long as a window may need it, and the sound comes in blocks (one that is longer
than a few minutes is decoded a second time for that). Memory does not grow with the file.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .action_units_emofusion import Face, GivenRows, MeasuredFace
from .clips_emofusion import ClipArrays
from .container_emofusion import Source
from .media_emofusion import borrow_sound, heard, scan_file, shows, sounds, too_loud, window_of
from .pictures_emofusion import EARLY_S, fetch, pictures_in_order
from .sound_emofusion import Sound, to_int16
from .video_processing_emofusion import EmoFusionVideoProcessor, Picture
from .window_emofusion import frame_times, window_start


@dataclass(frozen=True)
class Look:
    """How a model looks at a window.

    Attributes:
        video (`EmoFusionVideoProcessor`): Cuts frames to the face and to their size, and says how long a window is.
        want_video (`bool`): Whether it reads frames.
    """

    video: EmoFusionVideoProcessor
    want_video: bool

    @property
    def seconds(self) -> float:
        """Length of a window."""
        return float(self.video.clip_duration)

    @property
    def rate(self) -> int:
        """Samples per second."""
        return int(self.video.sampling_rate)

    def times(self, start: float) -> np.ndarray:
        """Seconds at which the frames of a window are taken: float64 `[num_frames]`."""
        return frame_times(start, self.seconds, self.video.num_frames)


class FileRecording:
    """A file of any length.

    Args:
        path (`Source`): The file.
        look (`Look`): How the model looks at it.
        sound (`Source` or `Sound`, *optional*): What is heard in place of its own sound: another file, or samples
            of the model's rate.

    Attributes:
        name (`str`): What messages call it.
        duration (`float`): Seconds of the whole file.
        still (`bool`): Whether it is one picture without sound.
        notes (`list[str]`): What is odd about it, but usable; more may come with the windows.

    Raises:
        MediaError: As of [`read_clip`].
    """

    def __init__(self, path: Source, look: Look, sound: Source | Sound | None = None) -> None:
        self.path, self.look, self.name = path, look, str(path)
        self.notes: list[str] = []
        broken: set[int] = set()
        while True:
            self._scan = scan_file(path, look.rate, self.notes, broken)
            if sound is not None:
                borrow_sound(self._scan, sound, look.rate, own_sound=False)
            pictures = self._scan.pictures
            if pictures is None or pictures.decodes:
                break
            if fetch(path, pictures, pictures.times[:1], self.notes) is not None:
                break
            broken.add(pictures.index)
        self.duration = self._scan.length
        self.still = pictures is not None and pictures.times.size == 1 and self._scan.sound is None
        self._sound = heard(self._scan, look.want_video)

    @cached_property
    def chosen(self) -> float:
        """Seconds at which the window begins that stands for the whole file, as `window` says.

        Looked for when it is asked for: a long sound is decoded once more for it, which windows have no need of.
        """
        return window_of(self._scan, self.look.seconds, self.look.video.window)

    @property
    def has_picture(self) -> bool:
        """Whether there is anything to see in it."""
        return self._scan.pictures is not None

    def clip(self) -> ClipArrays:
        """The window that stands for the whole file, as of [`read_clip`]; what comes before it is leapt over."""
        pictures, frames = self._scan.pictures, None
        if self.look.want_video and pictures is not None:
            frames = fetch(self.path, pictures, self.look.times(self.chosen), self.notes)
        if frames is not None:
            frames = self.look.video.shrink(self.look.video.on_face(self.name, frames, self.notes))
        return self._clip(self.chosen, frames, self._sound)

    def clips(self, starts: np.ndarray) -> Iterator[ClipArrays]:
        """The windows that begin at `starts`, float64 `[n]` in ascending seconds, by one way through the file.

        One in which neither sound nor picture is left is there, too: both are None.
        """
        seen = [self.look.want_video and shows(self._scan, self.look.times(start)) for start in starts]
        pictures = self._pictures([self.look.times(start) for start, there in zip(starts, seen, strict=True) if there])
        sound = SoundInOrder(self._sound) if self._sound is not None else None
        for start, there in zip(starts.tolist(), seen, strict=True):
            has_sound = sounds(self._scan, start, self.look.seconds)
            yield self._clip(start, next(pictures, None) if there else None, sound if has_sound else None)

    def _clip(self, start: float, frames: np.ndarray | None, sound: "Sound | SoundInOrder | None") -> ClipArrays:
        """A window whose frames are there, with its part of the sound."""
        audio = None
        if sound is not None:
            audio = sound.part(round(start * self.look.rate), round(self.look.seconds * self.look.rate))
            audio = audio if audio.size else None
            self.notes += too_loud(audio)
        end, notes = min(start + self.look.seconds, self.duration), tuple(dict.fromkeys(self.notes))
        return ClipArrays(self.name, frames, to_int16(audio), None, start, end, self.duration, notes)

    def _pictures(self, windows: list[np.ndarray]) -> Iterator[np.ndarray]:
        """Frames uint8 `[num_frames, height, width, 3]` of windows at whose times `[num_frames]` some are shown."""
        if not windows or self._scan.pictures is None:
            return
        video = self.look.video
        wanted = np.unique(np.concatenate(windows))
        shown = pictures_in_order(self.path, self._scan.pictures, wanted, self.notes)
        if video.face_crop == "none":
            yield from in_windows(each_once(shown, lambda picture: video.shrink(picture[None])[0]), wanted, windows)
            return
        for frames in in_windows(shown, wanted, windows):  # the box of a face is that of its window
            yield video.shrink(video.on_face(self.name, frames, self.notes))


class ArrayRecording:
    """Frames, action units and sound that are in memory.

    Args:
        name (`str`): What messages call it.
        look (`Look`): How the model looks at it.
        picture (`Picture` or `Face`, *optional*): Frames, or what was measured in them.
        samples (`np.ndarray`, *optional*): float32 `[samples]` mono, at the model's rate.
        ahead (`float`): Seconds by which the sound sets in before the picture.

    Attributes:
        duration (`float`): Seconds of all of it.
        chosen (`float`): Seconds at which the window begins that stands for all of it, as `window` says.
        still (`bool`): Whether it is one picture without sound.
        notes (`list[str]`): What is odd about it, but usable.
    """

    def __init__(
        self, name: str, look: Look, picture: Picture | Face | None, samples: np.ndarray | None, ahead: float = 0.0
    ) -> None:
        self.name, self.look, self.picture, self.ahead = name, look, picture, ahead
        self.notes: list[str] = []
        self.duration = 0.0 if samples is None else len(samples) / look.rate
        seen = 0.0 if picture is None else ahead + picture.seconds(self.duration or look.seconds)
        sees = picture is not None and (look.want_video or not isinstance(picture, Picture))
        if sees and samples is not None and not samples.any():
            samples, self.duration = None, seen  # as of a film: nobody was recorded
        self.samples, self.duration = samples, max(self.duration, seen)
        self.chosen = window_start(samples, look.rate, self.duration, look.seconds, look.video.window)
        self.still = samples is None and isinstance(picture, Picture) and len(picture.frames) == 1

    def clip(self) -> ClipArrays:
        """The window that stands for all of it."""
        return self._clip(self.chosen, seen=True)

    def clips(self, starts: np.ndarray) -> Iterator[ClipArrays]:
        """The windows that begin at `starts`, as of [`FileRecording`]."""
        for start in starts.tolist():
            times = self.look.times(start - self.ahead)
            lasts = self.picture.seconds(self.duration) if isinstance(self.picture, Picture) else np.inf
            yield self._clip(start, seen=bool(((times + EARLY_S >= 0) & (times < lasts)).any()))

    def _clip(self, start: float, seen: bool) -> ClipArrays:
        """The window that begins at `start`, with frames if any of them is `seen`."""
        frames = units = audio = None
        if isinstance(self.picture, (MeasuredFace, GivenRows)):
            units = self.picture.steps(start - self.ahead, self.look.seconds, self.look.video.num_frames)
        elif self.picture is not None and seen:
            frames = self.picture.at(self.look.times(start - self.ahead))
            if self.look.want_video:
                frames = self.look.video.shrink(self.look.video.on_face(self.name, frames, self.notes))
        if self.samples is not None:
            first = round(start * self.look.rate)
            audio = self.samples[first : first + round(self.look.seconds * self.look.rate)]
            audio = to_int16(audio) if audio.size else None
        end, notes = min(start + self.look.seconds, self.duration), tuple(dict.fromkeys(self.notes))
        return ClipArrays(self.name, frames, audio, units, start, end, self.duration, notes)


Recording = FileRecording | ArrayRecording


class SoundInOrder:
    """Stretches of a sound that are asked for in order; what comes before the last one is forgotten."""

    def __init__(self, sound: Sound) -> None:
        self._chunks, self._size = sound.chunks(), sound.size
        self._kept, self._at = np.zeros(0, np.float32), 0  # of which `_at` is the first

    def part(self, first: int, count: int) -> np.ndarray:
        """Samples float32 `[up to count]` from the `first` on, as of [`Sound.part`]."""
        end = min(first + count, self._size)
        while self._at + self._kept.size < end:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            gone = min(max(first - self._at, 0), self._kept.size)
            self._kept, self._at = np.concatenate([self._kept[gone:], chunk]), self._at + gone
        part = np.zeros(max(end - first, 0), np.float32)
        inside = self._kept[max(first - self._at, 0) : max(end - self._at, 0)]
        part[: inside.size] = inside
        return part


def each_once(pictures: Iterator[np.ndarray], change: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
    """Pictures, each changed; one that comes several times in a row is changed once."""
    before = changed = None
    for picture in pictures:
        if picture is not before:
            before, changed = picture, change(picture)
        assert changed is not None
        yield changed


def in_windows(
    pictures: Iterator[np.ndarray], wanted: np.ndarray, windows: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Put the pictures of ascending times together to windows that overlap, keeping those that are still needed.

    Args:
        pictures: Of `wanted`, in order; as many as decode.
        wanted (`np.ndarray`): float64 `[times]`, ascending seconds, each once.
        windows: For each window its times, all among `wanted`, in ascending order of windows and in them.

    Yields:
        `np.ndarray`: `[times of the window, height, width, 3]`.
    """
    kept: deque[np.ndarray] = deque()
    first = 0  # place among `wanted` of the first that is kept
    for times in windows:
        places = np.searchsorted(wanted, times)
        while first + len(kept) <= places[-1]:
            picture = next(pictures, None)
            if picture is None:
                return
            kept.append(picture)
        while first < places[0]:
            kept.popleft()
            first += 1
        yield np.stack([kept[place - first] for place in places])


__all__ = ["ArrayRecording", "FileRecording", "Look", "Recording"]
