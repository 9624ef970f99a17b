"""Clips to model inputs: files and arrays, whole and lacking, and what is refused."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, AutoVideoProcessor

from emofusion.modeling import EmoFusionConfig, EmoFusionFeatureExtractor, EmoFusionProcessor, MediaError, read_clip
from emofusion.modeling.media_emofusion import read_audio
from emofusion.modeling.sound_emofusion import from_int16, to_int16
from emofusion.modeling.window_emofusion import window_start
from helpers.corpora.ravdess_files import FPS, RATE, make_frames, make_sound, write_media, write_sound

KEYS = ["pixel_values", "video_mask", "input_features", "audio_mask"]


@pytest.fixture
def processor(tiny_config: EmoFusionConfig) -> EmoFusionProcessor:
    return EmoFusionProcessor.from_config(tiny_config)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {
        "both": write_media(folder / "both.mp4", make_frames(4.6), make_sound(4.6)),
        "silent": write_media(folder / "silent.mp4", make_frames(3.4, seed=1)),
        "voice": write_sound(folder / "voice.wav", make_sound(4.0, seed=2)),
        "short": write_media(folder / "short.mp4", make_frames(1.0, seed=3), make_sound(1.0, seed=3)),
    }


def with_window(config: EmoFusionConfig, window: str, fusion: str = "gated") -> EmoFusionProcessor:
    fields = {name: getattr(config, name) for name in ("num_frames", "image_size", "num_mel_bins")}
    return EmoFusionProcessor.from_config(EmoFusionConfig(**fields, window=window, fusion=fusion))


def assert_same(one: dict, other: dict) -> None:
    assert sorted(one) == sorted(other)
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        assert torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name])), name


def frame_numbers(pixel_values: torch.Tensor, processor: EmoFusionProcessor) -> list[int]:
    """Of frames each of one grey, the grey."""
    video = processor.video_processor
    red = pixel_values[:, 0].mean(dim=(1, 2)) * video.image_std[0] + video.image_mean[0]
    return (red * 255).round().int().tolist()


def numbered_frames(count: int) -> np.ndarray:
    """uint8 [count, 24, 32, 3]: frame k has the grey k."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 24, 32, 3)).copy()


# What comes out


def test_processor_of_a_file_at_full_size_has_the_shapes_of_the_design(files: dict[str, Path]):
    processor = EmoFusionProcessor.from_config(EmoFusionConfig())
    inputs = processor([str(files["both"]), files["silent"], files["voice"]], return_tensors="pt")
    assert sorted(inputs) == sorted(KEYS) == sorted(processor.model_input_names)
    assert (inputs["pixel_values"].shape, inputs["pixel_values"].dtype) == ((3, 8, 3, 112, 112), torch.float32)
    assert (inputs["input_features"].shape, inputs["input_features"].dtype) == ((3, 64, 188), torch.float32)
    assert inputs["video_mask"].tolist() == [True, True, False]
    assert inputs["audio_mask"].tolist() == [True, False, True]
    assert inputs["video_mask"].dtype == inputs["audio_mask"].dtype == torch.bool
    assert (inputs["pixel_values"][2] == 0).all()
    assert (inputs["input_features"][1] == 0).all()
    assert inputs["pixel_values"][:2].std() > 0.3  # normalised, and a picture
    assert inputs["input_features"][0].std() > 0.3


@pytest.mark.parametrize("name", ["both", "silent", "voice", "short"])
def test_processor_of_a_list_gives_each_clip_what_it_gets_alone(
    files: dict[str, Path], processor: EmoFusionProcessor, name: str
):
    names = list(files)
    batch, alone = processor([files[other] for other in names]), processor(files[name])
    row = names.index(name)
    for values, mask in (("pixel_values", "video_mask"), ("input_features", "audio_mask")):
        assert batch[mask][row] == (values in alone)
        if values in alone:
            torch.testing.assert_close(batch[values][row], alone[values][0], rtol=0, atol=1e-6)
            assert alone[mask].tolist() == [True]


def test_processor_np_gives_the_same_as_numpy_arrays(files: dict[str, Path], processor: EmoFusionProcessor):
    arrays = processor(files["both"], return_tensors="np")
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert arrays["video_mask"].dtype == bool
    assert arrays["pixel_values"].dtype == arrays["input_features"].dtype == np.float32
    for name, tensor in processor(files["both"]).items():
        assert torch.equal(torch.from_numpy(arrays[name]), tensor)


