"""Real clips as inputs of an exported model: to quantise by, and to compare answers on."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from emofusion.commands.endings import FailedError, UsageError
from emofusion.commands.predict.inputs import find_inputs
from emofusion.data.corpora.own.own_clips import FIRST_NUMBER
from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.protocols import numbers
from emofusion.modeling import EmoFusionConfig, EmoFusionFeatureExtractor, EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.run.defaults import fill_in_protocol, fill_in_what_splits_need
from emofusion.training.setup.checks import check_flags_of_corpus
from emofusion.training.setup.clips import Clips, load_clips, thin_out
from emofusion.training.setup.leaks import actors_of
from emofusion.training.setup.model import make_config, make_processor

from .exportable import Axes, sizes_of

BATCH = 8


@dataclass(frozen=True)
class RealClips:
    """Clips of people, ready for an exported model.

    Attributes:
        words (`str`): What they are.
        batches (`list[dict]`): Their inputs by name.
        labels (`list[int]`): Their classes, where these are known.
    """

    words: str
    batches: list[dict[str, torch.Tensor]]
    labels: list[int]


class SampleExtractor(EmoFusionFeatureExtractor):
    """Chooses and cuts the seconds that are heard, and hands out their samples: log-mels are made in the graph."""

    @property
    def model_input_names(self) -> list[str]:
        """What an exported model calls them."""
        return ["samples"]

    def values(self, waveforms: torch.Tensor) -> torch.Tensor:
        """The samples themselves, float32 `[batch, num_samples]`."""
        return waveforms


def processor_for(processor: EmoFusionProcessor, axes: Axes) -> EmoFusionProcessor:
    """The processor of a model, for a file of these inputs."""
    if "samples" not in axes:
        return processor
    of_samples, extractor = copy.copy(processor), processor.feature_extractor
    of_samples.feature_extractor = SampleExtractor(
        extractor.feature_size,
        extractor.sampling_rate,
        clip_duration=extractor.clip_duration,
        window=extractor.window,
    )
    return of_samples


def whole_inputs(packed: Mapping[str, Any], axes: Axes, config: EmoFusionConfig) -> dict[str, torch.Tensor]:
    """What a processor made of clips, with zeros for a modality that none of them has: a file needs every input."""
    clips = len(next(iter(packed.values())))
    sizes = {**sizes_of(config), "batch": clips}
    whole = {}
    for name, axis_lengths in axes.items():
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in axis_lengths]
        kind = torch.bool if name.endswith("mask") else torch.float32
        whole[name] = packed[name] if name in packed else torch.zeros(shape, dtype=kind)
    return whole


def clips_of_files(named: Sequence[str], pipe: EmoFusionPipeline, axes: Axes, limit: int) -> RealClips:
    """Clips of files and folders.

    Args:
        named (`Sequence[str]`): Their paths.
        pipe (`EmoFusionPipeline`): Of the model; reads them.
        axes (`Axes`): What the exported model is given.
        limit (`int`): At most so many, drawn evenly.

    Raises:
        FailedError: One cannot be read.
    """
    found = find_inputs(named)
    for name, reason in found.failed.items():
        raise FailedError(f"--clips {name}: {reason}")
    chosen = found.files
    if limit < len(chosen):
        chosen = [chosen[place] for place in np.linspace(0, len(chosen) - 1, limit).astype(int)]
    processor, clips = processor_for(pipe.processor, axes), []
    for file in chosen:
        try:
            clip = processor.recording(file).clip()
            if not processor.reads(clip):
                processor.pack([clip], cropped=True)  # says what it lacks
        except (ValueError, OSError, ImportError) as error:
            raise FailedError(f"--clips {file}: {error}") from error
        clips.append(clip)
    batches = [
        whole_inputs(processor.pack(clips[first : first + BATCH], cropped=True), axes, pipe.model.config)
        for first in range(0, len(clips), BATCH)
    ]
    return RealClips(f"{len(clips)} clips of --clips", batches, [])


def load_corpus(model: str, words: Sequence[str]) -> tuple[Clips, str]:
    """The clips of a corpus, by the flags of `emofusion train`; and what the corpus is called.

    Args:
        model (`str`): Folder or repository of the checkpoint.
        words (`Sequence[str]`): The flags.

    Raises:
        ArgumentError, ValueError, OSError: Naming the flag or the file.
    """
    # Nothing is trained, so nothing is written into the folder of which a training must know.
    more = ["--model_name_or_path", model, "--eval_strategy", "no", "--report_to", "none", "--output_dir", "none"]
    arguments = parse_arguments([*words, *more])
    fill_in_protocol(arguments)
    check_flags_of_corpus(arguments)
    fill_in_what_splits_need(arguments)
    config = make_config(arguments)
    clips = load_clips(arguments, config, make_processor(config, arguments))
    return clips, clips.corpus.name


def training_clips(
    clips: Clips, name: str, processor: EmoFusionProcessor, axes: Axes, config: EmoFusionConfig, limit: int
) -> RealClips:
    """Clips of those that trained the model.

    Raises:
        UsageError: It was not trained on them: its scores on unseen actors would be those of actors it was fitted to.
    """
    rows = thin_out(clips.splits["train"], limit)
    actors = actors_of(clips.splits["train"])
    known = config.training_actors if config.training_actors_complete else None
    if known is None:
        raise UsageError(
            "--data_dir: nobody knows whom this model was trained on, so that its test clips may be among these; name "
            "clips that you want to quantise by, with --clips"
        )
    if others := actors - set(known):
        who = f"actors {numbers(others)}" if max(others) < FIRST_NUMBER else "speakers or clips"
        raise UsageError(
            f"--protocol: its training part has {who} that this model was not trained on, and quantising by them "
            "would be learning from them; give the --protocol and --fold of its training"
        )
    words = f"{len(rows)} training clips of {name}{_people(actors)}"
    return RealClips(words, *_inputs_of(clips, rows, processor, axes, config))


def scored_clips(
    clips: Clips, name: str, processor: EmoFusionProcessor, axes: Axes, config: EmoFusionConfig
) -> RealClips:
    """Clips of the actors that are scored, with their classes."""
    rows = clips.splits["test"]
    words = f"{len(rows)} test clips of {name}{_people(actors_of(rows))}"
    return RealClips(words, *_inputs_of(clips, rows, processor, axes, config))


def _people(actors: Collection[int]) -> str:
    return f", actors {numbers(actors)}" if actors and max(actors) < FIRST_NUMBER else ""


def _inputs_of(
    clips: Clips, rows: Any, processor: EmoFusionProcessor, axes: Axes, config: EmoFusionConfig
) -> tuple[list[dict[str, torch.Tensor]], list[int]]:
    """Inputs of rows in batches, and their classes. No row is augmented: that is for the part called `train`."""
    made = replace(clips, splits={"export": rows}).inputs(processor_for(processor, axes), Augmentation(seed=0))
    batches, labels = [], []
    for batch in _batches(made["export"]):
        labels += batch.pop("labels").tolist()
        batches.append(whole_inputs(batch, axes, config))
    return batches, labels


def _batches(rows: Any) -> Iterator[dict[str, torch.Tensor]]:
    for first in range(0, len(rows), BATCH):
        yield dict(rows[first : first + BATCH])
