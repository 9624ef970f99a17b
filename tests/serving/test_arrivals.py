"""Uploads become files that nobody else sees, that are counted while they arrive, and that are gone afterwards."""

import io
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from emofusion.serving.addresses import Url
from emofusion.serving.arrivals import CHUNK, Upload, arrived
from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused
from helpers.servers.file_server import FileServer, without_length

LIMITS = Limits(max_bytes=1_000_000, private_addresses=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("upload", [b"abc" * 90_000, io.BytesIO(b"abc" * 90_000), iter([b"abc"] * 90_000)])
def test_upload_is_a_file_for_a_while(upload: Upload, folder: Path):
    with arrived(upload, LIMITS) as path:
        assert path.read_bytes() == b"abc" * 90_000
        assert path.parent.parent == folder
        assert path.parent.stat().st_mode & 0o077 == 0
    assert list(folder.iterdir()) == []


def test_file_is_gone_after_an_error(folder: Path):
    with pytest.raises(ZeroDivisionError), arrived(b"abc", LIMITS):
        assert list(folder.iterdir())
        raise ZeroDivisionError
    assert list(folder.iterdir()) == []


def test_what_is_too_large_is_not_taken_to_its_end(folder: Path):
    """An endless one is refused: it was neither held in memory nor written as a whole."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += CHUNK
            yield bytes(CHUNK)

    with pytest.raises(Refused) as caught, arrived(endless(), LIMITS):
        pass
    assert (caught.value.status, list(folder.iterdir())) == (413, [])
    assert "at most 1 MB" in caught.value.message
    assert taken <= LIMITS.max_bytes + CHUNK


def test_download_that_does_not_say_its_size_is_counted(folder: Path):
    with FileServer({"/clip": bytes(LIMITS.max_bytes + 1)}) as server:
        server.script = [without_length()]
        with pytest.raises(Refused) as caught, arrived(Url(f"{server.url}/clip"), LIMITS):
            pass
        with arrived(Url(f"{server.url}/clip"), Limits(private_addresses=True)) as path:
            assert path.stat().st_size == LIMITS.max_bytes + 1
    assert (caught.value.status, list(folder.iterdir())) == (413, [])


def test_no_room_is_told_in_words(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A system that takes no more bytes of a file stands for a full disk: it says so when they are written."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(Refused) as caught, arrived(bytes(1000), LIMITS):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.status, list(folder.iterdir())) == (503, [])
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    with pytest.raises(Refused) as caught, arrived(bytes(1000), LIMITS):
        pass
    assert caught.value.status == 503


@pytest.mark.parametrize("upload", [b"", io.BytesIO(), iter([])])
def test_empty_upload_is_refused(upload: Upload, folder: Path):
    with pytest.raises(Refused) as caught, arrived(upload, LIMITS):
        pass
    assert (caught.value.status, list(folder.iterdir())) == (400, [])


@pytest.mark.parametrize(
    "limit",
    ["max_bytes", "max_seconds", "max_windows", "decode_seconds", "fetch_seconds", "decode_memory", "held_memory"],
)
def test_limit_that_lets_nothing_through_is_an_error(limit: str):
    with pytest.raises(ValueError, match=f"{limit}=0"):
        Limits(**{limit: 0})
