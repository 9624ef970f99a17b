"""Hyper-parameter search: the space, and studies of runs of seconds."""

import importlib
import json
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers import REPOSITORY
from helpers.runs.demo_runs import tiny_recipe
from helpers.runs.forked import ForkedRun, run_alone
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_models import one_thread  # noqa: F401 - used by every test here

pytest.importorskip("optuna")

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages._heartbeat import get_heartbeat_thread

from emofusion.data.demo_corpus.corpus import make_demo_corpus
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.command_line.experiment import split_experiment
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.run.job import run_job
from emofusion.training.search import study as search_study
from emofusion.training.search.results import importances, recipe_of
from emofusion.training.search.search import Trials, search
from emofusion.training.search.space import SEARCHABLE, distribution_of, ends_of, plain, read_space, suggest

SPACES = sorted((REPOSITORY / "recipes" / "search").glob("*.yaml"))
NUMBERS = st.floats(1e-9, 1e6)
# Something of Trainer's, of the model, of the data, and what the model takes over from Trainer.
SPACE = """\
learning_rate: {low: 1e-4, high: 1e-2, log: true}
modality_dropout_p: {low: 0.0, high: 0.4}
spec_augment: {choices: [true, false]}
label_smoothing_factor: {low: 0.0, high: 0.2}
"""


def space_file(folder: Path, text: str = SPACE) -> str:
    path = folder / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


# The space


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_space_as_shipped_is_read_and_its_values_are_flags(path: Path):
    recipe = REPOSITORY / "recipes" / path.name
    for name, found in read_space(str(path)).items():
        for value in ends_of(found):
            parse_arguments([str(recipe), "--output_dir=out", f"--{name}={value}"])


def test_space_knows_numbers_words_and_switches(tmp_path: Path):
    text = """\
learning_rate: {low: 1e-4, high: 1e-2, log: true}
num_train_epochs: {low: 5, high: 20, step: 5}
encoder_width: {low: 8, high: 64}
weight_decay: {choices: [0, 1e-3]}
fusion: {choices: [gated, late]}
frame_augment: {choices: [true, false]}
"""
    assert read_space(space_file(tmp_path, text)) == {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "num_train_epochs": FloatDistribution(5, 20, step=5),
        "encoder_width": IntDistribution(8, 64),
        "weight_decay": CategoricalDistribution([0.0, 1e-3]),
        "fusion": CategoricalDistribution(["gated", "late"]),
        "frame_augment": CategoricalDistribution([True, False]),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rat: {low: 1, high: 2}", "did you mean 'learning_rate'?"),
        ("protocol: {choices: [holdout]}", "cannot be searched. What can: fusion"),
        ("seed: {low: 1, high: 9}", "cannot be searched"),
        ("7: {low: 1, high: 9}", "7 cannot be searched"),
        ("learning_rate: 0.1", "learning_rate: found 0.1; write `{low"),
        ("learning_rate: {low: 0.1}", "learning_rate: found {'low': 0.1}"),
        ("learning_rate: {low: 0.1, high: 0.2, lgo: true}", "learning_rate: found"),
        ("learning_rate: {low: 0.1, choices: [1]}", "learning_rate: found"),
        ("learning_rate: {low: 0.2, high: 0.1}", "low (0.2) must be less than high (0.1)"),
        ("learning_rate: {low: 0, high: 0.1, log: true}", "learning_rate: "),
        ("learning_rate: {low: a, high: 0.1}", "learning_rate: 'a' is not a finite number"),
        ("learning_rate: {low: .nan, high: 0.1}", "nan is not a finite number"),
        ("learning_rate: {low: 0.1, high: 1, log: maybe}", "log is 'maybe'"),
        ("encoder_width: {low: 8, high: 16.5}", "encoder_width: 16.5 is not a whole number"),
        ("fusion: {low: 1, high: 2}", "fusion: not a number"),
        ("fusion: {choices: []}", "fusion: choices is []"),
        ("fusion: {choices: gated}", "fusion: choices is 'gated'"),
        ("fusion: {choices: [gated, gated]}", "a choice stands twice"),
        ("fusion: {choices: [gated, null]}", "the choice None is not a word"),
        ("spec_augment: {choices: [1, 0]}", "the choice 1 is not a true or false"),
        ("- learning_rate", "expected a line for each flag"),
        ("", "expected a line for each flag"),
        ("learning_rate: {", "not YAML"),
    ],
)
def test_space_with_a_mistake_names_file_and_flag(tmp_path: Path, text: str, said: str):
    path = space_file(tmp_path, text)
    with pytest.raises(ArgumentError) as caught:
        read_space(path)
    assert str(caught.value).startswith(path)
    assert said in str(caught.value)


