"""Splits by actor."""

import pytest

from emofusion.data.protocols import ACTORS, PROTOCOLS, SPLITS, Fold, fold

FOLDS = [(name, k) for name, folds in PROTOCOLS.items() for k in range(len(folds))]


@pytest.mark.parametrize("name, k", FOLDS)
def test_fold_parts_are_disjoint_and_cover_all_actors(name: str, k: int):
    parts = [getattr(fold(name, k), split) for split in SPLITS]
    assert sum(len(part) for part in parts) == 24  # disjoint, together with the next line
    assert frozenset.union(*parts) == ACTORS == frozenset(range(1, 25))
    assert parts[0] and parts[2]


@pytest.mark.parametrize("name, k", FOLDS)
def test_fold_part_of_agrees_with_the_table(name: str, k: int):
    chosen = fold(name, k)
    for actor in range(1, 25):
        assert [split for split in SPLITS if actor in getattr(chosen, split)] == [chosen.part_of(actor)]


def test_fold_holdout_is_the_split_of_the_issue():
    assert fold("holdout") == Fold(
        train=frozenset({*range(1, 13), 21, 22, 23, 24}),
        validation=frozenset({13, 14, 15, 16}),
        test=frozenset({17, 18, 19, 20}),
    )


@pytest.mark.parametrize("split", ["validation", "test"])
def test_fold_holdout_has_as_many_women_as_men(split: str):
    actors = getattr(fold("holdout"), split)
    assert sum(actor % 2 for actor in actors) == len(actors) / 2


def test_fold_unknown_protocol_lists_the_choices():
    with pytest.raises(ValueError, match=r"^protocol: unknown 'random'; the choices are .*holdout"):
        fold("random")


@pytest.mark.parametrize("k", [-1, 1, 24])
def test_fold_out_of_range_says_which_there_are(k: int):
    with pytest.raises(ValueError, match=rf"^fold: holdout has folds 0 to 0, found {k}$"):
        fold("holdout", k)
