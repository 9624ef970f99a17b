"""How the files here were made. Made anew they are those of another version, and prove nothing of the old one.

PYTHONPATH=tests python -m helpers.tiny_checkpoint.make
"""

import torch

from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from helpers.tiny_checkpoint import FOLDER


def main() -> None:
    """Write config, weights and processor; the remote code is left to real checkpoints."""
    torch.manual_seed(0)
    config = EmoFusionConfig(
        encoder_width=4,
        audio_embedding_size=16,
        hidden_size=16,
        gate_hidden_size=8,
        concat_hidden_size=16,
        num_frames=4,
        image_size=32,
        label_set="emotions8",
    )
    EmoFusionModel(config).save_pretrained(FOLDER)
    EmoFusionProcessor.from_config(config).save_pretrained(FOLDER)
    for code in FOLDER.glob("*.py"):
        code.unlink()


if __name__ == "__main__":
    main()
