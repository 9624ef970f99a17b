"""The second view: where a small change of the input would change the answer most, averaged over noisy copies.

Source: Smilkov et al. 2017, SmoothGrad: removing noise by adding noise (arXiv:1706.03825).
"""

import numpy as np
import torch

from .answer import Answer

COPIES = 16
NOISE = 0.1
"""Deviation of the noise, as a share of the range of the values."""


def smooth_gradients(answer: Answer, seed: int = 0) -> dict[str, np.ndarray]:
    """Size of the gradient of the class's log-odds, which does not vanish where the model is sure.

    Args:
        answer (`Answer`): Model and clip.
        seed (`int`): Of the noise.

    Returns:
        `dict[str, np.ndarray]`: `audio` `[mels, time]` and `video` `[frames, height, width]`, of what the clip has.
    """
    found: dict[str, np.ndarray] = {}
    clip = {"audio": ("input_features", answer.sound), "video": ("pixel_values", answer.frames)}
    there = {modality: (name, value) for modality, (name, value) in clip.items() if answer.has(modality)}
    for modality, (name, value) in there.items():
        assert value is not None
        rest = {other: given[None] for other, given in there.values() if given is not None and other != name}
        found[modality] = _averaged(answer, value, name, rest, seed)
    if "video" in found:
        found["video"] = found["video"].mean(1)
    return found


def _averaged(answer: Answer, value: torch.Tensor, name: str, rest: dict[str, torch.Tensor], seed: int) -> np.ndarray:
    """Mean size of the gradient over noisy copies of one input; the rest of the clip stays as it is."""
    draw = torch.Generator(device="cpu").manual_seed(seed)
    spread = NOISE * float(value.max() - value.min())
    total = torch.zeros_like(value)
    for _ in range(COPIES):
        noise = torch.randn(value.shape, generator=draw).to(value.device)
        changed = (value + spread * noise)[None].requires_grad_()
        inputs = {**rest, name: changed}
        (gradient,) = torch.autograd.grad(_log_odds(answer.model(**inputs).logits[0], answer.index), changed)
        total += gradient[0].abs()
    return (total / COPIES).cpu().numpy()


def _log_odds(logits: torch.Tensor, index: int) -> torch.Tensor:
    """How much likelier the class is than all others together, as a logarithm."""
    others = torch.cat([logits[:index], logits[index + 1 :]])
    return logits[index].float() - others.float().logsumexp(0)
