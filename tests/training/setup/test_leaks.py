"""Whether a test is on actors that trained the model, whatever is known of the checkpoints that it began with."""

from pathlib import Path

import datasets
import pytest

from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.setup.leaks import SeenActors, find_leak, seen_by, seen_in_training


def rows(*actors: int) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"actor": list(actors)})


def arguments(folder: Path, push: bool = False) -> EmoFusionTrainingArguments:
    return EmoFusionTrainingArguments(output_dir=str(folder), use_cpu=True, push_to_hub=push)


def test_training_adds_its_own_actors_and_not_those_of_the_test():
    splits = {"train": rows(1, 2, 1), "validation": rows(5), "test": rows(9)}
    assert seen_in_training([], splits) == SeenActors(frozenset({1, 2, 5}))
    before = [SeenActors(frozenset({7})), SeenActors(frozenset({8}), complete=False)]
    assert seen_in_training(before, splits) == SeenActors(frozenset({1, 2, 5, 7, 8}), complete=False)


def test_what_a_checkpoint_says_of_itself():
    assert seen_by(EmoFusionConfig()) == SeenActors(complete=False)
    assert seen_by(EmoFusionConfig(training_actors=[3])) == SeenActors(frozenset({3}))
    assert not seen_by(EmoFusionConfig(training_actors=[3], training_actors_complete=False)).complete


@pytest.mark.parametrize(
    ("seen", "test", "leak"),
    [
        (SeenActors(frozenset({1, 2})), {3}, False),
        (SeenActors(frozenset({1, 2})), {2, 3}, True),
        (SeenActors(frozenset({1, 2}), complete=False), {2, 3}, True),  # what is known is known
        (SeenActors(frozenset({1, 2}), complete=False), {3}, None),
        (SeenActors(complete=False), set(), False),  # pictures of nobody knows whom
    ],
)
def test_leak_is_certain_unknown_or_none(seen: SeenActors, test: set[int], leak: bool | None, tmp_path: Path):
    assert find_leak(seen, test, arguments(tmp_path), allow=False) is leak


@pytest.mark.parametrize("complete", [True, False])
def test_certain_leak_is_not_pushed(complete: bool, tmp_path: Path):
    seen = SeenActors(frozenset({17}), complete)
    with pytest.raises(ArgumentError, match="test actors 17 were seen in training"):
        find_leak(seen, {17, 18}, arguments(tmp_path, push=True), allow=False)
    assert find_leak(seen, {17}, arguments(tmp_path, push=True), allow=True) is True
