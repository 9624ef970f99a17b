"""What building the decoded store costs beyond bare decoding with the same libraries, on the same cores.

Bare decoding takes the same 16 frames with decord and the whole sound with PyAV, and throws them away; building also
looks through the file, places the window, resizes, hashes and writes, and with faces finds them. Each clip is a copy
of the given one under a name of its own. Ratios are of one run, the ways in turn.

python benchmarks/store_building.py clip.mp4 [voice.flac]
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import av
import decord
import numpy as np

from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.ravdess_names import all_takes
from emofusion.data.sources.ravdess_takes import find_takes
from emofusion.data.store.clip_store import DecodeRequest, decode_missing
from emofusion.data.store.cores import cores
from emofusion.data.store.faces import faces_for
from emofusion.data.store.settings import DecodeSettings

ROUNDS = 5
RATE, FRAMES, SECONDS = 16_000, 16, 3.0


def copies(clip: Path, folder: Path, count: int) -> Path:
    """A corpus of copies."""
    modality = "03" if clip.suffix in (".wav", ".flac") else "01"
    for name in islice(all_takes(), count):
        path = folder / f"Actor_{name.actor:02d}" / f"{modality}-{name.take}{clip.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, path)
    return folder


def decode_sound(path: Path) -> None:
    """The whole sound by PyAV, mono at 16 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        for frame in container.decode(audio=0):
            resampler.resample(frame)


def decode_clip(path: Path) -> None:
    """16 frames by decord, spread over the middle 3 s, and the sound."""
    if path.suffix == ".mp4":
        reader = decord.VideoReader(str(path), num_threads=1)
        rate, length = reader.get_avg_fps(), len(reader)
        start = max(0.0, (length / rate - SECONDS) / 2)
        steps = ((start + np.arange(FRAMES) * SECONDS / FRAMES) * rate).astype(int).clip(max=length - 1)
        reader.get_batch(steps.tolist()).asnumpy()
    decode_sound(path)


def bare(folder: Path) -> None:
    """Decode all files in as many threads as the build has."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(decode_clip, paths))


def build(folder: Path, face_crop: str) -> None:
    """Build a store in a temporary folder."""
    settings = DecodeSettings(face_crop=face_crop)
    files = CorpusFiles(folder)
    takes, _ = find_takes(files)
    with tempfile.TemporaryDirectory() as cache:
        decode_missing(DecodeRequest(files, takes, settings, Path(cache), faces_for(face_crop)))


def seconds(job: Callable[[], None]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def compare(clip: Path, count: int, ways: dict[str, str]) -> None:
    """Print a line for each way of building."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = copies(clip, Path(temporary), count)
        ratios: dict[str, list[float]] = {name: [] for name in ways}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            plain = seconds(lambda: bare(folder))
            for name, face_crop in ways.items():
                times[name].append(seconds(lambda face_crop=face_crop: build(folder, face_crop)))
                ratios[name].append(times[name][-1] / plain)
    for name in ways:
        rate = count / statistics.median(times[name])
        low, middle, high = min(ratios[name]), statistics.median(ratios[name]), max(ratios[name])
        print(f"| {clip.suffix[1:]}, {name} | {count} | {rate:.1f} | {middle:.2f} | {low:.2f}-{high:.2f} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Cost of building the decoded store.")
    parser.add_argument("clips", type=Path, nargs="+", help="a video, a sound, or both")
    parser.add_argument("--count", type=int, default=60, help="copies of a video; ten times as many of a sound")
    args = parser.parse_args()
    print("| clips | copies | built, clips/s | time / bare decoding, median | range |")
    print("| --- | --- | --- | --- | --- |")
    for clip in args.clips:
        if clip.suffix in (".wav", ".flac"):
            compare(clip, 10 * args.count, {"sound alone": "none"})
        else:
            compare(clip, args.count, {"faces off": "none", "faces by the cascade": "haar"})


if __name__ == "__main__":
    main()
