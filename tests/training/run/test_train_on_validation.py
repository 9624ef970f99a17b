"""`--train_on_validation`: who validated trains, nobody chooses, and the test stays unseen."""

from pathlib import Path

import pytest

from emofusion.modeling import EmoFusionModel
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.experiments.ablation import ablate
from emofusion.training.experiments.cross_validation import cross_validate
from emofusion.training.run.job import run_job
from emofusion.training.run.stages import run_stages
from emofusion.training.search.search import search
from helpers.corpora.picture_files import write_picture
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

TINY = ["--audio_encoder=cnn", "--encoder_width=8", "--num_frames=2", "--image_size=32", "--label_set=emotions4"]
TINY += ["--num_train_epochs=1", "--per_device_train_batch_size=4", "--use_cpu", "--disable_tqdm=True"]
ACTORS = (1, 2, 5, 6, 9, 10)
ALL = {"train": [5, 6, 9, 10], "test": [1, 2]}
"""Fold 0 of `msaf6`: 5 and 6 would validate."""
SEVEN = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("films")
    write_corpus(folder / "corpus", ACTORS, emotions=(1, 3, 4, 5))
    places = [f"--data_dir={folder / 'corpus'}", f"--cache_dir={folder / 'cache'}"]
    return [*TINY, "--train_on_validation", "--protocol=msaf6", *places]


@pytest.fixture
def voices(words: list[str]) -> list[str]:
    return [*words, "--fusion=audio"]


def test_whoever_would_validate_trains_and_the_end_of_the_run_is_scored(voices: list[str], tmp_path: Path):
    metrics = run_job([*voices, f"--output_dir={tmp_path}"])
    assert metrics["actors"] == ALL
    each = metrics["clips"]["test"] // len(ALL["test"])
    assert metrics["clips"] == {"train": each * len(ALL["train"]), "test": each * len(ALL["test"])}
    assert metrics["select"] == "last"
    assert not any(name.startswith("validation_") for name in metrics)
    assert metrics["leaky"] is False
    assert EmoFusionModel.from_pretrained(tmp_path).seen.actors == set(ALL["train"])
    card = (tmp_path / "README.md").read_text()
    assert "whoever would have validated trained, too, and the weights of the last step were kept" in card


def test_branches_and_fusion_train_on_them(words: list[str], tmp_path: Path):
    done = run_stages([*words, "--branches_first", f"--output_dir={tmp_path}"])
    assert done.metrics["actors"] == ALL
    assert all(branch.metrics["actors"] == ALL for branch in done.branches.values())
    assert done.metrics["fusion_gain"]["validation_choice"] is None


def test_folds_name_nobody_who_validated_and_the_released_model_needs_no_other_flag(voices: list[str], tmp_path: Path):
    experiment = ExperimentArguments(cross_validate=True, release=str(tmp_path / "model"))
    record = cross_validate(experiment, [*voices, f"--output_dir={tmp_path / 'folds'}"])
    assert record["stand_in_validation"] == {}
    assert {tuple(run["actors"]) for run in record["runs"]} == {("train", "test")}
    assert all(len(run["actors"]["train"]) == len(ACTORS) - 2 for run in record["runs"])
    assert EmoFusionModel.from_pretrained(tmp_path / "model").seen.actors == set(ACTORS)
    table = (tmp_path / "folds" / "cross_validation.md").read_text()
    assert "The validation actors of each fold trained, too; nobody chose a checkpoint." in table


