"""Clips made worse on purpose: exactly as much as is said, the same every time, and nothing else of them."""

import pickle
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from emofusion.data import ClipInputs
from emofusion.data.inputs.degradation import (
    CONDITIONS,
    Condition,
    Degraded,
    add_noise,
    add_unit_noise,
    blacken,
    conditions_for,
    delay,
)
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor

NAMED = {condition.name: condition for condition in CONDITIONS}
NUM_FRAMES, SIDE, RATE = 4, 37, 16_000
BOTH, SILENT, HEARD = 0, 1, 2
"""The rows of `make_rows`: sound and picture, picture alone, sound alone."""


def processor_for(fusion: str = "gated") -> EmoFusionProcessor:
    config = EmoFusionConfig(fusion=fusion, num_frames=NUM_FRAMES, image_size=32, num_mel_bins=16)
    return EmoFusionProcessor.from_config(config)


def sound_of(seconds: float = 3.0, loudness: float = 2000.0, seed: int = 0) -> np.ndarray:
    """int16 [samples], nowhere 0."""
    sound = loudness * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return np.where(np.abs(sound) < 1, 1, sound).astype(np.int16)


def make_rows() -> dict[str, list[Any]]:
    frames = [np.random.default_rng(seed).integers(1, 256, (8, SIDE, SIDE, 3), np.uint8).tobytes() for seed in (0, 1)]
    sounds = [sound_of(seed=seed).tobytes() for seed in (2, 3)]
    return {
        "clip": ["both", "silent", "heard"],
        "source": ["both.mp4", "silent.mp4", "heard.wav"],
        "frames": [*frames, None],
        "audio": [sounds[0], None, sounds[1]],
        "label": [0, 1, 2],
    }


def degrade(name: str, rows: dict[str, list[Any]] | None = None) -> dict[str, list[Any]]:
    return Degraded(ClipInputs(processor_for()), NAMED[name]).degrade(make_rows() if rows is None else rows)


def samples_of(binary: bytes) -> np.ndarray:
    return np.frombuffer(binary, np.int16).astype(np.float64)


def measured_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    noise = noisy.astype(np.float64) - clean
    return 10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / np.mean(noise**2))


# Which conditions make sense


def names_for(*modalities: str, **options: Any) -> list[str]:
    return [condition.name for condition in conditions_for(modalities, **options)]


def test_conditions_of_a_fused_model_are_all_in_their_order():
    assert names_for("audio", "video") == [
        "audio and video",
        "audio only",
        "video only",
        "noise 20 dB",
        "noise 10 dB",
        "noise 0 dB",
        "black frames 50 %",
        "black frames 100 %",
        "sound late by 0.5 s",
        "sound late by 1 s",
    ]


NOISE = ["undisturbed", "noise 20 dB", "noise 10 dB", "noise 0 dB"]
BLACK = ["undisturbed", "black frames 50 %", "black frames 100 %"]


def test_conditions_of_a_single_branch_are_those_of_its_modality():
    assert names_for("audio") == NOISE
    assert names_for("video") == BLACK


def test_conditions_of_a_corpus_without_sound_or_picture_leave_out_what_cannot_be():
    assert names_for("audio", "video", has_audio=False) == BLACK
    assert names_for("audio", "video", has_video=False) == NOISE
    assert names_for("audio", "video", has_audio=False, has_video=False) == ["undisturbed"]


def test_conditions_of_still_pictures_leave_out_half_a_frame():
    assert names_for("video", num_frames=1) == ["undisturbed", "black frames 100 %"]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_condition_that_is_not_named_for_it_changes_nothing_of_the_other_columns(condition: Condition):
    rows = make_rows()
    changed = degrade(condition.name, rows)
    assert rows == make_rows()  # those given stay
    assert changed.keys() == rows.keys()
    for name in ("clip", "source", "label"):
        assert changed[name] == rows[name]
    touched = {name for name in ("frames", "audio") if changed[name][BOTH] != rows[name][BOTH]}
    sound = condition.noise_db is not None or condition.late or condition.without == "audio"
    assert touched == ({"audio"} if sound else set()) | (
        {"frames"} if condition.black or condition.without == "video" else set()
    )


