"""Training in stages: real runs of tiny models on tiny films."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.modeling import EmoFusionModel
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.stages import DEFAULT_VIEWS
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.experiments.ablation import ablate
from emofusion.training.run.stages import Finished, run_stages
from emofusion.training.search.results import recipe_of
from emofusion.training.search.search import search
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.forked import ForkedRun
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

TINY = ["--branches_first", "--encoder_width=8", "--num_frames=2", "--image_size=32", "--audio_encoder=cnn"]
TINY += ["--label_set=emotions4", "--num_train_epochs=2", "--per_device_train_batch_size=4", "--use_cpu"]
TINY += ["--disable_tqdm=True", "--report_to=none", "--ema_decay=0.5"]
STAGES = {"audio": "audio", "video": "video", "fusion": "."}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("films")
    write_corpus(folder / "corpus", (1, 2, 5, 6, 9, 10), emotions=(1, 3, 4, 5))
    return [*TINY, "--protocol=msaf6", f"--data_dir={folder / 'corpus'}", f"--cache_dir={folder / 'cache'}"]


@pytest.fixture(scope="module")
def done(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    out = tmp_path_factory.mktemp("stages") / "gated"
    return run_stages([*words, f"--output_dir={out}"])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_each_stage_is_a_whole_run_in_a_folder_of_its_own(done: Finished):
    assert [branch.folder.relative_to(done.folder).as_posix() for branch in done.branches.values()] == [
        "audio",
        "video",
    ]
    for name, place in STAGES.items():
        metrics = read_metrics(done.folder / place)
        assert metrics["fusion"] == ("gated" if name == "fusion" else name)
        assert (done.folder / place / "README.md").is_file()
        assert metrics["leaky"] is False


def test_fusion_has_the_encoders_of_its_branches_and_a_head_that_has_learnt(done: Finished):
    fused = weights(done.folder)
    for name in ("audio", "video"):
        branch = weights(done.folder / name)
        encoder = [key for key in branch if key.startswith(f"{name}_encoder.")]
        assert encoder
        assert all(torch.equal(fused[key], branch[key]) for key in encoder)
        classifier = branch["head.classifier.weight"]
        start = fused[f"head.{name}_projection.weight"][: len(classifier)]
        assert not torch.equal(start, classifier)
        torch.testing.assert_close(start, classifier, rtol=0, atol=0.05)


def test_fusion_says_what_its_weights_have_seen(done: Finished):
    seen = EmoFusionModel.from_pretrained(done.folder).seen
    trained = {actor for part in ("train", "validation") for actor in done.metrics["actors"][part]}
    assert (seen.actors, seen.modalities, seen.complete) == (trained, {"audio", "video"}, True)


def test_record_of_the_fusion_holds_its_branches_and_its_own_command(done: Finished):
    metrics = json.loads((done.folder / "metrics.json").read_text())
    for name, branch in done.branches.items():
        assert metrics["branches"][name]["uar"] == branch.metrics["test_uar"]
        assert metrics["branches"][name]["folder"] == name
    assert "--branches_first" in metrics["command"]
    assert "--start_head" not in metrics["command"]


def test_everybody_trains_every_stage_and_a_branch_that_everybody_trained_is_taken(words: list[str], tmp_path: Path):
    own = [*(word for word in words if not word.startswith("--num_train_epochs")), "--protocol=everyone"]
    run_stages([*own, "--num_train_epochs=1", "--fusion=audio", f"--output_dir={tmp_path / 'voices' / 'everyone'}"])
    there = {"model_name_or_path": str(tmp_path / "voices" / "{run}"), "num_train_epochs": 0}
    blocks = {"audio": there, "video": {"num_train_epochs": 1}, "fusion": {"num_train_epochs": 1}}
    flags = [f"--{name}_settings={json.dumps(block)}" for name, block in blocks.items()]
    fused = run_stages([*own, *flags, f"--output_dir={tmp_path / 'out'}"])
    assert fused.metrics["actors"] == {"train": [1, 2, 5, 6, 9, 10]}
    voice, taken = weights(tmp_path / "voices" / "everyone"), weights(tmp_path / "out" / "audio")
    assert all(torch.equal(voice[name], taken[name]) for name in voice)


def test_output_folder_of_another_run_is_refused_before_any_stage(done: Finished, words: list[str]):
    """The branches would have been trained for nothing."""
    flags = [*words, "--branches_first=false", "--fusion=audio", f"--output_dir={done.folder / 'audio'}"]
    with pytest.raises(SetupError, match="already holds a run"):
        run_stages(flags)
    with pytest.raises(SetupError, match="the fusion stage: .*already holds a run"):
        run_stages([*words, f"--output_dir={done.folder / 'audio'}"])
    assert not (done.folder / "audio" / "audio").exists()


def test_clips_that_a_branch_cannot_be_trained_on_are_refused_before_any_stage(words: list[str], tmp_path: Path):
    write_corpus(tmp_path / "corpus", (1, 2, 5, 6, 9, 10), emotions=(1, 3, 4, 5), kind="flac")
    flags = [f"--data_dir={tmp_path / 'corpus'}", f"--output_dir={tmp_path / 'out'}"]
    with pytest.raises(SetupError, match="the video stage: .*no picture in it"):
        run_stages([*words, *flags])
    assert not (tmp_path / "out").exists()


def test_settings_of_stages_without_stages_are_told_to_do_nothing(words: list[str], caplog: pytest.LogCaptureFixture):
    with pytest.raises(SetupError):
        flags = ["--branches_first=false", "--joint_epochs=2", "--audio_settings={}"]
        run_stages([*words, *flags, "--data_dir=nowhere", "--output_dir=x"])
    assert "there is one stage" in caplog.text
    assert "audio, joint_epochs" in caplog.text


def test_finished_stages_are_only_read(done: Finished, words: list[str]):
    before = {path: path.stat().st_mtime_ns for path in done.folder.rglob("*") if path.is_file()}
    again = run_stages([*words, f"--output_dir={done.folder}"], resume=True)
    assert again.metrics == json.loads((done.folder / "metrics.json").read_text())
    after = {path: path.stat().st_mtime_ns for path in done.folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_folder_with_stages_is_not_overwritten(done: Finished, words: list[str]):
    with pytest.raises(SetupError, match="the fusion stage: .*already holds a run.*--resume_from_checkpoint latest"):
        run_stages([*words, f"--output_dir={done.folder}"])


def test_late_fusion_trains_nothing_and_is_the_mean_of_its_branches(
    done: Finished, words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    late = run_stages(
        [*words, "--fusion=late", f"--output_dir={tmp_path / 'late'}"], branch_folder=done.folder, resume=True
    )
    assert "Loading weights" not in capfd.readouterr().err, "a bar of transformers for every look at a branch"
    assert late.metrics["epochs"] == 0
    assert "embedding_views" not in late.metrics
    assert done.metrics["embedding_views"] == DEFAULT_VIEWS
    assert "embedding_views" not in done.branches["audio"].metrics
    assert "validation_macro_f1" in late.metrics
    assert late.metrics["trained_modalities"] == ["audio", "video"]
    assert late.metrics["branches"]["audio"]["uar"] == done.branches["audio"].metrics["test_uar"]
    fused = weights(tmp_path / "late")
    for name in ("audio", "video"):
        expected = weights(done.folder / name)["head.classifier.weight"]
        assert torch.equal(fused[f"head.{name}_classifier.weight"], expected)


def test_all_weights_together_are_kept_only_where_validation_gains(words: list[str], done: Finished, tmp_path: Path):
    """A rate at which nothing can be learnt: the head's model is what is left, and its step is 0."""
    flags = ["--joint_epochs=1", "--joint_learning_rate=10", f"--output_dir={tmp_path / 'joint'}"]
    joint = run_stages([*words, *flags], branch_folder=done.folder, resume=True)
    head, kept = weights(tmp_path / "joint" / "head"), weights(tmp_path / "joint")
    score = joint.metrics["validation_macro_f1"]
    assert score >= read_metrics(tmp_path / "joint" / "head")["validation_macro_f1"]
    same = all(torch.equal(head[key], kept[key]) for key in head)
    assert same == (
        json.loads((tmp_path / "joint" / "trainer_state.json").read_text())["best_global_step"] in (0, None)
    )


