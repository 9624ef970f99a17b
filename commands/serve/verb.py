"""`emofusion serve`: a model behind HTTP. Words are understood before anything slow is imported."""

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import fields

from emofusion.commands.endings import DONE, FailedError, UsageError
from emofusion.commands.handed_over import told_alike
from emofusion.commands.model_files import ModelFiles, expanded
from emofusion.serving.limits import Limits
from emofusion.serving.service.settings import Settings

NEEDED = ("litserve", "fastapi", "uvicorn", "prometheus_client")
_DESCRIPTION = """\
Serve a model by HTTP: POST a clip to /predict, as `file` or as its address in
`url`, and get JSON back, with the fields of the pipeline. /docs describes it,
/health says whether it is ready, /metrics counts for Prometheus."""
_EPILOG = """\
Whoever comes while --queue clips are inside is answered 429 and told when to
try again. SIGTERM and Ctrl-C end it when what is inside has been answered.

examples:
  emofusion serve --model runs/demo
  emofusion serve --model runs/demo --host 0.0.0.0 --workers 2 --decoders 4
  curl -F file=@clip.mp4 http://127.0.0.1:8000/predict
  curl -F url=https://example.org/clip.mp4 http://127.0.0.1:8000/predict
"""
IN_MB = {"max_mb": "max_bytes", "held_mb": "held_memory"}
"""Flags, and the limits in bytes that they are."""


def serve(words: Sequence[str]) -> int:
    """Serve until told to stop; returns the exit code.

    Raises:
        UsageError: A flag that cannot be used.
        FailedError: The model cannot be loaded, or nobody can listen there.
    """
    settings = _read_words(words)
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise FailedError(f"serve: it needs {' and '.join(absent)}: pip install 'emofusion[serve]'")
    from emofusion.serving.service import engine

    try:
        with told_alike(ValueError, RuntimeError):
            engine.serve(settings)
    except OSError as error:
        where = f"--host {settings.host} --port {settings.port}"
        raise FailedError(f"{where}: nobody can listen there ({error.strerror}); choose another --port") from error
    return DONE


def _read_words(words: Sequence[str]) -> Settings:
    args = vars(make_parser().parse_args(words))
    try:
        args["model"] = expanded(args["model"])
        ModelFiles(args["model"]).config()  # before torch is imported, which takes seconds
    except FailedError as error:
        raise UsageError(f"--model {error}") from error
    bounds = {flag: args.pop(flag) for flag in [*IN_MB, *(field.name for field in fields(Limits))] if flag in args}
    for flag, value in bounds.items():
        if flag != "private_addresses" and not 0 < value < float("inf"):
            raise UsageError(f"--{flag} {value:g}: expected more than 0")
    for flag, limit in IN_MB.items():
        bounds[limit] = max(1, round(bounds.pop(flag) * 2**20))
    with told_alike(ValueError):
        return Settings(**args, limits=Limits(**bounds))


def make_parser() -> argparse.ArgumentParser:
    """Its words."""
    parser = argparse.ArgumentParser(
        prog="emofusion serve",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add, usual, most = parser.add_argument, Settings("usual"), Limits()
    add("--model", required=True, metavar="DIR_OR_REPO", help="folder of a checkpoint, or repository of the hub")
    add("--host", default=usual.host, help="address to listen at; 0.0.0.0 for other machines (default: %(default)s)")
    add("--port", type=int, default=usual.port, metavar="N", help="the same; 0 for any (default: %(default)s)")
    add("--device", default=usual.device, metavar="NAME", help="cpu, cuda (every GPU) or cuda:1 (default: cpu)")
    add("--workers", type=int, default=usual.workers, metavar="N", help="models on each device (default: 1)")
    add("--decoders", type=int, default=usual.decoders, metavar="N", help="processes that read clips (default: 1)")
    add("--batch_size", type=int, default=usual.batch_size, metavar="N", help="clips of a batch (default: 8)")
    add("--wait", type=float, default=usual.wait, metavar="S", help="seconds that gather one (default: 0.02)")
    add("--queue", type=int, default=usual.queue, metavar="N", help="clips that may be inside (default: 64)")
    add("--answer_seconds", type=float, default=usual.answer_seconds, metavar="S", help="for an answer (default: 120)")
    add("--max_mb", type=float, default=most.max_bytes / 2**20, metavar="N", help="size of a file (default: 200)")
    add("--max_seconds", type=float, default=most.max_seconds, metavar="S", help="length of a clip (default: 600)")
    add("--max_windows", type=int, default=most.max_windows, metavar="N", help="of a timeline (default: 1200)")
    add("--held_mb", type=float, default=1024, metavar="N", help="of clips that wait (default: 1024)")
    add("--decode_seconds", type=float, default=most.decode_seconds, metavar="S", help="to read one (default: 60)")
    add("--fetch_seconds", type=float, default=most.fetch_seconds, metavar="S", help="for an address (default: 30)")
    add(
        "--private_addresses",
        action="store_true",
        help="fetch from this machine and private networks, too: only where every visitor may see all that is there",
    )
    return parser
