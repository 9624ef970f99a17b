"""Whether a file answers as the model that it was made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from emofusion.modeling import EmoFusionFeatureExtractor, EmoFusionModel

from .exportable import Axes, drawn_inputs, outputs_of, sizes_of
from .graph_files import Inputs, Run

TOLERANCE = 1e-4
"""Of logits and gates; beyond 1 of their size."""


@dataclass(frozen=True)
class Parity:
    """How far a file is from its model.

    Attributes:
        clips (`int`): On which it was looked at.
        furthest (`float`): Largest difference of a logit or a gate; of numbers beyond 1 as a share of them.
        same_label (`int`): Clips of which both say the same class.
        probabilities (`float`): Mean difference of a probability.
    """

    clips: int
    furthest: float
    same_label: int
    probabilities: float


def drawn_batches(model: EmoFusionModel, axes: Axes) -> list[dict[str, torch.Tensor]]:
    """Clips of noise: some without sound or picture, and one with more frames and a shorter sound."""
    sizes = sizes_of(model.config)
    time = 2 * sizes["time"] // 3 // 2 * 2 + 1  # an odd number, for an exporter may take an even one for granted
    other = {**sizes, "frames": sizes["frames"] + 1, "time": time, "samples": (time - 1) * model.config.hop_length}
    return [drawn_inputs(axes, {**sizes, "batch": 3}), drawn_inputs(axes, other, seed=1)]


def answers_of(model: EmoFusionModel, extractor: EmoFusionFeatureExtractor, inputs: Inputs) -> dict[str, torch.Tensor]:
    """What the model itself answers; of `samples` its own extractor makes the log-mels."""
    given = dict(inputs)
    if (samples := given.pop("samples", None)) is not None:
        given["input_features"] = extractor.log_mel(samples)
    with torch.no_grad():
        output = model(**given)
    return {name: output[name] for name in outputs_of(model.config)}


def parity_of(
    run: Run, model: EmoFusionModel, extractor: EmoFusionFeatureExtractor, batches: Iterable[Inputs]
) -> Parity:
    """Compare a file with its model.

    Args:
        run (`Run`): The file.
        model (`EmoFusionModel`): The model.
        extractor (`EmoFusionFeatureExtractor`): Of its processor.
        batches (`Iterable`): Inputs of the file, by name.
    """
    expected, found = [], []
    for batch in batches:
        expected.append(answers_of(model, extractor, batch))
        found.append(run(batch))
    distances = [
        ((one[name] - other[name]).abs() / one[name].abs().clamp(min=1.0)).max()
        for one, other in zip(expected, found, strict=True)
        for name in one
    ]
    furthest = float(torch.stack(distances).max())  # torch's own, in which what is no number wins
    logits, others = _logits(expected), _logits(found)
    same = int((logits.argmax(-1) == others.argmax(-1)).sum())
    probabilities = float((logits.softmax(-1) - others.softmax(-1)).abs().mean())
    return Parity(len(logits), furthest, same, probabilities)


def _logits(answers: Sequence[dict[str, torch.Tensor]]) -> torch.Tensor:
    return torch.cat([answer["logits"].float() for answer in answers])
