"""transformers' own common tests, run against our classes; `test_transformers_common.py` runs this file by its name.

A name that pytest does not collect by itself: importing it downloads the tests. What is skipped or replaced here is
accounted for there.
"""

import sys
import unittest
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import torch
from transformers.testing_utils import torch_device

from emofusion.modeling import (
    EmoFusionConfig,
    EmoFusionFeatureExtractor,
    EmoFusionModel,
    EmoFusionProcessor,
    EmoFusionVideoProcessor,
)
from helpers.transformers_common.sources import sources
from helpers.transformers_common.tables import LEFT_OUT

sys.path.insert(0, str(sources()))

from transformers_tests import test_modeling_common
from transformers_tests.test_configuration_common import ConfigTester
from transformers_tests.test_feature_extraction_common import FeatureExtractionSavingTestMixin
from transformers_tests.test_modeling_common import ModelTesterMixin
from transformers_tests.test_processing_common import ProcessorTesterMixin
from transformers_tests.test_video_processing_common import VideoProcessingTestMixin, prepare_video_inputs


def leave_out(cls):
    """Skip what the table leaves out; a name that the class does not have is an error."""
    for name, reason in LEFT_OUT.get(cls.__name__, {}).items():
        setattr(cls, name, unittest.skip(reason)(getattr(cls, name)))
    return cls


class EmoFusionModelTester:
    """Makes the config and the inputs of a tiny model."""

    batch_size = 3
    is_training = True
    num_hidden_layers = 2
    hidden_size = 16
    num_attention_heads = 4

    def __init__(self, fusion):
        self.fusion = fusion

    def get_config(self):
        return EmoFusionConfig(
            fusion=self.fusion,
            encoder_width=8,
            num_frames=2,
            image_size=32,
            num_mel_bins=16,
            audio_embedding_size=24,
            hidden_size=self.hidden_size,
            num_attention_heads=self.num_attention_heads,
            modality_dropout_p=0.0,
        )

    def prepare_config_and_inputs_for_common(self):
        config = self.get_config()
        inputs = {
            "pixel_values": torch.randn(self.batch_size, 2, 3, 32, 32),
            "input_features": torch.randn(self.batch_size, 16, 96),
            "video_mask": torch.tensor([True, True, False]),
            "audio_mask": torch.tensor([True, False, True]),
        }
        names = {"audio": ("input_features", "audio_mask"), "video": ("pixel_values", "video_mask")}
        wanted = [name for modality in config.modalities for name in names[modality]]
        return config, {name: inputs[name].to(torch_device) for name in wanted}


@leave_out
class ModelTests(ModelTesterMixin):
    """What holds for every fusion; the classes below name it."""

    fusion: str
    all_model_classes = (EmoFusionModel,)
    pipeline_model_mapping = {}
    test_resize_embeddings = False
    has_attentions = False
    test_can_init_all_missing_weights_before_2023 = True  # our files have no year, which would count as old

    def setUp(self):
        self.model_tester = EmoFusionModelTester(self.fusion)

    def subTest(self, *args, **kwargs):  # noqa: N802
        """One for each weight costs pytest ten seconds; what fails in it fails the test all the same."""
        return nullcontext()

    def test_bc_torch_dtype(self):
        with patch.object(torch.Tensor, "__format__", lambda *_: "a tensor"):
            super().test_bc_torch_dtype()

    def test_batching_equivalence(self):
        with patch.object(test_modeling_common, "set_config_for_less_flaky_test"):
            super().test_batching_equivalence()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = super()._prepare_for_class(inputs_dict, model_class)
        if return_labels:
            inputs["labels"] = torch.zeros(self.model_tester.batch_size, dtype=torch.long, device=torch_device)
        return inputs


class GatedModelTest(ModelTests, unittest.TestCase):
    fusion = "gated"

    def test_config(self):
        properties = ["fusion", "hidden_size", "num_attention_heads", "id2label"]
        ConfigTester(
            self, config_class=EmoFusionConfig, has_text_modality=False, common_properties=properties, fusion="late"
        ).run_common_tests()


