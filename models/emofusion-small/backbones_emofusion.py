"""Any encoder of transformers as a branch: `audio_encoder="auto"` and `video_encoder="auto"`. Travels to the hub.

A backbone is built by its nested config, `audio_config` or `video_config`, and the last step of preparing its inputs
is that of its own feature extractor or image processor. What learns behind it is small, so what a frozen backbone
makes of a clip (its states) can be computed once and kept, while the rest goes on learning.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import nn
from transformers import MODEL_MAPPING, AutoModel, PreTrainedConfig, PreTrainedModel

from .configuration_emofusion import EmoFusionConfig, is_video_config

SEGMENTS = 6
"""Tokens of the sound, each of an equal part of its seconds; the ResNet has as many of 3 s."""
FRAMES_A_SECOND = 100
"""Of the spectrograms that the extractors of AST and Whisper make."""
LAYER_LISTS = ("layers", "layer", "stages", "blocks")
"""What transformers' models call the list of their layers."""
LEAST_VARIANCE = 1e-5
NEEDED = {"audio": ("feature_extractor", "AutoFeatureExtractor"), "video": ("image_processor", "AutoImageProcessor")}
"""What prepares the inputs of an encoder of transformers, and the class that loads it."""


def build_backbone(config: PreTrainedConfig) -> PreTrainedModel:
    """The encoder of a nested config, its weights drawn by its own rules, in torch's default precision.

    Where attention by `"sdpa"` is asked for and the encoder has none, as WavLM and ResNets, it goes on without.

    Raises:
        ValueError: transformers has no plain model of this kind.
    """
    if type(config) not in MODEL_MAPPING:
        raise ValueError(f"model_type={config.model_type!r}: transformers' AutoModel has no model of this type")
    if config._attn_implementation == "sdpa" and not MODEL_MAPPING[type(config)]._supports_sdpa:
        config._attn_implementation = "eager"
    return as_encoder(AutoModel.from_config(config, dtype=torch.get_default_dtype()))


def as_encoder(model: PreTrainedModel) -> PreTrainedModel:
    """The part of a model that is used: its encoder, without a pooler that many checkpoints have no weights for."""
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    pooler = getattr(encoder, "pooler", None)
    if pooler is not None and next(pooler.parameters(), None) is not None:
        encoder.pooler = None
    return encoder


# --- sound ---------------------------------------------------------------------------------------------------------


class LayerMix(nn.Module):
    """A learned weighted sum over all layers, whose weights are a softmax; all layers count alike at the start.

    Source: Yang et al. 2021, SUPERB (arXiv:2105.01051).
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(layers))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Sum `[batch, layers, ...]` to `[batch, ...]`."""
        return torch.einsum("l,bl...->b...", self.weight.softmax(0), states)


class StatisticsPooling(nn.Module):
    """Mean and standard deviation over each part of the time, of each layer by itself; then the sum over layers.

    Pooling before the sum leaves nothing to learn before it, so its result can be kept.
    """

    def __init__(self, layers: int, size: int) -> None:
        super().__init__()
        self.mix = LayerMix(layers)

    def keep(self, hidden: torch.Tensor) -> torch.Tensor:
        """From `[batch, layers, time, places, size]` to `[batch, layers, segments, 2 * size]`."""
        parts = hidden.tensor_split(min(SEGMENTS, hidden.shape[2]), dim=2)
        moments = [torch.var_mean(part, dim=(2, 3), correction=0) for part in parts]
        return torch.stack([torch.cat([mean, _deviation(variance)], dim=-1) for variance, mean in moments], dim=2)

    def forward(self, kept: torch.Tensor) -> torch.Tensor:
        """To `[batch, segments, 2 * size]`."""
        return self.mix(kept)


