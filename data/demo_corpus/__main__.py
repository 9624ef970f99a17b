"""The command line: python -m emofusion.data.demo_corpus runs/demo_corpus --clips_per_actor 24."""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

from emofusion.data.protocols import ACTORS
from emofusion.data.sources.corpus_record import DEMO_CORPUS


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m emofusion.data.demo_corpus",
        description=f"Make the {DEMO_CORPUS.name}: RAVDESS-named mp4 files of drawn faces and oscillator voices. "
        "24 actors with 24 clips each take under a minute on two cores; an interrupted run is simply repeated.",
        epilog="Scores on this corpus say nothing about people.",
    )
    parser.add_argument("out", type=Path, help="folder for Actor_NN/*.mp4; may hold an unfinished demo corpus")
    add = functools.partial(parser.add_argument, type=int, metavar="N")
    add("--clips_per_actor", default=24, help="1..60, spread evenly over the 8 emotions (default: 24)")
    add("--actors", nargs="+", default=sorted(ACTORS), help="out of 1..24, odd ones are male (default: all)")
    add("--image_size", default=112, help="side of the square picture in pixels, even, 32..512 (default: 112)")
    add("--fps", default=10, help="frames per second, 5..60 (default: 10)")
    add("--seed", default=42, help="same seed, same clips (default: 42)")
    add("--jobs", default=None, help="processes (default: one per available core)")
    parser.add_argument("--no_progress", dest="progress", action="store_false", help="show no progress bar")
    options = vars(parser.parse_args(arguments))
    from .corpus import make_demo_corpus  # --help needs no decoder

    try:
        make_demo_corpus(options.pop("out"), **options)
    except (ValueError, OSError) as error:
        option = str(error).partition(":")[0]
        parser.exit(2, f"error: {'--' if option in options else ''}{error}\n")


if __name__ == "__main__":
    main()
