"""What the page is made of, without a browser: uploads, cards, answers as HTML, what was seen, the command."""

import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub.utils._http as client
import numpy as np
import pytest
from huggingface_hub import HfApi

from emofusion.evaluation.run_files import CARD_FILE
from emofusion.modeling import EmoFusionProcessor
from emofusion.modeling.clips_emofusion import ClipArrays
from emofusion.serving.page.answer_html import timeline_html, verdict_html
from emofusion.serving.page.cards import limits_of
from emofusion.serving.page.command import DEFAULT_MODEL, MODELS, main, models_named
from emofusion.serving.page.names import named
from emofusion.serving.page.seen import Watched, sound_picture, timeline_picture
from emofusion.serving.page.uploads import Uploads
from helpers import REPOSITORY
from helpers.servers.hub_server import Break, HubServer, point_at
from helpers.tiny_checkpoint import FOLDER

ANSWER: dict[str, Any] = {
    "label": "happy",
    "score": 0.75,
    "scores": {"happy": 0.75, "sad": 0.25},
    "modalities": ["audio", "video"],
    "gate": 0.8,
    "window": [0.5, 3.5],
    "duration": 4.0,
    "notes": ["sound: <b>odd</b>", "answer: about 0.50-3.50 s of 4.00 s"],
}
WINDOW = {**ANSWER, "start": 0.0, "end": 3.0}


# ---- uploads ----


def test_upload_goes_when_the_last_visitor_lets_go(tmp_path: Path):
    path, uploads = tmp_path / "hash" / "clip.mp4", Uploads()
    path.parent.mkdir()
    path.write_bytes(b"clip")
    uploads.holds("first", str(path), None)
    uploads.holds("second", str(path))
    uploads.holds("first")
    assert path.exists()
    uploads.holds("second", None)
    assert not path.parent.exists()


def test_upload_that_replaces_another_leaves_what_lies_beside_it(tmp_path: Path):
    old, new, uploads = tmp_path / "old.mp4", tmp_path / "new.mp4", Uploads()
    for path in (old, new):
        path.write_bytes(b"clip")
        uploads.holds("visitor", str(path))
    assert [path.name for path in tmp_path.iterdir()] == ["new.mp4"]


def test_upload_is_held_by_who_has_it_before_him(tmp_path: Path):
    path, uploads = tmp_path / "clip.mp4", Uploads()
    uploads.holds("first", str(path))
    assert uploads.held("first", str(path)) and not uploads.held("second", str(path))
    uploads.holds("first", str(tmp_path / "other.mp4"))
    assert not uploads.held("first", str(path))


# ---- models ----


def test_visitors_read_no_path_and_tell_namesakes_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folders = [tmp_path / name for name in ("a/final", "b/final", "c/final (2)", "d/final")]
    for folder in folders:
        folder.mkdir(parents=True)
    monkeypatch.chdir(folders[0])
    found = named([*map(str, folders), "you/final", str(folders[0]), "."])
    names = ["final", "final (2)", "final (2) (2)", "final (3)", "you/final", "final (4)"]
    assert found == dict(zip(names, [*map(str, folders), "you/final", "."], strict=True))


