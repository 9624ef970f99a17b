"""Corpora as datasets; importing this makes `datasets.load_dataset("ravdess", data_dir=...)` work."""

import inspect

from datasets import packaged_modules

from . import ravdess
from .collator import ClipCollator
from .corpus import Corpus, describe_corpus
from .inputs import ClipInputs, EpochClock
from .label_sets import LABEL_SETS, LabelSet, label_set
from .protocols import PROTOCOLS, Fold, fold
from .ravdess_names import RavdessName, parse_name
from .spec_augment import SpecAugment
from .store import DecodeSettings

# Dataset scripts are gone from `datasets`; this table of its own builders is what is left. It is private, hence the
# upper bound on `datasets` in pyproject.toml.
packaged_modules._PACKAGED_DATASETS_MODULES["ravdess"] = (
    ravdess.__name__,
    packaged_modules._hash_python_lines(inspect.getsource(ravdess).splitlines()),
)

__all__ = [
    "LABEL_SETS",
    "PROTOCOLS",
    "ClipCollator",
    "ClipInputs",
    "Corpus",
    "DecodeSettings",
    "EpochClock",
    "Fold",
    "LabelSet",
    "RavdessName",
    "SpecAugment",
    "describe_corpus",
    "fold",
    "label_set",
    "parse_name",
]
