"""Augmentation: what SpecAugment and the frame cut may do, and what the random draws depend on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofusion.data.inputs.picture_augment import NUM_FRAME_DRAWS, augment_frames
from emofusion.data.inputs.random_draws import clip_draws
from emofusion.data.inputs.spec_augment import SpecAugment

BELOW_1 = float(np.nextafter(np.float32(1), np.float32(0)))
DRAW = st.floats(0, BELOW_1, width=32)


def draws_of(batch: int, module: SpecAugment, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, module.num_draws, generator=torch.Generator().manual_seed(seed))


def blank_axes(changed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of bool [mels, time]: which mels, and which steps, are blank all through."""
    return changed.all(dim=1), changed.all(dim=0)


def runs(flags: torch.Tensor) -> list[int]:
    """Lengths of the stretches that are True."""
    return [len(run) for run in "".join("x" if flag else " " for flag in flags).split()]


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(1, 70), st.integers(1, 200), st.integers(0, 3))
def test_spec_augment_of_any_draws_blanks_whole_bands_within_bounds(
    data: st.DataObject, mels: int, steps: int, num_masks: int
):
    module = SpecAugment(p=1.0, num_masks=num_masks)
    count = module.num_draws
    draws = torch.tensor([data.draw(st.lists(DRAW, min_size=count, max_size=count))], dtype=torch.float32)
    features = torch.arange(1.0, mels * steps + 1).view(1, mels, steps)
    masked = module(features, draws)
    changed = (masked != features)[0]
    assert (masked[0][changed] == 0).all()
    bands, stretches = blank_axes(changed)
    assert (changed == bands[:, None] | stretches[None]).all()  # nothing but whole bands and whole stretches
    if not stretches.all():
        assert bands.sum() <= num_masks * min(20, mels)
        assert len(runs(bands)) <= num_masks
    if not bands.all():
        assert stretches.sum() <= num_masks * min(40, steps)
        assert len(runs(stretches)) <= num_masks


@pytest.mark.parametrize("axis, size, widest", [(0, 64, 20), (1, 188, 40)])
def test_spec_augment_over_many_draws_reaches_every_width_and_place(axis: int, size: int, widest: int):
    module = SpecAugment(p=1.0, num_masks=1)
    draws = draws_of(1500, module)
    draws[:, 3 - 2 * axis] = 0.0  # no mask on the other axis
    changed = module(torch.ones(1500, 64, 188), draws) == 0
    flags = changed.any(dim=2 - axis)
    widths = flags.sum(dim=1)
    assert set(widths.tolist()) == set(range(widest + 1))
    assert abs(widths.float().mean() - widest / 2) < 0.03 * widest
    assert (flags.sum(dim=0) > 0).all()
    assert flags.shape[1] == size


def test_spec_augment_with_two_masks_makes_two_on_each_axis():
    module = SpecAugment()
    # chosen; mels: widths 10 and 10 at the beginning and the end; time: widths 20 and 20 likewise
    draws = torch.tensor([[0.0, 0.5, 0.0, 0.5, BELOW_1, 0.5, 0.0, 0.5, BELOW_1]])
    bands, stretches = blank_axes(module(torch.ones(1, 64, 188), draws)[0] == 0)
    assert bands.nonzero().flatten().tolist() == [*range(10), *range(54, 64)]
    assert stretches.nonzero().flatten().tolist() == [*range(20), *range(168, 188)]


def test_spec_augment_default_leaves_half_of_the_clips_untouched():
    module = SpecAugment()
    features = torch.randn(2000, 8, 16, generator=torch.Generator().manual_seed(1))
    draws = draws_of(2000, module)
    masked = module(features, draws)
    untouched = (masked == features).flatten(1).all(dim=1)
    assert untouched[draws[:, 0] >= 0.5].all()
    assert 0.45 < (draws[:, 0] >= 0.5).float().mean() < 0.55
    assert untouched.float().mean() < 0.56  # the other half is nearly always touched


@pytest.mark.parametrize("p, fill", [(0.0, 0.0), (1.0, -3.5)])
def test_spec_augment_p_and_fill_are_obeyed(p: float, fill: float):
    module = SpecAugment(p=p, fill=fill)
    features = torch.ones(50, 64, 188)
    masked = module(features, draws_of(50, module))
    assert set(masked.unique().tolist()) == ({1.0} if p == 0 else {1.0, fill})


def test_spec_augment_leaves_its_input_and_the_global_random_state_alone():
    module = SpecAugment(p=1.0)
    features = torch.ones(4, 64, 188)
    state = torch.get_rng_state()
    first = module(features, draws_of(4, module))
    assert (features == 1).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(module(features, draws_of(4, module)), first)
    assert not list(module.state_dict())


def test_spec_augment_of_a_batch_is_that_of_each_clip_alone():
    module = SpecAugment(p=0.7)
    features, draws = torch.randn(6, 64, 188), draws_of(6, module)
    alone = torch.cat([module(features[k : k + 1], draws[k : k + 1]) for k in range(6)])
    assert torch.equal(module(features, draws), alone)


