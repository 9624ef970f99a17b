"""`python app.py`: show the page."""

import argparse
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from emofusion.serving.limits import Limits

MODELS = "EMOFUSION_MODELS"
"""Variable of the environment that names models where no flag does: in a Space nobody writes flags."""
DEFAULT_MODEL = "models/emofusion-small"
KEPT_S = 600
"""Seconds after which a file is deleted that a visitor has left behind."""
_DESCRIPTION = """\
Show a page in the browser: a visitor gives a film or a sound, and reads which
emotion it resembles."""
_EPILOG = f"""\
Without --model, the page has the models that the variable {MODELS} names, else
{DEFAULT_MODEL}. It is seen on this machine alone, unless --host says otherwise.

examples:
  python app.py
  python app.py --model runs/demo models/emofusion-small --port 8000
  python app.py --host 0.0.0.0 --processes 4
"""


def main(words: Sequence[str] | None = None) -> None:
    """Show the page until the process is told to end."""
    parser = _parser()
    args = parser.parse_args(words)
    for name, value, most in (("processes", args.processes, 64), ("port", args.port or 1, 65535)):
        if not 1 <= value <= most:
            parser.error(f"--{name} {value}: expected 1 to {most}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what is open is closed
    with tempfile.TemporaryDirectory(prefix="emofusion-page-") as folder:
        # Gradio reads them when it is imported and used: nobody is told of this page, and uploads are kept apart.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder}
        from .desk import Desk
        from .layout import launch, page_of
        from .sweeping import swept

        limits = Limits()
        try:
            desk = Desk(args.model, limits, processes=args.processes, device=args.device)
        except (OSError, ValueError, RuntimeError) as error:
            parser.error(f"--model {args.model[0]}: cannot be loaded ({' '.join(str(error).split())})")
        with closing(desk), swept(Path(folder), KEPT_S):
            try:
                launch(page_of(desk), limits, args.host, args.port)
            except OSError as error:
                parser.error(f"--port {args.port}: {error}")


def models_named() -> list[str]:
    """The models that the environment names; the default where it names none."""
    return os.environ.get(MODELS, "").split() or [DEFAULT_MODEL]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", nargs="+", default=models_named(), metavar="DIR_OR_REPO", help="among these a visitor chooses")
    add("--host", metavar="NAME", help="address at which it listens (default: GRADIO_SERVER_NAME, else 127.0.0.1)")
    add(
        "--port",
        type=int,
        metavar="N",
        help="default: GRADIO_SERVER_PORT, else the first free one from 7860 on",
    )
    add("--processes", type=int, default=1, metavar="N", help="that read clips, of each model (default: 1)")
    add("--device", default="cpu", metavar="NAME", help="where models compute, such as cuda (default: cpu)")
    return parser
