"""The page as visitors meet it: a real server, a real model, and Chromium on a desk and on a phone."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from helpers import REPOSITORY
from helpers.corpora.ravdess_files import make_sound, write_sound
from helpers.servers.browser import NAMES, chromium
from helpers.servers.knocks import counted_knocks
from helpers.servers.page_process import shown_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[page]'")

MODEL = "models/emofusion-small"
DRAWN = REPOSITORY / "docs" / "clips" / "drawn.mp4"
PATIENCE_MS = 240_000  # on a machine that has much else to do
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server puts what is temporary."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="module")
def address(browser: "Browser", temporary: Path) -> Iterator[str]:
    """A page that is shown by a process of its own; of `browser` first, for without one nobody waits for a server."""
    with counted_knocks() as internet:
        with shown_page([MODEL, "tests/helpers/tiny_checkpoint/files"], temporary, internet.url) as address:
            yield address
        assert internet.asked == []  # nobody is told of what visitors do


@pytest.fixture
def visits(browser: "Browser", address: str) -> "Iterator[Any]":
    """Opens the page for a new visitor; nobody's browser may ask another host, or meet an error of a script."""
    with visiting(browser, address) as visit:
        yield visit


@contextmanager
def visiting(browser: "Browser", address: str) -> "Iterator[Any]":
    asked: list[str] = []
    errors: list[str] = []
    contexts = []

    def visit(size: dict[str, int] = DESK) -> "Page":
        contexts.append(browser.new_context(viewport=size))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.get_by_role("button", name="Name the emotion").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(address).netloc}
    assert errors == []


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
    from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

    model = str(REPOSITORY / MODEL)
    return EmoFusionPipeline(
        model=EmoFusionModel.from_pretrained(model), processor=EmoFusionProcessor.from_pretrained(model), device="cpu"
    )


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write_sound(path, make_sound(seconds=2.0))
    return path


def give(page: "Page", clip: Path) -> None:
    """Choose a file, on the tab where its kind is asked for."""
    is_sound = clip.suffix == ".wav"
    page.get_by_role("tab", name="Sound" if is_sound else "Film").click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.locator("input[type=file]").set_input_files(clip)
    panel.get_by_role("button", name=re.compile("Clear|Remove")).wait_for()


def ask(page: "Page") -> None:
    page.get_by_role("button", name="Name the emotion").click()


def answer_on(page: "Page") -> dict[str, Any]:
    """What can be downloaded, when it is there."""
    page.locator("#verdict h2").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as JSON").click()
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))


