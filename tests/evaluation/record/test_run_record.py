"""The record that becomes metrics.json: every field has its note, and the page on it is made of them."""

import json
from typing import TypedDict

import pytest
from transformers import TrainerState

from emofusion.evaluation.field_notes import notes_of, with_missing
from emofusion.evaluation.record import run_record
from emofusion.evaluation.record.metrics_page import json_type, metrics_page
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.evaluation.record.training_fields import training_fields
from emofusion.evaluation.scores.score_fields import ScoreFields
from emofusion.evaluation.scores.scoring import score_predictions
from helpers import REPOSITORY
from helpers.runs.run_records import EMOTIONS, metrics_of, predictions

PAGE = REPOSITORY / "docs" / "reference" / "metrics_json.md"


def test_page_is_what_the_types_say():
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), (
        "python -m emofusion.evaluation.record.metrics_page > docs/reference/metrics_json.md"
    )


def test_page_has_every_field():
    page = metrics_page()
    assert [name for name in notes_of(RunRecord) if f"| `{name}`" not in page] == []


def test_scores_come_in_the_order_of_their_type():
    found = score_predictions(predictions(EMOTIONS, [17, 18]), EMOTIONS)
    assert list(found) == list(notes_of(ScoreFields))


def test_fields_of_a_run_are_fields_of_the_record():
    names = list(notes_of(RunRecord))
    found = list(metrics_of(test_part="validation"))
    assert set(found) <= set(names)
    assert len(set(names)) == len(names)


def test_a_field_without_a_note_is_refused():
    class Silent(TypedDict):
        score: float

    with pytest.raises((TypeError, AttributeError)):
        notes_of(Silent)


def test_what_an_older_file_lacks_is_filled_in():
    kept = {name: value for name, value in metrics_of().items() if notes_of(RunRecord)[name].needed}
    found = with_missing(RunRecord, kept | {"seed": None})
    assert found["leaky"] is False and found["face_crop"] == "none" and found["corpus_notice"] == ""
    assert found["seed"] is None and found["robustness"] is None
    assert "parameters" not in with_missing(RunRecord, {})


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (list[list[int]], "list of lists of whole numbers"),
        (dict[str, list[float] | None], "by name: list of numbers or null"),
        (bool | None, "true or false or null"),
        (list[str], "list of text"),
        (dict[str, run_record.RobustnessRow], "by name: [RobustnessRow](#robustnessrow)"),
    ],
)
def test_types_in_words(hint: type, words: str):
    assert json_type(hint) == words


@pytest.mark.parametrize(
    ("metric", "select", "best", "loss", "expected"),
    [
        ("macro_f1", "best", 0.5, 1.5, {"select": "best", "train_loss": 1.5, "validation_macro_f1": 0.5}),
        ("eval_uar", "best", 0.5, None, {"select": "best", "validation_uar": 0.5}),
        ("uar", "last", 0.5, None, {"select": "last", "validation_uar": 0.4}),
        ("macro_f1", "last", 0.5, None, {"select": "last"}),
        ("macro_f1", "best", None, None, {"select": "last"}),
    ],
)
def test_training_says_what_there_is(metric: str, select: str, best: float | None, loss: float | None, expected: dict):
    history = [{"step": 4, "eval_uar": 0.5, "eval_macro_f1": 0.5}, {"step": 8, "eval_uar": 0.4}, {"step": 8}]
    state = TrainerState(epoch=2.0, global_step=8, best_metric=best, log_history=history)
    found = training_fields(state, metric, select, loss)
    expected = {"epochs": 2.0} | expected
    assert json.loads(json.dumps(found)) == expected
    assert set(found) <= set(notes_of(run_record.TrainingFields))
