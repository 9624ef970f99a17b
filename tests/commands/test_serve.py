"""Words of `emofusion serve` become a service's settings, or are refused by the name of the flag."""

from itertools import product

import pytest

from emofusion.commands.endings import UsageError
from emofusion.commands.serve.verb import _read_words
from helpers import REPOSITORY

MODEL = ("--model", str(REPOSITORY / "models" / "emofusion-small"))


def test_megabytes_become_bytes():
    limits = _read_words([*MODEL, "--max_mb", "3", "--held_mb", "0.5"]).limits
    assert (limits.max_bytes, limits.held_memory) == (3 * 2**20, 2**19)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *product(["--max_mb", "--held_mb", "--max_seconds", "--decode_seconds"], ["0", "-1", "nan", "inf"]),
        *product(["--max_windows"], ["0", "-1"]),
    ],
)
def test_limit_that_lets_nothing_through_is_refused(flag: str, value: str):
    with pytest.raises(UsageError, match=f"^{flag} {value}: expected more than 0$"):
        _read_words([*MODEL, flag, value])


@pytest.mark.parametrize(("flag", "value"), [("--workers", "0"), ("--wait", "nan"), ("--device", "tpu")])
def test_setting_with_which_nothing_would_be_served_is_refused(flag: str, value: str):
    with pytest.raises(UsageError, match=f"^{flag} {value}: expected"):
        _read_words([*MODEL, flag, value])
