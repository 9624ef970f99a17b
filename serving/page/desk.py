"""Where questions of visitors are answered, several at once."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any, BinaryIO

from emofusion.serving.answers import Answerer
from emofusion.serving.arrivals import arrived
from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused

from .seen import Watched

Tell = Callable[[float | None, str], object]
"""Told how much is done, from 0 to 1 or None where nobody knows, and what is being done."""
logger = logging.getLogger(__name__)


class Desk:
    """Answers for the visitors of a page. To be closed.

    Args:
        models (`Sequence[str]`): Folders or hub names of checkpoints. The first is loaded at once, another one when
            somebody asks for it.
        limits (`Limits`): What a clip may be.
        processes (`int`): That decode clips, of each model.
        device (`str`): Where models compute.

    Raises:
        OSError, ValueError: The first model cannot be loaded.
    """

    def __init__(self, models: Sequence[str], limits: Limits, *, processes: int = 1, device: str = "cpu") -> None:
        self.models, self.limits, self.at_once = list(models), limits, 2 * processes
        self._load = partial(Answerer, limits=limits, processes=processes, device=device)
        self._loading = Lock()
        self._answerers: dict[str, Answerer] = {}
        self._answerer(self.models[0])

    async def answer(self, path: Path, model: str, hop: float | None, tell: Tell) -> tuple[dict[str, Any], Watched]:
        """Answer about a clip. When the task is cancelled, the work ends with the window at which it is.

        Args:
            path (`Path`): The clip.
            model (`str`): One of the models.
            hop (`float`, *optional*): Seconds from one window of the timeline to the next; no timeline without it.
            tell: Told how far it is.

        Returns:
            `dict`: As of the pipeline; and what the model took in for it.

        Raises:
            Refused: There is no answer.
        """
        stop = Event()
        try:
            return await asyncio.to_thread(self._answer, path, model, hop, tell, stop)
        finally:
            stop.set()

    def close(self) -> None:
        """End the processes that decode."""
        for answerer in self._answerers.values():
            answerer.close()

    def _answer(
        self, path: Path, model: str, hop: float | None, tell: Tell, stop: Event
    ) -> tuple[dict[str, Any], Watched]:
        tell(None, "Loading the model")
        answerer = self._answerer(model)
        watched = Watched(answerer.pipe.processor)
        tell(None, "Reading the clip")
        with ExitStack() as stack:
            clip = stack.enter_context(arrived(stack.enter_context(opened(path)), self.limits))
            windows = stack.enter_context(
                closing(answerer.decoders.windows(clip, timeline=hop is not None, hop=hop or 1.0))
            )
            answered = list(answerer.answered(passing(windows, watched, tell, stop)))
        return answerer.pipe.postprocess(answered), watched

    def _answerer(self, model: str) -> Answerer:
        if model not in self.models:  # a page that was changed by its visitor can ask anything
            raise Refused(400, "There is no such model here. Choose one of the list.")
        if model not in self._answerers:
            with self._loading:
                if model not in self._answerers:
                    self._answerers[model] = self._loaded(model)
        return self._answerers[model]

    def _loaded(self, model: str) -> Answerer:
        try:
            return self._load(model)
        except (OSError, ValueError, RuntimeError) as error:
            if not self._answerers:
                raise  # who starts the page is told why
            logger.exception("%s: cannot be loaded", model)
            raise Refused(503, "This model cannot be loaded now. Choose another one.") from error


def passing(windows: Iterator[dict[str, Any]], watched: Watched, tell: Tell, stop: Event) -> Iterator[dict[str, Any]]:
    """Windows on their way to the model, which are looked at, counted, and stopped."""
    for number, window in enumerate(windows, start=1):
        if stop.is_set():
            raise Refused(499, "Cancelled.")
        watched.add(window)
        tell(min(number / window["expected"], 1.0), "Looking and listening")
        yield window


def opened(path: Path) -> BinaryIO:
    """An upload.

    Raises:
        Refused: It is not there any more.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise Refused(
            410, "The clip has been deleted here, as it had lain here for long. Give it once more."
        ) from error
