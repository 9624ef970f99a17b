"""Corpora as datasets; importing this makes `datasets.load_dataset("ravdess", data_dir=...)` work.

What `__init__.pyi` names is imported when it is first used: a command's `--help` needs no torch.
"""

import lazy_loader

from .corpora.registration import register_with_datasets

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

register_with_datasets()
