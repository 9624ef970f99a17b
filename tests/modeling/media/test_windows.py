"""Windows that slide over recordings of any length: each as if it were read alone, whatever the recording lacks."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor, read_clip
from emofusion.modeling import media_emofusion as media_file
from emofusion.modeling import sound_emofusion as sound_file
from emofusion.modeling.clips_emofusion import ClipArrays
from emofusion.modeling.recordings_emofusion import SoundInOrder, in_windows
from emofusion.modeling.sound_emofusion import Sound, to_int16
from emofusion.modeling.window_emofusion import window_starts
from helpers.corpora.ravdess_files import RATE, make_frames, make_sound, write_media, write_sound
from helpers.tiny_models import assert_same


@pytest.fixture
def processor(tiny_config: EmoFusionConfig) -> EmoFusionProcessor:
    return EmoFusionProcessor.from_config(tiny_config)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return {
        "both": write_media(folder / "both.mp4", make_frames(5.3), make_sound(5.3)),
        "silent": write_media(folder / "silent.mp4", make_frames(4.4, seed=1)),
        "voice": write_sound(folder / "voice.wav", make_sound(5.3, seed=2)),
        "short": write_media(folder / "short.mp4", make_frames(1.0, seed=3), make_sound(1.0, seed=3)),
        "picture ends": write_media(folder / "ends.mp4", make_frames(1.5, seed=4), make_sound(6.0, seed=4)),
    }


def alone(processor: EmoFusionProcessor, path: Path, start: float) -> dict[str, Any]:
    """Model inputs of the window of a file that begins at `start`, read by itself and with random access."""
    video = processor.video_processor
    clip = read_clip(path, start=start, num_frames=processor.num_frames)
    frames = clip.frames if clip.frames is None else video.on_face(str(path), clip.frames, [])
    return processor.pack([ClipArrays(str(path), frames, to_int16(clip.audio))])


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(
    "name, starts", [("both", [0, 1, 2, 2.3]), ("silent", [0, 1, 1.4]), ("voice", [0, 1, 2, 2.3])]
)
def test_windows_are_those_that_are_read_one_by_one(
    processor: EmoFusionProcessor, files: dict[str, Path], monkeypatch, name: str, starts: list[float], long: bool
):
    if long:  # sound that is decoded again, in blocks
        monkeypatch.setattr(sound_file, "KEEP_BYTES", 1000)
        monkeypatch.setattr(sound_file, "BLOCK", 5000)
    windows = list(processor.windows(files[name]))
    assert [window.start for window in windows] == [[pytest.approx(start, abs=0.1)] for start in starts]
    assert windows[-1].end[0] == pytest.approx(read_clip(files[name]).duration)
    for window in windows:
        assert_same(dict(window.inputs), dict(alone(processor, files[name], window.start[0])))


def test_long_sound_is_decoded_twice_for_its_windows(
    processor: EmoFusionProcessor, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sound_file, "KEEP_BYTES", 1000)
    ways: list[int] = []
    plain = media_file._frames_of
    monkeypatch.setattr(media_file, "_frames_of", lambda *given: ways.append(1) or plain(*given))
    assert len(list(processor.windows(files["voice"]))) == 4
    assert len(ways) == 1  # beside the pass that told how long it is and which channels carry it


def test_windows_of_real_faces_are_cut_to_the_face_of_each(test_data: Path):
    config = EmoFusionConfig(encoder_width=8, num_frames=3, image_size=32, num_mel_bins=16, face_crop="haar")
    processor = EmoFusionProcessor.from_config(config)
    path = test_data / "clips" / "derived" / "01-01-08-02-01-01-19.mp4"
    for window in processor.windows(path):
        assert_same(dict(window.inputs), dict(alone(processor, path, window.start[0])))


def test_windows_in_batches_are_the_same_windows(processor: EmoFusionProcessor, files: dict[str, Path]):
    one_by_one = list(processor.windows(files["picture ends"], hop=0.5))
    batches = list(processor.windows(files["picture ends"], hop=0.5, batch_size=3))
    assert [len(batch.start) for batch in batches] == [3, 3, len(one_by_one) - 6]
    assert [start for batch in batches for start in batch.start] == [window.start[0] for window in one_by_one]
    assert [mask for batch in batches for mask in batch.inputs["audio_mask"].tolist()] == [True] * len(one_by_one)
    for name in ("input_features", "pixel_values"):
        there = [window.inputs[name] for window in one_by_one if name in window.inputs]
        assert torch.allclose(
            torch.cat([batch.inputs[name] for batch in batches if name in batch.inputs])[: len(there)],
            torch.cat(there),
            atol=1e-6,
        )


def test_windows_after_the_picture_are_of_sound_alone(processor: EmoFusionProcessor, files: dict[str, Path]):
    seen = ["pixel_values" in window.inputs for window in processor.windows(files["picture ends"])]
    assert seen == [True, True, *[False] * (len(seen) - 2)]
    assert len(seen) > 3


def test_clip_shorter_than_a_window_is_one_window(processor: EmoFusionProcessor, files: dict[str, Path]):
    (window,) = processor.windows(files["short"])
    assert (window.start, window.end) == ([0.0], [pytest.approx(1.0, abs=0.1)])
    assert_same(dict(window.inputs), dict(processor(files["short"])))


def test_windows_of_arrays_are_those_of_their_file(processor: EmoFusionProcessor, files: dict[str, Path]):
    sound, _ = soundfile.read(files["voice"], dtype="float32")
    of_file = list(processor.windows(files["voice"]))
    of_array = list(processor.windows(sound, sampling_rate=RATE))
    assert [window.start for window in of_array] == [window.start for window in of_file]
    for one, other in zip(of_array, of_file, strict=True):
        torch.testing.assert_close(one.inputs["input_features"], other.inputs["input_features"])


def test_recording_without_what_the_model_reads_is_refused_by_name(
    tiny_config: EmoFusionConfig, files: dict[str, Path]
):
    tiny_config.fusion = "audio"
    processor = EmoFusionProcessor.from_config(tiny_config)
    with pytest.raises(ValueError, match=r"silent\.mp4: no sound in it; this model reads sound alone"):
        list(processor.windows(files["silent"]))


@pytest.mark.parametrize("wrong", [{"hop": 0}, {"hop": -1.0}, {"hop": float("nan")}, {"hop": "1"}, {"batch_size": 0}])
def test_settings_that_mean_nothing_are_refused(processor: EmoFusionProcessor, files: dict[str, Path], wrong: dict):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}=.*expected"):
        next(processor.windows(files["voice"], **wrong))


@pytest.mark.parametrize("length, starts", [(2.0, [0]), (3.0, [0]), (3.01, [0]), (4.5, [0, 1, 1.5]), (5.0, [0, 1, 2])])
def test_last_window_ends_where_the_recording_ends(length: float, starts: list[float]):
    assert window_starts(length, 3.0, 1.0).tolist() == starts


def test_pictures_are_asked_for_when_a_window_needs_them_and_once():
    asked: list[int] = []
    wanted = np.arange(100.0)
    pictures = (asked.append(number) or np.full((1, 1, 3), number, np.uint8) for number in range(100))
    windows = in_windows(pictures, wanted, [wanted[first : first + 4] for first in range(0, 96, 2)])
    assert [frame[0, 0, 0] for frame in next(windows)] == [0, 1, 2, 3]
    assert asked == [0, 1, 2, 3]
    assert [frame[0, 0, 0] for frame in next(windows)] == [2, 3, 4, 5]
    assert asked == list(range(6))


def test_sound_in_order_forgets_what_is_over():
    samples = np.arange(1000, dtype=np.float32)
    sound = Sound(10, samples.size, 0.0, False, lambda: iter(np.split(samples, 50)))
    heard = SoundInOrder(sound)
    for first in itertools.chain(range(0, 900, 30), (990, 1200)):
        assert heard.part(first, 60).tolist() == sound.part(first, 60).tolist()
        assert heard._kept.size <= 60 + 20 + 20
