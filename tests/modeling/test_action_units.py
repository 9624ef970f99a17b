"""Models of action units: tables of OpenFace, the encoder with its masks, the processor, and what is saved."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.action_units_emofusion import ACTION_UNITS, read_measured_face
from emofusion.modeling.encoders_emofusion import Standardise
from emofusion.modeling.seen_emofusion import Seen
from helpers.corpora.openface_files import openface_table, units_of
from helpers.corpora.ravdess_files import RATE, make_frames, make_sound, write_media, write_sound
from helpers.tiny_models import FUSIONS, SIZES, assert_same, new_model, one_thread  # noqa: F401

READ = [fusion for fusion in FUSIONS if fusion != "audio"]


def model_of(fusion: str = "gated") -> EmoFusionModel:
    """An untrained model of action units that standardises them by some."""
    model = new_model(fusion, video_encoder="action_units")
    model.video_encoder.standardise.fit(torch.tensor(units_of(3, 40), dtype=torch.float32))
    return model


def batch_of(clips: int = 3, steps: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        "action_units": 2 * torch.rand(clips, steps, 35, generator=generator),
        "action_unit_mask": torch.ones(clips, steps, dtype=torch.bool),
        "input_features": torch.randn(clips, 32, 188, generator=generator),
        "labels": torch.arange(clips) % 8,
    }


def processor_of(fusion: str = "gated", **changes: object) -> EmoFusionProcessor:
    fields = {**SIZES, "fusion": fusion, "video_encoder": "action_units", **changes}
    return EmoFusionProcessor.from_config(EmoFusionConfig(**fields))


# --- tables ---------------------------------------------------------------------------------------------------------


def test_action_units_are_those_of_openface_in_its_order():
    assert len(ACTION_UNITS) == 35 and ACTION_UNITS[0] == "AU01_r" and ACTION_UNITS[16:18] == ("AU45_r", "AU01_c")
    assert ACTION_UNITS[-3:] == ("AU26_c", "AU28_c", "AU45_c") and "AU28_r" not in ACTION_UNITS


@pytest.mark.parametrize("fps", [30.0, 29.97, 12.5, 60.0])
def test_steps_are_means_over_the_frames_of_equal_parts_of_the_window(fps: float):
    frames = math.ceil(4 * fps)
    units = np.repeat(np.arange(frames)[:, None] / fps, 35, axis=1)  # each measures its own time
    face = read_measured_face(openface_table(units, fps).encode(), "table")
    found = face.steps(0.5, 3.0, 6)
    assert found.shape == (6, 35) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], 0.5 + 0.5 * (np.arange(6) + 0.5), atol=0.6 / fps)
    assert face.seconds(3.0) == pytest.approx((frames - 1) / fps, abs=1e-3)


def test_frames_without_a_face_do_not_count_and_a_step_of_such_is_not_measured():
    units = np.repeat(np.arange(60.0)[:, None], 35, axis=1)
    lost, gap = range(10, 20), range(40, 45)
    face = read_measured_face(openface_table(units, 10.0, lost=lost, gap=gap).encode(), "table")
    found = face.steps(0.0, 6.0, 6)
    np.testing.assert_allclose(found[0], 4.5)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[4], 47.0)  # five of its ten frames have a row
    assert np.isnan(face.steps(6.0, 3.0, 2)).all(), "after the film"


def test_a_single_step_is_the_mean_of_the_whole_film():
    units = units_of(3, 90)
    face = read_measured_face(openface_table(units).encode(), "table")
    np.testing.assert_allclose(face.steps(1.0, 0.5, 1)[0], units.mean(0), atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace(" success", " sucess"),
            r"^clip.csv: .* found none named success\. OpenFace's `Feat",
        ),
        (lambda text: text.replace("AU12_r", "AU12"), "found none named AU12_r"),
        (lambda text: "", "found none named timestamp, success, AU01_r ..."),
        (lambda text: text.replace("0.000", "zero", 1), "clip.csv: row 1, column timestamp: expected a number"),
        (lambda text: text + "4, 0, 0.1\n", "clip.csv: row 4: expected 42 columns, found 3"),
        (lambda text: "\udcff" + text, "expected a table of action units as CSV"),
    ],
)
def test_table_that_is_none_is_one_clear_error(change, message: str):
    content = change(openface_table(units_of(3, 3))).encode("utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=message):
        read_measured_face(content, "clip.csv")


# --- the encoder ----------------------------------------------------------------------------------------------------


def test_standardising_leaves_mean_0_and_spread_1_and_does_not_divide_by_nothing():
    rows = torch.tensor(units_of(3, 40), dtype=torch.float32)
    rows[:, 5] = 2.0
    layer = Standardise(35)
    layer.fit(torch.cat([rows, torch.full((2, 35), torch.nan)]))
    found = layer(rows)
    torch.testing.assert_close(found.mean(0), torch.zeros(35), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0)[6], torch.tensor(1.0))
    assert (found[:, 5] == 0).all()
    with pytest.raises(ValueError, match="expected rows to standardise by"):
        layer.fit(torch.full((2, 35), torch.nan))


@pytest.mark.parametrize("fusion", READ)
def test_a_row_that_was_not_measured_changes_nothing_whatever_it_holds(fusion: str):
    model, batch = model_of(fusion), batch_of()
    batch["action_unit_mask"][0, 1:3] = False
    expected = model(**batch)
    for fill in (0.0, torch.nan, 1e30):
        batch["action_units"][0, 1:3] = fill
        assert_same(dict(model(**batch)), dict(expected))
    without_mask = {**batch, "action_unit_mask": None}
    without_mask["action_units"][0, 1:3] = torch.nan
    assert_same(dict(model(**without_mask)), dict(expected))


def test_embedding_is_the_mean_over_the_rows_that_were_measured():
    model, batch = model_of("video"), batch_of()
    del batch["input_features"]
    batch["action_unit_mask"][:, 2:] = False
    short = {
        **batch,
        "action_units": batch["action_units"][:, :2],
        "action_unit_mask": batch["action_unit_mask"][:, :2],
    }
    torch.testing.assert_close(model(**batch).logits, model(**short).logits)
    whole = {**batch, "action_unit_mask": torch.ones(3, 4, dtype=torch.bool)}
    assert (model(**whole).logits - model(**batch).logits).abs().max() > 1e-4


@pytest.mark.parametrize("fusion", [fusion for fusion in READ if fusion != "video"])
def test_without_action_units_it_answers_by_sound_alone(fusion: str):
    model, batch = model_of(fusion), batch_of()
    expected = model(input_features=batch["input_features"], labels=batch["labels"])
    absent = {**batch, "video_mask": torch.zeros(3, dtype=torch.bool)}
    assert_same(dict(model(**absent)), dict(expected))
    assert_same(dict(model(**absent, pixel_values=torch.randn(3, 4, 3, 32, 32))), dict(expected))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "needs action_units, found None"),
        ({"pixel_values": torch.zeros(1, 4, 3, 32, 32)}, "needs action_units, found None"),
        ({"action_units": torch.zeros(2, 35)}, r"action_units: expected \[batch, steps, 35\], found \[2, 35\]"),
        ({"action_units": torch.zeros(2, 1, 34)}, r"found \[2, 1, 34\]"),
        (
            {"action_units": torch.zeros(2, 1, 35), "action_unit_mask": torch.ones(2, dtype=torch.bool)},
            r"action_unit_mask: expected \[2, 1\], found \[2\]",
        ),
    ],
)
def test_wrong_inputs_are_named(inputs: dict, message: str):
    with pytest.raises(ValueError, match=message):
        model_of("video")(**inputs)


def test_main_input_is_what_the_model_reads():
    assert model_of("gated").main_input_name == "action_units"
    assert new_model("gated").main_input_name == "pixel_values"
    assert processor_of().model_input_names == ["action_units", "action_unit_mask"] + [
        "input_features", "video_mask", "audio_mask"
    ]  # fmt: skip


# --- saved ----------------------------------------------------------------------------------------------------------


def test_what_standardises_is_saved_and_sealed_with_the_weights(tmp_path: Path):
    model = model_of()
    seen = Seen(frozenset({1, 2}), frozenset({"audio", "video"}))
    model.seal_seen(seen)
    model.save_pretrained(tmp_path)
    loaded = EmoFusionModel.from_pretrained(tmp_path).eval()
    assert loaded.seen == seen
    assert_same(dict(loaded(**batch_of())), dict(model(**batch_of())))
    loaded.video_encoder.standardise.mean += 1
    assert not loaded.seen.complete, "another mean is another model"
    processor_of().save_pretrained(tmp_path)
    # What elsewhere reads the model without the package.
    assert {"action_units_emofusion.py", "encoders_emofusion.py"} <= {path.name for path in tmp_path.iterdir()}


def test_processor_that_was_saved_reads_the_same(tmp_path: Path):
    processor = processor_of(num_frames=3)
    processor.save_pretrained(tmp_path / "saved")
    table = tmp_path / "clip.csv"
    table.write_text(openface_table(units_of(3, 100)))
    again = EmoFusionProcessor.from_pretrained(tmp_path / "saved")
    assert again.reads_action_units
    assert_same(dict(again(action_units=table)), dict(processor(action_units=table)))


# --- the processor --------------------------------------------------------------------------------------------------


def test_table_is_read_in_the_seconds_of_the_sound(tmp_path: Path):
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), make_sound(3.0)])  # the voice is in the last three
    table, voice = tmp_path / "clip.csv", write_sound(tmp_path / "voice.wav", sound)
    units = np.repeat((np.arange(150)[:, None] / 30), 35, axis=1)
    table.write_text(openface_table(units))
    inputs = processor_of(num_frames=3)(action_units=table, audio=voice)
    assert {name: list(value.shape) for name, value in inputs.items()} == {
        "action_units": [1, 3, 35],
        "action_unit_mask": [1, 3],
        "video_mask": [1],
        "input_features": [1, 32, 188],
        "audio_mask": [1],
    }
    assert inputs["action_units"][0, :, 0].tolist() == pytest.approx([2.5, 3.5, 4.5], abs=0.05)


def test_arrays_are_taken_as_they_are_and_shorter_ones_are_filled_up():
    rows = units_of(3, 2).astype(np.float32)
    gap = np.full((3, 35), np.nan, np.float32)
    gap[1] = rows[0]
    inputs = processor_of()(action_units=[rows, gap, rows[0], None], audio=[make_sound()] * 4, sampling_rate=RATE)
    assert inputs["action_unit_mask"].tolist() == [
        [True, True, False],
        [False, True, False],
        [True, False, False],
        [False] * 3,
    ]
    assert inputs["video_mask"].tolist() == [True, True, True, False]
    assert np.array_equal(inputs["action_units"][0, :2], rows) and inputs["action_units"].isfinite().all()
    one = processor_of()(action_units=rows)
    assert list(one) == ["action_units", "action_unit_mask", "video_mask"] and len(one["video_mask"]) == 1
    several = processor_of()(action_units=np.stack([rows, rows]))
    assert len(several["video_mask"]) == 2


def test_sound_alone_is_enough_for_a_fused_model(tmp_path: Path):
    voice = write_sound(tmp_path / "voice.wav", make_sound())
    assert list(processor_of()(voice)) == ["input_features", "audio_mask"]


def test_film_is_refused_and_what_to_do_is_said(tmp_path: Path):
    film = write_media(tmp_path / "film.mp4", make_frames(), make_sound())
    for fusion in ("gated", "video"):
        with pytest.raises(
            ValueError, match=r"film.mp4: this model reads action units in place of frames\. OpenFace's"
        ):
            processor_of(fusion)(film)
    with pytest.raises(ValueError, match="videos: this model reads action units"):
        processor_of()(videos=make_frames())
    assert list(processor_of()(audio=film)) == ["input_features", "audio_mask"]


@pytest.mark.parametrize(
    ("action_units", "message"),
    [
        (np.zeros((2, 34)), r"clip 0: action units: expected the path .* \[steps, 35\], found \[2, 34\]"),
        ([np.zeros((1, 35)), object()], "clip 1: action units: expected .* found object"),
        (np.full((2, 35), np.nan), "clip 0: no action units in it; this model reads action units alone"),
    ],
)
def test_wrong_action_units_are_named(action_units, message: str):
    with pytest.raises(ValueError, match=message):
        processor_of("video")(action_units=action_units)


def test_model_of_frames_takes_no_action_units(tiny_config: EmoFusionConfig):
    with pytest.raises(ValueError, match="action_units: this model reads none"):
        EmoFusionProcessor.from_config(tiny_config)(action_units=np.zeros(35))


def test_rows_of_the_dataset_are_one_clip_however_they_are_written():
    config = EmoFusionConfig(fusion="video", video_encoder="action_units", num_frames=4)
    processor, rows = EmoFusionProcessor.from_config(config), np.ones((4, 35), np.float32)
    for given in (rows, rows.tolist(), [rows.tolist()], rows[None]):
        assert processor(action_units=given)["action_units"].shape == (1, 4, 35)
    assert processor(action_units=[rows, rows])["action_units"].shape == (2, 4, 35)
    assert processor(action_units=rows[0].tolist())["action_units"].shape == (1, 1, 35)


def test_measurement_that_is_far_from_all_of_training_counts_for_5_spreads_at_most():
    standardise = Standardise(2)
    standardise.fit(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    found = standardise(torch.tensor([[30.0, 1.0], [-6.0, -7.0]]))
    assert found.tolist() == [[5.0, 1.0], [-5.0, -5.0]]


@torch.no_grad()
def test_clip_that_was_measured_nowhere_has_no_picture_without_a_mask_too():
    torch.manual_seed(0)
    model = EmoFusionModel(EmoFusionConfig(video_encoder="action_units", encoder_width=8, num_frames=2)).eval()
    units = torch.ones(2, 2, 35)
    units[1] = torch.nan
    gate = model(action_units=units, input_features=torch.randn(2, 64, 188)).gate
    assert gate[1] == 1
    assert 0 < gate[0] < 1
