"""Trackers: curves and images of real runs, read back from what the trackers left on the disk."""

import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import EvalPrediction

from emofusion.data import ClipCollator
from emofusion.evaluation.scores.trainer_output import compute_metrics
from emofusion.modeling import EmoFusionProcessor
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.run.tracking import (
    ConfusionImages,
    ScoresWithConfusion,
    check_wandb_login,
    finish_trackers,
    log_confusion,
    name_run,
)
from emofusion.training.run.trainer import EmoFusionTrainer
from helpers.runs.forked import run_alone, write_modules
from helpers.tiny_models import batch_of, new_model, one_thread  # noqa: F401

EPOCHS = 2
STEPS = [2, 4]
"""Eight clips in batches of four: the optimizer steps after each epoch."""
CURVES = ("train/loss", "eval/loss", "eval/macro_f1", "eval/uar")


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed (emofusion[track])")


class Clips(torch.utils.data.Dataset):
    """Eight clips of random sound and picture, one of each class."""

    def __init__(self) -> None:
        self.batch = batch_of(8, labels=True)

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: values[index] for name, values in self.batch.items()}


def new_trainer(folder: Path, tracker: str, **options: object) -> tuple[EmoFusionTrainer, ConfusionImages]:
    args = EmoFusionTrainingArguments(
        output_dir=str(folder),
        report_to=[tracker],
        use_cpu=True,
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=4,
        save_strategy="no",
        load_best_model_at_end=False,
        disable_tqdm=True,
        **options,
    )
    name_run(args, resumes=False)
    model = new_model("audio")
    scores = ScoresWithConfusion(model.config.num_labels)
    trainer = EmoFusionTrainer(
        model=model,
        args=args,
        processing_class=EmoFusionProcessor.from_config(model.config),
        train_dataset=Clips(),
        eval_dataset=Clips(),
        data_collator=ClipCollator(),
        compute_metrics=scores,
    )
    images = ConfusionImages(trainer, scores)
    trainer.add_callback(images)
    return trainer, images


def whole_run(folder: Path, tracker: str, **options: object) -> EmoFusionTrainer:
    """Train, score, end: as a job does."""
    trainer, images = new_trainer(folder, tracker, **options)
    trainer.train()
    trainer.predict(Clips())
    log_confusion(trainer, "test", images.scores.matrix, trainer.state.global_step)
    finish_trackers(trainer)
    return trainer