def test_plan_with_a_variant_that_needs_them_is_refused_before_any_is_trained(voices: list[str], tmp_path: Path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("title: T\nreference: a\nvariants:\n  a: {fusion: audio}\n  b: {fusion: audio, calibrate: true}\n")
    with pytest.raises(ArgumentError, match="b: --train_on_validation with --calibrate"):
        ablate(ExperimentArguments(ablation=str(plan)), [*voices, f"--output_dir={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


def test_search_is_refused(voices: list[str], tmp_path: Path):
    space = tmp_path / "space.yaml"
    space.write_text("learning_rate: {low: 1.0e-4, high: 1.0e-2}\n")
    with pytest.raises(ArgumentError, match="--train_on_validation with --search"):
        search(ExperimentArguments(search=str(space)), [*voices, f"--output_dir={tmp_path / 'out'}"])


def test_whoever_trained_is_not_calibrated_by_and_chooses_with_a_warning(
    voices: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    run_job([*voices, f"--output_dir={tmp_path / 'model'}"])
    validated = [word for word in voices if word != "--train_on_validation"]
    start = f"--model_name_or_path={tmp_path / 'model'}"
    scored = [
        *(word for word in validated if word.startswith(("--data", "--cache", "--protocol"))),
        "--use_cpu",
        start,
    ]
    with pytest.raises(SetupError, match="--calibrate: .*model learnt from 5-6, who are to validate here"):
        run_job([*scored, "--do_predict", "--calibrate", f"--output_dir={tmp_path / 'scored'}"])
    run_job([*validated, start, f"--output_dir={tmp_path / 'again'}"])
    assert "model learnt from 5-6, who are to validate here: what they choose says little" in caplog.text


def test_branches_whose_people_are_in_all_parts_are_calibrated_as_before(words: list[str], tmp_path: Path):
    dealt = [word for word in words if word not in ("--train_on_validation", "--protocol=msaf6")]
    dealt += ["--protocol=random_clips", "--branches_first", "--calibrate", f"--output_dir={tmp_path}"]
    assert "validation_calibration_error" in run_stages(dealt).metrics


def test_run_is_not_resumed_without_the_flag(voices: list[str], tmp_path: Path):
    run_job([*voices, f"--output_dir={tmp_path}"])
    without = [word for word in voices if word != "--train_on_validation"]
    with pytest.raises(SetupError, match="begun with train_on_validation True, now it is False"):
        run_job([*without, f"--output_dir={tmp_path}"], resume=True)


def test_pictures_held_out_are_learnt_from_and_not_called_held_out(tmp_path: Path):
    names = [f"train/{word}/{number}.png" for word in SEVEN for number in range(4)]
    for level, name in enumerate([*names, *(f"test/{word}/0.png" for word in SEVEN)]):
        write_picture(tmp_path / "fer2013" / name, 4 * level)
    words = ["--corpus=fer2013", "--fusion=video", *TINY, "--label_set=emotions7", "--train_on_validation"]
    places = [f"--data_dir={tmp_path / 'fer2013'}", f"--cache_dir={tmp_path / 'cache'}"]
    metrics = run_job([*words, *places, f"--output_dir={tmp_path / 'out'}"])
    assert metrics["clips"] == {"train": len(names), "test": len(SEVEN)}
    assert "held out" not in metrics["corpus_account"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--calibrate"], "with --calibrate: nobody is left to validate"),
        (["--unsure_accuracy=0.8"], "with --unsure_accuracy: nobody is left to validate"),
        (["--joint_epochs=1", "--branches_first"], "with --joint_epochs: these are kept only where"),
        (["--early_stopping_patience=2"], "with --early_stopping_patience: nobody is left to validate"),
        (["--eval_on_start"], "with --eval_on_start: nobody is left to validate"),
        (["--save_strategy=best"], "with --save_strategy best: nobody is left to validate"),
        (["--lr_scheduler_type=reduce_lr_on_plateau"], "with --lr_scheduler_type reduce_lr_on_plateau: nobody"),
        (["--protocol=everyone"], "--train_on_validation with --protocol everyone: it has nobody to validate"),
        (["--corpus=affectnet", "--protocol=published splits", "--fusion=video"], "validation split is scored"),
    ],
)
def test_what_needs_them_is_refused(words: list[str], tmp_path: Path, flags: list[str], message: str):
    with pytest.raises(SetupError, match=message):
        run_stages([*words, f"--output_dir={tmp_path / 'out'}", *flags])
    assert not (tmp_path / "out").exists()
