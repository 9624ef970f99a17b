"""What the page of `--to web` computes in JavaScript, beside what the package computes of the same numbers."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from emofusion.commands.export import run_onnx, web
from emofusion.modeling.faces_emofusion import FaceBox, make_face_finder
from emofusion.modeling.media_emofusion import read_clip
from emofusion.modeling.mono_emofusion import mix_to_mono
from emofusion.modeling.sound_emofusion import from_int16, resample, to_int16
from emofusion.modeling.window_emofusion import WINDOWS, window_start
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound
from helpers.servers.browser import chromium
from helpers.servers.static_files import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install -e '.[faces]'")

pytestmark = pytest.mark.slow

RATE = 16_000
AS_BYTES = """
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const pictures = ([width, height, texts]) => texts.map((text) =>
  ({ width, height, data: Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0)) }));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Page]":
    """The files of the page, without a model; its policy would keep the tests' own code out, too."""
    folder = tmp_path_factory.mktemp("parts")
    shutil.copytree(web.PAGE, folder, dirs_exist_ok=True)
    shutil.copy(Path(cv2.data.haarcascades, web.CASCADE), folder)
    with chromium() as browser, serving(folder) as address:
        page = browser.new_context(bypass_csp=True).new_page()
        page.goto(f"{address}/look.css")
        yield page


def computed(page: "Page", module: str, code: str, *given: Any) -> Any:
    """What code makes of values with a module as `it`."""
    return page.evaluate(
        f"async (given) => {{ {AS_BYTES} const it = await import('/{module}'); return ({code})(...given); }}", given
    )


def packed(sound: np.ndarray) -> str:
    return base64.b64encode(sound.astype(np.float32).tobytes()).decode()


def packed_frames(frames: np.ndarray) -> tuple[int, int, list[str]]:
    opaque = np.concatenate([frames, np.full((*frames.shape[:3], 1), 255, np.uint8)], axis=-1)
    return frames.shape[2], frames.shape[1], [base64.b64encode(frame.tobytes()).decode() for frame in opaque]


