"""The model: sizes, loss, freezing, saving, and what transformers and torch need of it."""

import copy
import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForVideoClassification,
    Trainer,
    TrainingArguments,
)

from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionOutput
from emofusion.modeling.encoders_emofusion import build_resnet18
from helpers.tiny_models import (
    FUSIONS,
    GATED,
    INPUTS,
    READS_AUDIO,
    READS_VIDEO,
    SIZES,
    assert_same,
    batch_of,
    new_model,
    one_thread,  # noqa: F401
    trained_model,
    without,
)

EVERY_MODEL = [*((fusion, "resnet18") for fusion in FUSIONS), ("audio", "cnn"), ("gated", "cnn")]
CLASS_WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.25, 3.0, 1.0, 0.75]


# --- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoder", "parameters"), [("video_encoder", 11_176_512), ("audio_encoder", 11_235_904)])
def test_encoder_at_full_size_has_the_parameters_of_the_issue(encoder, parameters):
    with torch.device("meta"):
        model = EmoFusionModel(EmoFusionConfig())
    assert sum(parameter.numel() for parameter in getattr(model, encoder).parameters()) == parameters


def test_cnn_encoder_at_full_size_has_154_thousand_parameters_within_5_percent():
    with torch.device("meta"):
        model = EmoFusionModel(EmoFusionConfig(audio_encoder="cnn"))
    assert sum(parameter.numel() for parameter in model.audio_encoder.parameters()) == pytest.approx(154_000, rel=0.05)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_unused_encoder_is_not_built(fusion):
    model = new_model(fusion)
    assert (model.audio_encoder is None) == (fusion == "video")
    assert (model.video_encoder is None) == (fusion == "audio")
    other = {"audio": "video_encoder", "video": "audio_encoder"}.get(fusion, "nothing")
    assert not [name for name in model.state_dict() if name.startswith(other)]


@pytest.mark.parametrize("audio_encoder", ["resnet18", "cnn"])
def test_encoders_give_tokens_of_frames_and_time_steps(audio_encoder):
    model = new_model(audio_encoder=audio_encoder)
    batch = batch_of(2)
    assert model.video_encoder(batch["pixel_values"]).shape == (2, 4, 64)
    steps = {"resnet18": 6, "cnn": 5}[audio_encoder]
    assert model.audio_encoder(batch["input_features"]).shape == (2, steps, 24)


def test_video_encoder_takes_the_weights_of_torchvisions_resnet18():
    """Layer by layer: a difference in stride, padding, epsilon or order would show in the output."""
    torch.manual_seed(0)
    theirs, ours = resnet18().eval(), build_resnet18(64, num_channels=3).eval()
    theirs.fc = nn.Identity()
    names = [name for name in theirs.state_dict() if "downsample" not in name]
    names.sort(key=lambda name: not name.startswith(("conv1", "bn1")))
    own = [name for name in ours.state_dict() if "shortcut" not in name]
    weights = dict(zip(own, (theirs.state_dict()[name] for name in names), strict=True))
    shortcuts = [name for name in ours.state_dict() if "shortcut" in name]
    weights |= dict(
        zip(shortcuts, (v for name, v in theirs.state_dict().items() if "downsample" in name), strict=True)
    )
    ours.load_state_dict(weights)
    frames = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(frames).pooler_output.flatten(1), theirs(frames), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_new_convolutions_have_kaiming_weights(fusion):
    """transformers' own initialisation would be N(0, 0.02) for all of them."""
    model = new_model(fusion, encoder_width=32, audio_encoder="cnn" if fusion == "late" else "resnet18")
    convolutions = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions
    for name, layer in convolutions:
        if layer.weight.numel() > 2000:
            expected = math.sqrt(2 / (layer.out_channels * math.prod(layer.kernel_size)))
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1), name


def test_two_seeds_give_two_models():
    torch.manual_seed(5)
    other = EmoFusionModel(EmoFusionConfig(**SIZES))
    assert not torch.equal(other.head.classifier.weight, new_model().head.classifier.weight)