@pytest.mark.parametrize("way", ["save and load", "pickle"])
def test_processor_saved_or_pickled_gives_equal_inputs(files: dict[str, Path], tmp_path: Path, way: str):
    config = EmoFusionConfig(num_frames=3, image_size=24, num_mel_bins=20, hop_length=320, window="center")
    processor = EmoFusionProcessor.from_config(config)
    if way == "pickle":
        again = pickle.loads(pickle.dumps(processor))
    else:
        processor.save_pretrained(tmp_path)
        again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is EmoFusionProcessor
    assert (again.num_frames, again.window, again.modalities) == (3, "center", ["audio", "video"])
    batch = [files["both"], files["voice"]]
    assert_same(processor(batch), again(batch))
    assert again(batch)["input_features"].shape == (2, 20, 151)


@pytest.mark.parametrize("fusion", ["audio", "video"])
def test_processor_saved_of_a_single_branch_model_stays_one(tiny_config: EmoFusionConfig, tmp_path: Path, fusion: str):
    with_window(tiny_config, "voice", fusion).save_pretrained(tmp_path)
    assert AutoProcessor.from_pretrained(tmp_path).modalities == [fusion]


@pytest.mark.parametrize("fusion, keys", [("audio", KEYS[2:]), ("video", KEYS[:2])])
def test_processor_of_a_single_branch_model_gives_its_inputs_alone_from_the_same_seconds(
    files: dict[str, Path], tiny_config: EmoFusionConfig, fusion: str, keys: list[str]
):
    both = with_window(tiny_config, "voice")(files["both"])
    assert_same(with_window(tiny_config, "voice", fusion)(files["both"]), {key: both[key] for key in keys})


# Files and arrays are the same


@pytest.mark.parametrize("window", ["voice", "center", "start"])
def test_processor_of_arrays_equals_that_of_their_file(
    files: dict[str, Path], tiny_config: EmoFusionConfig, window: str
):
    processor = with_window(tiny_config, window)
    frames = read_clip(files["both"], num_frames=46, duration=4.6, window="start").frames
    sound = read_audio(files["both"], RATE)
    assert frames is not None and sound is not None
    arrays = processor(videos=frames, audio=sound, sampling_rate=RATE, video_fps=FPS)
    assert_same(processor(files["both"]), arrays)
    assert_same(processor(files["both"]), processor(videos=[frames], audio=[sound], sampling_rate=RATE, video_fps=FPS))


@pytest.mark.parametrize("samples", range(48_790, 48_801, 2))
def test_processor_of_arrays_at_the_edge_between_two_frames_equals_that_of_their_file(
    tiny_config: EmoFusionConfig, tmp_path: Path, samples: int
):
    """A frame counts as shown a little early; here the wanted times lie up to half a millisecond before frames."""
    tiny_config.num_frames = 8
    processor = with_window(tiny_config, "center")
    frames, sound = make_frames(3.0), make_sound(samples / RATE)
    path = write_media(tmp_path / "clip.mkv", frames, sound, codecs=("ffv1", "pcm_s16le"))
    arrays = processor(videos=frames, audio=from_int16(to_int16(sound)), sampling_rate=RATE, video_fps=FPS)
    torch.testing.assert_close(processor(path)["pixel_values"], arrays["pixel_values"], rtol=0, atol=0.05)


def test_processor_of_arrays_where_the_sound_ends_before_the_window_has_no_sound_as_from_a_file(
    tiny_config: EmoFusionConfig, tmp_path: Path
):
    processor = with_window(tiny_config, "center")
    frames, sound = make_frames(9.0), make_sound(2.0)
    path = write_media(tmp_path / "clip.mkv", frames, sound, codecs=("ffv1", "pcm_s16le"))
    arrays = processor(videos=frames, audio=sound, sampling_rate=RATE, video_fps=FPS)
    assert sorted(processor(path)) == sorted(arrays) == sorted(KEYS[:2])


def test_processor_of_float_tensors_and_of_arrays_is_the_same(processor: EmoFusionProcessor):
    frames, sound = make_frames(3.0), make_sound(3.0)
    tensors = processor(videos=torch.from_numpy(frames), audio=torch.from_numpy(sound), sampling_rate=RATE)
    assert_same(processor(videos=frames, audio=sound, sampling_rate=RATE), tensors)
    assert_same(processor(videos=frames, audio=sound.tolist(), sampling_rate=RATE), tensors)


