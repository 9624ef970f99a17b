"""From single clips to a batch."""

from collections.abc import Sequence

import torch


class ClipCollator:
    """Stacks clips; where one lacks a modality that another has, zeros stand in and its mask is False.

    Example:
        ```python
        >>> Trainer(..., data_collator=ClipCollator())
        ```
    """

    def __call__(self, clips: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Stack `pixel_values [frames, 3, height, width]`, `input_features [mels, time]`, masks and `labels`."""
        batch: dict[str, torch.Tensor] = {}
        for values, mask in (("pixel_values", "video_mask"), ("input_features", "audio_mask")):
            present = [clip.get(values) for clip in clips]
            example = next((tensor for tensor in present if tensor is not None), None)
            if example is None:
                continue
            batch[values] = torch.stack([torch.zeros_like(example) if t is None else t for t in present])
            batch[mask] = torch.stack([clip.get(mask, torch.tensor(values in clip)) for clip in clips])
        if "labels" in clips[0]:
            batch["labels"] = torch.stack([torch.as_tensor(clip["labels"]) for clip in clips])
        return batch
