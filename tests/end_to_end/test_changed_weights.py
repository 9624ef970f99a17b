"""Scores of checkpoints whose weights changed outside our training: nobody knows who trained them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import Trainer, TrainingArguments

from emofusion.data import ClipCollator
from emofusion.data.demo_corpus.corpus import make_demo_corpus
from emofusion.data.inputs.clip_inputs import ClipInputs
from emofusion.data.store.settings import options_for
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.seen_emofusion import NEVER_TRAINED, Seen
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.run.job import run_job
from emofusion.training.run.ready import make_ready
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.demo_runs import run_without_package, tiny_recipe
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401  an automatic fixture

pytestmark = pytest.mark.slow

BOTH = frozenset({"audio", "video"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changed_weights")


@pytest.fixture(scope="module")
def corpus(place: Path) -> Path:
    """An actor each for training, validation and test."""
    return make_demo_corpus(place / "corpus", actors=[1, 13, 17], clips_per_actor=8, image_size=32, jobs=1)


@pytest.fixture(scope="module")
def words(place: Path, corpus: Path) -> list[str]:
    """Of the command line of every run; training ones have the recipe before them."""
    return ["--data_dir", str(corpus), "--cache_dir", str(place / "cache"), "--use_cpu"]


@pytest.fixture(scope="module")
def train(place: Path, words: list[str]) -> Callable[..., Path]:
    def done(name: str, *flags: object) -> Path:
        run_job([str(tiny_recipe(place)), *words, *map(str, flags), "--output_dir", str(place / name)])
        return place / name

    return done


@pytest.fixture(scope="module")
def trained(train: Callable[..., Path]) -> Path:
    return train("trained", "--save_total_limit", 3)


@pytest.fixture(scope="module")
def plainly_trained(place: Path, trained: Path, corpus: Path) -> Path:
    """The checkpoint, trained on with the test actor: as anybody does, who knows transformers."""
    model, processor = EmoFusionModel.from_pretrained(trained), EmoFusionProcessor.from_pretrained(trained)
    options = vars(options_for(processor))
    rows = datasets.load_dataset("ravdess", data_dir=str(corpus), cache_dir=str(place / "cache"), **options)["test"]
    assert set(rows["actor"]) == {17}
    args = TrainingArguments(
        str(place / "plain"), max_steps=2, remove_unused_columns=False, use_cpu=True, report_to="none"
    )
    trainer = Trainer(
        model, args, train_dataset=rows.with_transform(ClipInputs(processor)), data_collator=ClipCollator()
    )
    trainer.train()
    trainer.save_model()
    processor.save_pretrained(place / "plain")
    return place / "plain"


@pytest.fixture
def scored(words: list[str], tmp_path: Path) -> Callable[[Path], dict[str, Any]]:
    """Score a checkpoint; its files lie in `tmp_path / "scores"`."""

    def run(checkpoint: Path) -> dict[str, Any]:
        flags = ["--do_predict", "--model_name_or_path", str(checkpoint), "--output_dir", str(tmp_path / "scores")]
        run_job([*words, *flags])
        return json.loads((tmp_path / "scores" / "metrics.json").read_text())

    return run


def test_the_checkpoint_of_a_run_has_seen_its_actors(trained: Path, scored: Any, capsys: pytest.CaptureFixture[str]):
    for folder in (trained, *trained.glob("checkpoint-*")):
        assert EmoFusionModel.from_pretrained(folder).seen == Seen(frozenset({1, 13}), BOTH), folder
    assert len(list(trained.glob("checkpoint-*"))) == 2
    metrics = scored(trained)
    assert (metrics["leaky"], metrics["trained_modalities"]) == (False, ["audio", "video"])
    assert "8 clips of unseen actors 17" in capsys.readouterr().out


def test_a_checkpoint_that_was_trained_on_the_test_actor_by_hand_does_not_call_him_unseen(
    plainly_trained: Path, scored: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    metrics = scored(plainly_trained)
    assert (metrics["leaky"], metrics["trained_modalities"]) == (None, None)
    printed = capsys.readouterr().out
    assert "8 clips of actors perhaps seen in training (the checkpoint does not say) 17" in printed
    card = ModelCard.load(tmp_path / "scores" / "README.md").text
    assert card.lstrip().startswith("> **It is not known which actors this checkpoint was trained on")
    for text in (printed, card):
        assert "unseen actors" not in text
        assert "never seen" not in text


def test_training_that_begins_with_such_weights_knows_its_own_actors_alone(
    plainly_trained: Path, words: list[str], tmp_path: Path
):
    recipe = str(tiny_recipe(tmp_path))
    for flag in ("--model_name_or_path", "--video_encoder_weights"):
        run = make_ready(parse_arguments([recipe, *words, flag, str(plainly_trained), "--output_dir", str(tmp_path)]))
        assert run.leaky is None
        run.trainer.state.global_step = 1
        assert run.trainer.seen == Seen(frozenset({1, 13}), BOTH, complete=False)
        run.trainer.save_model(str(tmp_path / "begun"))
        begun = EmoFusionModel.from_pretrained(tmp_path / "begun")
        assert (begun.config.training_actors, begun.config.training_actors_complete) == ([1, 13], False)


@pytest.mark.parametrize("change", ["edited", "replaced"])
def test_a_run_is_not_resumed_from_weights_that_changed_as_if_they_had_not(
    change: str, trained: Path, plainly_trained: Path, words: list[str], tmp_path: Path
):
    shutil.copytree(trained, tmp_path / "out")
    newest = tmp_path / "out" / "checkpoint-2"
    weights = load_file((newest if change == "edited" else plainly_trained) / "model.safetensors")
    if change == "edited":
        weights["head.classifier.bias"] += 1
    save_file(weights, newest / "model.safetensors", metadata={"format": "pt"})
    flags = ["--output_dir", str(tmp_path / "out"), "--resume_from_checkpoint", "latest", "--save_total_limit", "3"]
    assert make_ready(parse_arguments([str(tiny_recipe(tmp_path)), *words, *flags])).leaky is None
    shutil.copytree(trained / "checkpoint-2", newest, dirs_exist_ok=True)
    assert make_ready(parse_arguments([str(tiny_recipe(tmp_path)), *words, *flags])).leaky is False


def test_a_model_that_was_never_trained_is_scored_as_one(
    trained: Path, scored: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    EmoFusionModel(EmoFusionModel.from_pretrained(trained).config).save_pretrained(tmp_path / "new")
    EmoFusionProcessor.from_pretrained(trained).save_pretrained(tmp_path / "new")
    metrics = scored(tmp_path / "new")
    assert (metrics["leaky"], metrics["trained_modalities"]) == (False, [])
    assert "8 clips of actors (the model was NEVER TRAINED) 17" in capsys.readouterr().out
    card = ModelCard.load(tmp_path / "scores" / "README.md").text
    assert card.lstrip().startswith("> **This model was never trained")
    assert "never seen" not in card


def test_a_run_without_a_step_has_trained_nothing(words: list[str], tmp_path: Path):
    flags = ["--output_dir", str(tmp_path / "out")]
    run = make_ready(parse_arguments([str(tiny_recipe(tmp_path)), *words, *flags]))
    run.trainer.save_model()
    assert EmoFusionModel.from_pretrained(tmp_path / "out").seen == NEVER_TRAINED


def test_a_model_of_both_that_was_trained_on_sound_files_has_never_seen_a_picture(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_corpus(tmp_path / "sounds", emotions=range(1, 9), kind="wav")
    flags = ["--data_dir", tmp_path / "sounds", "--cache_dir", place / "cache", "--use_cpu"]
    run_job([str(word) for word in [tiny_recipe(tmp_path), *flags, "--output_dir", tmp_path / "out"]])
    assert "trained on clips without pictures: it has never seen one" in capsys.readouterr().out
    assert EmoFusionModel.from_pretrained(tmp_path / "out").config.trained_modalities == ["audio"]
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert "Emotion recognition from sound with emofusion" in card.text
    assert "It was trained on clips without pictures: it has never seen one" in card.text
    assert card.data.pipeline_tag == "audio-classification"


LOAD_ANYWHERE = """
from transformers import AutoModel
for folder in sys.argv[1:]:
    config = AutoModel.from_pretrained(folder, trust_remote_code=True).config
    print(config.training_actors, config.trained_modalities)
"""


def test_without_the_package_a_checkpoint_says_the_same(trained: Path, plainly_trained: Path, tmp_path: Path):
    env = {"HF_HOME": str(tmp_path / "hf")}
    printed = run_without_package(LOAD_ANYWHERE, trained, plainly_trained, cwd=tmp_path, env=env)
    assert printed.splitlines()[-2:] == ["[1, 13] ['audio', 'video']", "None None"]
