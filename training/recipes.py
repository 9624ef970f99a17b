"""Recipes: a YAML file gives defaults for the flags, and flags on the command line win."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import yaml
from transformers import HfArgumentParser

from .arguments import DataArguments, EmoFusionTrainingArguments, ModelArguments

USAGE = """accelerate launch train_hf.py [recipes/X.yaml] --data_dir DIR --output_dir OUT [--any_flag value]

on a laptop, on the synthetic demo corpus:
  python -m emofusion.data.demo_corpus runs/demo_corpus
  python train_hf.py recipes/demo.yaml --data_dir runs/demo_corpus --output_dir runs/demo
on one GPU, mixed precision:
  accelerate launch train_hf.py recipes/gated.yaml --data_dir RAVDESS --output_dir runs/gated --bf16
score a checkpoint without training:
  python train_hf.py --model_name_or_path runs/gated --do_predict --data_dir RAVDESS --output_dir runs/gated_scores
"""


class ArgumentError(ValueError):
    """A flag or a recipe field that cannot be used; the message names it."""


class _Parser(HfArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ArgumentError(message)


def make_parser() -> HfArgumentParser:
    """The parser of `train_hf.py`; a recipe's fields are its flags."""
    dataclasses = (ModelArguments, DataArguments, EmoFusionTrainingArguments)
    return _Parser(dataclasses, usage=USAGE, allow_abbrev=False)


def parse_arguments(argv: Sequence[str]) -> tuple[ModelArguments, DataArguments, EmoFusionTrainingArguments]:
    """Read a command line whose first word may be a recipe.

    Raises:
        ArgumentError: Misspelt or impossible flag or recipe field.
    """
    words = list(argv)
    recipe = read_recipe(words.pop(0)) if words and words[0].endswith((".yaml", ".yml")) else []
    parser = make_parser()
    model, data, training, unknown = _parse(parser, [*recipe, *words])
    if unknown and unknown[0].endswith((".yaml", ".yml")):
        raise ArgumentError(f"{unknown[0]}: the recipe must be the first argument")
    if unknown:
        raise ArgumentError(f"{unknown[0]}: no such flag{_suggestion(unknown[0], known_fields())}")
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
    known = known_fields()
    words = []
    for name, value in content.items():
        if name not in known:
            raise ArgumentError(f"{path}: no such field {name!r}{_suggestion(str(name), known)}")
        if value is None:
            continue
        # A single value in one word, so that -1e-3 is not taken for a flag.
        words += [f"--{name}", *map(str, value)] if isinstance(value, list) else [f"--{name}={value}"]
    return words


def known_fields() -> list[str]:
    """All flags, without their dashes."""
    return [
        item.name
        for group in (ModelArguments, DataArguments, EmoFusionTrainingArguments)
        for item in fields(group)
        if item.init
    ]


def _suggestion(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word.lstrip("-").split("=")[0], known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; see {Path(sys.argv[0]).name} --help"
