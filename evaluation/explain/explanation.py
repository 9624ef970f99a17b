"""What moved one answer, as a whole: by hiding parts, by gradients, and by taking a modality away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .answer import Answer
from .gradients import smooth_gradients
from .occlusion import BANDS, STRETCHES, Occlusion, faithfulness, occlude

HIDDEN = 10
"""Tiles that the test of faithfulness hides at once: about a tenth of them."""


@dataclass(frozen=True)
class Explanation:
    """Why a model gives an answer.

    Attributes:
        answer (`Answer`): The class, its probability, and the clip as the model reads it.
        parts (`Occlusion`): How far the probability falls where each part is hidden.
        gradients (`dict[str, np.ndarray]`): Size of the averaged gradient: `audio` `[mels, time]`, `video` `[frames,
            height, width]`.
        without (`dict[str, float]`): Probability of the class where a modality is taken away; only of a clip, and a
            model, that has both.
        faithful (`tuple[float, float]`, *optional*): How far the probability falls where the tiles of sound that
            matter most are hidden together, and where as many random ones are.
    """

    answer: Answer
    parts: Occlusion
    gradients: dict[str, np.ndarray]
    without: dict[str, float]
    faithful: tuple[float, float] | None

    def as_json(self, start: float, seconds: float, sampling_rate: int) -> dict[str, Any]:
        """Plain numbers, each beside what it is of.

        Args:
            start (`float`): Second of the clip at which what the model heard and saw begins.
            seconds (`float`): Length of that.
            sampling_rate (`int`): Of the sound, in hertz; the highest mel lies at half of it.
        """
        answer, parts = self.answer, self.parts
        found: dict[str, Any] = {"label": answer.label, "score": answer.score, "gate": answer.gate()}
        found["score_without"] = self.without
        if parts.tiles is not None and parts.stretches is not None and parts.bands is not None:
            assert answer.sound is not None
            edges = band_edges(len(answer.sound), sampling_rate)
            found["stretches"] = [
                {
                    "start": start + seconds * k / STRETCHES,
                    "end": start + seconds * (k + 1) / STRETCHES,
                    "fall": float(fall),
                }
                for k, fall in enumerate(parts.stretches)
            ]
            found["bands"] = [
                {"from_hz": low, "to_hz": high, "fall": float(fall)}
                for (low, high), fall in zip(edges, parts.bands, strict=True)
            ]
            found["tiles"] = parts.tiles.tolist()
        if parts.frames is not None and parts.regions is not None:
            found["frames"], found["regions"] = parts.frames.tolist(), parts.regions.tolist()
        if self.faithful is not None:
            found["faithfulness"] = dict(
                zip(("fall_by_top_tiles", "fall_by_random_tiles"), self.faithful, strict=True)
            )
            found["faithfulness"]["tiles_hidden"] = HIDDEN
        return found


def explain(answer: Answer) -> Explanation:
    """Look for what moved an answer; about 200 copies of the clip go through one encoder each."""
    parts = occlude(answer)
    both = answer.has("audio") and answer.has("video")
    return Explanation(
        answer=answer,
        parts=parts,
        gradients=smooth_gradients(answer),
        without={name: answer.without(name) for name in ("audio", "video")} if both else {},
        faithful=faithfulness(answer, parts.tiles, HIDDEN) if parts.tiles is not None else None,
    )


def band_edges(mels: int, sampling_rate: int) -> list[tuple[float, float]]:
    """Lowest and highest frequency in hertz of each band of mels, on the scale that torchaudio uses."""
    top = 2595 * np.log10(1 + sampling_rate / 2 / 700)
    places = np.round(np.linspace(0, mels, BANDS + 1)) / mels * top
    hertz = 700 * (10 ** (places / 2595) - 1)
    return [(float(low), float(high)) for low, high in zip(hertz, hertz[1:], strict=False)]


def answer_of(model: Any, inputs: Mapping[str, torch.Tensor], label: str | None = None) -> Answer:
    """The answer of a model, ready to be explained; see [`Answer`]."""
    return Answer(model.eval(), inputs, label)
