"""Look for the best hyper-parameters: trials of a study, each the very run that its settings would be as flags.

Scores are those of the validation actors; the test actors are not looked at. Trials are not pruned: with batch sizes
that differ, the steps at which Optuna would compare two trials are different epochs, and of several processes only
the first would learn that its trial ends; `--early_stopping_patience` shortens hopeless ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from emofusion.evaluation.record.command_line import command_line
from emofusion.modeling import EmoFusionModel
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.recipes import ALIKE, words_of
from emofusion.training.command_line.stages import BRANCHES, words_of_fusion
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.run.job import SCRIPT, say
from emofusion.training.run.progress import Progress
from emofusion.training.run.ready import Run, check_words, make_ready, setup_errors, train_on_embeddings
from emofusion.training.run.stages import check_stages, in_stages, run_branches
from emofusion.training.setup.checks import check_there_is_a_test

try:
    import optuna
except ModuleNotFoundError as error:
    raise ArgumentError("--search needs Optuna: pip install 'emofusion[search]'") from error

from .results import last_words, recipe_of, record_of, save_results
from .space import Space, ends_of, plain, read_space, suggest
from .study import finished_trials, open_storage, open_study, url_of, without_password

_METRIC = "macro_f1"


@dataclass(frozen=True)
class Database:
    """A study in its database; `sampler` draws its next trials."""

    study: optuna.Study
    storage: optuna.storages.RDBStorage
    sampler: optuna.samplers.BaseSampler


class Trials:
    """Trials through Trainer's hyper-parameter search.

    Every trial is prepared from its flags as a single run is, with data and callbacks of its own: Trainer itself would
    only change its arguments, and would let early stopping count on from the trial before.

    Args:
        words (`Sequence[str]`): Command line of a run, without what is of the search.
        space (`dict`): What the trials try.

    Raises:
        SetupError: Flags, recipe, checkpoint or corpus are wrong.
    """

    def __init__(self, words: Sequence[str], space: Space) -> None:
        self.words, self.space = list(words), space
        self.best: float | None = None
        self.run = _ready_trial(self.words)
        self.trainer = self.run.trainer
        self.trainer.model_init = self.make_model

    def make_model(self, trial: optuna.trial.BaseTrial) -> EmoFusionModel:
        """The model of a trial; on the way Trainer gets the trial's arguments, data and callbacks."""
        self.best = None
        params = suggest(self.space, trial)
        try:
            run = _ready_trial([*self.words, *words_of(params)])
        except (ArgumentError, SetupError) as error:
            raise SetupError(f"trial {trial.number} ({', '.join(words_of(params))}): {error}") from error
        for name in (*params, "lr_scheduler_kwargs"):  # which a drawn lr_scheduler_type decides as well
            if hasattr(run.arguments.training, name):
                setattr(self.trainer.args, name, getattr(run.arguments.training, name))
        self.trainer.args.run_name = (
            f"{run.arguments.training.run_name}-trial-{trial.number}"  # one of its own in trackers
        )
        self.trainer.train_dataset, self.trainer.eval_dataset = run.trainer.train_dataset, run.trainer.eval_dataset
        self.trainer.callback_handler = run.trainer.callback_handler
        return run.trainer.model

    def objective(self, metrics: dict[str, float]) -> float:
        """Validation macro-F1 of the epoch that a run keeps: the best so far, or, without best, the last."""
        score = metrics[f"eval_{_METRIC}"]
        if self.best is None or self.trainer.args.select == "last":
            self.best = score
        self.best = max(self.best, score)
        return self.best

    def _space_of(self, trial: optuna.trial.BaseTrial) -> dict[str, Any]:
        """Draw the values.

        Trainer gets none to set: `make_model` did, parsed as flags are (Trainer's own cast would turn a `warmup_steps`
        of 0.1 into the whole number 0).
        """
        suggest(self.space, trial)
        return {}

    def one(self, database: Database | None) -> None:
        """Do one trial; processes other than the first have no database and follow."""
        options: dict[str, Any] = {}
        if database is not None:
            options = {
                "storage": database.storage,
                "study_name": database.study.study_name,
                "load_if_exists": True,
                "sampler": database.sampler,
                "pruner": optuna.pruners.NopPruner(),
            }
        self.trainer.hyperparameter_search(
            hp_space=self._space_of,
            compute_objective=self.objective,
            n_trials=1,  # one by one, because those that others do meanwhile count, too
            direction="maximize",
            backend="optuna",
            gc_after_trial=True,
            **options,
        )


def search(experiment: ExperimentArguments, words: Sequence[str]) -> dict[str, Any]:
    """Do what is left of a study, and write its results; returns the content of search.json.

    Args:
        experiment (`ExperimentArguments`): The space, the number of finished trials in all, and the study.
        words (`Sequence[str]`): Command line that all trials share, without the script's name.

    Raises:
        ArgumentError, SetupError: A flag, the space, the database or the corpus is wrong, or the study was begun with
            other settings.
    """
    recipe = recipe_of(words)
    space = read_space(str(experiment.search))
    arguments = parse_arguments(words)
    check_there_is_a_test(arguments)
    _check_run(arguments)
    _check_space(space, str(experiment.search), words)
    folder = Path(str(arguments.training.output_dir))
    _check_stages_of_trials(words, arguments, space, str(experiment.search))
    trial_words = _words_of_trials(words, arguments, folder)
    url = url_of(experiment.study, folder)
    shown = without_password(url)
    with _quiet_optuna():
        trials = Trials(trial_words, space)
        record: dict[str, Any] = {**trials.run.record([SCRIPT, *words])}  # before Trainer gives its model away
        is_main = trials.trainer.is_world_process_zero()
        database = _database(trials, url, shown, experiment.study_name) if is_main else None
        while _to_do(database, experiment.n_trials):
            trials.one(database)
            if database is not None:
                say(_progress(database.study, experiment.n_trials))
        if database is None:
            return {}
        asked = [f"--search={experiment.search}", f"--n_trials={experiment.n_trials}"]
        asked += [f"--study={shown}", f"--study_name={experiment.study_name}"]
        record |= record_of(database.study)
    record |= {"command": command_line([SCRIPT, *words, *asked]), "study": shown, "space": plain(space)}
    record["versions"] |= {"optuna": optuna.__version__}
    save_results(record, recipe, folder, in_stages(arguments))
    say(last_words(record, folder, {name: getattr(arguments.data, name) for name in ("data_dir", "cache_dir")}))
    return record


