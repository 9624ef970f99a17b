"""A server on this machine that only counts who comes."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Knocks:
    """Who has come.

    Attributes:
        url (`str`): Where the server is.
        asked (`list[str]`): What each of them said first.
    """

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def counted_knocks() -> Iterator[Knocks]:
    """A server that hangs up on everybody, and remembers it."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            knocks.asked.append(self.rfile.readline().decode(errors="replace").strip())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        knocks = Knocks(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield knocks
        finally:
            server.shutdown()
