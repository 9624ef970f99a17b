"""The process that decodes strangers' files: told which, it says what a model would look at, or why it cannot.

It has one thread, a bound on its memory, and nothing that it could spoil for others: when it dies, by a file that was
made for that or that is merely odd, the one who asked is told so, and another process takes its place.
"""

import logging
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from emofusion.modeling import EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import Download, windows_of

from .limits import Limits
from .messages import tell, tell_window, told
from .probing import check_length, probe
from .refused import Refused

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

NAME = "the file"
"""What messages call it: its path is nobody's business."""
READY = "ready"
logger = logging.getLogger(__name__)


def decode_for(connection: Connection, model: str, limits: Limits) -> None:
    """Load the processor of a model, say so, and answer until the other side is gone.

    Args:
        connection (`Connection`): Takes `path` and `hop`; gives windows, or what is `refused`; see messages.py.
        model (`str`): Folder or hub name.
        limits (`Limits`): Of a file.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    torch.set_num_threads(1)
    processor = EmoFusionProcessor.from_pretrained(model)
    bound_memory(limits.decode_memory)
    tell(connection, READY)
    while True:
        try:
            asked = told(connection)
        except EOFError:
            return
        try:
            for window in windows_in(Path(asked["path"]), asked["hop"], processor, limits):
                tell_window(connection, window)
        except Refused as refusal:
            tell(connection, {"refused": [refusal.status, refusal.message]})


def windows_in(path: Path, hop: float | None, processor: EmoFusionProcessor, limits: Limits) -> Iterator[dict]:
    """The windows of a file, as of `windows_of`; each with how many are `expected`, at most.

    Raises:
        Refused: In the words of the package, without the path.
    """
    try:
        probe(path, limits)
        recording = processor.recording(Download(str(path), NAME))
        check_length(recording.duration, limits)
        if hop is not None:
            check_windows((recording.duration - processor.feature_extractor.clip_duration) / hop, hop, limits)
        expected = 1 if hop is None else 1 + len(processor.starts(recording, hop))
        for window in windows_of(processor, recording, hop):
            if window["stands_for_all"] and not processor.reads(window["clip"]):
                processor.pack([window["clip"]], cropped=True)  # says what it lacks
            window["clip"].notes = [without(path, note) for note in window["clip"].notes]
            yield {**window, "expected": expected}
    except MemoryError as error:
        raise Refused(413, f"{NAME}: it takes more memory than there is for one. Send a smaller picture.") from error
    except Refused:
        raise
    except ValueError as error:  # MediaError, too: what the package says in words
        raise Refused(422, without(path, str(error))) from error
    except Exception as error:  # damaged files raise anything
        logger.warning("a file could not be decoded", exc_info=True)
        raise Refused(422, f"{NAME}: it cannot be decoded. Is it complete?") from error


def check_windows(count: float, hop: float, limits: Limits) -> None:
    """Refuse a timeline of more windows than the model is to be asked about for one visitor.

    Raises:
        Refused: 422.
    """
    if count > limits.max_windows:
        found = f"{hop:g} s make {count:.0f} windows, at most {limits.max_windows} are taken"
        raise Refused(422, f"hop: {found}. Name a longer one.")


def without(path: Path, words: str) -> str:
    """What the package says, without the path of the file."""
    return words.replace(str(path), NAME).replace(str(path.parent), "")


def bound_memory(more: int) -> None:
    """Let this process allocate so many bytes more than it has. Where the system cannot, it is not bound."""
    status = Path("/proc/self/status")  # of Linux
    if resource is None or not status.is_file():
        return
    sizes = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
    now = int(sizes["VmData"].split()[0]) * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = now + more if hard == resource.RLIM_INFINITY else min(now + more, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what dies leaves no copy of a visitor's clip on disk
