"""Processes in place of one that decodes, which fail in ways that no file makes a good one fail."""

import os
import struct
import time
from multiprocessing.connection import Connection

from emofusion.serving.decoding_process import READY
from emofusion.serving.limits import Limits
from emofusion.serving.messages import tell, told


def stalls(connection: Connection, model: str, limits: Limits) -> None:
    """Begins to answer, and stops in the midst of a message."""
    tell(connection, READY)
    told(connection)
    os.write(connection.fileno(), struct.pack("!i", 1000) + b"{")
    time.sleep(600)


def dies(connection: Connection, model: str, limits: Limits) -> None:
    """Does not start."""
