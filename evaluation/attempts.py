"""Files that illustrate scores: what goes wrong with one is a warning, because nothing in it is worth the scores."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)


def attempt_all(plan: Callable[[], Mapping[str, Callable[[Path], object]]], folder: Path) -> list[str]:
    """Write each file, whatever becomes of the others.

    Args:
        plan (`Callable`): Tells, by a file's name in the folder, what writes it to the path it is given.
        folder (`Path`): Output folder, in which the scores already lie.

    Returns:
        `list[str]`: Files that could not be written; a warning has named each.
    """
    try:
        writers = plan()
    except Exception as error:  # a mistake in a title costs all pictures, and no score
        _warn(folder, error)
        return [folder.name]
    return [name for name, write in writers.items() if not _attempt(write, folder / name)]


def _attempt(write: Callable[[Path], object], path: Path) -> bool:
    try:
        write(path)
    except Exception as error:  # a missing template, a mistake of matplotlib's, a full disk
        _warn(path, error)
        return False
    return True


def _warn(place: Path, error: Exception) -> None:
    """One line for people; the traceback for whoever looks for the mistake."""
    logger.warning("%s was not written: %s: %s; the scores are safe", place, type(error).__name__, error)
    logger.debug("why %s was not written", place, exc_info=error)
