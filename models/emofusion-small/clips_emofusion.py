"""The seconds of a clip that a model looks at, ready to become its inputs. Travels to the hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from transformers import BatchFeature


@dataclass
class ClipArrays:
    """The seconds of one clip that the model looks at.

    Attributes:
        name (`str`): What errors call the clip.
        frames (`np.ndarray`, *optional*): uint8 `[num_frames, height, width, 3]`.
        audio (`np.ndarray`, *optional*): int16 `[samples]`, mono, at the model's rate; or, of all clips of a batch,
            float32 of exactly as many samples as the model hears, of any loudness.
        action_units (`np.ndarray`, *optional*): float32 `[steps, 35]`, NaN in steps in which none were measured.
        start (`float`): Seconds at which they begin.
        end (`float`): Seconds at which they end; the end of a recording that is shorter than the window.
        duration (`float`, *optional*): Seconds of the whole recording; None for a still picture.
        notes (`Sequence[str]`): What was odd about it, but usable.
    """

    name: str
    frames: np.ndarray | None
    audio: np.ndarray | None
    action_units: np.ndarray | None = None
    start: float = 0.0
    end: float = 0.0
    duration: float | None = None
    notes: Sequence[str] = ()


class Windows(NamedTuple):
    """Some windows of a recording, as [`EmoFusionProcessor.windows`] hands them out.

    Attributes:
        start (`list[float]`): Seconds at which each begins.
        end (`list[float]`): Seconds at which each ends.
        inputs (`BatchFeature`): What the model takes, of all of them.
    """

    start: list[float]
    end: list[float]
    inputs: BatchFeature


class NoTokenizer:
    """Stands where `Trainer` looks for a processor's tokenizer, and says that there are no special tokens."""

    eos_token_id = bos_token_id = pad_token_id = None
    init_kwargs: dict[str, Any] = {}


class Told:
    """A setting that is kept by parts of a processor, so that each of them chooses the same when it is used alone."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, processor: Any, owner: type) -> Any:
        return self if processor is None else getattr(getattr(processor, self.parts[0]), self.name)

    def __set__(self, processor: Any, value: Any) -> None:
        for part in self.parts:
            setattr(getattr(processor, part), self.name, value)


__all__ = ["ClipArrays", "NoTokenizer", "Told", "Windows"]
