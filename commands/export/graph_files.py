"""A model as a file: ONNX, or an archive of `torch.export`; what it is and what it needs to be given stands in it."""

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from emofusion.modeling import EmoFusionConfig

from .exportable import Axes, Exportable, drawn_inputs, dynamic_axes, outputs_of, sizes_of

OPSET = 18
"""Of ONNX; the log-mels need 17."""
AXES = ("batch", "frames", "samples", "time")
Inputs = Mapping[str, torch.Tensor]
Run = Callable[[Inputs], dict[str, torch.Tensor]]
"""Answers of an exported model to inputs by name."""


def write_onnx(path: Path, graph: Exportable, axes: Axes, about: Mapping[str, str]) -> None:
    """Write ONNX in one file.

    Args:
        path (`Path`): The file.
        graph (`Exportable`): The model.
        axes (`Axes`): Its inputs.
        about (`Mapping[str, str]`): What stands in its metadata.
    """
    with quiet():
        program = torch.onnx.export(
            graph,
            (),
            kwargs=_example(graph, axes),
            dynamic_shapes=dynamic_axes(axes, {axis: axis for axis in AXES}),
            input_names=list(axes),
            output_names=outputs_of(graph.model.config),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None  # of the older exporter
        program.save(path, external_data=False)
    describe(path, about)


def describe(path: Path, about: Mapping[str, str]) -> None:
    """Put metadata into an ONNX file."""
    import onnx

    model = onnx.load(path)
    _forget_places(model.graph.node)
    for function in model.functions:
        _forget_places(function.node)
    onnx.helper.set_model_props(model, dict(about))
    onnx.save(model, path)


def _forget_places(nodes: Iterable[Any]) -> None:
    """Take from nodes, and from graphs inside them, what torch notes: lines of code, by their path on this machine."""
    for node in nodes:
        del node.metadata_props[:]
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _forget_places(graph.node)


def write_archive(path: Path, graph: Exportable, axes: Axes, about: Mapping[str, str]) -> None:
    """Write an archive of `torch.export`; the arguments are those of [`write_onnx`]."""
    named = dict.fromkeys(AXES, torch.export.Dim.DYNAMIC)
    with quiet():
        program = torch.export.export(graph, (), _example(graph, axes), dynamic_shapes=dynamic_axes(axes, named))
        torch.export.save(program, path, extra_files={"emofusion.json": json.dumps(dict(about), indent=2)})


def open_onnx(path: Path, threads: int = 0) -> Run:
    """The model of an ONNX file; on so many threads, 0 for one on each core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Inputs) -> dict[str, torch.Tensor]:
        found = session.run(names, {name: tensor.numpy() for name, tensor in inputs.items()})
        return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}

    return run


def open_archive(path: Path) -> Run:
    """The model of an archive of `torch.export`.

    Its guards are left out: torch notes of the pooling whether lengths were even when it was exported, and would
    refuse odd ones, of which the graph knows nothing.
    """
    with quiet():
        module = torch.export.load(path).module(check_guards=False)

    def run(inputs: Inputs) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return module(**inputs)

    return run


def metadata_of(
    config: EmoFusionConfig, processor_settings: Mapping[str, object], sound: str, licence: str | None
) -> dict[str, str]:
    """What stands in the file of a model, each value as JSON.

    Args:
        config (`EmoFusionConfig`): The model's.
        processor_settings (`Mapping`): How pictures and log-mels are normalised.
        sound (`str`): What it hears: `"samples"` or `"log_mel"`.
        licence (`str`, *optional*): Of the weights; None where there is no card.
    """
    labels = {int(index): name for index, name in (config.id2label or {}).items()}
    said = {
        "model_type": config.model_type,
        "license": licence,
        "labels": [labels[index] for index in sorted(labels)],
        "unsure_below": config.unsure_below,
        "modalities": list(config.modalities),
        "fusion": config.fusion,
        "sound": sound if "audio" in config.modalities else None,
        "picture": config.picture_input if "video" in config.modalities else None,
        **{
            name: getattr(config, name)
            for name in ("sampling_rate", "clip_duration", "num_frames", "image_size", "window", "face_crop", "grey")
        },
        **processor_settings,
    }
    return {name: json.dumps(value) for name, value in said.items()}


def _example(graph: Exportable, axes: Axes) -> dict[str, torch.Tensor]:
    """Inputs of which no named axis has length 1: such a length would be taken for a fixed one."""
    sizes = sizes_of(graph.model.config)
    return drawn_inputs(axes, {name: max(size, 3 if name == "batch" else 2) for name, size in sizes.items()})


@contextmanager
def quiet() -> Iterator[None]:
    """Without what exporters and quantisers say to their own developers."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
