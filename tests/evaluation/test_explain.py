"""Explanations of models that learned what was planted: what moved their answers is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emofusion.evaluation.explain.__main__ import main
from emofusion.evaluation.explain.answer import Answer
from emofusion.evaluation.explain.explanation import band_edges, explain
from emofusion.evaluation.explain.gradients import smooth_gradients
from emofusion.evaluation.explain.occlusion import (
    BANDS,
    REGIONS,
    STRETCHES,
    faithfulness,
    frame_masks,
    occlude,
    region_masks,
    tile_masks,
)
from emofusion.modeling import EmoFusionModel
from helpers import REPOSITORY
from helpers.corpora.ravdess_files import RATE, make_frames, make_sound, write_media, write_sound
from helpers.tiny_models import batch_of, new_model, one_thread  # noqa: F401

CHECKPOINT = str(REPOSITORY / "tests" / "helpers" / "tiny_checkpoint" / "files")
TILES = {0: (2, 3), 1: (6, 8)}
"""Band and stretch in which the sound of either class has its mark."""
PLACES = {0: (1, 1, 4), 1: (3, 4, 1)}
"""Frame, and the region of it, in which the picture of either class has its mark."""


def planted(label: int, seed: int) -> dict[str, torch.Tensor]:
    """A clip of noise with the marks of a class."""
    draw = torch.Generator().manual_seed(seed)
    sound, frames = torch.randn(32, 188, generator=draw), torch.randn(4, 3, 32, 32, generator=draw)
    band, stretch = TILES[label]
    sound[tile_masks(sound)[band, stretch]] += 4
    frame, down, across = PLACES[label]
    region = region_masks(frames)[down * REGIONS + across, frame]
    frames[frame] += 4 * region
    return {"input_features": sound[None], "pixel_values": frames[None]}


@pytest.fixture(scope="module")
def trained() -> EmoFusionModel:
    """A late fusion of two branches that tell the classes 0 and 1 by their marks."""
    model = new_model("late", modality_dropout_p=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for step in range(40):
        clips = [planted(k % 2, 100 * step + k) for k in range(8)]
        batch = {name: torch.cat([clip[name] for clip in clips]) for name in clips[0]}
        optimizer.zero_grad()
        model(**batch, labels=torch.arange(8) % 2).loss.backward()
        optimizer.step()
    model.zero_grad()
    return model.eval()


@pytest.mark.parametrize("label", [0, 1])
def test_what_was_planted_is_what_moves_the_answer(trained: EmoFusionModel, label: int):
    answer = Answer(trained, planted(label, 7))
    assert answer.index == label
    found = explain(answer)
    parts, (band, stretch), (frame, down, across) = found.parts, TILES[label], PLACES[label]
    assert np.unravel_index(parts.tiles.argmax(), parts.tiles.shape) == (band, stretch)
    assert (parts.bands.argmax(), parts.stretches.argmax()) == (band, stretch)
    assert parts.frames.argmax() == frame
    assert np.unravel_index(parts.regions.argmax(), parts.regions.shape) == (down, across)
    marked = tile_masks(answer.sound)[band, stretch].numpy()
    assert found.gradients["audio"][marked].mean() > 1.2 * found.gradients["audio"][~marked].mean()
    by_frame = found.gradients["video"].mean((1, 2))
    assert by_frame.argmax() == frame
    assert found.faithful[0] > 2 * found.faithful[1]


def test_the_fall_is_that_of_the_model_itself(trained: EmoFusionModel):
    clip = planted(0, 7)
    answer = Answer(trained, clip)
    hidden, mask = clip["input_features"].clone(), tile_masks(answer.sound)[2, 3]
    mean = hidden[0].mean(-1, keepdim=True).expand_as(mask)
    hidden[0, mask] = mean[mask]
    with torch.no_grad():
        whole, without = (
            trained(pixel_values=clip["pixel_values"], input_features=sound).logits.softmax(-1)[0, 0]
            for sound in (clip["input_features"], hidden)
        )
    assert answer.score == pytest.approx(float(whole), abs=1e-6)
    assert occlude(answer).tiles[2, 3] == pytest.approx(float(whole - without), abs=1e-5)
    with torch.no_grad():
        alone = trained(pixel_values=clip["pixel_values"]).logits.softmax(-1)[0, 0]
    assert answer.without("audio") == pytest.approx(float(alone), abs=1e-6)


def test_another_class_can_be_asked_for(trained: EmoFusionModel):
    name = trained.config.id2label[1]
    asked = Answer(trained, planted(0, 7), name)
    assert (asked.label, asked.index) == (name, 1)
    assert asked.score < 0.5
    with pytest.raises(ValueError, match=r"label: the model has no class 'joy'; its classes are "):
        Answer(trained, planted(0, 7), "joy")


def test_parts_cover_everything_once():
    sound, frames = torch.zeros(64, 188), torch.zeros(3, 3, 56, 56)
    assert (tile_masks(sound).flatten(0, 1).sum(0) == 1).all()
    assert tile_masks(sound).shape == (BANDS, STRETCHES, 64, 188)
    assert (frame_masks(frames).sum(0) == 1).all()
    assert (region_masks(frames).sum(0) == 1).all()
    edges = band_edges(64, 16_000)
    assert (edges[0][0], edges[-1][1]) == (0, pytest.approx(8000))
    assert all(low[1] == high[0] for low, high in zip(edges, edges[1:], strict=False))


@pytest.mark.parametrize("fusion", ["audio", "video", "gated", "xattn"])
def test_every_model_is_explained_by_what_it_reads(fusion: str):
    model = new_model(fusion)
    found = explain(Answer(model, batch_of(1)))
    record = found.as_json(0.5, 3.0, 16_000)
    assert ("tiles" in record) == (fusion != "video")
    assert ("frames" in record) == (fusion != "audio")
    assert set(record["score_without"]) == ({"audio", "video"} if fusion in ("gated", "xattn") else set())
    assert (record["gate"] is None) == (fusion in ("audio", "video"))
    json.dumps(record)


def test_a_clip_without_sound_is_explained_by_its_picture():
    clip = batch_of(1) | {"audio_mask": torch.tensor([False])}
    found = explain(Answer(new_model("gated"), clip))
    assert found.parts.tiles is None and found.faithful is None
    assert found.parts.frames.shape == (4,)
    assert set(found.gradients) == {"video"}
    assert found.without == {}


def test_random_tiles_are_the_same_each_time(trained: EmoFusionModel):
    answer = Answer(trained, planted(1, 9))
    tiles = occlude(answer).tiles
    assert faithfulness(answer, tiles) == faithfulness(answer, tiles)
    first, second = smooth_gradients(answer)["audio"], smooth_gradients(answer)["audio"]
    assert np.array_equal(first, second)


def test_what_cannot_be_hidden_in_parts_is_refused():
    model = new_model("gated", video_encoder="action_units", num_frames=1)
    with pytest.raises(ValueError, match="video_encoder='action_units': only what a model of frames reads"):
        Answer(model, {"input_features": torch.zeros(1, 32, 188), "action_units": torch.zeros(1, 1, 36)})
    with pytest.raises(ValueError, match="input_features: expected one clip, found 2"):
        Answer(new_model("audio"), batch_of(2))


@pytest.mark.parametrize("lacking", ["audio", "video"])
def test_a_file_that_lacks_a_modality_is_explained_by_the_other(
    lacking: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    if lacking == "audio":
        write_media(tmp_path / "clip.mp4", make_frames())
    else:
        write_sound(tmp_path / "clip.wav", make_sound())
    (clip,) = tmp_path.iterdir()
    main([str(clip), "--model", CHECKPOINT, "--output_dir", str(tmp_path / "out")])
    record = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert ("frames" in record, "tiles" in record) == (lacking == "audio", lacking == "video")
    assert record["score_without"] == {}
    assert f"about {record['window'][0]:.2f}-" in capsys.readouterr().out


def test_stretches_are_seconds_of_the_clip(tmp_path: Path):
    write_sound(tmp_path / "long.wav", np.concatenate([np.zeros(3 * RATE, np.float32), make_sound(4.0)]))
    main([str(tmp_path / "long.wav"), "--model", CHECKPOINT, "--output_dir", str(tmp_path / "out")])
    record = json.loads((tmp_path / "out" / "explanation.json").read_text())
    start, end = record["window"]
    assert start > 1
    assert (record["stretches"][0]["start"], record["stretches"][-1]["end"]) == pytest.approx((start, end), abs=0.01)


def test_the_command_draws_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_media(tmp_path / "clip.mp4", make_frames(), make_sound())
    checkpoint = CHECKPOINT
    main([str(tmp_path / "clip.mp4"), "--model", checkpoint, "--output_dir", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "as many at random: " in printed
    record = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert record["clip"] == "clip.mp4"
    assert f"{record['label']}: probability {record['score']:.3f}" in printed
    with Image.open(tmp_path / "out" / "explanation.png") as picture:
        assert picture.width > 800
    with pytest.raises(ValueError, match=r"absent\.mp4"):
        main([str(tmp_path / "absent.mp4"), "--model", checkpoint, "--output_dir", str(tmp_path / "out")])
