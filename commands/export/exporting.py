"""One export from its words to its files: load, write, compare with the model, give the file its name."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emofusion.commands.endings import FailedError
from emofusion.commands.model_files import ModelFiles
from emofusion.commands.predict.answering import Answerer
from emofusion.data.whole_files import write_text, write_whole
from emofusion.modeling import EmoFusionFeatureExtractor, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

from .clips import RealClips, clips_of_files, load_corpus, training_clips
from .exportable import Axes, Exportable, axes_of, outputs_of
from .graph_files import Run, describe, metadata_of, open_archive, open_onnx, write_archive, write_onnx
from .one_file import one_file
from .parity import TOLERANCE, Parity, drawn_batches, parity_of
from .verb import FILES, ORT_VERSION
from .web import has_runtime, read_runtime, write_page

RUNNER = "run_onnx.py"


class Export:
    """A model that is exported.

    Args:
        model (`str`): Folder or repository of the checkpoint.
        sound (`str`): What the files hear: `"samples"` or `"log_mel"`.

    Raises:
        FailedError: It cannot be loaded.
    """

    def __init__(self, model: str, sound: str) -> None:
        self.name, self.sound = model, sound
        self.pipe: EmoFusionPipeline = Answerer(model, "cpu").pipe
        self.model: EmoFusionModel = self.pipe.model.float()  # weights that are kept in half precision, too
        self.processor: EmoFusionProcessor = self.pipe.processor
        self.axes: Axes = axes_of(self.model.config, sound)
        self.extractor: EmoFusionFeatureExtractor = self.processor.feature_extractor
        self.graph = Exportable(self.model, self.extractor if "samples" in self.axes else None)
        video = self.processor.video_processor
        settings = {
            "stored_size": video.size["height"],
            "image_mean": list(video.image_mean),
            "image_std": list(video.image_std),
            "log_mel": {
                name: getattr(self.extractor, name) for name in ("n_fft", "hop_length", "feature_size", "mean", "std")
            },
        }
        licence = ModelFiles(model).card_data().get("license")
        self.about = metadata_of(self.model.config, settings, sound, licence)

    @property
    def bytes(self) -> int:
        """Size of the weights as torch holds them."""
        return sum(tensor.nbytes for tensor in self.model.state_dict().values())

    @property
    def has_runner(self) -> bool:
        """Whether the script beside an ONNX file could answer by it."""
        return "input_features" not in self.axes and "action_units" not in self.axes

    def write(self, to: str, path: Path, clips: RealClips | None) -> Parity:
        """Write one file under a name that nobody takes for finished, and compare it with the model.

        Args:
            to (`str`): `"onnx"`, `"torch"`, `"int8"` or `"web"`.
            path (`Path`): The file.
            clips (`RealClips`, *optional*): To quantise by, and to compare on beside the drawn ones.

        Raises:
            FailedError: It does not answer as the model does.
        """
        if to == "int8":
            assert clips is not None
            self._write_int8(path, clips)
            parity = self.parity(open_onnx(path), clips.batches)
            if not math.isfinite(parity.furthest):
                raise FailedError(f"{self.name}: in 8-bit numbers it answers {parity.furthest}; nothing was written")
            return parity
        write = write_archive if to == "torch" else write_onnx
        write(path, self.graph, self.axes, self.about)
        run = open_archive(path) if to == "torch" else open_onnx(path)
        batches = [*drawn_batches(self.model, self.axes), *(clips.batches if clips is not None else [])]
        parity = self.parity(run, batches)
        if not parity.furthest <= TOLERANCE:
            raise FailedError(
                f"{self.name}: the exported model is {parity.furthest:.2g} off what the model answers, and "
                f"{TOLERANCE:g} is allowed; nothing was written"
            )
        return parity

    def parity(self, run: Run, batches: Sequence[dict[str, Any]]) -> Parity:
        """How far a file is from the model."""
        return parity_of(run, self.model, self.extractor, batches)

    def _write_int8(self, path: Path, clips: RealClips) -> None:
        from .int8 import quantise

        with TemporaryDirectory() as folder:
            plain = Path(folder, "model.onnx")
            write_onnx(plain, self.graph, self.axes, self.about)
            quantise(plain, path, clips.batches)
        describe(path, {**self.about, "quantised_by": json.dumps(clips.words)})


def export_model(
    model: str,
    to: str,
    output: Path,
    sound: str = "samples",
    files: Sequence[str] = (),
    corpus: Sequence[str] = (),
    limit: int = 128,
    ort: Path | None = None,
) -> None:
    """Do what `emofusion export` does, and print what it prints.

    Args:
        model (`str`): Folder or repository of a checkpoint.
        to (`str`): `"onnx"`, `"torch"`, `"int8"` or `"web"`.
        output (`Path`): The folder that is written into.
        sound (`str`): What the file hears: `"samples"` or `"log_mel"`.
        files (`Sequence[str]`): Clips to compare on, and folders of them; for `"int8"` those to quantise by.
        corpus (`Sequence[str]`): In place of these: flags of `emofusion train` that name the corpus of its training.
        limit (`int`): At most so many clips, drawn evenly.
        ort (`Path`, *optional*): For `"web"`: onnxruntime-web as npm packs it.

    Raises:
        UsageError, FailedError, ArgumentError, ValueError, OSError: Naming the flag or the file.
    """
    runtime = {} if ort is None else read_runtime(ort)
    job = Export(model, sound)
    clips = None
    if files:
        clips = clips_of_files(files, job.pipe, job.axes, limit)
    elif corpus:
        read, name = load_corpus(model, corpus)
        clips = training_clips(read, name, job.processor, job.axes, job.model.config, limit)
    output.mkdir(parents=True, exist_ok=True)
    path = output / FILES[to]
    found: list[Parity] = []
    write_whole(path, lambda place: found.append(job.write(to, place, clips)))
    _say(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {_signature(job)}")
    _say(_int8_words(found[0], clips) if to == "int8" and clips is not None else _parity_words(found[0], clips))
    if to == "torch":
        return
    if to == "web":
        write_page(output, model, job.about, runtime)
        _say(_page_words(output))
        return
    if job.has_runner:
        write_text(output / RUNNER, one_file(f"{__package__}.run_onnx"))
        _say(
            f"python {output / RUNNER} --model {path} CLIP: answers about clips by it, with numpy, onnxruntime and av "
            "alone"
        )
    else:
        _say(f"no {RUNNER}: it makes frames and raw sound of clips, and this file takes {', '.join(job.axes)}")


def _signature(job: Export) -> str:
    inputs = [f"{name} {list(shape)}".replace("'", "") for name, shape in job.axes.items()]
    return f"{', '.join(inputs)} -> {', '.join(outputs_of(job.model.config))}"


def _parity_words(parity: Parity, clips: RealClips | None) -> str:
    real = "" if clips is None else f" and {clips.words}"
    return (
        f"parity with torch: {parity.furthest:.1e} at most (allowed: {TOLERANCE:g}) on 4 drawn clips, one without "
        f"sound, one without picture, one of other lengths{real}"
    )


def _int8_words(parity: Parity, clips: RealClips) -> str:
    return (
        f"quantised by {clips.words}; on these: the label of the model for {parity.same_label} of {parity.clips}, "
        f"probabilities {parity.probabilities:.4f} off on average. What that costs on unseen actors, "
        "benchmarks/exported.py tells"
    )


def _page_words(output: Path) -> str:
    if has_runtime(output):
        return f"python -m http.server --directory {output}: shows the page, as any server of plain files does"
    return (
        f"the page does not run yet, for {output / 'ort'} is missing: npm pack onnxruntime-web@{ORT_VERSION}, then "
        f"this command again with --ort onnxruntime-web-{ORT_VERSION}.tgz"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
