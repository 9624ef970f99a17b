"""`emofusion push`: a model goes to the hub. Words are understood before anything slow is imported."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from emofusion.training.errors import PublishError

from .endings import DONE
from .export.verb import check_encoders, check_installed
from .handed_over import told_alike
from .model_files import ModelFiles, expanded

if TYPE_CHECKING:
    from emofusion.training.publish.push import Package

_DESCRIPTION = """\
Publish a model on the Hugging Face hub: weights, processor, code, card, plots
and metrics.json, by one commit. Nothing else of the folder goes, and no place
of this machine stands in what does."""
_EPILOG = """\
It needs a login: `hf auth login`, or HF_TOKEN with a token that may write. What
a reader must know (leaky scores, no licence or a contradictory one) is said
first, and stands in the card. A repository that is there gets one more commit;
one that holds anything but a model of emofusion is refused. Where the
connection breaks, what is there stays as it was.

examples:
  emofusion push runs/demo you/emofusion-demo --dry_run
  emofusion push runs/demo you/emofusion-demo --private
  emofusion push runs/demo you/emofusion-demo --onnx --revision tried
"""


def push(words: Sequence[str]) -> int:
    """Publish what the words name, and print its address; returns the exit code.

    Raises:
        FailedError: It cannot be published; what is on the hub is as it was.
    """
    args = _make_parser().parse_args(words)
    folder = Path(expanded(args.model))
    with told_alike(PublishError), TemporaryDirectory() as exported:
        from emofusion.training.publish.hub import Repository, check_name
        from emofusion.training.publish.push import pack, push, to_stderr

        check_name(args.repo)
        pack(folder, args.repo)  # before the login and the export: what cannot go is refused at once
        repository = None if args.dry_run else Repository(args.repo, to_stderr, branch=args.revision)
        onnx = _export(str(folder), Path(exported)) if args.onnx else None
        if repository is None:
            _list(pack(folder, args.repo, onnx))
            return DONE
        push(pack(folder, repository.name, onnx), repository, to_stderr, args.private)
        sys.stdout.write(f"{repository.address}\n")
    return DONE


def _export(model: str, folder: Path) -> Path:
    """Write the model for onnxruntime, as `emofusion export` does, whose words go to standard error here."""
    check_installed("onnx")
    check_encoders(ModelFiles(model).config(), model)
    from .export.exporting import export_model

    with redirect_stdout(sys.stderr):
        export_model(model, "onnx", folder)
    return folder


def _list(package: "Package") -> None:
    """Print what would be pushed; what is to be said of it goes to standard error."""
    for words in package.warnings:
        sys.stderr.write(f"WARNING: {words}\n")
    for part in package.parts:
        sys.stdout.write(f"{part.size:>12,}  {part.name}\n")
    sys.stdout.write(f"{package.bytes:>12,}  bytes in {len(package.parts)} files\n")


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emofusion push",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="emofusion push MODEL REPO [--private] [--revision REV] [--onnx] ...",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a model")
    add("repo", metavar="REPO", help="repository, such as you/model; it is made if it is not there")
    add("--private", action="store_true", help="a new repository is seen by its owner alone")
    add("--revision", metavar="REV", help="push to this branch, which is made if it is not there")
    add("--onnx", action="store_true", help="export the model for onnxruntime, and push that, too")
    add("--dry_run", action="store_true", help="list the files and their sizes, and send nothing")
    return parser
