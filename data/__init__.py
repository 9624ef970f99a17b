"""Corpora as datasets; importing this makes `datasets.load_dataset("ravdess", data_dir=...)` work."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from datasets import packaged_modules
from datasets.load import PackagedDatasetModuleFactory

from . import affectnet, crema_d, fer2013, ravdess
from .account import Account
from .collator import ClipCollator
from .corpus import Corpus, describe_corpus
from .decode import DecodeSettings
from .inputs import ClipInputs, EpochClock
from .label_sets import LABEL_SETS, LabelSet, label_set
from .protocols import PROTOCOLS, Fold, FoldRefusedError, fold
from .ravdess_names import RavdessName, parse_name
from .spec_augment import SpecAugment
from .stored_clips import StoredClips

# Dataset scripts are gone from `datasets`; this table of its own builders is what is left. It is private, hence the
# upper bound on `datasets` in pyproject.toml.
_CORPORA = {"ravdess": ravdess, "crema_d": crema_d, "fer2013": fer2013, "affectnet": affectnet}
for _name, _module in _CORPORA.items():
    packaged_modules._PACKAGED_DATASETS_MODULES[_name] = (
        _module.__name__,
        packaged_modules._hash_python_lines(inspect.getsource(_module).splitlines()),
    )


def _without_listing(get_module: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keep `datasets` from listing data_dir by two dozen patterns before it asks the builder, which does its own.

    That took two of the three seconds of opening a decoded RAVDESS, and three minutes for a tenth of AffectNet's 1.4
    million files, at every load. It does not look into folders that are links either.
    """

    @functools.wraps(get_module)
    def wrapped(factory: Any) -> Any:
        if factory.name in _CORPORA and factory.data_files is None:
            factory.data_files = {}
        return get_module(factory)

    return wrapped


PackagedDatasetModuleFactory.get_module = _without_listing(PackagedDatasetModuleFactory.get_module)

__all__ = [
    "LABEL_SETS",
    "PROTOCOLS",
    "Account",
    "ClipCollator",
    "ClipInputs",
    "Corpus",
    "DecodeSettings",
    "EpochClock",
    "Fold",
    "FoldRefusedError",
    "LabelSet",
    "RavdessName",
    "SpecAugment",
    "StoredClips",
    "describe_corpus",
    "fold",
    "label_set",
    "parse_name",
]
