"""How takes are decoded: the one place where these options, their defaults and their choices are spelled."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emofusion.modeling import EmoFusionProcessor


@dataclass
class DecodeOptions:
    """What users choose of how takes are decoded; the defaults are those of the model's config.

    Attributes:
        num_frames (`int`): Frames that the model takes.
        frames_per_step (`int`): Frames stored for each of them; the first is the model's, the others are for jitter.
        frame_size (`int`): Side of the stored square frames in pixels.
        clip_duration (`float`): Seconds of a clip.
        sampling_rate (`int`): Hz.
        window (`str`): Which seconds of a longer take: `"voice"`, `"center"` or `"start"`.
        face_crop (`str`): What finds the face that frames are cut to: `"none"`, `"haar"` or `"yunet"`.
    """

    num_frames: int = 8
    frames_per_step: int = 2
    frame_size: int = 128
    clip_duration: float = 3.0
    sampling_rate: int = 16_000
    window: str = "voice"
    face_crop: str = "none"


@dataclass
class DecodeSettings(DecodeOptions):
    """Everything that decides what a take is decoded to; two stores differ if any of this differs.

    Attributes:
        face_model (`str`): What else decides where the box of a face lies: the version of our framing, and a checksum
            of the detector's file, where it is the user's.
    """

    face_model: str = ""


def option_values(options: Any) -> dict[str, Any]:
    """The decode options among the attributes of an object, by name."""
    return {item.name: getattr(options, item.name) for item in fields(DecodeOptions)}


def options_for(processor: "EmoFusionProcessor") -> DecodeOptions:
    """How takes are decoded for a model: as its processor reads files."""
    return DecodeOptions(
        num_frames=processor.num_frames,
        frame_size=processor.video_processor.size["height"],
        clip_duration=processor.feature_extractor.clip_duration,
        sampling_rate=processor.feature_extractor.sampling_rate,
        window=processor.window,
        face_crop=processor.face_crop,
    )


def frame_bytes(settings: DecodeOptions) -> int:
    """Bytes of all stored frames of a clip: uint8 `[num_frames * frames_per_step, frame_size, frame_size, 3]`."""
    return settings.num_frames * settings.frames_per_step * settings.frame_size**2 * 3
