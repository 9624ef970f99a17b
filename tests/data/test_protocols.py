"""Protocols are tables of actors, and no actor is in two parts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofusion.data import PROTOCOLS, Fold, fold
from emofusion.data.protocols import (
    ACTORS,
    ALL_PROTOCOLS,
    CHOICES,
    LEAKY,
    RANDOM_FOLDS,
    SPLITS,
    FoldRefusedError,
    fold_of_present,
    numbers,
    split_of,
    usable_folds,
)
from emofusion.data.sources.ravdess_names import all_takes

EVERY_FOLD = [(name, k) for name, folds in PROTOCOLS.items() for k in range(len(folds))]
LUNA = [{2, 5, 14, 15, 16}, {3, 6, 7, 13, 18}, {10, 11, 12, 19, 20}, {8, 17, 21, 23, 24}, {1, 4, 9, 22}]
EMOBOX = [{1, 11, 20, 21}, {4, 10, 12, 14}, {8, 9, 19, 23}, {3, 5, 7, 24}, {2, 15, 16, 18}, {6, 13, 17, 22}]
MSAF = [set(range(first, first + 4)) for first in range(1, 25, 4)]


@pytest.mark.parametrize(("name", "k"), EVERY_FOLD)
def test_fold_partitions_the_actors(name: str, k: int):
    parts = [getattr(fold(name, k), part) for part in SPLITS]
    assert Counter(actor for part in parts for actor in part) == dict.fromkeys(ACTORS, 1)
    assert all(parts)


@pytest.mark.parametrize(("name", "k"), EVERY_FOLD)
def test_fold_has_four_validation_actors_two_of_each_sex(name: str, k: int):
    validation = fold(name, k).validation
    assert (len(validation), sum(actor % 2 for actor in validation)) == (4, 2)


@pytest.mark.parametrize("name", [name for name, folds in PROTOCOLS.items() if len(folds) > 1])
def test_protocol_of_several_folds_tests_every_actor_once(name: str):
    assert Counter(actor for one in PROTOCOLS[name] for actor in one.test) == dict.fromkeys(ACTORS, 1)


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        ("holdout", [{17, 18, 19, 20}]),
        ("luna5", LUNA),
        ("msaf6", MSAF),
        ("emobox6", EMOBOX),
        ("chumachenko", [{5, 10, 16, 19}]),
        ("loso", [{actor} for actor in range(1, 25)]),
    ],
)
def test_protocol_test_actors_are_those_of_the_source(name: str, tests: list[set[int]]):
    assert [set(one.test) for one in PROTOCOLS[name]] == tests


def test_fold_holdout_chumachenko_and_msaf6_validate_on_the_actors_of_the_source():
    assert fold("holdout").validation == {13, 14, 15, 16}
    assert fold("chumachenko").validation == {11, 13, 18, 22}
    assert [set(one.validation) for one in PROTOCOLS["msaf6"]] == [*MSAF[1:], MSAF[0]]


def test_fold_unknown_protocol_lists_the_choices():
    with pytest.raises(ValueError, match=r"^protocol: unknown 'random'; the choices are holdout, .*random_clips$"):
        fold("random")


@pytest.mark.parametrize("name", CHOICES)
def test_fold_out_of_range_says_which_there_are(name: str):
    for k in (-1, len(ALL_PROTOCOLS[name])):
        with pytest.raises(ValueError, match=rf"^fold: {name} has folds 0 to \d+, found {k}$"):
            fold(name, k)


def test_there_is_one_fold_of_holdout_and_chumachenko():
    counts = {name: len(folds) for name, folds in ALL_PROTOCOLS.items()}
    assert counts == {
        "holdout": 1,
        "luna5": 5,
        "msaf6": 6,
        "emobox6": 6,
        "chumachenko": 1,
        "loso": 24,
        "everyone": 1,
        "random_clips": 6,
    }


@given(st.sampled_from(EVERY_FOLD), st.sets(st.integers(1, 24)))
def test_fold_of_present_actors_is_a_partition_of_them_or_refused(which: tuple[str, int], present: set[int]):
    name, k = which
    whole = fold(name, k)
    validation = whole.validation & present
    if name == "msaf6":
        validation = next((group & present for group in MSAF[k + 1 :] + MSAF[:k] if group & present), set())
    test = whole.test & present
    expected = {"train": present - test - validation, "validation": validation, "test": test}
    try:
        found = fold_of_present(name, k, present)
    except FoldRefusedError as error:
        refused = [part for part in SPLITS if f"{part} actors ({numbers(getattr(whole, part))})" in str(error)]
        assert refused == [part for part, actors in expected.items() if not actors]
        return
    assert {part: getattr(found, part) for part in SPLITS} == expected
    assert Counter(actor for part in expected.values() for actor in part) == dict.fromkeys(present, 1)


def test_fold_of_present_msaf6_lets_the_next_group_that_is_there_validate():
    found = fold_of_present("msaf6", 4, range(1, 21))
    assert found == Fold(train=frozenset(range(5, 17)), validation=frozenset({1, 2, 3, 4}), test=frozenset(MSAF[4]))
    assert fold_of_present("msaf6", 1, {5, 6, 17, 20, 23}).validation == {17, 20}
    with pytest.raises(FoldRefusedError, match=r"msaf6 fold 5 is refused: none of its test actors \(21-24\) is there"):
        fold_of_present("msaf6", 5, range(1, 21))


def test_fold_of_present_refuses_other_protocols_without_validation_actors():
    message = r"holdout fold 0 is refused: none of its validation actors \(13-16\) is there, only actors 1-12, 17-20"
    with pytest.raises(FoldRefusedError, match=message):
        fold_of_present("holdout", 0, [*range(1, 13), *range(17, 21)])


def test_fold_of_present_asks_only_for_the_parts_that_are_needed():
    assert fold_of_present("holdout", 0, [17], needed=("test",)) == Fold(frozenset(), frozenset(), frozenset({17}))
    with pytest.raises(FoldRefusedError, match="train actors .1-12, 21-24. and none of its validation actors"):
        fold_of_present("holdout", 0, [17])


def test_usable_folds_lists_the_refused_ones_with_their_reason():
    usable, refused = usable_folds("msaf6", range(1, 21))
    assert (sorted(usable), sorted(refused)) == ([0, 1, 2, 3, 4], [5])
    assert "21-24" in refused[5]


def test_random_clips_has_every_actor_in_all_parts():
    assert fold(LEAKY, 3) == Fold(ACTORS, ACTORS, ACTORS)


def test_random_clips_tests_every_clip_once_and_is_about_two_thirds_training():
    clips = [name.take for name in all_takes() if name.channel == 1]
    parts = {clip: [split_of(LEAKY, k, fold(LEAKY, k), 1, clip) for k in range(RANDOM_FOLDS)] for clip in clips}
    assert all(Counter(of_clip) == {"train": 4, "validation": 1, "test": 1} for of_clip in parts.values())
    shares = Counter(of_clip[0] for of_clip in parts.values())
    assert 0.62 < shares["train"] / len(clips) < 0.71
    assert len({clip[-2:] for clip, of_clip in parts.items() if of_clip[0] == "test"}) == 24


def test_split_of_follows_the_actor_in_every_other_protocol():
    assert split_of("holdout", 0, fold("holdout"), 14, "01-03-01-01-01-14") == "validation"


def test_numbers_writes_runs():
    assert numbers({1, 2, 3, 7, 9, 10}) == "1-3, 7, 9-10"
    assert numbers([]) == ""
