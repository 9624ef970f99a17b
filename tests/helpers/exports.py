"""Models to export, and clips to try the files on."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from emofusion.modeling import EmoFusionProcessor
from emofusion.modeling.seen_emofusion import Seen
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound
from helpers.tiny_models import trained_model


def save_model(folder: Path, fusion: str = "gated", actors: Iterable[int] = (1, 2), **changes: Any) -> Path:
    """A checkpoint as if trained by these actors, whose answers differ between clips, with processor and card."""
    model = trained_model(fusion, label_set="emotions8", **changes)
    with torch.no_grad():
        model.head.classifier.weight *= 20
    model.seal_seen(Seen(frozenset(actors), frozenset(model.config.modalities)))
    model.save_pretrained(folder)
    EmoFusionProcessor.from_config(model.config).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-sa-4.0\n---\n")
    return folder


def write_clips(folder: Path) -> Path:
    """Three clips: with both, without sound, without picture."""
    write_media(folder / "both.mp4", make_frames(), make_sound())
    write_media(folder / "silent.mp4", make_frames(seed=1))
    write_sound(folder / "voice.wav", make_sound(seconds=5.0, seed=2))
    return folder