def test_variants_of_a_head_share_their_branches(words: list[str], tmp_path: Path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "title: Heads\nreference: [audio, video]\nvariants:\n  audio: {fusion: audio}\n  video: {fusion: video}\n"
        "  late: {fusion: late}\n  gated: {fusion: gated, gate_bias: 0}\n",
        encoding="utf-8",
    )
    out = tmp_path / "heads"
    record = ablate(ExperimentArguments(ablation=str(plan)), [*words, "--num_train_epochs=1", f"--output_dir={out}"])
    trained = sorted(path.relative_to(out).as_posix() for path in out.rglob("model.safetensors"))
    assert [path for path in trained if "checkpoint" not in path] == [
        "branches/fold_0_seed_42/audio/model.safetensors",
        "branches/fold_0_seed_42/video/model.safetensors",
        "gated/fold_0_seed_42/model.safetensors",
        "late/fold_0_seed_42/model.safetensors",
    ]
    names = [variant["variant"] for variant in record["variants"]]
    assert names[:4] == ["audio", "video", "late", "gated"]


def test_search_tries_settings_of_the_last_stage_on_branches_that_are_trained_once(words: list[str], tmp_path: Path):
    space, out = tmp_path / "space.yaml", tmp_path / "search"
    space.write_text("learning_rate: {choices: [0.001, 0.002]}\ngate_bias: {choices: [-1.0, 0.0]}\n", encoding="utf-8")
    flags = [*words, '--fusion_settings={"weight_decay": 0.01}', "--num_train_epochs=1", f"--output_dir={out}"]
    record = search(ExperimentArguments(search=str(space), n_trials=2), flags)
    assert [trial["state"] for trial in record["trials"]] == ["complete", "complete"]
    assert all((out / name / "metrics.json").is_file() for name in ("audio", "video"))
    best = parse_arguments([str(out / "best.yaml"), "--output_dir=out"])
    assert best.stages.branches_first
    settings = json.loads(best.stages.fusion_settings)
    assert settings == {"weight_decay": 0.01, **record["best"]["params"]}
    # Trials have seen the very embeddings that a run would make, so best.yaml reaches their score.
    again = run_stages([str(out / "best.yaml"), *words[-2:], "--use_cpu", f"--output_dir={out / 'best'}"])
    assert again.metrics["validation_macro_f1"] == pytest.approx(record["best"]["validation_macro_f1"], abs=1e-6)


