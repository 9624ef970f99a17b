"""What each augmentation costs: milliseconds of one core a clip, beside those of making inputs of it at all.

python benchmarks/augmentation.py
"""

import time

import numpy as np
import torch
from tqdm.auto import tqdm

from emofusion.data import ClipCollator, ClipInputs
from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.spec_augment import SpecAugment
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor

BATCH, ROUNDS, CLASSES = 16, 15, 8
WAYS = {
    "spec_augment": {"spec_augment": SpecAugment()},
    "frame_augment": {"frames": True},
    "erase_augment": {"erase": 1.0},
    "time_shift": {"time_shift": 0.25},
    "gain_augment": {"gain": 6.0},
    "noise_augment": {"noise": 1.0},
    "mel_warp": {"mel_warp": 0.1},
    "black_augment": {"black": 1.0},
    "mixup_alpha": {"mixup": 0.3},
}
OFF = {"spec_augment": None, "frames": False}


def made_rows() -> dict[str, list]:
    """A batch of noise in the form of stored clips, with the default settings."""
    generator = np.random.default_rng(0)
    clips = [f"clip {number}" for number in range(BATCH)]
    sounds = {name: count * 2 for name, count in (("audio_before", 4000), ("audio", 48_000), ("audio_after", 4000))}
    return {
        "clip": clips,
        "source": clips,
        "label": [number % CLASSES for number in range(BATCH)],
        "frames": [generator.bytes(16 * 128 * 128 * 3) for _ in clips],
        **{name: [generator.bytes(size) for _ in clips] for name, size in sounds.items()},
    }


def main() -> None:
    """Print a table. The ways take turns, so that none of them has the machine's good minutes for itself."""
    torch.set_num_threads(1)
    processor, rows, collate = EmoFusionProcessor.from_config(EmoFusionConfig()), made_rows(), ClipCollator(CLASSES)
    ways = {"nothing": OFF} | {name: OFF | fields for name, fields in WAYS.items()}
    transforms = {name: ClipInputs(processor, Augmentation(seed=0, **fields)) for name, fields in ways.items()}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in tqdm(range(ROUNDS), desc="rounds"):
        for name, transform in transforms.items():
            begun = time.process_time()
            inputs = transform(rows)
            collate([{key: values[clip] for key, values in inputs.items()} for clip in range(BATCH)])
            taken[name].append((time.process_time() - begun) / BATCH * 1000)
    plain = min(taken["nothing"])  # what disturbs a measurement only ever adds to it
    print("| augmentation | ms a clip |\n| --- | --- |")
    print(f"| nothing | {plain:.1f} |")
    for name in WAYS:
        print(f"| {name} | {min(taken[name]) - plain:+.1f} |")


if __name__ == "__main__":
    main()
