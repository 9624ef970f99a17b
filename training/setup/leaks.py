"""What a model has seen, before a run and after it, and whether it is scored on an actor among them."""

import logging
from collections.abc import Collection

import datasets

from emofusion.data.protocols import LEAKY, numbers
from emofusion.modeling import EmoFusionConfig
from emofusion.modeling.seen_emofusion import NOBODY_KNOWS, Seen, together
from emofusion.training.command_line.training_arguments import Arguments, EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError

from .backbones import backbone_sources
from .clips import Clips
from .encoder_weights import encoder_sources, seen_by

logger = logging.getLogger(__name__)


def seen_in_run(splits: dict[str, datasets.Dataset], modalities: Collection[str]) -> Seen:
    """What a model that reads these modalities sees in training: whom it learns from or is chosen by, and as what."""
    actors = [actors_of(splits[name]) for name in ("train", "validation") if name in splits]
    there = frozenset(modality for modality in modalities if any(splits["train"][f"has_{modality}"]))
    return Seen(frozenset().union(*actors), there)


def actors_of(rows: datasets.Dataset) -> set[int]:
    """The actors of some rows; of still pictures there are none. Numbers of RAVDESS and CREMA-D are never the same."""
    return set(rows["actor"]) if "actor" in rows.column_names else set()


def find_leak(seen: Seen, test_actors: Collection[int], args: EmoFusionTrainingArguments, allow: bool) -> bool | None:
    """Whether actors of the test were seen in training, by this run or by what it began with; None if nobody knows.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    both = seen.actors & set(test_actors)
    if both and args.push_to_hub and not allow:
        raise ArgumentError(
            f"--push_to_hub: the test actors {numbers(both)} were seen in training (--protocol, or the checkpoint), "
            "so the scores are inflated; to push the model all the same, add --allow_leaky_split"
        )
    if both:
        logger.warning("LEAK: the test actors %s were seen in training, so the scores are inflated", numbers(both))
        return True
    if not seen.complete:
        logger.warning(
            "a checkpoint does not say on whom it was trained: whether the test %s were among them, and the "
            "scores are inflated, is not known",
            f"actors {numbers(test_actors)}" if test_actors else "pictures",
        )
        return None
    return False


def seen_before(arguments: Arguments, checkpoint: str | None) -> Seen:
    """What the weights that a run begins with have seen.

    Args:
        arguments (`Arguments`): Those of the run.
        checkpoint (`str`, *optional*): Where it is resumed. It has seen what the run begins with and what the run
            shows it, but only if nobody else trained it on.

    Raises:
        OSError, ValueError: A source of weights is neither a checkpoint nor a file of weights.
    """
    start = arguments.model.model_name_or_path
    sources = [seen_by(start)] if start is not None else []
    return together(
        [*sources, *encoder_sources(arguments.model), *backbone_sources(arguments.model), *_resumed(checkpoint)]
    )


def _resumed(checkpoint: str | None) -> list[Seen]:
    if checkpoint is None:
        return []
    try:
        return [seen_by(checkpoint)]
    except (OSError, ValueError):  # weights in another form than a model's, which Trainer alone can read
        return [NOBODY_KNOWS]


def seen_after(before: Seen, arguments: Arguments, config: EmoFusionConfig, clips: Clips) -> Seen:
    """What the weights will have seen after the run; where nothing is trained, what they had seen before."""
    return together([before, seen_in_run(clips.splits, config.modalities)]) if arguments.trains else before


def leak_of(seen: Seen, arguments: Arguments, clips: Clips) -> bool | None:
    """Whether actors of the test were seen in training; None where nobody knows.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    if not arguments.tests:
        return False if seen.complete else None
    test_actors = actors_of(clips.splits["test"])
    leak = find_leak(seen, test_actors, arguments.training, arguments.data.allow_leaky_split)
    return True if arguments.data.protocol == LEAKY else leak