# --- loss ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", [fusion for fusion in FUSIONS if fusion != "late"])
@pytest.mark.parametrize("class_weights", [None, CLASS_WEIGHTS])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_loss_is_torchs_cross_entropy_with_weights_and_smoothing(fusion, class_weights, label_smoothing):
    model = trained_model(fusion, class_weights=class_weights, label_smoothing=label_smoothing)
    batch = batch_of(5, labels=True)
    batch["labels"] = torch.tensor([4, 5, 2, -100, 4])
    found = model(**batch)
    weight = None if class_weights is None else torch.tensor(class_weights)
    expected = F.cross_entropy(found.logits, batch["labels"], weight=weight, label_smoothing=label_smoothing)
    torch.testing.assert_close(found.loss, expected)


def test_loss_of_late_fusion_uses_weights_and_smoothing_in_both_branches():
    model = trained_model("late", class_weights=CLASS_WEIGHTS, label_smoothing=0.1)
    batch = batch_of(5, labels=True)
    found = model(**batch)
    branches = [
        F.cross_entropy(logits, batch["labels"], weight=torch.tensor(CLASS_WEIGHTS), label_smoothing=0.1)
        for logits in (found.audio_logits, found.video_logits)
    ]
    torch.testing.assert_close(found.loss, torch.stack(branches).mean())


@pytest.mark.parametrize("fusion", ["gated", "late"])
def test_class_weights_survive_saving_and_loading(fusion, tmp_path):
    """They are a non-persistent buffer, which transformers leaves as uninitialised memory unless told."""
    model = trained_model(fusion, class_weights=CLASS_WEIGHTS)
    model.save_pretrained(tmp_path)
    loaded = EmoFusionModel.from_pretrained(tmp_path)
    batch = batch_of(4, labels=True)
    assert loaded.loss.class_weights.tolist() == pytest.approx(CLASS_WEIGHTS)
    assert torch.equal(loaded(**batch).loss, model(**batch).loss)
    changed = EmoFusionModel.from_pretrained(
        tmp_path, num_labels=3, class_weights=[1.0, 2.0, 3.0], ignore_mismatched_sizes=True
    )
    assert changed.loss.class_weights.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [[7, 7, 7], [-100, -100, -100], [7, -100, 7]])
def test_loss_of_a_batch_in_which_no_clip_counts_is_0_and_has_a_gradient_of_0(fusion, label_smoothing, labels):
    """Training goes on: in a batch of classes that have no training clips, or of clips without labels."""
    model = trained_model(fusion, class_weights=[1.0] * 7 + [0.0], label_smoothing=label_smoothing).train()
    loss = model(**batch_of(3) | {"labels": torch.tensor(labels)}).loss
    loss.backward()
    assert loss.item() == 0
    gradients = [parameter.grad for parameter in model.head.parameters() if parameter.grad is not None]
    assert gradients
    assert not any(gradient.any() or gradient.isnan().any() for gradient in gradients)


