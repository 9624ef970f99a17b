"""`emofusion serve`: one server with the small model, asked as strangers ask it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline
from helpers import REPOSITORY
from helpers.servers.file_server import FileServer

pytest.importorskip("litserve", reason="pip install -e '.[serve]'")

MODEL = REPOSITORY / "models" / "emofusion-small"
CLIP = (REPOSITORY / "docs" / "clips" / "drawn.mp4").read_bytes()
QUEUE = 2


class Service:
    """A server in a process of its own; what it writes goes into a file."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.log = folder / "log"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        words = [sys.executable, "-m", "emofusion", "serve", "--model", str(MODEL), "--port", "0", *flags]
        environment = {**os.environ, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)

    def wait(self) -> None:
        """Until it listens."""
        end = time.monotonic() + 500
        while (found := re.search(r"at (http://127\.0\.0\.1:(\d+)) ", self.log.read_text())) is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)
        self.url, self.port = found[1], int(found[2])

    def ask(self, content: bytes = CLIP, **words: object) -> requests.Response:
        return requests.post(
            f"{self.url}/predict", files={"file": ("../clip.mp4", content)}, params=words, timeout=300
        )

    def metrics(self) -> dict[str, float]:
        lines = requests.get(f"{self.url}/metrics", timeout=60).text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def hold_a_place(self) -> socket.socket:
        """A request that has begun and does not end."""
        connection = socket.create_connection(("127.0.0.1", self.port))
        kind = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 99"
        connection.sendall(f"POST /predict HTTP/1.1\r\nHost: x\r\n{kind}\r\n\r\n--b\r\n".encode())
        return connection


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    flags = ("--queue", str(QUEUE), "--private_addresses", "--max_mb", "3", "--max_windows", "20")
    running = Service(tmp_path_factory.mktemp("service"), *flags)
    try:
        running.wait()
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


@pytest.fixture(scope="module")
def expected() -> dict:
    pipe = EmoFusionPipeline(
        model=EmoFusionModel.from_pretrained(MODEL), processor=EmoFusionProcessor.from_pretrained(MODEL), device="cpu"
    )
    return pipe(CLIP)


def check_same(answer: dict, expected: dict) -> None:
    assert list(answer) == list(expected)
    assert answer["scores"] == pytest.approx(expected["scores"], abs=1e-4)
    assert {k: v for k, v in answer.items() if k in ("label", "modalities", "window", "notes")} == {
        k: v for k, v in expected.items() if k in ("label", "modalities", "window", "notes")
    }


def test_a_file_gets_the_answer_of_the_pipeline(service: Service, expected: dict):
    response = service.ask()
    assert response.status_code == 200, response.text
    check_same(response.json(), expected)


def test_an_address_does_too(service: Service, expected: dict):
    with FileServer({"/clip.mp4": CLIP}) as server:
        form = {"url": f"{server.url}/clip.mp4"}
        response = requests.post(f"{service.url}/predict", data=form, timeout=300)
    assert response.status_code == 200, response.text
    check_same(response.json(), expected)


def test_a_timeline_has_its_windows(service: Service):
    whole = service.ask(timeline=True, hop=0.5).json()
    assert [window["start"] for window in whole["timeline"]] == sorted({w["start"] for w in whole["timeline"]})
    assert set(whole["timeline"][0]) == {"start", "end", "label", "score", "scores", "gate", "modalities"}