def assert_confusion_image(file: Path | BytesIO) -> None:
    """A picture with the dark background and the bright cells of the colour map, of some size."""
    pixels = np.asarray(Image.open(file).convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    assert pixels.std() > 20


def test_scores_are_those_of_compute_metrics_and_the_matrix_is_kept():
    logits = np.eye(3)[[0, 1, 1, 2]]
    prediction = EvalPrediction(predictions=(logits, np.zeros(4)), label_ids=np.array([0, 1, 2, 2]))
    scores = ScoresWithConfusion(4)
    assert scores.matrix is None
    assert scores(prediction) == compute_metrics(prediction)
    assert scores.matrix == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


@needs("tensorboard")
def test_tensorboard_has_curves_and_images_of_each_run(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_names = {name: whole_run(tmp_path / name, "tensorboard").args.run_name for name in ("first", "second")}
    for name in run_names:
        (folder,) = {file.parent for file in (tmp_path / name).rglob("events.out.tfevents.*")}
        assert folder == tmp_path / name / "runs" / run_names[name]
        events = EventAccumulator(str(folder))
        events.Reload()
        for curve in CURVES:
            assert [event.step for event in events.Scalars(curve)] == STEPS, curve
        assert [event.step for event in events.Images("validation/confusion_matrix")] == STEPS
        (test,) = events.Images("test/confusion_matrix")
        assert test.step == STEPS[-1]
        assert_confusion_image(BytesIO(test.encoded_image_string))


@needs("tensorboard")
def test_only_the_main_process_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trainer, images = new_trainer(tmp_path, "tensorboard")
    monkeypatch.setattr(trainer, "is_world_process_zero", lambda: False)
    log_confusion(trainer, "test", [[1, 0], [0, 1]], 0)
    assert not list(tmp_path.rglob("events.out.tfevents.*"))
    monkeypatch.undo()
    log_confusion(trainer, "test", [[1, 0], [0, 1]], 0)  # without training, as a job that only scores
    finish_trackers(trainer)
    assert len(list(tmp_path.rglob("events.out.tfevents.*"))) == 1


@pytest.fixture
def trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Trackio, whose data lie in `tmp_path / "trackio"`: it reads TRACKIO_DIR once, when it is imported."""
    _forget_trackio()
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio

    yield trackio
    _forget_trackio()


def _forget_trackio() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "trackio"]:
        del sys.modules[name]


@needs("trackio")
def test_trackio_has_curves_and_images_of_each_run(tmp_path: Path, trackio: ModuleType):
    from trackio.sqlite_storage import SQLiteStorage

    names = [whole_run(tmp_path / name, "trackio").args.run_name for name in ("first", "second")]
    assert {run.name for run in trackio.Api().runs("emofusion")} == set(names)
    assert len(trackio.Api().runs("emofusion")) == 2
    assert names[0].startswith("first-")
    for name in names:
        logs = SQLiteStorage.get_logs("emofusion", name)
        for curve in CURVES:
            assert [entry["train/global_step"] for entry in logs if curve in entry] == STEPS, curve
        assert len([entry for entry in logs if "test/macro_f1" in entry]) == 1
        for image, steps in (("validation/confusion_matrix", STEPS), ("test/confusion_matrix", STEPS[-1:])):
            entries = [entry for entry in logs if image in entry]
            assert [entry["train/global_step"] for entry in entries] == steps
            for entry in entries:
                assert_confusion_image(tmp_path / "trackio" / "media" / entry[image]["file_path"])


@needs("trackio")
def test_finish_leaves_no_trackio_run_open(tmp_path: Path, trackio: ModuleType):
    trainer, images = new_trainer(tmp_path / "run", "trackio")
    log_confusion(trainer, "test", [[1, 0], [0, 1]], 0)
    assert trackio.context_vars.current_run.get() is not None
    finish_trackers(trainer)
    assert trackio.context_vars.current_run.get() is None
    finish_trackers(trainer)


@pytest.fixture
def fresh_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """W&B that knows no login: it reads the environment and the home folder once in a process."""
    import wandb
    from wandb.sdk.lib import wbauth

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    # W&B's own process, which pytest-socket does not see, looks its server up as soon as there is a key.
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.chdir(tmp_path)
    wandb.teardown()
    wbauth.unauthenticate_session(update_settings=False)
    yield monkeypatch
    wandb.teardown()
    wbauth.unauthenticate_session(update_settings=False)


@needs("wandb")
@pytest.mark.slow
def test_wandb_offline_leaves_two_runs(tmp_path: Path, fresh_wandb: pytest.MonkeyPatch):
    fresh_wandb.setenv("WANDB_MODE", "offline")
    fresh_wandb.setenv("WANDB_DIR", str(tmp_path))
    fresh_wandb.setenv("WANDB_SILENT", "true")
    for name in ("first", "second"):
        whole_run(tmp_path / name, "wandb")
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    for folder, name in zip(folders, ("first", "second"), strict=True):
        (journal,) = folder.glob("run-*.wandb")
        content = journal.read_bytes()
        for word in (name, "eval/macro_f1", "validation/confusion_matrix", "test/confusion_matrix"):
            assert word.encode() in content, word
        images = sorted((folder / "files" / "media" / "images").rglob("*.png"))
        assert len(images) == 3
        for image in images:
            assert_confusion_image(image)


def wandb_args() -> EmoFusionTrainingArguments:
    return EmoFusionTrainingArguments(output_dir="unused", use_cpu=True, report_to=["wandb"])


@needs("wandb")
def test_wandb_without_a_login_is_refused_and_asks_nothing(fresh_wandb: pytest.MonkeyPatch):
    with pytest.raises(ArgumentError, match="--report_to wandb: no login found"):
        check_wandb_login(wandb_args())


@needs("wandb")
@pytest.mark.parametrize(
    ("variable", "value"), [("WANDB_MODE", "offline"), ("WANDB_MODE", "disabled"), ("WANDB_API_KEY", "a" * 40)]
)
def test_wandb_offline_or_with_a_key_passes(fresh_wandb: pytest.MonkeyPatch, variable: str, value: str):
    fresh_wandb.setenv(variable, value)
    check_wandb_login(wandb_args())


def test_without_wandb_nothing_is_checked():
    check_wandb_login(EmoFusionTrainingArguments(output_dir="unused", use_cpu=True, report_to=[]))


@pytest.mark.slow
def test_nothing_of_a_tracker_is_imported_by_the_module(tmp_path: Path):
    run_alone(write_modules, tmp_path / "modules")
    modules = (tmp_path / "modules").read_text(encoding="utf-8").split()
    assert "emofusion.training.run.tracking" in modules
    assert not {"wandb", "trackio", "tensorboard"} & set(modules)


def named(folder: Path, resumes: bool = False, within: Path | None = None, **options: object) -> object:
    args = EmoFusionTrainingArguments(output_dir=str(folder), use_cpu=True, report_to=["tensorboard"], **options)
    name_run(args, resumes, within)
    return args


def test_new_run_is_named_after_its_folder_and_a_resumed_one_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    first = named(tmp_path / "gated")
    assert re.fullmatch(r"gated-\d{8}-\d{6}", first.run_name)
    assert first.project == os.environ["WANDB_PROJECT"] == "emofusion"
    (tmp_path / "gated" / "runs" / "name.txt").write_text("gated-earlier\n")
    assert named(tmp_path / "gated", resumes=True).run_name == "gated-earlier"
    assert named(tmp_path / "gated").run_name != "gated-earlier"


def test_runs_of_an_experiment_carry_its_name(tmp_path: Path):
    args = named(tmp_path / "cross" / "gated" / "fold-1", within=tmp_path / "cross")
    assert args.run_name.startswith("cross-gated-fold-1-")
    assert named(tmp_path / "elsewhere", within=tmp_path / "cross").run_name.startswith("elsewhere-")


def test_names_of_the_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    args = named(tmp_path, run_name="mine", project="ours")
    assert (args.run_name, args.project, os.environ["WANDB_PROJECT"]) == ("mine", "ours", "theirs")
    assert not list(tmp_path.iterdir())


def test_without_trackers_nothing_is_named(tmp_path: Path):
    args = EmoFusionTrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    name_run(args, resumes=False)
    assert args.run_name is None
    assert not list(tmp_path.iterdir())
