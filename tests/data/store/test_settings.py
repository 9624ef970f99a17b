"""The options of decoding are those of the model's config, which travels to the hub and so has its own."""

from dataclasses import fields
from typing import Any, get_args

import pytest

from emofusion.data import label_sets
from emofusion.data.store.settings import IMAGE_SIZE, DecodeOptions, check_options, options_for
from emofusion.modeling import EMOTIONS, EmoFusionConfig, EmoFusionProcessor
from emofusion.modeling.configuration_emofusion import CLASSES_OF
from emofusion.modeling.faces_emofusion import FACE_CROPS
from emofusion.modeling.window_emofusion import WINDOWS


def test_defaults_are_those_of_the_model():
    assert options_for(EmoFusionProcessor.from_config(EmoFusionConfig())) == DecodeOptions()
    assert EmoFusionConfig().image_size == IMAGE_SIZE
    for item in fields(DecodeOptions):
        if hasattr(EmoFusionConfig(), item.name):
            assert getattr(EmoFusionConfig(), item.name) == item.default, item.name


@pytest.mark.parametrize(("name", "known"), [("window", WINDOWS), ("face_crop", FACE_CROPS)])
def test_choices_are_those_of_the_model(name: str, known: tuple[str, ...]):
    (choices,) = (item.metadata["choices"] for item in fields(DecodeOptions) if item.name == name)
    (of_config,) = (get_args(item.type) for item in fields(EmoFusionConfig) if item.name == name)
    assert choices == known == of_config


def test_emotions_and_label_sets_are_those_of_the_model():
    assert label_sets.EMOTIONS == EMOTIONS
    assert {name: tuple(known.labels) for name, known in label_sets.LABEL_SETS.items()} == CLASSES_OF


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"num_frames": 0}, "num_frames=0: expected a number above 0"),
        ({"frames_per_step": -1}, "frames_per_step=-1: expected a number above 0"),
        ({"clip_duration": float("nan")}, "clip_duration=nan: expected a number above 0"),
        ({"sampling_rate": float("inf")}, "sampling_rate=inf: expected a number above 0"),
        ({"window": "loudest"}, "window='loudest': expected one of 'voice', 'center', 'start'"),
        ({"face_crop": "mtcnn"}, "face_crop='mtcnn': expected one of 'none', 'haar', 'yunet'"),
    ],
)
def test_impossible_options_are_named(option: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        check_options(DecodeOptions(**option))