def assert_same(told: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The page says what the pipeline says."""
    assert told["label"] == wanted["label"]
    assert told["scores"] == pytest.approx(wanted["scores"], abs=1e-4)
    assert told["gate"] == pytest.approx(wanted["gate"], abs=1e-4)
    assert {name: told[name] for name in ("window", "duration", "modalities", "notes")} == {
        name: wanted[name] for name in ("window", "duration", "modalities", "notes")
    }


def uploads(temporary: Path) -> list[Path]:
    return [path for path in temporary.glob("emofusion*/**/*") if path.is_file()]


@pytest.mark.slow
def test_film_is_answered_as_by_the_pipeline_and_deleted(visits: Any, pipeline: Any, temporary: Path):
    page, wanted = visits(), pipeline(str(DRAWN))
    give(page, DRAWN)
    assert len(uploads(temporary)) == 1
    ask(page)
    told = answer_on(page)
    assert told.pop("model") == "emofusion-small"  # not where it lies
    assert_same(told, wanted)
    assert page.locator("#verdict h2").inner_text().lower() == wanted["label"]
    assert f"{wanted['score']:.2f}" in page.locator("#verdict").inner_text()
    assert max(wanted["scores"], key=wanted["scores"].get) in page.locator("#scores").inner_text()
    assert page.locator("#seen img").count() == pipeline.processor.num_frames + 1  # frames, and a spectrogram
    page.get_by_role("button", name="Clear").wait_for(state="detached")
    assert uploads(temporary) == []


@pytest.mark.slow
def test_timeline_is_shown_and_a_clip_that_is_kept_can_be_asked_about_again(visits: Any, pipeline: Any):
    page, wanted = visits(PHONE), pipeline(str(DRAWN), return_timeline=True, hop=1.0)
    give(page, DRAWN)
    page.get_by_label("Keep my clip").check()
    ask(page)
    assert "timeline" not in answer_on(page)
    page.get_by_label("Follow it through").check()
    ask(page)
    page.locator("#timeline summary").click()
    rows = page.locator("#timeline tbody tr")
    assert [row.split("\t")[1] for row in rows.all_inner_texts()] == [w["label"] for w in wanted["timeline"]]
    assert len(answer_on(page)["timeline"]) == len(wanted["timeline"])
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


@pytest.mark.slow
def test_broken_file_is_refused_in_words(visits: Any, tmp_path: Path, temporary: Path):
    broken = tmp_path / "secret_name.mp4"
    broken.write_bytes(DRAWN.read_bytes()[:3000])
    page = visits()
    give(page, broken)
    ask(page)
    alert = page.get_by_test_id("toast-body").filter(has_text="the file: expected a recording")
    alert.wait_for()  # the browser, too, may have said that it cannot play this
    words = alert.inner_text()
    assert not re.search(r"/|Traceback|\.py|secret_name", words.replace("mp4, mov, webm, wav or mp3", ""))
    page.close()  # until then it lies before its visitor, who may remove it
    until = time.monotonic() + 60
    while uploads(temporary) and time.monotonic() < until:
        time.sleep(0.2)
    assert uploads(temporary) == []


@pytest.mark.slow
def test_two_visitors_at_once_get_their_own_answers(visits: Any, pipeline: Any, voice: Path):
    clips = {DRAWN: visits(), voice: visits()}
    for clip, page in clips.items():
        give(page, clip)
    for page in clips.values():
        ask(page)
    for clip, page in clips.items():
        told = answer_on(page)
        assert_same({name: told[name] for name in told if name != "model"}, pipeline(str(clip)))


@pytest.mark.slow
def test_same_clip_of_two_visitors_is_kept_for_the_second(visits: Any, temporary: Path):
    first, second = visits(), visits()
    for page in (first, second):
        give(page, DRAWN)
    ask(first)
    answer_on(first)
    ask(second)
    assert answer_on(second)["modalities"] == ["audio", "video"]
    assert uploads(temporary) == []


@pytest.mark.slow
def test_other_model_and_an_example_made_on_the_spot(visits: Any, temporary: Path):
    page = visits()
    page.get_by_role("button", name="A voice alone").click()
    page.get_by_text("a made-up voice without a picture").wait_for()
    page.get_by_label("Model").click()
    page.get_by_role("option", name="files").click()
    page.locator("#limits").get_by_text("no card").wait_for()
    ask(page)
    told = answer_on(page)
    assert told["modalities"] == ["audio"]
    assert told["model"] == "files"
    assert uploads(temporary) == []


@pytest.mark.slow
def test_recordings_of_camera_and_microphone_are_answered(visits: Any):
    """The browser's own: a camera that shows a clock, a microphone that beeps."""
    page = visits()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    page.get_by_role("tab", name="Sound").click()
    panel.get_by_role("button", name="Record audio").click()
    panel.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(3000)
    panel.get_by_role("button", name="Stop", exact=True).click()
    panel.get_by_role("button", name="Play", exact=True).wait_for()
    ask(page)
    told = answer_on(page)
    assert told["modalities"] == ["audio"] and 1 < told["duration"] < 30

    page.get_by_role("tab", name="Film").click()
    panel.get_by_role("button", name="Capture from camera").click()
    panel.get_by_role("button", name="Click to Access Webcam").click()
    panel.get_by_role("button", name="Record").click()
    page.wait_for_timeout(3000)
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_role("button", name="play-pause").wait_for()
    ask(page)
    page.locator("#verdict").get_by_text("sound and picture").wait_for()
    assert answer_on(page)["modalities"] == ["audio", "video"]


@pytest.mark.slow
def test_long_work_is_cancelled_and_the_next_is_answered(visits: Any, tmp_path: Path, voice: Path):
    page = visits()
    begin_long_work(page, tmp_path)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("nothing was answered").wait_for()
    give_again(page, voice)
    page.get_by_label("Follow it through").uncheck()
    ask(page)
    assert answer_on(page)["duration"] == pytest.approx(2.0, abs=0.1)


@pytest.mark.slow
def test_old_answer_goes_when_a_question_begins_and_when_the_clip_changes(visits: Any, voice: Path, temporary: Path):
    page = visits()
    page.get_by_label("Keep my clip").check()
    page.get_by_label("Follow it through").check()
    give(page, DRAWN)
    ask(page)
    answer_on(page)
    page.locator("#timeline img").wait_for()
    give(page, voice)
    assert_no_answer(page)

    ask(page)
    answer_on(page)
    for path in uploads(temporary):
        path.unlink()
    ask(page)
    page.get_by_test_id("toast-body").filter(has_text="has been deleted here").wait_for()
    assert_no_answer(page)


def assert_no_answer(page: "Page") -> None:
    page.get_by_text("The answer will stand here").wait_for()
    page.locator("#scores").wait_for(state="hidden")
    for name in ("#seen", "#timeline"):
        page.locator(f"{name} img").first.wait_for(state="detached")


@pytest.mark.slow
def test_new_clip_ends_the_question_about_the_old_one(visits: Any, tmp_path: Path, pipeline: Any):
    page = visits()
    begin_long_work(page, tmp_path)
    give(page, DRAWN)
    page.locator("button:disabled", has_text="Cancel").wait_for()
    assert_no_answer(page)
    assert page.get_by_test_id("toast-body").count() == 0
    page.get_by_label("Follow it through").uncheck()
    ask(page)
    assert answer_on(page)["window"] == pipeline(str(DRAWN))["window"]


def begin_long_work(page: "Page", folder: Path) -> None:
    """Ask for more than is answered before anybody has hit a button."""
    write_sound(folder / "long.wav", make_sound(seconds=590.0))
    give(page, folder / "long.wav")
    page.get_by_label("Follow it through").check()
    page.get_by_label("Seconds from one look to the next").first.fill("0.5")
    ask(page)
    doing = page.locator(".progress-text, .progress-level, .meta-text")
    doing.filter(has_text=re.compile("Looking|Reading")).first.wait_for()


def give_again(page: "Page", clip: Path) -> None:
    page.get_by_role("tabpanel").filter(visible=True).get_by_role("button", name=re.compile("Clear|Remove")).click()
    give(page, clip)


@pytest.mark.slow
def test_keyboard_and_screen_reader_find_their_way(visits: Any):
    page = visits(PHONE)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    named = page.evaluate(NAMES)
    assert [what for what, name in named if not name] == []
    assert page.get_by_role("heading", level=1).count() == 1
    for name in ("verdict", "timeline"):
        assert page.locator(f"#{name}").get_attribute("aria-live") == "polite"
    reached = []
    page.locator("body").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
        if reached[-1] == "Name the emotion":
            break
    wanted = ["Film", "A short film", "Name the emotion"]  # a tab, an example, the question: in this order
    assert [name for name in reached if name in wanted] == wanted, reached
    page.keyboard.press("Enter")
    toast = page.get_by_test_id("toast-body")
    toast.wait_for()
    assert "There is no clip yet" in toast.inner_text()
    assert toast.get_attribute("role") in ("alert", "status")  # either is read aloud


@pytest.mark.slow
def test_server_gives_no_file_of_the_machine(address: str, visits: Any):
    visits()
    for path in ("/etc/passwd", str(REPOSITORY / "pyproject.toml"), str(DRAWN)):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{address}/gradio_api/file={path}", timeout=30)
        assert error.value.code in (403, 404)
