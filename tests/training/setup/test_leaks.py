"""Whether a test is on actors that trained the model, whatever is known of the checkpoints that it began with."""

from pathlib import Path

import datasets
import pytest

from emofusion.modeling.seen_emofusion import NOBODY_KNOWS, Seen, together
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.setup.leaks import find_leak, seen_in_run


def rows(*actors: int, pictures: bool = True) -> datasets.Dataset:
    there = {"has_audio": [True] * len(actors), "has_video": [False, pictures, False][: len(actors)]}
    return datasets.Dataset.from_dict({"actor": list(actors), **there})


def arguments(folder: Path, push: bool = False) -> EmoFusionTrainingArguments:
    return EmoFusionTrainingArguments(output_dir=str(folder), use_cpu=True, push_to_hub=push)


def test_training_adds_its_own_actors_and_not_those_of_the_test():
    splits = {"train": rows(1, 2, 1), "validation": rows(5), "test": rows(9)}
    assert seen_in_run(splits, ("audio", "video")) == Seen(frozenset({1, 2, 5}), frozenset({"audio", "video"}))
    before = [Seen(frozenset({7})), Seen(frozenset({8}), frozenset({"audio"}), complete=False)]
    after = together([*before, seen_in_run(splits, ("video",))])
    assert after == Seen(frozenset({1, 2, 5, 7, 8}), frozenset({"audio", "video"}), complete=False)


def test_training_has_seen_what_its_clips_have_and_the_model_reads():
    silent = {"train": rows(1, 2, pictures=False), "validation": rows(3, 4, pictures=True)}
    assert seen_in_run(silent, ("audio", "video")).modalities == {"audio"}  # validation chooses, and teaches nothing
    assert seen_in_run({"train": rows(1, 2)}, ("video",)).modalities == {"video"}
    stills = {"train": rows(1, 2).remove_columns("actor")}
    assert seen_in_run(stills, ("video",)) == Seen(frozenset(), frozenset({"video"}))


def voices(**speakers: int | None) -> datasets.Dataset:
    """Clips of one's own, by who speaks; None where nobody knows."""
    names = [None if number is None else name for name, number in speakers.items()]
    numbers = [20_000 + k if number is None else number for k, number in enumerate(speakers.values())]
    return datasets.Dataset.from_dict({"clip": [*speakers], "speaker": names, "actor": numbers})


@pytest.mark.parametrize(
    ("seen", "test", "leak"),
    [
        (Seen(frozenset({1, 2})), rows(3), False),
        (Seen(frozenset({1, 2})), rows(2, 3), True),
        (Seen(frozenset({1, 2}), complete=False), rows(2, 3), True),  # what is known is known
        (Seen(frozenset({1, 2}), complete=False), rows(3), None),
        (Seen(), rows(), False),  # pictures of nobody knows whom, in published splits
        (NOBODY_KNOWS, rows(), None),  # perhaps it was those of the test
        (Seen(frozenset({1, 30_000})), voices(ann=30_001), False),
        (Seen(frozenset({1, 30_000})), voices(ann=30_000), True),
        (Seen(frozenset({1, 2})), voices(one=None, two=None), False),  # RAVDESS is not among one's own clips
        (Seen(frozenset({30_000})), voices(one=None, two=None), None),  # perhaps in other clips
        (Seen(frozenset({20_001})), voices(one=None, two=None), True),  # this very clip
    ],
)
def test_leak_is_certain_unknown_or_none(seen: Seen, test: datasets.Dataset, leak: bool | None, tmp_path: Path):
    assert find_leak(seen, test, arguments(tmp_path), allow=False) is leak


def test_leak_is_told_by_names(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    find_leak(Seen(frozenset({30_000, 20_001})), voices(ann=30_000, ben=30_001), arguments(tmp_path), allow=False)
    assert "LEAK: the test speakers ann were seen" in caplog.text
    find_leak(Seen(frozenset({20_001})), voices(one=None, two=None), arguments(tmp_path), allow=False)
    assert "LEAK: the test clips two were seen" in caplog.text


@pytest.mark.parametrize("complete", [True, False])
def test_certain_leak_is_not_pushed(complete: bool, tmp_path: Path):
    seen = Seen(frozenset({17}), complete)
    with pytest.raises(ArgumentError, match="test actors 17 were seen in training"):
        find_leak(seen, rows(17, 18), arguments(tmp_path, push=True), allow=False)
    assert find_leak(seen, rows(17), arguments(tmp_path, push=True), allow=True) is True
