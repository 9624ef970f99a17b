"""Cross-validation and ablation: real runs of a tiny sound model on tiny files, in this process."""

import json
import shutil
from pathlib import Path

import pytest

from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.evaluation.reports import fold_report
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.errors import ArgumentError, DivergedError, SetupError
from emofusion.training.experiments.ablation import ablate, branch_rows, folder_of, read_variants
from emofusion.training.experiments.cross_validation import cross_validate
from emofusion.training.experiments.grid import Cell, summary_of
from emofusion.training.run.job import run_job
from emofusion.training.run.trainer import EmoFusionTrainer
from helpers import REPOSITORY
from helpers.corpora.ravdess_files import write_corpus, write_named
from helpers.runs.forked import ForkedRun
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401

TINY = ["--fusion=audio", "--audio_encoder=cnn", "--encoder_width=8", "--label_set=emotions4", "--num_train_epochs=2"]
TINY += ["--per_device_train_batch_size=4", "--use_cpu", "--disable_tqdm=True", "--report_to=none"]
ACTORS = (1, 2, 5, 6, 9, 10)  # of the first three groups of msaf6


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("voices")
    write_corpus(folder / "corpus", ACTORS, emotions=(1, 3, 4, 5), kind="flac")
    return [*TINY, "--protocol=msaf6", f"--data_dir={folder / 'corpus'}", f"--cache_dir={folder / 'cache'}"]


@pytest.fixture(scope="module")
def validated(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """All folds that six actors allow."""
    out = tmp_path_factory.mktemp("cv")
    return cross_validate(ExperimentArguments(cross_validate=True), [*words, f"--output_dir={out}"]), out


def test_every_usable_fold_is_scored_once(validated: tuple[dict, Path]):
    record, out = validated
    assert [run["fold"] for run in record["runs"]] == [0, 1, 2]
    tested = [actor for run in record["runs"] for actor in run["actors"]["test"]]
    assert sorted(tested) == list(ACTORS)
    for run in record["runs"]:
        parts = [set(actors) for actors in run["actors"].values()]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(ACTORS)
    assert record["over_actors"]["test_intervals_units"] == len(ACTORS)
    assert json.loads((out / "cross_validation.json").read_text())["over_folds"] == record["over_folds"]


def test_refused_folds_and_stand_ins_are_told(validated: tuple[dict, Path], capsys: pytest.CaptureFixture[str]):
    record, out = validated
    assert set(record["refused_folds"]) == {3, 4, 5}
    assert record["stand_in_validation"] == {2: [1, 2]}
    text = (out / "cross_validation.md").read_text()
    assert "msaf6 fold 5 is refused" in text
    assert "Fold 2: its own validation actors are not there; actors 1-2 validated." in text


def test_means_are_those_of_the_folds(validated: tuple[dict, Path]):
    record, out = validated
    scores = [read_metrics(out / f"fold_{k}_seed_42")["test_macro_f1"] for k in range(3)]
    assert record["over_folds"]["macro_f1"]["mean"] == pytest.approx(sum(scores) / 3)
    matrix = record["over_actors"]["test_confusion_matrix"]
    assert sum(map(sum, matrix)) == 4 * len(ACTORS)
    pooled = record["over_actors"]["test_by_coverage"][0]
    assert (pooled["clips"], pooled["coverage"]) == (4 * len(ACTORS), 1.0)
    assert (out / "plots" / "coverage.png").is_file()


def cells_of(out: Path, **branches: Path) -> list[Cell]:
    """The finished folds in a folder as if they had begun with those of others."""
    return [
        Cell(
            fold=k,
            seed=42,
            folder=out / f"fold_{k}_seed_42",
            metrics=read_metrics(out / f"fold_{k}_seed_42"),
            branches={name: cells_of(folder)[k] for name, folder in branches.items()},
        )
        for k in range(3)
    ]


def test_branches_are_pooled_over_all_folds(validated: tuple[dict, Path]):
    record, out = validated
    assert "branches" not in record and record["robustness"][0]["condition"] == "undisturbed"
    found = summary_of(cells_of(out, audio=out))
    assert found["branches"]["audio"]["uar"] == record["over_actors"]["test_uar"]
    gain = found["fusion_gain"]["over"]["audio"]["uar"]
    assert (gain["mean"], gain["p_value"], gain["units"]) == (0, 1, len(ACTORS))
    text = fold_report.text({**record, **found})
    assert "Is the fusion better than its branches? It is not clearly better or worse than the sound alone" in text
    assert "| sound alone |" in text


def test_branches_that_variants_share_are_told_once(validated: tuple[dict, Path], tmp_path: Path):
    _, out = validated
    first, second = (copied(out, tmp_path / name) for name in ("first", "second"))
    shared = {"one": cells_of(out, audio=first), "two": cells_of(out, audio=first), "scratch": cells_of(out)}
    assert [row["variant"] for row in branch_rows(shared)] == ["audio alone (shared)"]
    apart = {"one": cells_of(out, audio=first), "two": cells_of(out, audio=second)}
    rows = branch_rows(apart)
    assert [row["variant"] for row in rows] == ["audio alone (of one)", "audio alone (of two)"]
    assert rows[0]["over_actors"]["test_uar"] == read_back(out)["over_actors"]["test_uar"]
    assert branch_rows({"scratch": cells_of(out)}) == []
    assert branch_rows({**shared, "sound alone": cells_of(first)}) == []  # it has its row among the variants


def copied(out: Path, place: Path) -> Path:
    """The same runs at another place, without their weights."""
    shutil.copytree(out, place, ignore=shutil.ignore_patterns("checkpoint-*", "*.safetensors"))
    return place


def read_back(out: Path) -> dict:
    return json.loads((out / "cross_validation.json").read_text())


def test_a_fold_is_the_single_run(validated: tuple[dict, Path], words: list[str], tmp_path: Path):
    _, out = validated
    alone = run_job([*words, "--fold=1", f"--output_dir={tmp_path}"])
    assert alone["test_macro_f1"] == read_metrics(out / "fold_1_seed_42")["test_macro_f1"]
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert weights == (out / "fold_1_seed_42" / "model.safetensors").read_bytes()


def test_finished_folds_are_not_trained_again(validated: tuple[dict, Path], words: list[str]):
    record, out = validated
    before = {path: path.stat().st_mtime_ns for path in out.glob("fold_*/model.safetensors")}
    again = cross_validate(ExperimentArguments(cross_validate=True), [*words, f"--output_dir={out}"])
    assert again["runs"] == record["runs"]
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("fold_*/model.safetensors")}


