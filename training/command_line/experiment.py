"""The part of a command line that is about several runs, and the output folder that a recipe stands for."""

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from emofusion.training.errors import ArgumentError

from .arguments import ExperimentArguments
from .flags import names_flag
from .parser import Parser, check_flag_names, print_help
from .recipes import read_recipe, starts_with_recipe


def split_experiment(argv: Sequence[str]) -> tuple[ExperimentArguments, list[str]]:
    """What the command line says of several runs, and the words that are left for each of them.

    Raises:
        ArgumentError: A misspelt flag or recipe field, or a value of the wrong type.
    """
    if {"-h", "--help", "--help_all"} & set(argv):
        print_help(all_flags="--help_all" in argv)
        sys.exit()
    check_flag_names(argv)
    experiment, rest = Parser((ExperimentArguments,)).parse(list(argv))
    _check_experiment(experiment)
    return experiment, rest + default_output_dir(experiment, rest)


def _check_experiment(experiment: ExperimentArguments) -> None:
    """Refuse flags of several runs that would do nothing, or count something twice."""
    default = ExperimentArguments()
    given = [item.name for item in fields(default) if getattr(experiment, item.name) != getattr(default, item.name)]
    grid, search = ("cross_validate", "ablation", "seeds", "folds"), ("search", "n_trials", "study", "study_name")
    for name in given:
        if experiment.search and name in grid:
            raise ArgumentError(f"--{name} with --search: search on one fold with one seed, then train best.yaml so")
        if name in search and not experiment.search:
            raise ArgumentError(f"--{name} without --search: there is nothing to search")
        if name in ("seeds", "folds") and not (experiment.cross_validate or experiment.ablation):
            raise ArgumentError(
                f"--{name} without --cross_validate or --ablation: one run has one --{name.removesuffix('s')}"
            )
        if name.startswith("release") and not (experiment.cross_validate and experiment.release):
            lacking = "release" if experiment.cross_validate else "cross_validate"
            raise ArgumentError(f"--{name} without --{lacking}: a model that all actors train is scored by its folds")
        if name.startswith("release") and experiment.ablation:
            raise ArgumentError(f"--{name} with --ablation: release one of the variants, by its flags alone")
        values = getattr(experiment, name)
        if name in ("seeds", "folds") and len(set(values)) < len(values):
            raise ArgumentError(f"--{name} {' '.join(map(str, values))}: one stands there twice")
    if experiment.n_trials < 1:
        raise ArgumentError(f"--n_trials {experiment.n_trials}: write 1 or more")


def default_output_dir(experiment: ExperimentArguments, words: Sequence[str]) -> list[str]:
    """`--output_dir` where neither the command line nor its recipe names one: `runs/` and what the recipe is called.

    An experiment with a recipe has a folder of its own beside the single run's. Without a recipe there is no name.
    """
    if not starts_with_recipe(words):
        return []
    if read_recipe(words[0]).get("output_dir") is not None or names_flag(words, "output_dir"):
        return []
    parts = [Path(words[0]).stem]
    parts += [Path(plan).stem for plan in (experiment.ablation, experiment.search) if plan]
    parts += ["cross_validation"] if experiment.cross_validate and not experiment.ablation else []
    return [f"--output_dir={Path('runs', '-'.join(parts)).as_posix()}"]
