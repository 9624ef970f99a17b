"""The loss of the emofusion model: it knows the branches of its head, class weights and smoothed labels."""

import torch
import torch.nn.functional as F
from torch import nn

from .configuration_emofusion import EmoFusionConfig
from .fusion_emofusion import HeadOutput, Modalities, branches_present


class EmotionLoss(nn.Module):
    """Cross-entropy with class weights and label smoothing.

    Late fusion has the mean of its branches' losses; the other fusions that of their answer, and, weighed by
    `branch_loss_weight`, those of what either branch answers alone.
    """

    class_weights: torch.Tensor

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        self.config = config
        weights = config.class_weights or [1.0] * config.num_labels
        self.register_buffer("class_weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, head: HeadOutput, labels: torch.Tensor, inputs: Modalities) -> torch.Tensor:
        """Scalar loss for labels `[batch]`, or shares of the classes `[batch, classes]` where clips are mixed.

        -100 marks a clip without a label.

        0 where no clip counts, because none has a label or all are of classes with weight 0: nothing is learnt then.
        """
        per_clip = self._per_clip(head, labels, inputs)
        # torch's own weighted mean: divided by the weights of the true classes, not by the number of clips. A clip of
        # weight 0 is left out whole; torch would smooth its label all the same.
        weights = self.weights_of(labels)
        total = weights.sum()
        return torch.where(weights > 0, per_clip, 0.0).sum() / torch.where(total > 0, total, 1.0)

    def _per_clip(self, head: HeadOutput, labels: torch.Tensor, inputs: Modalities) -> torch.Tensor:
        """Loss of each clip `[batch]`; a branch that is missing has none."""
        if head.audio_logits is None or head.video_logits is None:
            return self._cross_entropy(head.logits, labels)
        audio_there, video_there = branches_present(inputs.audio_mask, inputs.video_mask)
        audio_loss = self._cross_entropy(head.audio_logits, labels) * audio_there
        video_loss = self._cross_entropy(head.video_logits, labels) * video_there
        if self.config.fusion == "late":
            return (audio_loss + video_loss) / (audio_there.int() + video_there.int())
        return self._cross_entropy(head.logits, labels) + self.config.branch_loss_weight * (audio_loss + video_loss)

    def weights_of(self, labels: torch.Tensor) -> torch.Tensor:
        """Weight of each clip `[batch]` by its class, or by the shares of its classes; 0 without a label."""
        if labels.is_floating_point():
            return labels @ self.class_weights.to(labels.dtype)
        return torch.where(labels != -100, self.class_weights.float()[labels.clamp(min=0)], 0.0)

    def _cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(
            logits.float(),
            labels,
            weight=self.class_weights.float(),
            label_smoothing=self.config.label_smoothing,
            reduction="none",
        )
