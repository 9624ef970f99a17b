#!/usr/bin/env python
"""Train and score emofusion models.

On a laptop, on the synthetic demo corpus:
    python -m emofusion.data.demo_corpus runs/demo_corpus
    python train_hf.py recipes/demo.yaml --data_dir runs/demo_corpus --output_dir runs/demo
On a GPU, mixed precision:
    accelerate launch --quiet train_hf.py recipes/gated.yaml --data_dir RAVDESS --output_dir runs/gated --bf16
Score a checkpoint on a corpus without training:
    python train_hf.py --model_name_or_path runs/gated --do_predict --data_dir RAVDESS --output_dir runs/gated_scores
Every fold of a protocol, variants side by side, or a search for the best settings:
    accelerate launch --quiet train_hf.py recipes/gated.yaml --protocol msaf6 --cross_validate --data_dir DIR ...
    accelerate launch --quiet train_hf.py recipes/gated.yaml --ablation recipes/ablations/fusions.yaml ...
    accelerate launch --quiet train_hf.py recipes/gated.yaml --search recipes/search/gated.yaml --data_dir DIR ...
"""

import sys
from collections.abc import Sequence

from emofusion.training.errors import ArgumentError, JobError
from emofusion.training.train import run


def main(argv: Sequence[str]) -> None:
    """Run, or say in one line what is wrong with flags, recipe, checkpoint or corpus."""
    try:
        run(argv)
    except (ArgumentError, JobError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
