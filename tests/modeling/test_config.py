"""The config: strict, flat, and the same after every round trip."""

import copy
import json
import math
import pickle

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from emofusion.modeling import EMOTIONS, EmoFusionConfig, EmoFusionModel

ERRORS = (ValueError, TypeError, StrictDataclassError)
FOUR = {0: "neutral", 1: "happy", 2: "sad", 3: "angry"}
DEFAULTS = {
    "fusion": "gated",
    "audio_encoder": "resnet18",
    "gate": "mlp",
    "gate_bias": -1.0,
    "modality_dropout_p": 0.2,
    "encoder_width": 64,
    "audio_encoder_width": None,
    "audio_embedding_size": 128,
    "hidden_size": 128,
    "gate_hidden_size": None,
    "concat_hidden_size": 440,
    "num_attention_heads": 4,
    "label_smoothing": 0.0,
    "class_weights": None,
    "label_set": None,
    "num_frames": 8,
    "image_size": 112,
    "num_mel_bins": 64,
    "sampling_rate": 16_000,
    "n_fft": 1024,
    "hop_length": 256,
    "clip_duration": 3.0,
    "window": "voice",
    "face_crop": "none",
    "grey": False,
}
CHANGED = {
    "fusion": "xattn",
    "audio_encoder": "cnn",
    "gate": "simple",
    "gate_bias": -2,
    "modality_dropout_p": 0.0,
    "encoder_width": 8,
    "audio_encoder_width": 16,
    "gate_hidden_size": 32,
    "id2label": FOUR,
    "label_smoothing": 0.1,
    "class_weights": [1.0, 0.5, 2.0, 0.0],
    "label_set": "emotions4",
    "clip_duration": 2.5,
    "window": "center",
    "face_crop": "haar",
    "grey": True,
}
"""Other values than the defaults, of every type that a field can have."""


