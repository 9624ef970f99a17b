"""From a request to what a model looks at: the part of the service that FastAPI documents by itself."""

import time
from contextlib import ExitStack
from typing import Annotated, BinaryIO

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, File, Form, HTTPException, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartParser
from starlette.responses import JSONResponse

from emofusion.serving.arrivals import Url, arrived
from emofusion.serving.decoding import Decoded, Decoders
from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused

from .door import told
from .metrics import Metrics

_SPOOLED_BYTES = 2**20


class Uploads:
    """Reads the clips of requests; to be called in the event loop.

    Args:
        decoders (`Decoders`): Processes that read files.
        limits (`Limits`): What a file may be.
        metrics (`Metrics`): Where it is counted how long that takes.
        most (`int`): Requests that come at a time, at most. Each has a thread, so that none waits for another's
            address.
    """

    def __init__(self, decoders: Decoders, limits: Limits, metrics: Metrics, most: int) -> None:
        self._decoders, self._limits, self._metrics = decoders, limits, metrics
        self._threads = CapacityLimiter(most)

    async def read(self, upload: BinaryIO | Url, hop: float | None) -> Decoded:
        """What a model looks at in an upload, whose file is gone afterwards.

        Args:
            upload (`BinaryIO` or `Url`): An open file, or where one is.
            hop (`float`, *optional*): Seconds from window to window; no timeline without it.

        Raises:
            Refused: It cannot be used.
        """
        begun = time.monotonic()
        try:
            return await run_sync(self._read, upload, hop, limiter=self._threads)
        finally:
            self._metrics.decoding.observe(time.monotonic() - begun)

    def _read(self, upload: BinaryIO | Url, hop: float | None) -> Decoded:
        with ExitStack() as stack:
            path = stack.enter_context(arrived(upload, self._limits))
            return self._decoders.decode(path, timeline=hop is not None, hop=hop or 1.0)


async def clip_of_request(
    request: Request,
    file: Annotated[UploadFile | None, File(description="The clip: a film, a sound or a still picture.")] = None,
    url: Annotated[str | None, Form(description="Or its address (http or https), which the server fetches.")] = None,
    timeline: Annotated[bool, Query(description="Whether to answer about every window of it, too.")] = False,
    hop: Annotated[float, Query(gt=0, le=3600, description="Seconds from one window to the next.")] = 1.0,
) -> Decoded:
    """What a model looks at in the clip of a request.

    Raises:
        HTTPException: It cannot be used; with the words for the sender.
    """
    if (file is None) == (not url):
        found = "neither" if file is None else "both"
        raise HTTPException(400, f"expected a form with either file (the clip) or url (where it is), found {found}")
    uploads: Uploads = request.app.state.uploads
    try:
        return await uploads.read(file.file if file else Url(url or ""), hop if timeline else None)
    except Refused as refused:
        raise HTTPException(refused.status, refused.message) from refused


def tell_errors_plainly(app: FastAPI) -> None:
    """Have every refusal say `{"error": words}`, and keep uploads out of memory."""
    app.add_exception_handler(StarletteHTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_values)
    # LitServe keeps whole uploads in memory, to send them to its workers. Ours are decoded before that.
    MultiPartParser.spool_max_size = _SPOOLED_BYTES


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return told(error.status_code, str(error.detail), dict(error.headers or {}))


async def _refuse_values(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return told(422, f"{first['loc'][-1]}: {first['msg']}; see /docs")
