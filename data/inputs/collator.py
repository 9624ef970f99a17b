"""From single clips to a batch."""

from collections.abc import Sequence

import torch

from .mixup import INPUTS, mix


class ClipCollator:
    """Stacks clips; where one lacks a modality that another has, zeros stand in and its mask is False.

    Clips that came with a plan for it, from the training split with `Augmentation(mixup=...)`, are mixed.

    Args:
        num_labels (`int`, *optional*): Classes of the model. Mixed clips need it.

    Example:
        ```python
        >>> Trainer(..., data_collator=ClipCollator(num_labels=model.config.num_labels))
        ```
    """

    def __init__(self, num_labels: int | None = None) -> None:
        self.num_labels = num_labels

    def __call__(self, clips: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Stack `pixel_values [frames, 3, height, width]`, `input_features [mels, time]`, masks and `labels`.

        `action_units [steps, 35]` with `action_unit_mask [steps]` stand in place of `pixel_values`. What encoders made
        of clips before, `video_tokens` and `audio_tokens`, is stacked likewise.

        Raises:
            ValueError: Clips are to be mixed, and nobody told the number of classes.
        """
        batch: dict[str, torch.Tensor] = {}
        for values, mask in INPUTS:
            present = [clip.get(values) for clip in clips]
            example = next((tensor for tensor in present if tensor is not None), None)
            if example is None:
                continue
            batch[values] = torch.stack([torch.zeros_like(example) if t is None else t for t in present])
            masks = [clip.get(mask) for clip in clips]
            like = next((there for there in masks if there is not None), torch.tensor(True))
            batch[mask] = torch.stack(
                [
                    torch.full_like(like, values in clip) if there is None else there
                    for clip, there in zip(clips, masks, strict=True)
                ]
            )
        if "labels" in clips[0]:
            batch["labels"] = torch.stack([torch.as_tensor(clip["labels"]) for clip in clips])
        if "mixup" not in clips[0]:
            return batch
        if self.num_labels is None:
            raise ValueError("mixup: ClipCollator() does not know the classes; write ClipCollator(num_labels=...)")
        return mix(batch, torch.stack([clip["mixup"] for clip in clips]), self.num_labels)
