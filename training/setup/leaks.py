"""Which actors trained a model, and whether it is scored on one of them."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import datasets

from emofusion.data.protocols import numbers
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenActors:
    """Actors that weights were trained on or chosen by.

    Attributes:
        known (`frozenset[int]`): Those that are known.
        complete (`bool`): Whether these are all; false where a checkpoint did not say.
    """

    known: frozenset[int] = frozenset()
    complete: bool = True


def seen_by(config: EmoFusionConfig) -> SeenActors:
    """What a checkpoint says of itself."""
    complete = config.training_actors is not None and config.training_actors_complete
    return SeenActors(frozenset(config.training_actors or ()), complete)


def seen_in_training(begins_with: Sequence[SeenActors], splits: dict[str, datasets.Dataset]) -> SeenActors:
    """Actors that train a model or choose its checkpoint, in this run and in the checkpoints that it begins with."""
    now = [actors_of(splits[name]) for name in ("train", "validation") if name in splits]
    known = frozenset().union(*now, *(seen.known for seen in begins_with))
    return SeenActors(known, all(seen.complete for seen in begins_with))


def actors_of(rows: datasets.Dataset) -> set[int]:
    """The actors of some rows; of still pictures there are none. Numbers of RAVDESS and CREMA-D are never the same."""
    return set(rows["actor"]) if "actor" in rows.column_names else set()


def find_leak(
    seen: SeenActors, test_actors: Collection[int], args: EmoFusionTrainingArguments, allow: bool
) -> bool | None:
    """Whether actors of the test were seen in training, by this run or by what it began with; None if nobody knows.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    both = seen.known & set(test_actors)
    if both and args.push_to_hub and not allow:
        raise ArgumentError(
            f"--push_to_hub: the test actors {numbers(both)} were seen in training (--protocol, or the checkpoint), "
            "so the scores are inflated; to push the model all the same, add --allow_leaky_split"
        )
    if both:
        logger.warning("LEAK: the test actors %s were seen in training, so the scores are inflated", numbers(both))
        return True
    if test_actors and not seen.complete:
        logger.warning(
            "a checkpoint does not say which actors it was trained on: whether the test actors %s were among them, "
            "and the scores are inflated, is not known",
            numbers(test_actors),
        )
        return None
    return False