class AttentionPooling(nn.Module):
    """The sum over layers; then mean and deviation over each part of the time, in which some steps count for more.

    Source: Okabe et al. 2018, Attentive Statistics Pooling (arXiv:1803.10963).
    """

    def __init__(self, layers: int, size: int) -> None:
        super().__init__()
        self.mix = LayerMix(layers)
        self.hidden = nn.Linear(size, max(size // 4, 1))
        self.score = nn.Linear(max(size // 4, 1), 1)

    def keep(self, hidden: torch.Tensor) -> torch.Tensor:
        """From `[batch, layers, time, places, size]` to `[batch, layers, time, size]`: every step is needed."""
        return hidden.mean(3)

    def forward(self, kept: torch.Tensor) -> torch.Tensor:
        """To `[batch, segments, 2 * size]`."""
        steps = self.mix(kept)
        scores = self.score(torch.tanh(self.hidden(steps)))
        count = min(SEGMENTS, steps.shape[1])
        pooled = []
        for part, score in zip(steps.tensor_split(count, dim=1), scores.tensor_split(count, dim=1), strict=True):
            weights = score.softmax(1)
            mean = (weights * part).sum(1)
            variance = (weights * (part - mean[:, None]).square()).sum(1)
            pooled.append(torch.cat([mean, _deviation(variance)], dim=-1))
        return torch.stack(pooled, dim=1)


def _deviation(variance: torch.Tensor) -> torch.Tensor:
    """Its root, which has a gradient where nothing varies, too."""
    return (variance + LEAST_VARIANCE).sqrt()


POOLINGS: dict[str, type[nn.Module]] = {"statistics": StatisticsPooling, "attention": AttentionPooling}


class AutoAudioEncoder(nn.Module):
    """Any sound encoder of transformers: all its layers, pooled over parts of the time and summed, then projected."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        nested: Any = config.audio_config
        self.clip_duration = float(config.clip_duration)
        self.backbone = build_backbone(nested)
        self.layers = nested.num_hidden_layers + 1  # and what goes into the first
        self.pooling: Any = POOLINGS[config.audio_pooling](self.layers, nested.hidden_size)
        self.projection = nn.Linear(2 * nested.hidden_size, config.audio_embedding_size)

    def forward(self, input_values: torch.Tensor) -> torch.Tensor:
        """Encode what the backbone's own feature extractor made to tokens `[batch, 6, 128]`."""
        return self.tokens(self.states(input_values))

    def states(self, input_values: torch.Tensor) -> torch.Tensor:
        """What the backbone makes of a sound, as far as nothing behind it has learnt anything.

        Each step of each layer is brought to mean 0 and spread 1 first, as in SUPERB's own code: some layers have
        values a hundred times those of others, and would be all that the sum has.

        Returns:
            `torch.Tensor`: `[batch, layers, segments, 2 * hidden]` to be pooled by statistics, and
            `[batch, layers, time, hidden]` by attention.

        Raises:
            ValueError: The backbone does not hand out each of its layers.
        """
        found = self.backbone(input_values, output_hidden_states=True, return_dict=True).hidden_states
        if found is None or len(found) != self.layers:
            raise ValueError(
                f"audio_config: expected {self.layers} hidden states of a {self.backbone.config.model_type}, found "
                f"{len(found or ())}"
            )
        hidden = torch.stack([time_steps(layer, self.backbone.config, self.clip_duration) for layer in found], dim=1)
        return self.pooling.keep(F.layer_norm(hidden, hidden.shape[-1:]))

    def tokens(self, states: torch.Tensor) -> torch.Tensor:
        """Tokens `[batch, segments, 128]` of states, by what learns behind the backbone."""
        return self.projection(self.pooling(states))


def time_steps(layer: torch.Tensor, config: PreTrainedConfig, seconds: float) -> torch.Tensor:
    """One layer's tokens `[batch, tokens, size]` as `[batch, time, places, size]`, without those of padding.

    AST has tokens for patches of a spectrogram, several at a time and two in front that are of none; it and Whisper
    always read more seconds than a clip has, the rest of them silence.
    """
    read = None
    if config.model_type == "audio-spectrogram-transformer":
        bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
        layer, read = layer[:, 2:].unflatten(1, (bands, -1)).transpose(1, 2), config.max_length
    elif config.model_type == "whisper":
        layer, read = layer.unsqueeze(2), 2 * config.max_source_positions
    else:
        layer = layer.unsqueeze(2)
    if read is None:
        return layer
    heard = math.ceil(layer.shape[1] * min(1.0, seconds * FRAMES_A_SECOND / read))
    return layer[:, : max(heard, 1)]


# --- pictures ------------------------------------------------------------------------------------------------------


class AutoVideoEncoder(nn.Module):
    """Any picture encoder of transformers on each frame, or VideoMAE on all of them; then normalised and projected."""

    def __init__(self, config: EmoFusionConfig) -> None:
        super().__init__()
        nested: Any = config.video_config
        self.backbone = build_backbone(nested)
        size = nested.hidden_sizes[-1] if getattr(nested, "hidden_sizes", None) else nested.hidden_size
        self.norm = nn.LayerNorm(size)
        self.projection = nn.Linear(size, config.video_embedding_size)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Encode frames `[batch, frames, 3, height, width]` to tokens `[batch, steps, 256]`."""
        return self.tokens(self.states(pixel_values))

    def states(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """What the backbone makes of frames: `[batch, frames, hidden]`, or a step for each two frames of VideoMAE.

        That is the pooled map of a convolutional network, and the mean over a transformer's tokens: its pooler has
        weights that many checkpoints lack.
        """
        batch, frames = pixel_values.shape[:2]
        config = self.backbone.config
        if is_video_config(config):
            tokens = self.backbone(pixel_values, return_dict=True).last_hidden_state
            steps = frames // config.tubelet_size
            tokens = tokens[:, tokens.shape[1] % steps :]  # a token in front is of no step
            return tokens.unflatten(1, (steps, -1)).mean(2)
        output = self.backbone(pixel_values.flatten(0, 1), return_dict=True)
        last = output.last_hidden_state
        pooled = last.mean(1) if last.ndim == 3 else output.pooler_output.flatten(1)
        return pooled.unflatten(0, (batch, frames))

    def tokens(self, states: torch.Tensor) -> torch.Tensor:
        """Tokens `[batch, steps, 256]` of states, by what learns behind the backbone."""
        return self.projection(self.norm(states))


# --- what learns ---------------------------------------------------------------------------------------------------


def layers_of(backbone: nn.Module) -> list[nn.Module]:
    """The layers of a backbone in order: transformer blocks, or the stages of a convolutional network.

    Raises:
        ValueError: None can be told from the names of its parts.
    """
    lists = [
        (name.count("."), module)
        for name, module in backbone.named_modules()
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and name.rpartition(".")[2] in LAYER_LISTS
    ]
    if not lists:
        raise ValueError(f"{type(backbone).__name__}: no list of layers found in it; train it whole, or freeze it")
    return list(min(lists, key=lambda found: found[0])[1])


def depths_of(backbone: nn.Module) -> Iterator[tuple[nn.Parameter, int]]:
    """Each parameter of a backbone and how many layers back it lies: 1 in the last layer, 0 behind it.

    What is defined before the layers lies in front of them, one further back than the first.
    """
    layers = layers_of(backbone)
    of_layer = {
        parameter: len(layers) - index for index, layer in enumerate(layers) for parameter in layer.parameters()
    }
    latest = len(layers) + 1
    for parameter in backbone.parameters():
        latest = of_layer.get(parameter, 0 if latest == 1 or latest == 0 else latest)
        yield parameter, latest


def freeze_backbone(backbone: nn.Module, trainable_layers: int = 0) -> list[nn.Module]:
    """Stop training a backbone but for its last layers; returns the parts that no longer learn anything.

    Raises:
        ValueError: It has fewer layers.
    """
    if not trainable_layers:
        return [backbone.requires_grad_(False)]
    count = len(layers_of(backbone))
    if trainable_layers > count:
        raise ValueError(f"{type(backbone).__name__}: expected at most its {count} layers, found {trainable_layers}")
    for parameter, depth in depths_of(backbone):
        parameter.requires_grad_(depth <= trainable_layers)
    return [part for part in backbone.modules() if _learns_nothing(part)]


def _learns_nothing(module: nn.Module) -> bool:
    learns = [parameter.requires_grad for parameter in module.parameters()]
    return bool(learns) and not any(learns)


# --- inputs --------------------------------------------------------------------------------------------------------


def settings_of(preparer: Any) -> dict[str, Any]:
    """A feature extractor or image processor of transformers as JSON keeps it.

    Raises:
        ValueError: It is of a class that transformers does not have.
    """
    name = type(preparer).__name__
    if getattr(transformers, name, None) is not type(preparer):
        raise ValueError(f"expected a feature extractor or image processor of transformers, found {name}")
    kept = {**json.loads(preparer.to_json_string()), "class": name}
    return {name: value for name, value in kept.items() if name not in ("processor_class", "auto_map")}


def settings_for(config: EmoFusionConfig, modality: str, given: Any) -> dict[str, Any] | None:
    """Settings of what prepares the inputs of one encoder; None where that is ours.

    Args:
        config (`EmoFusionConfig`): The model's.
        modality (`str`): `"audio"` or `"video"`.
        given (*optional*): A feature extractor or image processor of transformers, or its settings.

    Raises:
        ValueError: It is needed, and not given; or as of [`settings_of`].
    """
    if modality not in config.modalities or getattr(config, f"{modality}_encoder") != "auto":
        return None
    if given is None:
        name, kind = NEEDED[modality]
        raise ValueError(
            f'{name} is missing: {modality}_encoder="auto" needs that of its encoder; give {kind}.from_pretrained(...)'
        )
    return given if isinstance(given, dict) else settings_of(given)


@lru_cache(maxsize=8)
def _prepared(settings: str) -> Any:
    fields = json.loads(settings)
    kind = getattr(transformers, fields.pop("class"))
    return kind.from_dict(fields)


def preparer_of(settings: Mapping[str, Any]) -> Any:
    """What `settings_of` was asked of; made once a process, because what holds the settings must pickle."""
    return _prepared(json.dumps(dict(settings), sort_keys=True))


def values_of_sounds(settings: Mapping[str, Any], sounds: torch.Tensor) -> torch.Tensor:
    """What a backbone hears of sounds `[batch, samples]`, by its own extractor: `[batch, samples]` or spectrograms."""
    extractor = preparer_of(settings)
    found = extractor([sound.numpy() for sound in sounds], sampling_rate=extractor.sampling_rate, return_tensors="np")
    return torch.from_numpy(np.asarray(found[extractor.model_input_names[0]], dtype=np.float32))


def values_of_frames(settings: Mapping[str, Any], frames: torch.Tensor) -> torch.Tensor:
    """What a backbone sees of frames uint8 `[frames, 3, height, width]`: scaled and normalised by its own processor.

    They have the size that it takes by now, for which seconds, which faces and which square is ours to say.
    """
    processor = preparer_of(settings)
    found = processor(list(frames), do_resize=False, do_center_crop=False, return_tensors="pt")
    values = found[processor.model_input_names[0]]
    return values.reshape(-1, *values.shape[-3:])


def side_of(processor: Any, config: PreTrainedConfig) -> int:
    """Side in pixels of the frames that a backbone's own image processor hands over."""
    sizes: list[Any] = [processor.crop_size] if getattr(processor, "do_center_crop", False) else []
    for size in [*sizes, processor.size]:
        for name in ("height", "shortest_edge") if size else ():
            if size.get(name):
                return int(size[name])
    side = getattr(config, "image_size", 224)
    return int(side[0] if isinstance(side, Sequence) else side)
