"""A modality that is missing, masked or dropped: what must change with it, and what must not."""

import copy
import math

import pytest
import torch
from torch import nn

from emofusion.modeling.modeling_emofusion import drop_modalities
from helpers.tiny_models import (
    BOTH,
    CASES,
    FUSIONS,
    GATED,
    INPUTS,
    assert_same,
    batch_of,
    new_model,
    one_thread,  # noqa: F401
    trained_model,
    without,
)


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """BatchNorm's running means, variances and counts."""
    return {name: buffer.clone() for name, buffer in model.named_buffers() if "running" in name or "tracked" in name}


# --- missing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fusion", "modality"), CASES)
def test_masked_tensor_in_eval_changes_nothing_bit_by_bit_whatever_it_holds(fusion, modality):
    model = trained_model(fusion)
    zeros, *others = (
        model(**without(batch_of(3, labels=True), modality, [0, 2], fill)) for fill in (0.0, math.nan, math.inf, 1e30)
    )
    for other in others:
        assert_same(dict(other), dict(zeros))
    assert all(value.isfinite().all() for value in zeros.values())


@pytest.mark.parametrize(("fusion", "modality"), CASES)
def test_mask_changes_the_clips_it_names_and_no_other(fusion, modality):
    model = trained_model(fusion)
    full, masked = model(**batch_of(3)).logits, model(**without(batch_of(3), modality, [1], 0.0)).logits
    assert torch.equal(full[[0, 2]], masked[[0, 2]])
    assert (full[1] - masked[1]).abs().max() > 1e-4


@pytest.mark.parametrize("fusion", BOTH)
@pytest.mark.parametrize("modality", sorted(INPUTS))
def test_none_is_the_same_as_masked_in_every_clip(fusion, modality):
    model = trained_model(fusion)
    batch = batch_of(3, labels=True)
    masked = model(**without(batch, modality, [0, 1, 2], math.nan))
    for left_out in ([INPUTS[modality]], [INPUTS[modality], f"{modality}_mask"]):
        assert_same(dict(model(**{**batch, **dict.fromkeys(left_out)})), dict(masked))
        assert_same(dict(model(**{name: v for name, v in batch.items() if name not in left_out})), dict(masked))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_masks_left_out_are_all_true(fusion):
    model = trained_model(fusion)
    batch = batch_of(3)
    bare = {name: batch[name] for name in INPUTS.values()}
    assert_same(dict(model(**bare)), dict(model(**batch)))


@pytest.mark.parametrize(("fusion", "modality"), CASES)
def test_masked_nan_in_training_gives_the_loss_the_gradients_and_the_statistics_of_zeros(fusion, modality):
    batch = batch_of(4, labels=True)
    results = []
    for fill in (0.0, math.nan):
        model = trained_model(fusion, modality_dropout_p=0.2).train()
        torch.manual_seed(7)  # the same clips are dropped
        loss = model(**without(batch, modality, [0, 3], fill)).loss
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        results.append((loss, gradients, statistics(model)))
    (zero_loss, zero_gradients, zero_statistics), (loss, gradients, found) = results
    assert loss.isfinite() and torch.equal(loss, zero_loss)
    assert_same(gradients, zero_gradients)
    assert_same(found, zero_statistics)
    before = statistics(trained_model(fusion))
    assert any(not torch.equal(found[name], before[name]) for name in found), "training must move the statistics"


@pytest.mark.parametrize("fusion", BOTH)
@pytest.mark.parametrize("modality", sorted(INPUTS))
def test_modality_dropped_in_training_is_the_same_as_missing(fusion, modality, monkeypatch):
    """What the model learns without a modality is what it does without it."""
    batch = batch_of(4, labels=True)
    expected = trained_model(fusion, modality_dropout_p=0.0, gate_dropout=0.0).train()(
        **without(batch, modality, [0, 2], 0.0)
    )
    model = trained_model(fusion, modality_dropout_p=0.2, gate_dropout=0.0).train()
    draw = torch.tensor([0.05, 0.5, 0.05, 0.5] if modality == "audio" else [0.95, 0.5, 0.95, 0.5])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: draw)
    assert_same(dict(model(**batch)), dict(expected))


