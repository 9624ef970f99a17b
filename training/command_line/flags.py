"""Names of all flags, which are the fields of a recipe, too."""

from collections.abc import Sequence
from dataclasses import fields

from .arguments import DataArguments, ExperimentArguments, ModelArguments

EXPERIMENT_FLAGS = [item.name for item in fields(ExperimentArguments)]
"""Those of several runs, without their dashes."""


def run_flags() -> list[str]:
    """Those of one run, without their dashes."""
    from .training_arguments import EmoFusionTrainingArguments

    groups = (ModelArguments, DataArguments, EmoFusionTrainingArguments)
    return [item.name for group in groups for item in fields(group) if item.init]


def names_flag(words: Sequence[str], name: str) -> bool:
    """Whether a flag is among the words, spelt `--output_dir` or `--output-dir`."""
    return any(word.split("=")[0].lstrip("-").replace("-", "_") == name for word in words if word.startswith("--"))
