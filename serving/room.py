"""Memory that all visitors share: what is decoded, and not yet answered, is held in it."""

import threading

from .refused import Refused


class Room:
    """So many bytes at a time. May be used from several threads.

    Args:
        most (`int`): Bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0
        self._guard = threading.Lock()

    def take(self, size: int) -> None:
        """Hold so many bytes, until they are given back.

        Raises:
            Refused: 503 others hold too much now.
        """
        with self._guard:
            if self.taken + size > self.most:
                raise Refused(503, "Too many long clips wait for their answers. Try again in a minute.")
            self.taken += size

    def give_back(self, size: int) -> None:
        """Hold so many bytes less."""
        with self._guard:
            self.taken -= size
