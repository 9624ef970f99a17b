"""How much of the voice each window rule keeps: share of a clip's sound energy inside the 3 seconds that are taken.

python benchmarks/window_coverage.py path/to/ravdess
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.ravdess_takes import find_takes
from emofusion.modeling.media_emofusion import read_audio
from emofusion.modeling.window_emofusion import WINDOWS, window_start

RATE, SECONDS = 16_000, 3.0


def kept_energy(audio: np.ndarray, window: str) -> float:
    """Share of the energy of mono sound `[samples]` that lies in the window, 0..1."""
    power = np.square(audio - audio.mean(), dtype=np.float64)
    first = round(window_start(audio, RATE, len(audio) / RATE, SECONDS, window) * RATE)
    return power[first : first + round(SECONDS * RATE)].sum() / power.sum()


def coverage(data_dir: Path) -> dict[str, np.ndarray]:
    """Kept energy `[clips]` by window rule, over all clips of a corpus that have sound."""
    files = CorpusFiles(data_dir)
    takes, _ = find_takes(files)
    kept: dict[str, list[float]] = {window: [] for window in WINDOWS}
    for take in tqdm(takes, unit="clip"):
        audio = read_audio(files.media((take.sounds or take.pictures)[0]), RATE)
        if audio is not None:
            for window in WINDOWS:
                kept[window].append(kept_energy(audio, window))
    return {window: np.array(shares) for window, shares in kept.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Share of sound energy that each window rule keeps.")
    parser.add_argument("data_dir", type=Path, help="folder with RAVDESS files")
    kept = coverage(parser.parse_args().data_dir)
    print("| window | clips | energy kept, mean | worst clip | clips that lose over 5 % |")
    print("| --- | --- | --- | --- | --- |")
    for window, shares in kept.items():
        lost = int((shares < 0.95).sum())
        print(f"| {window} | {len(shares)} | {shares.mean():.3f} | {shares.min():.3f} | {lost} |")


if __name__ == "__main__":
    main()
