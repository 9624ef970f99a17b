"""Models to export, and clips to try the files on."""

from pathlib import Path

import torch

from emofusion.modeling import EmoFusionProcessor
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound
from helpers.tiny_models import trained_model


def save_model(folder: Path, fusion: str = "gated", **changes: object) -> Path:
    """A checkpoint as if trained, whose answers differ between clips, with its processor and a card."""
    model = trained_model(fusion, **changes)
    with torch.no_grad():
        model.head.classifier.weight *= 20
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
