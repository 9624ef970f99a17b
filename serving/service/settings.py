"""What a service is asked for; nothing slow is imported here."""

import re
from dataclasses import dataclass, field, fields

from emofusion.serving.limits import Limits


@dataclass(frozen=True)
class Settings:
    """How a model is served.

    Args:
        model (`str`): Folder of a checkpoint, or repository of the hub.
        host (`str`): Address to listen at.
        port (`int`): The same; 0 for any that is free.
        device (`str`): Where the model computes: `"cpu"`, `"cuda"` (every GPU) or one, such as `"cuda:1"`.
        workers (`int`): Processes with the model in them, on each device.
        decoders (`int`): Processes that read clips.
        batch_size (`int`): Clips that the model is given at a time, at most.
        wait (`float`): Seconds in which a batch is gathered.
        queue (`int`): Clips that may be inside: uploads, waiting and being answered. The next one is told to come
            again.
        answer_seconds (`float`): From the first byte of a request to its answer, at most.
        limits (`Limits`): What a clip may be.

    Raises:
        ValueError: A number with which nothing would be served; the message begins with the flag.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    device: str = "cpu"
    workers: int = 1
    decoders: int = 1
    batch_size: int = 8
    wait: float = 0.02
    queue: int = 64
    answer_seconds: float = 120.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, least = getattr(self, entry.name), LEAST.get(entry.name)
            if least is not None and not least <= value < float("inf"):
                raise ValueError(f"--{entry.name} {value:g}: expected {least:g} or more")
        if re.fullmatch(r"cpu|cuda(:\d+)?", self.device) is None:
            raise ValueError(f"--device {self.device}: expected cpu, cuda or one GPU, such as cuda:1")
        if self.wait >= self.answer_seconds:
            raise ValueError(f"--wait {self.wait:g}: expected less than --answer_seconds {self.answer_seconds:g}")
        if self.port > 65535:
            raise ValueError(f"--port {self.port}: expected 0 (any that is free) to 65535")


LEAST = {
    "port": 0,
    "workers": 1,
    "decoders": 1,
    "batch_size": 1,
    "wait": 0.001,  # with no wait at all LitServe asks for requests as fast as a core can
    "queue": 1,
    "answer_seconds": 1,
}
"""The least that each setting may be."""
