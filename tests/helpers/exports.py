"""Models to export, and clips to try the files on."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from emofusion.commands.export.graph_files import Inputs, Run
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


def assert_missing_does_not_count(run: Run, inputs: Inputs) -> None:
    """What stands in place of a picture or sound that is missing does not change an answer: not even no number."""
    expected = run(inputs)
    masks = {"video_mask": ("pixel_values", "action_units"), "audio_mask": ("samples", "input_features")}
    filled = dict(inputs)
    for mask, names in masks.items():
        for name in names:
            if name in inputs:
                assert not inputs[mask].all()
                there = inputs[mask].view(-1, *(1,) * (inputs[name].ndim - 1))
                filled[name] = torch.where(there, inputs[name], math.nan)
    found = run(filled)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)


def signature_of(path: Path) -> tuple[dict[str, tuple[int | str, ...]], list[str]]:
    """Inputs of an ONNX file with their axes, and the names of its outputs."""
    import onnx

    graph = onnx.load(path).graph
    inputs = {
        value.name: tuple(axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in graph.input
    }
    return inputs, [value.name for value in graph.output]
