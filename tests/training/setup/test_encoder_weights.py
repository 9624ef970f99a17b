"""Encoders that start from torchvision's ResNet18 or from another checkpoint."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import ResNet18_Weights, resnet18, resnet34

from emofusion.modeling import EmoFusionConfig, EmoFusionModel
from emofusion.modeling.encoders_emofusion import build_resnet18
from emofusion.modeling.seen_emofusion import Seen
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.setup.encoder_weights import (
    LAYERS,
    check_encoder_weights,
    encoder_sources,
    load_encoder,
    to_transformers,
)
from emofusion.training.setup.model import make_model
from helpers.tiny_models import SIZES, new_model, one_thread, trained_model  # noqa: F401

FILE_NAME = ResNet18_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch keeps what it fetched: empty, whatever this machine has; and no proxy leads around the block."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """torchvision's ResNet18 as if trained: no BatchNorm is the identity, and none is like another."""
    torch.manual_seed(0)
    network = resnet18().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
                module.num_batches_tracked.fill_(7)
    return network


@pytest.fixture(scope="module")
def weights_file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def full_models() -> Iterator[dict[str, EmoFusionModel]]:
    """A full-width model for each modality alone, untrained; tests overwrite their encoders."""
    yield {name: new_model(name, encoder_width=64) for name in ("audio", "video")}


