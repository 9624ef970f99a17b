"""A loopback server of files that can break, lie, stall and refuse, as told for each request.

with FileServer({"/a.zip": content}) as server:
    server.script = [break_after(1000), whole]  # the first request, the second; from then on `whole`
    requests.get(f"{server.url}/a.zip")
    assert server.ranges == [None, "bytes=1000-"]
"""

import hashlib
import re
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Request(BaseHTTPRequestHandler):
    """One request; what a manner of answering gets, with the content that was asked for."""

    protocol_version = "HTTP/1.1"
    server: "FileServer"
    etag: str | None

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.guard:
            self.server.requests.append((path, dict(self.headers)))
            content = self.server.files.get(path)
            answer = self.server.script.pop(0) if self.server.script else whole
        if content is None:
            return self.answer(b"no such file", 404)
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        answer(self, content)

    def answer(self, body: bytes, status: int = 200, sent: int | None = None, **headers: object) -> None:
        """A head for all of `body`, then the first `sent` bytes of it; less than all ends the connection."""
        self.head(status, **{"Content_Length": len(body), "Content_Type": "application/octet-stream"} | headers)
        self.wfile.write(body if sent is None else body[:sent])
        if sent is not None:
            self.close_connection = True

    def head(self, status: int, **headers: object) -> None:
        """Status and headers; those of value None are left out."""
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def wanted(self, content: bytes) -> tuple[bytes, int, dict[str, Any]]:
        """The part asked for, the status and the headers, as a good server has them."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not found or self.headers.get("If-Range", self.etag) != self.etag:
            return content, 200, {"ETag": self.etag}
        first = int(found[1])
        if first >= len(content):
            return b"", 416, {"Content_Range": f"bytes */{len(content)}"}
        span = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return content[first:], 206, {"ETag": self.etag, "Content_Range": span}

    def log_message(self, *_: object) -> None:
        pass


Manner = Callable[[Request, bytes], None]


def whole(request: Request, content: bytes) -> None:
    """As it should be."""
    body, status, headers = request.wanted(content)
    request.answer(body, status, **headers)


def whole_with(**headers: object) -> Manner:
    """As it should be, but for these headers."""

    def answer(request: Request, content: bytes) -> None:
        body, status, good = request.wanted(content)
        request.answer(body, status, **good | headers)

    return answer


def break_after(count: int, **headers: object) -> Manner:
    """The connection ends after so many bytes of the answer."""

    def answer(request: Request, content: bytes) -> None:
        body, status, good = request.wanted(content)
        request.answer(body, status, sent=count, **good | headers)

    return answer


def without_length(count: int | None = None) -> Manner:
    """No Content-Length: the answer ends where the connection does, perhaps too early."""

    def answer(request: Request, content: bytes) -> None:
        body, status, headers = request.wanted(content)
        request.answer(body, status, sent=len(body) if count is None else count, Content_Length=None, **headers)

    return answer


def in_chunks(request: Request, content: bytes) -> None:
    """Transfer-Encoding chunked, so no length either, but a proper end."""
    body, status, headers = request.wanted(content)
    request.head(status, Transfer_Encoding="chunked", **headers)
    for start in range(0, len(body), 10_000):
        piece = body[start : start + 10_000]
        request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    request.wfile.write(b"0\r\n\r\n")


def without_ranges(manner: Manner) -> Manner:
    """Range is not understood: everything is sent."""

    def answer(request: Request, content: bytes) -> None:
        del request.headers["Range"]
        manner(request, content)

    return answer


def ignoring_if_range(request: Request, content: bytes) -> None:
    """The range is sent even where the content is another one by now."""
    del request.headers["If-Range"]
    whole(request, content)


def refuse(status: int, **headers: object) -> Manner:
    """An error."""

    def answer(request: Request, _: bytes) -> None:
        request.answer(b"not now", status, **headers)

    return answer


def web_page(kind: str) -> Manner:
    """A page of text, with status 200, under this Content-Type."""

    def answer(request: Request, _: bytes) -> None:
        request.answer(b"<!doctype html><title>Please wait</title>", Content_Type=kind)

    return answer


def stall_after(count: int) -> Manner:
    """So many bytes, then nothing, until `server.release` is set."""

    def answer(request: Request, content: bytes) -> None:
        body, status, headers = request.wanted(content)
        request.answer(body, status, sent=count, **headers)
        request.wfile.flush()
        request.server.release.wait(60)

    return answer


def pause_after(count: int) -> Manner:
    """So many bytes, then the rest once `server.release` is set."""

    def answer(request: Request, content: bytes) -> None:
        stall_after(count)(request, content)
        request.wfile.write(request.wanted(content)[0][count:])

    return answer


class FileServer(ThreadingHTTPServer):
    """Serves `files` by path (what follows `?` is ignored), each request by the next of `script`.

    Attributes:
        files: Content by path; may be changed at any time.
        script: Manners of answering, used up one a request; an empty one means `whole`.
        requests: Path and headers of each request.
        release: Ends waiting answers.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.files = files
        self.script: list[Manner] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()
        self.guard = threading.Lock()
        self.faults: list[BaseException] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def ranges(self) -> list[str | None]:
        """The Range of each request."""
        return [headers.get("Range") for _, headers in self.requests]

    def handle_error(self, *_: object) -> None:
        """Called where a handler raises; that a client goes away is no fault."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.faults.append(error)

    def __enter__(self) -> "FileServer":
        threading.Thread(target=self.serve_forever, args=(0.02,), name="files", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.shutdown()
        self.server_close()
        assert self.faults == []
