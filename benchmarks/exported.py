"""What exported models weigh, cost and lose: size, parity, latency beside torch's, and scores on unseen actors.

python benchmarks/exported.py runs/gated --data_dir RAVDESS --protocol msaf6 --fold 0
python benchmarks/exported.py runs/gated --clips recordings

The flags are those of the model's training: its training actors quantise, its test actors are scored. With --clips
files quantise, and nothing is scored.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from sklearn.metrics import balanced_accuracy_score
from tqdm.auto import tqdm

from emofusion.commands.export.clips import RealClips, clips_of_files, load_corpus, scored_clips, training_clips
from emofusion.commands.export.exporting import Export
from emofusion.commands.export.graph_files import Inputs, Run, open_archive, open_onnx
from emofusion.commands.export.parity import answers_of
from emofusion.commands.export.verb import FILES
from emofusion.training.setup.leaks import actors_of

ROUNDS = 30
OPENED = {"torch": open_archive, "onnx": open_onnx, "int8": open_onnx}
CALLED = {"torch": "torch.export", "onnx": "ONNX", "int8": "ONNX, int8"}


def latencies(runs: dict[str, Run], clip: Inputs) -> dict[str, float]:
    """Milliseconds of one core for one clip; they take turns, so that none has the good minutes of a machine alone."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in tqdm(range(ROUNDS), desc="rounds"):
        for name, run in runs.items():
            begun = time.process_time()
            run(clip)
            taken[name].append((time.process_time() - begun) * 1000)
    return {name: min(times) for name, times in taken.items()}  # what disturbs a measurement only ever adds to it


def labels_of(run: Run, clips: RealClips) -> list[int]:
    """The classes that a model names."""
    return [label for batch in clips.batches for label in run(batch)["logits"].argmax(-1).tolist()]


def unseen_clips(job: Export, corpus: Sequence[str], limit: int) -> tuple[RealClips, RealClips]:
    """Clips to quantise by, and those of actors who trained nothing."""
    read, name = load_corpus(job.name, corpus)
    parts = (job.processor, job.axes, job.model.config)
    fitted = training_clips(read, name, *parts, limit)  # refuses a model of which nobody knows whom it has seen
    tested = actors_of(read.splits["test"]) if "test" in read.splits else set()
    if not tested or tested & set(job.model.config.training_actors or ()):
        raise SystemExit(f"{job.name}: expected test clips of known actors that it was not trained on, found none")
    return fitted, scored_clips(read, name, *parts)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a checkpoint")
    parser.add_argument("--clips", nargs="+", default=[], help="files to quantise by, in place of a corpus")
    parser.add_argument("--max_clips", type=int, default=128, help="quantise by at most so many")
    args, corpus = parser.parse_known_args()
    torch.set_num_threads(1)
    job, scored = Export(args.model, "samples"), None
    if args.clips:
        fitted = clips_of_files(args.clips, job.pipe, job.axes, args.max_clips)
    else:
        fitted, scored = unseen_clips(job, corpus, args.max_clips)
    runs: dict[str, Run] = {"torch, as it is": lambda inputs: answers_of(job.model, job.extractor, inputs)}
    rows: dict[str, list[str]] = {"torch, as it is": [f"{job.bytes / 1e6:.2f}", "", ""]}
    with TemporaryDirectory() as folder:
        for to, name in CALLED.items():
            path = Path(folder, FILES[to])
            parity = job.write(to, path, fitted)
            rows[name] = [f"{path.stat().st_size / 1e6:.2f}", f"{parity.furthest:.1e}", f"{parity.probabilities:.1e}"]
            runs[name] = OPENED[to](path, threads=1) if to != "torch" else OPENED[to](path)
        clip = {name: tensor[:1] for name, tensor in fitted.batches[0].items()}
        times = latencies(runs, clip)
        scores = {
            name: 100 * balanced_accuracy_score(scored.labels, labels_of(run, scored)) if scored is not None else None
            for name, run in runs.items()
        }
    print(f"{args.model}, quantised by {fitted.words}; scored on {scored.words if scored is not None else 'nobody'}\n")
    print("| file | MB | furthest from torch | probabilities off, mean | latency of torch's | UAR | points lost |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    own_time, own_score = (column["torch, as it is"] for column in (times, scores))
    for name, cells in rows.items():
        score = scores[name]
        points = ["", ""] if score is None or own_score is None else [f"{score:.1f}", f"{own_score - score:+.1f}"]
        print(f"| {' | '.join([name, *cells, f'{times[name] / own_time:.2f}', *points])} |")


if __name__ == "__main__":
    main()