@pytest.mark.parametrize("fusion", ["gated", "late"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_loss_of_clips_that_count_is_the_same_beside_clips_that_do_not(fusion, label_smoothing):
    model = trained_model(fusion, class_weights=[1.0] * 7 + [0.0], label_smoothing=label_smoothing)
    batch = batch_of(4) | {"labels": torch.tensor([3, 7, 1, -100])}
    alone = {name: values[[0, 2]] for name, values in batch.items()}
    torch.testing.assert_close(model(**batch).loss, model(**alone).loss)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_loss_of_clips_without_either_modality_and_of_no_clips_is_finite(fusion):
    model = trained_model(fusion)
    nothing = without(without(batch_of(2, labels=True), "audio", [0, 1], math.nan), "video", [0, 1], math.nan)
    nothing_left = {name: values[:0] for name, values in batch_of(2, labels=True).items()}
    assert model(**nothing).loss.isfinite()
    assert model(**nothing_left).loss == 0


def test_loss_without_labels_is_none():
    assert new_model()(**batch_of(2)).loss is None


@pytest.mark.parametrize(("fusion", "audio_encoder"), EVERY_MODEL)
def test_loss_falls_within_a_few_steps_on_eight_clips(fusion, audio_encoder):
    model = new_model(fusion, audio_encoder=audio_encoder, modality_dropout_p=0.0).train()
    batch = batch_of(8, labels=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0], losses


@pytest.mark.parametrize("fusion", ["gated", "late"])
def test_trainer_with_accumulated_batches_gives_the_loss_and_the_step_of_one_batch(fusion, tmp_path):
    """With `accepts_loss_kwargs` Trainer would take four small batches for four times the loss."""
    batch = batch_of(8, labels=True)
    clips = [{name: tensor[index] for name, tensor in batch.items()} for index in range(8)]
    results = []
    for size, steps in ((8, 1), (2, 4)):
        model = trained_model(fusion, modality_dropout_p=0.0, gate_dropout=0.0)
        model.freeze_audio_encoder()  # else every small batch has its own BatchNorm statistics
        model.freeze_video_encoder()
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            max_steps=1,
            learning_rate=0.1,
            optim="sgd",
            max_grad_norm=1e9,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = Trainer(model, arguments, train_dataset=clips)
        trainer.train()
        log = trainer.state.log_history[0]
        results.append((log["loss"], log["grad_norm"], model.state_dict()))
    (one_loss, one_norm, one_weights), (loss, norm, weights) = results
    assert loss == pytest.approx(one_loss, rel=1e-3) and norm == pytest.approx(one_norm, rel=1e-3)
    for name, weight in one_weights.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-4, atol=1e-5)


# --- gradients and freezing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fusion", "audio_encoder"), EVERY_MODEL)
def test_gradient_reaches_every_parameter(fusion, audio_encoder):
    model = trained_model(fusion, audio_encoder=audio_encoder, modality_dropout_p=0.0).train()
    model(**batch_of(4, labels=True)).loss.backward()
    without_gradient = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not without_gradient
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("fusion", GATED)
def test_gate_of_a_new_model_learns_from_the_first_step(fusion):
    model = new_model(fusion, modality_dropout_p=0.0).train()
    model(**batch_of(4, labels=True)).loss.backward()
    assert model.head.gate.output.weight.grad.any() and model.head.gate.output.bias.grad.any()


@pytest.mark.parametrize("modality", sorted(INPUTS))
@pytest.mark.parametrize("fusion", ["gated", "late"])
def test_frozen_encoder_keeps_weights_and_statistics_whatever_mode_the_model_is_set_to(fusion, modality):
    model = trained_model(fusion)
    getattr(model, f"freeze_{modality}_encoder")()
    frozen, free = (
        getattr(model, f"{modality}_encoder"),
        getattr(model, "video_encoder" if modality == "audio" else "audio_encoder"),
    )
    frozen_before, free_before = copy.deepcopy(frozen.state_dict()), copy.deepcopy(free.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for mode in (True, False, True):
        model.train(mode)
        assert not any(module.training for module in frozen.modules())
        assert free.training == mode
        model(**batch_of(4, labels=True)).loss.backward()
        optimizer.step()
    assert_same(frozen.state_dict(), frozen_before)
    assert all(parameter.grad is None for parameter in frozen.parameters())
    changed = [name for name, value in free.state_dict().items() if not torch.equal(value, free_before[name])]
    assert any("running_mean" in name for name in changed) and any("weight" in name for name in changed)


def test_frozen_encoder_of_a_copied_model_is_frozen_too():
    model = trained_model()
    model.freeze_audio_encoder()
    twin = copy.deepcopy(model).train()
    assert not any(module.training for module in twin.audio_encoder.modules())
    assert twin._frozen[0] is twin.audio_encoder and twin._frozen[0] is not model.audio_encoder


@pytest.mark.parametrize(("fusion", "modality"), [("audio", "video"), ("video", "audio")])
def test_freezing_an_encoder_that_is_not_there_is_an_error_that_names_it(fusion, modality):
    with pytest.raises(ValueError, match=f"fusion='{fusion}' has no {modality} encoder"):
        getattr(new_model(fusion), f"freeze_{modality}_encoder")()


# --- output --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", FUSIONS)
def test_output_has_the_fields_and_shapes_of_its_fusion(fusion):
    found = trained_model(fusion)(**batch_of(3, labels=True))
    assert isinstance(found, EmoFusionOutput)
    expected = {"loss": (), "logits": (3, 8)}
    expected |= {"gate": (3,)} if fusion in GATED else {}
    expected |= {"audio_embeds": (3, 24)} if fusion in READS_AUDIO else {}
    expected |= {"video_embeds": (3, 64)} if fusion in READS_VIDEO else {}
    expected |= {"audio_logits": (3, 8), "video_logits": (3, 8)} if fusion == "late" else {}
    assert {name: tuple(value.shape) for name, value in found.items()} == expected


@pytest.mark.parametrize("fusion", FUSIONS)
def test_output_as_a_tuple_holds_the_same_values_in_order(fusion):
    model, batch = trained_model(fusion), batch_of(2, labels=True)
    expected = model(**batch)
    by_argument = model(**batch, return_dict=False)
    model.config.return_dict = False
    by_config = model(**batch)
    for found in (by_argument, by_config):
        assert isinstance(found, tuple)
        assert all(torch.equal(*pair) for pair in zip(found, expected.values(), strict=True))
    assert isinstance(model(**batch, return_dict=True), EmoFusionOutput)


def test_output_embeddings_are_zero_where_the_modality_is_missing():
    found = trained_model()(**without(without(batch_of(3), "audio", [0], math.nan), "video", [1], math.nan))
    assert not found.audio_embeds[0].any() and found.audio_embeds[1:].any(1).all()
    assert not found.video_embeds[1].any() and found.video_embeds[[0, 2]].any(1).all()


def test_predictions_of_trainer_are_logits_and_gate():
    found = trained_model()(**batch_of(2))
    left = [name for name in found if name not in EmoFusionConfig.keys_to_ignore_at_inference]
    assert left == ["logits", "gate"]


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fusion", "changes", "message"),
    [
        ("gated", {"pixel_values": None, "input_features": None}, "needs input_features or pixel_values, found None"),
        ("audio", {"input_features": None}, "fusion='audio' needs input_features, found None"),
        ("video", {"pixel_values": None}, "fusion='video' needs pixel_values, found None"),
        ("gated", {"pixel_values": torch.zeros(3, 3, 32, 32)}, r"pixel_values: expected .* found \[3, 3, 32, 32\]"),
        ("gated", {"pixel_values": torch.zeros(3, 4, 32, 32, 3)}, r"pixel_values: expected .*\[3, 4, 32, 32, 3\]"),
        ("gated", {"input_features": torch.zeros(3, 188)}, r"input_features: expected .* found \[3, 188\]"),
        ("gated", {"input_features": torch.zeros(3, 188, 32)}, r"\[batch, 32, time\], found \[3, 188, 32\]"),
        ("gated", {"input_features": torch.zeros(2, 32, 188)}, "pixel_values has 3 clips and input_features 2"),
        ("gated", {"audio_mask": torch.ones(2, dtype=torch.bool)}, r"audio_mask: expected \[3\], found \[2\]"),
        ("gated", {"video_mask": torch.ones(3, 1)}, r"video_mask: expected \[3\], found \[3, 1\]"),
    ],
)
def test_input_of_a_wrong_shape_is_an_error_that_names_it_and_says_what_was_found(fusion, changes, message):
    with pytest.raises(ValueError, match=message):
        new_model(fusion)(**{**batch_of(3), **changes})


# --- saving, loading, dtypes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fusion", "audio_encoder"), EVERY_MODEL)
def test_loaded_model_gives_the_same_outputs_bit_by_bit(fusion, audio_encoder, tmp_path):
    model = trained_model(fusion, audio_encoder=audio_encoder)
    model.save_pretrained(tmp_path)
    loaded, report = EmoFusionModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert not loaded.training
    assert_same(loaded.state_dict(), model.state_dict())
    # A copy, because loaded weights lie in the file's memory, where torch may multiply in another order.
    assert_same(dict(copy.deepcopy(loaded)(**batch_of(3, labels=True))), dict(model(**batch_of(3, labels=True))))


def test_class_change_without_leave_is_an_error(tmp_path):
    new_model().save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="mismatch"):
        EmoFusionModel.from_pretrained(tmp_path, num_labels=4)


