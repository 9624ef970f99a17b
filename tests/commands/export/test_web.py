"""`emofusion export --to web`: a folder for any server of plain files, and what it answers in Chromium."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from emofusion.commands.export import run_onnx, web
from emofusion.commands.export.verb import ORT_VERSION
from emofusion.commands.main import main
from emofusion.modeling.media_emofusion import read_clip
from emofusion.modeling.window_emofusion import HOP_S
from helpers import REPOSITORY
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound
from helpers.exports import save_model
from helpers.servers.browser import NAMES, chromium, one_that_lends_nothing
from helpers.servers.static_files import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODEL = REPOSITORY / "models" / "emofusion-small"
DRAWN = REPOSITORY / "docs" / "clips" / "drawn.mp4"
RUNTIME = REPOSITORY / ".cache" / f"onnxruntime-web-{ORT_VERSION}.tgz"
PATIENCE_MS = 120_000
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
NEAR_SOUND = 0.002
"""Of probabilities: by wav and flac files of 16 and 48 kHz, 0.0001 at most on the voices in ../shared/data."""
NEAR_FILM = 0.02
"""The same by films, of the same seconds: Chromium's colours are up to 3 of 255 brighter than FFmpeg's."""
FILMS = ("derived/01-01-08-02-01-01-19.mp4", "derived/rotated_phone.mp4", "derived/vp9_opus.webm", "mead/happy.mp4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes of the model in the box, without onnxruntime-web."""
    output = tmp_path_factory.mktemp("web")
    assert main(["export", str(MODEL), "--to", "web", "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """The same with onnxruntime-web."""
    if not RUNTIME.is_file():
        pytest.skip(f"needs .cache/{RUNTIME.name}: npm pack onnxruntime-web@{ORT_VERSION} --pack-destination .cache")
    about = run_onnx.ExportedModel(folder / "model.onnx").about
    web.write_page(
        folder, str(MODEL), {name: json.dumps(value) for name, value in about.items()}, web.read_runtime(RUNTIME)
    )
    assert web.has_runtime(folder)
    return folder


@pytest.fixture
def visits(browser: "Browser", whole: Path) -> "Iterator[Any]":
    with visiting(browser, whole) as visit:
        yield visit


@contextmanager
def visiting(browser: "Browser", whole: Path) -> "Iterator[Any]":
    """Opens the page for a new visitor, and sees to it that nothing but its folder is asked for anything."""
    asked: list[tuple[str, str, str | None]] = []
    errors: list[str] = []
    contexts = []
    with serving(whole) as address:

        def visit(size: dict[str, int] = DESK) -> "Page":
            contexts.append(browser.new_context(viewport=size))
            page = contexts[-1].new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("request", lambda request: asked.append((request.method, request.url, request.post_data)))
            page.on("websocket", lambda socket: asked.append(("SOCKET", socket.url, None)))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
            page.goto(address)
            page.get_by_text("Ready.").wait_for()
            return page

        yield visit
        for context in contexts:
            context.close()
        sent = [request for request in asked if not request[1].startswith(("blob:", "data:"))]
        assert {urlsplit(url).netloc for _, url, _ in sent} == {urlsplit(address).netloc}
        assert {(method, body) for method, _, body in sent} == {("GET", None)}
        assert {urlsplit(url).query for _, url, _ in sent} == {""}  # nothing of a clip, in an address either
        assert errors == []


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
    from emofusion.modeling.pipeline_emofusion import EmoFusionPipeline

    model, processor = EmoFusionModel.from_pretrained(MODEL), EmoFusionProcessor.from_pretrained(MODEL)
    return EmoFusionPipeline(model=model, processor=processor, device="cpu")


def answer_about(page: "Page", clip: Path) -> dict[str, Any]:
    """Choose a file, and download what the page says of it."""
    page.get_by_label("A film or a sound").set_input_files(clip)
    return answer_on(page)


def answer_on(page: "Page") -> dict[str, Any]:
    page.locator("#answer a, #trouble:not(:empty)").first.wait_for()
    assert page.locator("#trouble").inner_text() == ""
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as JSON").click()
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))


def trouble_on(page: "Page", clip: Path) -> str:
    page.get_by_label("A film or a sound").set_input_files(clip)
    page.locator("#trouble:not(:empty)").wait_for()
    return page.get_by_role("alert").inner_text()


def of_the_same_seconds(folder: Path, clip: Path, start: float) -> dict[str, Any]:
    """What the model says of the seconds that a page has looked at."""
    model = run_onnx.ExportedModel(folder / "model.onnx")
    read = read_clip(clip, num_frames=model.about["num_frames"], duration=model.about["clip_duration"], start=start)
    logits = model.session.run(["logits"], model.inputs(read, []))[0][0]
    return model._said(logits)


# --- the folder ---


@pytest.mark.slow
def test_folder_without_its_runtime_says_what_is_missing(folder: Path, browser: "Browser", tmp_path: Path):
    said = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert said["name"] == "emofusion-small" and said["labels"][0] == "neutral" and said["license"]
    assert any("must not be used to judge people" in line for line in said["limits"])
    assert str(REPOSITORY) not in (folder / "model.json").read_text(encoding="utf-8")
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    with serving(tmp_path) as address:
        page = browser.new_page()
        page.goto(address)
        page.locator("#trouble:not(:empty)").wait_for()
        assert f"npm pack onnxruntime-web@{ORT_VERSION}" in page.locator("#trouble").inner_text()
        page.close()


@pytest.mark.parametrize(
    "name, said", [("other.tgz", f"expected onnxruntime-web {ORT_VERSION}"), ("absent.tgz", "No such file")]
)
def test_other_archive_is_refused_before_anything_is_written(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "other.tgz").write_bytes(b"another")
    words = ["export", str(MODEL), "--to", "web", "--ort", str(tmp_path / name), "--output", str(tmp_path / "page")]
    assert main(words) == 1
    assert f"--ort {tmp_path / name}: {said}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["other.tgz"]


@pytest.mark.parametrize(
    "words, changed, code, said",
    [
        (["--sound", "log_mel"], {}, 2, "--sound log_mel: expected samples with --to web"),
        ([], {"face_crop": "yunet"}, 1, "expected face_crop none or haar, found yunet"),
        ([], {"video_encoder": "action_units"}, 1, "expected a model of frames or sound, found one of action units"),
    ],
)
def test_model_that_no_browser_feeds_is_refused(
    words: list[str], changed: dict[str, str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    config = {"model_type": "emofusion", "fusion": "gated", "face_crop": "none", **changed}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["export", str(tmp_path), "--to", "web", "--output", str(tmp_path / "page"), *words]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_runtime_is_asked_for_by_the_page_alone(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["export", str(MODEL), "--to", "onnx", "--ort", "x.tgz"]) == 2
    assert "--ort x.tgz: --to onnx needs none" in capsys.readouterr().err


# --- answers ---


@pytest.mark.slow
def test_drawn_film_is_answered_as_by_the_model(visits: Any, whole: Path, pipeline: Any):
    page, wanted = visits(), pipeline(str(DRAWN))
    told = answer_about(page, DRAWN)
    assert told["label"] == wanted["label"] and told["modalities"] == ["audio", "video"]
    assert told["duration"] == pytest.approx(wanted["duration"], abs=0.05)
    # Of its windows several are equally loud, and browsers decode sound a little otherwise: one hop more or less.
    assert told["window"] == pytest.approx(wanted["window"], abs=1.01 * HOP_S)
    same = of_the_same_seconds(whole, DRAWN, told["window"][0])
    assert told["scores"] == pytest.approx(same["scores"], abs=NEAR_FILM)
    words = page.locator("#answer").inner_text()
    assert f"{told['score']:.2f}" in words and f"{told['window'][0]:.2f} to" in words
    assert f"Sound counted {round(100 * told['gate'])} %" in words
    assert page.locator("#seen .frames canvas").count() == pipeline.processor.num_frames
    assert "must not be used to judge people" in page.locator("#limits").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_voice_is_answered_as_by_the_pipeline(visits: Any, pipeline: Any, rate: int, tmp_path: Path):
    clip = write_sound(tmp_path / "voice.wav", make_sound(seconds=4.0, rate=rate), rate)
    told, wanted = answer_about(visits(), clip), pipeline(str(clip))
    assert (told["label"], told["modalities"], told["notes"]) == (wanted["label"], ["audio"], [])
    assert told["scores"] == pytest.approx(wanted["scores"], abs=NEAR_SOUND)
    assert told["window"] == pytest.approx(wanted["window"], abs=1e-3)


@pytest.mark.slow
def test_real_voices_are_answered_as_by_the_pipeline(visits: Any, pipeline: Any, test_data: Path):
    clips = [*sorted((test_data / "clips" / "ravdess").glob("*.wav"))]
    clips += sorted((test_data / "ravdess" / "Actor_17").glob("*-01-01-17.flac"))[:4]
    page = visits()
    told, wanted = [answer_about(page, clip) for clip in clips], [pipeline(str(clip)) for clip in clips]
    assert len(clips) == 8 and len({answer["label"] for answer in wanted}) > 2
    for found, expected in zip(told, wanted, strict=True):
        assert found["label"] == expected["label"]
        assert found["scores"] == pytest.approx(expected["scores"], abs=NEAR_SOUND)
        assert found["window"] == pytest.approx(expected["window"], abs=1e-3)


@pytest.mark.slow
def test_real_films_are_answered_as_by_the_pipeline(visits: Any, whole: Path, pipeline: Any, test_data: Path):
    page = visits()
    for name in FILMS:
        clip = test_data / "clips" / name
        told, wanted = answer_about(page, clip), pipeline(str(clip))
        assert (told["label"], told["modalities"]) == (wanted["label"], wanted["modalities"])
        assert told["window"] == pytest.approx(wanted["window"], abs=1.01 * HOP_S)
        same = of_the_same_seconds(whole, clip, told["window"][0])
        assert told["scores"] == pytest.approx(same["scores"], abs=NEAR_FILM)


@pytest.mark.slow
def test_model_of_sound_alone_asks_for_no_camera(browser: "Browser", whole: Path, tmp_path: Path):
    checkpoint = save_model(tmp_path / "voices", "audio", audio_encoder="cnn", face_crop="haar")
    words = ["--to", "web", "--ort", str(RUNTIME), "--output", str(tmp_path / "page")]
    assert main(["export", str(checkpoint), *words]) == 0
    assert not (tmp_path / "page" / web.CASCADE).exists()
    clip = write_sound(tmp_path / "voice.wav", make_sound(seconds=5.0, seed=2))
    wanted = run_onnx.ExportedModel(tmp_path / "page" / "model.onnx")(str(clip))
    with visiting(browser, tmp_path / "page") as visit:
        page = visit()
        assert page.get_by_label("Camera", exact=True).is_hidden() and page.get_by_label("Microphone").is_visible()
        told = answer_about(page, clip)
        assert (told["label"], told["gate"]) == (wanted["label"], None)
        assert told["scores"] == pytest.approx(wanted["scores"], abs=NEAR_SOUND)
        silent = write_media(tmp_path / "silent.mp4", make_frames())
        assert "found only picture, which this model does not read" in trouble_on(page, silent)


@pytest.mark.slow
def test_what_cannot_be_used_is_told_in_words_and_the_next_is_answered(visits: Any, tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(DRAWN.read_bytes()[:3000])
    (tmp_path / "text.mp3").write_text("These are words, and no sound." * 10)
    page = visits()
    for name in ("broken.mp4", "text.mp3"):
        words = trouble_on(page, tmp_path / name)
        assert words.startswith("Expected picture or sound that this browser can play, found neither.")
        assert page.locator("#status").inner_text() == ""
    (tmp_path / "empty.wav").write_bytes(b"")
    assert trouble_on(page, tmp_path / "empty.wav") == "The file is empty. Give another one."
    nothing = write_sound(tmp_path / "nothing.wav", np.zeros(32_000, np.float32))
    assert answer_about(page, nothing)["notes"] == ["sound: digital silence from beginning to end"]
    silent = write_media(tmp_path / "silent.mp4", make_frames())
    told = answer_about(page, silent)
    assert told["modalities"] == ["video"]
    assert "no sound that this browser can play was found in it" in told["notes"]
    assert "no face found in it, so the middle square of its picture is taken" in told["notes"]
    empty = write_media(tmp_path / "empty_track.mp4", make_frames(), np.zeros(48_000, np.float32))
    told = answer_about(page, empty)
    assert told["modalities"] == ["video"]
    assert "sound: digital silence from beginning to end" in told["notes"]


# --- camera and microphone ---


@pytest.mark.slow
def test_recording_of_the_browsers_own_camera_and_microphone_is_answered(visits: Any):
    page = visits(PHONE)
    page.get_by_role("button", name="Record 3 seconds").click()
    page.get_by_text("Recording 3 seconds.").wait_for()
    assert page.get_by_label("What the camera sees").is_visible()
    told = answer_on(page)
    assert told["modalities"] == ["audio", "video"] and told["window"] == [0, 3]
    assert page.get_by_label("What the camera sees").is_hidden()
    assert page.locator("#preview").evaluate("it => it.srcObject") is None  # its lamp is off
    page.get_by_label("Camera", exact=True).uncheck()
    page.get_by_role("button", name="Record 3 seconds").press("Enter")
    page.get_by_text("by sound alone").wait_for()
    page.get_by_label("Microphone").uncheck()
    page.get_by_role("button", name="Record 3 seconds").click()
    page.get_by_text("Tick what is to be recorded.").wait_for()


@pytest.mark.slow
def test_microphone_that_nobody_allows_is_told_in_words(browser: "Browser", whole: Path):
    with one_that_lends_nothing(browser) as other, visiting(other, whole) as visit:
        page = visit()
        alert = page.get_by_role("alert")
        page.get_by_role("button", name="Record 3 seconds").click()
        alert.filter(has_text="may not use the camera and the microphone: nobody allowed it").wait_for()
        page.get_by_label("Camera", exact=True).uncheck()
        page.get_by_role("button", name="Record 3 seconds").click()
        alert.filter(has_text="may not use the microphone: nobody allowed it").wait_for()


# --- for everyone ---


@pytest.mark.slow
def test_keyboard_and_screen_reader_find_their_way_on_a_phone(visits: Any):
    page = visits(PHONE)
    answer_about(page, DRAWN)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    named = page.evaluate(NAMES)
    assert len(named) > 8 and [what for what, name in named if not name] == []
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.locator("#answer").get_attribute("aria-live") == "polite"
    page.locator("body").focus()
    wanted, reached = ["file", "camera", "microphone", "record", "Download as JSON"], []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    assert [name for name in reached if name in wanted][:5] == wanted


@pytest.mark.slow
def test_browser_itself_keeps_the_page_from_others(browser: "Browser", whole: Path):
    with serving(whole) as address, serving(whole) as elsewhere:
        page = browser.new_page()
        page.goto(address)
        ask = "(address) => fetch(address, {mode: 'no-cors'}).then(() => 'answered', () => 'refused')"
        assert page.evaluate(ask, f"{address}/model.json") == "answered"
        assert page.evaluate(ask, f"{elsewhere}/model.json") == "refused"
        page.close()
