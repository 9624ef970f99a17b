"""Memory and CPU time of sliding windows over a long recording, beside the bare decoding of the same file.

    python benchmarks/long_windows.py clip.mp4 --minutes 30

Repeats the clip without encoding it anew until it is so long. Then processes of their own read it: one decodes picture
and sound with PyAV and keeps nothing; one also makes RGB of eight pictures a second and shrinks them to 112 pixels, as
whoever shows a model other eight pictures of three seconds every second must; one takes the windows of a model of the
original size, by the processor; and one has that model answer about each, too. Prints for each the peak of memory, in
all and above what libraries and processor take, and the seconds of CPU; then what a timeline takes of the time of bare
decoding and forward passes.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av

HOP = 1.0


def main() -> None:
    """Write the recording, read it both ways, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip", type=Path, help="a film or a sound, which is repeated")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the recording")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"recording{arguments.clip.suffix}"
        repeat(arguments.clip, path, arguments.minutes * 60)
        print(
            f"| {arguments.minutes:g} minutes of {arguments.clip.name} "
            "| peak, MB | above libraries, MB | CPU seconds | windows |"
        )
        print("| --- | ---: | ---: | ---: | ---: |")
        seconds = {}
        for name, work in WAYS.items():
            peak, above, seconds[name], windows = in_its_own_process(work, path)
            print(f"| {name} | {peak:.0f} | {above:.0f} | {seconds[name]:.1f} | {windows} |", flush=True)
        bare, _, taken, answered = seconds.values()
        forward = answered - taken
        ratio = answered / (bare + forward)
        print(f"\nforward passes {forward:.1f} s; all of it is {ratio:.2f} times bare decoding and these")


def repeat(clip: Path, path: Path, seconds: float) -> None:
    """The clip, again and again, its packets as they are."""
    with av.open(str(path), "w") as target:
        streams, shift, first = {}, 0.0, True
        while shift < seconds:
            longest, lead = 0.0, 0.0
            with av.open(str(clip)) as source:
                kinds = [part[0] for part in (source.streams.video, source.streams.audio) if part]
                if first:
                    streams = {stream.type: target.add_stream_from_template(stream) for stream in kinds}
                    first = False
                for packet in source.demux(kinds):
                    if packet.dts is None:
                        continue
                    lead = max(lead, -float(packet.dts * packet.time_base))  # AAC begins before 0
                    packet.pts, packet.dts = (
                        int(value + shift / packet.time_base) for value in (packet.pts, packet.dts)
                    )
                    longest = max(longest, float((packet.pts + (packet.duration or 0)) * packet.time_base) - shift)
                    packet.stream = streams[packet.stream.type]
                    target.mux(packet)
            shift += longest + lead


def in_its_own_process(
    work: Callable[[Path], tuple[float, float, float, int]], path: Path
) -> tuple[float, float, float, int]:
    """What some work on a file gives in a fresh process, whose peak of memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (path,))


def decode(path: Path) -> tuple[float, float, float, int]:
    """Decode every packet, and keep nothing."""
    before, begun = peak_mb(), time.process_time()
    with av.open(str(path)) as container:
        tracks = [part[0] for part in (container.streams.video, container.streams.audio) if part]
        for packet in container.demux(tracks):
            packet.decode()
    return peak_mb(), peak_mb() - before, time.process_time() - begun, 0


def decode_and_shrink(path: Path) -> tuple[float, float, float, int]:
    """Decode every packet, and make of eight pictures a second what a model takes in."""
    import torch
    from torchvision.transforms.v2.functional import resize

    before, begun, taken = peak_mb(), time.process_time(), 0
    with av.open(str(path)) as container:
        tracks = [part[0] for part in (container.streams.video, container.streams.audio) if part]
        for packet in container.demux(tracks):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame) and frame.time is not None and frame.time * 8 >= taken:
                    pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                    resize(pixels.permute(2, 0, 1), [112], antialias=True)
                    taken += 1
    return peak_mb(), peak_mb() - before, time.process_time() - begun, 0


def take_windows(path: Path, answer: bool = False) -> tuple[float, float, float, int]:
    """Take all windows, as inputs of a model, in batches; and have it answer about them."""
    import torch

    from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor

    torch.set_num_threads(1)
    processor = EmoFusionProcessor.from_config(EmoFusionConfig())
    model = EmoFusionModel(EmoFusionConfig()).eval()
    before, begun, windows = peak_mb(), time.process_time(), 0
    for batch in processor.windows(path, hop=HOP, batch_size=8):
        windows += len(batch.start)
        if answer:
            with torch.inference_mode():
                model(**batch.inputs)
    return peak_mb(), peak_mb() - before, time.process_time() - begun, windows


WAYS = {
    "bare decoding": decode,
    "decoding, and eight pictures a second as a model takes them": decode_and_shrink,
    "decoding and windows": take_windows,
    "decoding, windows and forward passes": partial(take_windows, answer=True),
}


def peak_mb() -> float:
    """Peak of the memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
