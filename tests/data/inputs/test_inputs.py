"""Rows of the dataset to model inputs and batches: the same as from files, and augmented in training."""

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import emofusion.data  # noqa: F401  registers the builder
from emofusion.data import ClipCollator, ClipInputs, EpochClock
from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.spec_augment import SpecAugment
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor
from helpers.corpora.ravdess_files import write_corpus, write_named

SIZES = {"num_frames": 4, "image_size": 32, "num_mel_bins": 16}
KINDS = {"01-01-03-01-01-01-01": "mp4", "01-01-04-01-01-01-01": "silent.mp4", "03-01-05-01-01-01-01": "wav"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with both modalities, a silent one, and sound alone, in this order of their codes."""
    folder = tmp_path_factory.mktemp("mixed")
    for seed, (stem, kind) in enumerate(KINDS.items()):
        write_named(folder, stem, kind, seed)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), actors=(1, 2, 3), emotions=(3, 4))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def processor_for(fusion: str = "gated", **fields: Any) -> EmoFusionProcessor:
    return EmoFusionProcessor.from_config(EmoFusionConfig(fusion=fusion, **SIZES | fields))


def rows_of(folder: Path, cache: Path, processor: EmoFusionProcessor, **options: Any) -> datasets.Dataset:
    """The training split, decoded as the processor decodes."""
    settings = {
        "num_frames": processor.num_frames,
        "frame_size": processor.video_processor.size["height"],
        "window": processor.window,
    }
    return datasets.load_dataset(
        "ravdess", data_dir=str(folder), cache_dir=str(cache), split="train", **settings | options
    )


# Without augmentation


@pytest.mark.parametrize("fields", [SIZES, {"num_frames": 8, "image_size": 112, "num_mel_bins": 64}])
@pytest.mark.parametrize("window", ["voice", "center"])
def test_clip_inputs_of_a_row_equal_those_of_its_file_bit_for_bit(
    corpus: Path, cache: Path, window: str, fields: dict[str, int]
):
    processor = processor_for(**fields, window=window)
    rows = rows_of(corpus, cache, processor)
    for index, source in enumerate(rows["source"]):
        row = rows.with_transform(ClipInputs(processor))[index]
        expected = processor(corpus / source)
        assert sorted(row) == sorted([*expected, "labels"])
        for name, tensor in expected.items():
            assert torch.equal(row[name], tensor[0]), name
        assert row["labels"].item() == rows["label"][index]
        assert row["labels"].dtype == torch.int64


def test_clip_inputs_of_mixed_rows_equal_those_of_their_files(mixed: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(mixed, cache, processor)
    expected = processor([mixed / source for source in rows["source"]])
    inputs = rows.with_transform(ClipInputs(processor))[:]
    assert inputs.pop("labels").tolist() == [2, 3, 4]
    assert inputs["video_mask"].tolist() == [True, True, False]
    assert inputs["audio_mask"].tolist() == [True, False, True]
    assert sorted(inputs) == sorted(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(inputs[name], tensor, rtol=0, atol=1e-6)


def test_clip_inputs_of_rows_warn_of_nothing(mixed: Path, cache: Path):
    rows = rows_of(mixed, cache, processor_for())
    torch.set_warn_always(True)  # PyTorch gives most warnings once a process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for augmentation in (None, Augmentation(seed=0)):
                assert rows.with_transform(ClipInputs(processor_for(), augmentation))[:]
    finally:
        torch.set_warn_always(False)


def test_clip_inputs_label_follows_the_label_set(mixed: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(mixed, cache, processor, label_set="groups4").with_transform(ClipInputs(processor))
    assert [row["labels"].item() for row in rows] == [1, 2, 2]  # happy, sad and angry


def test_clip_inputs_of_an_audio_model_need_no_frames_column(corpus: Path, cache: Path):
    processor = processor_for("audio")
    rows = rows_of(corpus, cache, processor)
    row = rows.remove_columns("frames").with_transform(ClipInputs(processor, Augmentation(seed=0)))[0]
    assert sorted(row) == ["audio_mask", "input_features", "labels"]
    plain = rows.remove_columns("frames").with_transform(ClipInputs(processor))[0]
    assert torch.equal(plain["input_features"], processor(corpus / rows[0]["source"])["input_features"][0])


@pytest.mark.parametrize(
    "fusion, row, message",
    [
        ("audio", 1, r"^Actor_01/01-01-04-01-01-01-01\.mp4: no sound in it; this model reads sound alone$"),
        ("video", 2, r"^Actor_01/03-01-05-01-01-01-01\.wav: no picture in it; this model reads picture alone$"),
    ],
)
def test_clip_inputs_of_a_clip_without_the_one_modality_name_it(
    mixed: Path, cache: Path, fusion: str, row: int, message: str
):
    rows = rows_of(mixed, cache, processor_for(fusion)).with_transform(ClipInputs(processor_for(fusion)))
    with pytest.raises(ValueError, match=message):
        rows[row]


@pytest.mark.parametrize("option", [{"num_frames": 3}, {"frame_size": 40}])
def test_clip_inputs_of_frames_stored_otherwise_say_what_to_load(corpus: Path, cache: Path, option: dict[str, int]):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor, **option).with_transform(ClipInputs(processor))
    with pytest.raises(
        ValueError, match=r"expected 8 stored frames of 37 x 37 pixels, .* another num_frames, .* or frame_size"
    ):
        rows[0]


# With augmentation


def augmented(rows: datasets.Dataset, processor: EmoFusionProcessor, epoch: int, **options: Any) -> dict[str, Any]:
    augmentation = Augmentation(seed=7, **options)
    augmentation.clock.epoch = epoch
    return rows.with_transform(ClipInputs(processor, augmentation))[:]


def test_augmented_inputs_depend_on_the_epoch_and_repeat_within_it(corpus: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor)
    first, again, later = (augmented(rows, processor, epoch) for epoch in (0, 0, 1))
    plain = rows.with_transform(ClipInputs(processor))[:]
    for name in ("pixel_values", "input_features"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], later[name])
        assert not torch.equal(first[name], plain[name])
        assert first[name].shape == plain[name].shape
    assert torch.equal(first["labels"], plain["labels"])
    clips = rows.num_rows
    assert sum(not torch.equal(first["pixel_values"][k], later["pixel_values"][k]) for k in range(clips)) == clips


def test_augmented_inputs_do_not_depend_on_batch_or_order(corpus: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor)
    augmentation = Augmentation(seed=7)
    transform = ClipInputs(processor, augmentation)
    together = rows.with_transform(transform)[:]
    order = [3, 0, 5, 1, 4, 2]
    shuffled = rows.select(order).with_transform(transform)
    for name in ("pixel_values", "input_features"):
        torch.testing.assert_close(shuffled[:][name], together[name][order], rtol=0, atol=1e-6)
        alone = torch.stack([rows.with_transform(transform)[k][name] for k in range(6)])
        torch.testing.assert_close(alone, together[name], rtol=0, atol=1e-6)
    other = rows.with_transform(ClipInputs(processor, Augmentation(seed=8)))[:]
    assert not torch.equal(other["pixel_values"], together["pixel_values"])


def test_augmented_sound_is_the_plain_one_with_masks(corpus: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor)
    plain = rows.with_transform(ClipInputs(processor))[:]
    masked = augmented(rows, processor, 0, spec_augment=SpecAugment(p=1.0), frames=False)
    assert torch.equal(masked["pixel_values"], plain["pixel_values"])
    changed = masked["input_features"] != plain["input_features"]
    assert changed.any()
    assert (masked["input_features"][changed] == 0).all()


def test_augmented_frames_are_cuts_of_the_stored_ones(corpus: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor)
    plain = rows.with_transform(ClipInputs(processor))[:]
    cut = augmented(rows, processor, 0, spec_augment=None)
    assert torch.equal(cut["input_features"], plain["input_features"])
    stored = torch.frombuffer(bytearray(rows[0]["frames"]), dtype=torch.uint8).view(8, 37, 37, 3).permute(0, 3, 1, 2)
    normal = processor.video_processor(
        list(stored.unsqueeze(0)), do_resize=False, do_center_crop=False, return_tensors="pt"
    )["pixel_values"][0]
    found = {
        (top, left, flipped)
        for top in range(6)
        for left in range(6)
        for flipped in (False, True)
        for window in [normal[:, :, top : top + 32, left : left + 32]]
        if all(
            any(torch.equal(frame, stored_frame.flip(-1) if flipped else stored_frame) for stored_frame in step)
            for frame, step in zip(cut["pixel_values"][0], window.unflatten(0, (4, 2)), strict=True)
        )
    }
    assert len(found) == 1  # one place and one flip for all frames, each from its own step


def test_augmentation_leaves_a_missing_sound_silent(mixed: Path, cache: Path):
    processor = processor_for()
    inputs = augmented(rows_of(mixed, cache, processor), processor, 0, spec_augment=SpecAugment(p=1.0, fill=5.0))
    assert inputs["audio_mask"].tolist() == [True, False, True]
    assert (inputs["input_features"][0] == 5).any()
    assert (inputs["pixel_values"][2] == 0).all()


def test_augmentation_never_touches_the_store(corpus: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor)
    before = list(rows)
    augmented(rows, processor, 3)
    assert list(rows) == before
    assert list(rows_of(corpus, cache, processor)) == before


# Still pictures


def stills(**columns: list[Any]) -> datasets.Dataset:
    """Rows with a picture each; a column given here replaces that of the same name."""
    count = len(next(iter(columns.values())))
    names = [f"train/sad/{index}.png" for index in range(count)]
    rows = datasets.Dataset.from_dict({"clip": names, "source": names, "label": [3] * count} | columns)
    return rows.cast_column("image", datasets.Image())


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 `[height, width, 3]` that changes slowly, so that resizing keeps it apart."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_clip_inputs_of_a_still_picture_equal_those_of_a_video_of_one_frame():
    processor = processor_for("video", num_frames=1)
    pictures = [noise(48, 48), noise(60, 90, seed=1)]
    rows = stills(image=[Image.fromarray(picture) for picture in pictures])
    inputs = rows.with_transform(ClipInputs(processor_for("video")))[:]  # the model's 4 frames do not matter
    expected = processor(videos=[picture[None] for picture in pictures])
    assert inputs["pixel_values"].shape == (2, 1, 3, 32, 32)
    assert torch.equal(inputs["pixel_values"], expected["pixel_values"])
    assert inputs["video_mask"].tolist() == [True, True]
    assert inputs["labels"].tolist() == [3, 3]
    assert sorted(inputs) == ["labels", "pixel_values", "video_mask"]


def test_clip_inputs_of_a_still_picture_have_the_size_of_the_model():
    processor = processor_for(image_size=112, num_frames=8)
    rows = stills(image=[Image.fromarray(noise(48, 48))] * 2)
    for augmentation in (None, Augmentation(seed=0)):
        assert rows.with_transform(ClipInputs(processor, augmentation))[:]["pixel_values"].shape == (2, 1, 3, 112, 112)


def test_clip_inputs_take_the_middle_square_of_a_still_picture():
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = noise(40, 40)
    rows = stills(image=[Image.fromarray(wide), Image.fromarray(noise(40, 40))])
    inputs = rows.with_transform(ClipInputs(processor_for()))[:]["pixel_values"]
    assert torch.equal(inputs[0], inputs[1])


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK"])
def test_clip_inputs_read_still_pictures_of_every_mode(mode: str, tmp_path: Path):
    grey = Image.fromarray(noise(48, 48)).convert("L").point(lambda level: 255 * (level > 127))
    ending = "tif" if mode == "CMYK" else "png"
    grey.convert("RGB").convert(mode).save(tmp_path / f"a.{ending}")
    grey.convert("RGB").save(tmp_path / "plain.png")
    rows = stills(image=[str(tmp_path / f"a.{ending}"), str(tmp_path / "plain.png")])
    inputs = rows.with_transform(ClipInputs(processor_for()))[:]["pixel_values"]
    assert torch.equal(inputs[0], inputs[1])


@pytest.mark.parametrize("decode", [True, False])
def test_clip_inputs_turn_still_pictures_as_their_camera_says(tmp_path: Path, decode: bool):
    upright = Image.fromarray(noise(48, 48))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    upright.save(tmp_path / "upright.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    rows = stills(image=[str(tmp_path / name) for name in ("turned.png", "upright.png")])
    rows = rows.cast_column("image", datasets.Image(decode=decode))
    inputs = rows.with_transform(ClipInputs(processor_for()))[:]["pixel_values"]
    assert torch.equal(inputs[0], inputs[1])


def test_augmented_still_pictures_are_cropped_and_flipped_anew_each_epoch():
    processor = processor_for()
    rows = stills(image=[Image.fromarray(noise(37, 37, seed)) for seed in range(8)])  # 37: nothing to resize
    whole = torch.from_numpy(np.stack([noise(37, 37, seed) for seed in range(8)])).permute(0, 3, 1, 2).unsqueeze(1)
    normal = processor.video_processor(list(whole), do_resize=False, do_center_crop=False, return_tensors="pt")
    places: set[tuple[int, int, bool]] = set()
    for epoch in (0, 1):
        cut = augmented(rows, processor, epoch)["pixel_values"]
        assert torch.equal(cut, augmented(rows, processor, epoch)["pixel_values"])
        for picture, clip in zip(normal["pixel_values"], cut, strict=True):
            found = [
                (top, left, flipped)
                for top in range(6)
                for left in range(6)
                for flipped in (False, True)
                for window in [picture[..., top : top + 32, left : left + 32]]
                if torch.equal(window.flip(-1) if flipped else window, clip)
            ]
            assert len(found) == 1
            places.add(found[0])
    assert len(places) > 8
    assert {flipped for *_, flipped in places} == {True, False}


def test_clip_inputs_of_a_still_picture_for_a_model_of_sound_alone_name_it():
    rows = stills(image=[Image.fromarray(noise(48, 48))]).with_transform(ClipInputs(processor_for("audio")))
    with pytest.raises(ValueError, match=r"^train/sad/0\.png: no sound in it; this model reads sound alone$"):
        rows[0]


def test_clip_inputs_of_a_damaged_still_picture_name_clip_and_source():
    rows = stills(image=[{"bytes": b"no picture", "path": None}], clip=["one"], source=["a.zip/one.png"])
    rows = rows.cast_column("image", datasets.Image(decode=False)).with_transform(ClipInputs(processor_for()))
    with pytest.raises(ValueError, match=r"^one \(a\.zip/one\.png\): .*cannot be read \(not a picture, or a damaged"):
        rows[0]


def test_clip_inputs_of_a_video_model_need_no_audio_column(corpus: Path, cache: Path):
    processor = processor_for("video")
    rows = rows_of(corpus, cache, processor)
    bare = rows.remove_columns("audio").with_transform(ClipInputs(processor))[:]
    assert torch.equal(bare["pixel_values"], rows.with_transform(ClipInputs(processor))[:]["pixel_values"])


# Workers


def test_epoch_clock_pickles_to_the_same_epoch_and_is_kept_by_selecting(corpus: Path, cache: Path):
    processor = processor_for()
    augmentation = Augmentation(seed=7)
    chosen = rows_of(corpus, cache, processor).with_transform(ClipInputs(processor, augmentation)).select([0])
    first = chosen[0]["pixel_values"]
    augmentation.clock.epoch = 1
    assert not torch.equal(chosen[0]["pixel_values"], first)


def epochs_through_a_loader(
    rows: datasets.Dataset, clock: EpochClock, **options: Any
) -> list[dict[str, torch.Tensor]]:
    """All clips of epochs 0, 1 and 0 again, as one loader gives them."""
    loader = DataLoader(rows, batch_size=2, collate_fn=ClipCollator(), **options)
    epochs = []
    for epoch in (0, 1, 0):
        clock.epoch = epoch
        batches = list(loader)
        epochs.append({name: torch.cat([batch[name] for batch in batches]) for name in batches[0]})
    return epochs


WORKERS = [
    pytest.param({"num_workers": 0}, id="0 workers"),
    pytest.param({"num_workers": 2, "multiprocessing_context": "fork"}, id="fork"),
    pytest.param(
        {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": True}, id="persistent fork"
    ),
    pytest.param(
        {"num_workers": 2, "multiprocessing_context": "spawn", "persistent_workers": True},
        id="persistent spawn",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize("options", WORKERS)
def test_augmented_batches_are_the_same_with_any_workers(corpus: Path, cache: Path, options: dict[str, Any]):
    processor = processor_for()
    augmentation = Augmentation(seed=7)
    rows = rows_of(corpus, cache, processor)
    first, second, third = epochs_through_a_loader(
        rows.with_transform(ClipInputs(processor, augmentation)), augmentation.clock, **options
    )
    for name in ("pixel_values", "input_features"):
        torch.testing.assert_close(first[name], augmented(rows, processor, 0)[name], rtol=0, atol=1e-6)
        torch.testing.assert_close(second[name], augmented(rows, processor, 1)[name], rtol=0, atol=1e-6)
        assert not torch.allclose(first[name], second[name], atol=1e-3)
        assert torch.equal(first[name], third[name])
    assert first["labels"].tolist() == rows["label"][:]


def test_transformed_dataset_pickles_with_its_inputs(corpus: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(corpus, cache, processor).with_transform(ClipInputs(processor))
    again = pickle.loads(pickle.dumps(rows))
    assert all(torch.equal(again[0][name], tensor) for name, tensor in rows[0].items())


# Batches


def test_collator_of_mixed_clips_puts_zeros_and_masks(mixed: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(mixed, cache, processor).with_transform(ClipInputs(processor))
    clips = [rows[2], rows[0], rows[1]]
    assert "pixel_values" not in clips[0]  # fetched alone, sound has no pixels at all
    batch = ClipCollator()(clips)
    assert batch["video_mask"].tolist() == [False, True, True]
    assert batch["audio_mask"].tolist() == [True, True, False]
    assert batch["labels"].tolist() == [4, 2, 3]
    assert (batch["pixel_values"][0] == 0).all()
    assert (batch["input_features"][2] == 0).all()
    assert torch.equal(batch["pixel_values"][1:], torch.stack([clips[1]["pixel_values"], clips[2]["pixel_values"]]))
    assert batch["pixel_values"].shape == (3, 4, 3, 32, 32)
    assert batch["input_features"].shape == (3, 16, 188)


def test_collator_of_clips_fetched_together_equals_that_of_clips_fetched_alone(mixed: Path, cache: Path):
    processor = processor_for()
    rows = rows_of(mixed, cache, processor).with_transform(ClipInputs(processor))
    together, alone = ClipCollator()(rows.__getitems__([0, 1, 2])), ClipCollator()([rows[k] for k in range(3)])
    assert sorted(together) == sorted(alone)
    for name, tensor in together.items():
        torch.testing.assert_close(alone[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.parametrize("row, there", [(1, ["pixel_values", "video_mask"]), (2, ["audio_mask", "input_features"])])
def test_collator_of_clips_that_all_lack_a_modality_leaves_it_out(
    mixed: Path, cache: Path, row: int, there: list[str]
):
    processor = processor_for()
    rows = rows_of(mixed, cache, processor).with_transform(ClipInputs(processor))
    assert sorted(ClipCollator()([rows[row], rows[row]])) == sorted([*there, "labels"])


def test_collator_without_labels_makes_none_and_leaves_the_clips_alone():
    clips = [{"input_features": torch.ones(2, 3)}, {"pixel_values": torch.ones(1, 3, 2, 2)}]
    kept = copy.deepcopy(clips)
    batch = ClipCollator()(clips)
    assert sorted(batch) == ["audio_mask", "input_features", "pixel_values", "video_mask"]
    assert batch["audio_mask"].tolist() == [True, False]
    assert batch["video_mask"].tolist() == [False, True]
    assert [sorted(clip) for clip in clips] == [sorted(clip) for clip in kept]