@pytest.mark.parametrize("modality", sorted(INPUTS))
def test_single_branch_model_ignores_the_other_input_whatever_it_is(modality):
    model = trained_model(modality)
    other = "video" if modality == "audio" else "audio"
    batch = batch_of(3, labels=True)
    expected = model(**{name: batch[name] for name in (INPUTS[modality], f"{modality}_mask", "labels")})
    for nonsense in (torch.full_like(batch[INPUTS[other]], math.nan), torch.zeros(5, 1), None):
        for mask in (batch[f"{other}_mask"], ~batch[f"{other}_mask"], None):
            found = model(**{**batch, INPUTS[other]: nonsense, f"{other}_mask": mask})
            assert_same(dict(found), dict(expected))


@pytest.mark.parametrize("modality", sorted(INPUTS))
def test_single_branch_model_drops_nothing_in_training(modality):
    batch = batch_of(4, labels=True)
    losses = {p: trained_model(modality, modality_dropout_p=p).train()(**batch).loss.item() for p in (0.0, 0.5)}
    assert losses[0.0] == losses[0.5]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_clip_in_eval_does_not_depend_on_its_batch_mates(fusion):
    model = trained_model(fusion)
    batch = without(batch_of(4), "audio", [2], math.nan)
    together = model(**batch).logits
    for clip in range(4):
        if fusion == "audio" and clip == 2:
            continue  # nothing to look at
        alone = model(**{name: tensor[clip : clip + 1] for name, tensor in batch.items()}).logits
        torch.testing.assert_close(alone[0], together[clip], rtol=1e-5, atol=1e-6)


# --- dropped in training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5])
def test_modality_dropout_takes_each_modality_from_its_share_and_never_both(p):
    torch.manual_seed(0)
    there = torch.ones(20_000, dtype=torch.bool)
    audio, video = drop_modalities(there, there, p)
    assert (audio | video).all(), "no clip loses both"
    assert (~audio).float().mean().item() == pytest.approx(p, abs=0.015)
    assert (~video).float().mean().item() == pytest.approx(p, abs=0.015)


def test_modality_dropout_leaves_a_clip_the_only_modality_it_has():
    torch.manual_seed(0)
    audio_there = torch.tensor([True, False, True, False] * 500)
    video_there = torch.tensor([True, True, False, False] * 500)
    audio, video = drop_modalities(audio_there, video_there, 0.5)
    one = audio_there ^ video_there
    assert torch.equal(audio[one], audio_there[one]) and torch.equal(video[one], video_there[one])
    assert not (audio & ~audio_there).any() and not (video & ~video_there).any(), "nothing missing comes back"
    both = audio_there & video_there
    assert (audio[both] ^ video[both]).all(), "at 0.5 every clip with both loses one"


def test_modality_dropout_draws_anew_for_every_clip_and_step():
    there = torch.ones(64, dtype=torch.bool)
    torch.manual_seed(0)
    first, second = drop_modalities(there, there, 0.2), drop_modalities(there, there, 0.2)
    torch.manual_seed(0)
    again = drop_modalities(there, there, 0.2)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], second[0])


@pytest.mark.parametrize("fusion", GATED)
def test_modality_dropout_in_training_shows_in_the_gate_and_not_in_eval(fusion):
    model = new_model(fusion, modality_dropout_p=0.5)
    torch.manual_seed(0)
    batch = batch_of(16)
    assert set(model.train()(**batch).gate.tolist()) == {0.0, 1.0}
    assert not set(model.eval()(**batch).gate.tolist()) & {0.0, 1.0}


@pytest.mark.parametrize("fusion", BOTH)
def test_modality_dropout_of_0_drops_nothing_in_training(fusion):
    model = trained_model(fusion, modality_dropout_p=0.0, gate_dropout=0.0)
    batch = batch_of(3, labels=True)
    first, second = (copy.deepcopy(model).train()(**batch).loss for _ in range(2))
    assert torch.equal(first, second)
