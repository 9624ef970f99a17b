"""The parser of `train_hf.py`, and the command line of one run. torch is imported only where a run is parsed."""

import argparse
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from transformers.hf_argparser import HfArgumentParser

from emofusion.training.errors import ArgumentError
from emofusion.training.suggestions import did_you_mean

from .arguments import ExperimentArguments, ModelArguments, StageArguments, TrainingDefaults
from .data_arguments import DataArguments
from .flags import EXPERIMENT_FLAGS, expected_one_of, name_of, run_flags
from .recipes import check_fields, read_recipe, starts_with_recipe, words_of_recipe
from .refused_flags import REFUSED, refusal

if TYPE_CHECKING:
    from .training_arguments import Arguments

USAGE = """accelerate launch --quiet train_hf.py [recipes/X.yaml] --data_dir DIR [--output_dir OUT] [--any_flag value]

on a laptop, on the synthetic demo corpus:
  python -m emofusion.data.demo_corpus runs/demo_corpus
  python train_hf.py recipes/demo.yaml --data_dir runs/demo_corpus --output_dir runs/demo
on one GPU, mixed precision (--quiet is accelerate's, and spares you its traceback where a flag is refused):
  accelerate launch --quiet train_hf.py recipes/gated.yaml --data_dir RAVDESS --output_dir runs/gated --bf16
score a checkpoint without training:
  python train_hf.py --model_name_or_path runs/gated --do_predict --data_dir RAVDESS --output_dir runs/gated_scores
every fold of a protocol; variants side by side; the best settings (repeat a command to go on where it was stopped):
  accelerate launch --quiet train_hf.py recipes/gated.yaml --protocol msaf6 --cross_validate --data_dir DIR ...
  accelerate launch --quiet train_hf.py recipes/gated.yaml --ablation recipes/ablations/fusions.yaml ...
  accelerate launch --quiet train_hf.py recipes/gated.yaml --search recipes/search/gated.yaml --data_dir DIR ...
"""

MORE_FLAGS = """\
The other flags of transformers' TrainingArguments work, too, such as --do_predict, --bf16, --use_cpu, --seed,
--max_steps, --resume_from_checkpoint latest and --push_to_hub; --help_all lists all of them. The few that make no
sense here are refused at once, with the reason. A flag that is true is turned off by `--flag false` or `--no_flag`.
"""


class _Help(argparse.HelpFormatter):
    """Help with the defaults that say something, and one spelling of each flag."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = getattr(action.default, "value", action.default)
        if default is None or default is False or default in ("", [], argparse.SUPPRESS):
            return action.help
        return f"{action.help or ''} (default: {' '.join(default) if isinstance(default, list) else default})"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        values = self._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
        return f"{action.option_strings[0]} {values}".strip()

    def add_argument(self, action: argparse.Action) -> None:
        """Leave out `--no_flag` of a flag that is true: it says the same again."""
        if not isinstance(action, argparse._StoreFalseAction):
            super().add_argument(action)


class Parser(HfArgumentParser):
    """Flags from dataclasses; what is wrong with them is an ArgumentError, and nothing is abbreviated.

    Args:
        groups (`Sequence[type]`): The dataclasses.
        options (`Any`): As `argparse.ArgumentParser` has them.
    """

    def __init__(self, groups: Sequence[type], **options: Any) -> None:
        super().__init__(tuple(groups), add_help=False, allow_abbrev=False, formatter_class=_Help, **options)

    @property
    def lists(self) -> set[str]:
        """The flags that take several values."""
        return {action.dest for action in self._actions if action.nargs == "+"}

    def error(self, message: str) -> NoReturn:
        """Raise in place of ending the process; the message begins with the flag, in one spelling."""
        found = re.match(r"argument --(\w+)(?:/--[\w-]+)?: (.*)", message, re.DOTALL)
        if found is None:
            raise ArgumentError(message)
        name, reason = found.groups()
        if name in REFUSED:
            raise ArgumentError(refusal(name))
        choice = re.match(r"invalid choice: '(.*)' \(choose from (.*)\)", reason)
        if choice is not None:
            word, choices = choice[1], choice[2].replace("'", "").split(", ")
            raise ArgumentError(f"--{name} {word}: {expected_one_of(choices, word)}")
        raise ArgumentError(f"--{name}: {reason}")

    def parse(self, words: list[str]) -> Any:
        """The dataclasses filled, and behind them the words that are no flags of theirs.

        Raises:
            ArgumentError: A value of the wrong type, or one that a dataclass refuses.
        """
        try:
            return self.parse_args_into_dataclasses(words, return_remaining_strings=True, look_for_args_file=False)
        except ArgumentError:
            raise
        except ValueError as error:  # TrainingArguments checks itself; its messages name the field
            raise ArgumentError(str(error)) from error


def print_help(all_flags: bool) -> None:
    """Print the flags of `train_hf.py`: ours, or all with those of transformers, which takes torch and so seconds."""
    parser = make_parser(all_flags)
    parser.epilog = None if all_flags else MORE_FLAGS
    parser.print_help()


def make_parser(all_flags: bool = True) -> Parser:
    """The parser of `train_hf.py`; a recipe's fields are its flags."""
    if not all_flags:
        ours = (ModelArguments, DataArguments, TrainingDefaults, StageArguments, ExperimentArguments)
        return Parser(ours, usage=USAGE)
    from .training_arguments import EmoFusionTrainingArguments

    groups = (ModelArguments, DataArguments, EmoFusionTrainingArguments, StageArguments, ExperimentArguments)
    return Parser(groups, usage=USAGE)


def parse_arguments(argv: Sequence[str]) -> "Arguments":
    """Read the command line of one run, whose first word may be a recipe.

    Raises:
        ArgumentError: Misspelt or impossible flag or recipe field.
    """
    from .training_arguments import Arguments, EmoFusionTrainingArguments
    from .values import check_numbers

    words = list(argv)
    check_flag_names(words)
    parser = Parser((ModelArguments, DataArguments, EmoFusionTrainingArguments, StageArguments))
    recipe = []
    if starts_with_recipe(words):
        path = words.pop(0)
        recipe = words_of_recipe(read_recipe(path), path, parser.lists)
    *groups, unknown = parser.parse([*recipe, *words])
    if unknown:
        raise ArgumentError(f"{unknown[0]}: it belongs to no flag; see train_hf.py --help_all")
    made = Arguments(*groups)
    try:
        for group in (made.model, made.data, made.stages):
            check_numbers(group)
    except ValueError as error:
        raise ArgumentError(str(error)) from error
    return made


def check_flag_names(words: Sequence[str]) -> None:
    """Find misspelt flags and recipe fields, which is quick, before anything else is looked at.

    Raises:
        ArgumentError: naming the first.
    """
    known = [*run_flags(), *EXPERIMENT_FLAGS]
    for word in words:
        name = name_of(word)
        if name is not None and name not in known and name.removeprefix("no_") not in known:
            hint = did_you_mean(name, known, "; see train_hf.py --help_all")
            raise ArgumentError(f"{word.split('=')[0]}: no such flag{hint}")
    if starts_with_recipe(words):
        check_fields(read_recipe(words[0]), words[0])
    for before, word in itertools.pairwise(words):
        is_value = before.startswith("--") and "=" not in before
        if starts_with_recipe([word]) and not is_value and not word.startswith("--"):
            raise ArgumentError(f"{word}: the recipe must be the first argument")
