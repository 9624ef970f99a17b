"""Who may come in: so many at a time, with so many bytes, for so long. The others are told so, and are not read."""

import asyncio
import math
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emofusion.serving.refused import too_large

from .metrics import Metrics
from .settings import Settings

PATH = "/predict"
_FORM_BYTES = 2**16  # a form has some more bytes than the file in it
_POLITE_BYTES, _POLITE_SECONDS = 2**24, 5.0


class Door:
    """Middleware in front of `PATH`.

    A request that finds the house full gets 429 and the seconds after which to try again; one that is too large gets
    413, and one that takes too long 504.

    Args:
        app (`ASGIApp`): What answers those who come in.
        settings (`Settings`): How many, how much, how long.
        metrics (`Metrics`): Where they are counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.inside = 0
        self.usual_seconds = 1.0  # of the latest answers; the later, the more it counts
        metrics.watch(lambda: self.inside, settings.queue)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as middleware does."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            status = await self._let_in(scope, receive, send)
        else:
            await _discard(receive)
            await refused(scope, receive, send)
            status = refused.status_code
        self.metrics.requests.labels(status=str(status)).inc()

    def _refused(self, scope: Scope) -> JSONResponse | None:
        """Why a request may not come in, from its first lines alone."""
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and float(announced) > self.largest:
            return told(413, self._too_large)
        if self.inside >= self.settings.queue:
            seconds = max(1, math.ceil(self.usual_seconds))
            words = f"{self.inside} clips are inside already, which is all there is room for; try again in {seconds} s"
            # Closed: it might be just when he comes back, so much later, and he would get nothing.
            return told(429, words, {"Retry-After": str(seconds), "Connection": "close"})
        return None

    @property
    def largest(self) -> int:
        """Bytes of a request, at most."""
        return self.settings.limits.max_bytes + _FORM_BYTES

    @property
    def _too_large(self) -> str:
        return too_large(self.settings.limits.max_bytes).message

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Have one request answered; returns the status that it got."""
        begun, answer = time.monotonic(), Answered(send)
        self.inside += 1
        try:
            async with asyncio.timeout(self.settings.answer_seconds):
                await self.app(scope, limited(receive, self.largest, self._too_large), answer.send)
            if answer.status == 200:
                taken = time.monotonic() - begun
                self.usual_seconds += (taken - self.usual_seconds) / 8
                self.metrics.seconds.observe(taken)
        except TimeoutError:
            words = f"there was no answer within {self.settings.answer_seconds:g} s; try again later"
            await answer.instead(told(504, words), scope, receive)
        finally:
            self.inside -= 1
        return answer.status


class Answered:
    """Sends an answer, and knows its status.

    Args:
        send (`Send`): To whom.
    """

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def instead(self, response: JSONResponse, scope: Scope, receive: Receive) -> None:
        """Answer by something else, if no answer has begun."""
        if not self.status:
            await response(scope, receive, self.send)


def told(status: int, words: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal: `{"error": words}`."""
    return JSONResponse({"error": words}, status, headers)


def limited(receive: Receive, most: int, words: str) -> Receive:
    """The same messages; more than so many bytes of them end in an error that FastAPI tells as 413."""
    came = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise HTTPException(413, words)
        return message

    return counted


async def _discard(receive: Receive) -> None:
    """Take what is still being sent, for a while: most programs read no answer before they have sent everything."""
    came = 0
    try:
        async with asyncio.timeout(_POLITE_SECONDS):
            while came < _POLITE_BYTES:
                message = await receive()
                came += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
