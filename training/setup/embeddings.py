"""What frozen encoders make of the clips, computed once: `--embedding_views` trains what lies behind them on it.

Of a fusion that is its head, of a branch with a frozen backbone of transformers all but the backbone.
"""

from collections.abc import Mapping
from typing import Any

import torch
from datasets import Dataset as Rows
from torch.utils.data import DataLoader, Dataset

from emofusion.data import ClipCollator, EpochClock
from emofusion.data.store.progress import Bar
from emofusion.modeling import EmoFusionModel

Tensors = Mapping[str, torch.Tensor]


class EmbeddedClips(Dataset[dict[str, torch.Tensor]]):
    """Clips as their tokens or states, in one view or several that take turns from epoch to epoch.

    Args:
        views (`list[dict[str, torch.Tensor]]`): `audio_tokens [clips, steps, size]` and `video_tokens`, or of a branch
            `audio_states` or `video_states`; masks and labels.
        clock (`EpochClock`, *optional*): Tells the epoch, where there are several.
    """

    def __init__(self, views: list[Tensors], clock: EpochClock | None = None) -> None:
        self.views, self.clock = views, clock

    def __len__(self) -> int:
        return len(self.views[0]["labels"])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        view = self.views[self.clock.epoch % len(self.views) if self.clock is not None else 0]
        return {name: values[index] for name, values in view.items()}


def embed_training(
    model: EmoFusionModel, rows: Rows, clock: EpochClock, views: int, batch_size: int, device: torch.device
) -> EmbeddedClips:
    """Training clips in `views` augmented views: those of the first epochs, whatever epoch they are used in.

    They depend on seed, clip and weights alone, so a resumed run makes the same.
    """
    epoch, made = clock.epoch, []
    for view in range(views):
        clock.epoch = view
        made.append(embed(model, rows, batch_size, device, f"embedding, view {view + 1} of {views}"))
    clock.epoch = epoch
    return EmbeddedClips(made, clock)


@torch.no_grad()
def embed(model: EmoFusionModel, rows: Rows, batch_size: int, device: torch.device, title: str) -> Tensors:
    """Tokens or states, masks and labels of all clips, in their order, in main memory.

    States of a clip's sound are `layers * 6 * 2 * hidden` numbers: 0.5 MB of a model with 12 layers of 768.

    Args:
        model (`EmoFusionModel`): In evaluation mode afterwards.
        rows (`Dataset`): Model inputs, such as `clips.inputs(...)["train"]`.
        batch_size (`int`): Clips at a time.
        device (`torch.device`): Where the model lies.
        title (`str`): What the progress bar says.
    """
    model.eval()
    parts: list[dict[str, torch.Tensor]] = []
    loader: DataLoader[Any] = DataLoader(rows, batch_size, collate_fn=_collate)
    with Bar(total=len(rows), desc=title, unit="clip") as bar:
        for batch in loader:
            kept = {name: batch.pop(name) for name in ("labels", "mixup") if name in batch}
            inputs = {name: values.to(device) for name, values in batch.items()}
            found = model.backbone_states(**inputs) if len(model.config.modalities) == 1 else _tokens(model, inputs)
            parts.append({**{name: values.cpu() for name, values in found.items()}, **kept})
            bar.update(len(kept["labels"]))
    return {name: torch.cat(_equally_long([part[name] for part in parts])) for name in parts[0]}


def _tokens(model: EmoFusionModel, inputs: Tensors) -> dict[str, torch.Tensor]:
    encoded = model.encode(**inputs)
    return {
        "audio_tokens": encoded.audio,
        "video_tokens": encoded.video,
        "audio_mask": encoded.audio_mask,
        "video_mask": encoded.video_mask,
    }


def _equally_long(parts: list[torch.Tensor]) -> list[torch.Tensor]:
    """A batch in which no clip has the modality has one step of zeros, and gets as many as the others have."""
    if parts[0].dim() < 3:
        return parts
    steps = max(part.shape[1] for part in parts)
    return [part if part.shape[1] == steps else part.expand(-1, steps, -1) for part in parts]


def _collate(clips: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A batch whose clips are not mixed yet; by `mixup`, where they have it, their tokens will be."""
    plans = [clip.pop("mixup") for clip in clips if "mixup" in clip]
    batch = ClipCollator()(clips)
    return {**batch, "mixup": torch.stack(plans)} if plans else batch