@pytest.mark.parametrize(
    "content, words, status, said",
    [
        pytest.param(b"no clip at all", {}, 415, "expected a recording", id="text"),
        pytest.param(CLIP[: len(CLIP) // 2], {}, None, "the file", id="half"),
        pytest.param(b"", {}, 400, "empty", id="empty"),
        pytest.param(b"x" * (4 * 2**20), {}, 413, "at most 3", id="too large"),
        pytest.param(CLIP, {"timeline": True, "hop": 0.01}, 422, "hop", id="too many windows"),
        pytest.param(CLIP, {"hop": "often"}, 422, "hop: ", id="no number"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(
    service: Service, content: bytes, words: dict, status: int | None, said: str
):
    response = service.ask(content, **words)
    assert response.status_code == (status or response.status_code) < 500
    if response.status_code != 200:  # some containers can be read as far as they go
        assert list(response.json()) == ["error"]
        assert said in response.json()["error"]
        assert "/" not in response.json()["error"].replace("/docs", "").replace("and/or", "")


def test_a_form_needs_one_clip(service: Service):
    for form in ({}, {"url": ""}):
        response = requests.post(f"{service.url}/predict", data=form, timeout=60)
        assert (response.status_code, "found neither" in response.json()["error"]) == (400, True)
    response = requests.get(f"{service.url}/nowhere", timeout=60)
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


def test_a_body_that_does_not_say_its_size_is_counted(service: Service):
    def pieces() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        yield from [b"x" * 2**18] * 16

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = requests.post(f"{service.url}/predict", data=pieces(), headers=headers, timeout=60)
    assert (response.status_code, "at most 3" in response.json()["error"]) == (413, True)


def test_whoever_finds_it_full_is_told_when_to_come_again(service: Service):
    held = [service.hold_a_place() for _ in range(QUEUE)]
    try:
        wait_until(lambda: service.metrics()["emofusion_queue_length"] == QUEUE)
        response = service.ask()
        assert response.status_code == 429
        assert int(response.headers["Retry-After"]) >= 1
        assert "try again in" in response.json()["error"]
        assert requests.get(f"{service.url}/health", timeout=60).text == "ok"
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: service.metrics()["emofusion_queue_length"] == 0)
    assert service.ask().status_code == 200


def test_each_of_several_gets_its_own_answer(service: Service):
    with ThreadPoolExecutor(QUEUE) as pool:
        other = CLIP[: len(CLIP) // 8]  # no whole film
        asked = [pool.submit(service.ask, content) for content in (CLIP, other)]
    good, bad = (future.result() for future in asked)
    assert good.json()["label"]
    assert list(bad.json()) == ["error"]


def test_metrics_count_what_was_answered(service: Service):
    before = service.metrics()
    assert service.ask().status_code == 200
    assert service.ask(b"nothing").status_code == 415
    after = service.metrics()

    def more(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert more('emofusion_requests_total{status="200"}') == 1
    assert more('emofusion_requests_total{status="415"}') == 1
    assert more("emofusion_request_seconds_count") == 1
    assert more('emofusion_batch_size_bucket{le="1.0"}') == more("emofusion_batch_size_count") == 1
    assert after["emofusion_queue_limit"] == QUEUE


def test_openapi_describes_the_form_and_the_answer(service: Service):
    described = requests.get(f"{service.url}/openapi.json", timeout=60).json()
    predict = described["paths"]["/predict"]["post"]
    assert {"200", "413", "422", "429"} <= set(predict["responses"])
    assert {entry["name"] for entry in predict["parameters"]} == {"timeline", "hop"}
    (form,) = predict["requestBody"]["content"].values()
    assert set(described["components"]["schemas"][form["schema"]["$ref"].split("/")[-1]]["properties"]) == {
        "file",
        "url",
    }
    assert "timeline" in described["components"]["schemas"]["Answer"]["properties"]
    assert "swagger" in requests.get(f"{service.url}/docs", timeout=60).text


def test_nothing_of_a_visitor_is_left(service: Service):
    assert [path for path in service.temporary.rglob("*") if path.name.startswith("emofusion-")] == []
    assert "Traceback" not in service.log.read_text()


def test_it_stops_when_what_is_inside_is_answered(service: Service):
    """The last test of this file: it ends the server."""
    body = requests.Request("POST", f"{service.url}/predict", files={"file": ("x", CLIP)}).prepare()
    assert isinstance(body.body, bytes)
    head = "".join(f"{name}: {value}\r\n" for name, value in body.headers.items())
    with socket.create_connection(("127.0.0.1", service.port), timeout=300) as connection:
        connection.sendall(f"POST /predict HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body.body[:-10])
        wait_until(lambda: service.metrics()["emofusion_queue_length"] == 1)
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not listens(service.port))
        connection.sendall(body.body[-10:])
        answer = connection.recv(2**20)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert service.process.wait(120) == 0
    assert "Traceback" not in service.log.read_text()
    assert not alive(service.process.pid)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def alive(group: int) -> list[str]:
    """Processes that a server has left behind."""
    end = time.monotonic() + 30
    while (found := subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True).stdout.split()) and (
        time.monotonic() < end
    ):
        time.sleep(0.2)
    return found


def wait_until(is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)
