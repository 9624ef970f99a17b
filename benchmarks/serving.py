"""A model behind HTTP under load, on this machine alone: throughput, waiting times, and whose answer one gets.

    python benchmarks/serving.py --clients 50 200 --requests 1000

Draws clips that all differ and asks the pipeline about each. Then clients of one process send them, as many at a
time as `--clients` says, to `emofusion serve`, and to the same model behind FastAPI and a queue in Redis
(benchmarks/redis_queue.py) and in Ray Serve (benchmarks/ray_serve.py). Each answer is held beside that about its own
clip. Whoever is told to come again (429) waits as long as he is told and does; his time counts from his first try.
Prints a table, with a plain loop over the same clips in one process as its first line. Needs the extras `serve` and
`bench`; where redis-server or Ray is not there, that part is left out.
"""

import argparse
import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

CLOSE = 1e-4
"""How far probabilities of one clip may lie apart: it is answered in batches of other sizes."""
START_SECONDS = 900.0
Ready = tuple[str, str]
"""Where a service says whether it is ready, and a word that it then says."""
HEADS = "way, clients, answered, wrong, failed, 429, a second, p50 (s), p95 (s), p99 (s), MB at each quarter".split(
    ", "
)


@dataclass
class Load:
    """What became of some requests.

    Attributes:
        seconds (`list[float]`): Of each that was answered, from its first try.
        again (`int`): How often somebody was told to come again.
        wrong (`int`): Answers that are not those about the clip that was sent.
        failed (`int`): Requests with neither.
        took (`float`): Seconds of all together.
        memory (`list[float]`): MB of the service at the beginning, after each quarter of the requests, and at the end.
    """

    seconds: list[float] = field(default_factory=list)
    again: int = 0
    wrong: int = 0
    failed: int = 0
    took: float = 0.0
    memory: list[float] = field(default_factory=list)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="models/emofusion-small", help="folder of a checkpoint")
    parser.add_argument("--clients", type=int, nargs="+", default=[50, 200], help="how many wait at a time")
    parser.add_argument("--requests", type=int, default=1000, help="of each part")
    parser.add_argument("--clips", type=int, default=16, help="how many different ones are drawn")
    parser.add_argument("--queue", type=int, default=64, help="clips that may be inside `emofusion serve`")
    parser.add_argument("--workers", type=int, default=1, help="processes with the model, of either service")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = draw(Path(folder), args.clips)
        answers, alone = ask_pipeline(args.model, clips)
        print(f"| {' | '.join(HEADS)} |\n| --- |{' ---: |' * (len(HEADS) - 1)}")
        print(line("a loop in one process", 1, alone))
        for way, commands, ready in services(args):
            with started(commands, ready) as (port, pids):
                loads(way, port, pids, clips, answers, args)


def services(args: argparse.Namespace) -> Iterator[tuple[str, list[list[str]], Ready]]:
    """Each way that can be had here: its name, its commands, and how it says that it is ready."""
    python, workers = [sys.executable], str(args.workers)
    serve = [*python, "-m", "emofusion", "serve", "--model", args.model, "--queue", str(args.queue)]
    yield "`emofusion serve`", [[*serve, "--workers", workers, "--port", "{port}"]], ("/health", "ok")
    if shutil.which("redis-server") is None:
        sys.stderr.write("redis-server is not there: the queue in Redis was not measured\n")
    else:
        other, redis = [*python, str(Path(__file__).with_name("redis_queue.py"))], str(free_port())
        commands = [
            ["redis-server", "--port", redis, "--save", "", "--appendonly", "no", "--logfile", "/dev/null"],
            *[[*other, "worker", redis, args.model] for _ in range(args.workers)],
            [*other, "web", redis, "{port}"],
        ]
        yield "FastAPI and Redis", commands, ("/health", "ok")
    if importlib.util.find_spec("ray") is None:
        sys.stderr.write("ray is not there: Ray Serve was not measured\n")
    else:
        ray = [*python, str(Path(__file__).with_name("ray_serve.py")), args.model, workers, "{port}"]
        yield "Ray Serve", [ray], ("/-/routes", "/predict")


def draw(folder: Path, count: int) -> list[bytes]:
    """Clips of the demo corpus, each another."""
    from emofusion.data.demo_corpus import make_demo_corpus

    corpus = make_demo_corpus(folder / "corpus", actors=[1], clips_per_actor=count, jobs=1, progress=False)
    return [path.read_bytes() for path in sorted(corpus.rglob("*.mp4"))]