def test_space_that_is_not_there_is_named():
    with pytest.raises(ArgumentError, match=r"--search nowhere\.yaml: no such file"):
        read_space("nowhere.yaml")


@given(
    name=st.one_of(st.sampled_from([flag for flags in SEARCHABLE.values() for flag in flags]), st.text(max_size=8)),
    entry=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["low", "high", "log", "step", "choices"]), inner, max_size=4)
        ),
        max_leaves=8,
    ),
)
def test_space_of_any_content_is_read_or_refused(name: str, entry: object):
    try:
        found = distribution_of(name, entry)
    except ArgumentError as error:
        assert name in str(error) or repr(name) in str(error)
        return
    json.dumps(plain({name: found}))


@given(low=NUMBERS, factor=st.floats(1.001, 1e3), log=st.booleans(), seed=st.integers(0, 99))
def test_space_draws_within_its_ranges(low: float, factor: float, log: bool, seed: int):
    found = distribution_of("weight_decay", {"low": low, "high": low * factor, "log": log})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    drawn = suggest({"weight_decay": found}, trial)
    assert low <= drawn["weight_decay"] <= low * factor
    assert suggest({"weight_decay": found}, trial) == drawn


# Studies


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run of two epochs of 16 clips, but for its output folder."""
    folder = tmp_path_factory.mktemp("search")
    corpus = make_demo_corpus(folder / "corpus", actors=[1, 2, 13, 17], clips_per_actor=8, image_size=32, jobs=1)
    recipe = tiny_recipe(folder)
    places = [f"--data_dir={corpus}", f"--cache_dir={folder / 'cache'}"]
    return [str(recipe), *places, "--max_train_samples=16", "--use_cpu", "--learning_rate=1e-3"]


def command(folder: Path, words: list[str], n_trials: int, **options: str) -> tuple[ExperimentArguments, list[str]]:
    options = {"search": space_file(folder), **options}
    flags = [f"--{name}={value}" for name, value in options.items()]
    return split_experiment([*words, f"--output_dir={folder / 'out'}", f"--n_trials={n_trials}", *flags])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> tuple[Path, dict]:
    """A study of two trials and its results."""
    folder = tmp_path_factory.mktemp("study")
    return folder, search(*command(folder, words, 2))


def test_trial_tells_its_schedule_which_way_scores_go(words: list[str], tmp_path: Path):
    trials = Trials([*words, f"--output_dir={tmp_path}"], {"lr_scheduler_type": CategoricalDistribution(["greedy"])})
    trials.make_model(optuna.trial.FixedTrial({"lr_scheduler_type": "greedy"}))
    assert trials.trainer.args.lr_scheduler_kwargs == {"mode": "max"}


def test_search_leaves_results_and_no_scores_of_the_test(found: tuple[Path, dict]):
    folder, record = found
    out = folder / "out"
    assert sorted(path.name for path in out.iterdir()) == ["best.yaml", "plots", "search.json", "study.db"]
    assert json.loads((out / "search.json").read_text()) == record
    assert (out / "plots" / "trials.png").is_file()
    values = [trial["validation_macro_f1"] for trial in record["trials"]]
    assert len(values) == 2
    assert record["best"]["validation_macro_f1"] == max(values)
    assert not any(name.startswith("test_") for name in record)
    assert record["versions"]["optuna"] == optuna.__version__
    assert "--search" in record["command"]


def test_search_best_recipe_is_the_trial_that_it_names(found: tuple[Path, dict], words: list[str]):
    """Trained by itself it reaches the very score of its trial: a trial is a run in all that it learns."""
    folder, record = found
    best = str(folder / "out" / "best.yaml")
    places = [*words[1:3], "--use_cpu"]
    model, data, training, _ = parse_arguments([best, *places, "--output_dir=x"])
    params = record["best"]["params"]
    assert training.learning_rate == params["learning_rate"]
    assert training.label_smoothing_factor == params["label_smoothing_factor"]
    assert model.modality_dropout_p == params["modality_dropout_p"]
    assert data.spec_augment == params["spec_augment"]
    assert (model.encoder_width, data.max_train_samples) == (8, 16)
    assert not {"output_dir", "data_dir", "cache_dir"} & set(yaml.safe_load(Path(best).read_text()))
    metrics = run_job([best, *places, f"--output_dir={folder / 'trained'}"])
    assert metrics["validation_macro_f1"] == pytest.approx(record["best"]["validation_macro_f1"], abs=1e-12)


def test_search_again_does_only_what_is_left(found: tuple[Path, dict], words: list[str], tmp_path: Path):
    folder, record = found
    more = search(*command(folder, words, 3))
    assert [trial["trial"] for trial in more["trials"]] == [0, 1, 2]
    assert more["trials"][:2] == record["trials"]
    assert more["trials"][2]["params"] != more["trials"][0]["params"], "drew the same values again"
    assert len(search(*command(folder, words, 3))["trials"]) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--num_train_epochs=3"], "begun with num_train_epochs 2.0, now it is 3.0"),
        (["--max_train_samples=8"], "clips of train"),
    ],
)
def test_search_refuses_a_study_of_other_settings(
    found: tuple[Path, dict], words: list[str], change: list[str], said: str
):
    with pytest.raises(ArgumentError, match=said):
        search(*command(found[0], [*words, *change], 9))


def test_search_refuses_a_study_of_another_space(found: tuple[Path, dict], words: list[str], tmp_path: Path):
    other = space_file(tmp_path, "learning_rate: {low: 1e-4, high: 1e-2}")
    with pytest.raises(ArgumentError, match="begun with space"):
        search(*command(found[0], words, 9, search=other))


def test_search_goes_on_with_other_values_of_what_it_searches(found: tuple[Path, dict], words: list[str]):
    before = len(json.loads((found[0] / "out" / "search.json").read_text())["trials"])
    assert len(search(*command(found[0], [*words, "--learning_rate=5e-4"], 1))["trials"]) >= before


def test_search_after_a_kill_fails_the_trial_that_was_silent(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another machine's trial, whose heart beats, is left alone; neither counts as finished."""
    monkeypatch.setattr(search_study, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(search_study, "GRACE_SECONDS", 5)
    search(*command(tmp_path, words, 1))
    storage = search_study.open_storage(search_study.url_of(None, tmp_path / "out"))
    study = optuna.load_study(storage=storage, study_name="emofusion")
    killed = study.ask()
    storage.record_heartbeat(killed._trial_id)
    time.sleep(6)
    alive = study.ask()
    with get_heartbeat_thread(alive._trial_id, storage):
        record = search(*command(tmp_path, words, 2))
    states = {trial["trial"]: trial["state"] for trial in record["trials"]}
    assert states == {0: "complete", 1: "fail", 2: "running", 3: "complete"}


@pytest.mark.slow
def test_search_by_two_processes_at_once_shares_one_study(words: list[str], tmp_path: Path):
    line = [*words, f"--search={space_file(tmp_path)}", "--n_trials=3", f"--output_dir={tmp_path / 'out'}"]
    line += ["--num_train_epochs=1"]
    both = [ForkedRun(*line, log=tmp_path / f"{number}.log") for number in range(2)]
    for one in both:
        one.printed(timeout=300)
    trials = json.loads((tmp_path / "out" / "search.json").read_text())["trials"]
    done = [trial for trial in trials if trial["state"] == "complete"]
    assert 3 <= len(done) <= 4, "one more at most: each ends the trial that it has begun"
    assert len({json.dumps(trial["params"]) for trial in done}) == len(done), "the same values twice"


# Mistakes


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--eval_strategy=no"], "--eval_strategy no with --search"),
        (["--do_predict", "--model_name_or_path=x"], "--do_predict with --search"),
        (["--metric_for_best_model=accuracy"], "--metric_for_best_model with --search"),
        (["--push_to_hub"], "--push_to_hub with --search"),
        (["--cross_validate"], "--cross_validate with --search"),
        (["--seeds", "1", "2"], "--seeds with --search"),
        (["--study=nonsense"], "--study: not the URL of a database"),
        (["--study=postgresql://me:secret@127.0.0.1:9/x"], r"--study postgresql://me:\*\*\*@127.0.0.1"),
        (["--fusion=gatd"], "gatd"),
    ],
)
def test_search_with_a_wrong_flag_names_it(words: list[str], tmp_path: Path, flags: list[str], said: str):
    with pytest.raises((ArgumentError, SetupError), match=said) as caught:
        search(*command(tmp_path, [*words, *flags], 1))
    assert "secret" not in str(caught.value)