def test_a_run_killed_before_its_scores_is_only_scored(validated: tuple[dict, Path], words: list[str]):
    _, out = validated
    path = out / "fold_0_seed_42" / "metrics.json"
    before = read_metrics(path.parent)
    path.unlink()
    cross_validate(ExperimentArguments(cross_validate=True), [*words, f"--output_dir={out}"])
    after = read_metrics(path.parent)
    kept = [name for name in before if name.startswith(("test_", "robustness"))]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert after["epochs"] == before["epochs"] == 2


def test_other_settings_in_the_same_folder_are_refused(validated: tuple[dict, Path], words: list[str]):
    _, out = validated
    changed = [*words, "--learning_rate=0.5", f"--output_dir={out}"]
    with pytest.raises(SetupError, match=r"begun with learning_rate 0\.001, now it is 0\.5"):
        cross_validate(ExperimentArguments(cross_validate=True), changed)


def test_a_fold_that_cannot_be_used_is_refused_by_name(words: list[str], tmp_path: Path):
    with pytest.raises(ArgumentError, match=r"--folds 5: .*refused.*can be used: 0, 1, 2"):
        cross_validate(ExperimentArguments(folds=[5], cross_validate=True), [*words, f"--output_dir={tmp_path}"])
    with pytest.raises(ArgumentError, match="--folds 9: no such fold"):
        cross_validate(ExperimentArguments(folds=[9], cross_validate=True), [*words, f"--output_dir={tmp_path}"])


@pytest.mark.slow
def test_killed_cross_validation_goes_on(words: list[str], validated: tuple[dict, Path], tmp_path: Path):
    out = tmp_path / "out"
    command = [*words, f"--output_dir={out}", "--cross_validate"]
    begun = ForkedRun(*command, log=tmp_path / "killed.log")
    begun.kill_at(lambda: any(out.glob("fold_1_seed_42/checkpoint-*")))
    first = (out / "fold_0_seed_42" / "model.safetensors").stat().st_mtime_ns
    assert not (out / "fold_1_seed_42" / "metrics.json").exists()
    ForkedRun(*command, log=tmp_path / "resumed.log").printed()
    assert (out / "fold_0_seed_42" / "model.safetensors").stat().st_mtime_ns == first
    record = json.loads((out / "cross_validation.json").read_text())
    assert [run["macro_f1"] for run in record["runs"]] == [run["macro_f1"] for run in validated[0]["runs"]]


