"""The pipeline `"audio-visual-emotion-classification"`: a clip in, an answer with its seconds out. For the hub."""

import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from typing import Any

import numpy as np
import torch
from transformers.pipelines.base import ChunkPipeline

from .clips_emofusion import ClipArrays
from .container_emofusion import MediaError
from .recordings_emofusion import Recording

TASK = "audio-visual-emotion-classification"
TIMEOUT_S = 30.0  # of silence from a server
STILL = "picture: a single one, without sound"


class EmoFusionPipeline(ChunkPipeline):
    """Emotion of clips of any kind and length.

    Use it as `pipeline("audio-visual-emotion-classification", model=..., trust_remote_code=True)`; beside what every
    pipeline takes (`device`, `dtype`, `batch_size`), it takes here or with a call:

    Args:
        top_k (`int`, *optional*): How many classes `scores` names; all by default.
        return_timeline (`bool`): Whether to answer about every window of the clip, too.
        hop (`float`): Seconds from one window of the timeline to the next.
        smoothing (`float`): Seconds over which the probabilities of the timeline are averaged, around each window;
            0 leaves them as they are.
        sampling_rate (`int`): Hz of sounds that do not say it themselves.
        video_fps (`float`): Frames a second of frames.

    Example:
        ```python
        >>> from transformers import pipeline
        >>> classify = pipeline("audio-visual-emotion-classification", model="runs/demo", trust_remote_code=True)
        >>> classify("clip.mp4", top_k=3)
        >>> classify({"video": "silent.mp4", "audio": "voice.wav"})
        >>> classify("talk.mp4", return_timeline=True, hop=0.5, batch_size=8)["timeline"]
        ```
    """

    _load_processor = True
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_video_processor = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tokenizer = None  # transformers would look in it for what pads a batch of text
        if self.processor is None:
            raise ValueError("processor is missing: pass processor=AutoProcessor.from_pretrained(...) with the model")
        self.model.config.custom_pipelines = own_pipelines()  # transformers has put classes in, which JSON cannot hold

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Answer about one clip or several.

        Args:
            inputs: One clip: a path, an address (http, https), bytes, an open file, a value of `datasets`' Audio or
                Video (decoded or not), a sound (an array with `sampling_rate`), frames, a still picture, or a
                dictionary of `"video"` and `"audio"`, each such a thing, whose other entries are left alone. Or a list
                of clips, a generator or a data set.
            kwargs: As of the class, and `batch_size`: windows that the model sees at a time.

        Returns:
            `dict` for one clip, a list of them for a list, an iterator for a generator or a data set. `label` is a
            class, or `"unsure"` as of [`EmoFusionModel.answers`]; `score` the probability of the most likely class;
            `scores` those of the `top_k` most likely ones; `modalities` what was read, `"audio"` and `"video"`; `gate`
            the weight of the sound, or None; `window` the seconds `[start, end]` that the answer is about; `duration`
            those of the whole clip, None for a still picture; `notes` what was odd about it. With `return_timeline`,
            `timeline` is a list of dictionaries of `start`, `end`, `label`, `score`, `scores`, `gate`, `modalities`.

        Raises:
            ValueError: A clip that cannot be used, named, or a setting that means nothing.
        """
        if isinstance(inputs, list) and not inputs:
            return []
        if is_data_set(inputs):
            inputs = (item for item in inputs)
        return super().__call__(inputs, **kwargs)

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:
        """Save model and processor, from which the pipeline is found again."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory)

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        return_timeline: bool | None = None,
        hop: float | None = None,
        smoothing: float | None = None,
        sampling_rate: int | None = None,
        video_fps: float | None = None,
        **unknown: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        for name in unknown:
            if name not in ("args_parser", "torch_dtype", "dtype"):
                raise ValueError(
                    f"{name}: expected top_k, return_timeline, hop, smoothing, sampling_rate, video_fps or batch_size"
                )
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
            raise ValueError(f"top_k={top_k!r}: expected how many classes to name, such as 3, or None for all")
        if smoothing is not None and not 0 <= smoothing < float("inf"):
            raise ValueError(f"smoothing={smoothing!r}: expected seconds, 0 for none")
        rates = {"sampling_rate": sampling_rate, "video_fps": video_fps}
        reading = {"return_timeline": return_timeline, "hop": hop, **rates}
        answering = {"top_k": top_k, "smoothing": smoothing}
        given = [{name: value for name, value in part.items() if value is not None} for part in (reading, answering)]
        return given[0], {}, given[1]

    def preprocess(self, item: Any, return_timeline: bool = False, hop: float = 1.0, **rates: Any) -> Iterator[dict]:
        """The windows of one clip, in order; the last one says so, and knows all that is odd about it."""
        with local(item) as there:
            recording = self.processor.recording(there, **rates)
            yield from windows_of(self.processor, recording, hop if return_timeline else None)

    def _forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the model makes of a batch of windows, or of a single one."""
        several = isinstance(inputs["clip"], list)
        clips: list[ClipArrays] = inputs["clip"] if several else [inputs["clip"]]
        tensors = self.processor.pack(clips, cropped=True)
        output = self.model(**{name: tensor.to(self.device) for name, tensor in tensors.items()})
        gates = [None] * len(clips) if output.gate is None else output.gate.float().tolist()
        answers = [
            {
                "window": [clip.start, clip.end],
                "duration": clip.duration,
                "notes": list(clip.notes),
                "modalities": self.processor.read_modalities(clip),
                "probabilities": probabilities,
                "gate": gate,
            }
            for clip, probabilities, gate in zip(clips, output.logits.float().softmax(-1).tolist(), gates, strict=True)
        ]
        return {**inputs, "clip": answers if several else answers[0]}

    def postprocess(self, windows: list[dict[str, Any]], top_k: int | None = None, smoothing: float = 0.0) -> dict:
        """The answer about one clip."""
        (whole,) = [window["clip"] for window in windows if window["stands_for_all"]]
        notes = windows[-1]["clip"]["notes"]
        start, end = whole["window"]
        if whole["duration"] is None:
            notes = [*notes, STILL]
        elif whole["duration"] - (end - start) > 0.01:
            notes = [*notes, f"answer: about {start:.2f}-{end:.2f} s of {whole['duration']:.2f} s"]
        kept = ("modalities", "gate", "window", "duration")
        answer = {**self._said(whole["probabilities"], top_k), **{name: whole[name] for name in kept}, "notes": notes}
        timeline = [window["clip"] for window in windows if not window["stands_for_all"]]
        if timeline:
            answer["timeline"] = self._timeline(timeline, top_k, smoothing)
        return answer

    def _timeline(self, windows: list[dict[str, Any]], top_k: int | None, smoothing: float) -> list[dict[str, Any]]:
        starts = np.array([window["window"][0] for window in windows])
        raw = np.array([window["probabilities"] for window in windows])
        near = [np.abs(starts - start) <= smoothing / 2 for start in starts] if smoothing else []
        smooth = [raw[there].mean(axis=0) for there in near] if smoothing else list(raw)
        return [
            {
                "start": window["window"][0],
                "end": window["window"][1],
                **self._said(probabilities.tolist(), top_k),
                "gate": window["gate"],
                "modalities": window["modalities"],
            }
            for window, probabilities in zip(windows, smooth, strict=True)
        ]

    def _said(self, probabilities: Sequence[float], top_k: int | None) -> dict[str, Any]:
        """Label, score and scores of a window."""
        (label,) = self.model.answers(torch.tensor([probabilities], dtype=torch.float64).log())
        order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])[:top_k]
        scores = {self.model.config.id2label[index]: probabilities[index] for index in order}
        return {"label": label, "score": max(probabilities), "scores": scores}


def windows_of(processor: Any, recording: Recording, hop: float | None) -> Iterator[dict[str, Any]]:
    """The windows of a recording that a model is asked about, as [`EmoFusionPipeline`] takes them.

    Args:
        processor (`EmoFusionProcessor`): The model's.
        recording (`Recording`): What it has opened.
        hop (`float`, *optional*): Seconds from one window of the timeline to the next; no timeline without it.

    Yields:
        `dict`: In ascending seconds, of each window its `clip` ([`ClipArrays`]), whether it is the one that
        `stands_for_all`, and whether it `is_last`; that one has all `notes`.
    """
    if hop is None:
        places, clips = 0, iter([recording.clip()])
    else:
        starts = processor.starts(recording, hop)
        places = int(np.searchsorted(starts, recording.chosen, side="right"))
        clips = recording.clips(np.insert(starts, places, recording.chosen))
    waiting: dict[str, Any] | None = None
    for place, clip in enumerate(clips):
        stands_for_all = place == places
        if not stands_for_all and not processor.reads(clip):
            continue
        if waiting is not None:
            yield waiting
        clip.duration = None if recording.still else clip.duration
        clip.end = clip.start if recording.still else clip.end
        waiting = {"clip": clip, "stands_for_all": stands_for_all, "is_last": False}
    assert waiting is not None  # the window that stands for all is always there
    waiting["clip"].notes = tuple(dict.fromkeys(recording.notes))
    yield {**waiting, "is_last": True}


def own_pipelines() -> dict[str, dict[str, Any]]:
    """What a config says, so that transformers finds this pipeline beside the weights."""
    return {TASK: {"impl": f"pipeline_emofusion.{EmoFusionPipeline.__name__}", "pt": ["AutoModel"]}}


class Download(os.PathLike):
    """A file that lies here for a while, under the name by which messages call it.

    Args:
        path (`str`): Where it lies.
        name (`str`): Its address.
    """

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.name


def is_address(item: Any) -> bool:
    """Whether something is the address of a file on a server."""
    return isinstance(item, str) and item.lower().startswith(("http://", "https://"))


def is_data_set(inputs: Any) -> bool:
    """Whether something is a data set of `datasets`, or a column of one: transformers would take it for one clip."""
    return type(inputs).__module__ in ("datasets.arrow_dataset", "datasets.iterable_dataset")


@contextmanager
def local(item: Any) -> Iterator[Any]:
    """One clip whose addresses are files here for as long as it is read."""
    with ExitStack() as stack:
        if is_address(item):
            yield stack.enter_context(downloaded(item))
        elif isinstance(item, Mapping):
            yield {
                key: stack.enter_context(downloaded(value)) if key != "path" and is_address(value) else value
                for key, value in item.items()
            }
        else:
            yield item


@contextmanager
def downloaded(address: str) -> Iterator[Download]:
    """The file at an address, in a folder that is gone afterwards.

    Raises:
        MediaError: The server does not give it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "clip")
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer, open(path, "wb") as file:
                shutil.copyfileobj(answer, file)
                announced = int(answer.headers.get("Content-Length") or 0)
                if file.tell() < announced:  # urllib says nothing
                    raise OSError(f"the connection ended after {file.tell()} of {announced} bytes")
        except (OSError, ValueError, HTTPException) as error:
            raise MediaError(
                f"{address}: expected a file that can be downloaded, found: {error}. Check the address."
            ) from error
        yield Download(path, address)


__all__ = ["TASK", "EmoFusionPipeline", "own_pipelines", "windows_of"]
