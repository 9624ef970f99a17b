"""Weights that an encoder starts from: ImageNet's, or those of another checkpoint."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torchvision.models import ResNet18_Weights, resnet18
from transformers import PreTrainedConfig

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from emofusion.modeling.seen_emofusion import NEVER_TRAINED, Seen
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.errors import ArgumentError

Modality = Literal["audio", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

IMAGENET = "imagenet"
FULL_WIDTH = 64

# torchvision's convolution and the BatchNorm behind it -> transformers' layer that holds both.
LAYERS = {
    ("conv1", "bn1"): "embedder.embedder",
    ("layer1.0.conv1", "layer1.0.bn1"): "encoder.stages.0.layers.0.layer.0",
    ("layer1.0.conv2", "layer1.0.bn2"): "encoder.stages.0.layers.0.layer.1",
    ("layer1.1.conv1", "layer1.1.bn1"): "encoder.stages.0.layers.1.layer.0",
    ("layer1.1.conv2", "layer1.1.bn2"): "encoder.stages.0.layers.1.layer.1",
    ("layer2.0.conv1", "layer2.0.bn1"): "encoder.stages.1.layers.0.layer.0",
    ("layer2.0.conv2", "layer2.0.bn2"): "encoder.stages.1.layers.0.layer.1",
    ("layer2.0.downsample.0", "layer2.0.downsample.1"): "encoder.stages.1.layers.0.shortcut",
    ("layer2.1.conv1", "layer2.1.bn1"): "encoder.stages.1.layers.1.layer.0",
    ("layer2.1.conv2", "layer2.1.bn2"): "encoder.stages.1.layers.1.layer.1",
    ("layer3.0.conv1", "layer3.0.bn1"): "encoder.stages.2.layers.0.layer.0",
    ("layer3.0.conv2", "layer3.0.bn2"): "encoder.stages.2.layers.0.layer.1",
    ("layer3.0.downsample.0", "layer3.0.downsample.1"): "encoder.stages.2.layers.0.shortcut",
    ("layer3.1.conv1", "layer3.1.bn1"): "encoder.stages.2.layers.1.layer.0",
    ("layer3.1.conv2", "layer3.1.bn2"): "encoder.stages.2.layers.1.layer.1",
    ("layer4.0.conv1", "layer4.0.bn1"): "encoder.stages.3.layers.0.layer.0",
    ("layer4.0.conv2", "layer4.0.bn2"): "encoder.stages.3.layers.0.layer.1",
    ("layer4.0.downsample.0", "layer4.0.downsample.1"): "encoder.stages.3.layers.0.shortcut",
    ("layer4.1.conv1", "layer4.1.bn1"): "encoder.stages.3.layers.1.layer.0",
    ("layer4.1.conv2", "layer4.1.bn2"): "encoder.stages.3.layers.1.layer.1",
}
NORM_TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

# What must be equal for an encoder of one model to fit into another.
SAME_FIELDS: dict[tuple[Modality, str], tuple[str, ...]] = {
    ("audio", "resnet18"): ("audio_encoder", "audio_encoder_width", "audio_embedding_size"),
    ("audio", "cnn"): ("audio_encoder", "audio_encoder_width", "audio_embedding_size"),
    ("video", "resnet18"): ("video_encoder", "encoder_width", "grey"),
    ("audio", "auto"): ("audio_encoder", "audio_embedding_size", "audio_pooling", "audio_config"),
    ("video", "auto"): ("video_encoder", "video_config", "grey"),
    ("video", "action_units"): ("video_encoder", "action_unit_size"),
}


def start_encoders(model: EmoFusionModel, model_args: ModelArguments, trains: bool) -> None:
    """Load the weights that `--video_encoder_weights` and `--audio_encoder_weights` name, if any.

    Raises:
        ArgumentError: naming the flag, see [`check_encoder_weights`] and [`load_encoder`].
    """
    check_encoder_weights(model_args, model.config, trains)
    for modality, source in _sources(model_args).items():
        load_encoder(model, modality, source)


def check_encoder_weights(model_args: ModelArguments, config: EmoFusionConfig, trains: bool) -> None:
    """Refuse weights that cannot fit the model of this config; reads no weights, so it is cheap to ask early.

    Raises:
        ArgumentError: Nothing is trained, the model has no such encoder, or the encoder is of another shape.
    """
    for modality, source in _sources(model_args).items():
        flag = _flag(modality, source)
        if not trains:
            raise ArgumentError(f"{flag}: --do_predict alone scores the checkpoint's own weights; leave the flag out")
        _check_fit(config, modality, source)


def encoder_sources(model_args: ModelArguments) -> list[Seen]:
    """Actors that the encoder of each source was trained on: a score on one of them is a leak, too.

    Raises:
        ArgumentError: A source is neither a checkpoint nor a file of weights.
    """
    return [_seen_by(source, modality, model_args.start_head) for modality, source in _sources(model_args).items()]


def _seen_by(source: str, modality: Modality, with_head: bool) -> Seen:
    """Actors that a source was trained on or chosen by: nobody for ImageNet, and so a `.pth` file of torchvision's.

    What they had, sound or picture, counts only with their head: a new one has met nothing.

    Raises:
        ArgumentError: No such checkpoint; the message names the flag of the modality.
    """
    if is_torchvision(source, modality):
        return NEVER_TRAINED
    branch_config(source, modality)
    with _weights_to_read(source, modality):
        seen = seen_by(_checkpoint(source))
    return seen if with_head else Seen(seen.actors, complete=seen.complete)


def seen_by(checkpoint: str) -> Seen:
    """What the weights of a checkpoint have seen, by its own word and by the seal that binds it to them.

    Raises:
        OSError, ValueError: There are no weights in it.
    """
    with torch.random.fork_rng(devices=[]):
        return EmoFusionModel.from_pretrained(checkpoint).seen


def load_encoder(model: EmoFusionModel, modality: Modality, source: str) -> None:
    """Put the weights and BatchNorm statistics of `source` into one encoder of the model.

    ImageNet's ResNet18 has no projection of the sound, which stays as it is. Its stem `[64, 3, 7, 7]` becomes one
    `[64, 1, 7, 7]` for spectrograms by summing over the colours: what it computes for a grey picture.

    Args:
        model (`EmoFusionModel`): Changed in place.
        modality (`str`): `"audio"` or `"video"`.
        source (`str`): `"imagenet"` (torchvision's `IMAGENET1K_V1`, fetched once), folder or hub name of an emofusion
            checkpoint, or a `.pth` or `.pt` file with the state dict of torchvision's `resnet18`.

    Raises:
        ArgumentError: No such source, no network to fetch it, a damaged file, or weights that do not fit the encoder.
    """
    _check_fit(model.config, modality, source)
    encoder = getattr(model, f"{modality}_encoder")
    if not is_torchvision(source, modality):
        encoder.load_state_dict(getattr(branch_model(modality, source), f"{modality}_encoder").state_dict())
        return
    path = _imagenet_file(modality) if source == IMAGENET else Path(source).expanduser()
    weights = to_transformers(_read_torchvision(path, _flag(modality, source)))
    if modality == "audio":
        stem = "embedder.embedder.convolution.weight"
        weights[stem] = weights[stem].sum(dim=1, keepdim=True)
    encoder.backbone.load_state_dict(weights)


def to_transformers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State dict of torchvision's `resnet18` without `fc` under the names of transformers' `ResNetModel`."""
    names = {}
    for (convolution, norm), layer in LAYERS.items():
        names[f"{layer}.convolution.weight"] = f"{convolution}.weight"
        names |= {f"{layer}.normalization.{tensor}": f"{norm}.{tensor}" for tensor in NORM_TENSORS}
    # Files from before torch 0.4.1 do not count batches; only BatchNorm without momentum would ask.
    return {name: weights.get(theirs, torch.tensor(0)) for name, theirs in names.items()}


def start_weights(model_args: ModelArguments, config: EmoFusionConfig) -> dict[str, str | None]:
    """By modality that the model reads: where its encoder's weights come from; None where they are drawn at random."""
    named, whole = _sources(model_args), model_args.model_name_or_path
    return {modality: named.get(modality, whole) for modality in MODALITIES if modality in config.modalities}


def _sources(model_args: ModelArguments) -> dict[Modality, str]:
    named = {modality: getattr(model_args, f"{modality}_encoder_weights") for modality in MODALITIES}
    return {modality: source for modality, source in named.items() if source is not None}


def _flag(modality: Modality, source: str) -> str:
    return f"--{modality}_encoder_weights {source}"


def is_torchvision(source: str, modality: Modality) -> bool:
    """Whether these are weights of torchvision's ResNet18; else they are a checkpoint of emofusion."""
    path = Path(source).expanduser()
    if source == IMAGENET:
        return True
    if path.is_dir():
        return False
    is_weights = path.suffix in (".pth", ".pt")
    if is_weights and not path.is_file():
        raise ArgumentError(f"{_flag(modality, source)}: no such file")
    if path.is_file() and not is_weights:
        raise ArgumentError(
            f"{_flag(modality, source)}: expected `{IMAGENET}`, a checkpoint's folder or a .pth file with the weights "
            f"of torchvision's resnet18, found a file {path.suffix or 'without ending'}"
        )
    return is_weights


def _check_fit(config: EmoFusionConfig, modality: Modality, source: str) -> None:
    flag = _flag(modality, source)
    if modality not in config.modalities:
        raise ArgumentError(f"{flag}: a model with fusion={config.fusion!r} has no {modality} encoder")
    if is_torchvision(source, modality):
        kind = getattr(config, f"{modality}_encoder")
        if kind != "resnet18":
            raise ArgumentError(
                f"{flag}: weights of a ResNet18 do not fit {modality}_encoder={kind!r}; take --{modality}_encoder "
                "resnet18"
            )
        width = "audio_encoder_width" if modality == "audio" else "encoder_width"
        if (found := _compared(config, width)) != FULL_WIDTH:
            raise ArgumentError(
                f"{flag}: a ResNet18 has {width}={FULL_WIDTH}, found {found}; take --{width} {FULL_WIDTH}"
            )
        return
    theirs = branch_config(source, modality)
    if modality not in theirs.modalities:
        raise ArgumentError(f"{flag}: the checkpoint has fusion={theirs.fusion!r} and so no {modality} encoder")
    for name in SAME_FIELDS[modality, getattr(config, f"{modality}_encoder")]:
        here, there = (_compared(found, name) for found in (config, theirs))
        if here != there:
            instead = f"; take --{name} {str(there).lower()}" if hasattr(ModelArguments, name) else ""
            raise ArgumentError(f"{flag}: the checkpoint has {name}={there!r} and this model {name}={here!r}{instead}")


def _compared(config: EmoFusionConfig, name: str) -> Any:
    """A field as it is compared; of the config of an encoder of transformers what decides its weights."""
    value = config.audio_width if name == "audio_encoder_width" else getattr(config, name)
    if not isinstance(value, PreTrainedConfig):
        return value
    told = {"_name_or_path", "architectures", "dtype", "transformers_version"}
    return {name: found for name, found in value.to_dict().items() if name not in told}


def _checkpoint(source: str) -> str:
    """What `from_pretrained` takes: a folder that exists, or else a name on the hub."""
    folder = Path(source).expanduser()
    return str(folder) if folder.is_dir() else source


def branch_config(source: str, modality: Modality) -> EmoFusionConfig:
    """The config of the checkpoint that an encoder comes from.

    Raises:
        ArgumentError: There is none of that name.
    """
    flag = _flag(modality, source)
    try:
        fields, _ = EmoFusionConfig.get_config_dict(_checkpoint(source))
        if fields.get("model_type") == EmoFusionConfig.model_type:
            return EmoFusionConfig.from_dict(fields)
    except (OSError, RuntimeError, TypeError, ValueError, StrictDataclassError) as error:
        raise ArgumentError(f"{flag}: not a checkpoint's folder, nor one on the hub: {_first_line(error)}") from error
    raise ArgumentError(
        f"{flag}: expected a checkpoint of emofusion, found model_type={fields.get('model_type')!r} in its config.json"
    )


def branch_model(modality: Modality, source: str) -> EmoFusionModel:
    """The checkpoint that an encoder comes from, whole.

    Raises:
        ArgumentError: There is none, or it lacks weights of that encoder.
    """
    flag = _flag(modality, source)
    with _weights_to_read(source, modality):
        model, loaded = EmoFusionModel.from_pretrained(_checkpoint(source), output_loading_info=True, check_seen=False)
    anew = [name for name in loaded["missing_keys"] if name.startswith(f"{modality}_encoder.")]
    if anew:
        raise ArgumentError(f"{flag}: the checkpoint lacks {len(anew)} weights of its encoder, such as {min(anew)}")
    return model


@contextmanager
def _weights_to_read(source: str, modality: Modality) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise ArgumentError(
            f"{_flag(modality, source)}: no weights to read in the checkpoint: {_first_line(error)}"
        ) from error


def _imagenet_file(modality: Modality) -> Path:
    """ImageNet's weights where torch keeps what it fetched; fetched if they are not there."""
    url = ResNet18_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1], progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ArgumentError(
            f"{_flag(modality, IMAGENET)}: {path.name} could not be fetched ({_first_line(reason)}); run once where "
            f"there is network and copy it to {path}, or name a .pth file with the weights of torchvision's resnet18"
        ) from error
    return path


