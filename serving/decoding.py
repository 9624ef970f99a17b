"""Decoding in processes that may die: of a file that is too much for one, nobody but its sender hears.

Not by the pools of Python (when one process dies, all that wait for the pool are refused) or pebble's (whose processes
share one pipe, which is broken for all when one dies in the midst of a message). Both unpickle what a process sends
that has read a stranger's file. Here each has a pipe of its own, and sends JSON and plain arrays.
"""

import logging
import multiprocessing
import queue
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .decoding_process import NAME, READY, decode_for
from .limits import DEFAULTS, Limits
from .messages import bytes_of, tell, told, told_window
from .refused import Refused
from .room import Room

START_SECONDS = 300.0
"""That a process may take until it is ready: it imports much, on a machine that may be busy."""
AGAIN_SECONDS = 10.0
GONE = f"{NAME}: it ended the process that read it. Write it anew (ffmpeg -i FILE NEW.mp4), and send that."
LATE = f"{NAME}: reading it takes too long. Send a shorter one, or a smaller picture."
logger = logging.getLogger(__name__)
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_CONTEXT: Any = multiprocessing.get_context(_METHOD)


@dataclass(frozen=True)
class Decoded:
    """What a model looks at in a recording.

    Attributes:
        windows (`list[dict]`): As of `windows_of` in modeling/pipeline_emofusion.py, in ascending seconds: `clip`
            ([`ClipArrays`]: frames uint8, sound int16, seconds, notes), whether it `stands_for_all`, whether it
            `is_last`. One if no timeline was wanted.
    """

    windows: list[dict[str, Any]]


