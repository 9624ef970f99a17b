"""What is said of a fusion and its branches is true, whichever way it came out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from emofusion.evaluation.reports.branch_words import branch_lines, branches_table, gains_table, verdict
from emofusion.evaluation.reports.summary import summary
from helpers.runs.run_records import beside_branches, metrics_of

AHEAD = partial(beside_branches, 0.4, 0.5, 0.1)
BEHIND = partial(beside_branches, 0.1, 0.5, 0.4)
TWENTY = partial(beside_branches, 0.4, 0.5, 0.1, actors=tuple(range(1, 21)))
TWENTY_BEHIND = partial(beside_branches, 0.1, 0.5, 0.4, actors=tuple(range(1, 21)))
HARDER = partial(beside_branches, 0.4, 0.2, 0.3)
ONE = partial(beside_branches, 0.4, 0.5, 0.1, actors=(17,))
UNCHOSEN = partial(beside_branches, 0.4, 0.3, 0.1, validated=None)
"""Records that are made when a test asks for them: it takes a second each, and every process imports this file."""


def level() -> dict[str, Any]:
    """One whose interval holds 0."""
    record = beside_branches(0.3, 0.5, 0.3)
    record["fusion_gain"]["over"]["audio"]["uar"] |= {"mean": 0.01, "low": -0.02, "high": 0.04, "p_value": 0.5}
    return record


@pytest.mark.parametrize(
    ("record", "begins"),
    [
        (TWENTY, "It is ahead of the sound alone (better by validation UAR): +0."),
        (TWENTY_BEHIND, "It is behind the sound alone (better by validation UAR): -0."),
        (AHEAD, "On these actors it is ahead of the sound alone (better by validation UAR), which may be chance all "),
        (BEHIND, "On these actors it is behind the sound alone (better by validation UAR), which may be chance all "),
        (level, "It is not clearly better or worse than the sound alone (better by validation UAR), for 0 lies in"),
        (ONE, "Whether it is better than the sound alone (better by validation UAR) cannot be told from one actor: "),
        (UNCHOSEN, "On these actors it is ahead of the picture alone (better on the test; validation chose none), "),
    ],
)
def test_verdict_is_what_the_interval_says(record: Callable[[], dict[str, Any]], begins: str):
    metrics = record()
    gain = metrics["fusion_gain"]
    found = gain["over"][gain["validation_choice"] or gain["test_choice"]]["uar"]
    said = verdict(metrics)
    assert said.startswith(begins)
    assert f"{found['mean']:+.3f}" in said
    assert said.endswith("p <0.001." if len(metrics["actors"]["test"]) == 20 else f"p {found['p_value']:.3f}.")


def test_verdict_names_the_harder_branch_too():
    said = verdict(HARDER())
    assert said.startswith("On these actors it is ahead of the sound alone")
    assert "chance all the same: +0." in said
    assert "On these actors it is behind the picture alone (better on the test), which may be chance all the " in said


def test_without_branches_nothing_is_said():
    metrics = metrics_of()
    assert (verdict(metrics), branch_lines(metrics), branches_table(metrics), gains_table({"one": metrics})) == (
        "",
        [],
        "",
        "",
    )
    assert "alone" not in summary(metrics)


def test_summary_ends_with_three_lines():
    ahead = AHEAD()
    lines = summary(ahead).splitlines()[-3:]
    branches, gain = ahead["branches"], ahead["fusion_gain"]["over"]["audio"]["uar"]
    audio = branches["audio"]
    assert lines[0].strip() == f"sound alone    UAR {audio['uar']:.3f}  macro-F1 {audio['macro_f1']:.3f}"
    assert lines[1].strip().startswith(f"picture alone  UAR {branches['video']['uar']:.3f}")
    assert lines[2].strip().startswith(f"gated          UAR {ahead['test_uar']:.3f}")
    assert lines[2].endswith(
        f"against sound alone (better by validation UAR): {gain['mean']:+.3f} "
        f"({gain['low']:+.3f} to {gain['high']:+.3f}) UAR over 4 actors"
    )


def test_table_has_the_numbers_of_the_record():
    ahead = AHEAD()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in branches_table(ahead).splitlines()]
    header, _, audio, video, fusion = rows
    for row, name in ((audio, "audio"), (video, "video")):
        found, gain = ahead["branches"][name], ahead["fusion_gain"]["over"][name]
        assert row[1:4] == [f"{found[score]:.3f}" for score in ("uar", "macro_f1", "accuracy")]
        assert row[6].startswith(f"{gain['uar']['mean']:+.3f} ({gain['uar']['low']:+.3f} to ")
        assert row[7] == f"{gain['uar']['p_value']:.3f}"
        assert row[9] == f"{found['kept']:.3f}"
    assert fusion[:2] == ["gated", f"{ahead['test_uar']:.3f}"]
    assert fusion[6:] == ["-"] * 4
    assert len(header) == len(audio) == len(fusion)


def test_gains_have_a_row_each_fusion():
    harder = HARDER()
    lines = gains_table({"one": harder, "two": UNCHOSEN(), "from scratch": metrics_of()}).splitlines()
    assert len(lines) == 4
    one, two = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:])
    assert (one[0], one[1], one[4]) == ("one", "audio", "video")
    assert two[:5] == ["two", "-", "-", "-", "video"]
    assert one[7:] == [f"{harder['branches'][name]['kept']:.3f}" for name in ("audio", "video")]
