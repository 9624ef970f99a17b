"""`emofusion predict`: name the emotion of clips, or follow it through recordings."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from emofusion.commands.endings import DONE, FAILED, FailedError, UsageError
from emofusion.commands.model_files import ModelFiles, expanded

from .formats import FORMATS, Answer
from .inputs import Inputs, find_inputs

_DESCRIPTION = """\
Name the emotion of clips: the likeliest classes, of which seconds, and whether
by sound, by picture or by both."""
_EPILOG = """\
Folders are searched at any depth for films, sounds and still pictures; other
files in them are passed over. Of a clip that is longer than the model looks at,
one stretch is answered: the columns say which. A file that cannot be read is
named on standard error with the reason, the others are answered, and the exit
code is 1.

examples:
  emofusion predict clip.mp4 voice.wav --model runs/demo
  emofusion predict recordings --model runs/demo --format csv > answers.csv
  emofusion predict recordings --model runs/demo --format jsonl | head
  emofusion predict talk.mp4 --model runs/demo --timeline --hop 0.5
"""


def predict(words: Sequence[str]) -> int:
    """Answer for every file; returns the exit code: 0, or 1 where a file failed.

    Raises:
        UsageError: A flag that cannot be used.
        FailedError: The answers cannot be written.
    """
    args = _read_words(words)
    found = find_inputs(args.inputs)
    if passed_over := found.passed_over_words():
        _note(passed_over)
    failed = dict(found.failed)
    answers = _answers(args, found, failed) if found.files else iter(())
    write = FORMATS[args.format]
    _put(write(answers, args.top_k), args.output)
    for name, reason in failed.items():
        _note(f"failed: {reason}" if reason.startswith(name) else f"failed: {name}: {reason}")
    if failed:
        whole = len(found.files) + len(found.failed)
        _note(f"{len(failed)} of {whole} failed" + (", the others are answered" if len(failed) < whole else ""))
    return FAILED if failed else DONE


def _read_words(words: Sequence[str]) -> argparse.Namespace:
    args = _parser().parse_args(words)
    for name, least in (("top_k", 1), ("jobs", 1), ("batch_size", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} {value}: expected {least} or more")
    if args.jobs is not None and args.timeline:
        raise UsageError("--jobs with --timeline: recordings are read one after the other; leave one of them out")
    if args.hop is not None and not args.timeline:
        raise UsageError("--hop: it does nothing without --timeline")
    if args.hop is not None and not 0 < args.hop < float("inf"):
        raise UsageError(f"--hop {args.hop:g}: expected seconds above 0")
    if args.output is not None and (args.output.is_dir() or not args.output.parent.is_dir()):
        raise UsageError(f"--output {args.output}: expected a file in a folder that is there")
    try:
        args.model = expanded(args.model)
        ModelFiles(args.model).config()  # before torch is imported, which takes seconds
    except FailedError as error:
        raise UsageError(f"--model {error}") from error
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emofusion predict",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="FILE_OR_FOLDER", help="media files, folders of them, or addresses (https://...)")
    add("--model", required=True, metavar="DIR_OR_REPO", help="folder of a checkpoint, or repository of the hub")
    add("--top_k", type=int, default=3, metavar="N", help="so many of the likeliest classes are told (default: 3)")
    add("--format", choices=sorted(FORMATS), default="table", help="how answers are written (default: table)")
    add("--output", type=Path, metavar="FILE", help="write them into this file, whole or not at all")
    add("--timeline", action="store_true", help="answer for window after window of each file")
    add("--hop", type=float, metavar="S", help="seconds from one window to the next (default: 1)")
    add("--jobs", type=int, metavar="N", help="processes that read files, for no timeline (default: one a core)")
    add("--batch_size", type=int, default=8, metavar="N", help="clips that the model is given at a time (default: 8)")
    add("--device", metavar="NAME", help="such as cpu, cuda or cuda:1 (default: a GPU where there is one)")
    add("--no_progress", dest="progress", action="store_false", help="show no progress bar")
    return parser


def _answers(args: argparse.Namespace, found: Inputs, failed: dict[str, str]) -> Iterator[Answer]:
    """Answers in the order of the files; those without one join `failed`."""
    from emofusion.data.store.progress import Bar

    from .answering import Answerer, Failure

    answerer = Answerer(args.model, args.device)
    with Bar(desc="predict", unit="file", total=len(found.files), disable=not args.progress) as bar:
        told = (
            answerer.timelines(found.files, args.hop or 1.0, args.batch_size)
            if args.timeline
            else answerer.answers(found.files, args.jobs, args.batch_size)
        )
        for file, answer in told:
            bar.update()
            if isinstance(answer, Failure):
                failed[file] = answer.reason
            else:
                yield {"file": file, **answer}


def _put(pieces: Iterable[str], output: Path | None) -> None:
    """Write pieces of text as they come; into a file, whole or not at all.

    Raises:
        FailedError: The file cannot be written.
    """
    if output is None:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()  # whoever reads a pipe need not wait
        return
    from emofusion.data.whole_files import write_text

    text = "".join(pieces)
    try:
        write_text(output, text)
    except OSError as error:
        raise FailedError(f"--output {output}: cannot be written ({error.strerror})") from error


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
