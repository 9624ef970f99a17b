"""Training and scoring on clips and labels of one's own, from a checkpoint that knows others."""

import logging
import re
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.evaluation.record.predictions import read_predictions
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.evaluation.reports.summary import summary
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.experiment import split_experiment
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import SetupError
from emofusion.training.experiments.cross_validation import cross_validate
from emofusion.training.run.job import run_job
from emofusion.training.run.ready import make_ready, setup_errors
from emofusion.training.setup.leaks import seen_in_run
from helpers.corpora.own_files import LABELS, SPEAKERS, write_voices
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

QUIET = ["--corpus=clips", "--use_cpu", "--disable_tqdm=True", "--report_to=none"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips, and a checkpoint of three classes that are others."""
    folder = tmp_path_factory.mktemp("own")
    write_voices(folder / "voices")
    config = EmoFusionConfig(
        fusion="audio", audio_encoder="cnn", encoder_width=8, id2label={0: "sad", 1: "angry", 2: "calm"}
    )
    EmoFusionModel(config).save_pretrained(folder / "start")
    EmoFusionProcessor.from_config(config).save_pretrained(folder / "start")
    return folder


@pytest.fixture(scope="module")
def words(place: Path) -> list[str]:
    return [*QUIET, f"--data_dir={place / 'voices'}", f"--cache_dir={place / 'cache'}"]


@pytest.fixture(scope="module")
def trained(place: Path, words: list[str]) -> Path:
    """The folder of a run that trained the checkpoint further, with its encoder as it was."""
    run_job([*words, *further(place), f"--output_dir={place / 'trained'}"])
    return place / "trained"


@pytest.fixture(scope="module")
def released(place: Path) -> Path:
    """The folder of a model that all speakers trained; the folds lie beside it. The clips are a data set on disk."""
    paths = sorted((place / "voices").glob("*.wav"))
    content = {
        "audio": [{"bytes": path.read_bytes(), "path": path.name} for path in paths],
        "label": [path.stem.split("-")[1] for path in paths],
        "speaker": [path.stem.split("-")[0] for path in paths],
    }
    rows = datasets.Dataset.from_dict(content).cast_column("audio", datasets.Audio())
    rows.save_to_disk(place / "data_set")
    start = [*QUIET, f"--dataset_name={place / 'data_set'}", f"--cache_dir={place / 'cache'}", *further(place)]
    several = ["--cross_validate", "--folds", "0", "1", f"--release={place / 'model'}"]
    cross_validate(*split_experiment([*start, *several, f"--output_dir={place / 'folds'}"]))
    return place / "model"


def further(place: Path) -> list[str]:
    """Flags of a training that draws nothing by the names of the clips."""
    return [
        f"--model_name_or_path={place / 'start'}",
        "--freeze_audio_encoder",
        "--no_spec_augment",
        "--num_train_epochs=1",
    ]


def test_checkpoint_learns_own_labels_and_keeps_its_encoder(place: Path, trained: Path):
    before, after = (EmoFusionModel.from_pretrained(place / name) for name in ("start", "trained"))
    assert list(after.config.id2label.values()) == ["happy", "amused", "bored"]
    assert after.config.label_set is None
    for name, value in before.audio_encoder.state_dict().items():
        assert torch.equal(value, after.audio_encoder.state_dict()[name]), name


def test_scores_are_of_speakers_by_name(trained: Path):
    table = read_predictions(trained)
    (tested,) = set(table["actor"])
    assert tested in SPEAKERS
    text = ModelCard.load(trained / "README.md").text
    assert "own clips voices, unseen speakers" in text
    assert tested in text
    assert lines_about_actors(text) == []


def lines_about_actors(text: str) -> list[str]:
    told = re.sub(r"```.*?```|\]\([^)]*\)", "", text, flags=re.DOTALL)  # not in commands and names of files
    return re.findall(r".*\bactors?\b.*", told, re.IGNORECASE)


def test_data_set_on_disk_is_trained_on_and_scored_like_its_folder(released: Path, trained: Path):
    found, expected = fold_metrics(released, 0), read_metrics(trained)
    for name in ("protocol", "actors", "clips", "labels", "leaky", "test_confusion_matrix"):
        assert found[name] == expected[name], name
    folders = released.with_name("folds") / "fold_0_seed_42", trained
    probabilities = [np.stack(read_predictions(folder)["probabilities"]) for folder in folders]
    np.testing.assert_allclose(*probabilities, atol=1e-5)


def test_model_of_all_speakers_has_scores_of_speakers_on_its_card(released: Path):
    metrics = read_metrics(released)
    tested = sorted(name for k in (0, 1) for name in fold_metrics(released, k)["actors"]["test"])
    assert metrics["actors"] == {"train": sorted(SPEAKERS), "test": tested}
    text = ModelCard.load(released / "README.md").text
    assert "which learned from all 5 speakers" in text
    assert "(cross-validation: folds 0, 1 of `speakers`, seed 42)" in text
    assert lines_about_actors(text) == []
    for page in released.with_name("folds").glob("*.md"):
        assert lines_about_actors(page.read_text(encoding="utf-8")) == [], page.name


def fold_metrics(released: Path, k: int) -> RunRecord:
    return read_metrics(released.with_name("folds") / f"fold_{k}_seed_42")


def test_scoring_the_same_speakers_is_a_leak_with_their_names(
    words: list[str], trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        metrics = run_job([*words, f"--model_name_or_path={trained}", "--do_predict", f"--output_dir={tmp_path}"])
    assert (metrics["leaky"], metrics["protocol"], metrics["label_set"]) == (True, "all_test", None)
    assert metrics["clips"] == {"test": len(SPEAKERS) * len(LABELS) * 2}
    assert sorted(metrics["test_by_actor"]) == metrics["actors"]["test"] == sorted(SPEAKERS)
    assert (metrics["test_intervals_over"], metrics["test_intervals_units"]) == ("actors", 5)
    said = summary(metrics)
    assert "speakers SEEN in training (leaky split) ann, bob, cem" in said
    assert "over 5 speakers" in said
    assert "actor" not in said
    (leak,) = [record.getMessage() for record in caplog.records if "LEAK" in record.getMessage()]
    tested = set(read_predictions(trained)["actor"])
    assert tested.isdisjoint(leak.replace(",", "").split())  # whom the training did not meet


def test_new_classifier_is_said_though_as_many_classes_fit_the_old_one(
    place: Path, words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    start = [*words, f"--model_name_or_path={place / 'start'}", f"--output_dir={tmp_path}"]
    with caplog.at_level(logging.WARNING):
        run = make_ready(parse_arguments(start))
    assert "tells apart sad, angry, calm: its classifier is made anew for happy, amused, bored" in caplog.text
    old = EmoFusionModel.from_pretrained(place / "start").head.classifier.weight
    assert not torch.equal(run.trainer.model.head.classifier.weight.cpu(), old)
    assert run.arguments.data.protocol == "speakers"
    assert run.leaky is False


def test_clips_of_nobody_knows_whom_are_dealt_singly_and_called_a_leak(
    place: Path, words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "by_label"
    for path in (place / "voices").glob("*.wav"):
        (folder / path.stem.split("-")[1]).mkdir(parents=True, exist_ok=True)
        (folder / path.stem.split("-")[1] / path.name).write_bytes(path.read_bytes())
    start = [*words, f"--model_name_or_path={place / 'start'}", f"--data_dir={folder}", f"--output_dir={tmp_path}"]
    with caplog.at_level(logging.WARNING):
        run = make_ready(parse_arguments(start))
    assert "random_clips LEAKS: nobody knows who is in these clips" in caplog.text
    assert run.leaky is True
    assert run.record(["train_hf.py"])["actors"] == {}  # nobody is called by a number that we made
    remembered = seen_in_run(run.clips.splits, ("audio",)).actors
    assert len(remembered) == len(run.clips.splits["train"]) + len(run.clips.splits["validation"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--do_predict"], "tells apart sad, angry, calm, and the clips have the label happy"),
        (["--label_set=emotions4", "--do_predict"], "the checkpoint tells apart sad, angry, calm"),
        (["--dataset_name=x"], "--data_dir with --dataset_name: the clips are in one of them"),
        (["--channel=song"], "--channel: own clips has no use for it"),
        (["--corpus=ravdess", "--label_set=own"], "--label_set own: it is for clips of your own"),
        (["--corpus=ravdess", "--label_column=x"], "--label_column: RAVDESS has no use for it"),
    ],
)
def test_what_does_not_fit_is_refused(more: list[str], message: str, place: Path, words: list[str], tmp_path: Path):
    start = [*words, f"--model_name_or_path={place / 'start'}", f"--output_dir={tmp_path}", *more]
    with pytest.raises(SetupError, match=message), setup_errors():
        make_ready(parse_arguments(start))
