"""Memory that reading a long recording takes, and the time, beside those of a short one.

    python benchmarks/long_sound.py --hours 24

Writes a mono FLAC of 16 kHz in which a tone is heard once, reads it by the processor in a process of its own,
and prints the peak of memory above that of the same process with the libraries and the processor loaded.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16_000
SHORT_S = 60.0


def main() -> None:
    """Write the recordings, read each in a fresh process, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0, help="length of the long recording")
    hours = parser.parse_args().hours
    print("| recording | memory above model and processor, MB | seconds | window at |")
    print("| --- | ---: | ---: | ---: |")
    for seconds in (SHORT_S, hours * 3600):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording.flac"
            write_recording(path, seconds)
            growth, took, start = in_its_own_process(read, path)
        print(f"| {seconds / 3600:.3g} h | {growth:.0f} | {took:.1f} | {start:.1f} s |")


def write_recording(path: Path, seconds: float) -> None:
    """Faint noise with three seconds of a tone, at two thirds of the recording."""
    rng = np.random.default_rng(0)
    noise = rng.integers(-8, 9, RATE).astype(np.int16)
    tone = (8000 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono", options={"frame_size": "4096"})
        first = round(seconds * 2 / 3)
        for second in range(round(seconds)):
            samples = tone if first <= second < first + 3 else noise
            frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), second * RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def in_its_own_process(work: Callable[[Path], tuple[float, float, float]], path: Path) -> tuple[float, float, float]:
    """What some work on a file gives in a fresh process, whose peak of memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (path,))


def read(path: Path) -> tuple[float, float, float]:
    """Growth of the peak of memory in MB, seconds, and where the window was placed."""
    from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor, read_clip

    config = EmoFusionConfig(fusion="audio")
    EmoFusionModel(config)
    processor = EmoFusionProcessor.from_config(config)
    before, begun = peak_mb(), time.perf_counter()
    processor(path, return_tensors="pt")
    took, growth = time.perf_counter() - begun, peak_mb() - before
    return growth, took, read_clip(path).start


def peak_mb() -> float:
    """Peak of the memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
