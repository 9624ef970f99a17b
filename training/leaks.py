"""Which actors trained a model, and whether it is scored on one of them."""

import logging
from collections.abc import Collection, Sequence

import datasets

from emofusion.data.protocols import numbers

from .arguments import EmoFusionTrainingArguments
from .recipes import ArgumentError

logger = logging.getLogger(__name__)


def actors_of(rows: datasets.Dataset) -> set[int]:
    """The actors of some rows; of still pictures there are none. Numbers of RAVDESS and CREMA-D are never the same."""
    return set(rows["actor"]) if "actor" in rows.column_names else set()


def training_actors(
    begins_with: Sequence[Collection[int] | None], splits: dict[str, datasets.Dataset]
) -> list[int] | None:
    """Actors that train a model or choose its checkpoint, in this run and in what it begins with.

    Args:
        begins_with (`Sequence`): Those of each checkpoint that the run begins with; None for one that does not say.
        splits (`dict[str, Dataset]`): Rows by split.

    Returns:
        `list[int]`: None where a checkpoint does not say: the list would not be whole.
    """
    earlier = [set(actors) for actors in begins_with if actors is not None]
    if len(earlier) < len(begins_with):
        return None
    return sorted(
        set().union(*earlier, *(actors_of(splits[name]) for name in ("train", "validation") if name in splits))
    )


def check_leak(
    trained_on: Collection[int] | None, test_actors: Collection[int], args: EmoFusionTrainingArguments, allow: bool
) -> bool | None:
    """Whether actors of the test were seen in training, by this run or by what it began with; None if nobody knows.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    if trained_on is None and test_actors:
        logger.warning(
            "the checkpoint does not say which actors it was trained on: whether the test actors %s were among them, "
            "and the scores are inflated, is not known",
            numbers(test_actors),
        )
        return None
    seen = set(trained_on or ()) & set(test_actors)
    if seen and args.push_to_hub and not allow:
        raise ArgumentError(
            f"--push_to_hub: the test actors {numbers(seen)} were seen in training (--protocol, or the checkpoint), "
            "so the scores are inflated; to push the model all the same, add --allow_leaky_split"
        )
    if seen:
        logger.warning("LEAK: the test actors %s were seen in training, so the scores are inflated", numbers(seen))
    return bool(seen)
