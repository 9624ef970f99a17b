"""A model that all actors train, with the scores of the folds: real runs of a tiny sound model on tiny files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoProcessor

from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.training.command_line.experiment import split_experiment
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.experiments.cross_validation import cross_validate
from emofusion.training.experiments.release import _mean_threshold, check_release
from emofusion.training.run.job import run_job
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

TINY = ["--fusion=audio", "--audio_encoder=cnn", "--encoder_width=8", "--label_set=emotions4", "--num_train_epochs=1"]
TINY += ["--per_device_train_batch_size=8", "--use_cpu", "--disable_tqdm=True", "--report_to=none"]
ACTORS = (1, 2, 5, 6, 9, 10)  # of the first three groups of msaf6


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("voices")
    write_corpus(folder / "corpus", ACTORS, emotions=(1, 3, 4, 5), kind="flac")
    return [*TINY, f"--data_dir={folder / 'corpus'}", f"--cache_dir={folder / 'cache'}"]


@pytest.fixture(scope="module")
def released(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """Two folds, and the model of all; the record and the folder in which both lie."""
    place = tmp_path_factory.mktemp("release")
    return validate(words, place), place


def validate(words: list[str], place: Path) -> dict:
    several = ["--protocol=msaf6", "--cross_validate", "--folds", "0", "1", "--calibrate", "--unsure_accuracy=0.3"]
    several += [f"--release={place / 'model'}", "--release_dtype=float16", f"--output_dir={place / 'folds'}"]
    return cross_validate(*split_experiment([*words, *several]))


def test_all_actors_train_and_the_scores_are_those_of_the_folds(released: tuple[dict, Path]):
    record, place = released
    metrics = read_metrics(place / "model")
    assert metrics["actors"] == {"train": list(ACTORS), "test": [1, 2, 5, 6]}
    assert metrics["clips"] == {"train": 4 * len(ACTORS), "test": 16}
    assert metrics["cross_validated"] == {"folds": [0, 1], "seeds": [42], "actors": [2, 2]}
    assert metrics["test_uar"] == record["over_actors"]["test_uar"]
    assert metrics["robustness"] == record["robustness"]
    assert (metrics["protocol"], metrics["fold"], metrics["seed"]) == ("msaf6", None, None)
    card = (place / "model" / "README.md").read_text()
    assert "which learned from all 6 actors" in card
    assert "2 models that were trained alike on 2 actors each" in card
    assert "(cross-validation: folds 0, 1 of `msaf6`, seed 42)" in card
    assert "one run" not in card
    assert "| train | 1, 2, 5, 6, 9, 10 | 24 |" in card
    assert card.startswith("---\n") and "license: cc-by-nc-sa-4.0" in card


def test_weights_are_stored_in_half_and_loaded_whole(released: tuple[dict, Path]):
    _, place = released
    stored = load_file(place / "model" / "model.safetensors")
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float16}
    model, whole = (AutoModel.from_pretrained(place / name).eval() for name in ("model", "folds/everyone"))
    assert model.dtype == torch.float32
    assert set(model.config.training_actors) == set(ACTORS)
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    inputs = AutoProcessor.from_pretrained(place / "model")(audio=sound, sampling_rate=16_000, return_tensors="pt")
    whole.config.temperature = model.config.temperature
    with torch.no_grad():
        assert torch.allclose(model(**inputs).logits, whole(**inputs).logits, atol=2e-2)


def test_what_the_folds_fitted_is_kept_as_their_mean(released: tuple[dict, Path]):
    _, place = released
    folds = [read_metrics(place / "folds" / f"fold_{k}_seed_42") for k in (0, 1)]
    temperatures = [fold["calibration"]["temperature"] for fold in folds]
    config = json.loads((place / "model" / "config.json").read_text())
    assert config["temperature"] == pytest.approx(np.sqrt(np.prod(temperatures)))
    kept = all(fold["validation_answered"] is not None for fold in folds)
    expected = np.mean([fold["unsure_below"] for fold in folds]) if kept else 0
    assert config["unsure_below"] == pytest.approx(expected)
    everyone = read_metrics(place / "folds" / "everyone", tested=False)
    assert everyone["calibration"]["temperature"] == 1  # nobody was left to fit it by
    assert "test_uar" not in everyone
    assert not (place / "folds" / "everyone" / "README.md").exists()


def test_a_promise_that_one_fold_could_not_keep_is_not_made(released: tuple[dict, Path]):
    _, place = released
    kept = [read_metrics(place / "folds" / f"fold_{k}_seed_42") for k in (0, 1)]
    kept = [
        {**fold, "unsure_below": below, "validation_answered": {}}
        for fold, below in zip(kept, (0.4, 0.6), strict=True)
    ]
    assert _mean_threshold(kept) == pytest.approx(0.5)
    assert _mean_threshold([kept[0], {**kept[1], "validation_answered": None}]) == 0


def test_nothing_is_trained_again(released: tuple[dict, Path], words: list[str]):
    record, place = released
    weights = place / "folds" / "everyone" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert validate(words, place)["runs"] == record["runs"]
    assert weights.stat().st_mtime_ns == before
    assert not list(place.glob(".*partial"))


def test_whoever_scores_it_on_these_actors_is_told_of_the_leak(
    released: tuple[dict, Path], words: list[str], tmp_path: Path
):
    _, place = released
    own = [word for word in words if word.startswith(("--data_dir", "--cache_dir", "--use_cpu"))]
    own += [f"--model_name_or_path={place / 'model'}", "--do_predict", "--protocol=msaf6", f"--output_dir={tmp_path}"]
    assert run_job(own)["leaky"] is True


def test_a_folder_with_something_else_is_refused_before_anything_is_trained(words: list[str], tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    with pytest.raises(ArgumentError, match="something else lies there"):
        validate(words, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_only_an_earlier_release_is_replaced(released: tuple[dict, Path], words: list[str], tmp_path: Path):
    _, place = released
    words = [*words, "--protocol=msaf6", f"--output_dir={tmp_path / 'out'}"]
    check_release(place / "model", words)
    check_release(tmp_path / "new", words)
    with pytest.raises(ArgumentError, match="something else lies there"):
        check_release(place / "folds" / "fold_0_seed_42", words)  # a run with a card of its own
    for folder in (tmp_path, tmp_path / "out", tmp_path / "out" / "model"):
        with pytest.raises(ArgumentError, match="name folders that do not lie in each other"):
            check_release(folder, words)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--corpus=crema_d"], "--release .*new: .*--protocol everyone: CREMA-D has no such protocol"),
        (["--joint_epochs=1"], "--release .*new: .*only where validation actors gain"),
        (['--audio_settings={"model_name_or_path": "runs/fold_{fold}"}'], "{fold} stands in a setting"),
    ],
)
def test_what_everybody_cannot_be_trained_on_is_said_before_the_folds(
    words: list[str], flags: list[str], message: str, tmp_path: Path
):
    with pytest.raises(ArgumentError, match=message):
        check_release(tmp_path / "new", [*words, f"--output_dir={tmp_path / 'out'}", *flags])


def test_folds_of_a_protocol_without_a_test_are_refused(words: list[str], tmp_path: Path):
    several = ["--protocol=everyone", "--cross_validate", f"--output_dir={tmp_path}"]
    with pytest.raises(ArgumentError, match="nobody is left to compare runs by"):
        cross_validate(*split_experiment([*words, *several]))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--release=model"], "--release without --cross_validate"),
        (["--cross_validate", "--release_dtype=float16"], "--release_dtype without --release"),
        (["--ablation=plan.yaml", "--cross_validate", "--release=model"], "--release with --ablation"),
    ],
)
def test_a_release_that_has_no_folds_is_refused(flags: list[str], message: str):
    with pytest.raises(ArgumentError, match=message):
        split_experiment([*TINY, *flags])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--do_predict", "--model_name_or_path=tests/helpers/tiny_checkpoint"], "nobody is left to be scored on"),
        (["--push_to_hub"], "pushed without scores"),
        (["--calibrate"], "no validation actors"),
        (["--joint_epochs=1"], "only where validation actors gain"),
    ],
)
def test_what_needs_a_test_or_validation_is_refused_where_everyone_trains(
    words: list[str], flags: list[str], message: str, tmp_path: Path
):
    kept = words if "--do_predict" not in flags else words[len(TINY) :]
    with pytest.raises(SetupError, match=message):
        run_job([*kept, "--protocol=everyone", f"--output_dir={tmp_path}", *flags])
