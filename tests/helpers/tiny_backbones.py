"""Tiny checkpoints of transformers' own encoders, with random weights, and what prepares their inputs."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers as tf

SIDE, FRAMES = 28, 4
_SPEECH: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 8),
    "conv_stride": (16, 20),  # 50 steps a second, as the real ones
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 8,
}
_SEEING: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": SIDE,
    "patch_size": 14,
}
_STAGES: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 1]}
_SQUARE = {"height": SIDE, "width": SIDE}


def _whisper() -> tf.PreTrainedConfig:
    layers = {f"{part}_{name}": 2 for part in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    sizes = {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "d_model": 16, "num_mel_bins": 8}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
    return tf.WhisperConfig(
        **layers, **sizes, **tokens, vocab_size=8, max_source_positions=200, max_target_positions=8
    )


def _ast() -> tf.PreTrainedConfig:
    strides = {"patch_size": 16, "frequency_stride": 10, "time_stride": 10, "num_mel_bins": 32, "max_length": 400}
    sizes = {name: _SEEING[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    return tf.ASTConfig(**sizes, intermediate_size=16, **strides)


SOUNDS = {
    "wav2vec2": (lambda: tf.Wav2Vec2Config(**_SPEECH), lambda: tf.Wav2Vec2FeatureExtractor()),
    "hubert": (lambda: tf.HubertConfig(**_SPEECH), lambda: tf.Wav2Vec2FeatureExtractor()),
    "wavlm": (lambda: tf.WavLMConfig(**_SPEECH), lambda: tf.Wav2Vec2FeatureExtractor()),
    "ast": (_ast, lambda: tf.ASTFeatureExtractor(num_mel_bins=32, max_length=400)),
    "whisper": (_whisper, lambda: tf.WhisperFeatureExtractor(feature_size=8, chunk_length=4)),
}
"""By name: the config of a sound encoder, and its feature extractor. AST and Whisper read 4 s, whatever a clip has."""
PICTURES = {
    "resnet": (
        lambda: tf.ResNetConfig(embedding_size=8, layer_type="basic", **_STAGES),
        lambda: tf.ConvNextImageProcessor(size={"shortest_edge": SIDE}),
    ),
    "vit": (lambda: tf.ViTConfig(**_SEEING), lambda: tf.ViTImageProcessor(size=_SQUARE)),
    "convnext": (
        lambda: tf.ConvNextConfig(num_stages=2, **_STAGES),
        lambda: tf.ConvNextImageProcessor(size={"shortest_edge": SIDE}),
    ),
    "dinov2": (
        lambda: tf.Dinov2Config(**{**_SEEING, "image_size": 2 * SIDE}),
        lambda: tf.BitImageProcessor(size={"shortest_edge": 32}, crop_size=_SQUARE),
    ),
    "videomae": (
        lambda: tf.VideoMAEConfig(**_SEEING, num_frames=FRAMES, tubelet_size=2),
        lambda: tf.VideoMAEImageProcessor(size={"shortest_edge": SIDE}, crop_size=_SQUARE),
    ),
}
"""The same of picture encoders, and their image processors."""
PAIRS = list(zip(SOUNDS, PICTURES, strict=True))
"""Each of one kind with one of the other."""


@cache
def settings(name: str) -> tuple[tf.PreTrainedConfig, Any]:
    """Config and feature extractor, or image processor, of an encoder."""
    config, preparer = {**SOUNDS, **PICTURES}[name]
    return config(), preparer()


def save_backbone(name: str, folder: Path) -> Path:
    """A checkpoint as the hub has them, of the whole model with random weights; returns its folder."""
    config, preparer = settings(name)
    torch.manual_seed(3)
    tf.AutoModel.from_config(config).save_pretrained(folder)
    preparer.save_pretrained(folder)
    return folder