@pytest.mark.parametrize(
    "value, wanted",
    [(None, [DEFAULT_MODEL]), ("", [DEFAULT_MODEL]), (" \n\t", [DEFAULT_MODEL]), (" a  b/c\n", ["a", "b/c"])],
)
def test_models_of_the_environment(value: str | None, wanted: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(MODELS, raising=False)
    if value is not None:
        monkeypatch.setenv(MODELS, value)
    assert models_named() == wanted


# ---- what a model cannot know ----


def test_limits_are_those_of_the_card_without_links_into_it():
    words = limits_of(str(REPOSITORY / "models" / "emofusion-small"))
    card = (REPOSITORY / "models" / "emofusion-small" / "README.md").read_text(encoding="utf-8")
    (judged,) = re.findall(r"^- (It must not be used to judge people.*)$", card, flags=re.MULTILINE)
    assert judged in words
    assert words.startswith("**These weights are from the paired corpus")
    assert "](#" not in words and "below" not in words and "above" not in words


def test_model_without_a_card_says_so(tmp_path: Path):
    assert "nobody says on whom it was tested" in limits_of(str(tmp_path))


def test_card_that_could_not_be_fetched_is_fetched_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with HubServer(tmp_path / "hub") as hub:
        point_at(hub, tmp_path / "home", monkeypatch)
        monkeypatch.setattr(client, "time", SimpleNamespace(sleep=lambda _: None))
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo("tester/carded")
        api.upload_file(
            path_or_fileobj=b"## Limits and misuse\n\n* Of nobody.\n",
            path_in_repo=CARD_FILE,
            repo_id="tester/carded",
        )
        hub.breaks = [Break(".*")] * 1000
        assert "cannot be read now" in limits_of("tester/carded")
        hub.breaks = []
        assert "* Of nobody." in limits_of("tester/carded")
        answered = len(hub.log)
        assert "* Of nobody." in limits_of("tester/carded") and len(hub.log) == answered  # that is remembered
        api.create_repo("tester/cardless")
        assert "nobody says on whom it was tested" in limits_of("tester/cardless")


# ---- answers ----


def test_verdict_says_everything_and_escapes_what_comes_from_the_clip():
    html = verdict_html(ANSWER, "a<model>")
    for words in ("happy", "0.75", "sound and picture", "0.50 to 3.50 of 4.00", "80 %", "20 %", "a&lt;model&gt;"):
        assert words in html
    assert "&lt;b&gt;odd" in html and "<b>" not in html
    assert "answer: about" not in html  # said in words already
    (content,) = re.findall(r"data:application/json;base64,([^\"]+)", html)
    assert json.loads(base64.b64decode(content)) == {"model": "a<model>", **ANSWER}


def test_verdict_of_one_modality_names_it_and_has_no_bar():
    html = verdict_html({**ANSWER, "modalities": ["audio"], "gate": 1.0, "notes": []}, "model")
    assert "by sound alone" in html and 'class="gate"' not in html and "<ul" not in html


def test_unsure_verdict_names_the_likeliest_class():
    html = verdict_html({**ANSWER, "label": "unsure"}, "model")
    assert ">unsure</h2>" in html and "the likeliest, happy, has a probability of 0.75" in html


def test_timeline_has_a_row_for_each_window():
    html = timeline_html([WINDOW, {**WINDOW, "start": 1.0, "end": 4.0, "gate": None}], b"png")
    assert html.count('<th scope="row">') == 2
    assert "Table of 2 windows" in html and re.search(r'alt="[^"]+"', html)


# ---- what was seen ----


@pytest.fixture(scope="module")
def processor() -> EmoFusionProcessor:
    return EmoFusionProcessor.from_pretrained(str(FOLDER))


def clip_at(start: float, processor: EmoFusionProcessor, duration: float = 20.0) -> ClipArrays:
    """A window whose frames and sound say when it began."""
    extractor, size = processor.feature_extractor, processor.video_processor.crop_size["height"]
    frames = np.full((processor.num_frames, size, size, 3), int(start), np.uint8)
    sound = np.full(int(extractor.clip_duration * extractor.sampling_rate), 1000, np.int16)
    return ClipArrays("clip", frames, sound, None, start, start + extractor.clip_duration, duration)


def test_watched_windows_give_pictures_all_along_and_the_wave(processor: EmoFusionProcessor):
    watched = Watched(processor)
    for start in np.arange(0, 17.5, 0.5):
        watched.add({"clip": clip_at(start, processor), "stands_for_all": False})
    seconds = [second for second, _ in watched.pictures]
    assert 8 <= len(seconds) <= 15 and seconds == sorted(seconds)
    assert np.diff(seconds).max() <= 2.5
    assert watched.wave is not None and watched.duration == 20.0
    assert watched.wave[:, 1].max() == pytest.approx(1000 / 2**15, rel=1e-3)
    assert timeline_picture([{**WINDOW, "start": s, "end": s + 3} for s in (0.0, 1.0)], watched)[:4] == b"\x89PNG"


def test_seen_is_what_the_model_takes_in(processor: EmoFusionProcessor):
    watched = Watched(processor)
    watched.add({"clip": clip_at(2.0, processor), "stands_for_all": True})
    seen = watched.seen
    assert seen.frames is not None and (seen.frames == 2).all()
    assert seen.seconds[0] == 2.0 and seen.end == pytest.approx(2.0 + processor.feature_extractor.clip_duration)
    wanted = processor.pack([clip_at(2.0, processor)], cropped=True)["input_features"][0]
    assert np.array_equal(seen.sound, wanted.numpy())
    assert (sound_picture(seen) or b"")[:4] == b"\x89PNG"


def test_seen_of_a_grey_model_is_grey(processor: EmoFusionProcessor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processor.video_processor, "grey", True)
    clip = clip_at(0.0, processor)
    assert clip.frames is not None
    clip.frames[..., 0] = 200
    watched = Watched(processor)
    watched.add({"clip": clip, "stands_for_all": True})
    frames = watched.seen.frames
    assert frames is not None and frames.dtype == np.uint8 and frames.max() < 200
    assert (frames == frames[..., :1]).all()


def test_window_without_sound_or_picture_shows_neither(processor: EmoFusionProcessor):
    silent, heard = clip_at(0.0, processor), clip_at(0.0, processor)
    silent.audio, heard.frames = None, None
    for clip, there in ((silent, (True, False)), (heard, (False, True))):
        watched = Watched(processor)
        watched.add({"clip": clip, "stands_for_all": True})
        seen = watched.seen
        assert (seen.frames is not None, seen.sound is not None) == there
        assert (sound_picture(seen) is not None) == there[1]


# ---- the command ----


@pytest.mark.parametrize(
    "words, wanted",
    [
        (["--processes", "0"], "--processes 0: expected 1 to 64"),
        (["--port", "70000"], "--port 70000: expected 1 to 65535"),
        (["--model", "no/such/folder"], "--model no/such/folder: cannot be loaded"),
        (["--model", ""], "--model : cannot be loaded"),
    ],
)
def test_command_names_the_flag(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("signal.signal", lambda number, handler: None)  # tests are ended as they were
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")
    with pytest.raises(SystemExit) as ending:
        main(words)
    assert ending.value.code == 2
    assert wanted in capsys.readouterr().err
