"""Makes `datasets.load_dataset` know our corpora by name."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from datasets import packaged_modules
from datasets.load import PackagedDatasetModuleFactory

from .entry import CorpusEntry
from .registry import CORPORA


def register(entry: CorpusEntry) -> None:
    """Add a corpus of your own to those that `--corpus` and `load_dataset` know, for as long as this process lives.

    Raises:
        ValueError: There is one of that name, or the builder is defined where `datasets` cannot import it from.
    """
    if entry.name in CORPORA:
        raise ValueError(f"{entry.name}: a corpus of that name is there already; choose another name")
    if entry.builder.__module__ == "__main__":
        raise ValueError(f"{entry.name}: define its builder in a module, from which `datasets` can import it")
    _tell_datasets(entry)
    CORPORA[entry.name] = entry


def register_with_datasets() -> None:
    """Tell `datasets` of all corpora."""
    for entry in CORPORA.values():
        _tell_datasets(entry)
    PackagedDatasetModuleFactory.get_module = _without_listing(PackagedDatasetModuleFactory.get_module)


def _tell_datasets(entry: CorpusEntry) -> None:
    """Dataset scripts are gone from `datasets`; this table of its own builders is what is left.

    It is private, hence the upper bound on `datasets` in pyproject.toml.
    """
    module = sys.modules[entry.builder.__module__]
    hashed = packaged_modules._hash_python_lines(inspect.getsource(module).splitlines())
    packaged_modules._PACKAGED_DATASETS_MODULES[entry.name] = (module.__name__, hashed)


def _without_listing(get_module: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keep `datasets` from listing data_dir by two dozen patterns before it asks the builder, which does its own.

    That took two of the three seconds of opening a decoded RAVDESS, and three minutes for a tenth of AffectNet's 1.4
    million files, at every load. It does not look into folders that are links either.
    """

    @functools.wraps(get_module)
    def wrapped(factory: Any) -> Any:
        if factory.name in CORPORA and factory.data_files is None:
            factory.data_files = {}
        return get_module(factory)

    return wrapped