def features(network: nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """torchvision's last feature map `[batch, 512, height / 32, width / 32]`."""
    with torch.no_grad():
        return nn.Sequential(*list(network.children())[:-2])(pictures)


def config_of(fusion: str = "gated", **changes: object) -> EmoFusionConfig:
    return EmoFusionConfig(fusion=fusion, **{**SIZES, **changes})


def saved(folder: Path, fusion: str = "gated", **changes: object) -> tuple[str, EmoFusionModel]:
    """A tiny checkpoint, as if trained."""
    model = trained_model(fusion, **changes)
    model.save_pretrained(folder)
    return str(folder), model


def test_weights_names_cover_both_networks(network: nn.Module):
    theirs = {name for name in network.state_dict() if not name.startswith("fc.")}
    assert {name.rsplit(".", 1)[0] for name in theirs} == {module for pair in LAYERS for module in pair}
    ours = build_resnet18(64, num_channels=3).state_dict()
    assert len(ours) == len(theirs)
    assert {name: value.shape for name, value in to_transformers(network.state_dict()).items()} == {
        name: value.shape for name, value in ours.items()
    }


def test_weights_video_encoder_computes_what_torchvision_does(network, weights_file, full_models):
    encoder = full_models["video"].video_encoder
    load_encoder(full_models["video"], "video", weights_file)
    pictures = torch.randn(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = features(network, pictures.flatten(0, 1)).mean(dim=(2, 3)).unflatten(0, (2, 3))
    with torch.no_grad():
        torch.testing.assert_close(encoder(pictures), expected, atol=1e-5, rtol=1e-5)
    assert encoder.backbone.embedder.embedder.normalization.num_batches_tracked == 7


def test_weights_audio_encoder_sees_the_grey_picture(network, weights_file, full_models):
    projection = full_models["audio"].audio_encoder.projection.weight.clone()
    load_encoder(full_models["audio"], "audio", weights_file)
    assert torch.equal(full_models["audio"].audio_encoder.projection.weight, projection)
    # In double precision: one convolution over three channels rounds otherwise than one over their sum.
    encoder = copy.deepcopy(full_models["audio"].audio_encoder).double()
    grey = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(1)).double()
    expected = features(copy.deepcopy(network).double(), grey.expand(-1, 3, -1, -1))
    with torch.no_grad():
        torch.testing.assert_close(encoder.backbone(grey).last_hidden_state, expected, atol=1e-5, rtol=1e-5)
        tokens = encoder.projection(expected.mean(dim=2).transpose(1, 2))
        torch.testing.assert_close(encoder(grey[:, 0]), tokens, atol=1e-5, rtol=1e-5)


def test_weights_of_the_time_before_batches_were_counted(network, full_models, tmp_path: Path):
    old = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    torch.save(old, tmp_path / "old.pt")
    load_encoder(full_models["video"], "video", str(tmp_path / "old.pt"))
    backbone = full_models["video"].video_encoder.backbone
    assert torch.equal(backbone.embedder.embedder.convolution.weight, old["conv1.weight"])
    assert backbone.embedder.embedder.normalization.num_batches_tracked == 0


def test_weights_with_another_classifier_fit(network, full_models, tmp_path: Path):
    weights = {**network.state_dict(), "fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)}
    torch.save(weights, tmp_path / "faces.pth")
    load_encoder(full_models["video"], "video", str(tmp_path / "faces.pth"))
    stem = full_models["video"].video_encoder.backbone.embedder.embedder
    assert torch.equal(stem.convolution.weight, weights["conv1.weight"])


def test_weights_imagenet_is_read_where_torch_keeps_it(network, full_models, torch_home: Path):
    cached = torch_home / "hub" / "checkpoints" / FILE_NAME
    cached.parent.mkdir(parents=True)
    torch.save(network.state_dict(), cached)
    load_encoder(full_models["video"], "video", "imagenet")
    stem = full_models["video"].video_encoder.backbone.embedder.embedder
    assert torch.equal(stem.convolution.weight, network.conv1.weight)


def test_weights_imagenet_without_network(full_models, torch_home: Path):
    with pytest.raises(ArgumentError) as error:
        load_encoder(full_models["video"], "video", "imagenet")
    message = str(error.value)
    assert message.startswith("--video_encoder_weights imagenet: resnet18-f37072fd.pth could not be fetched (")
    assert str(torch_home / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in message
    assert "download.pytorch.org" not in message
    assert "\n" not in message
    assert [path.name for path in torch_home.rglob("*.p*")] == []  # nothing that the next run would take for weights


@pytest.mark.parametrize("modality", ["audio", "video"])
@pytest.mark.parametrize("audio_encoder", ["resnet18", "cnn"])
def test_weights_of_a_checkpoint(modality: str, audio_encoder: str, tmp_path: Path):
    source, trained = saved(tmp_path / "source", audio_encoder=audio_encoder)
    model = new_model("concat", audio_encoder=audio_encoder)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_encoder(model, modality, source)
    expected = trained.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name] if name.startswith(f"{modality}_encoder.") else before[name]), name


def test_weights_in_a_new_model_stay_when_frozen(tmp_path: Path):
    source, trained = saved(tmp_path / "source", fusion="video")
    arguments = ModelArguments(video_encoder_weights=source, freeze_video_encoder=True)
    model = make_model(config_of("late"), arguments, train_labels=[0, 1]).train()
    assert not model.video_encoder.training
    assert not any(parameter.requires_grad for parameter in model.video_encoder.parameters())
    for name, value in trained.video_encoder.state_dict().items():
        assert torch.equal(model.video_encoder.state_dict()[name], value), name


def test_weights_replace_those_of_the_checkpoint_to_go_on_from(tmp_path: Path):
    start, _ = saved(tmp_path / "start")
    source, trained = saved(tmp_path / "source", fusion="audio", gate_bias=0.0)
    with torch.no_grad():
        trained.audio_encoder.projection.bias += 1
    trained.save_pretrained(source)
    arguments = ModelArguments(model_name_or_path=start, audio_encoder_weights=source)
    model = make_model(EmoFusionConfig.from_pretrained(start), arguments, train_labels=[0, 1])
    assert torch.equal(model.audio_encoder.projection.bias, trained.audio_encoder.projection.bias)


def test_weights_are_refused_when_only_scoring(tmp_path: Path):
    start, _ = saved(tmp_path / "start")
    arguments = ModelArguments(model_name_or_path=start, audio_encoder_weights="imagenet")
    with pytest.raises(ArgumentError, match="^--audio_encoder_weights imagenet: --do_predict alone"):
        make_model(EmoFusionConfig.from_pretrained(start), arguments, train_labels=None)


@pytest.mark.parametrize(
    ("flags", "changes", "message"),
    [
        ({"video_encoder_weights": "imagenet"}, {"encoder_width": 8}, "encoder_width=64, found 8"),
        ({"audio_encoder_weights": "imagenet"}, {"audio_encoder": "cnn"}, "take --audio_encoder resnet18"),
        ({"video_encoder_weights": "imagenet"}, {"fusion": "audio"}, "fusion='audio' has no video encoder"),
        ({"audio_encoder_weights": "imagenet"}, {"fusion": "video"}, "fusion='video' has no audio encoder"),
        ({"video_encoder_weights": "nowhere/weights.pth"}, {"encoder_width": 64}, "weights.pth: no such file"),
        ({"video_encoder_weights": __file__}, {}, "found a file .py"),
        ({"video_encoder_weights": "/nowhere/at/all"}, {}, "not a checkpoint's folder, nor one on the hub"),
    ],
)
def test_weights_that_cannot_fit_are_refused_early(flags: dict, changes: dict, message: str):
    with pytest.raises(ArgumentError) as error:
        check_encoder_weights(ModelArguments(**flags), config_of(**{"fusion": "gated", **changes}), trains=True)
    ((flag, source),) = flags.items()
    assert str(error.value).startswith(f"--{flag} {source}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("modality", "theirs", "message"),
    [
        ("video", {"encoder_width": 16}, "the checkpoint has encoder_width=16 and this model encoder_width=8"),
        ("audio", {"audio_encoder_width": 16}, "audio_encoder_width=16 and this model audio_encoder_width=8; take --"),
        ("audio", {"audio_encoder": "cnn"}, "audio_encoder='cnn' and this model audio_encoder='resnet18'"),
        ("audio", {"audio_embedding_size": 16}, "audio_embedding_size=16 and this model audio_embedding_size=24"),
        ("audio", {"fusion": "video"}, "the checkpoint has fusion='video' and so no audio encoder"),
    ],
)
def test_weights_of_an_unlike_checkpoint_are_refused(modality: str, theirs: dict, message: str, tmp_path: Path):
    config_of(**theirs).save_pretrained(tmp_path / "source")
    with pytest.raises(ArgumentError, match=f"^--{modality}_encoder_weights ") as error:
        load_encoder(new_model(), modality, str(tmp_path / "source"))
    assert message in str(error.value)


def test_weights_of_another_kind_of_model_are_refused(tmp_path: Path):
    build_resnet18(8, num_channels=3).save_pretrained(tmp_path / "resnet")
    with pytest.raises(ArgumentError, match="expected a checkpoint of emofusion, found model_type='resnet'"):
        load_encoder(new_model(), "video", str(tmp_path / "resnet"))


def test_weights_of_a_damaged_checkpoint_are_refused(tmp_path: Path):
    source, _ = saved(tmp_path / "source")
    weights = tmp_path / "source" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ArgumentError, match="no weights to read in the checkpoint"):
        load_encoder(new_model(), "video", source)
    weights.unlink()
    with pytest.raises(ArgumentError, match="no weights to read in the checkpoint"):
        load_encoder(new_model(), "video", source)
    (tmp_path / "source" / "config.json").write_text("{")
    with pytest.raises(ArgumentError, match="not a checkpoint's folder"):
        load_encoder(new_model(), "video", source)


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04"], ids=["empty", "text", "cut"])
def test_weights_in_a_damaged_file_are_refused(content: bytes, full_models, tmp_path: Path):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ArgumentError, match=r"weights\.pth is damaged or holds no weights"):
        load_encoder(full_models["video"], "video", str(tmp_path / "weights.pth"))


