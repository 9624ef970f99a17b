"""A model in 8-bit numbers, by onnxruntime's own static quantisation: weights a fourth, ranges from real clips.

Quantised is what lies between convolutions, where nearly all weights and all the work are; the log-mels before them
and the head behind them stay as they are. Weights keep 7 of their 8 bits: on processors without dot products of 8 bits
sums of full ones overflow, without a word. Source: Jacob et al. 2018, Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference (arXiv:1712.05877).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .graph_files import Inputs, quiet

QUANTISED = ("Conv", "Relu", "Add", "MaxPool")
"""Operations of the encoders that have a form for 8 bits."""


class _Reader(CalibrationDataReader):
    """Hands batches to onnxruntime, one after the other."""

    def __init__(self, batches: Iterable[Inputs]) -> None:
        self.batches: Iterator[Inputs] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.batches, None)
        return None if batch is None else {name: tensor.numpy() for name, tensor in batch.items()}


def quantise(source: Path, target: Path, batches: Iterable[Inputs]) -> None:
    """Write an ONNX file in 8-bit numbers.

    Args:
        source (`Path`): The same model in 32 bits.
        target (`Path`): What is written; it has no metadata yet.
        batches (`Iterable`): Inputs by name, from whose values the ranges are taken.

    Raises:
        ValueError: There is nothing in it to quantise.
    """
    with TemporaryDirectory() as folder, quiet():
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)  # joins convolutions and their BatchNorm
        nodes = between_convolutions(onnx.load(prepared).graph)
        if not nodes:
            raise ValueError("--to int8: expected a model with convolutions, found none: --to onnx writes it as it is")
        quantize_static(
            prepared,
            target,
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes,
        )


def between_convolutions(graph: Any) -> list[str]:
    """Names of the nodes of a graph that are convolutions, or have one both before and behind them."""
    behind = _reached(graph.node, lambda node: node.input, lambda node: node.output)
    before = _reached(reversed(graph.node), lambda node: node.output, lambda node: node.input)
    return [
        node.name
        for node in graph.node
        if node.op_type == "Conv" or (node.op_type in QUANTISED and node.name in behind & before)
    ]


def _reached(
    nodes: Iterable[Any], incoming: Callable[[Any], Iterable[str]], outgoing: Callable[[Any], Iterable[str]]
) -> set[str]:
    """Names of the nodes, which come in order, that a convolution leads to."""
    values: set[str] = set()
    names = set()
    for node in nodes:
        if values & set(incoming(node)):
            names.add(node.name)
            values |= set(outgoing(node))
        if node.op_type == "Conv":
            values |= set(outgoing(node))
    return names
