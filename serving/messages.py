"""How a process that has read a stranger's file tells what it found: JSON and plain arrays.

No pickle, as queues and pools of Python send it: whoever takes such a process over would take over all that listens.
"""

import json
from multiprocessing.connection import Connection
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from emofusion.modeling.clips_emofusion import ClipArrays

ARRAYS = ("frames", "audio", "action_units")
MOST_BYTES = 2**28
"""Of one message; a window is 100 times smaller."""


def tell(connection: Connection, said: Any) -> None:
    """Send what JSON can hold."""
    connection.send_bytes(json.dumps(said).encode())


def told(connection: Connection) -> Any:
    """Take what [`tell`] has sent.

    Raises:
        EOFError, OSError, ValueError: The other side is gone, or does not keep to what was agreed on.
    """
    return json.loads(connection.recv_bytes(MOST_BYTES))


def tell_window(connection: Connection, window: dict[str, Any]) -> None:
    """Send a window, as `windows_of` in modeling/pipeline_emofusion.py yields it."""
    clip: ClipArrays = window["clip"]
    arrays = {name: array for name in ARRAYS if (array := getattr(clip, name)) is not None}
    # Not asdict(clip), which copies arrays.
    fields = {name: value for name, value in vars(clip).items() if name not in ARRAYS}
    tell(connection, {**window, "clip": fields})
    connection.send_bytes(save(arrays))


def told_window(connection: Connection, said: dict[str, Any]) -> dict[str, Any]:
    """The window of which [`told`] has returned the words.

    Raises:
        EOFError, OSError, ValueError: As of [`told`].
    """
    try:
        arrays = load(connection.recv_bytes(MOST_BYTES))
        clip = ClipArrays(**{**dict.fromkeys(ARRAYS), **said["clip"], **arrays})
    except (SafetensorError, TypeError, KeyError) as error:
        raise ValueError(f"not a window: {error}") from error
    return {**said, "clip": clip}


def bytes_of(window: dict[str, Any]) -> int:
    """Bytes of the arrays of a window."""
    return sum(array.nbytes for name in ARRAYS if (array := getattr(window["clip"], name)) is not None)