@pytest.mark.parametrize(
    ("flags", "space", "message"),
    [
        (["--fusion=late"], "learning_rate", "--fusion late with --search and --branches_first"),
        (["--joint_epochs=1"], "learning_rate", "--joint_epochs with --search"),
        ([], "num_frames", "num_frames is about all stages"),
    ],
)
def test_search_of_what_the_last_stage_has_not_is_refused(
    words: list[str], tmp_path: Path, flags: list[str], space: str, message: str
):
    path = tmp_path / "space.yaml"
    path.write_text(f"{space}: {{choices: [1, 2]}}\n", encoding="utf-8")
    with pytest.raises((ArgumentError, SetupError), match=message):
        search(ExperimentArguments(search=str(path)), [*words, *flags, f"--output_dir={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


def test_flags_win_over_blocks_in_the_recipe_of_a_search(tmp_path: Path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("branches_first: true\naudio: {num_train_epochs: 40, mel_warp: 0.1}\n", encoding="utf-8")
    found = recipe_of([str(recipe), "--num_train_epochs=3", "--output_dir=out"])
    assert json.loads(found["audio_settings"]) == {"mel_warp": 0.1}
    assert found["num_train_epochs"] == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model_name_or_path=runs/x"], "--model_name_or_path runs/x"),
        (["--num_train_epochs=0"], "the audio stage: --num_train_epochs 0: a model that begins untrained needs some"),
        (["--corpus=fer2013"], "the still pictures of FER-2013 have no sound"),
        (["--resume_from_checkpoint=runs/x/checkpoint-1"], "several stages to go on with.*latest"),
        (['--audio_settings={"mel_warp": 7}'], "the audio stage: --mel_warp"),
        (['--fusion_settings={"gate_bias": "much"}'], "the fusion stage: --gate_bias"),
    ],
)
def test_what_is_wrong_with_any_stage_is_said_before_the_first(
    words: list[str], tmp_path: Path, flags: list[str], message: str
):
    with pytest.raises(SetupError, match=message):
        run_stages([*words, *flags, f"--output_dir={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_run_killed_in_each_stage_ends_with_the_same_weights(words: list[str], tmp_path: Path):
    flags = [*words, "--num_train_epochs=4", "--save_total_limit=20"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole = ForkedRun(*flags, "--output_dir", undisturbed, log=tmp_path / "undisturbed.log")
    whole.kill_at((undisturbed / "trainer_state.json").is_file)  # all weights are saved, its scores no matter
    flags += ["--resume_from_checkpoint", "latest", "--output_dir", str(killed)]
    for number, place in enumerate(STAGES.values()):
        run = ForkedRun(*flags, log=tmp_path / f"{number}.log")
        run.kill_at(lambda place=place: any((killed / place).glob("checkpoint-*/trainer_state.json")))
        assert not (killed / place / "metrics.json").exists(), "it was killed too late to prove anything"
    ForkedRun(*flags, log=tmp_path / "last.log").printed()
    for place in STAGES.values():
        expected, found = weights(undisturbed / place), weights(killed / place)
        assert all(torch.equal(expected[key], found[key]) for key in expected), place
