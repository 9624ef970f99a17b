"""Which requests reach Gradio: what the page asks in a browser, about clips that were uploaded here, and nothing else.

Gradio has many doors that this page does not use, and takes the address of a file wherever it takes a file: it would
fetch what a stranger names, from where it lies, of whatever size, past all that addresses.py holds to. It has no
setting against that. What it has not been asked, it does not do: so all doors are shut but those that the page needs,
and a question that names another file than an upload goes no further.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emofusion.serving.refused import Refused, too_large

from .sweeping import size_of

ASKED = re.compile(r"/gradio_api/(queue/join|cancel|reset)")
"""Where a browser sends questions, as JSON."""
SENT = "/gradio_api/upload"
"""Where it sends files."""
SHOWN = re.compile(
    r"/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(assets|static|svelte)/.+"
    r"|gradio_api/(app_id|info|startup-events|queue/(data|status)|upload_progress|heartbeat/[^/]+|file=(?!https?:).+))?"
)
"""What it reads: the page, what it is made of, how far things are, and uploads to play them."""
MOST_BYTES = 2**20
"""Of a question: it names a clip, and does not hold it."""
FORM_BYTES = 2**16
"""That a form has beside the file in it."""
HELD_CLIPS = 20
"""Clips of the largest size whose room all uploads together may take."""


class Doors:
    """What stands before an application (ASGI), and lets in what the page asks.

    Args:
        app: The application.
        uploads (`Path`): The folder of what visitors have uploaded.
        largest (`int`): Bytes of a clip, at most.
    """

    def __init__(self, app: ASGIApp, uploads: Path, largest: int) -> None:
        self._app, self._uploads, self._largest = app, Path(os.path.abspath(uploads)), largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is refused is answered here."""
        if scope["type"] == "http":
            try:
                receive = await self._let_in(scope, receive)
            except Refused as refused:
                answer = JSONResponse({"detail": str(refused)}, refused.status)
                return await answer(scope, receive, send)
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive) -> Receive:
        """What the application receives.

        Raises:
            Refused: 404 no page asks that, 413 it is too large, 411 it does not say how large it is, 503 there is no
                room for it, 400 it makes no sense, 403 it names a file that is no upload.
        """
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        method = scope["method"]
        if method == "POST" and ASKED.fullmatch(path):
            body = await _all_of(receive)
            check(body, self._uploads)
            return _again(body, receive)
        if method == "POST" and path == SENT:
            self._check_room(dict(scope["headers"]).get(b"content-length", b""))
            return receive
        if method in ("GET", "HEAD") and SHOWN.fullmatch(path):
            return receive
        raise Refused(404, "expected what the page asks, found something else. Programs ask `emofusion serve`.")

    def _check_room(self, announced: bytes) -> None:
        """Refuse an upload, of one file or several, by its length: the server takes no more than was announced."""
        if not announced.isdigit():
            raise Refused(411, "expected an upload that says how large it is, found one that does not.")
        if float(announced) > self._largest + FORM_BYTES:
            raise too_large(self._largest)
        if size_of(self._uploads) + int(announced) > HELD_CLIPS * self._largest:
            raise Refused(503, "There is no room for your file now. Try again in a few minutes.")


def check(body: bytes, uploads: Path) -> None:
    """Look through a question for files.

    Raises:
        Refused: It is none, or names a file that was not uploaded here.
    """
    try:
        left = [json.loads(body)]
    except (ValueError, RecursionError) as error:
        raise Refused(400, "expected a question as JSON, found something else. Ask on the page.") from error
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if "path" in part and not _is_upload(part["path"], uploads):
                raise Refused(403, "expected a clip that was uploaded here, found another file. Upload it first.")
            left += part.values()
        elif isinstance(part, list):
            left += part


def _is_upload(path: Any, uploads: Path) -> bool:
    """Whether it is the path of a file as Gradio lays uploads down: in a folder of its own among them."""
    if not isinstance(path, str) or "\0" in path or Path(path).parent.parent != uploads or ".." in Path(path).parts:
        return False
    # One that has been swept away meanwhile is let in, too: the desk tells its visitor so.
    return not Path(path).is_dir() and not Path(path).is_symlink()


async def _all_of(receive: Receive) -> bytes:
    """The body of a request; less of it where its sender goes away."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            raise Refused(413, "the question: it is too large. It names a clip, and does not hold it.")
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, then whatever comes after it."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return left.pop() if left else await receive()

    return received