def test_weights_of_another_network_are_refused(network, full_models, tmp_path: Path):
    path = tmp_path / "weights.pth"
    lacking = {name: value for name, value in network.state_dict().items() if name != "layer3.1.bn2.running_var"}
    narrow = {**network.state_dict(), "conv1.weight": torch.zeros(64, 1, 7, 7)}
    cases = [
        (resnet34().state_dict(), r"not a state dict of torchvision's resnet18: \d+ of"),
        (lacking, "1 of its tensors .* such as layer3.1.bn2.running_var"),
        (narrow, "1 of its tensors .* such as conv1.weight"),
        ({"state_dict": network.state_dict()}, "expected a state dict .* found dict"),
        ([1, 2], "expected a state dict .* found list"),
    ]
    for content, message in cases:
        torch.save(content, path)
        with pytest.raises(ArgumentError, match=message):
            load_encoder(full_models["video"], "video", str(path))


def checkpoint(folder: Path, seen: Seen) -> str:
    model = EmoFusionModel(config_of())
    model.seal_seen(seen)
    model.save_pretrained(folder)
    return str(folder)


def test_weights_bring_their_actors(weights_file: str, tmp_path: Path):
    first = checkpoint(tmp_path / "first", Seen(frozenset({5, 3}), frozenset({"audio", "video"})))
    second = checkpoint(tmp_path / "second", Seen(frozenset({3, 24}), frozenset({"audio"})))
    assert encoder_sources(ModelArguments()) == []
    imagenet = ModelArguments(video_encoder_weights="imagenet", audio_encoder_weights=weights_file)
    assert encoder_sources(imagenet) == [Seen(), Seen()]
    named = ModelArguments(video_encoder_weights=first, audio_encoder_weights=second)
    # The modalities stay behind: the head that reads the encoders is a new one.
    assert encoder_sources(named) == [Seen(frozenset({3, 24})), Seen(frozenset({3, 5}))]


def test_weights_that_changed_after_their_training_are_of_nobody_knows_whom(tmp_path: Path):
    source = checkpoint(tmp_path / "source", Seen(frozenset({5}), frozenset({"audio", "video"})))
    weights = load_file(f"{source}/model.safetensors")
    changed = {**weights, "head.classifier.bias": weights["head.classifier.bias"] + 1}
    save_file(changed, f"{source}/model.safetensors", metadata={"format": "pt"})
    named = ModelArguments(video_encoder_weights=source)
    assert encoder_sources(named) == [Seen(complete=False)]


def test_weights_that_are_not_there_are_named_with_their_flag(tmp_path: Path):
    config_of().save_pretrained(tmp_path / "source")
    named = ModelArguments(video_encoder_weights=str(tmp_path / "source"))
    with pytest.raises(ArgumentError, match="^--video_encoder_weights .*no weights to read in the checkpoint"):
        encoder_sources(named)
