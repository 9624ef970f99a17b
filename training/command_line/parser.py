"""The parser of `train_hf.py`, and the command line of one run. torch is imported only where a run is parsed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from transformers.hf_argparser import HfArgumentParser

from emofusion.training.errors import ArgumentError

from .arguments import DataArguments, ExperimentArguments, ModelArguments, TrainingDefaults
from .flags import EXPERIMENT_FLAGS, run_flags
from .recipes import read_recipe, starts_with_recipe, words_of_recipe
from .suggestions import did_you_mean

if TYPE_CHECKING:
    from .training_arguments import Arguments

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

MORE_FLAGS = """\
The other flags of transformers' TrainingArguments work, too, such as --do_predict, --bf16, --use_cpu, --seed,
--max_steps, --resume_from_checkpoint latest and --push_to_hub; --help_all lists all of them.
"""


class Parser(HfArgumentParser):
    """Flags from dataclasses; what is wrong with them is an ArgumentError, and nothing is abbreviated.

    Args:
        groups (`Sequence[type]`): The dataclasses.
        options (`Any`): As `argparse.ArgumentParser` has them.
    """

    def __init__(self, groups: Sequence[type], **options: Any) -> None:
        super().__init__(tuple(groups), add_help=False, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise in place of ending the process."""
        raise ArgumentError(message)

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
        return Parser((ModelArguments, DataArguments, TrainingDefaults, ExperimentArguments), usage=USAGE)
    from .training_arguments import EmoFusionTrainingArguments

    return Parser((ModelArguments, DataArguments, EmoFusionTrainingArguments, ExperimentArguments), usage=USAGE)


def parse_arguments(argv: Sequence[str]) -> "Arguments":
    """Read the command line of one run, whose first word may be a recipe.

    Raises:
        ArgumentError: Misspelt or impossible flag or recipe field.
    """
    from .training_arguments import Arguments, EmoFusionTrainingArguments

    words = list(argv)
    recipe = words_of_recipe(read_recipe(path := words.pop(0)), path) if starts_with_recipe(words) else []
    *groups, unknown = Parser((ModelArguments, DataArguments, EmoFusionTrainingArguments)).parse([*recipe, *words])
    if starts_with_recipe(unknown):
        raise ArgumentError(f"{unknown[0]}: the recipe must be the first argument")
    if unknown:
        word = unknown[0].lstrip("-").split("=")[0]
        hint = did_you_mean(word, [*run_flags(), *EXPERIMENT_FLAGS], "; see train_hf.py --help_all")
        raise ArgumentError(f"{unknown[0]}: no such flag{hint}")
    return Arguments(*groups)
