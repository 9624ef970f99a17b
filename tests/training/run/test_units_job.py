"""Runs on real files of sound and action units: what they learn, resume and say, and flags that do not fit."""

import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import emofusion.data  # noqa: F401  registers the builder
from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import SetupError
from emofusion.training.run.job import run_job
from emofusion.training.run.ready import make_ready
from helpers.corpora.openface_files import write_means, write_tracks
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

ACTORS, EMOTIONS = (1, 13, 17), (1, 3, 4, 5)
STEMS = [f"01-01-{emotion:02d}-01-01-01-{actor:02d}" for actor in ACTORS for emotion in EMOTIONS]
TINY = ["--video_encoder=action_units", "--audio_encoder=cnn", "--encoder_width=8", "--label_set=emotions4"]
TINY += ["--per_device_train_batch_size=2", "--use_cpu", "--disable_tqdm=True", "--report_to=none"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("units")
    write_corpus(folder / "corpus", ACTORS, EMOTIONS, kind="flac")
    write_tracks(folder / "tracks", STEMS)
    write_means(folder / "means.csv", STEMS)
    return folder


def words(place: Path, *more: object, tracks: str = "tracks") -> list[str]:
    places = [f"--data_dir={place / 'corpus'}", f"--cache_dir={place / 'cache'}", f"--face_tracks={place / tracks}"]
    return [*TINY, *places, *map(str, more)]


@pytest.fixture(scope="module")
def fused(place: Path) -> Path:
    """A gated model of two epochs, with both of its checkpoints."""
    run_job(
        words(
            place, "--num_frames=4", "--num_train_epochs=2", "--save_total_limit=3", f"--output_dir={place / 'fused'}"
        )
    )
    return place / "fused"


def test_what_standardises_is_that_of_the_training_actors(place: Path, fused: Path):
    rows = datasets.load_dataset(
        "ravdess",
        data_dir=str(place / "corpus"),
        cache_dir=str(place / "cache"),
        face_tracks=str(place / "tracks"),
        label_set="emotions4",
        num_frames=4,
        split="train",
    )
    assert set(rows["actor"]) == {1}
    layer = EmoFusionModel.from_pretrained(fused).video_encoder.standardise
    units = np.concatenate(rows["action_units"])
    np.testing.assert_allclose(layer.mean, units.mean(0), atol=1e-5)
    np.testing.assert_allclose(layer.std, units.std(0), atol=1e-5)


def test_run_stopped_between_epochs_resumes_to_the_same_weights(place: Path, fused: Path, tmp_path: Path):
    first = min(fused.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    shutil.copytree(first, tmp_path / first.name)
    shutil.copy(fused / "run.json", tmp_path)
    same = ["--num_frames=4", "--num_train_epochs=2", "--save_total_limit=3"]
    run_job(words(place, *same, f"--output_dir={tmp_path}"), resume=True)
    once, resumed = (load_file(folder / "model.safetensors") for folder in (fused, tmp_path))
    assert once.keys() == resumed.keys() and all(torch.equal(once[name], resumed[name]) for name in once)


def test_record_and_card_say_what_it_reads(fused: Path):
    metrics = read_metrics(fused)
    assert (metrics["audio_encoder"], metrics["video_encoder"]) == ("cnn", "action_units")
    assert metrics["trained_modalities"] == ["audio", "video"] and metrics["num_frames"] == 4
    named = [row["condition"] for row in metrics["robustness"]]
    assert named[:3] == ["audio and video", "audio only", "video only"]
    assert named[-4:] == ["noisy action units 10 dB", "noisy action units 0 dB"] + [
        "sound late by 0.5 s", "sound late by 1 s"
    ]  # fmt: skip
    assert not any("black" in name for name in named)
    card = (fused / "README.md").read_text(encoding="utf-8")
    assert "35 action units of OpenFace in 4 steps of 3 s and a log-mel spectrogram" in card
    assert 'processor(action_units="clip.csv", audio="clip.mp4", return_tensors="pt")' in card
    assert "x 112 pixels" not in card and "dB is the variance of each" in card


def test_means_train_a_model_of_one_step_that_others_start_from(place: Path, tmp_path: Path):
    alone = tmp_path / "alone"
    metrics = run_job(words(place, "--fusion=video", "--max_steps=1", f"--output_dir={alone}", tracks="means.csv"))
    assert metrics["num_frames"] == 1 and [row["condition"] for row in metrics["robustness"]] == [
        "undisturbed", "noisy action units 10 dB", "noisy action units 0 dB"
    ]  # fmt: skip
    inputs = EmoFusionProcessor.from_pretrained(alone)(action_units=place / "tracks" / f"{STEMS[0]}.csv")
    assert inputs["action_units"].shape == (1, 1, 35)
    start = ["--fusion=late", f"--video_encoder_weights={alone}", f"--output_dir={tmp_path / 'late'}"]
    run = make_ready(parse_arguments(words(place, *start, tracks="means.csv")))
    theirs, ours = load_file(alone / "model.safetensors"), run.trainer.model.state_dict()
    names = [name for name in theirs if name.startswith("video_encoder.")]
    assert "video_encoder.standardise.mean" in names and all(torch.equal(theirs[n], ours[n]) for n in names)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--face_tracks=nowhere"], "nowhere: no such folder"),
        (["--face_crop=haar"], "^--face_crop haar: a model of action units reads no frames"),
        (["--grey"], "^--grey: a model of action units reads no frames"),
        (["--erase_augment=0.5"], "^--erase_augment: this model reads action units, which it does not change"),
        (
            ["--video_encoder=resnet18"],
            "^--face_tracks: this model reads frames, .* add --face_crop haar, or --video_enc",
        ),
        (["--corpus=crema_d", "--face_tracks="], "CREMA-D has none; take one that reads frames|has no use for it"),
        (["--face_tracks={place}/means.csv", "--num_frames=4"], "one mean a clip, and this model looks at 4 steps"),
        (["--video_encoder_weights=imagenet"], "weights of a ResNet18 do not fit video_encoder='action_units'"),
    ],
)
def test_flags_that_do_not_fit_are_named(place: Path, tmp_path: Path, more: list[str], message: str):
    given = [word.format(place=place) for word in more]
    with pytest.raises(SetupError, match=message):
        run_job(words(place, *given, f"--output_dir={tmp_path / 'out'}"))


def test_tracks_that_are_missing_are_asked_for(place: Path, tmp_path: Path):
    run = [word for word in words(place, f"--output_dir={tmp_path / 'out'}") if not word.startswith("--face_tracks")]
    with pytest.raises(SetupError, match="^--face_tracks is missing: this model reads action units"):
        run_job(run)


def test_encoder_of_another_kind_is_refused(place: Path, fused: Path, tmp_path: Path):
    start = [f"--video_encoder_weights={fused}", "--video_encoder=resnet18", "--face_crop=haar"]
    with pytest.raises(
        SetupError, match="the checkpoint has video_encoder='action_units' and this model .*'resnet18'"
    ):
        run_job(words(place, *start, f"--output_dir={tmp_path / 'out'}"))


def test_sound_alone_takes_no_notice_of_tracks(place: Path, tmp_path: Path):
    run = make_ready(parse_arguments(words(place, "--fusion=audio", f"--output_dir={tmp_path / 'out'}")))
    assert set(run.inputs["train"][0]) == {"input_features", "audio_mask", "labels"}