@pytest.mark.parametrize("auto_class", [AutoModel, AutoModelForVideoClassification, AutoModelForAudioClassification])
@pytest.mark.parametrize("fusion", ["gated", "audio"])
def test_auto_classes_load_a_saved_model(auto_class, fusion, tmp_path):
    model = trained_model(fusion)
    model.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(tmp_path)
    assert type(loaded) is EmoFusionModel
    torch.testing.assert_close(loaded(**batch_of(2)).logits, model(**batch_of(2)).logits, rtol=0, atol=1e-6)
    assert type(AutoConfig.from_pretrained(tmp_path)) is EmoFusionConfig
    assert type(auto_class.from_config(model.config)) is EmoFusionModel


@pytest.mark.parametrize("fusion", FUSIONS)
def test_bfloat16_model_is_saved_loaded_and_run_as_such(fusion, tmp_path):
    model = trained_model(fusion)
    expected = model(**batch_of(3)).logits
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = EmoFusionModel.from_pretrained(tmp_path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    found = loaded(**without(batch_of(3, labels=True), "audio", [1], math.nan))
    assert found.loss.dtype == torch.float32 and found.loss.isfinite()
    assert found.logits.isfinite().all()
    torch.testing.assert_close(found.logits[[0, 2]].float(), expected[[0, 2]], rtol=0.1, atol=0.15)
    assert {p.dtype for p in EmoFusionModel.from_pretrained(tmp_path, dtype=torch.float32).parameters()} == {
        torch.float32
    }


@pytest.mark.parametrize("fusion", FUSIONS)
def test_bfloat16_autocast_trains_with_finite_gradients(fusion):
    model = trained_model(fusion).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(**without(batch_of(4, labels=True), "video", [1], math.nan)).loss
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


# --- compilation and export ----------------------------------------------------------------------------------------


@pytest.fixture
def _fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("fusion", ["gated", "late", "xattn"])
def test_compiled_model_has_one_graph_and_gives_the_same_outputs(fusion):
    model = trained_model(fusion)
    batch = without(without(batch_of(3, labels=True), "audio", [0], math.nan), "video", [1], math.nan)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert_same(dict(compiled(**batch)), dict(model(**batch)))


@pytest.mark.slow
@pytest.mark.usefixtures("_fresh_compiler")
def test_compiled_model_trains_in_one_graph():
    model = trained_model("gated").train()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    loss = compiled(**without(batch_of(4, labels=True), "audio", [0], math.nan)).loss
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["gated", "late", "xattn", "audio"])
def test_exported_model_takes_any_batch_and_any_mask(fusion):
    model = trained_model(fusion)
    names = [name for name in batch_of(1) if fusion != "audio" or "input_features" in name or "audio" in name]
    clips = torch.export.Dim("clips", min=1, max=64)
    example = {name: batch_of(3)[name] for name in names}
    program = torch.export.export(model, (), example, dynamic_shapes={name: {0: clips} for name in names})
    for other in (batch_of(5), without(without(batch_of(2), "audio", [0], math.nan), "video", [1], math.nan)):
        inputs = {name: other[name] for name in names}
        expected = model(**inputs)
        found = program.module()(**inputs)
        assert list(found) == list(expected)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_answer_below_the_threshold_is_unsure(tiny_model: EmoFusionModel):
    probabilities = torch.full((3, 8), 0.05)
    for clip, (index, highest) in enumerate([(2, 0.65), (4, 0.64), (7, 0.3)]):
        probabilities[clip] = (1 - highest) / 7
        probabilities[clip, index] = highest
    logits = 3 + probabilities.log()
    assert tiny_model.answers(logits) == ["happy", "angry", "surprised"]
    for below, expected in [
        (0.645, ["happy", "unsure", "unsure"]),
        (0.5, ["happy", "angry", "unsure"]),
        (1.0, ["unsure"] * 3),
    ]:
        tiny_model.config.unsure_below = below
        assert tiny_model.answers(logits) == expected
        assert tiny_model.answers(logits.half()) == expected
    tiny_model.config.unsure_below = 0.0
    logits[1, 3] = torch.nan
    assert tiny_model.answers(logits) == ["happy", "unsure", "surprised"], "what is no number names nothing"
    assert tiny_model.answers(logits[:0]) == []


def test_answers_need_the_logits_of_a_batch(tiny_model: EmoFusionModel):
    for shape in ([8], [2, 7], [1, 2, 8]):
        with pytest.raises(ValueError, match=re.escape(f"logits: expected [batch, 8], found {shape}")):
            tiny_model.answers(torch.zeros(shape))
