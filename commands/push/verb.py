"""`emofusion push`: a model goes to the hub. Words are understood before anything slow is imported."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from emofusion.commands.endings import DONE, UsageError
from emofusion.commands.export.verb import check_encoders, check_installed
from emofusion.commands.handed_over import told_alike
from emofusion.commands.model_files import ModelFiles, expanded
from emofusion.training.errors import PublishError

if TYPE_CHECKING:
    from emofusion.training.publish.contents import Part

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the page lies, if this is no wheel."""

_DESCRIPTION = """\
Publish a model on the Hugging Face hub: weights, processor, code, card, plots
and metrics.json, by one commit. Nothing else of the folder goes, and of
paths of this machine that stand by themselves in what does, the last name
alone."""
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
  emofusion push you/emofusion-demo you/emofusion-page --space
"""


def push(words: Sequence[str]) -> int:
    """Publish what the words name, and print its address; returns the exit code.

    Raises:
        UsageError: Words that do not go together.
        FailedError: It cannot be published; what is on the hub is as it was.
    """
    args = make_parser().parse_args(words)
    if args.space and args.onnx:
        raise UsageError("--onnx with --space: the page runs the model by torch; push the model itself with --onnx")
    folder = Path(expanded(args.model))
    with told_alike(PublishError), TemporaryDirectory() as exported:
        from emofusion.training.publish.hub import Repository, check_name
        from emofusion.training.publish.push import pack, push_model, to_stderr

        check_name(args.repo)
        if args.space:
            _push_space(args, folder)
            return DONE
        pack(folder, args.repo)  # before the login and the export: what cannot go is refused at once
        repository = None if args.dry_run else Repository(args.repo, to_stderr, branch=args.revision)
        onnx = _export(str(folder), Path(exported)) if args.onnx else None
        if repository is None:
            package = pack(folder, args.repo, onnx)
            for words_of_it in package.warnings:
                to_stderr(f"WARNING: {words_of_it}")
            _list(package.parts)
            return DONE
        push_model(pack(folder, repository.name, onnx), repository, to_stderr, args.private)
        sys.stdout.write(f"{repository.address}\n")
    return DONE


def _push_space(args: argparse.Namespace, folder: Path) -> None:
    """Push the page, with the model or the name of one, or list what would go."""
    from emofusion.training.publish.hub import Repository
    from emofusion.training.publish.push import pack, to_stderr
    from emofusion.training.publish.space import push_space, space_parts
    from emofusion.training.publish.space_card import MODEL_FOLDER

    is_here = folder.is_dir()
    if not is_here:
        ModelFiles(args.model).config()  # of the hub: is it there, and one of ours?
    package = pack(folder, MODEL_FOLDER) if is_here else None
    for words in package.warnings if package is not None else ():
        to_stderr(f"WARNING: {words}")
    parts = space_parts(CHECKOUT, args.model, package.parts if package is not None else ())
    if args.dry_run:
        return _list(parts)
    repository = Repository(args.repo, to_stderr, kind="space", branch=args.revision)
    push_space(parts, repository, to_stderr, args.private)
    sys.stdout.write(f"{repository.address}\n")


def _export(model: str, folder: Path) -> Path:
    """Write the model for onnxruntime, as `emofusion export` does, whose words go to standard error here."""
    check_installed("onnx")
    check_encoders(ModelFiles(model).config(), model)
    from emofusion.commands.export.exporting import export_model

    with redirect_stdout(sys.stderr):
        export_model(model, "onnx", folder)
    return folder


def _list(parts: Sequence["Part"]) -> None:
    """Print what would be pushed."""
    for part in parts:
        sys.stdout.write(f"{part.size:>12,}  {part.name}\n")
    sys.stdout.write(f"{sum(part.size for part in parts):>12,}  bytes in {len(parts)} files\n")


def make_parser() -> argparse.ArgumentParser:
    """Its words."""
    parser = argparse.ArgumentParser(
        prog="emofusion push",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="emofusion push MODEL REPO [--private] [--onnx] [--space] ...",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a model")
    add("repo", metavar="REPO", help="repository, such as you/model; it is made if it is not there")
    add("--private", action="store_true", help="a new repository is seen by its owner alone")
    add("--revision", metavar="REV", help="push to this branch, which is made if it is not there")
    add("--onnx", action="store_true", help="export the model for onnxruntime, and push that, too")
    add("--space", action="store_true", help="push a Space instead: the page, with the model; MODEL may be on the hub")
    add("--dry_run", action="store_true", help="list the files and their sizes, and send nothing")
    return parser
