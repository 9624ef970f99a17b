"""Files that illustrate scores: what goes wrong with one is a warning, because nothing in it is worth the scores."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)


def attempt_all(writers: Mapping[str, Callable[[Path], object]], folder: Path) -> list[str]:
    """Write each file, whatever becomes of the others.

    Args:
        writers (`Mapping[str, Callable]`): By a file's name in the folder, what writes it to the path it is given.
        folder (`Path`): Output folder, in which the scores already lie.

    Returns:
        `list[str]`: Files that could not be written; a warning has named each.
    """
    return [name for name, write in writers.items() if not _attempt(write, folder / name)]


def _attempt(write: Callable[[Path], object], path: Path) -> bool:
    try:
        write(path)
    except Exception as error:  # a missing template, a mistake of matplotlib's, a full disk
        logger.warning("%s was not written: %s: %s; the scores are safe", path, type(error).__name__, error)
        return False
    return True
