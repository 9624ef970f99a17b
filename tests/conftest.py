"""What several tests need: real data, a tiny model."""

import copy
import os
from pathlib import Path

import pytest
import torch

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from helpers import REPOSITORY


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real voices, clips and faces; they are not part of the repository."""
    folder = Path(os.environ.get("EMOFUSION_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; name its folder in EMOFUSION_TEST_DATA")
    return folder


@pytest.fixture
def tiny_config() -> EmoFusionConfig:
    """Everything small: 4 frames of 32 pixels, 16 mels, narrow encoders."""
    return EmoFusionConfig(encoder_width=8, num_frames=4, image_size=32, num_mel_bins=16, hidden_size=16)


@pytest.fixture(scope="session")
def _tiny_model() -> EmoFusionModel:
    torch.manual_seed(0)
    config = EmoFusionConfig(encoder_width=8, num_frames=4, image_size=32, num_mel_bins=16, hidden_size=16)
    return EmoFusionModel(config).eval()


@pytest.fixture
def tiny_model(_tiny_model: EmoFusionModel) -> EmoFusionModel:
    """A tiny gated model, untrained, in evaluation mode."""
    return copy.deepcopy(_tiny_model)


@pytest.fixture
def tiny_batch() -> dict[str, torch.Tensor]:
    """Inputs of three clips for `tiny_model`, with labels."""
    generator = torch.Generator().manual_seed(1)
    return {
        "pixel_values": torch.randn(3, 4, 3, 32, 32, generator=generator),
        "input_features": torch.randn(3, 16, 188, generator=generator),
        "video_mask": torch.tensor([True, True, True]),
        "audio_mask": torch.tensor([True, True, True]),
        "labels": torch.tensor([0, 3, 7]),
    }
