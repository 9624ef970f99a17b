"""Command line and recipes."""

import typing
from dataclasses import fields
from pathlib import Path

import pytest

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from emofusion.training.command_line.arguments import ModelArguments, StageArguments
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.command_line.experiment import split_experiment
from emofusion.training.command_line.flags import run_flags
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.recipes import words_of
from emofusion.training.command_line.stages import BRANCHES, words_of_stage
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.run.ready import check_words
from emofusion.training.run.stages import check_stages
from helpers import REPOSITORY
from helpers.tiny_backbones import save_backbone

RECIPES = sorted(path for folder in ("", "source") for path in (REPOSITORY / "recipes" / folder).glob("*.yaml"))
PLACES = ["--data_dir", "corpus", "--output_dir", "out"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_as_shipped_parses(path: Path):
    _, data, training, _ = parse_arguments([str(path), *PLACES])
    assert data.data_dir == "corpus"
    assert training.output_dir == "out"
    assert training.seed == 42
    assert training.metric_for_best_model == ("accuracy" if path.stem == "faces" else "macro_f1")
    assert training.load_best_model_at_end


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_stage_of_a_recipe_as_shipped_can_be_trained(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if path.stem == "wavlm_vit":  # tiny ones, in folders that are called as those on the hub
        save_backbone("wavlm", tmp_path / "microsoft/wavlm-base-plus")
        save_backbone("vit", tmp_path / "google/vit-base-patch16-224-in21k")
        monkeypatch.chdir(tmp_path)
    if path.stem == "small":  # what `make model` has trained by then
        small = parse_arguments([str(path), *PLACES])
        names = (
            "audio_encoder",
            "audio_encoder_width",
            "encoder_width",
            "num_frames",
            "image_size",
            "face_crop",
            "grey",
        )
        branch = {name: getattr(small.model, name) for name in names}
        for fusion, place in (("audio", "voices/fold_0_seed_42"), ("video", "faces")):
            config = EmoFusionConfig(fusion=fusion, label_set=small.data.label_set, **branch)
            EmoFusionModel(config).save_pretrained(tmp_path / "runs" / "model" / place)
        monkeypatch.chdir(tmp_path)
    words = [str(path), *PLACES, *(["--face_tracks=tracks"] if path.stem == "gated_units" else [])]
    if parse_arguments(words).stages.branches_first:
        check_stages(words, Path("out"), resume=False, alone=False)
    else:
        check_words(words, path.stem)


@pytest.mark.parametrize("branch", BRANCHES)
def test_branch_of_the_gated_recipe_is_the_recipe_of_it_alone(branch: str):
    words = [str(REPOSITORY / "recipes" / "gated.yaml"), *PLACES]
    stage = parse_arguments([*words_of_stage(words, branch, parse_arguments(words).stages), "--output_dir=out"])
    alone = parse_arguments([str(REPOSITORY / "recipes" / f"{branch}.yaml"), *PLACES])
    assert (stage.model, stage.data, stage.stages) == (alone.model, alone.data, alone.stages)
    assert stage.training.to_dict() == alone.training.to_dict()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("source_audio", ("audio", "emotions4", 10, 16, 1e-3, None)),
        ("source_gated", ("gated", "emotions4", 20, 16, 1e-3, 5)),
        ("source_gated_8class", ("gated", "emotions8", 25, 16, 1e-3, 8)),
    ],
)
def test_recipe_of_the_source_has_its_settings(name: str, expected: tuple):
    model, data, training, _ = parse_arguments([str(REPOSITORY / "recipes/source" / f"{name}.yaml"), *PLACES])
    found = (
        model.fusion,
        data.label_set,
        training.num_train_epochs,
        training.per_device_train_batch_size,
        training.learning_rate,
        training.early_stopping_patience,
    )
    assert found == expected
    if name != "source_audio":
        assert training.lr_scheduler_type == "cosine"


def test_arguments_flag_after_recipe_wins():
    model, _, training, _ = parse_arguments(
        [str(REPOSITORY / "recipes/source/source_gated.yaml"), *PLACES, "--fusion", "xattn", "--num_train_epochs=2"]
    )
    assert (model.fusion, training.num_train_epochs) == ("xattn", 2)


def test_arguments_no_flags_of_the_source_work():
    model, data, *_ = parse_arguments([*PLACES, "--no_spec_augment", "--no_modality_dropout", "--gate", "simple"])
    assert (data.spec_augment, model.modality_dropout, model.gate) == (False, False, "simple")


