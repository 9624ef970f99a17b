"""What visitors have uploaded, and when it is deleted: as soon as no page shows it any more."""

from contextlib import suppress
from pathlib import Path
from threading import Lock


class Uploads:
    """Who still has which file before him.

    Gradio names an uploaded file by what is in it, so two visitors with the same clip have one file between them: it
    is deleted when the last of them has let go of it.
    """

    def __init__(self) -> None:
        self._holders: dict[Path, set[str]] = {}
        self._lock = Lock()

    def held(self, visitor: str, path: str) -> bool:
        """Whether a visitor still has this file before him."""
        with self._lock:
            return visitor in self._holders.get(Path(path), ())

    def holds(self, visitor: str, *paths: str | None) -> None:
        """A visitor has these files before him, and no others.

        Args:
            visitor (`str`): What tells him from others.
            paths (`str`, *optional*): None stands for an input that is empty.
        """
        held = {Path(path) for path in paths if path is not None}
        with self._lock:
            for path in held:
                self._holders.setdefault(path, set()).add(visitor)
            for path in [path for path in self._holders if path not in held]:
                self._let_go(visitor, path)

    def lets_go(self, visitor: str, path: str) -> bool:
        """A visitor is done with a file; returns whether he still had it before him."""
        with self._lock:
            held = visitor in self._holders.get(Path(path), ())
            if held:
                self._let_go(visitor, Path(path))
            return held

    def _let_go(self, visitor: str, path: Path) -> None:
        self._holders[path].discard(visitor)
        if not self._holders[path]:
            del self._holders[path]
            with suppress(OSError):  # it has been deleted, or something else lies beside it
                path.unlink(missing_ok=True)
                path.parent.rmdir()
