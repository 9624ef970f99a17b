"""Corpora as builders of `datasets`; `registry.py` is the list of them."""
