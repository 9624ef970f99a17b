"""transformers' own common tests, run against our classes by `tests/modeling/test_transformers_common.py`."""
