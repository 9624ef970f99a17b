"""The download of RAVDESS, against a real server on this machine that breaks, lies, stalls and refuses."""

import hashlib
import io
import logging
import multiprocessing
import os
import random
import re
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emofusion.data.download.record_files import PARTS, RemoteFile, describe_size, files_of
from emofusion.data.download.transfer import (
    ALREADY_THERE,
    SITE_VARIABLE,
    UNVERIFIED,
    VERIFIED,
    VERIFIED_BY_SERVER,
    Downloaded,
    DownloadError,
    download,
)
from helpers.servers.file_server import (
    FileServer,
    break_after,
    ignoring_if_range,
    in_chunks,
    pause_after,
    refuse,
    stall_after,
    web_page,
    whole,
    whole_with,
    without_length,
    without_ranges,
)

NAME = "Audio.zip"
HALF = 200_000
needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(),
    reason="a fork is a process that need not import torch again",
)


def make_zip(seed: int, size: int = 400_000) -> bytes:
    """A zip archive with one member that cannot be compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("03-01-01-01-01-01-01.wav", random.Random(seed).randbytes(size))
    return buffer.getvalue()


CONTENT, OTHER = make_zip(1), make_zip(2)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(SITE_VARIABLE, raising=False)
    with FileServer({f"/{NAME}": CONTENT}) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, server: FileServer) -> Iterator[Path]:
    """Where the test downloads to. Whatever happened, no file of a final name is there unless it is whole."""
    yield tmp_path / "ravdess"
    final = [path for path in (tmp_path / "ravdess").glob("*") if ".part" not in path.name]
    wholes = [*server.files.values(), CONTENT]
    assert all(path.read_bytes() in wholes for path in final)
    assert not list((tmp_path / "ravdess").glob("*.lock")) or not final, "a finished download leaves its lock"


def fetch(
    server: FileServer, folder: Path, md5: str | None = MD5, size: int | None = None, **options: Any
) -> Downloaded:
    options = {"timeout": 5.0, "first_wait": 0.01, "progress": False} | options
    (result,) = download([RemoteFile(NAME, f"{server.url}/{NAME}?download=1", md5, size)], folder, **options)
    return result


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def assert_whole(result: Downloaded, folder: Path, state: str = VERIFIED, content: bytes = CONTENT) -> None:
    assert result == Downloaded(NAME, folder / NAME, len(content), state)
    assert (folder / NAME).read_bytes() == content
    assert names(folder) == [NAME], "nothing else is left"


# A good server


def test_a_whole_file_is_fetched_and_verified(server: FileServer, folder: Path):
    assert_whole(fetch(server, folder), folder)
    (path, headers) = server.requests[0]
    assert (path, headers["Accept-Encoding"], "Range" in headers) == (f"/{NAME}", "identity", False)


def test_each_file_has_a_progress_bar_with_its_name(
    server: FileServer, folder: Path, capsys: pytest.CaptureFixture[str]
):
    server.script = [break_after(HALF)]
    fetch(server, folder, progress=True)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(r"Audio\.zip: 100%.* 400k/400k .*B/s\]$", last), last


@pytest.mark.parametrize("manner", [in_chunks, without_length()], ids=["chunks", "until the connection ends"])
def test_a_server_that_names_no_length(server: FileServer, folder: Path, manner: Callable):
    server.script = [manner]
    assert_whole(fetch(server, folder), folder)


def test_a_file_without_a_published_checksum_says_so(server: FileServer, folder: Path):
    assert_whole(fetch(server, folder, md5=None), folder, UNVERIFIED)


def test_the_checksum_that_zenodo_sends_is_used_where_none_is_published(server: FileServer, folder: Path):
    server.script = [whole_with(ETag=f'"md5:{MD5}"')]
    assert_whole(fetch(server, folder, md5=None), folder, VERIFIED_BY_SERVER)


def test_a_wrong_checksum_from_the_server_is_an_error(server: FileServer, folder: Path):
    server.script = [whole_with(ETag='"md5:' + "0" * 32 + '"')]
    with pytest.raises(DownloadError, match="its md5 is " + MD5):
        fetch(server, folder, md5=None)
    assert names(folder) == []


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_another_server_with_the_same_paths(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    (file,) = files_of(["video_song"], {3})
    server.files[path := f"/mirror/records/1188976/files/{file.name}"] = CONTENT
    if how == "environment":
        monkeypatch.setenv(SITE_VARIABLE, f"{server.url}/mirror")
    download([file], folder, base_url=f"{server.url}/mirror/" if how == "argument" else None, progress=False)
    assert [request[0] for request in server.requests] == [path]
    assert (folder / "Video_Song_Actor_03.zip").read_bytes() == CONTENT


def test_several_files_come_in_order_and_once_each(server: FileServer, folder: Path):
    server.files["/b.zip"] = OTHER
    files = [RemoteFile(name, f"{server.url}/{name}") for name in ("b.zip", NAME, "b.zip")]
    assert [result.name for result in download(files, folder, progress=False)] == ["b.zip", NAME]
    assert len(server.requests) == 2 and (folder / "b.zip").read_bytes() == OTHER


# Broken transfers


def test_a_broken_transfer_goes_on_where_it_ended(server: FileServer, folder: Path):
    server.script = [break_after(HALF), break_after(100_000)]
    assert_whole(fetch(server, folder), folder)
    assert len(server.requests) == 3
    starts = [int(str(asked).removeprefix("bytes=").removesuffix("-")) for asked in server.ranges[1:]]
    assert 0 < starts[0] <= HALF and starts[0] < starts[1] <= starts[0] + 100_000
    etag = hashlib.sha256(CONTENT).hexdigest()[:16]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, f'"{etag}"', f'"{etag}"']


def test_a_failed_call_keeps_the_part_for_the_next_call(server: FileServer, folder: Path):
    server.script = [break_after(HALF)]
    with pytest.raises(
        DownloadError, match=r"Audio\.zip\?download=1: .*Repeat the command later, it goes on from .*Audio\.zip\.part$"
    ):
        fetch(server, folder, retries=0)
    kept = (folder / f"{NAME}.part").stat().st_size
    assert names(folder) == [f"{NAME}.part", f"{NAME}.part.json"] and kept > 0
    assert_whole(fetch(server, folder), folder)
    assert server.ranges == [None, f"bytes={kept}-"]


def test_a_part_that_is_already_complete_needs_no_request(server: FileServer, folder: Path):
    server.script = [break_after(HALF)]
    with pytest.raises(DownloadError):
        fetch(server, folder, retries=0)
    (folder / f"{NAME}.part").write_bytes(CONTENT)  # stopped between the last byte and the final name
    assert_whole(fetch(server, folder), folder)
    assert len(server.requests) == 1


@pytest.mark.parametrize("note", [None, "", "[]", '{"etag": 1}', '{"etag": "x", "total": "y"}'])
def test_a_part_without_a_usable_note_starts_again(server: FileServer, folder: Path, note: str | None):
    folder.mkdir()
    (folder / f"{NAME}.part").write_bytes(b"who knows")
    if note is not None:
        (folder / f"{NAME}.part.json").write_text(note)
    assert_whole(fetch(server, folder), folder)
    assert server.ranges == [None]


def test_a_part_longer_than_the_file_starts_again(server: FileServer, folder: Path):
    server.script = [break_after(HALF)]
    with pytest.raises(DownloadError):
        fetch(server, folder, retries=0)
    (folder / f"{NAME}.part").write_bytes(CONTENT + b"more")
    server.script = [whole]  # answers 416
    assert_whole(fetch(server, folder), folder)
    assert server.ranges == [None, f"bytes={len(CONTENT) + 4}-", None]


def test_a_server_without_ranges_starts_again(server: FileServer, folder: Path):
    server.script = [break_after(HALF), without_ranges(whole)]
    assert_whole(fetch(server, folder), folder)
    assert server.ranges[1] is not None


@pytest.mark.parametrize("etag", [None, 'W/"1"'], ids=["none", "weak"])
def test_without_a_strong_etag_no_rest_is_asked_for(server: FileServer, folder: Path, etag: str | None):
    server.script = [break_after(HALF, ETag=etag)]
    assert_whole(fetch(server, folder), folder)
    assert server.ranges == [None, None]


@pytest.mark.parametrize("manner", [whole, ignoring_if_range], ids=["If-Range honoured", "If-Range ignored"])
def test_content_that_changed_between_two_attempts_is_not_mixed(server: FileServer, folder: Path, manner: Callable):
    server.script = [break_after(HALF)]
    with pytest.raises(DownloadError):
        fetch(server, folder, md5=None, retries=0)
    server.files[f"/{NAME}"] = OTHER
    server.script = [manner]
    assert_whole(fetch(server, folder, md5=None), folder, UNVERIFIED, OTHER)


def test_a_range_other_than_the_one_asked_for_is_not_appended(server: FileServer, folder: Path):
    server.script = [break_after(HALF), whole_with(Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")]
    assert_whole(fetch(server, folder), folder)
    assert server.ranges[2] is None


def test_an_answer_shorter_than_its_length_is_continued(server: FileServer, folder: Path):
    server.script = [break_after(len(CONTENT) - 1)]
    assert_whole(fetch(server, folder, md5=None), folder, UNVERIFIED)
    assert len(server.requests) == 2


def test_an_answer_without_length_that_ends_early_is_continued_where_the_size_is_known(
    server: FileServer, folder: Path
):
    server.script = [without_length(HALF)]
    assert_whole(fetch(server, folder, size=len(CONTENT)), folder)
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_an_answer_without_length_that_ends_early_is_never_kept(server: FileServer, folder: Path):
    server.script = [without_length(HALF)]
    with pytest.raises(DownloadError, match="not a complete zip archive"):
        fetch(server, folder, md5=None)
    assert names(folder) == []


def test_a_server_that_stalls_is_asked_again(server: FileServer, folder: Path):
    server.script = [stall_after(HALF), stall_after(0)]
    assert_whole(fetch(server, folder, timeout=0.3), folder)
    assert len(server.requests) == 3 and server.ranges[1] is not None


def test_progress_renews_the_patience(server: FileServer, folder: Path):
    server.script = [break_after(70_000)] * 4
    assert_whole(fetch(server, folder, retries=1), folder)


# Refusals


def test_an_error_of_the_server_is_tried_again(server: FileServer, folder: Path, caplog: pytest.LogCaptureFixture):
    server.script = [refuse(500), refuse(503)]
    assert_whole(fetch(server, folder), folder)
    assert [record.message for record in caplog.records] == [
        f"{server.url}/{NAME}?download=1: the server answers 500 Internal Server Error; trying again in 0.01 s",
        f"{server.url}/{NAME}?download=1: the server answers 503 Service Unavailable; trying again in 0.02 s",
    ]


def test_errors_without_end_are_given_up(server: FileServer, folder: Path):
    server.script = [refuse(500)] * 10
    with pytest.raises(DownloadError, match=r"500 Internal .* given up \(after 3 attempts in a row\)\. .* later$"):
        fetch(server, folder, retries=2)
    assert len(server.requests) == 3


@pytest.mark.parametrize(("value", "seconds"), [("0", 0.01), ("1", 1), ("soon", 0.01)])
def test_retry_after_is_honoured(
    server: FileServer, folder: Path, caplog: pytest.LogCaptureFixture, value: str, seconds: float
):
    server.script = [refuse(429, Retry_After=value)]
    begun = time.monotonic()
    assert_whole(fetch(server, folder), folder)
    assert caplog.records[0].message.endswith(f"429 Too Many Requests; trying again in {seconds:g} s")
    assert time.monotonic() - begun >= seconds


def test_a_server_that_asks_for_hours_is_an_error(server: FileServer, folder: Path):
    server.script = [refuse(429, Retry_After=7200)]
    with pytest.raises(DownloadError, match=r"429 Too Many Requests; given up \(it asks for 7200 s\)"):
        fetch(server, folder)


def test_a_retry_after_on_a_good_answer_means_nothing(server: FileServer, folder: Path):
    server.script = [whole_with(Retry_After=59)]  # as Zenodo does
    assert_whole(fetch(server, folder), folder)


def test_a_missing_file_is_an_error_that_names_the_url(server: FileServer, folder: Path):
    del server.files[f"/{NAME}"]
    with pytest.raises(DownloadError, match=re.escape(f"{server.url}/{NAME}?download=1: the server answers 404")):
        fetch(server, folder)
    assert len(server.requests) == 1 and names(folder) == []


def test_no_server_is_an_error_that_names_the_url(server: FileServer, folder: Path):
    with FileServer({}) as gone:
        url = gone.url
    with pytest.raises(DownloadError, match=f"{url}.* refused.*given up"):
        download([RemoteFile(NAME, f"{url}/{NAME}")], folder, retries=1, first_wait=0.01, progress=False)


def test_a_wrong_md5_leaves_nothing_and_names_both_sums(server: FileServer, folder: Path):
    server.files[f"/{NAME}"] = OTHER
    with pytest.raises(DownloadError, match="Try again, or fetch it by hand from") as error:
        fetch(server, folder)
    assert MD5 in str(error.value) and hashlib.md5(OTHER).hexdigest() in str(error.value)
    assert "\n" not in str(error.value) and names(folder) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/zip"])
@pytest.mark.parametrize("md5", [None, MD5], ids=["unverified", "md5"])
def test_a_web_page_instead_of_the_archive_is_never_kept(server: FileServer, folder: Path, kind: str, md5: str | None):
    server.script = [web_page(kind)]
    expected = "web page" if "html" in kind else "its md5 is" if md5 else "not a complete zip archive"
    with pytest.raises(DownloadError, match=expected):
        fetch(server, folder, md5)
    assert names(folder) == []


def test_a_web_page_in_place_of_the_rest_does_not_cost_the_part(server: FileServer, folder: Path):
    server.script = [break_after(HALF), web_page("text/html")]
    with pytest.raises(DownloadError, match="web page"):
        fetch(server, folder)
    assert_whole(fetch(server, folder), folder)
    assert server.ranges[2] is not None


def test_an_answer_compressed_in_transit_is_an_error(server: FileServer, folder: Path):
    server.script = [whole_with(Content_Encoding="gzip")]
    with pytest.raises(DownloadError, match="gzip, which was not asked for"):
        fetch(server, folder)


def test_too_little_room_is_an_error_before_the_transfer(server: FileServer, folder: Path):
    server.script = [break_after(0, Content_Length=10**18)]
    with pytest.raises(DownloadError, match=r"1\.00EB more needed for Audio\.zip\.part, .* free"):
        fetch(server, folder)
    assert len(server.requests) == 1 and f"{NAME}.part" not in names(folder)


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
def test_a_full_disk_is_an_error_and_not_tried_again(server: FileServer, folder: Path):
    server.script = [break_after(HALF)]
    with pytest.raises(DownloadError):
        fetch(server, folder, retries=0)
    part = folder / f"{NAME}.part"
    kept = part.stat().st_size
    with pytest.raises(DownloadError, match=r"Audio\.zip\.part: cannot be written \(File too large\)"):
        limited(fetch, kept + 1000, server, folder)
    assert_whole(fetch(server, folder), folder)


def limited(function: Callable, size: int, *arguments: Any) -> None:
    """Call it while no file may grow beyond `size`: as good as a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        function(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Files that are there


@pytest.mark.parametrize("md5", [None, MD5], ids=["unverified", "md5"])
def test_a_complete_file_is_kept(server: FileServer, folder: Path, md5: str | None):
    fetch(server, folder, md5)
    assert_whole(fetch(server, folder, md5), folder, ALREADY_THERE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("md5", "message"), [(None, "not a complete zip archive"), (MD5, MD5)], ids=["unverified", "md5"]
)
def test_a_wrong_file_is_reported_and_not_overwritten(
    server: FileServer, tmp_path: Path, md5: str | None, message: str
):
    (tmp_path / NAME).write_bytes(CONTENT[:HALF])
    with pytest.raises(DownloadError, match=f"lies there already, but .*{message}.*; move it away"):
        fetch(server, tmp_path, md5)
    assert (tmp_path / NAME).read_bytes() == CONTENT[:HALF] and server.requests == []


# Processes


class ToPipe(logging.Handler):
    """Sends messages to the parent process."""

    def __init__(self, pipe: Any) -> None:
        super().__init__()
        self.pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        self.pipe.send(record.getMessage())


def fetch_and_tell(pipe: Any, server: FileServer, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts jobs in the background without it
    logging.getLogger("emofusion.data.download.transfer").addHandler(ToPipe(pipe))
    pipe.send(fetch(server, folder, timeout=30.0))


def start_process(server: FileServer, folder: Path) -> tuple[Any, Any]:
    """A process that downloads, and the pipe that says what it warned of and what came of it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=fetch_and_tell, args=(there, server, folder))
    process.start()
    there.close()
    return process, here


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@needs_fork
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
def test_a_process_that_is_stopped_leaves_the_part_to_the_next(
    server: FileServer, folder: Path, signal_number: signal.Signals
):
    server.script = [pause_after(HALF)]
    process, _ = start_process(server, folder)
    part = folder / f"{NAME}.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 100_000)
    os.kill(process.pid, signal_number)
    process.join(30)
    assert process.exitcode not in (0, None) and not (folder / NAME).exists()
    kept = part.stat().st_size
    assert_whole(fetch(server, folder), folder)
    assert server.ranges == [None, f"bytes={kept}-"]


@needs_fork
def test_two_processes_at_once_fetch_it_once(server: FileServer, folder: Path):
    server.script = [pause_after(HALF)]
    first, first_pipe = start_process(server, folder)
    wait_until(lambda: len(server.requests) == 1)
    second, second_pipe = start_process(server, folder)
    assert second_pipe.poll(30) and "another process is fetching it" in second_pipe.recv()
    server.release.set()
    assert_whole(first_pipe.recv(), folder)
    assert_whole(second_pipe.recv(), folder, ALREADY_THERE)
    first.join(30), second.join(30)
    assert (first.exitcode, second.exitcode, len(server.requests)) == (0, 0, 1)


# Tables


def test_the_tables_of_the_record():
    files = files_of(PARTS)
    assert len(files) == 1 + 1 + 24 + 23 + 1 and len({file.name for file in files}) == len(files)
    by_name = {file.name: file for file in files}
    assert {file.name: (file.md5, file.size) for file in files if file.md5 or file.size} == {
        "Audio_Speech_Actors_01-24.zip": ("bc696df654c87fed845eb13823edef8a", 208468073),
        "Audio_Song_Actors_01-24.zip": ("5411230427d67a21e18aa4d466e6d1b9", 225505317),
    }
    assert {name for name in by_name if "Video_Speech" in name} == {
        f"Video_Speech_Actor_{n:02}.zip" for n in range(1, 25)
    }
    assert {name for name in by_name if "Video_Song" in name} == {
        f"Video_Song_Actor_{n:02}.zip" for n in range(1, 25) if n != 18
    }
    face_tracks = by_name.pop("FacialTracking_Actors_01-24.zip")
    assert face_tracks.url == "https://zenodo.org/records/3255102/files/FacialTracking_Actors_01-24.zip?download=1"
    for name, file in by_name.items():
        assert file.url == f"https://zenodo.org/records/1188976/files/{name}?download=1"
        assert file.page == "https://zenodo.org/records/1188976"


def test_actors_choose_videos_and_sound_comes_whole():
    names = [file.name for file in files_of(["video_song", "audio_song", "video_song"], [19, 18, 2])]
    assert names == ["Video_Song_Actor_02.zip", "Video_Song_Actor_19.zip", "Audio_Song_Actors_01-24.zip"]


@pytest.mark.parametrize(
    ("parts", "actors", "message"),
    [
        (["audio"], None, f"parts: unknown 'audio'; the choices are {', '.join(PARTS)}"),
        (["audio_speech"], [0, 3, 25], r"actors: unknown \[0, 25\]; the choices are 1 to 24"),
        (["video_song"], [18], "nothing to fetch .*actor 18 has no song"),
        (["video_speech"], [], "nothing to fetch"),
        ([], None, "nothing to fetch"),
    ],
)
def test_wrong_choices_are_one_clear_error(parts: list[str], actors: list[int] | None, message: str):
    with pytest.raises(ValueError, match=message):
        files_of(parts, actors)


def test_the_size_is_told_before():
    assert describe_size(files_of(["audio_speech"])) == "1 file: 208MB in 1 file"
    assert describe_size(files_of(PARTS)) == (
        "50 files: 434MB in 2 files, about 23.5GB in 47 files of video (not confirmed), 1 file of unknown size"
    )
