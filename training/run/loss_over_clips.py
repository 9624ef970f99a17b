"""The loss of an evaluation: over all its clips, whatever batches they came in."""

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput


class LossOverClips(Trainer):
    """Trainer whose evaluation loss is the weighted mean over all clips.

    The model's loss is that of a batch: divided by the weights of its classes. Trainer would average such means by the
    number of clips, so that a batch of classes with little weight, or with none, counted as much as any other.
    """

    def evaluation_loop(self, dataloader: DataLoader, description: str, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Trainer's own, with the loss divided by the weights of all clips."""
        self._weights: list[torch.Tensor] = []
        output = super().evaluation_loop(dataloader, description, *args, **kwargs)
        if self._weights:
            weights = torch.cat(self._weights)
            share = len(weights) / float(weights.sum()) if weights.any() else 0.0
            for name in output.metrics:
                if name.endswith("_loss"):
                    output.metrics[name] *= share
        return output

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, Any, Any]:
        """Trainer's own; the loss is the sum over the clips, divided by their number and not by their weights."""
        loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        if loss is not None and len(inputs["labels"]):
            weights = self.accelerator.unwrap_model(self.model).loss.weights_of(inputs["labels"].to(loss.device))
            self._weights.append(self.accelerator.gather_for_metrics(weights))
            loss = loss * weights.mean()
        return loss, logits, labels
