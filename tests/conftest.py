"""What several tests need: real data, a tiny model; and how the files are dealt to several processes.

torch and the models are imported by what needs them: the process that only deals has no use for them, and nobody
begins before it is there.
"""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emofusion.evaluation import attempts
from helpers import REPOSITORY

if TYPE_CHECKING:
    import torch

    from emofusion.modeling import EmoFusionConfig, EmoFusionModel

if "PYTEST_XDIST_WORKER" in os.environ:
    # One test on each core: more threads would wait for each other. torch reads this when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SLOWEST_FIRST = [
    "test_train_hf.py",
    "test_docs.py",
    "test_page.py",
    "test_search.py",
    "test_web.py",
    "test_stages.py",
    "test_transformers_common.py",
    "test_experiments.py",
    "test_changed_weights.py",
    "test_push_to_hub.py",
    "test_tutorials.py",
    "test_model.py",
    "test_backbones.py",
    "test_times.py",
    "test_every_flag.py",
    "test_wheel.py",
    "test_hub_server.py",
    "test_small_model.py",
    "test_web.py",
    "test_habits.py",
    "test_publish.py",
    "test_other_corpora.py",
    "test_read_clip.py",
    "test_still_images.py",
    "test_backbones_job.py",
    "test_shapes.py",
    "test_real_clips.py",
    "test_release.py",
    "test_store_kill.py",
    "test_store.py",
    "test_tracking.py",
    "test_ravdess.py",
]
"""Files that take longer than others; none of them is to be begun when all others are done."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Processes take whole files in this order: what a file makes for its tests is made once."""
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(SLOWEST_FIRST)}
        items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """What was imported stays: garbage is looked for among what tests make, in two thirds of the time of a run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_fails_unseen(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A card or plot that cannot be written is a warning for users; a test fails by it, unless it is about that."""
    yield
    if "fails_to_illustrate" not in request.keywords:
        records = caplog.get_records("setup") + caplog.get_records("call")
        assert [record.getMessage() for record in records if record.name == attempts.logger.name] == []


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
    from emofusion.modeling import EmoFusionConfig

    return EmoFusionConfig(encoder_width=8, num_frames=4, image_size=32, num_mel_bins=16, hidden_size=16)


@pytest.fixture(scope="session")
def _tiny_model() -> EmoFusionModel:
    import torch

    from emofusion.modeling import EmoFusionConfig, EmoFusionModel

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
    import torch

    generator = torch.Generator().manual_seed(1)
    return {
        "pixel_values": torch.randn(3, 4, 3, 32, 32, generator=generator),
        "input_features": torch.randn(3, 16, 188, generator=generator),
        "video_mask": torch.tensor([True, True, True]),
        "audio_mask": torch.tensor([True, True, True]),
        "labels": torch.tensor([0, 3, 7]),
    }