class Decoders:
    """Some processes that decode. To be closed; or used in a `with`, which does.

    Args:
        model (`str`): Folder or hub name of the checkpoint whose processor says what is looked at.
        limits (`Limits`): Of a file.
        processes (`int`): How many files are decoded at a time.

    Attributes:
        room (`Room`): What [`Decoders.decode`] has returned and nobody has dropped yet.

    Raises:
        OSError, RuntimeError: A process does not start.
    """

    def __init__(self, model: str, limits: Limits = DEFAULTS, processes: int = 1) -> None:
        self._model, self.limits, self.room = model, limits, Room(limits.held_memory)
        self._idle: queue.Queue[_Process] = queue.Queue()
        self._all: set[_Process] = set()
        self._guard, self._closed = threading.Lock(), threading.Event()
        # Forked by a server that has imported everything: in place of one that dies the next is there at once. There
        # is one server for whatever a program forks; said here, not where this is imported, as it is others' too.
        _CONTEXT.set_forkserver_preload([__name__])
        try:
            for process in [self._begin() for _ in range(processes)]:
                process.wait_until_ready()
                self._idle.put(process)
        except BaseException:
            self.close()
            raise

    def decode(self, path: Path, *, timeline: bool = False, hop: float = 1.0) -> Decoded:
        """What there is in a file, all of it at once. Blocks; may be called from several threads.

        Args:
            path (`Path`): As of [`arrived`].
            timeline (`bool`): Whether all windows are wanted, or only the one that stands for all.
            hop (`float`): Seconds from one window of the timeline to the next.

        Raises:
            Refused: It cannot be decoded, or takes too long, or too much memory; or nobody has time to do it.
        """
        windows, size = [], 0
        try:
            for window in self.windows(path, timeline=timeline, hop=hop):
                more = bytes_of(window)
                if size + more > self.room.most:
                    raise Refused(413, f"{NAME}: its timeline takes more memory than there is. Name a longer hop.")
                self.room.take(more)
                size += more
                windows.append(window)
        except BaseException:
            self.room.give_back(size)
            raise
        decoded = Decoded(windows)
        weakref.finalize(decoded, self.room.give_back, size)
        return decoded

    def windows(
        self, path: Path, *, timeline: bool = False, hop: float = 1.0
    ) -> Generator[dict[str, Any], None, None]:
        """[`Decoders.decode`], window by window: a process waits with the next one until it is wanted.

        Each says how many are `expected`, at most. Who wants no more of them closes the generator.
        """
        if timeline and not 0 < hop < float("inf"):
            raise Refused(400, f"hop={hop!r}: expected the seconds from one window to the next, such as 1.0")
        process = self._taken()
        try:
            yield from process.windows(path, hop if timeline else None, self.limits.decode_seconds)
        finally:
            if process.busy:  # it hangs, it is dead, or nobody wants what it is about to say
                self._replace(process)
            else:
                self._idle.put(process)

    def close(self) -> None:
        """End all processes; what they are doing is refused."""
        with self._guard:
            self._closed.set()
            processes, self._all = self._all, set()
        for process in processes:
            process.end()

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> "_Process":
        with self._guard:
            if self._closed.is_set():
                raise RuntimeError("these decoders are closed")
            process = _Process(self._model, self.limits)
            self._all.add(process)
        return process

    def _taken(self) -> "_Process":
        """One that has nothing to do."""
        until = time.monotonic() + self.limits.decode_seconds
        while not self._closed.is_set():
            try:
                process = self._idle.get(timeout=max(until - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if process.lives:
                return process
            self._replace(process)
        raise Refused(503, "There are more clips than can be read now. Try again in a minute.")

    def _replace(self, process: "_Process") -> None:
        self._end(process)
        threading.Thread(target=self._fill_up, name="new decoder", daemon=True).start()

    def _end(self, process: "_Process") -> None:
        process.end()
        with self._guard:
            self._all.discard(process)

    def _fill_up(self) -> None:
        """Have one more; where it does not start, try again: the machine may be short of memory for a while."""
        while not self._closed.is_set():
            try:
                self._idle.put(self._started())
                return
            except (OSError, EOFError, RuntimeError):  # EOFError: the server that forks is gone
                if not self._closed.wait(AGAIN_SECONDS):
                    logger.warning("a process that decodes did not start; trying again")

    def _started(self) -> "_Process":
        process = self._begin()
        try:
            process.wait_until_ready()
        except BaseException:
            self._end(process)
            raise
        return process


class _Process:
    """One of them, and the pipe to it.

    Attributes:
        busy (`bool`): Whether it has been asked about a file and has not said all about it.
    """

    def __init__(self, model: str, limits: Limits) -> None:
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=decode_for, args=(theirs, model, limits), name="emofusion decoder", daemon=True
        )
        self._process.start()
        theirs.close()  # so that its death ends the connection
        self.busy = False

    @property
    def lives(self) -> bool:
        """Whether it is there. One that has nothing to do says nothing, but the end of its pipe is to be read."""
        return self._process.is_alive() and not self._connection.poll()

    def wait_until_ready(self) -> None:
        """Wait until it takes files.

        Raises:
            RuntimeError: It does not come to that.
        """
        try:
            with self._killed_after(START_SECONDS):
                if told(self._connection) == READY:
                    return
        except (EOFError, OSError, ValueError):
            pass
        self.end()
        raise RuntimeError("a process that decodes clips does not start; what it wrote last says why")

    def windows(self, path: Path, hop: float | None, seconds: float) -> Iterator[dict[str, Any]]:
        """What it says about a file, within so many seconds of waiting for it.

        Raises:
            Refused: By the process, or because it says nothing.
        """
        self.busy, asked = True, {"path": str(path), "hop": hop}
        while self.busy:
            begun = time.monotonic()
            try:
                with self._killed_after(seconds) as late:
                    if asked:
                        tell(self._connection, asked)
                        asked = {}
                    window = self._told()
            except (EOFError, OSError, ValueError, KeyError, TypeError) as error:
                raise Refused(408, LATE) if late.is_set() else Refused(422, GONE) from error
            seconds -= time.monotonic() - begun
            yield window

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[threading.Event]:
        """Kill it when the time is over, and say so. No time-out of a pipe does: half a message may have come."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(max(seconds, 0.0), kill)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _told(self) -> dict[str, Any]:
        """The next window."""
        said = told(self._connection)
        if "refused" in said:
            status, message = said["refused"]
            self.busy = False
            raise Refused(int(status), str(message))
        window = told_window(self._connection, said)
        self.busy = not window["is_last"]
        return window

    def end(self) -> None:
        """Kill it, whatever it is doing."""
        self._process.kill()
        self._process.join()
