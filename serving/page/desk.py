"""Where questions of visitors are answered, several at once."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any, BinaryIO

from emofusion.serving.answers import Answerer
from emofusion.serving.arrivals import arrived
from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused

from .names import named
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

    Attributes:
        models (`dict[str, str]`): Folder or hub name of each, by the name that visitors read.
        at_once (`int`): How many questions are answered at a time: as many as there are processes that decode.

    Raises:
        OSError, ValueError: The first model cannot be loaded.
    """

    def __init__(self, models: Sequence[str], limits: Limits, *, processes: int = 1, device: str = "cpu") -> None:
        self.models, self.limits = named(models), limits
        self.at_once = processes * len(self.models)
        self._load = partial(Answerer, limits=limits, processes=processes, device=device)
        self._loading, self._closed = Lock(), False
        self._answerers: dict[str, Answerer] = {}
        # A thread is busy as long as its process: a question that is cancelled keeps both until it has really ended.
        self._threads = {model: ThreadPoolExecutor(processes) for model in self.models}
        self._answerer(next(iter(self.models)))

    async def answer(self, path: Path, model: str, hop: float | None, tell: Tell) -> tuple[dict[str, Any], Watched]:
        """Answer about a clip, as soon as a process has time for it.

        When the task is cancelled, work that waits is never begun, and other work ends with the window at which it is:
        only then the process has time again.

        Args:
            path (`Path`): The clip.
            model (`str`): Name of one of the models.
            hop (`float`, *optional*): Seconds from one window of the timeline to the next; no timeline without it.
            tell: Told how far it is. What it raises ends the work.

        Returns:
            `dict`: As of the pipeline; and what the model took in for it.

        Raises:
            Refused: There is no answer.
        """
        if model not in self.models:  # a page that was changed by its visitor can ask anything
            raise Refused(400, "There is no such model here. Choose one of the list.")
        tell(None, "Waiting for its turn")
        stop = Event()
        work = partial(copy_context().run, self._answer, path, model, hop, unless(stop, tell))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads[model], work)
        finally:
            stop.set()

    def close(self) -> None:
        """End the processes that decode, and wait until nobody is answered any more."""
        with self._loading:  # one that is on its way is there afterwards, and closed as well
            self._closed = True
            for answerer in self._answerers.values():
                answerer.close()
        for threads in self._threads.values():
            threads.shutdown(cancel_futures=True)

    def _answer(self, path: Path, model: str, hop: float | None, tell: Tell) -> tuple[dict[str, Any], Watched]:
        tell(None, "Loading the model")
        answerer = self._answerer(model)
        watched = Watched(answerer.pipe.processor)
        tell(None, "Reading the clip")
        with ExitStack() as stack:
            clip = stack.enter_context(arrived(stack.enter_context(opened(path)), self.limits))
            windows = stack.enter_context(
                closing(answerer.decoders.windows(clip, timeline=hop is not None, hop=hop or 1.0))
            )
            answered = list(answerer.answered(passing(windows, watched, tell)))
        return answerer.pipe.postprocess(answered), watched

    def _answerer(self, model: str) -> Answerer:
        if model not in self._answerers:
            with self._loading:
                if self._closed:
                    raise Refused(503, "The page is being closed. Come back later.")
                if model not in self._answerers:
                    self._answerers[model] = self._loaded(model)
        return self._answerers[model]

    def _loaded(self, model: str) -> Answerer:
        try:
            return self._load(self.models[model])
        except (OSError, ValueError, RuntimeError) as error:
            if not self._answerers:
                raise  # who starts the page is told why
            logger.exception("%s: cannot be loaded", model)
            raise Refused(503, "This model cannot be loaded now. Choose another one.") from error


def unless(stop: Event, tell: Tell) -> Tell:
    """Tells, and ends the work when it is to stop."""

    def told(done: float | None, what: str) -> None:
        if stop.is_set():
            raise Refused(499, "Cancelled.")
        tell(done, what)

    return told


def passing(windows: Iterator[dict[str, Any]], watched: Watched, tell: Tell) -> Iterator[dict[str, Any]]:
    """Windows on their way to the model, which are counted and looked at."""
    for number, window in enumerate(windows, start=1):
        tell(min(number / window["expected"], 1.0), "Looking and listening")
        watched.add(window)
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
