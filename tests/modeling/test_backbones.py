"""Any encoder of transformers as a branch: built, trained, frozen, saved, and loaded where this package is not."""

import copy
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf

from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.backbones_emofusion import (
    LayerMix,
    StatisticsPooling,
    depths_of,
    layers_of,
    preparer_of,
    settings_of,
    side_of,
    time_steps,
)
from helpers.runs.demo_runs import run_without_package
from helpers.tiny_backbones import FRAMES, PAIRS, PICTURES, SIDE, SOUNDS, settings
from helpers.tiny_models import one_thread  # noqa: F401

ALL_PAIRS = list(product(SOUNDS, PICTURES))
ELSEWHERE = """
import json, sys
import numpy as np
import torch
from transformers import AutoModel, AutoProcessor
folder, *names = sys.argv[1:]
given = np.load(f"{folder}/clip.npz")
for name in names:
    place = f"{folder}/{name}"
    processor = AutoProcessor.from_pretrained(place, trust_remote_code=True)
    inputs = processor(videos=given["frames"], audio=given["sound"], sampling_rate=16000)
    for attention in ("eager", "sdpa"):
        model = AutoModel.from_pretrained(place, trust_remote_code=True, attn_implementation=attention)
        with torch.no_grad():
            logits = model(**inputs).logits[0].tolist()
        print(json.dumps([name, attention, [b.config._attn_implementation for b in model.backbones], logits]))
"""


def config_of(sound: str | None, picture: str | None, **changes: Any) -> EmoFusionConfig:
    """Of a small model with these encoders; one of sound, or of pictures alone, where the other is None."""
    fields: dict[str, Any] = {"num_frames": FRAMES, "image_size": SIDE, "audio_embedding_size": 24, "hidden_size": 16}
    if sound is not None:
        fields |= {"audio_encoder": "auto", "audio_config": settings(sound)[0]}
    if picture is not None:
        fields |= {"video_encoder": "auto", "video_config": settings(picture)[0]}
    alone = "video" if sound is None else "audio" if picture is None else None
    return EmoFusionConfig(**{**fields, **({"fusion": alone} if alone else {}), **changes})


def model_of(sound: str | None, picture: str | None, **changes: Any) -> EmoFusionModel:
    torch.manual_seed(0)
    return EmoFusionModel(config_of(sound, picture, **changes)).eval()


def processor_of(config: EmoFusionConfig, sound: str | None, picture: str | None) -> EmoFusionProcessor:
    given = [None if name is None else settings(name)[1] for name in (sound, picture)]
    return EmoFusionProcessor.from_config(config, *given)


def clip(seed: int = 0) -> dict[str, np.ndarray]:
    """Ten frames and two seconds of sound."""
    draws = np.random.default_rng(seed)
    frames = draws.integers(0, 256, (10, 48, 40, 3), dtype=np.uint8)
    return {"frames": frames, "sound": (0.1 * draws.standard_normal(32_000)).astype(np.float32)}


def inputs_of(processor: EmoFusionProcessor, *seeds: int) -> dict[str, torch.Tensor]:
    clips = [clip(seed) for seed in seeds]
    return processor(
        videos=[made["frames"] for made in clips], audio=[made["sound"] for made in clips], sampling_rate=16_000
    )


# --- every pair ----------------------------------------------------------------------------------------------------