def step_frames(frames: int, per_step: int, size: int) -> np.ndarray:
    """uint8 frames that tell their number (red), row (green) and column (blue)."""
    stored = np.zeros((frames * per_step, size, size, 3), np.uint8)
    stored[..., 0] = np.arange(frames * per_step)[:, None, None]
    stored[..., 1] = np.arange(size)[:, None]
    stored[..., 2] = np.arange(size)
    return stored


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 8), st.integers(1, 3), st.integers(1, 24))
def test_augment_frames_of_any_draws_is_one_cut_and_one_flip_of_the_right_steps(
    data: st.DataObject, frames: int, per_step: int, size: int
):
    crop = data.draw(st.integers(1, size))
    count = NUM_FRAME_DRAWS + frames
    draws = np.array(data.draw(st.lists(DRAW, min_size=count, max_size=count)), dtype=np.float32)
    stored = step_frames(frames, per_step, size)
    cut = augment_frames(stored, draws, per_step, crop)
    assert (cut.shape, cut.dtype, cut.flags.c_contiguous) == ((frames, crop, crop, 3), np.uint8, True)
    numbers = cut[:, 0, 0, 0]
    assert (cut[..., 0] == numbers[:, None, None]).all()  # one stored frame each
    assert (numbers // per_step == np.arange(frames)).all()  # of its own step, so in order
    top, columns = cut[0, 0, 0, 1], cut[0, 0, :, 2].astype(int)
    assert (cut[..., 1] == top + np.arange(crop)[:, None]).all()  # the same rows in all frames
    assert (cut[..., 2] == columns).all()  # the same columns in all frames
    assert (np.diff(columns) == (-1 if draws[0] < 0.5 else 1)).all()  # side by side, mirrored or not
    assert 0 <= top <= size - crop
    assert 0 <= columns.min() <= size - crop


def test_augment_frames_over_many_draws_reaches_every_step_place_and_both_flips():
    stored = step_frames(2, 2, 8)
    draws = clip_draws(0, 0, [str(k) for k in range(600)], NUM_FRAME_DRAWS + 2, "frames").numpy()
    cuts = np.stack([augment_frames(stored, draw, 2, 6) for draw in draws])
    assert {tuple(cut[:, 0, 0, 0].tolist()) for cut in cuts} == {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert {(int(cut[0, :, :, 1].min()), int(cut[0, :, :, 2].min())) for cut in cuts} == {
        (top, left) for top in range(3) for left in range(3)
    }
    assert 0.4 < np.mean([cut[0, 0, 0, 2] > cut[0, 0, 1, 2] for cut in cuts]) < 0.6


CLIPS = ["01-03-01-01-01-01", "01-04-01-01-01-01", "01-04-02-01-01-01", "02-04-02-01-01-01"]


def test_clip_draws_do_not_depend_on_the_rest_of_the_batch():
    together = clip_draws(42, 3, CLIPS, 9, "spectrogram")
    assert (together.shape, together.dtype) == ((4, 9), torch.float32)
    for order in ([3, 1, 0, 2], [2], [1, 1]):
        chosen = clip_draws(42, 3, [CLIPS[k] for k in order], 9, "spectrogram")
        assert torch.equal(chosen, together[order])


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 43},
        {"epoch": 4},
        {"purpose": "frames"},
        {"clips": ["01-03-01-01-01-02"]},
        {"seed": 3, "epoch": 42},  # neither may stand in for the other
    ],
)
def test_clip_draws_change_with_seed_epoch_purpose_and_clip(other: dict):
    settings_ = {"seed": 42, "epoch": 3, "clips": CLIPS[:1], "count": 9, "purpose": "spectrogram"}
    assert not (clip_draws(**settings_) == clip_draws(**settings_ | other)).any()


def test_clip_draws_of_fewer_are_the_beginning_of_more():
    assert torch.equal(clip_draws(1, 1, CLIPS, 4, "x"), clip_draws(1, 1, CLIPS, 9, "x")[:, :4])


@given(st.integers(-(2**63), 2**64 - 1), st.integers(0, 2**31), st.text(max_size=5))
@settings(deadline=None, max_examples=50)
def test_clip_draws_for_any_seed_and_epoch_lie_in_the_unit_interval(seed: int, epoch: int, clip: str):
    draws = clip_draws(seed, epoch, [clip], 20, "any")
    assert ((draws >= 0) & (draws < 1)).all()
    assert draws.unique().numel() > 10


def test_clip_draws_for_neighbouring_extreme_seeds_differ():
    """Seeds beyond 63 bits, as negative ones are, must not pass through a float."""
    seeds = [-1, -2, -3, 0, 1, 2**63, 2**63 + 1]
    assert len({clip_draws(seed, 0, CLIPS[:1], 1, "x").item() for seed in seeds}) == len(seeds)


def test_clip_draws_over_many_clips_are_uniform_and_independent():
    draws = clip_draws(0, 0, [f"clip {k}" for k in range(2000)], 4, "x").numpy()
    assert abs(draws.mean(axis=0) - 0.5).max() < 0.03
    assert abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.1
    later = clip_draws(0, 1, [f"clip {k}" for k in range(2000)], 4, "x").numpy()
    assert abs(np.corrcoef(draws[:, 0], later[:, 0])[0, 1]) < 0.1


def test_clip_draws_ignore_and_leave_the_global_random_state():
    first = clip_draws(7, 0, CLIPS, 3, "x")
    torch.manual_seed(123)
    np.random.seed(123)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert torch.equal(clip_draws(7, 0, CLIPS, 3, "x"), first)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()


def test_clip_draws_are_the_numbers_of_the_first_release():
    """Runs can be repeated, in this process and in others, only if these never change."""
    draws = clip_draws(42, 0, ["01-03-01-01-01-01"], 3, "frames")
    assert draws.tolist() == [[0.4359155297279358, 0.019934415817260742, 0.9596300721168518]]
