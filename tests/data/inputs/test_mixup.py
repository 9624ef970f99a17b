"""Mixup in the collator, and frames that are black on purpose."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.utils.data import DataLoader

from emofusion.data import ClipCollator, ClipInputs
from emofusion.data.inputs.augmentation import Augmentation
from emofusion.data.inputs.mixup import mix, shares_kept
from emofusion.data.inputs.picture_augment import NUM_BLACK_DRAWS, drawn_black
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor

CLASSES = 4


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def batch_of(size: int = 6, **others: torch.Tensor) -> dict[str, torch.Tensor]:
    there = torch.ones(size, dtype=torch.bool)
    return {
        "pixel_values": uniform(size, 2, 3, 4, 4),
        "video_mask": there,
        "input_features": uniform(size, 5, 7, seed=1),
        "audio_mask": there,
        "labels": torch.arange(size) % CLASSES,
        **others,
    }


def partners(plan: torch.Tensor) -> list[int]:
    """Whom each clip is mixed with, spelled out."""
    order = sorted(range(len(plan)), key=lambda clip: plan[clip, 1].item())
    return [order[(order.index(clip) + 1) % len(order)] for clip in range(len(plan))]


def test_mix_of_a_batch_is_that_of_each_pair_and_its_labels():
    batch, plan = batch_of(), uniform(6, 2, seed=2)
    mixed = mix(batch, plan, CLASSES)
    assert sorted(mixed) == sorted(batch)
    for clip, (partner, (kept, _)) in enumerate(zip(partners(plan), plan, strict=True)):
        assert partner != clip
        for name in ("pixel_values", "input_features"):
            torch.testing.assert_close(mixed[name][clip], kept * batch[name][clip] + (1 - kept) * batch[name][partner])
        wanted = torch.zeros(CLASSES)
        wanted[batch["labels"][clip]] += kept
        wanted[batch["labels"][partner]] += 1 - kept
        torch.testing.assert_close(mixed["labels"][clip], wanted)
    torch.testing.assert_close(mixed["labels"].sum(1), torch.ones(6))
    assert all(mixed[name] is batch[name] for name in ("video_mask", "audio_mask"))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8), st.integers(0, 100))
def test_mix_of_clips_with_other_modalities_leaves_them_as_they_are(there: list[tuple[bool, bool]], seed: int):
    audio, video = (torch.tensor(flags) for flags in zip(*there, strict=True))
    batch = batch_of(len(there), audio_mask=audio, video_mask=video)
    batch["input_features"] = batch["input_features"] * audio[:, None, None]
    batch["pixel_values"] = batch["pixel_values"] * video[:, None, None, None, None]
    plan = uniform(len(there), 2, seed=seed)
    mixed = mix(batch, plan, CLASSES)
    for clip, partner in enumerate(partners(plan)):
        if there[clip] != there[partner]:
            assert mixed["labels"][clip].tolist() == [float(k == clip % CLASSES) for k in range(CLASSES)]
            assert all(
                torch.equal(mixed[name][clip], batch[name][clip]) for name in ("pixel_values", "input_features")
            )
    assert not mixed["input_features"][~audio].any()
    assert not mixed["pixel_values"][~video].any()


def test_mix_of_a_clip_without_a_label_keeps_it_out_of_the_loss():
    batch, plan = batch_of(3, labels=torch.tensor([1, -100, 2])), torch.tensor([[0.4, 0.0], [0.4, 0.5], [0.4, 0.9]])
    labels = mix(batch, plan, CLASSES)["labels"]
    assert labels[0].tolist() == [0, 1, 0, 0]  # its partner has none
    assert labels[1].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(labels[2], torch.tensor([0.0, 0.6, 0.4, 0.0]))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_kept_follow_the_beta_distribution(alpha: float):
    shares = shares_kept(uniform(4000), alpha).numpy()
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


# From rows to the model


class Rows(list):
    """Rows of noise as a data set: frames and sound of tiny clips."""

    def __init__(self, transform: ClipInputs, count: int = 7) -> None:
        generator = np.random.default_rng(0)
        size = 8 * transform.processor.video_processor.size["height"] ** 2 * 3
        super().__init__(
            {
                "clip": f"clip {number}",
                "source": f"clip {number}",
                "label": number % CLASSES,
                "frames": generator.bytes(size),
                "audio": (3000 * generator.standard_normal(48_000)).astype(np.int16).tobytes(),
            }
            for number in range(count)
        )
        self.transform = transform

    def __getitems__(self, places: list[int]) -> list[dict[str, torch.Tensor]]:
        rows = [self[place] for place in places]
        inputs = self.transform({name: [row[name] for row in rows] for name in rows[0]})
        return [{name: tensor[k] for name, tensor in inputs.items()} for k in range(len(rows))]


CONFIG = {"num_frames": 4, "image_size": 32, "num_mel_bins": 16, "encoder_width": 8, "num_labels": CLASSES}


@pytest.fixture(scope="module")
def processor() -> EmoFusionProcessor:
    return EmoFusionProcessor.from_config(EmoFusionConfig(**CONFIG))


def batches_of(processor: EmoFusionProcessor, sampler: Any = None, workers: int = 0, **fields: Any) -> list[dict]:
    augmentation = Augmentation(seed=3, **fields)
    rows = Rows(ClipInputs(processor, augmentation))
    sampler = sampler or [[3, 0, 6], [1, 5, 2], [4]]
    return list(DataLoader(rows, batch_sampler=sampler, collate_fn=ClipCollator(CLASSES), num_workers=workers))


EVERYTHING = {"time_shift": 0.25, "gain": 6.0, "noise": 0.5, "mel_warp": 0.1, "black": 0.5, "mixup": 0.4}


def test_mixed_batches_are_the_same_with_workers_and_when_the_first_is_skipped(processor: EmoFusionProcessor):
    alone = batches_of(processor, **EVERYTHING)
    for others, skipped in (
        (batches_of(processor, workers=2, **EVERYTHING), 0),
        (batches_of(processor, [[1, 5, 2], [4]], **EVERYTHING), 1),
    ):
        for batch, other in zip(alone[skipped:], others, strict=True):
            assert sorted(batch) == sorted(other) == sorted(batch_of())  # the plan is gone
            assert all(torch.equal(batch[name], other[name]) for name in batch)


def test_mixed_batches_mix_what_would_be_there_without(processor: EmoFusionProcessor):
    plain, mixed = batches_of(processor)[0], batches_of(processor, mixup=0.4)[0]
    plan = Augmentation(seed=3, mixup=0.4).plan_mixup(["clip 3", "clip 0", "clip 6"])
    wanted = mix(plain, plan, CLASSES)
    assert all(torch.equal(mixed[name], wanted[name]) for name in wanted)
    assert not torch.equal(mixed["input_features"], plain["input_features"])
    assert torch.equal(batches_of(processor, mixup=0.4)[2]["labels"], torch.eye(CLASSES)[[0]])  # alone in its batch


def test_mixed_batch_trains_a_model(processor: EmoFusionProcessor):
    model = EmoFusionModel(EmoFusionConfig(**CONFIG))
    output = model(**batches_of(processor, **EVERYTHING)[0])
    output.loss.backward()
    assert output.loss.item() > 0


def test_collator_that_does_not_know_the_classes_says_what_to_write(processor: EmoFusionProcessor):
    rows = Rows(ClipInputs(processor, Augmentation(seed=3, mixup=0.4)))
    with pytest.raises(ValueError, match=r"^mixup: .* write ClipCollator\(num_labels=\.\.\.\)$"):
        ClipCollator()(rows.__getitems__([0, 1]))


# Black frames


def test_black_frames_are_any_number_of_a_share_of_the_clips():
    black = drawn_black(uniform(4000, NUM_BLACK_DRAWS + 8), share=0.5)
    counts = black.sum(1)
    assert (counts > 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    found = torch.bincount(counts[counts > 0], minlength=9)[1:] / (counts > 0).sum()
    torch.testing.assert_close(found, torch.full((8,), 1 / 8), rtol=0, atol=0.03)
    torch.testing.assert_close(black.float().mean(0), torch.full((8,), 0.5 * 4.5 / 8), rtol=0, atol=0.03)
    assert not drawn_black(uniform(10, NUM_BLACK_DRAWS + 8), share=0.0).any()


@pytest.mark.parametrize("frames", [True, False])
def test_black_frames_are_what_a_black_picture_gives_and_the_others_stay(processor: EmoFusionProcessor, frames: bool):
    plain, black = (batches_of(processor, frames=frames, black=share)[0]["pixel_values"] for share in (0.0, 1.0))
    hidden = Augmentation(seed=3, black=1.0).black_frames(["clip 3", "clip 0", "clip 6"], 4)
    nothing = processor(videos=np.zeros((4, 40, 40, 3), np.uint8))["pixel_values"][0, 0]
    for clip in range(3):
        for frame in range(4):
            wanted = nothing if hidden[clip, frame] else plain[clip, frame]
            assert torch.equal(black[clip, frame], wanted)
    assert hidden.any() and not hidden.all()
