"""Training and scoring on CREMA-D, FER-2013 and AffectNet: real runs, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from emofusion.data import label_set
from emofusion.data.corpora.builders.image_account import ImageAccount
from emofusion.evaluation import compare
from emofusion.evaluation.reports.summary import summary
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.processing_emofusion import ClipArrays
from emofusion.modeling.seen_emofusion import NOBODY_KNOWS, Seen
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import SetupError
from emofusion.training.run.job import run_job
from emofusion.training.run.ready import Run, make_ready, setup_errors
from helpers.corpora.crema_d_files import write_crema_d
from helpers.corpora.picture_files import write_affectnet, write_picture, write_tree, zip_tree
from helpers.runs.demo_runs import tiny_recipe
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401  an automatic fixture

SEVEN = ["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
SIZES: dict[str, Any] = {"encoder_width": 8, "num_frames": 2, "image_size": 28, "hidden_size": 16}
RAVDESS_ACTORS = list(range(1, 17))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For corpora, checkpoints and the cache of this module."""
    return tmp_path_factory.mktemp("other_corpora")


@pytest.fixture(scope="module")
def fer2013(place: Path) -> Path:
    """A zip as they go round: two pictures a class in train, one in test."""
    names = [f"train/{word}/{number}.png" for word in SEVEN for number in (1, 2)]
    return zip_tree(
        write_tree(place / "fer", [*names, *(f"test/{word}/3.png" for word in SEVEN)]), place / "fer2013.zip"
    )


@pytest.fixture(scope="module")
def affectnet(place: Path) -> Path:
    """Eight emotions in train; neutral, happy and contempt in validation."""
    write_affectnet(place / "affectnet", {str(number): number for number in range(8)})
    return write_affectnet(place / "affectnet", {"0": 0, "1": 1, "2": 7}, "val_set")


@pytest.fixture(scope="module")
def crema_d(place: Path) -> Path:
    """Two actors of training, one of validation, one of test; pictures with sound, but one sound alone."""
    for actor in (1003, 1005, 1001, 1006):
        for rest in ("DFA_ANG_XX", "TSI_NEU_XX"):
            write_crema_d(place / "crema_d", f"{actor}_{rest}", "flv")
    write_crema_d(place / "crema_d", "1006_IEO_FEA_LO", "wav")
    return place / "crema_d"


def checkpoint_of(
    folder: Path, fusion: str = "gated", classes: str = "emotions8", actors: list[int] | None = RAVDESS_ACTORS
) -> Path:
    """A tiny model as if trained on these actors; without, it does not say on whom."""
    torch.manual_seed(0)
    found = label_set(classes)
    config = EmoFusionConfig(fusion=fusion, label_set=classes, id2label=found.id2label, **SIZES)
    model = EmoFusionModel(config)
    model.seal_seen(NOBODY_KNOWS if actors is None else Seen(frozenset(actors), frozenset(config.modalities)))
    model.save_pretrained(folder)
    EmoFusionProcessor.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def gated(place: Path) -> Path:
    return checkpoint_of(place / "gated")


