"""How fast clips are read from the decoded store in random order, beside plain NumPy and a loader of single files.

Each way gives the frames and the sound of a clip as arrays and copies them into a batch, so every byte is touched. The
loader of single files keeps one .npy of frames and one .wav per clip and reads them with numpy.load and librosa.load,
as katerynaCh/multimodal-emotion-recognition does (there with resampling, which is left out here in its favour).

pip install -e '.[bench]'
python benchmarks/store_reading.py                       # on the synthetic demo corpus, made on the spot
python benchmarks/store_reading.py --data_dir RAVDESS    # on the first 384 clips of a corpus with pictures
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import librosa
import numpy as np
import soundfile
from tqdm.auto import tqdm

from emofusion.data import StoredClips
from emofusion.data.demo_corpus.corpus import make_demo_corpus

FRAMES, SIDE, RATE, SAMPLES = 16, 128, 16_000, 48_000
CLIPS, BATCH, ROUNDS = 384, 32, 7

Reader = Callable[[int], tuple[np.ndarray, np.ndarray]]


def readers(rows: datasets.Dataset, folder: Path) -> dict[str, Reader]:
    """Ways to get frames `[16, 128, 128, 3]` and sound `[48000]` of clip number k."""
    frames = np.lib.format.open_memmap(folder / "f.npy", "w+", np.uint8, (len(rows), FRAMES, SIDE, SIDE, 3))
    sounds = np.lib.format.open_memmap(folder / "s.npy", "w+", np.int16, (len(rows), SAMPLES))
    for index, row in enumerate(tqdm(rows, desc="writing the files to compare with", unit="clip")):
        frames[index] = np.frombuffer(row["frames"], np.uint8).reshape(FRAMES, SIDE, SIDE, 3)
        sound = np.frombuffer(row["audio"], np.int16)
        sounds[index, : sound.size] = sound
        np.save(folder / f"{index}.npy", frames[index])
        soundfile.write(folder / f"{index}.wav", sounds[index], RATE, subtype="PCM_16")
    mapped_frames, mapped_sounds = np.load(folder / "f.npy", mmap_mode="r"), np.load(folder / "s.npy", mmap_mode="r")
    clips = StoredClips(rows)

    def from_rows(index: int) -> tuple[np.ndarray, np.ndarray]:
        row = rows[index]
        return np.frombuffer(row["frames"], np.uint8), np.frombuffer(row["audio"], np.int16)

    def from_files(index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.load(folder / f"{index}.npy"), librosa.load(folder / f"{index}.wav", sr=RATE)[0]

    return {
        "NumPy, memory-mapped": lambda index: (mapped_frames[index], mapped_sounds[index]),
        "store, StoredClips": clips.__getitem__,
        "store, rows of the dataset": from_rows,
        "npy + librosa, one file a clip": from_files,
    }


def clips_per_second(read: Reader, order: np.ndarray) -> float:
    """Read all clips once, in this order, into batches."""
    frames, sounds = np.empty((BATCH, FRAMES * SIDE * SIDE * 3), np.uint8), np.empty((BATCH, SAMPLES), np.int16)
    begin = time.perf_counter()
    for place, index in enumerate(order):
        picture, sound = read(int(index))
        frames[place % BATCH] = picture.reshape(-1)
        if sound.dtype == np.int16:
            sounds[place % BATCH, : sound.size] = sound
    return len(order) / (time.perf_counter() - begin)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Speed of reading the decoded store in random order.")
    parser.add_argument("--data_dir", type=Path, help="corpus with pictures; by default the demo corpus is made")
    data_dir = parser.parse_args().data_dir
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if data_dir is None:
            data_dir = make_demo_corpus(folder / "demo", clips_per_actor=16)
        rows = datasets.load_dataset("ravdess", data_dir=str(data_dir), cache_dir=str(folder / "cache"), split="all")
        rows = rows.select(range(min(CLIPS, len(rows))))
        ways = readers(rows, folder)
        order = np.random.default_rng(0).permutation(len(rows))
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):  # in turn, so that a busy moment meets all of them
            for name, read in ways.items():
                speeds[name].append(clips_per_second(read, order))
    plain = speeds["NumPy, memory-mapped"]
    print(f"| {len(order)} clips in random order, one process | clips/s, median | best | of memory-mapped NumPy |")
    print("| --- | --- | --- | --- |")
    for name, found in speeds.items():
        ratio = statistics.median(one / other for one, other in zip(found, plain, strict=True))
        print(f"| {name} | {statistics.median(found):,.0f} | {max(found):,.0f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
