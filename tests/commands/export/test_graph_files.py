"""Log-mels that are made in a graph, and the comparison that every export goes through."""

import pytest
import torch

from emofusion.commands.export.exportable import Exportable, LogMel, axes_of, sizes_of
from emofusion.commands.export.parity import TOLERANCE, drawn_batches, parity_of
from emofusion.modeling import EmoFusionFeatureExtractor
from helpers.tiny_models import one_thread, trained_model  # noqa: F401

EXTRACTOR = EmoFusionFeatureExtractor(feature_size=32)


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
