"""A checkpoint that an earlier version wrote is read by today's code, and means the same."""

import numpy as np
import torch

from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from helpers.tiny_checkpoint import FOLDER


def test_checkpoint_of_version_0_1_0_gives_the_logits_that_it_gave():
    model, processor = EmoFusionModel.from_pretrained(FOLDER).eval(), EmoFusionProcessor.from_pretrained(FOLDER)
    time = np.arange(3 * 16_000, dtype=np.float32) / 16_000
    frames = np.arange(4 * 32 * 32 * 3, dtype=np.uint32).reshape(4, 32, 32, 3) % 251
    inputs = processor(audio=np.sin(400 * time), videos=frames.astype(np.uint8), sampling_rate=16_000)
    with torch.no_grad():
        logits = model(**inputs).logits
    expected = torch.tensor([[0.17169, -0.08789, 0.00299, -0.02817, -0.21582, -0.27169, -0.32866, -0.29652]])
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