# A modality missing


@pytest.mark.parametrize(("name", "gone", "left"), [("audio only", "frames", HEARD), ("video only", "audio", SILENT)])
def test_missing_modality_is_gone_from_clips_that_have_the_other(name: str, gone: str, left: int):
    rows, changed = make_rows(), degrade(name)
    kept = SILENT if gone == "frames" else HEARD
    assert changed[gone][BOTH] is None
    assert changed[gone][kept] == rows[gone][kept]  # nothing else of it could be left
    assert changed[gone][left] is None
    assert sum(value is not None for value in changed[gone]) == 1


@pytest.mark.parametrize(("name", "mask", "masked"), [("audio only", "video", BOTH), ("video only", "audio", BOTH)])
def test_mask_of_a_missing_modality_is_false(name: str, mask: str, masked: int):
    rows = make_rows()
    inputs = Degraded(ClipInputs(processor_for()), NAMED[name])(rows)
    expected = {"audio only": [False, True, False], "video only": [False, False, True]}[name]
    assert inputs[f"{mask}_mask"].tolist() == expected
    other = "audio" if mask == "video" else "video"
    assert inputs[f"{other}_mask"].tolist() == [
        row is not None for row in rows[{"audio": "audio", "video": "frames"}[other]]
    ]
    values = {"audio": "input_features", "video": "pixel_values"}[mask]
    assert (inputs[values][masked] == 0).all()


def test_missing_modality_of_all_clips_is_no_input_at_all():
    rows = {name: values[:1] for name, values in make_rows().items()}
    for name, left in (
        ("audio only", ["audio_mask", "input_features"]),
        ("video only", ["pixel_values", "video_mask"]),
    ):
        assert sorted(Degraded(ClipInputs(processor_for()), NAMED[name])(rows)) == sorted([*left, "labels"])


# Noise


@pytest.mark.parametrize("level", [20, 10, 0])
def test_noise_measured_from_the_samples_has_the_level_that_its_name_says(level: int):
    rows, changed = make_rows(), degrade(f"noise {level} dB")
    for clip in (BOTH, HEARD):
        clean, noisy = samples_of(rows["audio"][clip]), samples_of(changed["audio"][clip])
        assert measured_db(clean, noisy) == pytest.approx(level, abs=0.01)
    assert changed["audio"][SILENT] is None
    assert changed["frames"] == rows["frames"]


@given(
    level=st.sampled_from([20.0, 10.0, 0.0]), loudness=st.floats(100, 5000), seconds=st.floats(0.01, 3), name=st.text()
)
def test_noise_is_relative_to_the_sound_however_loud_or_long(level: float, loudness: float, seconds: float, name: str):
    sound = sound_of(seconds, loudness)
    noisy = add_noise(sound, level, name)
    assert noisy.dtype == np.int16
    assert noisy.shape == sound.shape
    assert measured_db(sound, noisy) == pytest.approx(level, abs=0.5)


def test_noise_is_white_and_gaussian():
    noise = add_noise(sound_of(), 0, "both").astype(np.float64) - sound_of()
    power = np.abs(np.fft.rfft(noise)[1:-1]) ** 2  # 1 Hz apart by the third
    bands = np.array([band.mean() for band in np.array_split(power, 8)])
    assert bands == pytest.approx(bands.mean(), rel=0.1)
    assert np.mean(noise) / noise.std() == pytest.approx(0, abs=0.02)
    assert np.mean(noise**4) / np.mean(noise**2) ** 2 == pytest.approx(3, abs=0.1)  # kurtosis of the normal curve
    assert np.corrcoef(noise, sound_of())[0, 1] == pytest.approx(0, abs=0.02)


