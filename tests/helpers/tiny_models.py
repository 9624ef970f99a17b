"""Tiny models and batches for tests, as plain functions, because most tests run over every fusion."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from emofusion.modeling.fusion_emofusion import HEADS

FUSIONS = sorted(HEADS)
BOTH = [fusion for fusion in FUSIONS if fusion not in ("audio", "video")]
"""Fusions that read both modalities."""
GATED = ["gated", "xattn"]
READS_AUDIO, READS_VIDEO = [*BOTH, "audio"], [*BOTH, "video"]
CASES = [(fusion, "audio") for fusion in READS_AUDIO] + [(fusion, "video") for fusion in READS_VIDEO]
"""Every fusion with every modality that it reads."""
SIZES: dict[str, Any] = {
    "encoder_width": 8,
    "num_frames": 4,
    "image_size": 32,
    "num_mel_bins": 32,
    "audio_embedding_size": 24,
    "hidden_size": 16,
}
INPUTS = {"audio": "input_features", "video": "pixel_values"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For the test files that import it: layers as small as these only wait for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def new_model(fusion: str = "gated", **changes: Any) -> EmoFusionModel:
    """An untrained model in evaluation mode, always the same."""
    torch.manual_seed(0)
    return EmoFusionModel(EmoFusionConfig(fusion=fusion, **{**SIZES, **changes})).eval()


def trained_model(fusion: str = "gated", **changes: Any) -> EmoFusionModel:
    """A model as if trained: no weight and no statistic is where it started, and the gate differs between clips."""
    model = new_model(fusion, **changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer += 0.1 * torch.rand(buffer.shape, generator=generator)
        if fusion in GATED:
            model.head.gate.output.weight *= 30
    return model


def batch_of(clips: int, labels: bool = False) -> dict[str, torch.Tensor]:
    """Inputs of clips that have both modalities."""
    generator = torch.Generator().manual_seed(2)
    batch = {
        "pixel_values": torch.randn(clips, 4, 3, 32, 32, generator=generator),
        "input_features": torch.randn(clips, 32, 188, generator=generator),
        "video_mask": torch.ones(clips, dtype=torch.bool),
        "audio_mask": torch.ones(clips, dtype=torch.bool),
    }
    return {**batch, "labels": torch.arange(clips) % 8} if labels else batch


def without(batch: dict[str, torch.Tensor], modality: str, clips: list[int], fill: float) -> dict[str, torch.Tensor]:
    """The batch with one modality masked in some clips, whose tensor holds `fill` there."""
    there = batch[f"{modality}_mask"].clone()
    there[clips] = False
    values = batch[INPUTS[modality]].clone()
    values[clips] = fill
    return {**batch, f"{modality}_mask": there, INPUTS[modality]: values}


def assert_same(found: dict, expected: dict) -> None:
    """Two dictionaries of tensors, equal bit by bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
