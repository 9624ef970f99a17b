"""What a model has seen in training, and whether it is scored on an actor among them."""

import logging
from collections.abc import Collection

import datasets
import torch

from emofusion.data.protocols import numbers
from emofusion.modeling import EmoFusionModel
from emofusion.modeling.seen_emofusion import Seen
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError

logger = logging.getLogger(__name__)


def seen_by(checkpoint: str) -> Seen:
    """What the weights of a checkpoint have seen, by its own word and by the seal that binds it to them.

    Raises:
        OSError, ValueError: There are no weights in it.
    """
    with torch.random.fork_rng(devices=[]):
        return EmoFusionModel.from_pretrained(checkpoint).seen


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