VARIANTS = """\
title: Two learning rates
reference: previous
variants:
  slow: {learning_rate: 1.0e-5}
  fast: {learning_rate: 1.0e-2, spec_augment: false}
"""


def test_ablation_trains_and_compares(words: list[str], tmp_path: Path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(VARIANTS)
    out = tmp_path / "out"
    experiment = ExperimentArguments(ablation=str(plan), seeds=[1, 2], folds=[0, 1])
    record = ablate(experiment, [*words, "--num_train_epochs=1", f"--output_dir={out}"])
    slow, fast = record["variants"]
    assert [(run["fold"], run["seed"]) for run in fast["runs"]] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert "difference" not in slow
    assert fast["reference"] == "slow"
    recalls = [variant["over_actors"]["test_by_actor"] for variant in (slow, fast)]
    differences = [recalls[1][actor]["uar"] - recalls[0][actor]["uar"] for actor in recalls[0]]
    assert fast["difference"]["mean"] == pytest.approx(sum(differences) / 4)
    assert fast["difference"]["units"] == 4
    metrics = read_metrics(out / "fast" / "fold_1_seed_2")
    assert (metrics["seed"], metrics["fold"]) == (2, 1)
    assert metrics["test_macro_f1"] == fast["runs"][3]["macro_f1"]
    text = (out / "ablation.md").read_text()
    assert "With 4 actors it cannot be below 0.125" in text
    assert all((out / "plots" / name).is_file() for name in ("variants.png", "coverage.png"))
    assert record["command"].endswith(f"--ablation={plan} --seeds 1 2 --folds 0 1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("learning_rate: 1.0e-5", "learning_rat: 1"), "slow: no such field 'learning_rat'; did you mean"),
        (("title: Two learning rates\n", ""), "expected the fields title, reference, variants"),
        (("reference: previous", "reference: [slo]"), "reference: .*found 'slo'; did you mean 'slow'"),
        (("  fast:", "  Slow!:"), "its name gives the folder 'slow', as another's does"),
        (("{learning_rate: 1.0e-5}", "3"), "variants: expected two or more names"),
        (("title:", "\ttitle:"), "not YAML"),
        (("{learning_rate: 1.0e-5}", "{cross_validate: true}"), "write it on the command line"),
        (("{learning_rate: 1.0e-5}", "{protocol: random_clips}"), "slow: protocol must be the same for all variants"),
        (("{learning_rate: 1.0e-5}", "{seed: 3}"), "slow: seed must be the same for all variants"),
        (("{learning_rate: 1.0e-5}", "{train_on_validation: true}"), "slow: train_on_validation must be the same"),
    ],
)
def test_wrong_plan_is_refused_by_field(tmp_path: Path, change: tuple[str, str], message: str):
    plan = tmp_path / "plan.yaml"
    plan.write_text(VARIANTS.replace(*change))
    with pytest.raises(ArgumentError, match=message):
        read_variants(str(plan))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{modality_dropout_p: 1.5}", r"(?s)plan\.yaml: fast: .*modality_dropout_p"),
        ("{audio_encoder: rnn}", r"plan\.yaml: fast: .*audio.encoder"),
        ("{video_learning_rate: 1.0e-3}", r"plan\.yaml: fast: --video_learning_rate"),
    ],
)
def test_impossible_variant_is_refused_before_the_first_is_trained(
    words: list[str], tmp_path: Path, settings: str, message: str
):
    plan = tmp_path / "plan.yaml"
    plan.write_text(VARIANTS.replace("{learning_rate: 1.0e-2, spec_augment: false}", settings))
    with pytest.raises(ArgumentError, match=message):
        ablate(ExperimentArguments(ablation=str(plan)), [*words, f"--output_dir={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--push_to_hub"], "--push_to_hub with several runs"),
        (["--fold", "2"], "--fold with --cross_validate"),
        (["--seed=2"], "--seed with --seeds"),
    ],
)
def test_flags_of_a_single_run_are_refused(words: list[str], tmp_path: Path, flags: list[str], message: str):
    with pytest.raises(ArgumentError, match=message):
        experiment = ExperimentArguments(cross_validate=True, seeds=[1, 2])
        cross_validate(experiment, [*words, f"--output_dir={tmp_path}", *flags])


