"""Mixup: each clip of a batch becomes a mixture of itself and another, and so does its label."""

import torch
import torch.nn.functional as F
from scipy.special import betaincinv

NUM_MIX_DRAWS = 2
"""Draws per clip: how much of it stays, and its place in the order that decides who is mixed with whom."""
INPUTS = (
    ("pixel_values", "video_mask"),
    ("action_units", "video_mask"),
    ("action_units", "action_unit_mask"),
    ("input_features", "audio_mask"),
    ("input_values", "audio_mask"),
    ("video_tokens", "video_mask"),
    ("audio_tokens", "audio_mask"),
    ("video_states", "video_mask"),
    ("audio_states", "audio_mask"),
)
"""What is mixed, and what tells where it is there: clips, or what encoders made of them before."""


def shares_kept(draws: torch.Tensor, alpha: float) -> torch.Tensor:
    """How much of each clip stays, `[batch]`: draws `[batch]` uniform in 0..1 as draws of Beta(alpha, alpha)."""
    return torch.from_numpy(betaincinv(alpha, alpha, draws.double().numpy())).float()


def mix(batch: dict[str, torch.Tensor], plan: torch.Tensor, num_labels: int) -> dict[str, torch.Tensor]:
    """Mix each clip with the next one in a drawn order.

    Two clips are mixed where both have the same modalities, measured in the same steps, and both have a label; else
    the clip stays as it is.

    Args:
        batch (`dict[str, torch.Tensor]`): Model inputs; `labels` are class ids `[batch]`, -100 for none.
        plan (`torch.Tensor`): `[batch, NUM_MIX_DRAWS]`: the share of each clip that stays, and its place in the order,
            both 0..1.
        num_labels (`int`): Classes.

    Returns:
        `dict[str, torch.Tensor]`: The same with mixed inputs, and `labels` float32 `[batch, num_labels]`: shares of
        the classes, which sum to 1 (to 0 without a label).

    Source: Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization (arXiv:1710.09412).
    """
    order = plan[:, 1].argsort(stable=True)
    partner = torch.empty_like(order)
    partner[order] = order.roll(-1)
    labels = batch["labels"]
    alike = (labels >= 0) & (labels[partner] >= 0)
    for name, mask in batch.items():
        if name.endswith("_mask"):
            alike &= (mask == mask[partner]).view(len(mask), -1).all(dim=1)
    kept = torch.where(alike, plan[:, 0], 1.0)
    classes = F.one_hot(labels.clamp(min=0), num_labels).float() * (labels >= 0)[:, None]
    mixed = dict(batch)
    for name, values in {"labels": classes, **{name: batch[name] for name, _ in INPUTS if name in batch}}.items():
        weight = kept.view(-1, *[1] * (values.dim() - 1))
        mixed[name] = torch.lerp(values[partner], values, weight)
    return mixed