def ask_pipeline(model: str, clips: Sequence[bytes]) -> tuple[list[np.ndarray], Load]:
    """Probabilities about each clip, and how long a plain loop takes for them."""
    import torch

    from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
    from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

    torch.set_num_threads(1)
    pipe = EmoFusionPipeline(
        model=EmoFusionModel.from_pretrained(model), processor=EmoFusionProcessor.from_pretrained(model)
    )
    pipe(clips[0])
    load, begun = Load(), time.monotonic()
    answers = []
    for clip in clips:
        before = time.monotonic()
        answers.append(scores_of(pipe(clip)))
        load.seconds.append(time.monotonic() - before)
    load.took = time.monotonic() - begun
    apart = min(float(np.abs(a - b).max()) for i, a in enumerate(answers) for b in answers[:i])
    if apart <= CLOSE:
        raise SystemExit(f"two clips get the same answer within {apart:.1e}: nobody could tell if they were mixed up")
    return answers, load


def scores_of(answer: dict[str, Any]) -> np.ndarray:
    """Probabilities, in the order of the names of their classes."""
    return np.array([answer["scores"][name] for name in sorted(answer["scores"])])


def loads(
    way: str, port: int, pids: list[int], clips: list[bytes], answers: list[np.ndarray], args: argparse.Namespace
) -> None:
    """Send all requests with each number of clients, and print a line for each."""
    for clients in args.clients:
        load = asyncio.run(send(f"http://127.0.0.1:{port}/predict", pids, clips, answers, clients, args.requests))
        print(line(way, clients, load), flush=True)


async def send(
    url: str, pids: list[int], clips: list[bytes], answers: list[np.ndarray], clients: int, requests: int
) -> Load:
    """So many requests, by clients that each send the next one when theirs is answered."""
    load, numbers, begun = Load(), iter(range(requests)), time.monotonic()
    quarters = {requests * quarter // 4 for quarter in range(4)}

    async def client(http: httpx.AsyncClient) -> None:
        for number in numbers:
            if number in quarters:
                load.memory.append(memory_mb(pids))
            clip, before = number % len(clips), time.monotonic()
            try:
                said = await http.post(url, files={"file": ("clip.mp4", clips[clip])})
                while said.status_code == 429:
                    load.again += 1
                    await asyncio.sleep(float(said.headers["Retry-After"]))
                    said = await http.post(url, files={"file": ("clip.mp4", clips[clip])})
                said.raise_for_status()
            except httpx.HTTPError as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                load.failed += 1
                continue
            load.seconds.append(time.monotonic() - before)
            load.wrong += bool(np.abs(scores_of(said.json()) - answers[clip]).max() > CLOSE)

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(limits=limits, timeout=START_SECONDS, trust_env=False) as http:
        await asyncio.gather(*(client(http) for _ in range(clients)))
    load.took = time.monotonic() - begun
    load.memory.append(memory_mb(pids))
    return load


def line(way: str, clients: int, load: Load) -> str:
    """One of the table."""
    quantiles = np.quantile(load.seconds, [0.5, 0.95, 0.99]) if load.seconds else [np.nan] * 3
    counts = f"{len(load.seconds)} | {load.wrong} | {load.failed} | {load.again}"
    times = " | ".join(f"{seconds:.2f}" for seconds in quantiles)
    memory = ", ".join(f"{megabytes:.0f}" for megabytes in load.memory) or "-"
    return f"| {way} | {clients} | {counts} | {len(load.seconds) / load.took:.2f} | {times} | {memory} |"


@contextmanager
def started(commands: Sequence[Sequence[str]], ready: Ready) -> Iterator[tuple[int, list[int]]]:
    """Processes, until the last of them says that it is ready; then its port, and their ids."""
    port = free_port()
    with ExitStack() as stack:
        processes = []
        for command in commands:
            words = [word.format(port=port) for word in command]
            processes.append(subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}))
            stack.callback(end, processes[-1])
        until = time.monotonic() + START_SECONDS
        while not is_ready(port, *ready):
            if time.monotonic() > until or any(process.poll() is not None for process in processes):
                raise SystemExit(f"{' '.join(commands[-1])}: does not start")
            time.sleep(0.5)
        yield port, [process.pid for process in processes]


def is_ready(port: int, path: str, word: str) -> bool:
    """Whether the service takes clips."""
    try:
        said = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return False
    return said.status_code == 200 and word in said.text


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell it to stop, and wait."""
    process.terminate()
    try:
        process.wait(150)
    except subprocess.TimeoutExpired:
        process.kill()


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory_mb(pids: Sequence[int]) -> float:
    """Of processes and all that they have started; what several share counts once. Linux alone."""
    family, total = set(pids), 0
    for _ in range(4):  # generations
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in family:
                family.add(int(entry.parent.name))
    for pid in family:
        try:
            rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(row.split()[1]) for row in rolled.splitlines() if row.startswith("Pss:"))
    return total / 1024


if __name__ == "__main__":
    main()
