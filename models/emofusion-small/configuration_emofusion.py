"""Configuration of the emofusion model: what it hears, what it sees, how it joins the two, and what trained it."""

import copy
import difflib
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig

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

NOT_CALIBRATED = {"temperature": 1.0, "late_audio_weight": 0.5, "audio_temperature": 1.0, "video_temperature": 1.0}
"""The fields that calibration sets, as they are before."""
NOT_FITTED = {**NOT_CALIBRATED, "unsure_below": 0.0}
"""All that is fitted to weights after their training, as it is before; `unsure_below` goes by calibrated answers."""
ACTION_UNIT_EMBEDDING_SIZE = 128
"""Length of the embedding of action units; `encoder_width` is about ResNets."""
AUTO_VIDEO_EMBEDDING_SIZE = 256
"""Length to which what a picture encoder of transformers makes is projected, whatever its own size is."""
FIXED_SIZE = ("vit", "deit", "videomae", "vivit")
"""Kinds of picture encoders that take frames of one size alone."""

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

    The config is strict: a misspelt field or a value that is not among the choices is an error that names it. It is
    flat but for the configs of encoders that come from transformers.

    Args:
        fusion (`str`): `"gated"`, `"audio"`, `"video"`, `"late"`, `"concat"` or `"xattn"`.
        audio_encoder (`str`): `"resnet18"` or `"cnn"`, the small baseline of about 151 thousand parameters; or
            `"auto"`, any sound encoder of transformers, by `audio_config`.
        video_encoder (`str`): `"resnet18"` on each frame, or `"action_units"`: a small network on what OpenFace has
            measured in the face; or `"auto"`, any picture encoder of transformers, by `video_config`.
        audio_config (`dict` or `PreTrainedConfig`, *optional*): Config of that encoder (wav2vec2, HuBERT, WavLM, AST,
            Whisper, ...), with its `model_type`; None unless `audio_encoder="auto"`. Layer drop is 0 in it: the sum
            over all layers needs each of them.
        video_config (`dict` or `PreTrainedConfig`, *optional*): Likewise (ResNet, ViT, ConvNeXT, DINOv2, VideoMAE,
            ...).
        audio_pooling (`str`): How time is pooled behind an `"auto"` sound encoder: `"statistics"` (mean and deviation)
            or `"attention"` (the same, with learned weights).
        gate (`str`): `"mlp"`, or `"simple"` for one linear layer (kept for the ablation).
        gate_bias (`float`): Bias of the gate's last layer; -1 starts every clip at sigmoid(-1) = 0.2689 for audio.
        gate_dropout (`float`): Dropout between the two layers of the gate's MLP, 0..1.
        branch_loss_weight (`float`): Weight of the losses of either branch alone beside that of both together
            (`"gated"`, `"concat"`, `"xattn"`), 0 or more: whatever is missing, the other has learnt to answer alone.
        late_audio_weight (`float`): Share of the sound in the mean of probabilities (`"late"`), 0..1.
        audio_temperature (`float`): What the logits of the sound are divided by before that mean.
        video_temperature (`float`): The same of the picture.
        temperature (`float`): What all logits are divided by in evaluation; above 1 the model is less sure of itself.
        unsure_below (`float`): Probability of the most likely class below which [`EmoFusionModel.answers`] says
            `"unsure"`, 0..1; 0 always names a class.
        modality_dropout_p (`float`): Share of training clips that lose their sound, and as many their picture: 0..0.5.
        encoder_width (`int`): Channels of the first ResNet stage; 64 is ResNet18, tests use 8.
        audio_encoder_width (`int`, *optional*): The same of the sound encoder, where it is another.
        audio_embedding_size (`int`): Length of the audio embedding.
        hidden_size (`int`): Common size to which the gated and cross-modal heads project both modalities.
        gate_hidden_size (`int`, *optional*): Hidden units of the gate's MLP; by default 192, for `"xattn"` 64.
        concat_hidden_size (`int`): Hidden units of the `"concat"` head.
        num_attention_heads (`int`): Heads of the cross-modal attention.
        action_unit_size (`int`): Measurements of the face in one row, for `video_encoder="action_units"`.
        label_smoothing (`float`): Label smoothing of the model's own loss, 0..1.
        class_weights (`list[float]`, *optional*): Weight of each class in the model's own loss.
        label_set (`str`, *optional*): Name of the label set that `id2label` came from; dropped where a config is made,
            loaded or saved with other classes than those of this name.
        training_actors (`list[int]`, *optional*): Actors that the weights were trained on or chosen by, in this run
            and those before; a score on one of them is a leak. Numbers from 10,000 on are made of the names of
            speakers in clips of one's own, or of such clips. None where nobody knows. Training writes it, as the
            three below, and loading a model checks it against the weights: see [`Seen`].
        training_actors_complete (`bool`): Whether these are all; false where the training began with weights that do
            not say on whom they were trained.
        trained_modalities (`list[str]`, *optional*): What training clips had and the model read: `"audio"`,
            `"video"`; empty where it was never trained, None where nobody knows.
        weights_seal (`dict[str, str]`, *optional*): Hashes that bind these three to the weights, see [`SealedSeen`].
        num_frames (`int`): Frames that the model looks at. Of action units it is the equal steps of these seconds
            over whose frames they are averaged; 1 is their mean over the whole clip.
        image_size (`int`): Height and width of a frame in pixels.
        num_mel_bins (`int`): Mel bands of the spectrogram.
        sampling_rate (`int`): Hz.
        n_fft (`int`): Samples of one spectrogram frame.
        hop_length (`int`): Samples between spectrogram frames.
        clip_duration (`float`): Seconds of a clip that the model takes in, for frames and sound alike.
        window (`str`): Which seconds of a longer clip these are: `"voice"`, `"center"` or `"start"`.
        face_crop (`str`): What frames are cut to: `"none"` (the middle square), `"haar"` (the face that OpenCV's own
            cascade finds) or `"yunet"` (the same by a detector whose file the user names).
        grey (`bool`): Whether frames are turned grey, as those are that a model of grey photographs has learnt from.

    Raises:
        TypeError, ValueError: (as `huggingface_hub`'s strict-dataclass errors) naming the field.
    """

    model_type = "emofusion"
    sub_configs = {"audio_config": AutoConfig, "video_config": AutoConfig}
    # Unannotated, so that it stays out of the JSON: predictions of Trainer are the logits and the gate.
    keys_to_ignore_at_inference = ["audio_embeds", "video_embeds", "audio_logits", "video_logits"]

    fusion: Literal["gated", "audio", "video", "late", "concat", "xattn"] = "gated"
    audio_encoder: Literal["resnet18", "cnn", "auto"] = "resnet18"
    video_encoder: Literal["resnet18", "action_units", "auto"] = "resnet18"
    audio_config: dict | PreTrainedConfig | None = None
    video_config: dict | PreTrainedConfig | None = None
    audio_pooling: Literal["statistics", "attention"] = "statistics"
    gate: Literal["mlp", "simple"] = "mlp"
    gate_bias: float | int = -1.0
    gate_dropout: float | int = 0.2
    branch_loss_weight: float | int = 0.0
    late_audio_weight: float | int = 0.5
    audio_temperature: float | int = 1.0
    video_temperature: float | int = 1.0
    temperature: float | int = 1.0
    unsure_below: float | int = 0.0
    modality_dropout_p: float | int = 0.2

    encoder_width: int = 64
    audio_encoder_width: int | None = None
    audio_embedding_size: int = 128
    hidden_size: int = 128
    gate_hidden_size: int | None = None
    concat_hidden_size: int = 440
    num_attention_heads: int = 4
    action_unit_size: int = 35

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
    grey: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self._refuse_unknown(kwargs)
        for name in self.sub_configs:
            setattr(self, name, nested_config(getattr(self, name), name))
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
    def calibration(self) -> dict[str, float]:
        """The fields of `NOT_CALIBRATED` that this fusion goes by, with their values."""
        names = NOT_CALIBRATED if self.fusion == "late" else ("temperature",)
        return {name: float(getattr(self, name)) for name in names}

    @property
    def audio_width(self) -> int:
        """Channels of the first stage of the sound encoder."""
        return self.encoder_width if self.audio_encoder_width is None else self.audio_encoder_width

    @property
    def video_embedding_size(self) -> int:
        """Length of the video embedding: channels of the last ResNet stage (512 at full width), 128 or 256."""
        sizes = {"action_units": ACTION_UNIT_EMBEDDING_SIZE, "auto": AUTO_VIDEO_EMBEDDING_SIZE}
        return sizes.get(self.video_encoder, 8 * self.encoder_width)

    @property
    def picture_input(self) -> str:
        """What the model calls the input that shows the face: `"pixel_values"` or `"action_units"`."""
        return "action_units" if self.video_encoder == "action_units" else "pixel_values"

    @property
    def sound_input(self) -> str:
        """What the model calls the input that it hears: `"input_features"` or `"input_values"`."""
        return "input_values" if self.audio_encoder == "auto" else "input_features"

    def validate_backbones(self) -> None:
        """Refuse nested configs that are missing, of no use, or of encoders that read something else."""
        for modality in ("audio", "video"):
            name, kind = f"{modality}_config", getattr(self, f"{modality}_encoder")
            there = getattr(self, name) is not None
            if there and kind != "auto":
                raise ValueError(f'{name}: it is for {modality}_encoder="auto", found {kind!r}; leave it out')
            if not there and kind == "auto" and modality in self.modalities:
                raise ValueError(
                    f'{name} is missing: {modality}_encoder="auto" needs the config of its encoder, such as '
                    "AutoConfig.from_pretrained(...)"
                )
        seen = self.video_config
        if not isinstance(seen, PreTrainedConfig):
            return
        if is_video_config(seen) and seen.num_frames != self.num_frames:
            raise ValueError(
                f"num_frames: a {seen.model_type} of video_config takes {seen.num_frames}, found {self.num_frames}"
            )
        if seen.model_type in FIXED_SIZE and seen.image_size != self.image_size:
            raise ValueError(
                f"image_size: a {seen.model_type} of video_config takes {seen.image_size} pixels, found "
                f"{self.image_size}"
            )

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
        for name in ("label_smoothing", "gate_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in 0..1, found {getattr(self, name)}")
        for name in ("late_audio_weight", "unsure_below"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0..1, found {getattr(self, name)}")
        if not 0 <= self.branch_loss_weight < math.inf:
            raise ValueError(f"branch_loss_weight must be 0 or more, found {self.branch_loss_weight}")
        for name in ("encoder_width", "audio_encoder_width"):
            if (getattr(self, name) or 0) % 4:
                raise ValueError(f"{name} must be a multiple of 4, found {getattr(self, name)}")
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


def nested_config(given: Any, name: str) -> PreTrainedConfig | None:
    """The config of an encoder of transformers, in a copy of its own.

    Args:
        given (`dict` or `PreTrainedConfig`, *optional*): As it was given, or as JSON has it.
        name (`str`): What errors call it.

    Raises:
        ValueError: It is no config, or of a kind that transformers does not know.
    """
    if given is None:
        return None
    if isinstance(given, PreTrainedConfig):
        config = copy.deepcopy(given)
    else:
        fields_of = dict(given) if isinstance(given, Mapping) else {}
        kind = fields_of.pop("model_type", None)
        if kind is None:
            raise ValueError(f"{name}: expected a config of transformers with its model_type, found {given!r}")
        try:
            config = AutoConfig.for_model(kind, **fields_of)
        except ValueError as error:
            raise ValueError(f"{name}: model_type={kind!r}: {str(error).partition(chr(10))[0][:200]}") from error
    for drop in ("layerdrop", "encoder_layerdrop"):
        if getattr(config, drop, 0):
            setattr(config, drop, 0.0)
    return config


def is_video_config(config: PreTrainedConfig) -> bool:
    """Whether an encoder reads all frames of a clip at once, such as VideoMAE."""
    return hasattr(config, "num_frames") and hasattr(config, "tubelet_size")


def _changes_classes(config_dict: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Whether keywords of `from_pretrained` ask for other classes than the file's."""
    there = {int(index): name for index, name in (config_dict.get("id2label") or {}).items()}
    if (wanted := changes.get("id2label")) is not None:
        return {int(index): name for index, name in wanted.items()} != there
    return changes.get("num_labels") not in (None, len(there))


_POSITIVE = (
    "encoder_width",
    "audio_encoder_width",
    "audio_embedding_size",
    "hidden_size",
    "gate_hidden_size",
    "concat_hidden_size",
    "num_attention_heads",
    "action_unit_size",
    "audio_temperature",
    "video_temperature",
    "temperature",
    "num_frames",
    "image_size",
    "num_mel_bins",
    "sampling_rate",
    "n_fft",
    "hop_length",
    "clip_duration",
)


EmoFusionConfig.register_for_auto_class()

__all__ = ["EMOTIONS", "EmoFusionConfig"]
