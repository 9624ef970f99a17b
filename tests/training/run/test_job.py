"""One run in this process: what it leaves where its card fails, where it was stopped before it, and for the hub."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.evaluation.record.predictions import read_predictions
from emofusion.evaluation.reports import card
from emofusion.modeling import EmoFusionModel
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import NoCardError, SetupError
from emofusion.training.run import job
from emofusion.training.run.job import run_job
from emofusion.training.run.ready import make_ready
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

TINY = ["--fusion=audio", "--audio_encoder=cnn", "--encoder_width=8", "--label_set=emotions4", "--num_train_epochs=1"]
TINY += ["--per_device_train_batch_size=4", "--use_cpu", "--disable_tqdm=True", "--report_to=none"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("voices")
    write_corpus(folder / "corpus", (1, 13, 17), emotions=(1, 3, 4, 5), kind="flac")
    return [*TINY, f"--data_dir={folder / 'corpus'}", f"--cache_dir={folder / 'cache'}"]


def no_template() -> str:
    raise FileNotFoundError("no model_card.md")


@pytest.mark.fails_to_illustrate
def test_card_that_fails_costs_no_scores_and_comes_when_the_run_is_resumed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = [*words, f"--output_dir={tmp_path}"]
    with monkeypatch.context() as patch:
        patch.setattr(card, "card_template", no_template)
        metrics = run_job(run)
    assert f"weights, scores: {tmp_path}" in capsys.readouterr().out
    assert read_metrics(tmp_path) == metrics
    assert not (tmp_path / "README.md").exists()
    (tmp_path / "plots" / "training_curves.png").unlink()  # as a run that was killed before it
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")}
    assert run_job(run, resume=True) == metrics
    assert {path: path.stat().st_mtime_ns for path in before} == before | {
        path: path.stat().st_mtime_ns for path in before if path.name == "corpus_account.json"
    }
    assert "plots/training_curves.png" in (tmp_path / "README.md").read_text()


def test_tracker_that_fails_costs_no_scores(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def offline(*_: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(job, "log_confusion", offline)
    metrics = run_job([*words, f"--output_dir={tmp_path}"])
    assert read_metrics(tmp_path) == metrics
    assert "a tracker was not told of the test: ConnectionError: no network; the scores are saved" in caplog.text


def test_finished_run_that_is_resumed_by_its_flag_is_not_done_again(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = [*words, f"--output_dir={tmp_path}", "--resume_from_checkpoint=latest"]
    metrics = run_job(run)
    monkeypatch.setattr(job, "train", None)
    monkeypatch.setattr(job, "score", None)
    assert run_job(run) == metrics
    assert f"finished already, nothing was trained or scored again: {tmp_path}" in capsys.readouterr().out


def stand_in(folder: Path, done: list[str], trains: bool = True) -> Any:
    trainer = SimpleNamespace(
        push_to_hub=lambda: done.append("push"), save_model=lambda _internal_call: done.append("save")
    )
    return SimpleNamespace(is_main=True, folder=folder, trains=trains, trainer=trainer)


def test_model_without_a_card_is_not_pushed(tmp_path: Path):
    pushed: list[str] = []
    with pytest.raises(NoCardError, match="--push_to_hub: .*README.md could not be written"):
        job.push(stand_in(tmp_path, pushed))
    assert not pushed
    (tmp_path / "README.md").write_text("card")
    job.push(stand_in(tmp_path, pushed))
    assert pushed == ["push"]


def test_only_a_model_that_was_scored_is_saved_before_it_is_pushed(tmp_path: Path):
    """A trained one lies in its folder; where its run had finished before, the trainer holds an untrained one."""
    (tmp_path / "README.md").write_text("card")
    done: list[str] = []
    job.push(stand_in(tmp_path, done, trains=True))
    assert done == ["push"]
    job.push(stand_in(tmp_path, done, trains=False))
    assert done == ["push", "save", "push"]


def test_batch_that_is_left_out_must_not_be_the_only_one(words: list[str], tmp_path: Path):
    flags = ["--dataloader_drop_last", "--per_device_train_batch_size=16", "--max_steps=2"]
    with pytest.raises(
        SetupError, match=r"^--dataloader_drop_last: the \d training clips are fewer than a batch of 16"
    ):
        run_job([*words, *flags, f"--output_dir={tmp_path}"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        (["--eval_strategy=steps", "--save_strategy=steps", "--eval_delay=100"], True),
        (["--select=last"], False),
    ],
)
def test_checkpoint_that_nobody_chose_is_not_called_the_best(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, flags: list[str], warned: bool
):
    metrics = run_job([*words, *flags, f"--output_dir={tmp_path}"])
    assert ("--eval_delay 100: training ended before anything was validated" in caplog.text) == warned
    assert metrics["select"] == "last"
    card = (tmp_path / "README.md").read_text()
    assert "was kept" not in card
    assert ("the weights of the last step were kept (macro-F1 on the validation actors: " in card) != warned
    assert ("validation_macro_f1" in metrics) != warned


def test_calibrated_model_keeps_its_temperature_and_scores_by_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    metrics = run_job([*words, "--calibrate", "--eval_strategy=no", f"--output_dir={tmp_path / 'run'}"])
    (temperature,) = metrics["calibration"].values()
    assert temperature != 1
    assert metrics["clips"]["validation"] == 4
    said = (
        f"{metrics['test_calibration_error_before']:.3f} before a temperature of {temperature:.2f} was fitted on the"
    )
    assert (
        f"calibration error {metrics['test_calibration_error']:.3f}, {said} validation actors"
        in capsys.readouterr().out
    )
    assert said in (tmp_path / "run/README.md").read_text()

    model = EmoFusionModel.from_pretrained(tmp_path / "run")
    assert model.config.temperature == temperature
    assert model.seen.actors == {1, 13}, "the seal holds"

    below = float(np.median([max(found) for found in read_predictions(tmp_path / "run")["probabilities"]]))
    config = tmp_path / "run/config.json"  # as if --unsure_accuracy had been given, too
    config.write_text(json.dumps(json.loads(config.read_text()) | {"unsure_below": below}))
    score = [*words, f"--model_name_or_path={tmp_path / 'run'}", "--do_predict"]
    plain = run_job([*score, f"--output_dir={tmp_path / 'plain'}"])
    again = run_job([*score, "--calibrate", f"--output_dir={tmp_path / 'again'}"])
    assert "validation" not in plain["clips"]
    assert "test_calibration_error_before" not in plain
    assert again["calibration"] == plain["calibration"] == {"temperature": pytest.approx(temperature, rel=1e-4)}
    for name in ("test_calibration_error", "test_calibration_error_before", "validation_calibration_error"):
        assert again[name] == pytest.approx(metrics[name], abs=1e-4)
    hotter, cooler = (read_predictions(tmp_path / name)["probabilities"] for name in ("run", "plain"))
    np.testing.assert_allclose(np.stack(hotter), np.stack(cooler), atol=1e-5)

    table = read_predictions(tmp_path / "plain")
    assert (plain["unsure_below"], again["unsure_below"], metrics["unsure_below"]) == (below, 0, 0)
    assert table["answered"].tolist() == [max(found) >= below for found in table["probabilities"]]
    assert (table["answered"].sum(), plain["test_answered"]["clips"], len(table)) == (2, 2, 4)

    begun = make_ready(
        parse_arguments([*words, f"--model_name_or_path={tmp_path / 'run'}", f"--output_dir={tmp_path}/2"])
    )
    assert begun.config.temperature == 1, "it was fitted on other weights"
    assert begun.config.unsure_below == 0


def test_unsure_answers_are_fitted_on_validation_actors_and_scored_on_others(words: list[str], tmp_path: Path):
    flags = ["--unsure_accuracy=0.01", "--eval_strategy=no"]  # a share that any answer reaches
    metrics = run_job([*words, *flags, f"--output_dir={tmp_path}"])
    assert metrics["clips"]["validation"] == 4
    assert metrics["unsure_accuracy"] == 0.01
    kept = metrics["validation_answered"]
    assert (kept["clips"], kept["accuracy_interval"]) == (4, None), "actor 13 is one"
    assert metrics["test_answered"]["coverage"] == 1
    assert EmoFusionModel.from_pretrained(tmp_path).seen.actors == {1, 13}
    said = "always answers: 0.01 of its answers right were asked for, and on the validation actors "
    assert f"`model.answers` {said}{kept['accuracy']:.3f} are." in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    "flag", ["--train_sampling_strategy=sequential", '--accelerator_config={"use_seedable_sampler": false}']
)
def test_order_of_clips_makes_another_run(words: list[str], tmp_path: Path, flag: str):
    run = [*words, f"--output_dir={tmp_path}"]
    identities = [make_ready(parse_arguments([*run, *more])).identity for more in ([], [], [flag])]
    assert identities[0] == identities[1] != identities[2]