def test_arguments_negative_exponent_is_a_value(tmp_path: Path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("gate_bias: -1.0e-3\n")
    assert parse_arguments([str(recipe), *PLACES])[0].gate_bias == -1e-3


def test_recipe_list_becomes_several_words(tmp_path: Path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("report_to: [trackio, tensorboard]\n")
    assert parse_arguments([str(recipe), *PLACES])[2].report_to == ["trackio", "tensorboard"]


def test_recipe_list_where_one_value_is_due_is_named(tmp_path: Path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("fusion: [gated, audio]\n")
    with pytest.raises(
        ArgumentError, match=r"r\.yaml: fusion: expected one value, found the list \['gated', 'audio'\]"
    ):
        parse_arguments([str(recipe), *PLACES])


def test_recipe_mapping_becomes_json(tmp_path: Path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("lr_scheduler_type: cosine_with_min_lr\nlr_scheduler_kwargs: {min_lr_rate: 0.1}\n")
    assert parse_arguments([str(recipe), *PLACES])[2].lr_scheduler_kwargs == {"min_lr_rate": 0.1}


@pytest.mark.parametrize("word", ["--bogus", "--bogus=3", "--learning-rat", "--no_fusio"])
def test_misspelt_flag_is_said_before_anything_else(word: str):
    with pytest.raises(ArgumentError, match=f"{word.split('=')[0]}: no such flag"):
        split_experiment([word, "--n_trials", "many"])


def test_known_flags_are_those_of_the_dataclasses():
    groups = (ModelArguments, DataArguments, EmoFusionTrainingArguments, StageArguments)
    assert set(run_flags()) == {item.name for group in groups for item in fields(group) if item.init}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--fusion", "gatd"], "gatd"),
        (["--fusio", "gated"], "did you mean 'fusion'"),
        (["--learning_rate", "fast"], "learning_rate"),
        (["no_such.yaml"], "no_such.yaml"),
    ],
)
def test_arguments_wrong_flag_is_named(words: list[str], named: str):
    with pytest.raises(ArgumentError, match=named):
        parse_arguments([*words, *PLACES])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("fusio: gated\n", "did you mean 'fusion'"),
        ("fusion: gatd\n", "gatd"),
        ("- fusion\n", "expected `field: value`"),
        ("fusion: [\n", "not YAML"),
    ],
)
def test_recipe_wrong_content_is_named(tmp_path: Path, text: str, named: str):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(text)
    with pytest.raises(ArgumentError, match=named):
        parse_arguments([str(recipe), *PLACES])


def test_recipe_unknown_field_names_the_file(tmp_path: Path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("epochs: 3\n")
    with pytest.raises(ArgumentError, match=r"mine\.yaml: no such field 'epochs'"):
        parse_arguments([str(recipe), *PLACES])


def test_arguments_without_output_dir_is_named():
    with pytest.raises(ArgumentError, match="--output_dir is missing"):
        parse_arguments(["--data_dir", "corpus"])


@pytest.mark.parametrize(
    ("flags", "folder"),
    [
        ([], "runs/mine"),
        (["--cross_validate"], "runs/mine-cross_validation"),
        (["--ablation=plans/steps.yaml", "--cross_validate"], "runs/mine-steps"),
        (["--search", "plans/space.yaml"], "runs/mine-space"),
    ],
)
def test_output_dir_with_a_recipe_is_named_after_it(tmp_path: Path, flags: list[str], folder: str):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("fusion: audio\n")
    _, words = split_experiment([str(recipe), "--data_dir=corpus", *flags])
    assert parse_arguments(words)[2].output_dir == folder


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "1", "2"], "--seeds without --cross_validate or --ablation: one run has one --seed"),
        (["--folds", "1"], "--folds without --cross_validate or --ablation: one run has one --fold"),
        (["--n_trials", "3"], "--n_trials without --search"),
        (["--study", "sqlite:///x.db"], "--study without --search"),
        (["--search", "a.yaml", "--ablation", "b.yaml"], "--ablation with --search"),
        (["--search", "a.yaml", "--n_trials", "0"], "--n_trials 0: write 1 or more"),
        (["--cross_validate", "--seeds", "1", "2", "1"], "--seeds 1 2 1: one stands there twice"),
    ],
)
def test_flags_of_several_runs_that_do_nothing_are_refused(flags: list[str], message: str):
    with pytest.raises(ArgumentError, match=message):
        split_experiment([*PLACES, *flags])


def test_several_trackers_can_be_named(tmp_path: Path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("report_to: [trackio, tensorboard]\n")
    both = ["trackio", "tensorboard"]
    assert parse_arguments([str(recipe), *PLACES])[2].report_to == both
    assert parse_arguments([*PLACES, "--report_to", *both])[2].report_to == both
    assert parse_arguments([*PLACES, "--report_to", "none"])[2].report_to == []
    assert parse_arguments(PLACES)[2].report_to == []


def test_words_of_an_empty_list_are_none():
    assert words_of({"report_to": [], "fold": None, "seed": 1}) == ["--seed=1"]


@pytest.mark.parametrize("flags", [["--output_dir", "there"], ["--output_dir=there"], ["--output-dir=there"]])
def test_output_dir_that_is_named_wins_over_the_recipe(tmp_path: Path, flags: list[str]):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("fusion: audio\n")
    _, words = split_experiment([str(recipe), "--data_dir=corpus", *flags])
    assert parse_arguments(words)[2].output_dir == "there"


def test_output_dir_of_the_recipe_stays(tmp_path: Path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("output_dir: there\n")
    assert parse_arguments(split_experiment([str(recipe), "--data_dir=corpus"])[1])[2].output_dir == "there"


@pytest.mark.parametrize("flags", [["--fp16"], ["--fp16", "--use_cpu"]])
def test_arguments_fp16_on_a_cpu_is_refused(flags: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(ArgumentError, match="--fp16"):
        parse_arguments([*PLACES, *flags])


def test_arguments_bf16_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "emofusion.training.command_line.training_arguments.is_torch_bf16_gpu_available", lambda: False
    )
    with pytest.raises(ArgumentError, match="--bf16"):
        parse_arguments([*PLACES, "--bf16"])


def test_recipe_with_an_empty_output_dir_has_the_default_one(tmp_path: Path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("output_dir: null\n")
    assert split_experiment([str(recipe)])[1] == [str(recipe), "--output_dir=runs/mine"]


@pytest.mark.parametrize(
    "name", ["fusion", "audio_encoder", "video_encoder", "audio_pooling", "gate", "window", "face_crop"]
)
def test_choices_of_a_flag_are_those_of_the_config(name: str):
    flag, field = (group.__annotations__[name] for group in (ModelArguments, EmoFusionConfig))
    (choices,) = (kind for kind in typing.get_args(flag) if kind is not type(None))
    assert set(typing.get_args(choices)) == set(typing.get_args(field))
