"""What tests of reading media have in common."""

import pytest

from emofusion.modeling import pictures_emofusion as pictures


@pytest.fixture(params=["decord", "no decord"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to frames: what decord may read is read by decord, or decord is not installed."""
    if request.param == "no decord":
        monkeypatch.setattr(pictures, "decord", None)
    elif pictures.decord is None:
        pytest.skip("decord has no wheel for this machine")
    return request.param
