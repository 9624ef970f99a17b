"""From whatever a user calls a clip to its seconds that the model looks at. Travels to the hub."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .action_units_emofusion import OPENFACE, Face, as_faces
from .clips_emofusion import ClipArrays
from .container_emofusion import Source, as_source
from .feature_extraction_emofusion import Heard, as_sound, as_sounds, is_clip, is_file
from .media_emofusion import read_sound
from .recordings_emofusion import ArrayRecording, FileRecording, Look, Recording
from .sound_emofusion import SYNC_S, Sound, to_int16
from .video_processing_emofusion import Picture, as_picture, as_videos, check_video_fps
from .window_emofusion import window_starts


class ClipReader:
    """The part of [`EmoFusionProcessor`] that reads files and arrays."""

    feature_extractor: Any
    video_processor: Any
    modalities: list[str]
    video_encoder: str
    action_unit_size: int

    @property
    def reads_action_units(self) -> bool:
        """Whether the model's picture is a row of measurements instead of frames."""
        return "video" in self.modalities and self.video_encoder == "action_units"

    def read(self, path: Source, frames_per_step: int = 1, with_picture: bool = True) -> ClipArrays:
        """The seconds of a file that the model looks at, with `frames_per_step * num_frames` frames, cut to the face.

        Every `frames_per_step`-th frame is one that the model takes; the others lie between them, for training.
        """
        with_picture = with_picture and "video" in self.modalities
        clip = self.video_processor.read_clip(
            path,
            frames_per_step,
            duration=self.feature_extractor.clip_duration,
            sampling_rate=self.feature_extractor.sampling_rate,
            want_video=with_picture,
            want_audio=True,  # a video-only model needs it too: the voice chooses the window
        )
        if clip.frames is not None:
            self._refuse_frames(str(path))
        return ClipArrays(str(path), clip.frames, to_int16(clip.audio))

    def _read(self, path: Source, with_picture: bool = True) -> ClipArrays:
        """The seconds of a file, whose frames have the size that the model takes."""
        clip = self.read(path, with_picture=with_picture)
        return clip if clip.frames is None else replace(clip, frames=self.video_processor.shrink(clip.frames))

    def _refuse_frames(self, name: str) -> None:
        if self.reads_action_units:
            raise ValueError(
                f"{name}: this model reads action units in place of frames. {OPENFACE}: "
                "processor(action_units='clip.csv', audio='clip.mp4')"
            )

    def recording(
        self, clip: Any, sampling_rate: int | None = None, video_fps: float | None = None, name: str = "clip"
    ) -> Recording:
        """One clip of any length, of which windows can be taken.

        Args:
            clip: What `clips` may hold; frames or a sound as of `videos` and `audio`; or a dictionary of `"video"` (a
                file or frames) or `"action_units"`, and of `"audio"` (a file or a sound) that is heard with it.
            sampling_rate (`int`): Hz of a sound that does not say it itself.
            video_fps (`float`): Frames a second of frames.
            name (`str`): What errors call what has no name of its own.

        Returns:
            `FileRecording` or `ArrayRecording`, whose `clip()` is the window that `window` chooses.

        Raises:
            ValueError: As of [`EmoFusionProcessor.__call__`].
        """
        parts = split_clip(clip, name)
        rate = self.feature_extractor.sampling_rate
        if is_file(parts.picture):
            sound = parts.sound
            if sound is not None and not is_file(sound):
                samples = as_sound(sound, f"{name}: audio", sampling_rate, rate).samples
                sound = Sound(rate, samples.size, 0.0, not samples.any(), lambda: iter([samples]))
            elif sound is not None:
                sound = as_source(sound, f"{name}: audio")
            found = FileRecording(as_source(parts.picture, name), self._look, sound)
            if found.has_picture:
                self._refuse_frames(found.name)
            return found
        if parts.picture is None and parts.units is None and is_file(parts.sound):
            return FileRecording(as_source(parts.sound, name), replace(self._look, want_video=False))
        pictures = self._pictures(None if parts.picture is None else [parts.picture], parts.units)
        picture = None if pictures is None else pictures[0]
        if parts.units is None and picture is not None:
            picture = as_picture(picture, name, check_video_fps(video_fps))
        return self._of_arrays(
            name, picture, None if parts.sound is None else self._heard(parts.sound, name, sampling_rate)
        )

    def starts(self, recording: Recording, hop: float) -> np.ndarray:
        """Seconds at which the windows of a recording begin, float64 `[windows]`."""
        return window_starts(recording.duration, self.feature_extractor.clip_duration, hop)

    @property
    def _look(self) -> Look:
        return Look(self.video_processor, "video" in self.modalities)

    def reads(self, clip: ClipArrays) -> bool:
        """Whether there is anything in a clip that the model reads."""
        return bool(self.read_modalities(clip))

    def read_modalities(self, clip: ClipArrays) -> list[str]:
        """What of a clip the model reads: `"audio"`, `"video"`, both or nothing."""
        units, reads_units = clip.action_units, self.reads_action_units
        seen = clip.frames is not None if not reads_units else units is not None and np.isfinite(units).all(1).any()
        has = {"video": seen, "audio": clip.audio is not None}
        return [name for name in self.modalities if has[name]]

    def _clip(self, item: Any, name: str, sampling_rate: int | None) -> ClipArrays:
        """One of `clips`: a file, or what knows by itself what it is."""
        if is_file(item):
            return self._read(as_source(item, name))
        if is_clip(item):
            is_video = hasattr(item, "get_frames_played_at")
            picture = as_picture(item, name, None) if is_video else None
            return self._cut(name, picture, None if is_video else self._heard(item, name, sampling_rate))
        raise ValueError(
            f"{name}: expected a media file (a path, an open file, bytes, or a dictionary with 'bytes' and 'path'), "
            f"found {type(item).__name__}; arrays are given as videos= and audio="
        )

    def _pictures(self, videos: Any, action_units: Any) -> list[Any] | None:
        """What shows the face in each clip, videos or measurements of it; None where nothing was given.

        Raises:
            ValueError: The model reads the other of the two, or they are not such (named).
        """
        if videos is not None and self.reads_action_units:
            raise ValueError(f"videos: this model reads action units in place of frames. {OPENFACE}: action_units=")
        if action_units is not None and not self.reads_action_units:
            raise ValueError("action_units: this model reads none; they are for video_encoder='action_units'")
        if action_units is not None:
            return as_faces(action_units, self.action_unit_size)
        return None if videos is None else as_videos(videos)

    def _from_arrays(
        self, pictures: list[Any] | None, audio: Any, sampling_rate: int | None, video_fps: float | None
    ) -> list[ClipArrays]:
        """Choose the seconds of each clip from arrays; pictures are videos, or measured faces."""
        sounds: list[Any] = []
        if audio is not None:
            sounds = as_sounds(audio, None if pictures is None else len(pictures))
        if pictures is not None and audio is not None and len(sounds) != len(pictures):
            kind = "action_units" if self.reads_action_units else "videos"
            raise ValueError(
                f"{kind} has {len(pictures)} clips and audio {len(sounds)}: put None where one is missing"
            )
        return [
            self._read(as_source(sound, f"clip {index}"), with_picture=False)
            if video is None and is_file(sound)
            else self._cut(
                f"clip {index}",
                video if video is None or self.reads_action_units else as_picture(video, f"video {index}", video_fps),
                None if sound is None else self._heard(sound, f"clip {index}", sampling_rate),
            )
            for index, (video, sound) in enumerate(
                zip(pictures or [None] * len(sounds), sounds or [None] * len(pictures or ()), strict=True)
            )
        ]

    def _heard(self, sound: Any, name: str, sampling_rate: int | None) -> Heard:
        """One sound, as samples or as a file."""
        rate = self.feature_extractor.sampling_rate
        if not is_file(sound):
            return as_sound(sound, name, sampling_rate, rate)
        source = as_source(sound, name)
        samples, notes = read_sound(source, rate)
        self.video_processor.tell(str(source), notes)
        if samples is None:
            raise ValueError(f"{name}: expected sound, found a file with pictures only")
        return Heard(samples)

    def _cut(self, name: str, picture: Picture | Face | None, sound: Heard | None) -> ClipArrays:
        """The seconds of a clip that the model looks at."""
        recording = self._of_arrays(name, picture, sound)
        clip = recording.clip()
        self.video_processor.tell(name, recording.notes)
        return clip

    def _of_arrays(self, name: str, picture: Picture | Face | None, sound: Heard | None) -> ArrayRecording:
        """Pictures and sound on one time line."""
        samples, ahead = None if sound is None else sound.samples, 0.0
        if picture is not None and picture.begin is not None and sound is not None and sound.begin is not None:
            late = sound.begin - picture.begin  # both on the clock of their file
            missing = round(max(late, 0.0) * self.feature_extractor.sampling_rate) if late > SYNC_S else 0
            samples = np.pad(sound.samples, (missing, 0))
            ahead = -late if late < -SYNC_S else 0.0
        return ArrayRecording(name, self._look, picture, samples, ahead)


