"""A finished run: its scores are safe first, whatever becomes of what illustrates them."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from emofusion.data import Account
from emofusion.evaluation.plots import figures
from emofusion.evaluation.record import metrics_file
from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.evaluation.record.predictions import read_predictions
from emofusion.evaluation.reports import card, run_report
from emofusion.evaluation.reports.run_report import complete_run, remove_results, save_run
from emofusion.evaluation.scores.scoring import score_predictions
from helpers.runs.run_records import EMOTIONS, metrics_of, predictions

HISTORY = [{"epoch": 1, "loss": 2.0}, {"epoch": 1, "eval_loss": 2.1, "eval_macro_f1": 0.3, "eval_uar": 0.4}]
NAMES = {"license_id": "apache-2.0", "model_name": "you/model"}
PLOTS = {
    f"plots/{name}.png" for name in ("confusion_matrix", "actors", "coverage", "robustness", "gate", "training_curves")
}
SCORES = {"metrics.json", "predictions.parquet"}
ALL = SCORES | PLOTS | {"README.md", "corpus_account.json"}
TABLE = predictions(EMOTIONS, [17, 18, 19, 20])
METRICS = metrics_of()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Output folder of a run that has trained."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trainer_state.json").write_text(json.dumps({"log_history": HISTORY}))
    return tmp_path / "out"


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a run that is finished; plots take seconds."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": HISTORY}))
    assert saved(folder) == []
    return folder


@pytest.fixture
def finished(drawn_once: Path, folder: Path) -> Path:
    """A copy of it for one test."""
    shutil.copytree(drawn_once, folder, dirs_exist_ok=True)
    return folder


def saved(folder: Path, metrics: dict[str, Any] = METRICS) -> list[str]:
    return save_run(metrics, TABLE, Account(), folder, **NAMES)


def completed(folder: Path) -> list[str]:
    return complete_run(read_metrics(folder), Account(), folder, **NAMES)


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - {"trainer_state.json"}


def no_template() -> str:
    raise FileNotFoundError("no model_card.md")


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_everything_is_there(folder: Path, caplog: pytest.LogCaptureFixture):
    assert saved(folder) == []
    assert files(folder) == ALL
    assert not caplog.records
    assert read_metrics(folder) == METRICS
    assert score_predictions(read_predictions(folder), EMOTIONS)["test_macro_f1"] == METRICS["test_macro_f1"]
    text = (folder / "README.md").read_text()
    assert all(plot in text for plot in PLOTS)


@pytest.mark.fails_to_illustrate
def test_scores_survive_a_missing_template(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(card, "card_template", no_template)
    assert saved(folder) == ["README.md"]
    assert files(folder) == ALL - {"README.md"}
    assert read_metrics(folder) == METRICS
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert warning.getMessage().startswith(f"{folder / 'README.md'} was not written: FileNotFoundError: no model_card")


@pytest.mark.fails_to_illustrate
def test_scores_survive_a_disk_that_is_full_of_plots(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(figures, "save_figure", full)
    assert set(saved(folder)) == PLOTS
    assert files(folder) == ALL - PLOTS
    assert "plots/" not in (folder / "README.md").read_text()
    assert len(caplog.records) == len(PLOTS)
    assert all("No space left" in record.getMessage() for record in caplog.records)


@pytest.mark.fails_to_illustrate
def test_one_plot_that_fails_is_the_only_one(folder: Path):
    odd = METRICS | {"test_by_actor": {"17": {"clips": 60}}}
    assert saved(folder, odd) == ["plots/actors.png"]
    assert files(folder) == ALL - {"plots/actors.png"}
    assert "plots/actors.png" not in (folder / "README.md").read_text()


def test_scores_that_cannot_be_written_are_no_finished_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics_file, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        saved(folder)
    assert files(folder) == {"predictions.parquet"}


def test_run_killed_after_its_scores_is_completed_from_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(figures, "save_figure", killed)
        with pytest.raises(KeyboardInterrupt):
            saved(folder)
    assert files(folder) == SCORES | {"corpus_account.json"}
    before = (folder / "metrics.json").read_bytes()
    assert completed(folder) == []
    assert files(folder) == ALL
    assert (folder / "metrics.json").read_bytes() == before
    assert "training_curves" in (folder / "README.md").read_text()


def test_complete_run_is_left_alone(finished: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_report, "attempt_all", killed)
    assert completed(finished) == []


def test_run_that_only_scored_has_no_curves_and_is_complete_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    saved(tmp_path, metrics_of(trained=False))
    assert files(tmp_path) == ALL - {"plots/training_curves.png"}
    monkeypatch.setattr(run_report, "attempt_all", killed)
    assert completed(tmp_path) == []


def test_training_state_that_cannot_be_read_costs_the_curves_alone(folder: Path):
    (folder / "trainer_state.json").write_text('{"log_history": [')
    assert saved(folder) == []
    assert files(folder) == ALL - {"plots/training_curves.png"}


def test_card_of_an_earlier_run_does_not_stay_beside_new_scores(finished: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_report, "attempt_all", killed)
    with pytest.raises(KeyboardInterrupt):
        saved(finished, METRICS | {"test_macro_f1": 0.9})
    assert files(finished) == SCORES | {"corpus_account.json"}


def test_new_training_removes_all_that_speaks_of_scores(finished: Path):
    remove_results(finished)
    assert files(finished) == {"corpus_account.json"}
    remove_results(finished)  # nothing is there to remove


@pytest.mark.fails_to_illustrate
def test_field_that_is_needed_is_named_in_the_warning(folder: Path, caplog: pytest.LogCaptureFixture):
    with pytest.raises(UndefinedError):
        card.write_card({name: value for name, value in METRICS.items() if name != "num_frames"}, "odbl", folder, "a")
    saved(folder, {name: value for name, value in METRICS.items() if name != "num_frames"})
    assert "num_frames" in caplog.text