def bursts(seed: int, seconds: float) -> np.ndarray:
    """Noise that swells and fades at places of the seed, with a constant offset."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    swell = sum(np.exp(-((time - place) ** 2) / 0.1) for place in random.uniform(0, seconds, 3))
    return (0.02 + 0.2 * swell * random.normal(size=time.size)).astype(np.float32)


# --- sound ---


@pytest.mark.parametrize("rule", WINDOWS)
def test_window_lies_where_the_package_places_it(page: "Page", rule: str):
    sounds = [(bursts(seed, seconds), seconds) for seed, seconds in enumerate((7.3, 4.05, 3.004, 2.0, 12.0))]
    sounds.append((np.zeros(6 * RATE, np.float32), 6.0))
    voice = np.pad(bursts(9, 1.0), (4 * RATE, 7 * RATE))  # many windows have all of it
    hum = 0.01 * np.sin(np.arange(voice.size) / 20) * (np.arange(voice.size) > 5 * RATE)  # on one side of it
    sounds += [(voice, 12.0), ((voice + hum).astype(np.float32), 12.0)]
    about = {"window": rule, "clip_duration": 3.0, "sampling_rate": RATE}
    for sound, seconds in sounds:
        code = "(sound, seconds, about) => it.windowStart(floats(sound), seconds, about)"
        found = computed(page, "sound.js", code, packed(sound), seconds, about)
        assert found == pytest.approx(window_start(sound, RATE, seconds, 3.0, rule), abs=1e-6)
    assert computed(page, "sound.js", "(about) => it.windowStart(null, 5, about)", about) == (rule != "start")


def test_channels_become_one_as_in_the_package(page: "Page"):
    voice, other = bursts(0, 1.0), bursts(1, 1.0)
    for channels in ([voice, 0.001 * other], [voice, -voice + 1e-3 * other], [voice, other], [voice, voice], [voice]):
        code = "(...texts) => Array.from(it.mono(texts.map(floats)))"
        found = computed(page, "sound.js", code, *map(packed, channels))
        np.testing.assert_allclose(found, mix_to_mono(np.stack(channels)), atol=1e-5)


@pytest.mark.parametrize("times", [1, 2, 3, 6])
def test_sound_is_thinned_as_ffmpeg_does(page: "Page", times: int):
    code = "(text, times) => Array.from(it.thinned(floats(text), times))"
    for fewer in range(times):  # one sample more at the end of a short clip is seen in its log-mel
        sound = bursts(2, 0.5)[fewer:]
        found, expected = computed(page, "sound.js", code, packed(sound), times), resample(sound, times * RATE, RATE)
        assert len(found) == len(expected), f"{len(sound)} samples"
        assert np.abs(found - expected).max() < 1e-3 * np.abs(sound).max()


def test_loud_sound_is_stored_as_the_package_stores_it(page: "Page"):
    for loudness in (0.3, 1.0, 3.0):
        sound = loudness * bursts(3, 0.2) / np.abs(bursts(3, 0.2)).max()
        found = computed(page, "sound.js", "(text) => Array.from(it.asStored(floats(text)))", packed(sound))
        stored = to_int16(sound)
        assert stored is not None
        np.testing.assert_allclose(found, from_int16(stored), atol=1.01 / 32768)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_rate_stands_in_the_header(page: "Page", kind: str, tmp_path: Path):
    content = write_sound(tmp_path / f"voice.{kind}", make_sound(rate=22_050), 22_050).read_bytes()
    code = "(text) => it.rateOf(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer)"
    assert computed(page, "sound.js", code, base64.b64encode(content).decode()) == 22_050


# --- pictures ---


def test_frames_are_those_of_their_seconds_however_busy_the_machine_is(page: "Page", tmp_path: Path):
    """Browsers say that they have sought before the picture is there; what is drawn at once may be the one before."""
    large = make_frames(seconds=8.0).repeat(6, axis=1).repeat(6, axis=2)
    film = write_media(tmp_path / "film.mp4", large, preset="medium")
    expected = read_clip(film, num_frames=6, duration=3.0, window="center").frames
    assert expected is not None
    about = {"num_frames": 6, "clip_duration": 3.0, "sampling_rate": RATE, "window": "center", "modalities": ["video"]}
    code = """async (text, about) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const spin = URL.createObjectURL(new Blob(["for (;;) {}"]));
      const busy = Array.from({ length: 2 * navigator.hardwareConcurrency }, () => new Worker(spin));
      const found = [];
      for (let time = 0; time < 20; time++) {
        const { pictures } = await it.readFile(new File([bytes], "film.mp4"), about);
        found.push(pictures.map(({ width, height, data }) => // one pixel of each square of 6
          Array.from({ length: 48 * 64 * 3 }, (_, at) =>
            data[((Math.floor(at / 192) * 6 + 3) * width + (Math.floor(at / 3) % 64) * 6 + 3) * 4 + (at % 3)])));
      }
      busy.forEach((worker) => worker.terminate());
      return found;
    }"""
    for found in computed(page, "clip.js", code, base64.b64encode(film.read_bytes()).decode(), about):
        off = np.abs(np.array(found).reshape(6, 48, 64, 3) - expected[:, 3::6, 3::6].astype(int)).mean(axis=(1, 2, 3))
        assert off.max() < 3, off.round(1)


@pytest.mark.parametrize("size", [(720, 720), (48, 64), (131, 90)])
@pytest.mark.parametrize("grey", [True, False])
def test_pictures_are_what_the_script_beside_onnx_files_makes_of_them(page: "Page", size: tuple[int, int], grey: bool):
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    about = {"stored_size": 91, "image_size": 80, "grey": grey, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2] * 3}
    code = "(frames, about) => Array.from(it.pixelValues(it.seenOf(pictures(frames), null, about), about))"
    found = np.array(computed(page, "pictures.js", code, packed_frames(frames), about)).reshape(2, 3, 80, 80)
    script = run_onnx.ExportedModel.__new__(run_onnx.ExportedModel)  # without a model: only what it makes of frames
    script.about, script.finder = about, None
    off = np.abs(found - script.pixels(frames, [])) * 0.2 * 255
    assert off.max() < 1e-3  # the very levels


def test_faces_are_found_where_opencv_finds_them(page: "Page", test_data: Path):
    finder, boxes = make_face_finder("haar"), 0
    assert finder is not None
    for path in sorted((test_data / "real_faces").glob("*.png")):
        frames = np.asarray(Image.open(path).convert("RGB"))[None]
        found = face_box(page, frames)
        assert_same_box(found, finder.find(frames))
        boxes += found is not None
    assert boxes == 24


def test_no_face_is_found_where_there_is_none(page: "Page"):
    assert face_box(page, np.random.default_rng(0).integers(0, 256, (2, 90, 120, 3), dtype=np.uint8)) is None


def test_one_of_two_faces_is_taken_for_the_whole_clip(page: "Page", test_data: Path):
    """The larger one, though it moves; and the smaller one where the larger is away for half of the time."""
    portrait = np.asarray(Image.open(test_data / "real_faces" / "Actor_01.png").convert("RGB"))
    height, width = portrait.shape[:2]
    smaller = cv2.resize(portrait, (width * 17 // 20, height * 17 // 20), interpolation=cv2.INTER_AREA)
    frames = np.full((4, 2 * height, 2 * width, 3), 90, np.uint8)
    for number, frame in enumerate(frames):
        frame[: len(smaller), : smaller.shape[1]] = smaller
        frame[height:, width - 8 * number : 2 * width - 8 * number] = portrait
    away = frames.copy()
    away[2:, height:] = 90
    finder = make_face_finder("haar")
    assert finder is not None
    tops = []
    for shown in (frames, away):
        expected = finder.find(shown)
        assert_same_box(face_box(page, shown), expected)
        tops.append(0 if expected is None else expected.top)
    assert tops[0] > height > tops[1] > 0


def face_box(page: "Page", frames: np.ndarray) -> FaceBox | None:
    code = "async (frames) => it.faceBox(await it.openCascade(), pictures(frames))"
    found = computed(page, "faces.js", code, packed_frames(frames))
    return None if found is None else FaceBox(**found)


def assert_same_box(found: FaceBox | None, expected: FaceBox | None) -> None:
    """A hit at the edge of a stage may be one here and none there, which moves the mean of all by a pixel or two."""
    assert found is not None and expected is not None
    off = [getattr(found, name) - getattr(expected, name) for name in ("top", "left", "side")]
    assert max(map(abs, off)) <= 2, (found, expected)
