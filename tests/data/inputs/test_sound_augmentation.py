"""Augmentation of sound: shift in time, level, coloured noise, and the warped axis of mels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofusion.data import ClipInputs
from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.mel_warp import warp_mels
from emofusion.data.inputs.sound_augment import add_coloured_noise, change_gain, coloured
from emofusion.data.inputs.spec_augment import SpecAugment
from emofusion.data.inputs.time_shift import shift_in_time, sound_line
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor
from helpers.tiny_backbones import settings as settings_of_backbone

RATE = 16_000
CLIPS = [f"clip {number}" for number in range(6)]


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def whole_sounds(seconds: float = 3.5, seed: int = 0) -> np.ndarray:
    """int16 [clips, samples]"""
    shape = (len(CLIPS), round(seconds * RATE))
    return (2000 * np.random.default_rng(seed).standard_normal(shape)).astype(np.int16)


def rows_of(sounds: np.ndarray, margin: int, clips: list[str] = CLIPS, **columns: list) -> dict[str, list]:
    """Rows of sound alone, with `margin` samples of it beside the clip at each end."""
    end = sounds.shape[1] - margin
    parts = {"audio_before": (0, margin), "audio": (margin, end), "audio_after": (end, end + margin)}
    stored = {name: [sound[first:last].tobytes() for sound in sounds] for name, (first, last) in parts.items()}
    return {"clip": clips, "source": clips, "label": [0] * len(clips), **stored, **columns}


def processor_for(fusion: str = "audio") -> EmoFusionProcessor:
    return EmoFusionProcessor.from_config(EmoFusionConfig(fusion=fusion, num_mel_bins=16))


def features_of(rows: dict[str, list], **fields: float) -> torch.Tensor:
    augmentation = Augmentation(seed=3, spec_augment=None, **fields)
    return ClipInputs(processor_for(), augmentation)(rows)["input_features"]


# Shift in time


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(-15, 15), st.integers(1, 20))
def test_sound_line_is_the_stored_sound_between_silence(before: int, audio: int, after: int, first: int, count: int):
    stored = np.arange(1, before + audio + after + 1, dtype=np.int16)
    line = sound_line(*np.split(stored, [before, before + audio]), first, count)
    places = np.arange(first, first + count) + before
    wanted = np.where((places >= 0) & (places < len(stored)), places + 1, 0)
    assert line.dtype == np.int16
    assert line.tolist() == wanted.tolist()


def test_time_shift_of_n_samples_is_the_longer_sound_from_n_samples_later():
    lines = torch.arange(24.0).view(2, 12)
    for place in range(7):
        draws = torch.full((2,), (place + 0.5) / 7)
        assert torch.equal(shift_in_time(lines, draws, furthest=3), lines[:, place : place + 6])
    ends = shift_in_time(lines, torch.tensor([0.0, float(np.nextafter(np.float32(1), np.float32(0)))]), furthest=3)
    assert torch.equal(ends, torch.stack([lines[0, :6], lines[1, 6:]]))


def test_time_shift_hears_what_the_longer_file_has_there():
    sounds = whole_sounds()
    shifted = features_of(rows_of(sounds, 4000), time_shift=0.25)
    draws = Augmentation(seed=3).draws(CLIPS, 1, "time shift")[:, 0].double().numpy()
    begins = (draws * 8001).astype(int)
    assert begins.min() < 3000 and begins.max() > 5000
    cut = np.stack([sound[begin : begin + 48_000] for sound, begin in zip(sounds, begins, strict=True)])
    assert torch.equal(shifted, features_of(rows_of(cut, 0)))


@pytest.mark.parametrize("columns", [{"audio_before": [None] * 6, "audio_after": [b""] * 6}, {}])
def test_time_shift_of_rows_without_margins_shifts_into_silence(columns: dict[str, list]):
    sounds = whole_sounds(3.0)
    rows = rows_of(sounds, 0)
    del rows["audio_before"], rows["audio_after"]
    padded = np.pad(sounds, ((0, 0), (4000, 4000)))
    shifted = features_of(rows | columns, time_shift=0.25)
    assert torch.equal(shifted, features_of(rows_of(padded, 4000), time_shift=0.25))
    assert not torch.equal(shifted, features_of(rows))


def test_time_shift_of_a_longer_sound_begins_at_the_seconds_that_the_window_chooses():
    sounds = whole_sounds(5.0)
    sounds[:, : round(1.5 * RATE)] //= 50
    processor = processor_for()
    first = [processor.feature_extractor.first_heard(sound / np.float32(32768)) for sound in sounds]
    assert min(first) > RATE
    cut = np.stack([s[begin - 160 : begin + 48_160] for s, begin in zip(sounds, first, strict=True)])
    longer = features_of(rows_of(sounds, 0), time_shift=0.01)
    assert torch.equal(longer, features_of(rows_of(cut, 160), time_shift=0.01))


# Level and noise


def test_gain_moves_every_sound_by_its_own_decibels():
    sounds, draws = uniform(5, 1000), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    changed = change_gain(sounds, draws, most=6.0)
    decibel = 20 * (changed / sounds).log10().mean(1)
    torch.testing.assert_close(decibel, torch.tensor([-6.0, -3.0, 0.0, 3.0, 6.0]))


def test_gain_of_loud_sound_is_not_cut_off():
    loud = np.full((len(CLIPS), 48_000), 32_000, np.int16)
    loud[:, ::2] *= -1
    louder = features_of(rows_of(loud, 0), gain=20.0)
    draws = Augmentation(seed=3).draws(CLIPS, 1, "gain")[:, 0]
    moved = (louder - features_of(rows_of(loud, 0)))[:, -1].mean(1) * processor_for().feature_extractor.std
    torch.testing.assert_close(moved, (2 * draws - 1) * 20 * np.log(10) / 10, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0, 2.0])
def test_noise_has_the_slope_of_its_colour(exponent: float):
    noise = coloured(uniform(20, 48_000), torch.full((20,), exponent), RATE)
    hertz = np.fft.rfftfreq(48_000, 1 / RATE)
    power = np.square(np.abs(np.fft.rfft(noise.numpy()))).mean(0)
    heard = hertz >= 20
    bands = np.geomspace(20, 8000, 12)
    mean = [power[(hertz >= low) & (hertz < high)].mean() for low, high in zip(bands, bands[1:], strict=False)]
    middle = [hertz[(hertz >= low) & (hertz < high)].mean() for low, high in zip(bands, bands[1:], strict=False)]
    slope = np.polyfit(np.log(middle), np.log(mean), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)
    assert power[~heard].sum() < 1e-6 * power.sum()


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(1e-3, 2.0))
def test_noise_is_as_many_decibels_below_the_clip_as_drawn(colour: float, level: float, loudness: float):
    sound = loudness * (uniform(1, 16_000) - 0.5)
    noisy = add_coloured_noise(sound, torch.tensor([[colour, level]]), uniform(1, 16_000, seed=1), RATE)
    ratio = sound.square().mean() / (noisy - sound).square().mean()
    assert 10 * ratio.log10().item() == pytest.approx(40 * level, abs=0.05)


def test_noise_comes_to_the_drawn_share_of_clips_and_silence_stays_silent():
    sounds = whole_sounds(3.0)
    sounds[2] = 0
    plain, noisy = features_of(rows_of(sounds, 0)), features_of(rows_of(sounds, 0), noise=1.0)
    changed = (plain != noisy).flatten(1).any(1)
    assert changed.tolist() == [True, True, False, True, True, True]
    some = features_of(rows_of(sounds, 0), noise=0.5)
    chosen = Augmentation(seed=3).draws(CLIPS, 1, "noise")[:, 0] < 0.5
    assert 0 < chosen.sum() < 6
    assert torch.equal((some != plain).flatten(1).any(1), chosen & changed)
    assert torch.equal(some[chosen], noisy[chosen])


def test_augmented_sound_does_not_depend_on_the_rest_of_the_batch():
    sounds, fields = whole_sounds(), {"time_shift": 0.25, "gain": 6.0, "noise": 0.5, "mel_warp": 0.1}
    together = features_of(rows_of(sounds, 4000), **fields)
    order = [4, 1, 5]
    some = features_of(rows_of(sounds[order], 4000, [CLIPS[k] for k in order]), **fields)
    torch.testing.assert_close(some, together[order], rtol=0, atol=1e-5)
    for fields_off in ({**fields, "time_shift": 0.0}, {**fields, "mel_warp": 0.0}, {**fields, "gain": 0.0}):
        assert not torch.allclose(features_of(rows_of(sounds, 4000), **fields_off), together, atol=1e-3)


def test_augmented_sound_of_clips_without_it_stays_away():
    rows = rows_of(whole_sounds(), 4000)
    rows["audio"][1] = rows["audio_before"][1] = rows["audio_after"][1] = None
    rows["frames"] = [np.zeros(16 * 128 * 128 * 3, np.uint8).tobytes()] * 6
    inputs = ClipInputs(processor_for("gated"), Augmentation(seed=3, time_shift=0.25, noise=1.0))(rows)
    assert inputs["audio_mask"].tolist() == [True, False, True, True, True, True]
    assert not inputs["input_features"][1].any()


# The axis of mels


def test_mel_warp_moves_a_line_to_where_the_factor_says():
    lines = torch.zeros(3, 64, 2)
    lines[:, 40] = 1.0
    warped = warp_mels(lines, torch.tensor([0.0, 0.5, 1.0]), most=0.1)
    centre = (warped[:, :, 0] * torch.arange(64)).sum(1) / warped[:, :, 0].sum(1)
    torch.testing.assert_close(centre, torch.tensor([36.0, 40.0, 44.0]), rtol=0, atol=0.3)
    assert torch.equal(warped[1], lines[1])


def test_mel_warp_interpolates_and_repeats_the_highest_band():
    ramp = torch.arange(10.0)[None, :, None].expand(2, 10, 3)
    narrow, wide = warp_mels(ramp, torch.tensor([0.0, 1.0]), most=0.5)
    torch.testing.assert_close(narrow[:, 0], torch.tensor([0.0, 2, 4, 6, 8, 9, 9, 9, 9, 9]))
    torch.testing.assert_close(wide[:, 0], torch.arange(10.0) / 1.5)


def test_spec_augment_strength_scales_the_widest_masks():
    assert [vars(SpecAugment.of_strength(s))["max_mels"] for s in (0.25, 1.0, 1.5)] == [5, 20, 30]
    assert [vars(SpecAugment.of_strength(s))["max_steps"] for s in (0.25, 1.0, 1.5)] == [10, 40, 60]


@pytest.mark.parametrize(
    "field, value, most",
    [("time_shift", 0.3, 0.25), ("gain", -1.0, 30), ("noise", 1.5, 1), ("mel_warp", 0.6, 0.5), ("mixup", 11, 10)],
)
def test_augmentation_beyond_its_range_names_the_field(field: str, value: float, most: float):
    with pytest.raises(ValueError, match=rf"^{field}={value}: expected a number from 0 .* to {most}"):
        Augmentation(seed=0, **{field: value})
    with pytest.raises(ValueError, match=f"^{field}=nan"):
        Augmentation(seed=0, **{field: float("nan")})


# Sound encoders of transformers, which hear raw sound


def raw_processor() -> EmoFusionProcessor:
    config, extractor = settings_of_backbone("wavlm")
    fields = {"fusion": "audio", "audio_encoder": "auto", "audio_config": config}
    return EmoFusionProcessor.from_config(EmoFusionConfig(**fields), extractor)


def test_raw_sound_is_shifted_and_noisy_as_spectrograms_are():
    rows = rows_of(whole_sounds(), margin=4000)
    found = {}
    for name, fields in {"plain": {}, "shifted": {"time_shift": 0.2}, "noisy": {"noise": 1.0}}.items():
        augmentation = Augmentation(seed=3, spec_augment=None, **fields)
        found[name] = ClipInputs(raw_processor(), augmentation)(rows)["input_values"]
    plain = ClipInputs(raw_processor())(rows)["input_values"]
    assert plain.shape == (len(CLIPS), 3 * RATE)
    torch.testing.assert_close(found["plain"], plain)
    assert not torch.isclose(found["shifted"], plain).all(1).any()
    both = torch.stack([found["noisy"], plain]).double()
    assert all(0.3 < torch.corrcoef(both[:, clip])[0, 1] < 1 - 1e-6 for clip in range(len(CLIPS)))


@pytest.mark.parametrize("fields", [{}, {"spec_augment": None, "mel_warp": 0.1}])
def test_spectrograms_of_ours_cannot_be_changed_where_raw_sound_is_heard(fields: dict):
    with pytest.raises(ValueError, match="spec_augment and mel_warp change spectrograms of ours"):
        ClipInputs(raw_processor(), Augmentation(seed=3, **fields))
