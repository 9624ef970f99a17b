"""Configuration of the emofusion model: what it hears, what it sees, how it joins the two, and what trained it."""

import difflib
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""The eight RAVDESS emotions in code order: code 01 has id 0."""

_EMOTIONS7 = tuple(name for name in EMOTIONS if name != "calm")
CLASSES_OF = {
    "emotions8": EMOTIONS,
    "emotions4": ("neutral", "happy", "sad", "angry"),
    "emotions4_calm": ("neutral", "happy", "sad", "angry"),
    "groups4": ("neutral", "happy", "negative", "surprised"),
    "emotions7": _EMOTIONS7,
    "emotions7_calm": _EMOTIONS7,
    "affectnet8": (*_EMOTIONS7, "contempt"),
}
"""The classes of each label set, by which a config tells whether its `label_set` is still the name of its classes."""

# What transformers itself hands to a config beside its fields.
_KNOWN_KEYWORDS = {
    "attn_implementation",
    "auto_map",
    "custom_pipelines",
    "experts_implementation",
    "model_type",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "per_layer_config",
    "torch_dtype",
    "use_cache",
}


@strict
class EmoFusionConfig(PreTrainedConfig):
    r"""Everything that defines an [`EmoFusionModel`]; `EmoFusionConfig()` is the full-size gated model of 8 classes.

    The config is flat and strict: a misspelt field or a value that is not among the choices is an error that names it.

    Args:
        fusion (`str`): `"gated"`, `"audio"`, `"video"`, `"late"`, `"concat"` or `"xattn"`.
        audio_encoder (`str`): `"resnet18"` or `"cnn"`, the small baseline of about 151 thousand parameters.
        gate (`str`): `"mlp"`, or `"simple"` for one linear layer (kept for the ablation).
        gate_bias (`float`): Bias of the gate's last layer; -1 starts every clip at sigmoid(-1) = 0.2689 for audio.
        modality_dropout_p (`float`): Share of training clips that lose their sound, and as many their picture: 0..0.5.
        encoder_width (`int`): Channels of the first ResNet stage; 64 is ResNet18, tests use 8.
        audio_embedding_size (`int`): Length of the audio embedding.
        hidden_size (`int`): Common size to which the gated and cross-modal heads project both modalities.
        gate_hidden_size (`int`, *optional*): Hidden units of the gate's MLP; by default 192, for `"xattn"` 64.
        concat_hidden_size (`int`): Hidden units of the `"concat"` head.
        num_attention_heads (`int`): Heads of the cross-modal attention.
        label_smoothing (`float`): Label smoothing of the model's own loss, 0..1.
        class_weights (`list[float]`, *optional*): Weight of each class in the model's own loss.
        label_set (`str`, *optional*): Name of the label set that `id2label` came from; dropped where a config is made,
            loaded or saved with other classes than those of this name.
        training_actors (`list[int]`, *optional*): Actors that the weights were trained on or chosen by, in this run
            and those before; a score on one of them is a leak. None where nobody knows. Training writes it, as the
            three below, and loading a model checks it against the weights: see [`Seen`].
        training_actors_complete (`bool`): Whether these are all; false where the training began with weights that do
            not say on whom they were trained.
        trained_modalities (`list[str]`, *optional*): What training clips had and the model read: `"audio"`,
            `"video"`; empty where it was never trained, None where nobody knows.
        weights_seal (`dict[str, str]`, *optional*): Hashes that bind these three to the weights, see [`SealedSeen`].
        num_frames (`int`): Frames that the model looks at.
        image_size (`int`): Height and width of a frame in pixels.
        num_mel_bins (`int`): Mel bands of the spectrogram.
        sampling_rate (`int`): Hz.
        n_fft (`int`): Samples of one spectrogram frame.
        hop_length (`int`): Samples between spectrogram frames.
        clip_duration (`float`): Seconds of a clip that the model takes in, for frames and sound alike.
        window (`str`): Which seconds of a longer clip these are: `"voice"`, `"center"` or `"start"`.
        face_crop (`str`): What frames are cut to: `"none"` (the middle square), `"haar"` (the face that OpenCV's own
            cascade finds) or `"yunet"` (the same by a detector whose file the user names).

    Raises:
        TypeError, ValueError: (as `huggingface_hub`'s strict-dataclass errors) naming the field.
    """

    model_type = "emofusion"
    # Unannotated, so that it stays out of the JSON: predictions of Trainer are the logits and the gate.
    keys_to_ignore_at_inference = ["audio_embeds", "video_embeds", "audio_logits", "video_logits"]

    fusion: Literal["gated", "audio", "video", "late", "concat", "xattn"] = "gated"
    audio_encoder: Literal["resnet18", "cnn"] = "resnet18"
    gate: Literal["mlp", "simple"] = "mlp"
    gate_bias: float | int = -1.0
    modality_dropout_p: float | int = 0.2

    encoder_width: int = 64
    audio_embedding_size: int = 128
    hidden_size: int = 128
    gate_hidden_size: int | None = None
    concat_hidden_size: int = 440
    num_attention_heads: int = 4

    id2label: dict[int, str] | dict[str, str] | None = None
    label_smoothing: float | int = 0.0
    class_weights: list[float | int] | None = None
    label_set: str | None = None
    training_actors: list[int] | None = None
    training_actors_complete: bool = True
    trained_modalities: list[str] | None = None
    weights_seal: dict[str, str] | None = None

    num_frames: int = 8
    image_size: int = 112
    num_mel_bins: int = 64
    sampling_rate: int = 16_000
    n_fft: int = 1024
    hop_length: int = 256
    clip_duration: float | int = 3.0
    window: Literal["voice", "center", "start"] = "voice"
    face_crop: Literal["none", "haar", "yunet"] = "none"

    def __post_init__(self, **kwargs: Any) -> None:
        self._refuse_unknown(kwargs)
        if self.id2label is None and kwargs.get("num_labels") in (None, len(EMOTIONS)):
            self.id2label = dict(enumerate(EMOTIONS))
        super().__post_init__(**kwargs)
        # Derived, never taken over: an override of id2label alone would leave the file's label2id behind.
        self.label2id = {name: int(index) for index, name in (self.id2label or {}).items()}
        self.label_set = self._true_label_set()

    def _true_label_set(self) -> str | None:
        """The name of the label set, where the classes are its own; a name of somebody's own cannot be checked."""
        names = {int(index): name for index, name in (self.id2label or {}).items()}
        expected = CLASSES_OF.get(self.label_set or "")
        return self.label_set if expected is None or names == dict(enumerate(expected)) else None

    def to_dict(self) -> dict[str, Any]:
        """What is saved; the classes may have got other names since the label set was named."""
        return {**super().to_dict(), "label_set": self._true_label_set()}

    def _refuse_unknown(self, kwargs: dict[str, Any]) -> None:
        """Transformers turns any unknown keyword into an attribute; a misspelt field must not go unnoticed."""
        names = [field.name for field in fields(self)]
        for key in kwargs:
            if not key.startswith("_") and key not in _KNOWN_KEYWORDS:
                close = difflib.get_close_matches(key, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"the fields are {', '.join(sorted(names))}"
                raise ValueError(f"EmoFusionConfig has no field {key!r}; {hint}")

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build from a dictionary, with the fields among `kwargs` in place of its own: `from_pretrained` ends here.

        transformers would set them one by one afterwards: unchecked against each other, `label2id` left behind, and a
        misspelt one ignored (other keywords belong to the loader; a model refuses what is nobody's).
        """
        names = [field.name for field in fields(cls)]
        overrides = {name: kwargs.pop(name) for name in names if name in kwargs and name != "dtype"}
        if _changes_classes(config_dict, overrides | kwargs):
            overrides.setdefault("label_set", None)  # that is the name of the file's classes
        for key in kwargs if not kwargs.get("return_unused_kwargs") else ():
            if key not in names and (close := difflib.get_close_matches(key, names, n=1, cutoff=0.8)):
                raise ValueError(f"EmoFusionConfig has no field {key!r}; did you mean {close[0]!r}?")
        return super().from_dict({**config_dict, **overrides}, **kwargs)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that this model reads: `("audio", "video")`, or one of them."""
        return (self.fusion,) if self.fusion in ("audio", "video") else ("audio", "video")

    @property
    def video_embedding_size(self) -> int:
        """Length of the video embedding: channels of the last ResNet stage (512 at full width)."""
        return 8 * self.encoder_width

    def validate_ranges(self) -> None:
        """Refuse numbers that no model can be built with."""
        for name in _POSITIVE:
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
        if not math.isfinite(self.gate_bias):
            raise ValueError(f"gate_bias must be a number, found {self.gate_bias}")
        if not 0 <= self.modality_dropout_p <= 0.5:
            raise ValueError(
                f"modality_dropout_p is the share of clips that lose their sound, and as many their picture: "
                f"it must lie in 0..0.5, found {self.modality_dropout_p}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in 0..1, found {self.label_smoothing}")
        if self.encoder_width % 4:
            raise ValueError(f"encoder_width must be a multiple of 4, found {self.encoder_width}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.audio_encoder == "cnn" and self.num_mel_bins < 32:
            raise ValueError(f"num_mel_bins must be at least 32 for audio_encoder='cnn', found {self.num_mel_bins}")

    def validate_classes(self) -> None:
        """Refuse class lists with gaps or repetitions, and weights that do not fit them."""
        names = self.id2label or {}
        if not names or sorted(names) != list(range(len(names))) or len(set(names.values())) < len(names):
            raise ValueError(f"id2label must name each class 0, 1, 2, ... once, found {self.id2label}")
        if self.class_weights is None:
            return
        if len(self.class_weights) != len(names):
            raise ValueError(f"class_weights has {len(self.class_weights)} entries for {len(names)} classes")
        if not all(0 <= weight < math.inf for weight in self.class_weights) or not any(self.class_weights):
            raise ValueError(f"class_weights must be numbers of 0 or more, and not all 0, found {self.class_weights}")


def _changes_classes(config_dict: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Whether keywords of `from_pretrained` ask for other classes than the file's."""
    there = {int(index): name for index, name in (config_dict.get("id2label") or {}).items()}
    if (wanted := changes.get("id2label")) is not None:
        return {int(index): name for index, name in wanted.items()} != there
    return changes.get("num_labels") not in (None, len(there))


_POSITIVE = (
    "encoder_width",
    "audio_embedding_size",
    "hidden_size",
    "gate_hidden_size",
    "concat_hidden_size",
    "num_attention_heads",
    "num_frames",
    "image_size",
    "num_mel_bins",
    "sampling_rate",
    "n_fft",
    "hop_length",
    "clip_duration",
)

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""In which a seal is taken. Weights that equal the rounded ones hold nothing that these did not hold: a copy in half
precision is recognised, and another training is not, however small its steps."""

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Seen:
    """What weights have seen in training, in the last run and in those before.

    Attributes:
        actors (`frozenset[int]`): Actors that they were trained on or chosen by, as far as is known.
        modalities (`frozenset[str]`): What training clips had and the model read: `"audio"`, `"video"`.
        complete (`bool`): Whether this is all; false where nobody knows.
    """

    actors: frozenset[int] = frozenset()
    modalities: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def never_trained(self) -> bool:
        """Whether the weights are known to be as they were drawn."""
        return self.complete and not self.modalities and not self.actors

    @property
    def known_modalities(self) -> list[str] | None:
        """What the training clips had; empty where nothing was trained, None where nobody knows."""
        return sorted(self.modalities) if self.complete else None

    def without(self, read: Iterable[str]) -> list[str]:
        """Those of the modalities that a trained model reads and that no clip of its training had."""
        return [name for name in read if name not in self.modalities] if self.complete and self.modalities else []


NEVER_TRAINED = Seen()
NOBODY_KNOWS = Seen(complete=False)


def together(parts: Iterable[Seen]) -> Seen:
    """What weights have seen that come from all of these."""
    parts = list(parts)
    return Seen(
        frozenset().union(*(part.actors for part in parts)),
        frozenset().union(*(part.modalities for part in parts)),
        all(part.complete for part in parts),
    )


@dataclass(frozen=True)
class SealedSeen:
    """A statement and its seal: a hash for each of `PRECISIONS`."""

    seen: Seen
    seal: Mapping[str, str]

    def of(self, weights: Weights) -> "SealedSeen | None":
        """The statement on these weights; None where they are others than those that it was made on.

        Of weights in half precision the seal is a new one: they may be rounded again.
        """
        if not can_be_checked(weights):
            return None
        for name, dtype in PRECISIONS.items():
            fits = _loses_nothing(weights, dtype) and _hash(weights, self.seen, dtype) == self.seal.get(name)
            if fits:
                return self if name == "float32" else seal(weights, self.seen)
        return None


def seal(weights: Weights, seen: Seen) -> SealedSeen:
    """Bind the statement to the weights; for 22 million of them this takes about 0.3 s on one core."""
    return SealedSeen(seen, {name: _hash(weights, seen, dtype) for name, dtype in PRECISIONS.items()})


def new_weights(weights: Weights) -> SealedSeen | None:
    """The statement on weights that were just drawn; None where nothing was, as on the device `meta`."""
    return seal(weights, NEVER_TRAINED) if can_be_checked(weights) else None


def can_be_checked(weights: Weights) -> bool:
    """Whether all weights are there as plain numbers; those that are quantised, or offloaded to a disk, are not."""
    return all(
        isinstance(tensor, torch.Tensor) and type(tensor.detach()) is torch.Tensor and not tensor.is_meta
        for tensor in weights.values()
    )


def written_in(config: EmoFusionConfig) -> SealedSeen | None:
    """What a config says of the weights it came with; None where it says nothing, or without a seal."""
    if config.training_actors is None or not config.weights_seal:
        return None
    seen = Seen(
        frozenset(config.training_actors),
        frozenset(config.trained_modalities or ()),
        config.training_actors_complete,
    )
    return SealedSeen(seen, {name: value for name, value in config.weights_seal.items() if name in PRECISIONS})


def write_into(config: EmoFusionConfig, sealed: SealedSeen | None) -> None:
    """Let a config say this of its weights; None is that nobody knows."""
    seen = sealed.seen if sealed is not None else None
    config.training_actors = sorted(seen.actors) if seen is not None else None
    config.training_actors_complete = seen is not None and seen.complete
    config.trained_modalities = sorted(seen.modalities) if seen is not None else None
    config.weights_seal = dict(sealed.seal) if sealed is not None else None


def why_unknown(
    config: EmoFusionConfig, claimed: SealedSeen | None, sealed: SealedSeen | None, weights: Weights
) -> str:
    """Why nobody knows what the weights of a checkpoint have seen."""
    if sealed is not None:
        return "its training began with weights that do not say"
    if claimed is not None and not can_be_checked(weights):
        return "its weights cannot be checked in this form (offloaded, or quantised); load them whole to know"
    if claimed is not None:
        return "its weights changed after the training that its config.json speaks of"
    if config.training_actors is not None:
        return "its config.json names actors, but not for which weights (weights_seal); train it again to know"
    return "it does not say"


def _hash(weights: Weights, seen: Seen, dtype: torch.dtype) -> str:
    content = hashlib.sha256(repr((sorted(seen.actors), sorted(seen.modalities), seen.complete)).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu()
        content.update(f"{name} {list(tensor.shape)}".encode())
        if tensor.is_floating_point():
            tensor = tensor.to(dtype)
        content.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()[:32]


def _loses_nothing(weights: Weights, dtype: torch.dtype) -> bool:
    """Whether the weights are in this precision, or as they would be if they came from it."""
    return all(
        not tensor.is_floating_point()
        or tensor.dtype == dtype
        or torch.equal(tensor.to(dtype).to(tensor.dtype), tensor)
        for tensor in weights.values()
    )


EmoFusionConfig.register_for_auto_class()

__all__ = ["EMOTIONS", "EmoFusionConfig"]
