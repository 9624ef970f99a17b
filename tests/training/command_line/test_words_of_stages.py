"""The command lines of a training in stages."""

import json
from pathlib import Path

import pytest

from emofusion.training.command_line.arguments import StageArguments
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.stages import words_of_fusion, words_of_joint, words_of_stage
from emofusion.training.errors import ArgumentError
from emofusion.training.run.stages import branch_words

RECIPE = """\
branches_first: true
label_set: emotions4
num_train_epochs: 9
learning_rate: 1.0e-3
mixup_alpha: 0.3
audio:
  num_train_epochs: 40
video:
  learning_rate: 2.0e-3
  lr_scheduler_type: linear
fusion:
  fusion: xattn
  num_train_epochs: 5
  mixup_alpha: 0
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "branches.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return str(path)


def told(words: list[str], stage: str) -> dict[str, object]:
    """What a stage is told by a command line."""
    stages = parse_arguments([*words, "--output_dir=out"]).stages
    made = parse_arguments([*words_of_stage(words, stage, stages), "--output_dir=out"])
    assert made.stages == StageArguments(), "a stage has no stages"
    return {**vars(made.model), **vars(made.data), **vars(made.training)}


def test_block_wins_over_what_all_have_in_common_and_a_flag_over_both(recipe):
    audio, video, fusion = (told([recipe, "--seed", "3"], stage) for stage in ("audio", "video", "fusion"))
    assert [stage["fusion"] for stage in (audio, video, fusion)] == ["audio", "video", "xattn"]
    assert [stage["num_train_epochs"] for stage in (audio, video, fusion)] == [40, 9, 5]
    assert [stage["learning_rate"] for stage in (audio, video, fusion)] == [1e-3, 2e-3, 1e-3]
    assert [stage["mixup_alpha"] for stage in (audio, video, fusion)] == [0.3, 0.3, 0]
    assert [stage["seed"] for stage in (audio, video, fusion)] == [3, 3, 3]
    assert {stage["label_set"] for stage in (audio, video, fusion)} == {"emotions4"}
    flags = [recipe, "--num_train_epochs=1"]
    assert {told(flags, stage)["num_train_epochs"] for stage in ("audio", "video", "fusion")} == {1}


def test_views_are_of_the_fusion_unless_the_block_of_a_branch_has_some():
    words = ["--branches_first", "--embedding_views=3", '--audio_settings={"embedding_views": 2}']
    assert [told(words, stage)["embedding_views"] for stage in ("audio", "video", "fusion")] == [2, 0, 3]


def test_backbone_is_of_its_own_branch_and_of_the_fusion():
    words = ["--branches_first", "--audio_backbone=hears", "--video_backbone=sees", "--video_trainable_layers=1"]
    found = {stage: told(words, stage) for stage in ("audio", "video", "fusion")}
    names = ("audio_backbone", "video_backbone", "video_trainable_layers")
    assert [found["audio"][name] for name in names] == ["hears", None, None]
    assert [found["video"][name] for name in names] == [None, "sees", 1]
    assert [found["fusion"][name] for name in names] == ["hears", "sees", 1]
    joint = words_of_joint(words, parse_arguments([*words, "--output_dir=out"]).stages, "out/head")
    assert not [word for word in joint if "backbone" in word]  # the checkpoint has them


def test_flags_say_the_same_as_blocks():
    words = ["--branches_first", "--video_settings", json.dumps({"num_train_epochs": 3}), "--fusion", "late"]
    assert told(words, "video")["num_train_epochs"] == 3
    assert told(words, "video")["fusion"] == "video"
    assert told(words, "fusion")["fusion"] == "late"


def test_what_is_of_another_stage_is_left_out():
    words = ["--branches_first", "--audio_learning_rate=2e-3", "--video_encoder_weights", "imagenet", "--gate=simple"]
    words += ["--freeze_video_encoder", "--push_to_hub", "--hub_model_id", "me/it", "--fold=1"]
    audio, video, fusion = (told(words, stage) for stage in ("audio", "video", "fusion"))
    assert (audio["audio_learning_rate"], audio["video_encoder_weights"], audio["gate"]) == (2e-3, None, None)
    assert (video["audio_learning_rate"], video["video_encoder_weights"]) == (None, "imagenet")
    assert video["freeze_video_encoder"] is True
    assert (fusion["gate"], fusion["video_encoder_weights"], fusion["push_to_hub"]) == ("simple", None, True)
    assert (audio["push_to_hub"], audio["fold"]) == (False, 1)


def test_augmentation_of_either_modality_stands_beside_the_blocks_and_in_that_of_the_fusion():
    words = ["--branches_first", "--mel_warp=0.1", '--fusion_settings={"black_augment": 0.3, "noise_augment": 0.5}']
    video, fusion = told(words, "video"), told(words, "fusion")
    assert (video["mel_warp"], video["noise_augment"]) == (0.1, 0.0)
    assert (fusion["mel_warp"], fusion["black_augment"], fusion["noise_augment"]) == (0.1, 0.3, 0.5)


def test_branch_that_is_all_that_is_wanted_is_pushed_and_calibrated():
    words = ["--branches_first", "--push_to_hub", "--hub_model_id=me/it", "--calibrate"]
    made = parse_arguments([*words_of_stage(words, "audio", StageArguments(), last=True), "--output_dir=out"])
    assert (made.training.push_to_hub, made.training.hub_model_id, made.training.calibrate) == (True, "me/it", True)
    made = parse_arguments([*words_of_stage(words, "audio", StageArguments()), "--output_dir=out"])
    assert (made.training.push_to_hub, made.training.calibrate) == (False, False)


@pytest.mark.parametrize(
    ("flags", "folder"),
    [
        ([], "runs/fold_0_seed_42"),
        (["--fold=3", "--seed", "7"], "runs/fold_3_seed_7"),
        (["--fold", "1", "--fold=2"], "runs/fold_2_seed_42"),
    ],
)
def test_each_run_finds_the_branch_of_its_fold(flags, folder):
    there = {"model_name_or_path": "runs/fold_{fold}_seed_{seed}", "num_train_epochs": 0}
    words = ["--branches_first", "--audio_settings", json.dumps(there), *flags]
    audio = told(words, "audio")
    assert audio["model_name_or_path"] == folder
    assert f"fold_{audio['fold']}_seed_{audio['seed']}" in folder
    assert told(words, "video")["model_name_or_path"] is None


def test_run_has_the_name_of_its_folder_and_that_of_all_actors_one_of_its_own():
    there = json.dumps({"model_name_or_path": "voices/{run}", "num_train_epochs": 0})
    words = ["--branches_first", "--audio_settings", there, "--protocol", "msaf6", "--fold", "3"]
    assert told(words, "audio")["model_name_or_path"] == "voices/fold_3_seed_42"
    assert told([*words, "--protocol=everyone"], "audio")["model_name_or_path"] == "voices/everyone"


def test_head_can_begin_anew():
    flags = ["--start_head=false", "--num_train_epochs=3"]
    made = parse_arguments([*words_of_fusion(flags, StageArguments(), "late", {}), "--output_dir=out"])
    assert (made.model.start_head, made.training.num_train_epochs) == (False, 3)


def test_fusion_starts_from_its_branches_and_trains_its_head_alone(recipe):
    stages, folders = StageArguments(), {"audio": "out/audio", "video": "out/video"}
    made = parse_arguments([*words_of_fusion([recipe], stages, "xattn", folders), "--output_dir=out"]).model
    assert (made.audio_encoder_weights, made.video_encoder_weights) == ("out/audio", "out/video")
    assert (made.start_head, made.embedding_views) == (True, 4)
    asked = [recipe, "--embedding_views", "0"]
    assert parse_arguments([*words_of_fusion(asked, stages, "xattn", folders), "--output_dir=o"]).model.start_head
    late = parse_arguments([*words_of_fusion([recipe], stages, "late", folders), "--output_dir=out"])
    assert (late.training.num_train_epochs, late.model.embedding_views) == (0, 0)


def test_all_weights_together_begin_with_the_trained_head(recipe):
    stages = parse_arguments([recipe, "--joint_epochs=3", "--output_dir=out"]).stages
    flags = [recipe, "--max_steps=7", "--audio_learning_rate=1", "--select=last"]
    made = parse_arguments([*words_of_joint(flags, stages, "out/head"), "--output_dir=out"])
    assert (made.training.max_steps, made.training.audio_learning_rate) == (-1, None)
    assert made.model.model_name_or_path == "out/head"
    assert (made.training.num_train_epochs, made.training.learning_rate) == (3, 1e-4)
    assert (made.training.eval_on_start, made.training.load_best_model_at_end) == (True, True)
    assert (made.model.start_head, made.model.embedding_views) == (False, 0)


def test_fusions_that_differ_in_their_head_alone_share_their_branches(recipe):
    words = [recipe, "--output_dir=out"]
    same = [
        ["--fusion=late"],
        ["--fusion=late", "--calibrate", "--unsure_accuracy=0.8"],
        ["--gate=simple"],
        ["--modality_dropout_p=0.1"],
        ["--fusion_settings", "{}"],
    ]
    assert {branch_words([*words, *more]) for more in same} == {branch_words(words)}
    for more in (["--audio_encoder=cnn"], ["--audio_settings", '{"num_train_epochs": 3}'], ["--weight_decay=0.1"]):
        assert branch_words([*words, *more]) != branch_words(words)
    assert branch_words([*words, "--branches_first=false"]) is None


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("audio:\n  num_train_epoch: 3", "audio: no such field 'num_train_epoch'; did you mean 'num_train_epochs'"),
        ("video:\n  encoder_width: 8", "video: encoder_width is about all stages; write it beside the blocks"),
        ("video:\n  max_eval_samples: 8", "video: max_eval_samples is about all stages"),
        ("video:\n  train_on_validation: true", "video: train_on_validation is about all stages"),
        ("fusion:\n  branches_first: true", "fusion: branches_first is about all stages"),
        ("audio: resnet18", "audio: expected a block, `field: value` lines below it, found 'resnet18'"),
        ("audoi:\n  seed: 1", "no such field 'audoi'; did you mean 'audio'"),
        ("audio:\n  seed: 1\naudio:\n  seed: 2", "'audio' stands there twice"),
        ("fusion: late\nfusion:\n  seed: 2", "'fusion' stands there twice; name the fusion in its block"),
    ],
)
def test_blocks_have_fields_of_a_run_alone(tmp_path, block, words):
    path = tmp_path / "bad.yaml"
    path.write_text(f"branches_first: true\n{block}\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=words):
        parse_arguments([str(path), "--output_dir=out"])


def test_blocks_of_one_field_or_of_none_are_read(tmp_path):
    path = tmp_path / "nested.yaml"
    path.write_text("branches_first: true\naudio:\nfusion: late\n", encoding="utf-8")
    words = [str(path)]
    assert told(words, "fusion")["fusion"] == "late"
    assert told(words, "audio")["fusion"] == "audio"
    path.write_text("branches_first:\n  audio: {seed: 1}\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match="branches_first: expected one value; blocks such as"):
        parse_arguments([str(path), "--output_dir=out"])


@pytest.mark.parametrize(
    ("stage", "block"),
    [
        ("audio", '{"gate": "simple"}'),
        ("video", '{"fusion": "late"}'),
        ("video", '{"audio_learning_rate": 1}'),
        ("video", '{"mel_warp": 0.1}'),
        ("audio", '{"frame_augment": false}'),
        ("fusion", '{"model_name_or_path": "x"}'),
        ("fusion", '{"audio_encoder_weights": "x"}'),
    ],
)
def test_what_a_stage_has_no_use_for_is_refused_in_its_block(stage, block):
    with pytest.raises(ArgumentError, match=f"--{stage}_settings: the {stage} stage has no use for "):
        words_of_stage([], stage, StageArguments(**{f"{stage}_settings": block}))


@pytest.mark.parametrize("given", ["40", "{", '{"num_train_epoch": 3}'])
def test_settings_of_a_stage_that_are_no_json_of_fields_are_refused(given):
    with pytest.raises(ArgumentError, match="--audio_settings"):
        branch_words(["--branches_first", f"--audio_settings={given}", "--output_dir=out"])
