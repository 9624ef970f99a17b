"""Recipes: a YAML file gives defaults for the flags, and flags on the command line win."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import yaml
from transformers import HfArgumentParser

from .arguments import DataArguments, EmoFusionTrainingArguments, ExperimentArguments, ModelArguments

USAGE = """accelerate launch train_hf.py [recipes/X.yaml] --data_dir DIR [--output_dir OUT] [--any_flag value]

on a laptop, on the synthetic demo corpus:
  python -m emofusion.data.demo_corpus runs/demo_corpus
  python train_hf.py recipes/demo.yaml --data_dir runs/demo_corpus --output_dir runs/demo
on one GPU, mixed precision:
  accelerate launch train_hf.py recipes/gated.yaml --data_dir RAVDESS --output_dir runs/gated --bf16
score a checkpoint without training:
  python train_hf.py --model_name_or_path runs/gated --do_predict --data_dir RAVDESS --output_dir runs/gated_scores
every fold of a protocol; variants side by side; the best settings (repeat a command to go on where it was stopped):
  accelerate launch train_hf.py recipes/gated.yaml --protocol msaf6 --cross_validate --data_dir RAVDESS ...
  accelerate launch train_hf.py recipes/gated.yaml --ablation recipes/ablations/fusions.yaml --data_dir RAVDESS ...
  accelerate launch train_hf.py recipes/gated.yaml --search recipes/search/gated.yaml --data_dir RAVDESS ...
"""

_RUN = (ModelArguments, DataArguments, EmoFusionTrainingArguments)
_EXPERIMENT = [item.name for item in fields(ExperimentArguments)]


class ArgumentError(ValueError):
    """A flag or a recipe field that cannot be used; the message names it."""


class _Parser(HfArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ArgumentError(message)


def make_parser() -> HfArgumentParser:
    """The parser of `train_hf.py`; a recipe's fields are its flags."""
    return _Parser((*_RUN, ExperimentArguments), usage=USAGE, allow_abbrev=False)


def split_experiment(argv: Sequence[str]) -> tuple[ExperimentArguments, list[str]]:
    """What the command line says of several runs, and the words that are left for each of them.

    Raises:
        ArgumentError: A value of the wrong type.
    """
    if {"-h", "--help"} & set(argv):
        make_parser().parse_args(["--help"])
    parser = _Parser((ExperimentArguments,), add_help=False, allow_abbrev=False)
    experiment, rest = _parse(parser, list(argv))
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
        values = getattr(experiment, name)
        if name in ("seeds", "folds") and len(set(values)) < len(values):
            raise ArgumentError(f"--{name} {' '.join(map(str, values))}: one stands there twice")
    if experiment.n_trials < 1:
        raise ArgumentError(f"--n_trials {experiment.n_trials}: write 1 or more")


def default_output_dir(experiment: ExperimentArguments, words: Sequence[str]) -> list[str]:
    """`--output_dir` where neither the command line nor its recipe names one: `runs/` and what the recipe is called.

    An experiment with a recipe has a folder of its own beside the single run's. Without a recipe there is no name.
    """
    if not _starts_with_recipe(words):
        return []
    if names_flag([*read_recipe(words[0]), *words], "output_dir"):
        return []
    parts = [Path(words[0]).stem]
    parts += [Path(plan).stem for plan in (experiment.ablation, experiment.search) if plan]
    parts += ["cross_validation"] if experiment.cross_validate and not experiment.ablation else []
    return [f"--output_dir={Path('runs', '-'.join(parts)).as_posix()}"]


def names_flag(words: Sequence[str], name: str) -> bool:
    """Whether a flag is among the words, spelt `--output_dir` or `--output-dir`."""
    return any(word.split("=")[0].lstrip("-").replace("-", "_") == name for word in words if word.startswith("--"))


def _starts_with_recipe(words: Sequence[str]) -> bool:
    return bool(words) and words[0].endswith((".yaml", ".yml"))


def parse_arguments(argv: Sequence[str]) -> tuple[ModelArguments, DataArguments, EmoFusionTrainingArguments]:
    """Read the command line of one run, whose first word may be a recipe.

    Raises:
        ArgumentError: Misspelt or impossible flag or recipe field.
    """
    words = list(argv)
    recipe = read_recipe(words.pop(0)) if _starts_with_recipe(words) else []
    parser = _Parser(_RUN, add_help=False, allow_abbrev=False)
    model, data, training, unknown = _parse(parser, [*recipe, *words])
    if _starts_with_recipe(unknown):
        raise ArgumentError(f"{unknown[0]}: the recipe must be the first argument")
    if unknown:
        raise ArgumentError(f"{unknown[0]}: no such flag{_suggestion(unknown[0], [*known_fields(), *_EXPERIMENT])}")
    return model, data, training


def _parse(parser: HfArgumentParser, words: list[str]) -> Any:
    try:
        return parser.parse_args_into_dataclasses(words, return_remaining_strings=True, look_for_args_file=False)
    except ArgumentError:
        raise
    except ValueError as error:  # TrainingArguments checks itself; its messages name the field
        raise ArgumentError(str(error)) from error


def read_recipe(path: str) -> list[str]:
    """A YAML recipe as command-line words.

    Raises:
        ArgumentError: No such file, not a mapping, or an unknown field.
    """
    if not Path(path).is_file():
        raise ArgumentError(f"{path}: no such recipe")
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ArgumentError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ArgumentError(f"{path}: expected `field: value` lines, found {type(content).__name__}")
    check_fields(content, path)
    return words_of(content)


def check_fields(settings: dict[str, Any], place: str) -> None:
    """Fields of a recipe must be flags of a run; `place` is what errors name.

    Raises:
        ArgumentError: One is not.
    """
    known = known_fields()
    for name in settings:
        if name in _EXPERIMENT:
            raise ArgumentError(f"{place}: {name} is of several runs; write it on the command line, as --{name}")
        if name not in known:
            raise ArgumentError(f"{place}: no such field {name!r}{_suggestion(str(name), known)}")


def words_of(settings: dict[str, Any]) -> list[str]:
    """Fields and values as command-line words; one that is None or an empty list is left out."""
    words = []
    for name, value in settings.items():
        if value is None or value == []:
            continue
        # A single value in one word, so that -1e-3 is not taken for a flag.
        words += [f"--{name}", *map(str, value)] if isinstance(value, list) else [f"--{name}={value}"]
    return words


def known_fields() -> list[str]:
    """All flags of a run, without their dashes."""
    return [item.name for group in _RUN for item in fields(group) if item.init]


def _suggestion(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word.lstrip("-").split("=")[0], known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; see {Path(sys.argv[0]).name} --help"
