"""What a service counts, in the format of Prometheus."""

from collections.abc import Callable, Iterator
from multiprocessing import get_context

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Bounds of the times that are told apart."""


class BatchSizes(Collector):
    """How many clips the model was given at a time. Processes with the model count, the one that answers HTTP tells.

    Args:
        largest (`int`): Clips of the largest batch.
    """

    def __init__(self, largest: int) -> None:
        self._counts = get_context("spawn").Array("q", largest + 1)  # [size] batches; shared with the workers

    def count(self, size: int) -> None:
        """One more batch of so many clips."""
        with self._counts.get_lock():
            self._counts[size] += 1

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What Prometheus asks for."""
        counts: list[int] = self._counts[:]
        upto = [(str(float(size)), float(sum(counts[: size + 1]))) for size in range(1, len(counts))]
        clips = sum(size * count for size, count in enumerate(counts))
        told = HistogramMetricFamily("emofusion_batch_size", "Clips that the model was given at a time")
        told.add_metric([], [*upto, ("+Inf", float(sum(counts)))], float(clips))
        yield told


class Metrics:
    """Counters of one service.

    Args:
        batches (`BatchSizes`): Those of its models.
    """

    def __init__(self, batches: BatchSizes) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(batches)
        self.requests = Counter(
            "emofusion_requests", "Requests about clips, by HTTP status", ["status"], registry=self.registry
        )
        self.seconds = Histogram(
            "emofusion_request_seconds",
            "Seconds from the first byte of an answered request to its answer",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.decoding = Histogram(
            "emofusion_decode_seconds",
            "Seconds until a clip was read, those before its turn came included",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._queue = Gauge(
            "emofusion_queue_length", "Requests that are inside: arriving, waiting or in work", registry=self.registry
        )
        self._room = Gauge("emofusion_queue_limit", "Requests that may be inside", registry=self.registry)

    def watch(self, inside: Callable[[], int], limit: int) -> None:
        """Tell how long a queue is whenever somebody asks."""
        self._queue.set_function(inside)
        self._room.set(limit)