def _check_stages_of_trials(words: Sequence[str], arguments: Arguments, space: Space, path: str) -> None:
    """Refuse what the last stage of a training does not have, or shares with the others.

    Raises:
        ArgumentError: naming the flag.
    """
    if not in_stages(arguments):
        return
    for name in space:
        if name in ALIKE or name == "fusion":
            raise ArgumentError(
                f"{path}: {name} is about all stages, and the trials are of the last one; leave it out"
            )
    with setup_errors():
        fusion = check_stages(words, Path(str(arguments.training.output_dir)), resume=True)
    if fusion in (*BRANCHES, "late"):
        raise ArgumentError(
            f"--fusion {fusion} with --search and --branches_first: its last stage trains nothing; add "
            "--branches_first false, or take another fusion"
        )
    if arguments.stages.joint_epochs:
        raise ArgumentError("--joint_epochs with --search: trials end before; leave it out, and add it to best.yaml")


def _words_of_trials(words: Sequence[str], arguments: Arguments, folder: Path) -> list[str]:
    """What all trials share: of a training in stages its last one, whose branches are trained before, once."""
    if not in_stages(arguments):
        return list(words)
    with setup_errors():
        fusion = check_stages(words, folder, resume=True)
    branches = run_branches(words, resume=True, within=folder, place=folder)
    started = {name: branch.folder.as_posix() for name, branch in branches.items()}
    return [*words_of_fusion(words, arguments.stages, fusion, started), f"--output_dir={folder}"]


def _ready_trial(words: Sequence[str]) -> Run:
    """A run that is ready to train and will save nothing.

    Raises:
        SetupError: Flags, recipe, checkpoint or corpus are wrong.
    """
    with setup_errors():
        arguments = parse_arguments(words)
        _check_run(arguments)
        # A trial is only scored; the best settings are trained by a run of their own. Set here, not as a flag, because
        # the best epoch still counts.
        arguments.training.save_strategy = SaveStrategy.NO
        run = make_ready(arguments)
    train_on_embeddings(run)
    run.trainer.remove_callback(Progress)  # one line a trial
    return run


def _check_run(arguments: Arguments) -> None:
    """Refuse flags that make no sense for trials."""
    args = arguments.training
    if not arguments.trains:
        raise ArgumentError("--do_predict with --search: trials must train")
    if arguments.data.train_on_validation:
        raise ArgumentError("--train_on_validation with --search: trials are compared on the validation actors")
    if args.eval_strategy == IntervalStrategy.NO:
        raise ArgumentError("--eval_strategy no with --search: trials are compared on the validation actors")
    if args.metric_for_best_model != _METRIC or not args.greater_is_better:
        raise ArgumentError(f"--metric_for_best_model with --search: trials are compared by {_METRIC}; leave it out")
    for name in ("push_to_hub", "resume_from_checkpoint"):
        if getattr(args, name):
            raise ArgumentError(f"--{name} with --search: leave it out, and name it when you train best.yaml")


def _check_space(space: Space, path: str, words: Sequence[str]) -> None:
    """Try every choice and both ends of every range, one at a time, before anything is read.

    Raises:
        ArgumentError: naming the space's file and the flag.
    """
    for name, found in space.items():
        for value in ends_of(found):
            check_words([*words, *words_of({name: value})], f"{path}: {name}: {value} cannot be used")


def _database(trials: Trials, url: str, shown: str, name: str) -> Database:
    """Open or begin the study."""
    Path(str(trials.run.arguments.training.output_dir)).mkdir(parents=True, exist_ok=True)
    storage = open_storage(url)
    identity = {key: value for key, value in trials.run.identity.items() if key not in trials.space}
    study, new = open_study(storage, name, identity | {"space": plain(trials.space)}, shown)
    # Who begins the study draws by the seed; who joins it must not draw the same values again.
    seed = trials.run.arguments.training.seed if new else None
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return Database(study, storage, sampler)


def _to_do(database: Database | None, n_trials: int) -> bool:
    """Whether another trial is wanted; the first process says it to the others."""
    wanted = [database is not None and len(finished_trials(database.study)) < n_trials]
    return bool(broadcast_object_list(wanted)[0])


def _progress(study: optuna.Study, n_trials: int) -> str:
    """One line on the trial that finished last."""
    finished = finished_trials(study)
    last = max(finished, key=lambda trial: trial.datetime_complete or trial.datetime_start)
    values = ", ".join(words_of(last.params)).replace("--", "")
    return (
        f"{len(finished)} of {n_trials} trials: trial {last.number} has validation macro-F1 {last.value:.3f}, "
        f"the best {study.best_value:.3f} (trial {study.best_trial.number}); {values}"
    )


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep its lines on every study and trial, and its traceback of a wrong flag, off the screen; ours say it."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
