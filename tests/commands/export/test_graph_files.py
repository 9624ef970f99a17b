"""Exported files answer as the model: every fusion, every encoder of ours, with anything missing, at any length."""

import math
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from emofusion.commands.export.exportable import Exportable, LogMel, axes_of, sizes_of
from emofusion.commands.export.graph_files import open_archive, open_onnx, write_archive, write_onnx
from emofusion.commands.export.parity import TOLERANCE, drawn_batches, parity_of
from emofusion.modeling import EmoFusionFeatureExtractor
from helpers.tiny_models import one_thread, trained_model  # noqa: F401

SMALL = {"audio_encoder": "cnn", "video_encoder": "action_units"}
"""Encoders that are quickly exported; test_run_onnx.py has ResNets, and a head does not know what made its tokens."""
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("gated", SMALL, "samples"),
    ("xattn", SMALL, "log_mel"),
    ("concat", SMALL, "log_mel"),
    ("late", {**SMALL, "late_audio_weight": 0.3, "temperature": 1.7}, "log_mel"),
    ("audio", {"audio_encoder": "cnn"}, "samples"),
    ("video", {"video_encoder": "action_units"}, "samples"),
]
EXTRACTOR = EmoFusionFeatureExtractor(feature_size=32)


def graph_of(fusion: str, changes: dict[str, Any], sound: str) -> tuple[Exportable, dict]:
    model = trained_model(fusion, **changes)
    axes = axes_of(model.config, sound)
    return Exportable(model, EXTRACTOR if "samples" in axes else None), axes


@pytest.mark.slow
@pytest.mark.parametrize("fusion, changes, sound", CASES, ids=[case[0] for case in CASES])
def test_onnx_answers_as_the_model(fusion: str, changes: dict[str, Any], sound: str, tmp_path: Path):
    graph, axes = graph_of(fusion, changes, sound)
    path = tmp_path / "model.onnx"
    write_onnx(path, graph, axes, {"a": "1"})
    parity = parity_of(open_onnx(path), graph.model, EXTRACTOR, drawn_batches(graph.model, axes))
    assert parity.furthest <= TOLERANCE
    assert parity.same_label == parity.clips == 4
    written = onnx.load(path)
    shapes = {
        value.name: tuple(axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in written.graph.input
    }
    assert shapes == axes
    assert [value.name for value in written.graph.output] == ["logits", "gate"][: 1 + (fusion in ("gated", "xattn"))]
    assert {entry.key: entry.value for entry in written.metadata_props} == {"a": "1"}
    _check_masks(open_onnx(path), drawn_batches(graph.model, axes)[0])


def _check_masks(run: Any, inputs: dict[str, torch.Tensor]) -> None:
    """What stands in place of something that is missing does not count: not even what is no number."""
    expected = run(inputs)
    for mask, name in (("video_mask", "action_units"), ("audio_mask", "samples"), ("audio_mask", "input_features")):
        if name in inputs:
            there = inputs[mask].view(-1, *(1,) * (inputs[name].ndim - 1))
            inputs = {**inputs, name: torch.where(there, inputs[name], math.nan)}
    found = run(inputs)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_archive_answers_as_the_model(tmp_path: Path):
    graph, axes = graph_of("gated", SMALL, "samples")
    path = tmp_path / "model.pt2"
    write_archive(path, graph, axes, {"a": "1"})
    parity = parity_of(open_archive(path), graph.model, EXTRACTOR, drawn_batches(graph.model, axes))
    assert parity.furthest <= TOLERANCE
    extra = {"emofusion.json": ""}
    torch.export.load(path, extra_files=extra)
    assert '"a": "1"' in extra["emofusion.json"]


@pytest.mark.parametrize("loudness", [0.0, 1e-4, 1.0])
def test_log_mels_of_the_graph_are_those_of_the_processor(loudness: float):
    samples = loudness * torch.randn(2, 48_000, generator=torch.Generator().manual_seed(0))
    extractor = EmoFusionFeatureExtractor(mean=-5.0, std=3.0)
    torch.testing.assert_close(LogMel(extractor)(samples), extractor.log_mel(samples), rtol=0, atol=1e-4)


def test_parity_sees_what_differs():
    model = trained_model("gated")
    axes = axes_of(model.config, "log_mel")
    graph = Exportable(model)

    def wrong(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return graph(**{**inputs, "audio_mask": torch.ones_like(inputs["audio_mask"])})

    batches = drawn_batches(model, axes)
    assert parity_of(wrong, model, EXTRACTOR, batches).furthest > TOLERANCE
    assert batches[1]["pixel_values"].shape[1] == sizes_of(model.config)["frames"] + 1