def train(model: EmoFusionModel, inputs: dict[str, torch.Tensor]) -> list[float]:
    """The losses of a few steps, on clips of two classes."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(4):
        loss = model(**inputs, labels=torch.tensor([0, 3])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


@pytest.mark.parametrize(("sound", "picture"), ALL_PAIRS)
def test_every_pair_learns_and_all_its_weights_do(sound: str, picture: str):
    model = model_of(sound, picture, modality_dropout_p=0.0)
    inputs = inputs_of(processor_of(model.config, sound, picture), 0, 1)
    before = copy.deepcopy(model.state_dict())
    losses = train(model, inputs)
    assert losses[-1] < losses[0]
    still = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    fixed = {name for name, value in model.named_parameters() if not value.requires_grad}
    # What stands for masked steps, which may not have been drawn; and AST hands its last layer out as it is.
    unused = ("masked_spec_embed", "mask_token", *(["audio_encoder.backbone.layernorm"] if sound == "ast" else []))
    assert {name for name in still - fixed if not any(part in name for part in unused)} == set()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Any, list[float], list[float]]]:
    """What trained pairs answer: by attention, which of it their backbones have, here, and where they are loaded."""
    folder, here = tmp_path_factory.mktemp("pairs"), {}
    np.savez(folder / "clip.npz", **clip())
    for sound, picture in PAIRS:
        model = model_of(sound, picture, modality_dropout_p=0.0)
        processor = processor_of(model.config, sound, picture)
        train(model, inputs_of(processor, 0, 1))
        with torch.no_grad():
            here[sound] = model(**inputs_of(processor, 0)).logits[0].tolist()
        model.save_pretrained(folder / sound)
        processor.save_pretrained(folder / sound)
    cache = {"HF_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    printed = run_without_package(ELSEWHERE, folder, *SOUNDS, cwd=folder, env=cache)
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    return {(name, attention): (kinds, here[name], there) for name, attention, kinds, there in rows}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(("sound", "picture"), PAIRS)
def test_pair_answers_the_same_where_the_package_is_not(sound: str, picture: str, attention: str, elsewhere: dict):
    kinds, here, there = elsewhere[sound, attention]
    have_none = {"wavlm", "resnet", "convnext"}
    assert kinds == ["eager" if name in have_none else attention for name in (sound, picture)]
    np.testing.assert_allclose(there, here, atol=2e-5)


# --- sound ---------------------------------------------------------------------------------------------------------


def test_sum_over_layers_is_weighed_by_a_softmax():
    mix, states = LayerMix(3), torch.randn(2, 3, 5)
    torch.testing.assert_close(mix(states), states.mean(1))
    mix.weight.data[:] = torch.tensor([100.0, 0.0, 0.0])
    torch.testing.assert_close(mix(states), states[:, 0])


def test_statistics_are_mean_and_deviation_of_each_part_of_the_time():
    hidden = torch.randn(2, 3, 12, 2, 4)
    kept = StatisticsPooling(3, 4).keep(hidden)
    assert kept.shape == (2, 3, 6, 8)
    part = hidden[1, 2, 4:6].flatten(0, 1)  # the third of six
    torch.testing.assert_close(kept[1, 2, 2, :4], part.mean(0))
    torch.testing.assert_close(kept[1, 2, 2, 4:], part.std(0, correction=0), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("pooling", ["statistics", "attention"])
def test_clip_with_fewer_steps_than_parts_has_as_many_tokens(pooling: str):
    model = model_of("wav2vec2", None, audio_pooling=pooling, clip_duration=0.07)
    inputs = processor_of(model.config, "wav2vec2", None)(audio=np.ones(16_000), sampling_rate=16_000)
    tokens = model.encode(**inputs).audio
    assert tokens.shape == (1, 4, 24)
    assert tokens.isfinite().all()


def test_attention_pooling_learns_where_to_listen():
    model = model_of("hubert", None, audio_pooling="attention")
    inputs = processor_of(model.config, "hubert", None)(audio=clip()["sound"], sampling_rate=16_000)
    model(**inputs, labels=torch.tensor([1])).loss.backward()
    assert model.audio_encoder.pooling.score.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("name", "steps", "heard"), [("ast", 39, 30), ("whisper", 200, 150), ("wavlm", 149, 149)])
def test_padding_behind_a_clip_is_not_pooled(name: str, steps: int, heard: int):
    config = settings(name)[0]
    places = 2 if name == "ast" else 1  # bands of 32 mels
    layer = torch.arange(steps * places, dtype=torch.float32).reshape(1, places, steps).flatten(1)[..., None]
    if name == "ast":
        layer = torch.cat([torch.full((1, 2, 1), -1.0), layer], dim=1)
    found = time_steps(layer, config, seconds=3.0)
    assert found.shape == (1, heard, places, 1)
    assert found[0, :, 0, 0].tolist() == list(range(heard))


def test_sound_that_is_padded_reads_what_its_own_extractor_makes():
    config = config_of("whisper", None)
    processor, sound = processor_of(config, "whisper", None), clip()["sound"]
    found = processor(audio=sound, sampling_rate=16_000)["input_values"]
    expected = settings("whisper")[1](sound, sampling_rate=16_000, return_tensors="pt")["input_features"]
    # 2 s become 3 s and then 4 s, or 4 s at once; sound of 16 bits lies between
    torch.testing.assert_close(found[..., :190], expected[..., :190], atol=2e-2, rtol=0)


def test_layers_are_never_dropped_because_their_sum_needs_all():
    given = tf.Wav2Vec2Config(**{**settings("wav2vec2")[0].to_dict(), "layerdrop": 0.9})
    config = config_of(None, None, fusion="audio", audio_encoder="auto", audio_config=given)
    assert (config.audio_config.layerdrop, given.layerdrop) == (0.0, 0.9)
    model = EmoFusionModel(config).train()
    for _ in range(3):
        model(input_values=torch.randn(2, 48_000))


# --- pictures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "steps"), [("resnet", 4), ("vit", 4), ("convnext", 4), ("dinov2", 4), ("videomae", 2)]
)
def test_frames_become_a_token_each_and_those_of_videomae_one_for_two(name: str, steps: int):
    model = model_of(None, name)
    frames = inputs_of(processor_of(model.config, None, name), 0)["pixel_values"]
    tokens = model.encode(pixel_values=frames).video
    assert tokens.shape == (1, steps, model.config.video_embedding_size)
    changed = frames.clone()
    changed[:, -1] += 1
    moved = (model.encode(pixel_values=changed).video - tokens).abs().sum(-1)[0]
    assert moved[-1] > 0
    if name == "videomae":  # attention has each step know of the others
        patches = model.video_encoder.backbone(frames).last_hidden_state.reshape(2, (SIDE // 14) ** 2, -1)
        torch.testing.assert_close(model.video_encoder.states(frames)[0], patches.mean(1))
    else:
        assert not moved[:-1].any()


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_are_those_of_the_encoders_own_processor(name: str):
    config = config_of(None, name)
    processor = processor_of(config, None, name)
    square = np.random.default_rng(5).integers(0, 256, (FRAMES, SIDE, SIDE, 3), dtype=np.uint8)
    frames = [torch.from_numpy(frame).permute(2, 0, 1) for frame in square]
    expected = settings(name)[1](frames, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
    ready = processor.video_processor(
        [torch.stack(frames)], do_resize=False, do_center_crop=False, return_tensors="pt"
    )["pixel_values"]
    torch.testing.assert_close(ready[0], expected.reshape(FRAMES, 3, SIDE, SIDE))


@pytest.mark.parametrize("name", PICTURES)
def test_side_is_what_the_encoders_own_processor_hands_over(name: str):
    assert side_of(settings(name)[1], settings(name)[0]) == SIDE


# --- what learns ---------------------------------------------------------------------------------------------------


def test_frozen_backbone_stays_and_what_is_behind_it_learns():
    model = model_of("wav2vec2", "resnet", modality_dropout_p=0.0)
    model.freeze_audio_encoder()
    model.freeze_video_encoder()
    before = copy.deepcopy(model.state_dict())
    train(model, inputs_of(processor_of(model.config, "wav2vec2", "resnet"), 0, 1))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in moved if ".backbone." in name}
    assert {
        "audio_encoder.pooling.mix.weight",
        "audio_encoder.projection.weight",
        "video_encoder.norm.weight",
    } <= moved


def test_whole_encoder_can_be_frozen_too():
    model = model_of("wav2vec2", None)
    model.freeze_audio_encoder(whole=True)
    assert not any(parameter.requires_grad for parameter in model.audio_encoder.parameters())


@pytest.mark.parametrize("name", [*SOUNDS, *PICTURES])
def test_last_layers_learn_alone(name: str):
    sound = name in SOUNDS
    model = model_of(name if sound else None, None if sound else name)
    (backbone,) = model.backbones
    (model.freeze_audio_encoder if sound else model.freeze_video_encoder)(trainable_layers=1)
    first, last = layers_of(backbone)
    assert all(parameter.requires_grad for parameter in last.parameters())
    assert not any(parameter.requires_grad for parameter in first.parameters())
    assert [depth for parameter, depth in depths_of(backbone) if parameter.requires_grad] == sorted(
        (depth for _, depth in depths_of(backbone) if depth <= 1), reverse=True
    )
    model.train()
    assert (first.training, last.training) == (False, True)


def test_more_layers_than_there_are_cannot_learn():
    with pytest.raises(ValueError, match="Wav2Vec2Model: expected at most its 2 layers, found 3"):
        model_of("wav2vec2", None).freeze_audio_encoder(trainable_layers=3)
    with pytest.raises(ValueError, match='trainable_layers=1: it is for audio_encoder="auto"'):
        EmoFusionModel(EmoFusionConfig(fusion="audio", encoder_width=8)).freeze_audio_encoder(trainable_layers=1)


@pytest.mark.parametrize(
    ("sound", "picture"), [*((name, None) for name in SOUNDS), *((None, name) for name in PICTURES)]
)
def test_states_of_a_frozen_backbone_give_the_same_answer(sound: str | None, picture: str | None):
    model = model_of(sound, picture)
    inputs = inputs_of(processor_of(model.config, sound, picture), 0, 1)
    with torch.no_grad():
        kept = model.backbone_states(**inputs)
        torch.testing.assert_close(model(**kept).logits, model(**inputs).logits)
        missing = {**kept, next(name for name in kept if name.endswith("mask")): torch.tensor([True, False])}
        assert not torch.equal(model(**missing).logits[1], model(**kept).logits[1])


def test_states_are_of_a_branch_alone():
    model = model_of("wav2vec2", "vit")
    with pytest.raises(ValueError, match="backbone_states: expected a model of one modality"):
        model.backbone_states(**inputs_of(processor_of(model.config, "wav2vec2", "vit"), 0))


def test_checkpointing_changes_no_gradient():
    model = model_of("whisper", "vit", modality_dropout_p=0.0).train()
    inputs = {**inputs_of(processor_of(model.config, "whisper", "vit"), 0, 1), "labels": torch.tensor([0, 1])}
    model.head.gate.hidden[2].p = 0.0
    model(**inputs).loss.backward()
    expected = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    model.zero_grad()
    model.activation_checkpointing_enable()
    assert model.is_activation_checkpointing
    model(**inputs).loss.backward()
    for name, value in expected.items():
        torch.testing.assert_close(dict(model.named_parameters())[name].grad, value)


def test_checkpointing_is_refused_where_no_backbone_has_it():
    with pytest.raises(ValueError, match="does not support"):
        EmoFusionModel(EmoFusionConfig(encoder_width=8)).activation_checkpointing_enable()


# --- config and processor ------------------------------------------------------------------------------------------


def test_config_comes_back_as_it_was(tmp_path: Path):
    config = config_of("whisper", "videomae", audio_pooling="attention")
    config.audio_config._name_or_path = "openai/whisper-tiny"
    config.save_pretrained(tmp_path)
    for found in (
        EmoFusionConfig.from_pretrained(tmp_path),
        EmoFusionConfig.from_dict(json.loads(config.to_json_string())),
        copy.deepcopy(config),
    ):
        assert isinstance(found.audio_config, tf.WhisperConfig)
        assert found.audio_config._name_or_path == "openai/whisper-tiny"
        assert found.video_config.num_frames == FRAMES
        assert found.to_dict()["audio_config"] == config.to_dict()["audio_config"]
        assert found.audio_pooling == "attention"


def test_config_of_our_own_encoders_has_none_nested():
    assert EmoFusionConfig().to_dict()["audio_config"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio_encoder": "auto"}, 'audio_config is missing: audio_encoder="auto" needs the config of its encoder'),
        (
            {"audio_config": {"model_type": "wav2vec2"}},
            "audio_config: it is for audio_encoder=\"auto\", found 'resnet18'",
        ),
        (
            {"audio_encoder": "auto", "audio_config": {}},
            "audio_config: expected a config of transformers with its model",
        ),
        ({"audio_encoder": "auto", "audio_config": {"model_type": "wav2vec9"}}, "audio_config: model_type='wav2vec9'"),
        (
            {"video_encoder": "auto", "video_config": settings("videomae")[0], "image_size": SIDE},
            "num_frames: a videomae of video_config takes 4, found 8",
        ),
        (
            {"video_encoder": "auto", "video_config": settings("vit")[0]},
            "image_size: a vit of video_config takes 28 pixels, found 112",
        ),
        ({"audio_pooling": "max"}, "audio_pooling"),
    ],
)
def test_wrong_config_is_named(changes: dict[str, Any], message: str):
    with pytest.raises(Exception, match=message):  # of hub's strict dataclasses, or ours
        EmoFusionConfig(**changes)


def test_branch_that_is_not_built_needs_no_config():
    assert EmoFusionConfig(fusion="video", audio_encoder="auto").audio_config is None


def test_processor_needs_what_prepares_the_inputs():
    config = config_of("ast", "vit")
    with pytest.raises(ValueError, match=r"feature_extractor is missing.*AutoFeatureExtractor.from_pretrained"):
        EmoFusionProcessor.from_config(config)
    with pytest.raises(ValueError, match=r"image_processor is missing.*AutoImageProcessor.from_pretrained"):
        EmoFusionProcessor.from_config(config, settings("ast")[1])
    with pytest.raises(ValueError, match="takes 8000 Hz, found 16000"):
        EmoFusionProcessor.from_config(config, tf.Wav2Vec2FeatureExtractor(sampling_rate=8000), settings("vit")[1])


def test_only_transformers_own_can_prepare():
    class Mine(tf.Wav2Vec2FeatureExtractor):
        pass

    with pytest.raises(
        ValueError, match="expected a feature extractor or image processor of transformers, found Mine"
    ):
        settings_of(Mine())


@pytest.mark.parametrize("name", [*SOUNDS, *PICTURES])
def test_settings_make_the_same_preparer(name: str):
    preparer = settings(name)[1]
    again = preparer_of(json.loads(json.dumps(settings_of(preparer))))
    assert type(again) is type(preparer)
    assert settings_of(again) == settings_of(preparer)


def test_sound_for_another_encoder_is_refused():
    model = model_of("wav2vec2", "vit")
    with pytest.raises(ValueError, match="input_features: this model hears input_values"):
        model(pixel_values=torch.zeros(1, FRAMES, 3, SIDE, SIDE), input_features=torch.zeros(1, 64, 188))
    with pytest.raises(ValueError, match="input_values: this model hears input_features"):
        EmoFusionModel(EmoFusionConfig(fusion="audio", encoder_width=8))(input_values=torch.zeros(1, 48_000))
    with pytest.raises(ValueError, match=r"input_values: expected \[batch, samples\] or a spectrogram"):
        model(input_values=torch.zeros(48_000))


def test_missing_modality_has_no_effect():
    model = model_of("wav2vec2", "vit")
    inputs = inputs_of(processor_of(model.config, "wav2vec2", "vit"), 0, 1)
    inputs["audio_mask"] = torch.tensor([True, False])
    inputs["input_values"][1] = float("nan")
    with torch.no_grad():
        found = model(**inputs).logits
        alone = model(pixel_values=inputs["pixel_values"][1:]).logits
    torch.testing.assert_close(found[1:], alone, atol=1e-5, rtol=1e-5)
