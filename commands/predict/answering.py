"""Files to answers: read by several processes, answered in batches; one that fails costs itself alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import DataLoader, Dataset
from transformers.utils import logging as transformers_logging

from emofusion.commands.endings import FailedError, UsageError
from emofusion.data.store.cores import cores
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

from .formats import Answer


@dataclass(frozen=True)
class Failure:
    """Why a file has no answer."""

    reason: str


class Files(Dataset[dict[str, Any] | Failure]):
    """The seconds of files that a model looks at, read when they are asked for.

    Args:
        files (`Sequence[str]`): Paths and addresses.
        pipe (`EmoFusionPipeline`): Reads them.
    """

    def __init__(self, files: Sequence[str], pipe: EmoFusionPipeline) -> None:
        self.files, self.pipe = files, pipe

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Any] | Failure:
        try:
            (window,) = self.pipe.preprocess(self.files[index])
            if not self.pipe.processor.reads(window["clip"]):
                self.pipe.processor.pack([window["clip"]], cropped=True)  # says what it lacks
        except Exception as error:  # damaged files raise anything; one of them is never worth all the others
            return Failure(_in_one_line(error))
        return window


class Answerer:
    """A model that is asked about files. Of a checkpoint no code is run, only that of this package.

    Args:
        model (`str`): Folder, or repository of the hub.
        device (`str`, *optional*): Where it computes; a GPU where there is one.

    Raises:
        UsageError: No such device.
        FailedError: The checkpoint cannot be loaded.
    """

    def __init__(self, model: str, device: str | None = None) -> None:
        place = _device(device)
        transformers_logging.disable_progress_bar()  # its bar of weights would be done before anyone has read it
        try:
            self.pipe = EmoFusionPipeline(
                model=EmoFusionModel.from_pretrained(model),
                processor=EmoFusionProcessor.from_pretrained(model),
                device=place,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise FailedError(f"--model {model}: cannot be loaded ({_in_one_line(error)})") from error

    def answers(
        self, files: Sequence[str], jobs: int | None, batch_size: int
    ) -> Iterator[tuple[str, Answer | Failure]]:
        """What the model says of each file, in their order.

        Args:
            files (`Sequence[str]`): Paths and addresses.
            jobs (`int`, *optional*): Processes that read; one for each core if not given, none but this one if 1.
            batch_size (`int`): How many clips the model is given at a time.
        """
        workers = min(jobs or cores(), len(files))
        loader = DataLoader(
            Files(files, self.pipe),
            batch_size=batch_size,
            num_workers=workers if workers > 1 else 0,
            collate_fn=list,
        )
        names = iter(files)
        with _memory_told(f"--batch_size {batch_size}"):
            for batch in loader:
                answers = iter(self._answer([window["clip"] for window in batch if not isinstance(window, Failure)]))
                for window in batch:
                    yield next(names), window if isinstance(window, Failure) else next(answers)

    def timelines(self, files: Sequence[str], hop: float, batch_size: int) -> Iterator[tuple[str, Answer | Failure]]:
        """The same with a timeline. A recording may be long: it is answered while it is read, one after the other.

        Args:
            files (`Sequence[str]`): Paths and addresses.
            hop (`float`): Seconds from one window to the next.
            batch_size (`int`): How many windows the model is given at a time.
        """
        for file in files:
            try:
                yield file, self.pipe(file, return_timeline=True, hop=hop, batch_size=batch_size)
            except torch.OutOfMemoryError as error:
                raise FailedError(
                    f"--batch_size {batch_size}: so many windows do not fit into the memory of the device; name fewer"
                ) from error
            except Exception as error:  # as above
                yield file, Failure(_in_one_line(error))

    def _answer(self, clips: list[Any]) -> list[Answer]:
        """One answer for each clip, from one batch."""
        if not clips:
            return []
        told = self.pipe.forward({"clip": clips})["clip"]
        return [self.pipe.postprocess([{"clip": one, "stands_for_all": True, "is_last": True}]) for one in told]


@contextmanager
def _memory_told(flag: str) -> Iterator[None]:
    """What ends all answers in place of one, where memory is short.

    Raises:
        FailedError: It names what to change.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise FailedError(f"{flag}: so many clips do not fit into the memory of the device; name fewer") from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise FailedError(
            "a process that reads files was killed, as happens when memory is short: fewer --jobs"
        ) from error


def _device(name: str | None) -> torch.device | None:
    """The device of a name, tried out; None, of which the pipeline makes its own choice, without one."""
    if name is None:
        return None
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: cannot be used here ({_in_one_line(error)})") from error
    return device


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
