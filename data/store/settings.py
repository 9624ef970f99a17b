"""How takes are decoded: the one place where these options, their defaults and their choices are spelled.

They are those of the model's config, which travels to the hub and so has its own; a test holds the two equal.
"""

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emofusion.modeling import EmoFusionProcessor

IMAGE_SIZE = 112
"""Side in pixels of the pictures that the model takes; they are cut out of stored frames, which are larger."""

SOUND_MARGIN_S = 0.25
"""Seconds of sound that are stored at each end of a clip beside its own: room for training to shift it in time."""


@dataclass
class DecodeOptions:
    """What users choose of how takes are decoded; the metadata of a field are the words of its flag.

    Attributes:
        num_frames (`int`): Frames that the model takes.
        frames_per_step (`int`): Frames stored for each of them; the first is the model's, the others are for jitter.
        frame_size (`int`): Side of the stored square frames in pixels.
        clip_duration (`float`): Seconds of a clip.
        sampling_rate (`int`): Hz.
        window (`str`): Which seconds of a longer take: `"voice"`, `"center"` or `"start"`.
        face_crop (`str`): What finds the face that frames are cut to: `"none"`, `"haar"` or `"yunet"`.
    """

    num_frames: int = field(default=8, metadata={"help": "frames that the model looks at"})
    frames_per_step: int = 2
    frame_size: int = 128
    clip_duration: float = 3.0
    sampling_rate: int = 16_000
    window: str = field(
        default="voice",
        metadata={
            "choices": ("voice", "center", "start"),
            "help": "which 3 seconds of a longer clip: voice, center or start",
        },
    )
    face_crop: str = field(
        default="none", metadata={"choices": ("none", "haar", "yunet"), "help": "cut frames to the face"}
    )


@dataclass
class DecodeSettings(DecodeOptions):
    """Everything that decides what a take is decoded to; two stores differ if any of this differs.

    Attributes:
        face_model (`str`): What else decides where the box of a face lies: the version of our framing, and a checksum
            of the detector's file, where it is the user's.
    """

    face_model: str = ""


def check_options(options: DecodeOptions) -> None:
    """Refuse options by which nothing can be decoded.

    Raises:
        ValueError: A word that is none of the choices, or a number that is not above 0; the message names the option.
    """
    for item in fields(DecodeOptions):
        value, choices = getattr(options, item.name), item.metadata.get("choices")
        if choices is not None and value not in choices:
            raise ValueError(f"{item.name}={value!r}: expected one of {', '.join(map(repr, choices))}.")
        if choices is None and not 0 < value < math.inf:
            raise ValueError(f"{item.name}={value}: expected a number above 0.")


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
