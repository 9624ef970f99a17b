"""`emofusion export`: a model for other runtimes. Words are understood before anything slow is imported."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emofusion.commands.endings import DONE, FailedError, UsageError
from emofusion.commands.handed_over import told_alike
from emofusion.commands.model_files import ModelFiles, expanded
from emofusion.training.errors import ArgumentError, JobError

FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx", "torch": "model.pt2", "web": "model.onnx"}
"""What is written, by `--to`."""
_ONNX = ("onnx", "onnxscript", "onnxruntime")
NEEDED = {"onnx": _ONNX, "int8": _ONNX, "torch": (), "web": _ONNX}
ORT_VERSION = "1.30.0"
"""Of onnxruntime-web, by which the page of `--to web` runs."""
_DESCRIPTION = """\
Write a model as a file that other runtimes read, with batches, frames and
sound of any length, and compare it with the model before it gets its name."""
_EPILOG = f"""\
With raw sound (the default) the spectrogram is made inside the file, and beside
an ONNX file lies run_onnx.py, which answers about clips with numpy, onnxruntime
and av alone. int8 is fitted to clips that the model was trained on: name them
by --data_dir and the other flags of `emofusion train` (--corpus, --protocol,
--fold, --cache_dir, ...), or by --clips. web is a page for any server of plain
files, on which the model runs in the visitor's browser.

examples:
  emofusion export runs/demo --to onnx --output exported
  emofusion export runs/demo --to torch --sound log_mel
  emofusion export runs/demo --to int8 --data_dir runs/demo_corpus
  emofusion export runs/demo --to int8 --clips recordings --max_clips 64
  npm pack onnxruntime-web@{ORT_VERSION}
  emofusion export runs/demo --to web --ort onnxruntime-web-{ORT_VERSION}.tgz
"""


def export(words: Sequence[str]) -> int:
    """Write the file, and say what it is; returns the exit code.

    Raises:
        UsageError: A flag that cannot be used.
        FailedError: The model cannot be loaded or exported, or the file does not answer as the model.
    """
    args, corpus = _read_words(words)
    check_installed(args.to)
    with told_alike(ArgumentError, JobError, ValueError, OSError):
        from .exporting import export_model

        export_model(args.model, args.to, args.output, args.sound, args.clips, corpus, args.max_clips, args.ort)
    return DONE


def check_installed(to: str) -> None:
    """Refuse a format whose libraries are not there.

    Raises:
        FailedError: It names them, and the extra that brings them.
    """
    absent = [name for name in NEEDED[to] if importlib.util.find_spec(name) is None]
    if absent:
        raise FailedError(f"--to {to}: it needs {' and '.join(absent)}: pip install 'emofusion[export]'")


def check_encoders(config: dict[str, Any], model: str) -> None:
    """Refuse encoders that are not ours.

    Raises:
        FailedError: The model has one of transformers.
    """
    for modality in ("audio", "video"):
        if config.get("fusion") in ("audio", "video") and config["fusion"] != modality:
            continue
        if config.get(f"{modality}_encoder") == "auto":
            kind = (config.get(f"{modality}_config") or {}).get("model_type")
            raise FailedError(
                f"{model}: expected encoders of emofusion, found {modality}_encoder='auto', a {kind} of transformers, "
                "whose inputs its own preprocessor makes; export a model with resnet18, cnn or action_units"
            )


def check_web(config: dict[str, Any], model: str) -> None:
    """Refuse a model whose inputs no browser makes.

    Raises:
        FailedError: It takes action units, or faces that YuNet finds.
    """
    if config.get("fusion") == "audio":
        return
    if config.get("video_encoder") == "action_units":
        raise FailedError(f"{model}: --to web: expected a model of frames or sound, found one of action units")
    if config.get("face_crop") == "yunet":
        raise FailedError(f"{model}: --to web: expected face_crop none or haar, found yunet, which the page lacks")


def _read_words(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The words, and those among them that are flags of a corpus."""
    args, corpus = make_parser().parse_known_args(words)
    if corpus and args.to != "int8":
        raise UsageError(f"{corpus[0]}: --to {args.to} needs no corpus; see emofusion export --help")
    if corpus and args.clips:
        raise UsageError(f"{corpus[0]}: expected a corpus or --clips to quantise by, found both")
    if args.to == "int8" and not corpus and not args.clips:
        raise UsageError(
            "--to int8: expected clips to quantise by, found none: name the corpus of the training by --data_dir and "
            "its other flags, or files by --clips"
        )
    if args.max_clips < 1:
        raise UsageError(f"--max_clips {args.max_clips}: expected 1 or more")
    if args.to == "web" and args.sound != "samples":
        raise UsageError(f"--sound {args.sound}: expected samples with --to web, for a browser has nothing else")
    if args.ort is not None and args.to != "web":
        raise UsageError(f"--ort {args.ort}: --to {args.to} needs none; see emofusion export --help")
    if args.output.exists() and not args.output.is_dir():
        raise UsageError(f"--output {args.output}: expected a folder, found a file")
    try:
        args.model = expanded(args.model)
        config = ModelFiles(args.model).config()  # before torch is imported, which takes seconds
    except FailedError as error:
        raise UsageError(f"MODEL {error}") from error
    check_encoders(config, args.model)
    if args.to == "web":
        check_web(config, args.model)
    return args, corpus


def make_parser() -> argparse.ArgumentParser:
    """Its words; what it does not know are flags of a corpus."""
    parser = argparse.ArgumentParser(
        prog="emofusion export",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="emofusion export MODEL --to FORMAT [--output DIR] ...",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a checkpoint, or repository of the hub")
    add("--to", required=True, choices=sorted(FILES), help="ONNX, ONNX in 8-bit numbers, torch.export, or a page")
    add("--output", type=Path, default=Path("exported"), metavar="DIR", help="folder (default: exported)")
    add(
        "--sound",
        choices=("samples", "log_mel"),
        default="samples",
        help="what it hears: raw sound (default), or what the processor makes of it",
    )
    add("--clips", nargs="+", default=[], metavar="FILE", help="compare on these, or folders of them, too; int8: fit")
    add("--max_clips", type=int, default=128, metavar="N", help="at most so many real clips (default: 128)")
    add("--ort", type=Path, metavar="FILE", help=f"web: onnxruntime-web-{ORT_VERSION}.tgz, as npm pack leaves it")
    return parser
