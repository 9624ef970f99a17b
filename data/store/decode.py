"""One take to one row of the decoded store: frames and sound of the seconds that the model looks at."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from emofusion.data.sources.files import CorpusFile, CorpusFiles
from emofusion.data.sources.takes import Take
from emofusion.modeling.faces_emofusion import FaceBox, crop_face, locate, square_resize
from emofusion.modeling.media_emofusion import Clip, MediaError, read_clip
from emofusion.modeling.sound_emofusion import to_int16

from .arrow_parts import digest_of
from .digest import digest
from .faces import NO_FACE, Faces
from .settings import SOUND_MARGIN_S, DecodeSettings


def decode(files: CorpusFiles, take: Take, settings: DecodeSettings, faces: Faces | None) -> dict[str, Any]:
    """One row of the store, `STORE_FEATURES` and `FINDINGS`.

    Raises:
        MediaError, OSError: The files cannot be read.
    """
    # A later picture file may have the sound that the first one lacks.
    clip, used = _read(files, take.pictures, (*take.sounds, *take.pictures[1:]), settings)
    notes = [note.replace(f"{files.folder}/", "") for note in clip.notes]
    if clip.audio is None and not take.silent_by_name:
        notes.append("named as having sound, but there is none in it")
    frames, face = clip.frames, ""
    if frames is not None and faces is not None:
        box, face = _find_face(faces, take, clip, settings, notes)
        frames = crop_face(frames, box)
    pixels = None if frames is None else shrink(frames, settings.frame_size).tobytes()
    sounds = {"audio": clip.audio, "audio_before": clip.audio_before, "audio_after": clip.audio_after}
    binary = {"frames": pixels} | {name: _stored(sound, clip.audio) for name, sound in sounds.items()}
    return {
        "clip": take.clip,
        **binary,
        "has_video": pixels is not None,
        "has_audio": clip.audio is not None,
        **take.facts,
        "face": face,
        "source": " + ".join(map(str, used)),
        "notes": notes,
        "channels": clip.channels,
        "start": clip.start,
        **{digest_of(name): digest(content) for name, content in binary.items()},
    }


def _stored(sound: np.ndarray | None, window: np.ndarray | None) -> bytes | None:
    """The sound of a window, or what goes on beside it, as int16: as loud as each other."""
    samples = to_int16(sound, like=window)
    return None if samples is None else samples.tobytes()


def _read(
    files: CorpusFiles, pictures: Sequence[CorpusFile], sounds: Sequence[CorpusFile], settings: DecodeSettings
) -> tuple[Clip, list[CorpusFile]]:
    """Read the first picture, with the first sound where it has none; what is beyond reading is stood in for.

    Returns:
        The clip, and the files that it is made of.
    """
    first, beside = (pictures[0], sounds[0] if sounds else None) if pictures else (sounds[0], None)
    try:
        sound = None if beside is None else files.media(beside)
    except OSError as error:
        return _stand_in(files, (pictures, sounds[1:]), settings, [str(error)])
    try:
        clip = read_clip(
            files.media(first),
            sound_path=sound,
            num_frames=settings.num_frames * settings.frames_per_step,
            duration=settings.clip_duration,
            sampling_rate=settings.sampling_rate,
            window=settings.window,
            margin=SOUND_MARGIN_S,
        )
    except (MediaError, OSError) as error:
        left = (pictures[1:], sounds) if pictures else ((), sounds[1:])
        if not any(left):
            raise
        try:
            return _stand_in(files, left, settings, [str(error)])
        except (MediaError, OSError):
            raise error from None  # the first file is the one to mend
    if pictures[1:] and clip.frames is None:  # its sound may be whole
        return _stand_in(files, (pictures[1:], (*sounds, first)), settings, clip.notes)
    if pictures and sounds[1:] and clip.audio is None:
        return _stand_in(files, (pictures, sounds[1:]), settings, clip.notes)
    return clip, [first, *([beside] if clip.paired and beside is not None else [])]


def _stand_in(
    files: CorpusFiles, left: tuple[Sequence[CorpusFile], Sequence[CorpusFile]], settings: DecodeSettings, notes: Any
) -> tuple[Clip, list[CorpusFile]]:
    """Read what is left, and keep what was noted of what is not."""
    clip, used = _read(files, *left, settings)
    return replace(clip, notes=tuple(dict.fromkeys((*notes, *clip.notes)))), used


def _find_face(
    faces: Faces, take: Take, clip: Clip, settings: DecodeSettings, notes: list[str]
) -> tuple[FaceBox | None, str]:
    """The box of the face, and what is said of it; a track that is beyond use is noted, and the face looked for."""
    assert clip.frames is not None
    track = faces.track(take)
    if track is not None and faces.tracks is not None:
        try:
            box = faces.tracks.box(track, clip.start, settings.clip_duration, *clip.frames.shape[1:3])
        except (ValueError, OSError) as error:
            notes.append(f"face track: {error}")
            box = None
        if box is not None:
            return box, "tracked"
    box = locate(faces.finder, clip.frames, settings.frames_per_step)
    return box, "found" if box is not None else NO_FACE


def shrink(frames: np.ndarray, size: int) -> np.ndarray:
    """uint8 `[frames, height, width, 3]` to `[frames, size, size, 3]`, by the video processor's own resizing."""
    channels_first = torch.from_numpy(frames).permute(0, 3, 1, 2)
    return square_resize(channels_first, size, size).permute(0, 2, 3, 1).contiguous().numpy()