def test_noise_levels_of_a_clip_are_the_same_noise_and_clips_differ():
    sound = sound_of()
    loud, soft = (add_noise(sound, level, "one").astype(float) - sound for level in (0, 20))
    assert loud == pytest.approx(10 * soft, abs=6)  # each is rounded to whole numbers
    assert abs(np.corrcoef(loud, add_noise(sound, 0, "two").astype(float) - sound)[0, 1]) < 0.02


def test_noise_is_the_same_for_a_clip_whatever_the_batch():
    rows = make_rows()
    together = degrade("noise 10 dB", rows)["audio"]
    for order in ([HEARD, SILENT, BOTH], [HEARD], [BOTH, SILENT]):
        other = degrade("noise 10 dB", {name: [values[k] for k in order] for name, values in rows.items()})["audio"]
        assert other == [together[k] for k in order]


def test_noise_does_not_touch_the_random_state_of_the_process():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    add_noise(sound_of(), 0, "one")
    assert (np.random.get_state()[1] == before).all()


def test_noise_leaves_digital_silence_alone():
    silence = np.zeros(RATE, np.int16)
    assert (add_noise(silence, 0, "one") == 0).all()
    assert add_noise(silence[:0], 0, "one").size == 0


def test_noise_is_clipped_and_does_not_wrap_around():
    square = np.where(np.arange(RATE) % 2, 32767, -32768).astype(np.int16)
    noisy = add_noise(square, 20, "one")
    assert (np.sign(noisy) == np.sign(square)).all()  # what wraps changes its sign
    assert {int(noisy.min()), int(noisy.max())} == {-32768, 32767}


# Black frames


@pytest.mark.parametrize(("name", "black"), [("black frames 50 %", 2), ("black frames 100 %", 4)])
def test_black_share_is_that_of_the_frames_that_the_model_takes(name: str, black: int):
    plain = ClipInputs(processor_for())(make_rows())["pixel_values"]
    pixels = Degraded(ClipInputs(processor_for()), NAMED[name])(make_rows())["pixel_values"]
    video = processor_for().video_processor
    zero = -torch.tensor(video.image_mean) / torch.tensor(video.image_std)
    for clip in (BOTH, SILENT):
        dark = [torch.allclose(frame, zero[:, None, None].expand_as(frame), atol=1e-6) for frame in pixels[clip]]
        assert sum(dark) == black
        for step in range(NUM_FRAMES):
            assert dark[step] or torch.equal(pixels[clip][step], plain[clip][step])
    assert (pixels[HEARD] == 0).all()  # no picture, no black one


@example(num_frames=8, share=0.5, frames_per_step=2)
@given(num_frames=st.integers(1, 40), share=st.floats(0, 1), frames_per_step=st.integers(1, 3))
def test_black_frames_are_the_share_and_evenly_spread(num_frames: int, share: float, frames_per_step: int):
    stored = np.full((num_frames * frames_per_step, 2, 2, 3), 9, np.uint8)
    frames = np.frombuffer(blacken(stored.tobytes(), num_frames, share), np.uint8).reshape(stored.shape)
    taken = (frames[::frames_per_step] == 0).all(axis=(1, 2, 3))
    assert abs(taken.sum() - share * num_frames) <= 0.5
    assert ((frames == 0).all(axis=(1, 2, 3)) == np.repeat(taken, frames_per_step)).all()
    gaps = np.diff(np.flatnonzero(taken))
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_black_frames_of_a_wrong_size_are_told_as_without_them():
    rows = make_rows() | {"frames": [b"\1" * 1001, None, None]}
    with pytest.raises(ValueError, match=r"expected 8 stored frames of 37 x 37 pixels, found 1001 bytes"):
        Degraded(ClipInputs(processor_for()), NAMED["black frames 50 %"])(rows)