def words_of(folder: Path, cache: Path, words: tuple[object, ...]) -> list[str]:
    """The command line of a run whose output goes to `folder / "out"`."""
    recipe = [tiny_recipe(folder)] if "--do_predict" not in words else []
    places = ["--output_dir", folder / "out", "--cache_dir", cache, "--use_cpu"]
    return [str(word) for word in [*recipe, *words, *places]]


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Do a run whose output goes to `tmp_path / "out"`."""
    return lambda *words: run_job(words_of(tmp_path, place / "cache", words))


def ready(words: list[str]) -> Run:
    with setup_errors():
        return make_ready(parse_arguments(words))


@pytest.fixture
def prepared(place: Path, tmp_path: Path) -> Callable[..., Run]:
    """A run that is ready, and not done."""
    return lambda *words: ready(words_of(tmp_path, place / "cache", words))


def score(checkpoint: Path) -> list[object]:
    return ["--model_name_or_path", checkpoint, "--do_predict"]


def test_score_fused_model_on_fer2013_is_the_model_on_each_picture_alone(
    run: Any, tmp_path: Path, fer2013: Path, gated: Path, capsys: pytest.CaptureFixture[str]
):
    run(*score(gated), "--corpus", "fer2013", "--data_dir", fer2013)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert {"actor", "gender"}.isdisjoint(table.columns)
    assert sorted(table["label"]) == sorted(set(label_set("emotions8").labels) - {"calm"})
    assert (table["gate"] == 0).all()  # the gate is the weight of the sound
    model, processor = EmoFusionModel.from_pretrained(gated).eval(), EmoFusionProcessor.from_pretrained(gated)
    for clip, probabilities in zip(table["clip"], table["probabilities"], strict=True):
        picture = np.array(Image.open(fer2013.parent / "fer" / clip).convert("RGB"))[np.newaxis]
        with torch.no_grad():
            alone = model(**processor.pack([ClipArrays(clip, picture, None)])).logits.softmax(-1)[0]
        assert np.allclose(probabilities, alone.numpy(), atol=1e-5), clip
    check_record_of_fer2013(json.loads((tmp_path / "out" / "metrics.json").read_text()))
    printed = capsys.readouterr().out
    assert "gated: 7 pictures of the published public test split, without sound (FER-2013, emotions8)" in printed
    assert "disgust 2" in printed  # the account
    account = ImageAccount.load(tmp_path / "out" / "corpus_account.json")
    assert sum(account.found["test"].values()) == 7


def check_record_of_fer2013(metrics: dict[str, Any]) -> None:
    assert (metrics["corpus"], metrics["protocol"], metrics["fold"]) == ("FER-2013", "public_test", 0)
    assert metrics["corpus_notice"].startswith("FER-2013, Goodfellow")
    assert metrics["corpus_account"].startswith("21 pictures; train 14")
    assert (metrics["actors"], metrics["clips"], metrics["leaky"]) == ({}, {"test": 7}, False)
    assert metrics["test_part"] == "public test"
    assert metrics["test_intervals_over"] == "clips"
    assert compare.where(metrics) == "FER-2013, emotions8, 7 pictures of the published public test split"


def test_score_with_classes_of_the_checkpoint_drops_and_counts_the_others(
    run: Any, tmp_path: Path, fer2013: Path, place: Path
):
    checkpoint = checkpoint_of(place / "four", fusion="video", classes="emotions4")
    metrics = run(*score(checkpoint), "--corpus", "fer2013", "--data_dir", fer2013)
    assert metrics["labels"] == label_set("emotions4").labels
    assert metrics["clips"] == {"test": 4}
    assert "not in the label set: disgust 3, fearful 3, surprised 3" in metrics["corpus_account"]
    assert summary(metrics).startswith("video: 4 pictures of the published public test split (FER-2013, emotions4)")


def test_score_on_affectnet_is_on_its_validation_split_and_says_so(
    run: Any, tmp_path: Path, affectnet: Path, gated: Path
):
    metrics = run(*score(gated), "--corpus", "affectnet", "--data_dir", affectnet)
    assert metrics["test_part"] == "validation"
    assert metrics["clips"] == {"test": 2}  # contempt is none of the classes
    assert "2 pictures of the published validation split" in summary(metrics)
    assert "2 pictures of the published validation split" in compare.where(metrics)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert sorted(table["clip"]) == ["validation/0", "validation/1"]


def test_score_on_crema_d_takes_all_of_it_with_sound_and_picture(run: Any, tmp_path: Path, crema_d: Path, gated: Path):
    metrics = run(*score(gated), "--corpus", "crema_d", "--data_dir", crema_d)
    assert (metrics["corpus"], metrics["protocol"]) == ("CREMA-D", "all_test")
    assert metrics["actors"] == {"test": [1001, 1003, 1005, 1006]}
    assert metrics["leaky"] is False  # trained on RAVDESS actors
    assert "9 clips of unseen actors 1001, 1003, 1005-1006 (CREMA-D, all_test" in summary(metrics)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet").set_index("clip")
    assert table["gate"].loc["1006_IEO_FEA_LO"] == 1  # no picture
    assert table["gate"].drop("1006_IEO_FEA_LO").between(0.01, 0.99).all()
    assert set(table["gender"]) == {"female", "male"}


def test_score_on_crema_d_actors_that_trained_the_model_is_leaky(
    prepared: Any, crema_d: Path, place: Path, caplog: pytest.LogCaptureFixture
):
    checkpoint = checkpoint_of(place / "seen", actors=[1, 1003])
    assert prepared(*score(checkpoint), "--corpus", "crema_d", "--data_dir", crema_d).leaky is True
    assert "LEAK: the test actors 1003 were seen" in caplog.text


def test_score_of_a_model_that_does_not_say_who_trained_it_is_perhaps_leaky(
    run: Any,
    prepared: Any,
    tmp_path: Path,
    crema_d: Path,
    fer2013: Path,
    place: Path,
    caplog: pytest.LogCaptureFixture,
):
    checkpoint = checkpoint_of(place / "silent", actors=None)
    metrics = run(*score(checkpoint), "--corpus", "crema_d", "--data_dir", crema_d)
    assert metrics["leaky"] is None
    assert "does not say on whom it was trained: whether the test actors 1001" in caplog.text
    card = (tmp_path / "out" / "README.md").read_text()
    assert "It is not known which actors this checkpoint was trained on" in card
    assert "never seen" not in card
    assert "unseen" not in summary(metrics)
    assert compare.where(metrics).startswith("perhaps seen in training: CREMA-D")
    (tmp_path / "out").rename(tmp_path / "scored")
    goes_on = prepared("--corpus", "crema_d", "--data_dir", crema_d, "--model_name_or_path", checkpoint)
    assert (goes_on.trainer.seen, goes_on.leaky) == (NOBODY_KNOWS, None)
    goes_on.trainer.state.global_step = 1
    after = goes_on.trainer.seen
    assert (sorted(after.actors), after.complete) == ([1001, 1003, 1005], False)
    assert prepared(*score(checkpoint), "--corpus", "fer2013", "--data_dir", fer2013).leaky is None


def test_train_on_crema_d_is_by_its_holdout(prepared: Any, crema_d: Path):
    ready = prepared("--corpus", "crema_d", "--data_dir", crema_d)
    assert ready.arguments.data.protocol == "holdout"
    actors = {name: sorted(set(rows["actor"])) for name, rows in ready.clips.splits.items()}
    assert actors == {"train": [1003, 1005], "validation": [1001], "test": [1006]}
    assert ready.trainer.seen == Seen()
    ready.trainer.state.global_step = 1
    assert ready.trainer.seen == Seen(frozenset({1001, 1003, 1005}), frozenset({"audio", "video"}))


def test_train_on_fer2013_then_go_on_from_there(run: Any, prepared: Any, tmp_path: Path, fer2013: Path):
    words = ["--corpus", "fer2013", "--data_dir", fer2013, "--fusion", "video", "--eval_strategy", "no"]
    words += ["--protocol", "published splits"]
    metrics = run(*words)
    assert metrics["trained"] is True
    assert metrics["clips"] == {"train": 14, "test": 7}
    assert metrics["train_loss"] > 0
    config = EmoFusionConfig.from_pretrained(tmp_path / "out")
    assert (config.num_frames, config.training_actors) == (2, [])
    assert json.loads((tmp_path / "out" / "run.json").read_text())["protocol"] == "published splits"
    start = (tmp_path / "out").rename(tmp_path / "start")
    patient = [*words, "--model_name_or_path", start, "--early_stopping_patience", "2"]  # there is nothing to wait for
    assert run(*patient)["trained"] is True
    went_on = EmoFusionModel.from_pretrained(tmp_path / "out")
    assert (went_on.seen, went_on.config.training_actors) == (Seen(modalities=frozenset({"video"})), [])


def test_branch_of_ravdess_begins_with_faces_of_fer2013(
    run: Any, prepared: Any, tmp_path: Path, fer2013: Path, crema_d: Path
):
    """A branch that learnt from grey photographs, each cut to the face, starts one of films, whatever their size."""
    grey = ["--fusion", "video", "--grey", "--erase_augment", "0.5", "--label_set", "emotions7"]
    metrics = run("--corpus", "fer2013", "--data_dir", fer2013, *grey)
    assert (metrics["protocol"], metrics["grey"]) == ("public_test", True)
    assert metrics["clips"] == {"train": 12, "validation": 2, "test": 7}
    assert "2 pictures of train are held out to validate on" in metrics["corpus_account"]
    faces = (tmp_path / "out").rename(tmp_path / "faces")
    films = ["--corpus", "crema_d", "--data_dir", crema_d, "--video_encoder_weights", faces]
    begun = prepared(*films, "--grey", "--image_size", "56", "--num_frames", "3")
    assert begun.record(["train_hf.py"])["learnt_before"] == {"video": ["FER-2013"]}
    learnt = EmoFusionModel.from_pretrained(faces).video_encoder.state_dict()
    assert all(
        torch.equal(value, learnt[name]) for name, value in begun.trainer.model.video_encoder.state_dict().items()
    )
    batch = next(iter(begun.trainer.get_train_dataloader()))
    pixels = batch["pixel_values"][batch["video_mask"]]
    assert pixels.shape[1:] == (3, 3, 56, 56)
    red, green = (pixels[:, :, k] * s + m for k, s, m in ((0, 0.229, 0.485), (1, 0.224, 0.456)))
    assert (red - green).abs().max() < 1e-5
    with pytest.raises(SetupError, match="has grey=True and this model grey=False; take --grey true$"):
        prepared(*films)


def test_copies_of_training_pictures_are_left_out_of_the_score_and_of_its_card(
    run: Any, tmp_path: Path, gated: Path, fer2013: Path
):
    folder = write_tree(tmp_path / "a", ["train/sad/1.png", "test/happy/2.png"])
    write_picture(folder / "test" / "fear" / "copy.png", 0, mode="L")
    metrics = run(*score(gated), "--corpus", "fer2013", "--data_dir", folder)
    assert (metrics["clips"], metrics["copies_left_out"]) == ({"test": 1}, 1)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "1 more, which also stand in its training split, were left out. Who is in the pictures is" in card
    (tmp_path / "out").rename(tmp_path / "before")
    metrics = run(*score(gated), "--corpus", "fer2013", "--data_dir", folder, "--keep_copies")
    assert metrics["clips"] == {"test": 2}
    assert "copies_left_out" not in metrics
    assert "left out" not in (tmp_path / "out" / "README.md").read_text()


def test_train_on_fer2013_with_all_its_splits_validates_on_the_public_test(prepared: Any, tmp_path: Path):
    parts = {"Training": 3, "PublicTest": 2, "PrivateTest": 1}
    names = [f"{part}/{word}/{k}.png" for part, count in parts.items() for word in SEVEN for k in range(count)]
    folder = write_tree(tmp_path / "official", names)
    words = ["--corpus", "fer2013", "--data_dir", folder, "--max_train_samples", "8", "--keep_copies"]
    ready = prepared(*words, "--protocol", "published splits")
    assert {name: len(rows) for name, rows in ready.clips.splits.items()} == {"train": 8, "validation": 14, "test": 7}
    assert ready.trainer.eval_dataset is not None


def test_train_on_affectnet_without_validation(prepared: Any, affectnet: Path):
    ready = prepared("--corpus", "affectnet", "--data_dir", affectnet, "--eval_strategy", "no")
    assert {name: len(rows) for name, rows in ready.clips.splits.items()} == {"train": 7, "test": 2}
    assert ready.clips.splits["test"]["clip"][:] == ["validation/0", "validation/1"]


@pytest.mark.parametrize(
    ("corpus", "words", "message"),
    [
        ("fer2013", ["--protocol", "holdout"], "no such protocol; the choices are public_test, private_test, pub"),
        ("crema_d", ["--protocol", "msaf6"], "CREMA-D has no such protocol; the choices are all_test, holdout"),
        ("ravdess", ["--protocol", "all_test"], "--protocol all_test: RAVDESS has no such protocol"),
        ("crema_d", ["--protocol", "all_test"], "--protocol all_test: it has no training actors; train by holdout"),
        ("fer2013", ["--fold", "1"], "--fold 1: public_test of FER-2013 has one fold, which is 0"),
        ("fer2013", ["--protocol", "private_test"], "no picture of its split private test in it, only of train, test"),
        ("fer2013", ["--protocol", "published splits"], "only of train, test; --eval_strategy no does"),
        ("fer2013", ["--fusion", "audio"], "a model with fusion='audio' reads sound alone"),
        ("crema_d", ["--keep_copies"], "--keep_copies: CREMA-D has no use for it"),
        ("fer2013", ["--strict"], "--strict: FER-2013 has no use for it"),
        ("fer2013", ["--yunet_path", "x.onnx"], "--yunet_path: FER-2013 has no use for it"),
        ("crema_d", ["--channel", "song"], "--channel: CREMA-D has no use for it"),
        ("crema_d", ["--face_tracks", "."], "--face_tracks: CREMA-D has no use for it"),
        ("affectnet", [], "--corpus affectnet: no labels of its test split were ever published"),
        ("affectnet", ["--eval_strategy", "no", "--calibrate"], "--calibrate with --corpus affectnet: no labels of"),
        ("crema_d", ["--protocol", "all_test", "--calibrate"], "--calibrate with --protocol all_test: it has no"),
        ("crema_d", ["--protocol", "all_test", "--unsure_accuracy=0.8"], "--unsure_accuracy with --protocol all_test"),
        ("affectnet", ["--eval_strategy", "no"], "fer2013.zip: a file, expected a folder with train_set and val_set"),
        ("iemocap", [], "--corpus iemocap: expected one of ravdess, crema_d"),
    ],
)  # fmt: skip
def test_train_what_a_corpus_does_not_have_is_refused(
    run: Any, fer2013: Path, corpus: str, words: list[str], message: str
):
    with pytest.raises((SetupError, ValueError)) as error:
        run("--corpus", corpus, "--data_dir", fer2013, *words)
    assert message in str(error.value)


def test_train_without_data_dir_names_the_corpus(run: Any):
    with pytest.raises(SetupError, match="--data_dir is missing: name the folder with the AffectNet files"):
        run("--corpus", "affectnet", "--eval_strategy", "no")


def test_score_audio_model_on_still_pictures_is_refused_by_name(run: Any, fer2013: Path, place: Path):
    checkpoint = checkpoint_of(place / "audio_only", fusion="audio")
    with pytest.raises(SetupError) as error:
        run(*score(checkpoint), "--corpus", "fer2013", "--data_dir", fer2013)
    assert f"--model_name_or_path {checkpoint}: a model with fusion='audio' reads sound alone" in str(error.value)
    assert "FER-2013" in str(error.value)