@dataclass(frozen=True)
class Parts:
    """What a user calls one clip, by what is to be seen and heard in it.

    Attributes:
        picture: A file, whose sound counts if there is no other; or frames.
        units: Action units, in place of a picture.
        sound: A file or a sound.
    """

    picture: Any = None
    units: Any = None
    sound: Any = None


PARTS = {"video": "picture", "audio": "sound", "action_units": "units"}


def split_clip(clip: Any, name: str) -> Parts:
    """Tell what one clip consists of: a file, a sound, frames, or a dictionary of them.

    What `datasets` has decoded is taken as the file that it was, where it still knows it.

    Raises:
        ValueError: A dictionary with nothing of it, or something of another kind.
    """
    if isinstance(clip, Mapping):
        given = {PARTS[key]: encoded(value) for key, value in clip.items() if key in PARTS and value is not None}
        if not given and is_sound_or_file(clip):
            return Parts(picture=clip) if is_file(clip) else Parts(sound=clip)
        if not given:
            expected = "'video' and 'audio' (or 'bytes' and 'path' of a file, 'array' and 'sampling_rate' of a sound)"
            raise ValueError(f"{name}: expected {expected}, found {', '.join(map(repr, clip)) or 'nothing'}")
        if "picture" in given and "units" in given:
            raise ValueError(f"{name}: expected 'video' or 'action_units', found both")
        return Parts(**given)
    clip = encoded(clip)
    if is_file(clip):
        return Parts(picture=clip)
    axes = len(getattr(clip, "shape", ()))
    if is_picture(clip) or axes >= 3:
        return Parts(picture=clip)
    if is_clip(clip) or axes or isinstance(clip, tuple) or hasattr(clip, "sample_rate"):
        return Parts(sound=clip)
    raise ValueError(
        f"{name}: expected a media file (a path, an address, an open file or bytes), a sound, frames, or a dictionary "
        f"of 'video' and 'audio', found {type(clip).__name__}"
    )


def is_sound_or_file(clip: Mapping[str, Any]) -> bool:
    """Whether a dictionary is one sound or one file, as `datasets` has them."""
    return any(clip.get(key) is not None for key in ("array", "raw", "bytes", "path"))


def is_picture(clip: Any) -> bool:
    """Whether something shows something: frames of a decoder, a still picture of PIL, or a list of these."""
    first = clip[0] if isinstance(clip, list) and clip else clip
    batch = hasattr(clip, "pts_seconds") and hasattr(clip, "duration_seconds") and len(clip.data.shape) == 4
    frames = hasattr(first, "getbbox") or (first is not clip and len(getattr(first, "shape", ())) == 3)
    return hasattr(clip, "get_frames_played_at") or batch or frames


def encoded(item: Any) -> Any:
    """What `datasets` has decoded, as the file that it was; all else as it is."""
    file = getattr(item, "_hf_encoded", None)
    return file if isinstance(file, Mapping) and is_sound_or_file(file) else item


__all__ = ["ClipReader", "Parts", "split_clip"]