# Which seconds


@pytest.mark.parametrize("window", ["voice", "center", "start"])
def test_processor_window_of_arrays_is_the_same_for_frames_and_sound(tiny_config: EmoFusionConfig, window: str):
    processor = with_window(tiny_config, window)
    sound = np.random.default_rng(0).normal(0, 0.002, 8 * RATE).astype(np.float32)
    sound[5 * RATE : 6 * RATE] += make_sound(1.0)
    inputs = processor(videos=numbered_frames(80), audio=sound, sampling_rate=RATE, video_fps=FPS)
    start = {"voice": 4.0, "center": 2.5, "start": 0.0}[window]  # the voice lies in 5..6 s
    exact = window_start(sound, RATE, 8.0, 3.0, window)
    assert abs(exact - start) < 0.15
    expected = [int((exact + k * 3.0 / 4) * FPS + 1e-3) for k in range(4)]
    assert frame_numbers(inputs["pixel_values"][0], processor) == expected
    inside = sound[round(exact * RATE) :][: 3 * RATE]
    assert torch.equal(inputs["input_features"], processor(audio=inside, sampling_rate=RATE)["input_features"])


def test_processor_voice_window_without_sound_is_the_centre(tiny_config: EmoFusionConfig):
    frames = numbered_frames(80)
    voice, center = (with_window(tiny_config, window)(videos=frames, video_fps=FPS) for window in ("voice", "center"))
    assert_same(voice, center)
    assert frame_numbers(voice["pixel_values"][0], with_window(tiny_config, "voice")) == [25, 32, 40, 47]


@pytest.mark.parametrize(
    "count, fps, seconds, expected",
    [
        (12, None, None, [0, 3, 6, 9]),  # no rate, no sound: spread over the window
        (12, None, 6.0, [3, 4, 6, 7]),  # no rate, 6 s of sound: two a second, the window is 1.5..4.5 s
        (2, None, None, [0, 0, 1, 1]),
        (2, 10.0, None, [0, 1, 1, 1]),  # the last one repeats
        (1, 10.0, 3.0, [0, 0, 0, 0]),
        (60, 10.0, None, [15, 22, 30, 37]),
    ],
)
def test_processor_frames_of_arrays_are_spread_as_documented(
    tiny_config: EmoFusionConfig, count: int, fps: float | None, seconds: float | None, expected: list[int]
):
    processor = with_window(tiny_config, "center")
    audio = None if seconds is None else np.zeros(round(seconds * RATE), np.float32)
    inputs = processor(videos=numbered_frames(count), audio=audio, sampling_rate=RATE, video_fps=fps)
    assert frame_numbers(inputs["pixel_values"][0], processor) == expected


def test_processor_short_sound_is_padded_with_zeros_at_its_end(processor: EmoFusionProcessor):
    sound = make_sound(1.2)
    padded = np.concatenate([sound, np.zeros(3 * RATE - sound.size, np.float32)])
    assert_same(processor(audio=sound, sampling_rate=RATE), processor(audio=padded, sampling_rate=RATE))


def test_processor_short_file_repeats_its_last_frame_and_pads_its_sound(
    files: dict[str, Path], processor: EmoFusionProcessor
):
    inputs = processor(files["short"])  # 1 s: frames are wanted at 0, 0.75, 1.5 and 2.25 s
    first, second, third, fourth = inputs["pixel_values"][0]
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    assert torch.equal(third, fourth)
    silence = inputs["input_features"][0, :, -20:]
    assert silence.std() < 1e-5


def test_processor_loudness_survives_normalisation(processor: EmoFusionProcessor):
    loud, quiet = processor(audio=[make_sound(3.0), 0.1 * make_sound(3.0)], sampling_rate=RATE)["input_features"]
    assert loud.mean() > quiet.mean() + 0.1


# Missing modalities in one batch


def test_processor_of_arrays_with_none_gives_zeros_and_masks(processor: EmoFusionProcessor):
    frames, sound = make_frames(3.0), make_sound(3.0)
    mixed = processor(videos=[frames, None, frames], audio=[None, sound, sound], sampling_rate=RATE)
    assert mixed["video_mask"].tolist() == [True, False, True]
    assert mixed["audio_mask"].tolist() == [False, True, True]
    assert (mixed["pixel_values"][1] == 0).all()
    assert (mixed["input_features"][0] == 0).all()
    assert torch.equal(mixed["pixel_values"][0], processor(videos=frames)["pixel_values"][0])
    assert torch.equal(mixed["input_features"][1], processor(audio=sound, sampling_rate=RATE)["input_features"][0])
    assert sorted(processor(videos=frames)) == sorted(KEYS[:2])
    assert sorted(processor(audio=[sound, sound], sampling_rate=RATE)) == sorted(KEYS[2:])


