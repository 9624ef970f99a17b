"""Model, config and processor; importing this registers them with transformers' Auto classes."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForVideoClassification,
    AutoProcessor,
    AutoVideoProcessor,
)
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_emofusion import EMOTIONS, EmoFusionConfig
from .feature_extraction_emofusion import EmoFusionFeatureExtractor
from .media_emofusion import MediaError, read_clip
from .modeling_emofusion import EmoFusionModel, EmoFusionOutput
from .pipeline_emofusion import TASK, EmoFusionPipeline
from .processing_emofusion import EmoFusionProcessor
from .video_processing_emofusion import EmoFusionImageProcessor, EmoFusionVideoProcessor

AutoConfig.register(EmoFusionConfig.model_type, EmoFusionConfig, exist_ok=True)
for _auto_class in (AutoModel, AutoModelForAudioClassification, AutoModelForVideoClassification):
    _auto_class.register(EmoFusionConfig, EmoFusionModel, exist_ok=True)
AutoProcessor.register(EmoFusionConfig, EmoFusionProcessor, exist_ok=True)
AutoFeatureExtractor.register(EmoFusionConfig, EmoFusionFeatureExtractor, exist_ok=True)
AutoVideoProcessor.register(EmoFusionConfig, EmoFusionVideoProcessor, exist_ok=True)
AutoImageProcessor.register(
    EmoFusionConfig, image_processor_classes={"torchvision": EmoFusionImageProcessor}, exist_ok=True
)
if TASK not in PIPELINE_REGISTRY.supported_tasks:
    PIPELINE_REGISTRY.register_pipeline(TASK, pipeline_class=EmoFusionPipeline, pt_model=AutoModel, type="multimodal")

__all__ = [
    "EMOTIONS",
    "EmoFusionConfig",
    "EmoFusionFeatureExtractor",
    "EmoFusionImageProcessor",
    "EmoFusionModel",
    "EmoFusionOutput",
    "EmoFusionPipeline",
    "EmoFusionProcessor",
    "EmoFusionVideoProcessor",
    "MediaError",
    "read_clip",
]