@pytest.mark.parametrize("fusion", ["video", "gated"])
def test_black_still_picture_is_black_in_its_own_size(fusion: str):
    picture = Image.fromarray(np.full((48, 60, 3), 200, np.uint8))
    columns = {"clip": ["a", "b"], "source": ["a.png", "b.png"], "label": [0, 1], "image": [picture] * 2}
    rows = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    plain = rows.with_transform(ClipInputs(processor_for(fusion)))[:]
    half, whole = (
        rows.with_transform(Degraded(ClipInputs(processor_for(fusion)), NAMED[f"black frames {share} %"]))[:]
        for share in (50, 100)
    )
    assert torch.equal(half["pixel_values"], plain["pixel_values"])
    assert whole["pixel_values"].shape == plain["pixel_values"].shape
    assert whole["pixel_values"].max() < plain["pixel_values"].min()
    alone = rows.with_transform(Degraded(ClipInputs(processor_for(fusion)), NAMED["audio only"]))[:]
    assert torch.equal(alone["pixel_values"], plain["pixel_values"])  # there is no sound to be left


# Late sound


@pytest.mark.parametrize(("name", "seconds"), [("sound late by 0.5 s", 0.5), ("sound late by 1 s", 1.0)])
def test_late_sound_is_late_by_exactly_that(name: str, seconds: float):
    rows, changed = make_rows(), degrade(name)
    count = round(seconds * RATE)
    before, after = samples_of(rows["audio"][BOTH]), samples_of(changed["audio"][BOTH])
    assert after.shape == before.shape
    assert (after[:count] == 0).all()
    assert (after[count:] == before[:-count]).all()
    assert changed["audio"][SILENT] is None
    assert changed["audio"][HEARD] == rows["audio"][HEARD]  # there is no picture that it could come after
    assert changed["frames"] == rows["frames"]


@given(length=st.integers(0, 50), count=st.integers(0, 80))
def test_delay_keeps_the_length_even_of_sound_shorter_than_it(length: int, count: int):
    sound = np.arange(1, length + 1, dtype=np.int16)
    assert delay(sound, count).tolist() == ([0] * count + sound.tolist())[:length]


# As a transform


def test_degraded_of_the_undisturbed_condition_equals_clip_inputs():
    for condition in (CONDITIONS[0], conditions_for(["audio"])[0]):
        found, expected = (
            Degraded(ClipInputs(processor_for()), condition)(make_rows()),
            ClipInputs(processor_for())(make_rows()),
        )
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_degraded_survives_pickling(condition: Condition):
    transform = Degraded(ClipInputs(processor_for()), condition)
    found, expected = pickle.loads(pickle.dumps(transform))(make_rows()), transform(make_rows())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_degraded_rows_of_an_audio_model_need_no_frames_column():
    rows = {name: values for name, values in make_rows().items() if name != "frames"}
    rows = {name: [values[BOTH], values[HEARD]] for name, values in rows.items()}
    for condition in conditions_for(["audio"]):
        inputs = Degraded(ClipInputs(processor_for("audio")), condition)(rows)
        assert sorted(inputs) == ["audio_mask", "input_features", "labels"]


def test_noise_in_action_units_is_as_strong_as_it_says_in_each_of_them():
    spread = np.linspace(0.1, 3.0, 35)
    units = np.zeros((4000, 35), np.float32)
    units[7] = np.nan
    for noise_db in (10.0, 0.0):
        found = add_unit_noise(units, noise_db, "clip", spread)
        np.testing.assert_allclose(np.nanstd(found, axis=0), spread / 10 ** (noise_db / 20), rtol=0.06)
        assert found.dtype == np.float32 and np.isnan(found[7]).all() and np.isnan(found).sum() == 35
    strong, weak = (add_unit_noise(units, noise_db, "clip", spread) for noise_db in (0.0, 20.0))
    np.testing.assert_allclose(strong, 10 * weak, rtol=1e-4)
    assert not np.array_equal(strong[0], add_unit_noise(units, 0.0, "other", spread)[0])


def test_conditions_of_action_units_have_noise_in_them_in_place_of_black_frames():
    found = [condition.name for condition in conditions_for(["video"], action_units=True)]
    assert found == ["undisturbed", "noisy action units 10 dB", "noisy action units 0 dB"]
    assert not any("action units" in condition.name for condition in conditions_for(["audio", "video"]))
