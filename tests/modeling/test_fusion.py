"""Fusion heads and the gate: sizes, where they start, what a missing modality does."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from emofusion.modeling.fusion_emofusion import HEADS, LateHead, Modalities, fuse
from helpers.tiny_models import FUSIONS, GATED, INPUTS, batch_of, new_model, one_thread, trained_model, without  # noqa: F401

START = torch.sigmoid(torch.tensor(-1.0)).item()  # 0.2689
EIGHT_CLASSES = 8


def modalities(clips: int, audio_there: list[bool], video_there: list[bool]) -> Modalities:
    """Tokens for a head built on its own, zero where missing."""
    generator = torch.Generator().manual_seed(3)
    audio_mask, video_mask = torch.tensor(audio_there), torch.tensor(video_there)
    return Modalities(
        audio=torch.randn(clips, 6, 24, generator=generator) * audio_mask[:, None, None],
        video=torch.randn(clips, 4, 64, generator=generator) * video_mask[:, None, None],
        audio_mask=audio_mask,
        video_mask=video_mask,
    )


@pytest.mark.parametrize(
    ("fusion", "parameters"),
    [
        ("gated", 132_745),
        ("concat", 285_568),
        ("xattn", 496_265),
        ("audio", (128 + 1) * EIGHT_CLASSES),
        ("video", (512 + 1) * EIGHT_CLASSES),
        ("late", (128 + 512 + 2) * EIGHT_CLASSES),
    ],
)
def test_head_at_full_size_has_the_parameters_of_the_design(fusion, parameters):
    with torch.device("meta"):
        model = EmoFusionModel(EmoFusionConfig(fusion=fusion))
    encoders = sum(
        parameter.numel()
        for encoder in (model.audio_encoder, model.video_encoder)
        if encoder is not None
        for parameter in encoder.parameters()
    )
    assert model.num_parameters() - encoders == parameters


def test_gate_simple_is_one_linear_layer():
    head = new_model("gated", gate="simple").head
    assert sum(parameter.numel() for parameter in head.gate.parameters()) == 2 * 16 + 1


# --- where the gate starts, and that training is kept -------------------------------------------------------------


@pytest.mark.parametrize("gate", ["mlp", "simple"])
@pytest.mark.parametrize("fusion", GATED)
@pytest.mark.parametrize("training", [False, True])
def test_gate_of_a_new_model_starts_at_0_2689_wherever_both_modalities_are_there(fusion, gate, training):
    model = new_model(fusion, gate=gate, modality_dropout_p=0.0).train(training)
    batch = without(without(batch_of(6), "audio", [1], 0.0), "video", [4], 0.0)
    found = model(**batch).gate
    torch.testing.assert_close(found[[0, 2, 3, 5]], torch.full((4,), START), rtol=0, atol=1e-7)
    assert round(START, 4) == 0.2689


def test_gate_bias_of_the_config_sets_where_the_gate_starts():
    found = new_model("gated", gate_bias=0.5)(**batch_of(2)).gate
    torch.testing.assert_close(found, torch.sigmoid(torch.full((2,), 0.5)))


@pytest.mark.parametrize("gate", ["mlp", "simple"])
@pytest.mark.parametrize("fusion", GATED)
def test_gate_untrained_saved_and_loaded_with_another_class_count_starts_at_0_2689(fusion, gate, tmp_path):
    new_model(fusion, gate=gate).save_pretrained(tmp_path)
    model = EmoFusionModel.from_pretrained(tmp_path, num_labels=4, ignore_mismatched_sizes=True)
    found = model(**batch_of(3))
    assert found.logits.shape == (3, 4)
    torch.testing.assert_close(found.gate, torch.full((3,), START), rtol=0, atol=1e-7)


@pytest.mark.parametrize("gate", ["mlp", "simple"])
@pytest.mark.parametrize("fusion", GATED)
def test_gate_missing_from_a_checkpoint_starts_at_0_2689(fusion, gate, tmp_path):
    trained_model("late").save_pretrained(tmp_path)  # has the encoders, but no gate
    model = EmoFusionModel.from_pretrained(tmp_path, fusion=fusion, gate=gate)
    torch.testing.assert_close(model(**batch_of(3)).gate, torch.full((3,), START), rtol=0, atol=1e-7)


@pytest.mark.parametrize("gate", ["mlp", "simple"])
@pytest.mark.parametrize("fusion", GATED)
def test_gate_trained_keeps_its_weights_through_saving_loading_and_a_class_change(fusion, gate, tmp_path):
    model = trained_model(fusion, gate=gate)
    batch = batch_of(4)
    expected = model(**batch).gate
    assert expected.std() > 1e-3, "the gate must differ between clips for this test to say something"
    model.save_pretrained(tmp_path / "eight")
    loaded = EmoFusionModel.from_pretrained(tmp_path / "eight")
    torch.testing.assert_close(loaded(**batch).gate, expected, rtol=0, atol=0)
    four = EmoFusionModel.from_pretrained(tmp_path / "eight", num_labels=4, ignore_mismatched_sizes=True)
    four.save_pretrained(tmp_path / "four")
    for changed in (four, EmoFusionModel.from_pretrained(tmp_path / "four")):
        assert changed.head.classifier.out_features == 4
        torch.testing.assert_close(changed(**batch).gate, expected, rtol=0, atol=0)
        for name, weight in model.state_dict().items():
            if not name.startswith("head.classifier"):
                assert torch.equal(changed.state_dict()[name], weight), name


def test_gate_of_a_checkpoint_that_lacks_one_weight_keeps_the_other(tmp_path):
    """`fill_` in `_init_weights` would overwrite what was loaded; transformers' own functions do not."""
    model = trained_model("gated")
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["head.gate.output.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = EmoFusionModel.from_pretrained(tmp_path).head.gate.output
    assert torch.equal(loaded.bias, model.head.gate.output.bias)
    assert not loaded.weight.any()


def test_class_change_draws_a_new_classifier_that_is_not_empty_memory(tmp_path):
    trained_model().save_pretrained(tmp_path)
    model = EmoFusionModel.from_pretrained(tmp_path, num_labels=4, ignore_mismatched_sizes=True)
    weight = model.head.classifier.weight
    limit = weight.shape[1] ** -0.5  # torch's own bound for a linear layer
    assert 0.3 * limit < weight.std() < limit and weight.abs().max() <= limit
    assert torch.equal(model.head.classifier.bias, torch.zeros(4))


# --- one modality missing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["mlp", "simple"])
@pytest.mark.parametrize("fusion", GATED)
@pytest.mark.parametrize("training", [False, True])
def test_gate_with_one_modality_missing_is_exactly_0_or_1(fusion, gate, training):
    model = trained_model(fusion, gate=gate, modality_dropout_p=0.0).train(training)
    batch = without(without(batch_of(4), "audio", [0, 2], 0.0), "video", [1], 0.0)
    found = model(**batch).gate
    assert found[:3].tolist() == [0.0, 1.0, 0.0]
    assert 0 < found[3] < 1


def test_gated_head_mixes_both_projections_by_the_gate():
    head = trained_model("gated").head
    inputs = modalities(3, [True] * 3, [True] * 3)
    found = head(inputs)
    audio = F.relu(head.audio_projection(inputs.audio.mean(1)))
    video = F.relu(head.video_projection(inputs.video.mean(1)))
    gate = torch.sigmoid(head.gate.output(head.gate.hidden(torch.cat([audio, video], 1)))).squeeze(1)
    torch.testing.assert_close(found.gate, gate)
    torch.testing.assert_close(found.logits, head.classifier(gate[:, None] * audio + (1 - gate[:, None]) * video))


def test_fuse_with_weight_1_is_the_audio_and_with_0_the_video():
    audio, video = torch.randn(2, 5), torch.randn(2, 5)
    assert torch.equal(fuse(torch.tensor([1.0, 0.0]), audio, video), torch.stack([audio[0], video[1]]))


@pytest.mark.parametrize("fusion", sorted(HEADS))
def test_head_without_any_modality_gives_finite_logits(fusion):
    head = trained_model(fusion).head
    found = head(modalities(2, [False, True], [False, True]))
    assert found.logits.isfinite().all()


# --- late fusion ---------------------------------------------------------------------------------------------------


def late_head() -> LateHead:
    head = trained_model("late").head
    assert isinstance(head, LateHead)
    return head


def test_late_softmax_is_the_mean_of_the_branch_probabilities():
    head = late_head()
    inputs = modalities(3, [True] * 3, [True] * 3)
    found = head(inputs)
    audio, video = found.audio_logits.softmax(1), found.video_logits.softmax(1)
    assert (audio - video).abs().max() > 0.01
    torch.testing.assert_close(found.logits.softmax(1), (audio + video) / 2)
    torch.testing.assert_close(found.logits, ((audio + video) / 2).log())


def test_late_with_a_missing_branch_is_the_other_branch_alone():
    found = late_head()(modalities(3, [True, False, True], [False, True, True]))
    torch.testing.assert_close(found.logits[0], found.audio_logits[0].log_softmax(0))
    torch.testing.assert_close(found.logits[1], found.video_logits[1].log_softmax(0))
    assert not torch.allclose(found.logits[2], found.video_logits[2].log_softmax(0))


def test_late_weighs_and_tempers_its_branches():
    head = late_head()
    head.config.late_audio_weight, head.config.audio_temperature, head.config.video_temperature = 0.8, 2.0, 0.5
    found = head(modalities(3, [True, True, False], [True, False, True]))
    audio, video = (found.audio_logits / 2).softmax(1), (found.video_logits / 0.5).softmax(1)
    expected = torch.stack([0.8 * audio[0] + 0.2 * video[0], audio[1], video[2]])
    torch.testing.assert_close(found.logits.softmax(1), expected)


def test_late_branch_of_no_weight_counts_where_it_is_alone():
    head = late_head()
    head.config.late_audio_weight = 0
    found = head(modalities(2, [True, True], [True, False]))
    torch.testing.assert_close(found.logits[0].softmax(0), found.video_logits[0].softmax(0))
    torch.testing.assert_close(found.logits[1].softmax(0), found.audio_logits[1].softmax(0))
    found.logits.sum().backward()
    assert head.audio_classifier.weight.grad.isfinite().all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_temperature_divides_logits_in_evaluation_alone(fusion: str):
    hot, cold = (
        trained_model(fusion, modality_dropout_p=0.0, gate_dropout=0.0, temperature=degrees) for degrees in (2.0, 1.0)
    )
    batch = batch_of(4, labels=True)
    found, expected = hot(**batch), cold(**batch)
    torch.testing.assert_close(found.logits, expected.logits / 2)
    assert found.loss == expected.loss
    torch.testing.assert_close(hot.train()(**batch).logits, cold.train()(**batch).logits)


def test_late_branch_that_is_surely_wrong_leaves_finite_logits_and_gradients():
    head = late_head()
    with torch.no_grad():
        head.audio_classifier.bias.copy_(torch.tensor([1e4] + [-1e4] * 7))
    inputs = modalities(2, [True, True], [True, False])
    found = head(inputs)
    found.logits[0].sum().backward()
    assert found.logits.isfinite().all()
    assert head.audio_classifier.weight.grad.isfinite().all()


def test_late_loss_is_the_mean_cross_entropy_of_the_branches():
    model = trained_model("late")
    batch = batch_of(4, labels=True)
    found = model(**batch)
    branches = [F.cross_entropy(logits, batch["labels"]) for logits in (found.audio_logits, found.video_logits)]
    torch.testing.assert_close(found.loss, torch.stack(branches).mean())
    assert not torch.isclose(found.loss, F.cross_entropy(found.logits, batch["labels"]), atol=1e-3)


def test_late_loss_leaves_a_missing_branch_out_and_gives_it_no_gradient():
    model = trained_model("late")
    batch = without(without(batch_of(3, labels=True), "audio", [0, 1, 2], 0.0), "video", [], 0.0)
    found = model(**batch)
    torch.testing.assert_close(found.loss, F.cross_entropy(found.video_logits, batch["labels"]))
    found.loss.backward()
    assert not model.head.audio_classifier.bias.grad.any()
    assert model.head.video_classifier.bias.grad.any()


def test_late_loss_weighs_each_clip_alike_however_many_branches_it_has():
    model = trained_model("late")
    batch = without(batch_of(3, labels=True), "audio", [1], 0.0)
    found = model(**batch)
    audio, video = (
        F.cross_entropy(logits, batch["labels"], reduction="none")
        for logits in (found.audio_logits, found.video_logits)
    )
    expected = torch.stack([(audio[0] + video[0]) / 2, video[1], (audio[2] + video[2]) / 2]).mean()
    torch.testing.assert_close(found.loss, expected)


# --- cross-modal attention -----------------------------------------------------------------------------------------


def test_xattn_attends_between_frames_and_time_steps():
    model = new_model("xattn")
    seen = []
    model.head.audio_block.attention.register_forward_hook(lambda _, args, __: seen.append([x.shape for x in args]))
    model(**batch_of(2))
    query, key, value = seen[0]
    assert tuple(query) == (2, 6, 16), "188 steps of the spectrogram are 6 of the audio map"
    assert tuple(key) == tuple(value) == (2, 4, 16), "one token for each frame"


def test_xattn_query_and_key_get_gradients():
    model = trained_model("xattn", modality_dropout_p=0.0).train()
    model(**batch_of(4, labels=True)).loss.backward()
    for block in (model.head.audio_block, model.head.video_block):
        query, key, value = block.attention.in_proj_weight.grad.chunk(3)
        for grad in (query, key, value):
            assert grad.abs().max() > 1e-8


def test_xattn_logits_depend_on_which_frame_is_where_the_sound_looks():
    """Attention over one pooled vector would give the same for any frames of the same mean."""
    head = trained_model("xattn").head
    inputs = modalities(2, [True] * 2, [True] * 2)
    flat = Modalities(
        inputs.audio, inputs.video.mean(1, keepdim=True).expand(-1, 4, -1), inputs.audio_mask, inputs.video_mask
    )
    assert (head(inputs).logits - head(flat).logits).abs().max() > 1e-4


@pytest.mark.parametrize("modality", sorted(INPUTS))
def test_xattn_with_one_side_missing_uses_the_other_side_alone(modality):
    model = trained_model("xattn")
    other = "video" if modality == "audio" else "audio"
    batch = without(batch_of(2), modality, [0, 1], 0.0)
    expected = model(**batch)
    with torch.no_grad():  # whatever the missing side's layers say must not reach the logits
        getattr(model.head, f"{modality}_projection").bias += 5.0
        getattr(model.head, f"{modality}_block").feed_forward[0].bias += 5.0
        getattr(model.head, f"{other}_block").attention.out_proj.bias += 5.0
    assert torch.equal(model(**batch).logits, expected.logits)


# --- what a checkpoint holds ---------------------------------------------------------------------------------------


def test_saved_checkpoint_holds_the_gate_as_trained(tmp_path):
    model = trained_model("gated")
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert torch.equal(weights["head.gate.output.bias"], model.head.gate.output.bias)
    assert json.loads((tmp_path / "config.json").read_text())["gate_bias"] == -1.0