# What a folder holds from before

WITHOUT_CHECKPOINTS = ["--save_strategy=no", "--load_best_model_at_end=False"]


def test_run_is_not_trained_over_and_old_scores_do_not_outlive_their_weights(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = [*words, *WITHOUT_CHECKPOINTS, f"--output_dir={tmp_path}"]
    metrics = run_job(run)
    with pytest.raises(SetupError, match="already holds a run, and what it left would be lost"):
        run_job([*run, "--learning_rate=0.5"])
    assert read_metrics(tmp_path) == metrics

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EmoFusionTrainer, "train", killed)
    (tmp_path / "metrics.json").write_text("{")  # so the run is not finished, and its training is repeated
    with pytest.raises(KeyboardInterrupt):
        run_job(run, resume=True)
    assert not (tmp_path / "metrics.json").exists()


def test_other_settings_are_refused_without_checkpoints_too(words: list[str], tmp_path: Path):
    run = [*words, *WITHOUT_CHECKPOINTS, f"--output_dir={tmp_path}"]
    run_job(run)
    with pytest.raises(SetupError, match=r"begun with optim adamw_torch_fused, now it is sgd"):
        run_job([*run, "--optim=sgd"], resume=True)


def test_a_checkpoint_of_another_fold_is_not_resumed(validated: tuple[dict, Path], words: list[str], tmp_path: Path):
    checkpoint = max((validated[1] / "fold_0_seed_42").glob("checkpoint-*"))
    run = [*words, "--fold=1", f"--output_dir={tmp_path / 'out'}"]
    with pytest.raises(SetupError, match="begun with fold 0, now it is 1"):
        run_job([*run, f"--resume_from_checkpoint={checkpoint}"])
    alone = tmp_path / "alone" / checkpoint.name
    shutil.copytree(checkpoint, alone)
    with pytest.raises(SetupError, match=r"run\.json is not there, so nobody knows"):
        run_job([*run, f"--resume_from_checkpoint={alone}"])


def test_start_weights_that_changed_are_another_run(validated: tuple[dict, Path], words: list[str], tmp_path: Path):
    start = tmp_path / "start"
    shutil.copytree(validated[1] / "fold_0_seed_42", start)
    run = [*words, f"--audio_encoder_weights={start}", f"--output_dir={tmp_path / 'out'}"]
    first = run_job(run)
    assert run_job(run, resume=True) == first
    shutil.copy(validated[1] / "fold_1_seed_42" / "model.safetensors", start)
    with pytest.raises(SetupError, match="begun with content of the start weights"):
        run_job(run, resume=True)


def test_other_clips_under_the_same_names_are_refused(words: list[str], tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus", ACTORS, emotions=(1, 3, 4, 5), kind="flac")
    run = [*words, f"--data_dir={corpus}", f"--output_dir={tmp_path / 'out'}"]
    first = run_job(run)
    assert run_job(run, resume=True) == first
    write_named(corpus, "03-01-03-01-01-01-01", "flac", seed=7)
    with pytest.raises(SetupError, match="begun with content of the corpus"):
        run_job(run, resume=True)


def test_scores_of_a_training_are_not_overwritten_by_scoring(validated: tuple[dict, Path], words: list[str]):
    folder = validated[1] / "fold_0_seed_42"
    before = (folder / "metrics.json").read_bytes()
    with pytest.raises(SetupError, match="a model was trained there"):
        run_job([*words, "--do_predict", f"--model_name_or_path={folder}", f"--output_dir={folder}"])
    assert (folder / "metrics.json").read_bytes() == before


def test_a_model_that_diverged_is_one_clear_error(words: list[str], tmp_path: Path):
    with pytest.raises(DivergedError, match=r"not finite for 8 of 8 test clips.*--learning_rate"):
        run_job([*words, "--learning_rate=1e30", "--max_grad_norm=0", f"--output_dir={tmp_path}"])
    assert not (tmp_path / "metrics.json").exists()


def test_plans_of_the_repository_can_be_read():
    plans = sorted((REPOSITORY / "recipes" / "ablations").glob("*.yaml"))
    assert plans
    for plan in plans:
        variants = read_variants(str(plan))
        assert len({folder_of(name) for name in variants.settings}) == len(variants.settings)