def test_search_without_a_trial_is_refused(words: list[str], tmp_path: Path):
    with pytest.raises(ArgumentError, match="--n_trials 0"):
        search(*command(tmp_path, words, 0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fusion: {choices: [gated, gatd]}", "fusion: gatd cannot be used"),
        ("modality_dropout_p: {low: 0.0, high: 1.5}", "modality_dropout_p: 1.5 cannot be used"),
        (
            "fusion: {choices: [audio, gated]}\nvideo_learning_rate: {low: 1e-4, high: 1e-3}",
            r"trial \d .*fusion=audio",
        ),
    ],
)
def test_search_with_an_impossible_value_names_it(words: list[str], tmp_path: Path, text: str, said: str):
    with pytest.raises((ArgumentError, SetupError), match=said):
        search(*command(tmp_path, words, 9, search=space_file(tmp_path / "..", text)))


def _import_search_without_optuna(said: Path) -> None:
    for name in [name for name in sys.modules if name.startswith(("optuna", "emofusion.training.search"))]:
        del sys.modules[name]
    sys.modules["optuna"] = None  # type: ignore[assignment]  # as where it is not installed
    try:
        importlib.import_module("emofusion.training.search.search")
    except ArgumentError as error:
        said.write_text(str(error), encoding="utf-8")