def test_processor_of_videos_of_different_size_and_length_makes_one_batch(processor: EmoFusionProcessor):
    videos = [make_frames(3.0), numbered_frames(7)]
    assert processor(videos=videos)["pixel_values"].shape == (2, 4, 3, 32, 32)


# What is refused


def test_processor_of_nothing_says_what_to_give(processor: EmoFusionProcessor):
    for nothing in ({}, {"clips": []}, {"videos": []}, {"audio": [], "sampling_rate": RATE}):
        with pytest.raises(ValueError, match="nothing to process: give clips"):
            processor(**nothing)


@pytest.mark.parametrize("arrays", [{"videos": make_frames(1.0)}, {"audio": make_sound(1.0), "sampling_rate": RATE}])
def test_processor_of_clips_and_arrays_is_refused(
    files: dict[str, Path], processor: EmoFusionProcessor, arrays: dict[str, np.ndarray]
):
    with pytest.raises(ValueError, match="either clips .* or videos and audio .*, not both"):
        processor(files["both"], **arrays)


@pytest.mark.parametrize("rate", [0, -1, "16000", True, 16000.5, float("nan"), [16000]])
def test_processor_missing_rate_or_one_that_is_none_is_refused(processor: EmoFusionProcessor, rate: object):
    with pytest.raises(ValueError, match=r"sampling_rate is missing: .*\(the model expects 16000\)"):
        processor(audio=make_sound(1.0))
    with pytest.raises(ValueError, match="sampling_rate: expected samples per second, such as 16000, found "):
        processor(audio=make_sound(1.0), sampling_rate=rate)


def test_processor_unequal_numbers_of_videos_and_sounds_are_refused(processor: EmoFusionProcessor):
    with pytest.raises(ValueError, match="videos has 1 clips and audio 2: put None"):
        processor(videos=[make_frames(1.0)], audio=[make_sound(1.0)] * 2, sampling_rate=RATE)


def test_processor_clip_with_neither_modality_is_named(processor: EmoFusionProcessor):
    with pytest.raises(ValueError, match="^clip 1: no sound or picture in it$"):
        processor(videos=[make_frames(1.0), None], audio=[None, None], sampling_rate=RATE)


@pytest.mark.parametrize(
    "fusion, lacking, message",
    [
        ("audio", "silent", r"silent\.mp4: expected sound"),
        ("video", "voice", r"voice\.wav: no picture in it; this model reads picture alone"),
    ],
)
def test_processor_file_without_the_one_modality_of_the_model_is_named(
    files: dict[str, Path], tiny_config: EmoFusionConfig, fusion: str, lacking: str, message: str
):
    with pytest.raises(ValueError, match=message):
        with_window(tiny_config, "voice", fusion)([files["both"], files[lacking]])


def test_processor_array_without_the_one_modality_of_the_model_is_named(tiny_config: EmoFusionConfig):
    with pytest.raises(ValueError, match="clip 0: no sound in it; this model reads sound alone"):
        with_window(tiny_config, "voice", "audio")(videos=make_frames(1.0))


@pytest.mark.parametrize("content", [b"this is no media", b""])
def test_processor_file_that_is_no_media_is_named(processor: EmoFusionProcessor, tmp_path: Path, content: bytes):
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"notes\.wav: expected a media file"):
        processor(path)
    with pytest.raises(MediaError, match=r"gone\.mp4"):
        processor(tmp_path / "gone.mp4")


def test_feature_extractor_batch_array_is_several_sounds():
    sounds = np.stack([make_sound(2.0), make_sound(2.0, seed=4)])
    features = EmoFusionFeatureExtractor()(sounds, sampling_rate=RATE)["input_features"]
    assert features.shape == (2, 64, 188)
    assert not torch.equal(features[0], features[1])


