"""Requests that no page sends, to a real server: what it takes for the internet counts who comes."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emofusion.serving.page import sweeping
from emofusion.serving.page.doors import HELD_CLIPS, Doors, check
from emofusion.serving.page.sweeping import sweep, swept
from emofusion.serving.refused import Refused
from helpers import REPOSITORY
from helpers.servers.knocks import Knocks, counted_knocks
from helpers.servers.page_process import shown_page
from helpers.tiny_checkpoint import FOLDER

pytestmark = pytest.mark.slow

MODELS = [str(FOLDER), FOLDER.relative_to(REPOSITORY).as_posix()]
META = {"meta": {"_type": "gradio.FileData"}}
ELSEWHERE = (
    *("http://hf.co/clip.mp4", "https://hf.co/clip.mp4"),  # a host that Gradio trusts
    *("http://clips.invalid/clip.mp4", "http://127.0.0.1:1/clip.mp4"),  # whose name it asks Google for
)


@pytest.fixture(scope="module")
def knocks() -> Iterator[Knocks]:
    with counted_knocks() as knocks:
        yield knocks


@pytest.fixture
def internet(knocks: Knocks) -> Knocks:
    """What the server takes for the internet, where nobody has come yet."""
    knocks.asked.clear()
    return knocks


@pytest.fixture(scope="module")
def address(knocks: Knocks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shown_page(MODELS, tmp_path_factory.mktemp("t"), knocks.url) as address:
        yield address


@pytest.fixture
def config(address: str) -> dict[str, Any]:
    return json.loads(answered(f"{address}/config")[1])


def answered(url: str, body: Any = None, kind: str = "application/json") -> tuple[int, str]:
    """Status and words of what the server answers."""
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": kind})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def question(config: dict[str, Any], clip: Any) -> dict[str, Any]:
    """What the page sends when somebody asks about a clip."""
    (asked,) = [it for it in config["dependencies"] if it["api_name"] == "ask"]
    data = {"video": clip, "dropdown": None, "checkbox": False, "slider": 1}
    kinds = {it["id"]: it["type"] for it in config["components"]}
    return {
        "data": [data.get(kinds[number]) for number in asked["inputs"]],
        "fn_index": asked["id"],
        "session_hash": "stranger",
    }


def assert_refused(answer: tuple[int, str], status: int, *words: str) -> None:
    """In words, as JSON, and without a trace of the machine."""
    found, said = answer
    assert found == status, said
    told = json.loads(said)["detail"]
    assert all(word in told for word in words) and "/" not in told, told


@pytest.mark.parametrize("place", ELSEWHERE)
def test_address_in_place_of_an_upload_is_not_fetched(
    address: str, config: dict[str, Any], internet: Knocks, place: str
):
    asked = question(config, {"path": place, "url": place, **META})
    answer = answered(f"{address}/gradio_api/queue/join", asked)
    if answer[0] == 200:  # then it waits in line, until it has been dealt with
        answered(f"{address}/gradio_api/queue/data?session_hash=stranger")
    assert internet.asked == []
    assert_refused(answer, 403, "uploaded here", "Upload it")


@pytest.mark.parametrize(
    "door", ["run/ask", "api/ask", "call/ask", "call/v2/ask", "stream/anything", "component_server"]
)
def test_doors_that_no_page_uses_are_shut(address: str, config: dict[str, Any], internet: Knocks, door: str):
    asked = question(config, {"path": ELSEWHERE[0], **META})
    answer = answered(f"{address}/gradio_api/{door}", asked)
    assert internet.asked == []
    assert_refused(answer, 404, "emofusion serve")


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("door", ["file", "proxy"])
def test_server_hands_on_nothing_that_lies_elsewhere(address: str, internet: Knocks, door: str, place: str):
    answer = answered(f"{address}/gradio_api/{door}={place}")
    assert internet.asked == []
    assert_refused(answer, 404, "the page asks")


def test_browser_is_told_names_of_models_and_not_where_they_lie(address: str, config: dict[str, Any]):
    (dropdown,) = [it for it in config["components"] if it["type"] == "dropdown"]
    names = [FOLDER.name, f"{FOLDER.name} (2)"]  # one folder by two names
    assert dropdown["props"]["choices"] == [[name, name] for name in names]
    for shown in ("/", "/config"):
        assert FOLDER.parent.name not in answered(f"{address}{shown}")[1]


def test_answers_of_a_visitor_are_not_kept_for_others(address: str):
    assert_refused(answered(f"{address}/gradio_api/deep_link?session_hash=stranger"), 404, "the page asks")


@pytest.mark.parametrize(
    "body, status, words",
    [
        (b"{", 400, "as JSON"),
        (b"[" * 100_000, 400, "as JSON"),
        (b'"' + b"a" * 2**20 + b'"', 413, "too large"),
        ({"data": [{"path": "/etc/passwd", **META}]}, 403, "uploaded here"),
        ({"event_data": {"a": [[{"path": ELSEWHERE[0]}]]}}, 403, "uploaded here"),
        ({"data": [{"path": ["no text"]}]}, 403, "uploaded here"),
        (b'{"data": [{"path": "/tmp/clip", "path": "http://hf.co/clip.mp4"}]}', 403, "uploaded here"),
    ],
)
def test_question_that_no_page_asks_is_refused_in_words(address: str, body: Any, status: int, words: str):
    for kind in ("application/json", "text/plain"):
        assert_refused(answered(f"{address}/gradio_api/queue/join", body, kind), status, words)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """A folder as Gradio fills it, and what else somebody might name."""
    for place in ("uploads/a/clip.mp4", "uploads/a/b/clip.mp4", "uploads/clip.mp4", "clip.mp4", "uploads2/a/clip.mp4"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"clip")
    (tmp_path / "uploads" / "a" / "link.mp4").symlink_to(tmp_path / "clip.mp4")
    return tmp_path / "uploads"


def naming(path: str) -> bytes:
    return json.dumps({"data": [None, {"path": path}]}).encode()


@pytest.mark.parametrize("name", ["clip.mp4", "swept_away.mp4"])
def test_upload_is_let_in(uploads: Path, name: str):
    check(naming(f"{uploads}/a/{name}"), uploads)


@pytest.mark.parametrize(
    "other",
    [
        *("../clip.mp4", "a/../../clip.mp4", "a/../a/clip.mp4", "../uploads2/a/clip.mp4"),
        *("clip.mp4", "a/b/clip.mp4", "a", "a/b", "a/link.mp4", "", ".", "a/\0"),
    ],
)
def test_what_is_no_upload_is_not(uploads: Path, other: str):
    """Folders neither: Gradio would count them among the files that it deletes, and stumble."""
    with pytest.raises(Refused) as refused:
        check(naming(f"{uploads}/{other}"), uploads)
    assert refused.value.status == 403


def test_upload_says_how_large_it_is_and_finds_room(uploads: Path):
    doors = Doors(lambda *_: None, uploads, largest=100)  # type: ignore[arg-type]
    doors._check_room(b"100")
    for announced, status in ((b"", 411), (b"-1", 411), (b"9" * 5000, 413), (b"70000", 413)):
        with pytest.raises(Refused) as refused:
            doors._check_room(announced)
        assert refused.value.status == status
    (uploads / "tmp1").write_bytes(bytes(HELD_CLIPS * 100))  # was broken off, or waits for its question
    with pytest.raises(Refused) as refused:
        doors._check_room(b"100")
    assert refused.value.status == 503


def test_what_was_left_behind_is_swept(uploads: Path):
    old = time.time() - 100
    for place in [*uploads.rglob("*"), uploads / "a"]:
        os.utime(place, (old, old), follow_symlinks=False)
    (uploads / "b").mkdir()
    (uploads / "b" / "clip.mp4").write_bytes(b"clip")  # of somebody who is there
    sweep(uploads, kept=200)
    assert (uploads / "a" / "clip.mp4").exists()
    sweep(uploads, kept=50)
    assert sorted(uploads.rglob("*")) == [uploads / "b", uploads / "b" / "clip.mp4"]
    assert (uploads.parent / "clip.mp4").exists()  # to which a link led


def test_upload_without_an_end_is_swept(uploads: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweeping, "EVERY_S", 0.01)
    with swept(uploads, kept=0.05):
        end = time.monotonic() + 30
        while list(uploads.iterdir()):
            assert time.monotonic() < end
            time.sleep(0.01)
