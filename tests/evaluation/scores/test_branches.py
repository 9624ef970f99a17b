"""A fusion beside its branches: differences by hand, choices by validation, and what cannot be compared."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from emofusion.evaluation.field_notes import notes_of
from emofusion.evaluation.scores.branches import branch_fields, pooled_branches
from emofusion.evaluation.scores.metrics import scores
from emofusion.evaluation.scores.score_fields import BranchFields, BranchScores, FusionGain
from emofusion.evaluation.scores.scoring import score_predictions
from emofusion.evaluation.scores.significance import paired_difference
from helpers.runs.run_records import EMOTIONS, beside_branches, mistaken, predictions

NAMES = EMOTIONS[:4]
TABLE = predictions(NAMES, [17, 18, 19, 20])
ROWS = [
    {"condition": "audio and video", "clips": 240, "uar": 0.9},
    {"condition": "audio only", "clips": 240, "uar": 0.57},
    {"condition": "video only", "clips": 240, "uar": 0.3},
]


def run_of(share: float, seed: int = 0, table: pd.DataFrame = TABLE, **changes: Any) -> tuple[dict[str, Any], Any]:
    """Record and predictions of a run that is wrong in this share of the clips."""
    found = mistaken(table, share, seed)
    record = {"labels": NAMES, "parameters": 7, "epochs": 4.0, "robustness": ROWS, **score_predictions(found, NAMES)}
    return record | changes, found


FUSION, AUDIO, VIDEO = run_of(0.1), run_of(0.4, 1, validation_uar=0.5), run_of(0.3, 2, validation_uar=0.4)
FIELDS = branch_fields(FUSION, {"audio": AUDIO, "video": VIDEO})


def test_every_field_has_a_note():
    assert list(FIELDS) == list(notes_of(BranchFields))
    for found in FIELDS["branches"].values():
        assert set(found) == set(notes_of(BranchScores))
    assert set(FIELDS["fusion_gain"]) == set(notes_of(FusionGain))


@pytest.mark.parametrize(("name", "run"), [("audio", AUDIO), ("video", VIDEO)])
def test_scores_are_those_of_the_branch(name: str, run: tuple[dict[str, Any], Any]):
    found = FIELDS["branches"][name]
    for score in ("macro_f1", "weighted_f1", "uar", "accuracy", "calibration_error"):
        assert found[score] == run[0][f"test_{score}"]
    assert (found["folder"], found["epochs"], found["parameters"]) == (name, 4.0, 7)


@pytest.mark.parametrize("score", ["uar", "macro_f1"])
def test_difference_is_that_of_every_actor_with_scores_of_scikit_learn(score: str):
    by_actor = [
        {actor: scores(rows["label"], rows["prediction"])[score] for actor, rows in table.groupby("actor")}
        for table in (FUSION[1], VIDEO[1])
    ]
    expected, found = paired_difference(*by_actor), FIELDS["fusion_gain"]["over"]["video"][score]
    assert found["mean"] == pytest.approx(expected.mean)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert (found["p_value"], found["units"]) == (pytest.approx(2 / 16), 4)


def test_validation_chooses_and_the_test_is_named_beside_it():
    gain = FIELDS["fusion_gain"]
    assert (gain["validation_choice"], gain["validation_score"], gain["test_choice"]) == ("audio", "uar", "video")


@pytest.mark.parametrize(
    ("audio", "video", "choice"),
    [
        ({"validation_loss": 0.2}, {"validation_loss": 0.9}, ("audio", "loss")),
        ({"validation_macro_f1": 0.2}, {"validation_macro_f1": 0.9}, ("video", "macro_f1")),
        ({"validation_uar": 0.9, "validation_loss": 2.0}, {"validation_loss": 1.0}, ("video", "loss")),
        ({"validation_uar": 0.9}, {"validation_macro_f1": 0.9}, (None, None)),
        ({}, {}, (None, None)),
    ],
)
def test_branches_are_chosen_by_a_score_that_both_have(
    audio: dict[str, float], video: dict[str, float], choice: tuple[str | None, str | None]
):
    gain = branch_fields(FUSION, {"audio": run_of(0.4, **audio), "video": run_of(0.3, **video)})["fusion_gain"]
    assert (gain["validation_choice"], gain["validation_score"]) == choice


def test_what_one_modality_keeps_is_a_share_of_its_branch():
    assert FIELDS["branches"]["audio"]["kept"] == pytest.approx(0.57 / AUDIO[0]["test_uar"])
    assert FIELDS["branches"]["video"]["kept"] == pytest.approx(0.3 / VIDEO[0]["test_uar"])
    fewer = run_of(0.1, robustness=[row | {"clips": 200} for row in ROWS])
    assert branch_fields(fewer, {"audio": AUDIO})["branches"]["audio"]["kept"] is None  # of other clips
    none = run_of(0.1, robustness=ROWS[:1])
    assert branch_fields(none, {"audio": AUDIO})["branches"]["audio"]["kept"] is None


def test_folds_are_pooled_over_all_actors():
    others = TABLE.assign(clip="other " + TABLE["clip"], actor=TABLE["actor"] - 10)
    second = run_of(0.2, 3, others), run_of(0.5, 4, others, validation_uar=0.1, epochs=2.0)
    found = pooled_branches([FUSION, second[0]], {"audio": [AUDIO, second[1]]})
    both = score_predictions(pd.concat([AUDIO[1], second[1][1]], ignore_index=True), NAMES)
    audio, gain = found["branches"]["audio"], found["fusion_gain"]["over"]["audio"]["uar"]
    assert audio["macro_f1"] == both["test_macro_f1"]
    assert audio["epochs"] == 3.0
    assert "folder" not in audio
    assert gain["units"] == 8
    alone = [branch_fields(FUSION, {"audio": AUDIO}), branch_fields(second[0], {"audio": second[1]})]
    means = [fields["fusion_gain"]["over"]["audio"]["uar"]["mean"] for fields in alone]
    assert gain["mean"] == pytest.approx(np.mean(means))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            TABLE.iloc[1:],
            r"branch audio: .* the fusion alone has clip 0 as .* \(1 such\); score both on the same corpus",
        ),
        (
            TABLE.assign(clip=["zero", *TABLE["clip"][1:]]).iloc[[*range(240), 0]],
            "branch audio: .* the fusion alone has clip 0",
        ),
        (pd.concat([TABLE, TABLE.iloc[:2]], ignore_index=True), r"branch audio alone has clip 0 .* \(2 such\)"),
    ],
)
def test_other_clips_are_named(table: pd.DataFrame, message: str):
    with pytest.raises(ValueError, match=message):
        branch_fields(FUSION, {"audio": run_of(0.4, table=table)})


def test_other_classes_and_unknown_actors_are_refused():
    record, table = AUDIO
    with pytest.raises(ValueError, match="branch audio: expected the classes of the fusion, neutral, calm"):
        branch_fields(FUSION, {"audio": (record | {"labels": NAMES[:2]}, table)})
    nobody = FUSION[0], FUSION[1].drop(columns=["actor"])
    with pytest.raises(ValueError, match="no actor is known"):
        branch_fields(nobody, {"audio": AUDIO})


def test_record_of_the_helper_is_ahead():
    gain = beside_branches(0.4, 0.5, 0.1)["fusion_gain"]
    assert gain["over"]["audio"]["uar"]["low"] > 0.2