def _read_torchvision(path: Path, flag: str) -> dict[str, torch.Tensor]:
    """The state dict in a file without `fc`, checked to have every tensor of torchvision's `resnet18` and no other."""
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged pickle makes the reader stumble over
        raise ArgumentError(
            f"{flag}: {path} is damaged or holds no weights ({type(error).__name__}); fetch or save it again"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ArgumentError(
            f"{flag}: expected a state dict of torchvision's resnet18 in {path}, found {type(found).__name__}"
        )
    weights = {name: value for name, value in found.items() if not str(name).startswith("fc.")}
    wrong = _wrong_tensors(weights)
    if wrong:
        raise ArgumentError(
            f"{flag}: {path} is not a state dict of torchvision's resnet18: {len(wrong)} of its tensors are missing, "
            f"unknown or of another shape, such as {wrong[0]}"
        )
    return weights


def _wrong_tensors(weights: dict[str, torch.Tensor]) -> list[str]:
    with torch.device("meta"):  # names and shapes alone: no memory, and no random numbers drawn
        shapes = {name: value.shape for name, value in resnet18().state_dict().items()}
    wrong = []
    for name in sorted({*shapes, *weights}, key=str):
        may_lack = str(name).startswith("fc.") or str(name).endswith(".num_batches_tracked")
        if name not in weights and not may_lack:
            wrong.append(name)
        elif name in weights and (name not in shapes or weights[name].shape != shapes[name]):
            wrong.append(name)
    return wrong


def _first_line(error: object) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
