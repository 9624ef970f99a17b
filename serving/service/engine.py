"""The service on LitServe: its queue and its processes with the model, behind our door."""

import logging
import math
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from litserve import LitAPI, LitServer
from litserve.utils import configure_logging, wrap_litserve_start
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from emofusion.serving.answers import Answerer
from emofusion.serving.decoding import Decoded, Decoders

from .answer import Answer
from .door import PATH, Door
from .metrics import BatchSizes, Metrics
from .settings import Settings
from .uploads import Uploads, clip_of_request, tell_errors_plainly

DESCRIPTION = """Which emotion a clip shows, by sound and picture. Send it as `file`, or its address as `url`:
`curl -F file=@clip.mp4 http://HOST:PORT/predict`. What cannot be answered gets `{"error": "why, and what to do"}`."""
REFUSALS = {
    413: "The clip is too large or too long.",
    415: "It is no clip.",
    422: "It cannot be read, or a value makes no sense.",
    429: "There is no room now. Retry-After says after how many seconds to try again.",
    503: "There is no time or memory for it now. Try again in a minute.",
    504: "There was no answer in time.",
}


class Emotions(LitAPI):
    """What LitServe does with a request: it is decoded before the queue, and answered in batches behind it.

    Args:
        settings (`Settings`): Of the service.
        batches (`BatchSizes`): Where batches are counted.
    """

    def __init__(self, settings: Settings, batches: BatchSizes) -> None:
        super().__init__(max_batch_size=settings.batch_size, batch_timeout=settings.wait, api_path=PATH)
        self.settings, self.batches = settings, batches
        self.answerer: Answerer | None = None

    def setup(self, device: str) -> None:
        """Load the model; called in each process that will have one."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this when all is answered
        self.answerer = Answerer(self.settings.model, device=device, processes=0)

    def decode_request(self, request: Annotated[Any, Depends(clip_of_request)]) -> Decoded:
        """The clip, which the door has decoded: FastAPI reads in the annotation how."""
        return request

    def batch(self, inputs: Sequence[Decoded]) -> Sequence[Decoded]:
        """As they are: a clip with a timeline has many windows."""
        return inputs

    def predict(self, decoded: Decoded | Sequence[Decoded]) -> Any:
        """The answers about a batch; about one clip where batches have one."""
        assert self.answerer is not None, "LitServe calls setup first"
        several = [decoded] if isinstance(decoded, Decoded) else decoded
        self.batches.count(len(several))
        answers = self.answerer.forward(several)
        return answers[0] if isinstance(decoded, Decoded) else answers

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As they are."""
        return output

    def encode_response(self, output: Any) -> Answer:
        """As it is: FastAPI reads in the annotation what an answer looks like."""
        return output


class Http(uvicorn.Server):
    """Answers HTTP, and says when it begins to.

    Args:
        config (`uvicorn.Config`): Of the server.
        words (`str`): What to say, with `{port}` in it.
    """

    def __init__(self, config: uvicorn.Config, words: str) -> None:
        super().__init__(config)
        self._words = words

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        sys.stderr.write(self._words.format(port=self.servers[0].sockets[0].getsockname()[1]) + "\n")
        sys.stderr.flush()


def serve(settings: Settings) -> None:
    """Serve a model until the process is told to stop; what is inside then is still answered.

    Raises:
        RuntimeError: A process does not start; it has said why.
        OSError: Nobody can listen at this address.
    """
    check_free(settings.host, settings.port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what ends all processes is done once, for both signals
    batches = BatchSizes(settings.batch_size)
    metrics = Metrics(batches)
    server = make_server(settings, batches, metrics)
    http = Http(
        uvicorn.Config(
            server.app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            timeout_graceful_shutdown=math.ceil(settings.answer_seconds),
        ),
        f"serving {settings.model} at http://{settings.host}:{{port}} (try it: /docs); Ctrl-C stops it",
    )
    # LitServe's own way to run forks the HTTP server and keeps its socket open: whoever comes while it stops would be
    # neither answered nor refused. This, which its tests use, keeps all but the models in one process.
    with wrap_litserve_start(server, worker_monitor=True):
        with Decoders(settings.model, settings.limits, settings.decoders) as decoders:
            server.app.state.uploads = Uploads(decoders, settings.limits, metrics, settings.queue)
            server.verify_worker_status()
            with suppress(KeyboardInterrupt):  # uvicorn raises the signal that has stopped it once more
                http.run()
            # Its watcher of the workers asks a process that ends before it does, and would say that it crashed.
            logging.getLogger("litserve.server").disabled = True


def make_server(settings: Settings, batches: BatchSizes, metrics: Metrics) -> LitServer:
    """The application and its queue; nothing is started."""
    accelerator, _, index = settings.device.partition(":")
    server = LitServer(
        Emotions(settings, batches),
        accelerator=accelerator,
        devices=[int(index)] if index else "auto",
        workers_per_device=settings.workers,
        timeout=settings.answer_seconds,
        restart_workers=True,
        model_metadata={"name": Path(settings.model).name},
        middlewares=[(Door, {"settings": settings, "metrics": metrics})],
    )
    configure_logging(logging.WARNING, stream=sys.stderr)
    tell_errors_plainly(server.app)
    server.app.title, server.app.version, server.app.description = "emofusion", version("emofusion"), DESCRIPTION
    (route,) = [route for route in server.app.routes if isinstance(route, APIRoute) and route.path == PATH]
    route.summary, route.description = "Answer about a clip", ""
    route.responses = {status: {"description": words} for status, words in REFUSALS.items()}

    async def tell(request: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    server.app.add_api_route("/metrics", tell, summary="Counters, for Prometheus")
    return server


def check_free(host: str, port: int) -> None:
    """Refuse an address at which nobody can listen, before a model is loaded for it.

    Raises:
        OSError: It is another machine's, or somebody listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        probe.bind((host, port))