@pytest.mark.parametrize("window", ["voice", "center", "start"])
def test_feature_extractor_of_long_sound_hears_the_seconds_that_the_processor_hears(
    tiny_config: EmoFusionConfig, window: str
):
    processor = with_window(tiny_config, window)
    sound = np.zeros(8 * RATE, np.float32)
    sound[5 * RATE : 6 * RATE] = from_int16(to_int16(make_sound(1.0)))
    features = processor.feature_extractor(sound, sampling_rate=RATE)
    assert torch.equal(features["input_features"], processor(audio=sound, sampling_rate=RATE)["input_features"])
    assert (features["input_features"].std() > 0.1) == (window != "start")


def test_feature_extractor_refuses_by_the_place_of_the_sound():
    extractor = EmoFusionFeatureExtractor()
    with pytest.raises(ValueError, match="sound 0: expected float sound in -1..1, found int16"):
        extractor(np.zeros(9, np.int16), sampling_rate=RATE)
    with pytest.raises(ValueError, match="sound 1: expected samples, found str; files are read by EmoFusionProcessor"):
        extractor([np.zeros(9, np.float32), "voice.wav"], sampling_rate=RATE)
    with pytest.raises(ValueError, match="sampling_rate is missing"):
        extractor(np.zeros(9, np.float32))
    with pytest.raises(ValueError, match="nothing to process: give a sound"):
        extractor([], sampling_rate=RATE)


def test_int16_of_any_stored_sound_and_back_is_exact():
    every = np.arange(-32768, 32768).astype(np.int16)
    assert np.array_equal(to_int16(from_int16(every)), every)
    assert to_int16(np.array([-1.0, 1.0, 0.5], np.float32)).tolist() == [-32768, 32767, 16384]
    assert to_int16(None) is None


@pytest.mark.parametrize("peak", [1.00002, 1.3, 2.0])
def test_int16_of_sound_that_overshoots_is_quieter_and_not_cut_off(peak: float):
    sound = (peak * np.sin(np.arange(4000) / 7)).astype(np.float32)
    stored = to_int16(sound)
    assert abs(stored).max() == 32767
    np.testing.assert_allclose(from_int16(stored), sound / np.abs(sound).max(), rtol=0, atol=2 / 32768)


# Grey


def test_grey_processor_sees_the_luma_of_colour_frames_and_grey_frames_as_they_are(files: dict[str, Path]):
    fields = {"fusion": "video", "num_frames": 2, "image_size": 28}
    grey = EmoFusionProcessor.from_config(EmoFusionConfig(**fields, grey=True))
    colour = EmoFusionProcessor.from_config(EmoFusionConfig(**fields))
    size = grey.video_processor.crop_size["height"]
    frames = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    asis = {"do_resize": False, "do_center_crop": False, "do_normalize": False, "return_tensors": "pt"}
    found = grey.video_processor([torch.from_numpy(frames).permute(0, 3, 1, 2)], **asis)["pixel_values"][0] * 255
    luma = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in frames])
    assert (found.round() - torch.from_numpy(luma)[:, None]).abs().max() <= 1  # Pillow's own rounding
    as_luma = np.repeat(luma[..., None], 3, axis=3)
    assert_same(grey(videos=as_luma), colour(videos=as_luma))
    from_file, of_colours = grey(files["silent"])["pixel_values"], colour(files["silent"])["pixel_values"]
    mean, std = (
        torch.tensor(values)[:, None, None] for values in (grey.video_processor.image_mean, [0.229, 0.224, 0.225])
    )
    spread = (from_file * std + mean).std(dim=2).max()
    assert spread < 1e-6 < (of_colours * std + mean).std(dim=2).max()


def test_grey_is_kept_by_the_processor_and_by_each_part_of_it(tmp_path: Path):
    EmoFusionProcessor.from_config(EmoFusionConfig(grey=True)).save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert again.grey is again.video_processor.grey is True
    assert AutoVideoProcessor.from_pretrained(tmp_path).grey is True
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    for place in (saved, saved["video_processor"]):
        place.pop("grey", None)
    (tmp_path / "processor_config.json").write_text(json.dumps(saved))
    assert AutoProcessor.from_pretrained(tmp_path).grey is False  # of an older checkpoint


def test_frames_of_different_shapes_are_packed_as_each_alone(processor: EmoFusionProcessor):
    videos = [np.random.default_rng(k).integers(0, 256, (2, *size, 3), dtype=np.uint8) for k, size in SHAPES.items()]
    together = processor(videos=videos)["pixel_values"]
    for place, video in enumerate(videos):
        assert torch.equal(together[place], processor(videos=video)["pixel_values"][0])


SHAPES = {0: (40, 60), 1: (50, 30), 2: (40, 60)}