def write(folder, **fields):
    """A config.json with these fields, as a hand would write it; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "emofusion", **fields}))
    return folder


# --- defaults ------------------------------------------------------------------------------------------------------


def test_config_without_arguments_is_the_full_size_gated_model_of_8_classes():
    config = EmoFusionConfig()
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS
    assert config.num_labels == 8
    assert config.id2label == dict(enumerate(EMOTIONS))
    assert config.label2id == {name: index for index, name in enumerate(EMOTIONS)}
    assert config.video_embedding_size == 512


def test_config_from_an_empty_json_file_is_the_default_config(tmp_path):
    found = EmoFusionConfig.from_pretrained(write(tmp_path)).to_dict()
    expected = EmoFusionConfig().to_dict()
    assert {**found, "transformers_version": None} == {**expected, "transformers_version": None}


def test_emotions_are_in_ravdess_code_order():
    assert EMOTIONS == ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


@pytest.mark.parametrize(
    ("fusion", "modalities"),
    [
        ("audio", ("audio",)),
        ("video", ("video",)),
        ("late", ("audio", "video")),
        ("concat", ("audio", "video")),
        ("gated", ("audio", "video")),
        ("xattn", ("audio", "video")),
    ],
)
def test_modalities_of_a_fusion_are_what_the_model_reads(fusion, modalities):
    assert EmoFusionConfig(fusion=fusion).modalities == modalities


# --- strictness ----------------------------------------------------------------------------------------------------

MISSPELT = [
    ("fuson", "late", "fusion"),
    ("modality_dropout", 0.1, "modality_dropout_p"),
    ("audio_encoders", "cnn", "audio_encoder"),
    ("image_sise", 64, "image_size"),
    ("num_mels", 64, "num_mel_bins"),
]


@pytest.mark.parametrize(("field", "value", "meant"), MISSPELT)
def test_misspelt_field_is_an_error_that_names_it_and_suggests_the_right_one(field, value, meant):
    with pytest.raises(ValueError, match=f"{field}.*did you mean '{meant}'"):
        EmoFusionConfig(**{field: value})


@pytest.mark.parametrize(("field", "value", "meant"), MISSPELT)
@pytest.mark.parametrize("loader", [EmoFusionConfig, AutoConfig])
def test_misspelt_field_in_a_file_is_an_error_that_names_it(loader, field, value, meant, tmp_path):
    with pytest.raises(ValueError, match=f"{field}.*did you mean '{meant}'"):
        loader.from_pretrained(write(tmp_path, **{field: value}))


@pytest.mark.parametrize(("field", "value", "meant"), MISSPELT)
@pytest.mark.parametrize("loader", [EmoFusionConfig, AutoConfig])
def test_misspelt_override_while_loading_is_an_error_that_names_it(loader, field, value, meant, tmp_path):
    with pytest.raises(ValueError, match=f"{field}.*did you mean '{meant}'"):
        loader.from_pretrained(write(tmp_path), **{field: value})


def test_misspelt_override_while_loading_a_model_is_an_error_that_names_it(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    with pytest.raises(TypeError, match="fuson"):
        EmoFusionModel.from_pretrained(tmp_path, fuson="late")


def test_unknown_field_like_no_other_is_an_error_that_lists_the_fields():
    with pytest.raises(ValueError, match="'qqq'; the fields are .*fusion.*window"):
        EmoFusionConfig(qqq=1)


def test_keywords_of_the_loader_are_not_mistaken_for_fields(tmp_path):
    config, unused = EmoFusionConfig.from_pretrained(
        write(tmp_path), return_unused_kwargs=True, device_map="cpu", fuson=1
    )
    assert unused == {"device_map": "cpu", "fuson": 1}, "the model refuses what is nobody's"
    assert EmoFusionConfig.from_pretrained(tmp_path, device_map="cpu").to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("field", "value"),
    [("fusion", "gaited"), ("audio_encoder", "resnet50"), ("gate", "linear"), ("window", "loudest")],
)
def test_value_that_is_no_choice_is_an_error_that_names_the_field_and_the_choices(field, value, tmp_path):
    choices = {"fusion": "xattn", "audio_encoder": "cnn", "gate": "simple", "window": "center"}
    pattern = f"(?s)'{field}'.*{choices[field]}.*{value}"
    with pytest.raises(ERRORS, match=pattern):
        EmoFusionConfig(**{field: value})
    with pytest.raises(ERRORS, match=pattern):
        EmoFusionConfig.from_pretrained(write(tmp_path / "file", **{field: value}))
    with pytest.raises(ERRORS, match=pattern):
        EmoFusionConfig.from_pretrained(write(tmp_path / "override"), **{field: value})
    config = EmoFusionConfig()
    with pytest.raises(ERRORS, match=pattern):
        setattr(config, field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_frames", "8"),
        ("num_frames", 8.0),
        ("num_frames", True),
        ("hidden_size", None),
        ("gate_bias", "-1"),
        ("modality_dropout_p", [0.2]),
        ("class_weights", 1.0),
        ("class_weights", ["1"] * 8),
        ("label_set", 4),
        ("id2label", ["happy", "sad"]),
    ],
)
def test_value_of_a_wrong_type_is_an_error_that_names_the_field(field, value):
    with pytest.raises(ERRORS, match=field):
        EmoFusionConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_frames", 0),
        ("image_size", -1),
        ("num_attention_heads", 0),
        ("gate_hidden_size", 0),
        ("clip_duration", 0.0),
        ("modality_dropout_p", -0.1),
        ("modality_dropout_p", 0.51),
        ("modality_dropout_p", float("nan")),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("unsure_below", -0.1),
        ("unsure_below", 1.01),
        ("unsure_below", math.nan),
        ("encoder_width", 6),
        ("audio_encoder_width", 6),
        ("audio_encoder_width", 0),
        ("hidden_size", 130),
        ("class_weights", [1.0] * 7),
        ("class_weights", [-1.0] + [1.0] * 7),
        ("class_weights", [math.nan] + [1.0] * 7),
        ("class_weights", [math.inf] + [1.0] * 7),
        ("clip_duration", math.nan),
        ("clip_duration", math.inf),
        ("gate_bias", math.nan),
        ("label_smoothing", math.nan),
        ("class_weights", [0.0] * 8),
    ],
)
def test_number_that_no_model_can_have_is_an_error_that_names_the_field(field, value, tmp_path):
    with pytest.raises(ERRORS, match=field):
        EmoFusionConfig(**{field: value})
    with pytest.raises(ERRORS, match=field):
        EmoFusionConfig.from_pretrained(write(tmp_path / "file", **{field: value}))
    with pytest.raises(ERRORS, match=field):
        EmoFusionConfig.from_pretrained(write(tmp_path / "override"), **{field: value})


def test_cnn_with_fewer_mels_than_it_halves_is_an_error_that_names_the_field():
    assert EmoFusionConfig(audio_encoder="cnn", num_mel_bins=32).num_mel_bins == 32
    with pytest.raises(ERRORS, match="num_mel_bins must be at least 32"):
        EmoFusionConfig(audio_encoder="cnn", num_mel_bins=31)


@pytest.mark.parametrize("id2label", [{}, {1: "a", 2: "b"}, {0: "a", 2: "b"}, {0: "a", 1: "a"}])
def test_class_list_with_gaps_or_repetitions_is_an_error_that_names_the_field(id2label):
    with pytest.raises(ERRORS, match="id2label"):
        EmoFusionConfig(id2label=id2label)


def test_limits_of_the_ranges_are_allowed():
    config = EmoFusionConfig(modality_dropout_p=0.5, label_smoothing=0, gate_bias=-1, class_weights=[1] * 7 + [0])
    assert (config.modality_dropout_p, config.label_smoothing) == (0.5, 0)


# --- classes -------------------------------------------------------------------------------------------------------


def test_id2label_gives_label2id_and_num_labels():
    config = EmoFusionConfig(id2label=FOUR)
    assert config.num_labels == 4
    assert config.label2id == {"neutral": 0, "happy": 1, "sad": 2, "angry": 3}


def test_label2id_that_disagrees_is_derived_anew():
    assert EmoFusionConfig(id2label=FOUR, label2id={"joy": 7}).label2id["angry"] == 3


def test_num_labels_alone_makes_plain_names():
    config = EmoFusionConfig(num_labels=3)
    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert config.label2id == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}


def test_num_labels_of_8_keeps_the_emotions():
    assert EmoFusionConfig(num_labels=8).id2label == dict(enumerate(EMOTIONS))


def test_num_labels_over_a_saved_config_replaces_its_names(tmp_path):
    EmoFusionConfig().save_pretrained(tmp_path)
    config = EmoFusionConfig.from_pretrained(tmp_path, num_labels=4)
    assert config.num_labels == 4
    assert list(config.id2label) == [0, 1, 2, 3]
    assert config.label2id == {name: index for index, name in config.id2label.items()}


@pytest.mark.parametrize("loader", [EmoFusionConfig, AutoConfig])
@pytest.mark.parametrize("id2label", [FOUR, {str(index): name for index, name in FOUR.items()}])
def test_id2label_over_a_saved_config_replaces_its_label2id_too(loader, id2label, tmp_path):
    EmoFusionConfig().save_pretrained(tmp_path)
    config = loader.from_pretrained(tmp_path, id2label=id2label)
    assert config.id2label == FOUR
    assert config.label2id == {"neutral": 0, "happy": 1, "sad": 2, "angry": 3}


def test_class_weights_of_a_saved_config_with_another_class_count_are_an_error_that_names_them(tmp_path):
    EmoFusionConfig(class_weights=[1.0] * 8).save_pretrained(tmp_path)
    with pytest.raises(ERRORS, match="class_weights has 8 entries for 4 classes"):
        EmoFusionConfig.from_pretrained(tmp_path, id2label=FOUR)
    assert EmoFusionConfig.from_pretrained(tmp_path, id2label=FOUR, class_weights=None).num_labels == 4


# --- round trips ---------------------------------------------------------------------------------------------------


def through_files(config, folder, loader=EmoFusionConfig):
    config.save_pretrained(folder)
    return loader.from_pretrained(folder)


ROUND_TRIPS = {
    "save and load": through_files,
    "save and load by AutoConfig": lambda config, folder: through_files(config, folder, AutoConfig),
    "dictionary": lambda config, _: EmoFusionConfig.from_dict(config.to_dict()),
    "keywords": lambda config, _: EmoFusionConfig(**config.to_dict()),
    "JSON": lambda config, _: EmoFusionConfig(**json.loads(config.to_json_string(use_diff=False))),
    "deepcopy": lambda config, _: copy.deepcopy(config),
    "pickle": lambda config, _: pickle.loads(pickle.dumps(config)),
}


@pytest.mark.parametrize("trip", sorted(ROUND_TRIPS))
@pytest.mark.parametrize("fields", [{}, CHANGED], ids=["defaults", "changed"])
def test_config_after_a_round_trip_is_the_same(trip, fields, tmp_path):
    config = EmoFusionConfig(**fields)
    found = ROUND_TRIPS[trip](config, tmp_path)
    assert type(found) is EmoFusionConfig
    expected = {**DEFAULTS, **fields}
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.id2label == config.id2label and found.label2id == config.label2id
    assert found.modalities == config.modalities


def test_config_of_a_model_after_a_round_trip_is_the_same(tiny_model, tmp_path):
    found = through_files(tiny_model.config, tmp_path)
    assert {name: getattr(found, name) for name in DEFAULTS} == {
        name: getattr(tiny_model.config, name) for name in DEFAULTS
    }
    assert found.auto_map["AutoModelForVideoClassification"] == "modeling_emofusion.EmoFusionModel"
    assert found.auto_map["AutoModelForAudioClassification"] == "modeling_emofusion.EmoFusionModel"


def test_saved_config_is_flat_and_holds_every_field(tmp_path):
    EmoFusionConfig(**CHANGED).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert {name: saved[name] for name in DEFAULTS} == {
        **DEFAULTS,
        **{k: v for k, v in CHANGED.items() if k in DEFAULTS},
    }
    assert saved["model_type"] == "emofusion"
    assert saved["id2label"] == {str(index): name for index, name in FOUR.items()}
    assert "keys_to_ignore_at_inference" not in saved
    nested = {name for name, value in saved.items() if isinstance(value, dict)}
    assert nested == {"id2label", "label2id", "auto_map"}


def test_override_while_loading_changes_that_field_alone(tmp_path):
    EmoFusionConfig(**CHANGED).save_pretrained(tmp_path)
    config = EmoFusionConfig.from_pretrained(tmp_path, fusion="late", modality_dropout_p=0.3)
    assert (config.fusion, config.modality_dropout_p) == ("late", 0.3)
    assert (config.gate, config.class_weights, config.window) == ("simple", CHANGED["class_weights"], "center")


def test_dtype_override_while_loading_reaches_config_and_loader(tmp_path):
    config, unused = EmoFusionConfig.from_pretrained(write(tmp_path), dtype=torch.bfloat16, return_unused_kwargs=True)
    assert config.dtype == torch.bfloat16
    assert EmoFusionConfig().dtype is None
    assert set(unused) <= {"dtype"}


def test_two_configs_share_no_lists_or_dictionaries():
    first, second = EmoFusionConfig(), EmoFusionConfig()
    first.id2label[0] = "joy"
    assert second.id2label[0] == "neutral"
    assert EmoFusionConfig().id2label[0] == "neutral"
