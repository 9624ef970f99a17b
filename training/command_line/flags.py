"""Names of all flags, which are the fields of a recipe, too.

Nothing here imports torch, so that it is said at once.
"""

import ast
import importlib.util
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path

from emofusion.training.suggestions import did_you_mean

from .arguments import ExperimentArguments, ModelArguments, StageArguments, TrainingDefaults
from .data_arguments import DataArguments

EXPERIMENT_FLAGS = [item.name for item in fields(ExperimentArguments)]
"""Those of several runs, without their dashes."""

STAGE_FLAGS = [item.name for item in fields(StageArguments)]
"""Those of training in stages, without their dashes."""


SOUND_AUGMENTATION = (
    "spec_augment",
    "spec_augment_strength",
    "time_shift",
    "gain_augment",
    "noise_augment",
    "mel_warp",
)
PICTURE_AUGMENTATION = ("frame_augment", "black_augment", "erase_augment", "unit_noise_augment")
AUGMENTATION = (*SOUND_AUGMENTATION, *PICTURE_AUGMENTATION, "mixup_alpha")
"""The fields of `DataArguments` that say what training does to clips beyond reading them."""


_FLAGS = {"time_shift": "time_shift", "mel_warp": "mel_warp", "mixup": "mixup_alpha"}


def flag_of(name: str) -> str:
    """The flag of a number of `Augmentation`, which calls it by a shorter name: `gain` is that of `--gain_augment`."""
    return _FLAGS.get(name, f"{name}_augment")


@cache
def run_flags() -> list[str]:
    """Those of one run, without their dashes."""
    groups = (ModelArguments, DataArguments, TrainingDefaults, StageArguments)
    ours = [item.name for group in groups for item in fields(group)]
    return [*ours, *(name for name in _flags_of_transformers() if name not in ours)]


def _flags_of_transformers() -> list[str]:
    """Fields of transformers' TrainingArguments, read from its source: importing it takes seconds."""
    package = importlib.util.find_spec("transformers")
    assert package is not None
    source = Path(str(package.origin)).with_name("training_args.py").read_text(encoding="utf-8")
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    (arguments,) = (node for node in classes if node.name == "TrainingArguments")
    return [
        line.target.id
        for line in arguments.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and not line.target.id.startswith("_")
    ]


def name_of(word: str) -> str | None:
    """The name of a flag in a word such as `--output-dir=OUT`: `output_dir`; None of a value."""
    return word.split("=")[0].removeprefix("--").replace("-", "_") if word.startswith("--") else None


def names_flag(words: Sequence[str], name: str) -> bool:
    """Whether a flag is among the words, spelt `--output_dir` or `--output-dir`."""
    return any(name_of(word) == name for word in words)


def last_value(words: Sequence[str], name: str) -> str | None:
    """The value that counts of a flag, written `--fold 1` or `--fold=1`; None where it is not among the words."""
    found = None
    for word, after in pairwise([*words, ""]):
        if name_of(word) == name:
            found = word.split("=", 1)[1] if "=" in word else after
    return found


def without(words: Sequence[str], names: Collection[str]) -> list[str]:
    """The words without some flags and their values."""
    left, drops = [], False
    for word in words:
        name = name_of(word)
        drops = drops if name is None else name in names or name.removeprefix("no_") in names
        if not drops:
            left.append(word)
    return left


def expected_one_of(choices: Iterable[str], word: object) -> str:
    """The end of a message on a word that is none of the choices."""
    names = list(choices)
    return f"expected one of {', '.join(names)}{did_you_mean(word, names, '')}"