class CrossAttentionModelTest(ModelTests, unittest.TestCase):
    fusion = "xattn"


class LateModelTest(ModelTests, unittest.TestCase):
    fusion = "late"


class AudioModelTest(ModelTests, unittest.TestCase):
    fusion = "audio"


class FeatureExtractorTest(FeatureExtractionSavingTestMixin, unittest.TestCase):
    feature_extraction_class = EmoFusionFeatureExtractor
    feat_extract_dict = {"feature_size": 16, "clip_duration": 1.5, "mean": -5.0}


class VideoProcessorTester:
    """Makes the settings and the inputs of the video processor."""

    batch_size, num_frames, num_channels = 3, 4, 3

    def expected_output_video_shape(self, videos):
        return self.num_frames, self.num_channels, 18, 18

    def prepare_video_inputs(self, equal_resolution=False, return_tensors="pil"):
        return prepare_video_inputs(
            self.batch_size, self.num_frames, self.num_channels, 30, 80, equal_resolution, return_tensors
        )


@leave_out
class VideoProcessorTest(VideoProcessingTestMixin, unittest.TestCase):
    fast_video_processing_class = EmoFusionVideoProcessor
    input_name = "pixel_values"
    test_cast_dtype = True
    video_processor_dict = {"size": {"height": 20, "width": 20}, "crop_size": {"height": 18, "width": 18}}

    def setUp(self):
        super().setUp()
        self.video_processor_tester = VideoProcessorTester()

    def test_video_processor_from_dict_with_kwargs(self):
        processor = EmoFusionVideoProcessor.from_dict(self.video_processor_dict)
        self.assertEqual(processor.size, {"height": 20, "width": 20})
        processor = EmoFusionVideoProcessor.from_dict(self.video_processor_dict, size={"height": 42, "width": 42})
        self.assertEqual(processor.size, {"height": 42, "width": 42})
        self.assertEqual(processor.crop_size, {"height": 18, "width": 18})


class AtFixedRateProcessor(EmoFusionProcessor):
    """Called as transformers' tests call: without the rate of the sound, with settings for frame sampling and text."""

    def __call__(self, videos=None, audio=None, return_tensors=None, do_sample_frames=None, text_kwargs=None):
        return super().__call__(videos=videos, audio=audio, sampling_rate=16_000, return_tensors=return_tensors)


@leave_out
class ProcessorTest(ProcessorTesterMixin, unittest.TestCase):
    processor_class = EmoFusionProcessor
    videos_input_name = "pixel_values"

    @classmethod
    def _setup_feature_extractor(cls):
        return EmoFusionFeatureExtractor(feature_size=16, clip_duration=1.5)

    @classmethod
    def _setup_video_processor(cls):
        return EmoFusionVideoProcessor(size={"height": 20, "width": 20}, crop_size={"height": 18, "width": 18})

    @staticmethod
    def prepare_processor_dict():
        return {"num_frames": 4, "window": "center", "modalities": ["audio", "video"]}

    def prepare_videos_inputs(self, batch_size=None):
        video = np.random.randint(255, size=(8, 30, 40, 3), dtype=np.uint8)
        return video if batch_size is None else [video] * batch_size

    def test_processor_from_and_save_pretrained(self):
        with patch.object(EmoFusionProcessor, "_auto_class", None):
            super().test_processor_from_and_save_pretrained()

    def test_processor_from_and_save_pretrained_as_nested_dict(self):
        with patch.object(EmoFusionProcessor, "_auto_class", None):
            super().test_processor_from_and_save_pretrained_as_nested_dict()

    def test_model_input_names(self):
        with patch.object(type(self), "processor_class", AtFixedRateProcessor):
            super().test_model_input_names()

    def test_processor_with_multiple_inputs(self):
        with patch.object(type(self), "processor_class", AtFixedRateProcessor):
            super().test_processor_with_multiple_inputs()

    def test_flat_kwarg_applied_when_modality_dict_lacks_it(self):
        with patch.object(type(self), "processor_class", AtFixedRateProcessor):
            super().test_flat_kwarg_applied_when_modality_dict_lacks_it()
