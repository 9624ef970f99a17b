"""The second view: where a small change of the input would change the answer most, averaged over noisy copies.

Source: Smilkov et al. 2017, SmoothGrad: removing noise by adding noise (arXiv:1706.03825).
"""

from collections.abc import Callable

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
    found, model = {}, answer.model
    if answer.has("audio"):
        assert answer.sound is not None
        found["audio"] = _averaged(answer, answer.sound, lambda x: {"input_features": x}, "video", seed)
    if answer.has("video"):
        assert answer.frames is not None
        size = _averaged(answer, answer.frames, lambda x: {"pixel_values": x}, "audio", seed)
        found["video"] = size.mean(1)
    assert not any(parameter.grad is not None for parameter in model.parameters())
    return found


def _averaged(
    answer: Answer,
    value: torch.Tensor,
    name: Callable[[torch.Tensor], dict[str, torch.Tensor]],
    other: str,
    seed: int,
) -> np.ndarray:
    """Mean size of the gradient over noisy copies of one modality; the other one stays as it is."""
    draw = torch.Generator(device="cpu").manual_seed(seed)
    spread = NOISE * float(value.max() - value.min())
    total = torch.zeros_like(value)
    for _ in range(COPIES):
        noise = torch.randn(value.shape, generator=draw).to(value.device)
        changed = (value + spread * noise)[None].requires_grad_()
        inputs = name(changed)
        if answer.has(other):
            inputs |= (
                {"input_features": answer.sound[None]} if other == "audio" else {"pixel_values": answer.frames[None]}
            )
        (gradient,) = torch.autograd.grad(_log_odds(answer.model(**inputs).logits[0], answer.index), changed)
        total += gradient[0].abs()
    return (total / COPIES).cpu().numpy()


def _log_odds(logits: torch.Tensor, index: int) -> torch.Tensor:
    """How much likelier the class is than all others together, as a logarithm."""
    others = torch.cat([logits[:index], logits[index + 1 :]])
    return logits[index].float() - others.float().logsumexp(0)
