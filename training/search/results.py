"""What a search leaves behind: search.json, best.yaml and two plots."""

import json
import shlex
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.exceptions import ExperimentalWarning

from emofusion.data.whole_files import write_json, write_text
from emofusion.evaluation.attempts import attempt_all
from emofusion.evaluation.plots.figures import drawn
from emofusion.evaluation.plots.search import importance_figure, trials_figure
from emofusion.evaluation.run_files import BEST_FOLDER, BEST_RECIPE_FILE, IMPORTANCE_PLOT, SEARCH_FILE, TRIALS_PLOT
from emofusion.training.command_line.flags import name_of
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.recipes import BLOCKS, read_recipe, starts_with_recipe

from .study import finished_trials

_PLACES = ("output_dir", "data_dir", "cache_dir")


def recipe_of(words: Sequence[str]) -> dict[str, Any]:
    """The settings of a run that its recipe names, and those that are not the defaults; folders aside."""
    named: dict[str, Any] = {}
    if starts_with_recipe(words):
        named = read_recipe(words[0])
    asked: tuple[Any, ...] = parse_arguments(words)
    default: tuple[Any, ...] = parse_arguments([f"--output_dir={asked[2].output_dir}"])
    settings = {}
    for group, plain_group in zip(asked, default, strict=True):
        for name in (item.name for item in fields(group) if item.init and item.name not in _PLACES):
            value = _plain(getattr(group, name))
            if name in named or value != _plain(getattr(plain_group, name)):
                settings[name] = value
    flags = {name_of(word) for word in words}
    for block in BLOCKS.values():  # which would win over them in best.yaml
        if settings.get(block) is not None:
            kept = {name: value for name, value in json.loads(settings[block]).items() if name not in flags}
            settings[block] = json.dumps(kept)
    first = {name: settings[name] for name in named if name in settings}
    return {name: value for name, value in (first | settings).items() if value is not None}


def _plain(value: Any) -> Any:
    """A setting as YAML holds it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return json.dumps(value)
    return value if value is None or isinstance(value, (bool, int, float, list)) else str(value)


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of each flag in how much the scores differ (PED-ANOVA; Watanabe et al., 2023), the largest first.

    Empty where nothing can be said: fewer than two finished trials, or none better than another.
    """
    finished = finished_trials(study)
    if len({trial.value for trial in finished}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        shares = optuna.importance.get_param_importances(study)
    return {name: float(share) for name, share in shares.items()}


def record_of(study: optuna.Study) -> dict[str, Any]:
    """Best and all trials, and importances, as search.json holds them."""
    return {
        "objective": "macro-F1 of the validation clips, at the epoch that the run would keep",
        "study_name": study.study_name,
        "best": _trial_record(study.best_trial),
        "importances": importances(study),
        "trials": [_trial_record(trial) for trial in study.get_trials(deepcopy=False)],
    }


def _trial_record(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    seconds = trial.duration.total_seconds() if trial.duration is not None else None
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "validation_macro_f1": trial.value,
        "params": trial.params,
        "seconds": seconds,
    }


def save_results(record: dict[str, Any], recipe: dict[str, Any], folder: Path, in_stages: bool = False) -> None:
    """Write best.yaml and search.json, and then plots.

    Args:
        record (`dict`): As search.json holds it.
        recipe (`dict`): What all trials had in common.
        folder (`Path`): Where they go.
        in_stages (`bool`): Whether the trials were the last stage of a training, which they tried settings of.
    """
    best = record["best"]
    head = (
        f"# The best of {sum(trial['state'] == 'complete' for trial in record['trials'])} trials (trial "
        f"{best['trial']}): macro-F1 {best['validation_macro_f1']:.3f} on the validation clips of "
        f"{record['corpus']}.\n"
    )
    settings = recipe | best["params"]
    if in_stages:
        flag = BLOCKS["fusion"]
        settings = recipe | {flag: json.dumps(json.loads(recipe.get(flag, "{}")) | best["params"])}
    content = head + yaml.safe_dump(settings, sort_keys=False)
    write_text(folder / BEST_RECIPE_FILE, content)
    write_json(folder / SEARCH_FILE, record, indent=2)
    attempt_all(lambda: _plots(record), folder)


def _plots(record: dict[str, Any]) -> dict[str, Callable[[Path], None]]:
    """What draws each plot, by its file."""
    title = f"{record['fusion']}, {record['corpus']}: validation macro-F1"
    values = [trial["validation_macro_f1"] for trial in record["trials"]]
    plots = {TRIALS_PLOT: drawn(trials_figure, values, title)}
    if record["importances"]:
        plots[IMPORTANCE_PLOT] = drawn(importance_figure, record["importances"], title)
    return plots


def last_words(record: dict[str, Any], folder: Path, places: dict[str, str | None]) -> str:
    """The best settings, and the command that trains with them."""
    best = record["best"]
    values = ", ".join(
        f"{name} {value:.3g}" if type(value) is float else f"{name} {value}" for name, value in best["params"].items()
    )
    command = ["accelerate", "launch", "train_hf.py", (folder / BEST_RECIPE_FILE).as_posix()]
    for name, place in places.items():
        command += [f"--{name}", place] if place else []
    command += ["--output_dir", (folder / BEST_FOLDER).as_posix()]
    return (
        f"best: trial {best['trial']}, validation macro-F1 {best['validation_macro_f1']:.3f} ({record['corpus']}): "
        f"{values}\ntrain with it and score the test clips: {shlex.join(command)}"
    )
