"""One model, asked about what strangers send."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

from .decoding import Decoded, Decoders
from .limits import DEFAULTS, Limits

BATCH = 16
"""Windows that the model is given at a time."""
Progress = Callable[[int, int], object]
"""Told how many windows are answered, and of how many at most. What it raises ends the work."""


class Answerer:
    """A model in this process, and processes that decode for it. To be closed; or used in a `with`, which does.

    Of a checkpoint no code is run, only that of this package, and weights are safetensors: nothing is unpickled.

    Args:
        model (`str`): Folder, or repository of the hub.
        limits (`Limits`): Of a file.
        processes (`int`): How many files are decoded at a time.
        device (`str`): Where the model computes.

    Attributes:
        pipe (`EmoFusionPipeline`): What the answers come from.
        decoders (`Decoders`): What its windows come from.

    Raises:
        OSError, ValueError: The checkpoint cannot be loaded.
    """

    def __init__(self, model: str, limits: Limits = DEFAULTS, *, processes: int = 1, device: str = "cpu") -> None:
        try:
            weights = EmoFusionModel.from_pretrained(model, use_safetensors=True)
        except SafetensorError as error:  # no kind of OSError, as all else is that is wrong with a file
            raise OSError(f"{model}: its weights are damaged ({error}). Copy or train it anew.") from error
        processor = EmoFusionProcessor.from_pretrained(model)
        self.pipe = EmoFusionPipeline(model=weights, processor=processor, device=device)
        self.decoders = Decoders(model, limits, processes)

    def answer(
        self, path: Path, *, timeline: bool = False, hop: float = 1.0, progress: Progress | None = None
    ) -> dict[str, Any]:
        """What the model says of a file; a long one is answered while it is read. May be called from several threads.

        Args:
            path (`Path`): As of [`arrived`].
            timeline (`bool`): Whether to answer about every window, too.
            hop (`float`): Seconds from one window of the timeline to the next.
            progress (`Progress`, *optional*): Told how far it is.

        Returns:
            `dict`: As [`EmoFusionPipeline.__call__`] says.

        Raises:
            Refused: As of [`Decoders.decode`].
        """
        with closing(self.decoders.windows(path, timeline=timeline, hop=hop)) as windows:
            answered = []
            for window in self.answered(windows):
                answered.append(window)
                if progress is not None:
                    progress(len(answered), window["expected"])
        return self.pipe.postprocess(answered)

    def forward(self, decoded: Sequence[Decoded]) -> list[dict[str, Any]]:
        """What the model says of several files that are decoded, looking at all their windows together.

        Returns:
            `list[dict]`: Of each, as of [`Answerer.answer`].
        """
        answered = self.answered(window for file in decoded for window in file.windows)
        return [self.pipe.postprocess(list(islice(answered, len(file.windows)))) for file in decoded]

    def close(self) -> None:
        """End the processes that decode."""
        self.decoders.close()

    def __enter__(self) -> "Answerer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answered(self, windows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Windows with what the model says in place of what it looks at, for the pipeline's `postprocess`."""
        left = iter(windows)
        while batch := list(islice(left, BATCH)):
            said = self.pipe.forward({"clip": [window["clip"] for window in batch]})["clip"]
            yield from ({**window, "clip": clip} for window, clip in zip(batch, said, strict=True))
