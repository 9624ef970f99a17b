"""The pipeline of clips: the same answer in every form, which seconds it is about, and timelines."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import datasets
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from transformers import pipeline

from emofusion.modeling import EmoFusionPipeline, EmoFusionProcessor, MediaError
from emofusion.modeling.pipeline_emofusion import TASK
from helpers.corpora.ravdess_files import FPS, RATE, make_frames, make_sound, write_media, write_sound
from helpers.servers.file_server import FileServer, break_after
from helpers.tiny_models import one_thread, trained_model  # noqa: F401

ENTRIES = ["duration", "gate", "label", "modalities", "notes", "score", "scores", "window"]


@pytest.fixture(scope="module")
def pipe() -> EmoFusionPipeline:
    model = trained_model("gated")
    return EmoFusionPipeline(model=model, processor=EmoFusionProcessor.from_config(model.config), device="cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    Image.fromarray(make_frames(0.1)[0]).save(folder / "still.png")
    return {
        "both": write_media(folder / "both.mp4", make_frames(4.6), make_sound(4.6)),
        "silent": write_media(folder / "silent.mp4", make_frames(3.4, seed=1)),
        "voice": write_sound(folder / "voice.wav", make_sound(4.6, seed=2)),
        "still": folder / "still.png",
    }


@pytest.fixture(scope="module")
def answer(pipe: EmoFusionPipeline, files: dict[str, Path]) -> dict[str, Any]:
    return pipe(str(files["both"]))


def all_frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)
    assert (one["label"], one["modalities"]) == (other["label"], other["modalities"])
    assert one["window"] == pytest.approx(other["window"], abs=0.02)
    assert one["duration"] == pytest.approx(other["duration"], abs=0.1)


class Decoded:
    """As what `datasets` hands out for a Video or an Audio: it still knows its file, and can be iterated."""

    def __init__(self, file: dict[str, Any]) -> None:
        self._hf_encoded = file

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("it is one clip")


def test_answer_says_what_it_is_about(pipe: EmoFusionPipeline, files: dict[str, Path], answer: dict[str, Any]):
    inputs = pipe.processor(files["both"])
    with torch.no_grad():
        logits = pipe.model(**inputs)
    expected = logits.logits.softmax(-1)[0].tolist()
    assert sorted(answer) == ENTRIES
    names = pipe.model.config.id2label
    assert answer["scores"] == pytest.approx({names[index]: value for index, value in enumerate(expected)}, abs=1e-6)
    assert list(answer["scores"].values()) == sorted(answer["scores"].values(), reverse=True)
    assert answer["score"] == pytest.approx(max(expected))
    assert answer["label"] == next(iter(answer["scores"]))
    assert answer["gate"] == pytest.approx(float(logits.gate), abs=1e-6)
    start, end = answer["window"]
    assert end - start == pytest.approx(3.0)
    assert answer["duration"] == pytest.approx(4.6, abs=0.1)
    assert answer["modalities"] == ["audio", "video"]
    assert answer["notes"][-1] == f"answer: about {start:.2f}-{end:.2f} s of {answer['duration']:.2f} s"
    json.dumps(answer)


@pytest.mark.parametrize("form", ["path", "bytes", "open file", "in memory", "datasets, encoded", "datasets, decoded"])
def test_clip_in_every_form_gets_the_same_answer(pipe: EmoFusionPipeline, files: dict[str, Path], answer, form: str):
    path = files["both"]
    clip = {
        "path": lambda: path,
        "bytes": path.read_bytes,
        "open file": lambda: path.open("rb"),
        "in memory": lambda: io.BytesIO(path.read_bytes()),
        "datasets, encoded": lambda: {"path": None, "bytes": path.read_bytes()},
        "datasets, decoded": lambda: Decoded({"path": str(path), "bytes": None}),
    }[form]()
    assert pipe(clip) == answer


def test_address_is_downloaded_and_named_where_it_fails(pipe: EmoFusionPipeline, files: dict[str, Path], answer):
    with FileServer({"/clip.mp4": files["both"].read_bytes(), "/junk": b"no film"}) as server:
        assert pipe(f"{server.url}/clip.mp4") == answer
        assert pipe({"video": f"{server.url}/clip.mp4"}) == answer
        for name, found in (("/nothing.mp4", "404"), ("/junk", "found: ")):
            with pytest.raises(MediaError, match=f"^{server.url}{name}: expected a .*{found}"):
                pipe(server.url + name)
        server.script = [break_after(1000)]
        with pytest.raises(MediaError, match=r"/clip\.mp4: expected a file .*ended after 1000 of \d+ bytes"):
            pipe(f"{server.url}/clip.mp4")


@pytest.mark.parametrize("seconds", [2.0, 4.6, 12.0])
def test_empty_track_of_a_film_is_not_heard(
    pipe: EmoFusionPipeline, files: dict[str, Path], tmp_path: Path, seconds: float
):
    """As of stock films: it is answered from its picture, and says why."""
    frames, none = all_frames(files["silent"]), np.zeros(round(seconds * RATE), np.float32)
    answer = pipe(write_media(tmp_path / "film.mp4", frames, none), return_timeline=True)
    assert (answer["modalities"], answer["gate"]) == (["video"], 0)
    assert "sound: digital silence from beginning to end" in answer["notes"]
    assert {*sum((window["modalities"] for window in answer["timeline"]), [])} == {"video"}
    start, end = answer["window"]
    assert 0 <= start < end <= len(frames) / FPS + 0.1
    trackless = pipe(write_media(tmp_path / "trackless.mp4", frames), return_timeline=True)["timeline"]
    for window, expected in zip(answer["timeline"], trackless, strict=False):
        if window["start"] == expected["start"]:
            assert window["scores"] == pytest.approx(expected["scores"], abs=1e-6)
    both = {"video": frames, "audio": none}
    assert_alike(
        pipe(both, video_fps=FPS, sampling_rate=RATE, return_timeline=True),
        pipe(frames, video_fps=FPS, return_timeline=True),
    )
    assert pipe(write_sound(tmp_path / "silent.wav", none))["modalities"] == ["audio"]  # there is nothing else


def test_arrays_get_the_answer_of_their_file(pipe: EmoFusionPipeline, files: dict[str, Path], answer):
    frames = {"video": all_frames(files["both"]), "audio": files["both"], "label": 3}
    assert_alike(pipe(frames, video_fps=FPS), answer)
    assert_alike(pipe(all_frames(files["silent"]), video_fps=FPS), pipe(files["silent"]))
    sound, heard = soundfile.read(files["voice"], dtype="float32")[0], pipe(files["voice"])
    for clip in (sound, (sound, RATE), {"array": sound, "sampling_rate": RATE}, {"audio": sound}):
        assert_alike(pipe(clip, sampling_rate=RATE), heard)


def test_separate_sound_is_heard_in_place_of_that_of_the_picture(pipe: EmoFusionPipeline, files: dict[str, Path]):
    as_file = pipe({"video": files["both"], "audio": files["voice"]})
    as_array = pipe(
        {"video": str(files["both"]), "audio": soundfile.read(files["voice"], dtype="float32")}, sampling_rate=RATE
    )
    assert as_file["modalities"] == ["audio", "video"]
    assert_alike(as_array, as_file)
    assert as_file["scores"] != pytest.approx(pipe(files["both"])["scores"], abs=1e-4)
    with pytest.raises(MediaError, match=r"still\.png: expected sound"):
        pipe({"video": files["both"], "audio": files["still"]})


@pytest.mark.parametrize("name, modalities", [("silent", ["video"]), ("voice", ["audio"]), ("still", ["video"])])
def test_clip_that_lacks_something_is_answered_from_what_is_there(
    pipe: EmoFusionPipeline, files: dict[str, Path], name: str, modalities: list[str]
):
    assert pipe(files[name])["modalities"] == modalities


def test_still_picture_has_no_seconds(pipe: EmoFusionPipeline, files: dict[str, Path]):
    of_file, of_picture = pipe(files["still"]), pipe(Image.open(files["still"]))
    assert (of_file["window"], of_file["duration"]) == ([0.0, 0.0], None)
    assert of_file["notes"][-1] == "picture: a single one, without sound"
    assert of_file["scores"] == pytest.approx(of_picture["scores"], abs=2e-2)


def test_many_clips_are_a_list_an_iterator_or_a_data_set(pipe: EmoFusionPipeline, files: dict[str, Path], answer):
    paths = [str(files[name]) for name in ("silent", "both", "voice")]
    expected = [pipe(path) for path in paths]
    for batch_size in (1, 2):
        for found in (pipe(paths, batch_size=batch_size), list(pipe(iter_of(paths), batch_size=batch_size))):
            for one, other in zip(found, expected, strict=True):
                assert_alike(one, other)
    rows = datasets.Dataset.from_dict({"video": paths}).cast_column("video", datasets.Video(decode=False))
    assert [one["label"] for one in pipe(rows)] == [other["label"] for other in expected]
    assert [one["label"] for one in pipe(rows["video"])] == [other["label"] for other in expected]
    assert pipe([]) == []


def iter_of(paths: list[str]) -> Iterator[str]:
    yield from paths


@pytest.mark.parametrize("name", ["both", "silent", "voice"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_timeline_is_that_of_its_windows_one_by_one(
    pipe: EmoFusionPipeline, files: dict[str, Path], name: str, batch_size: int
):
    found = pipe(files[name], return_timeline=True, batch_size=batch_size)
    timeline = found.pop("timeline")
    assert_alike(found, pipe(files[name]))
    windows = list(pipe.processor.windows(files[name]))
    assert [(entry["start"], entry["end"]) for entry in timeline] == [(w.start[0], w.end[0]) for w in windows]
    for entry, window in zip(timeline, windows, strict=True):
        assert sorted(entry) == ["end", "gate", "label", "modalities", "score", "scores", "start"]
        with torch.no_grad():
            output = pipe.model(**window.inputs)
        expected = dict(zip(pipe.model.config.id2label.values(), output.logits.softmax(-1)[0].tolist(), strict=True))
        assert entry["scores"] == pytest.approx(expected, abs=1e-5)
        assert entry["gate"] == pytest.approx(output.gate.item(), abs=1e-5)


def test_smoothing_is_the_mean_of_the_windows_around(pipe: EmoFusionPipeline, files: dict[str, Path]):
    plain, smooth = (pipe(files["both"], return_timeline=True, smoothing=s)["timeline"] for s in (0, 2.0))
    for label in plain[0]["scores"]:
        expected = np.mean([entry["scores"][label] for entry in plain if entry["start"] <= 1.0])
        assert smooth[0]["scores"][label] == pytest.approx(expected)


def test_top_k_and_unsure(pipe: EmoFusionPipeline, files: dict[str, Path]):
    three = pipe(files["voice"], top_k=3, return_timeline=True)
    assert len(three["scores"]) == 3
    assert {len(entry["scores"]) for entry in three["timeline"]} == {3}
    pipe.model.config.unsure_below = 1.0
    try:
        unsure = pipe(files["voice"], top_k=1)
    finally:
        pipe.model.config.unsure_below = 0.0
    assert (unsure["label"], unsure["score"]) == ("unsure", pytest.approx(three["score"]))


@pytest.mark.parametrize(
    "clip, options, message",
    [
        ("both", {"topk": 3}, "^topk: expected top_k, "),
        ("both", {"top_k": 0}, "^top_k=0: expected how many"),
        ("both", {"smoothing": -1}, "^smoothing=-1: expected seconds"),
        ("both", {"return_timeline": True, "hop": 0}, "^hop=0: expected"),
        ({"vidoe": "clip.mp4"}, {}, "^clip: expected 'video' and 'audio' .*found 'vidoe'"),
        (3, {}, "^clip: expected a media file .*found int"),
        (np.zeros(RATE, np.float32), {}, "^sampling_rate is missing"),
    ],
)
def test_what_means_nothing_is_refused(pipe: EmoFusionPipeline, files, clip: Any, options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        pipe(files.get(clip, clip) if isinstance(clip, str) else clip, **options)


def test_task_is_known_where_the_package_is(pipe: EmoFusionPipeline, files: dict[str, Path]):
    assert isinstance(pipeline(TASK, model=pipe.model, processor=pipe.processor, device="cpu"), EmoFusionPipeline)