def test_search_without_optuna_says_what_to_install(tmp_path: Path):
    run_alone(_import_search_without_optuna, tmp_path / "said")
    assert "pip install 'emofusion[search]'" in (tmp_path / "said").read_text(encoding="utf-8")


# Results


def test_recipe_of_keeps_recipe_and_flags_but_no_folders(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("weight_decay: 1.0e-4\nfusion: late\n")
    words = [str(path), "--output_dir=out", "--data_dir=corpus", "--lr_scheduler_type=linear", "--fusion=concat"]
    assert recipe_of(words) == {"weight_decay": 1e-4, "fusion": "concat", "lr_scheduler_type": "linear"}


def test_importances_of_one_trial_or_of_equal_scores_are_left_out():
    study = optuna.create_study(direction="maximize")
    found = FloatDistribution(0, 1)
    for place, value in ((0.1, 0.5), (0.2, 0.5)):
        study.add_trial(
            optuna.trial.create_trial(
                params={"weight_decay": place}, distributions={"weight_decay": found}, value=value
            )
        )
        assert importances(study) == {}
    for place in (0.3, 0.4, 0.9):
        study.add_trial(
            optuna.trial.create_trial(
                params={"weight_decay": place}, distributions={"weight_decay": found}, value=place
            )
        )
    assert importances(study) == {"weight_decay": pytest.approx(1)}
