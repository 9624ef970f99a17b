"""Runs with encoders of transformers as branches: whose weights they are, what learns, is kept, and is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as tf
from safetensors.torch import load_file

from emofusion.data import ClipCollator
from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.modeling import EmoFusionModel
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.errors import ArgumentError
from emofusion.training.run.job import run_job
from emofusion.training.run.ready import Run, check_words, make_ready, train_on_embeddings
from emofusion.training.setup.backbones import backbone_sources, tells_emotions
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.unpainted import unpainted  # noqa: F401
from helpers.tiny_backbones import SIDE, save_backbone, settings
from helpers.tiny_models import one_thread  # noqa: F401

TINY = ["--label_set=emotions4", "--num_train_epochs=2", "--per_device_train_batch_size=4", "--use_cpu"]
TINY += ["--disable_tqdm=True", "--report_to=none", "--no_spec_augment", "--num_frames=2", "--protocol=msaf6"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of films, and checkpoints of a WavLM and of a ViT."""
    folder = tmp_path_factory.mktemp("any")
    write_corpus(folder / "corpus", (1, 2, 5, 6, 9, 10), emotions=(1, 3, 4, 5))
    for name in ("wavlm", "vit"):
        save_backbone(name, folder / name)
    return folder


@pytest.fixture(scope="module")
def words(place: Path) -> list[str]:
    backbones = [f"--audio_backbone={place / 'wavlm'}", f"--video_backbone={place / 'vit'}"]
    return [*TINY, *backbones, f"--data_dir={place / 'corpus'}", f"--cache_dir={place / 'cache'}"]


def ready(words: list[str], out: Path, *more: str) -> Run:
    return make_ready(parse_arguments([*words, *more, f"--output_dir={out}"]))


@pytest.fixture(scope="module")
def audio(words: list[str], place: Path) -> Path:
    """A branch of sound, trained on what its frozen backbone makes of two views of each clip."""
    flags = ["--fusion=audio", "--freeze_audio_encoder", "--embedding_views=2", "--noise_augment=0.5"]
    run_job([*words, *flags, f"--output_dir={place / 'audio'}"])
    return place / "audio"


@pytest.fixture(scope="module")
def fused(words: list[str], audio: Path, place: Path) -> Run:
    """The fusion that starts from it and from a branch of pictures, which has learnt nothing yet."""
    ready(words, place / "video", "--fusion=video", "--freeze_video_encoder").trainer.save_model()
    branches = [f"--audio_encoder_weights={audio}", f"--video_encoder_weights={place / 'video'}"]
    return ready(words, place / "fused", *branches, "--start_head", "--embedding_views=1")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_backbone_keeps_the_weights_of_its_checkpoint_and_what_is_behind_it_learns(audio: Path, place: Path):
    branch, theirs = weights(audio), weights(place / "wavlm")
    kept = {key: value for key, value in branch.items() if ".backbone." in key}
    assert len(kept) > 20
    for key, value in kept.items():
        assert torch.equal(value, theirs[key.partition(".backbone.")[2]]), key
    assert branch["audio_encoder.pooling.mix.weight"].abs().min() > 0


def test_fusion_has_the_encoders_of_its_branches_and_learns_its_head_alone(fused: Run, audio: Path, place: Path):
    model = fused.trainer.model
    for modality, folder in (("audio", audio), ("video", place / "video")):
        for key, value in EmoFusionModel.from_pretrained(folder).state_dict().items():
            assert not key.startswith(f"{modality}_encoder.") or torch.equal(model.state_dict()[key], value)
    learns = {name.split(".")[0] for name, value in model.named_parameters() if value.requires_grad}
    assert learns == {"head"}
    train_on_embeddings(fused)
    assert set(fused.trainer.train_dataset[0]) >= {"audio_tokens", "video_tokens"}


def test_record_names_the_backbones_and_config_knows_where_they_are_from(fused: Run, audio: Path, place: Path):
    metrics, both = read_metrics(audio), fused.record(["train_hf.py"])
    assert (metrics["audio_encoder"], metrics["audio_backbone"]) == ("auto", str(place / "wavlm"))
    assert metrics["embedding_views"] == 2
    assert "video_backbone" not in metrics
    assert (both["video_encoder"], both["video_backbone"]) == ("auto", str(place / "vit"))
    config = EmoFusionModel.from_pretrained(audio).config
    assert config.audio_config.name_or_path == str(place / "wavlm")
    assert (fused.config.image_size, fused.config.num_frames) == (SIDE, 2)


def test_checkpoint_is_scored_without_its_backbones_folder(words: list[str], audio: Path, tmp_path: Path):
    flags = [word for word in words if "backbone" not in word and "spec_augment" not in word]
    run = ready(flags, tmp_path, f"--model_name_or_path={audio}", "--do_predict")
    assert run.leaky is False
    clips = ClipCollator(4)([run.inputs["test"][index] for index in range(2)])
    expected = pd.read_parquet(audio / "predictions.parquet")
    with torch.no_grad():
        found = run.trainer.model.eval()(**clips).logits.softmax(1)
    torch.testing.assert_close(found, torch.tensor(np.stack(expected["probabilities"][:2])), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_answers_from_what_was_kept_are_those_from_the_clips(modality: str, words: list[str], tmp_path: Path):
    run = ready(words, tmp_path, f"--fusion={modality}", f"--freeze_{modality}_encoder", "--embedding_views=2")
    train_on_embeddings(run)
    assert isinstance(run.trainer.train_dataset[0][f"{modality}_states"], torch.Tensor)
    model = run.trainer.model.eval()
    answers = []
    for epoch in range(3):
        run.clock.epoch = epoch
        kept = ClipCollator(4)([run.trainer.train_dataset[index] for index in range(3)])
        run.clock.epoch = epoch % 2  # the views take turns
        clips = ClipCollator(4)([run.inputs["train"][index] for index in range(3)])
        with torch.no_grad():
            found, expected = model(**kept), model(**clips)
        torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.loss, expected.loss, rtol=1e-4, atol=1e-5)
        answers.append(found.logits)
    assert torch.equal(answers[0], answers[2])
    assert modality == "audio" or not torch.equal(answers[0], answers[1])  # frames are jittered and flipped


def test_last_layers_learn_at_rates_that_fall_from_layer_to_layer(words: list[str], tmp_path: Path):
    flags = ["--fusion=audio", "--audio_trainable_layers=1", "--layer_decay=0.5", "--audio_learning_rate=1e-2"]
    run = ready(words, tmp_path, *flags, "--gradient_checkpointing", "--max_steps=1")
    optimizer = run.trainer.create_optimizer()
    rates = {id(value): group["lr"] for group in optimizer.param_groups for value in group["params"]}
    encoder = run.trainer.model.audio_encoder
    assert rates[id(encoder.projection.weight)] == 1e-2
    assert {rates[id(value)] for value in encoder.backbone.encoder.layers[1].parameters()} == {5e-3}
    assert rates[id(run.trainer.model.head.classifier.weight)] == 1e-3
    trained = run.trainer.model.get_parameter("audio_encoder.backbone.encoder.layers.1.layer_norm.weight")
    before = trained.clone(), encoder.backbone.encoder.layers[0].layer_norm.weight.clone()
    run.trainer.train()
    assert run.trainer.model.is_activation_checkpointing
    assert not torch.equal(trained, before[0])
    assert torch.equal(encoder.backbone.encoder.layers[0].layer_norm.weight, before[1])


# --- what is refused -----------------------------------------------------------------------------------------------

CHECKED = ["--data_dir=corpus", "--output_dir=out", "--no_spec_augment"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--audio_backbone=WAVLM", "--audio_encoder=cnn"], "--audio_backbone .* with --audio_encoder cnn: choose"),
        (["--audio_backbone=WAVLM", "--spec_augment"], "--spec_augment: it changes spectrograms of ours.*--no_spec"),
        (["--audio_backbone=WAVLM", "--mel_warp=0.1"], "--mel_warp: it changes spectrograms of ours"),
        (["--audio_backbone=nowhere/at/all"], "--audio_backbone nowhere/at/all: expected a folder with an encoder"),
        (["--audio_backbone=EMPTY"], "--audio_backbone .*: expected a folder .* its config cannot be read"),
        (["--audio_backbone=BARE"], "--audio_backbone .* its feature extractor cannot be read"),
        (["--video_backbone=BARE"], "--video_backbone .* its image processor cannot be read"),
        (["--audio_encoder=auto"], "--audio_encoder auto: name the encoder with --audio_backbone"),
        (["--audio_trainable_layers=1"], "--audio_trainable_layers 1: it is about the layers of an encoder of transf"),
        (["--audio_backbone=WAVLM", "--audio_trainable_layers=1", "--freeze_audio_encoder"], "choose one"),
        (["--audio_trainable_layers=-1"], "--audio_trainable_layers -1: write 0 or more"),
        (["--layer_decay=0.5"], "--layer_decay 0.5: it is about the layers of an encoder of transformers"),
        (["--layer_decay=1.5"], "--layer_decay 1.5: write a number above 0, up to 1"),
        (["--backbone_weights=random"], "--backbone_weights random: there is no --audio_backbone"),
        (["--video_backbone=VIT", "--image_size=64"], "image_size: a vit of video_config takes 28 pixels, found 64"),
        (["--fusion=audio", "--embedding_views=2"], "--embedding_views: .* name a frozen encoder of transformers"),
        (
            ["--fusion=audio", "--audio_backbone=WAVLM", "--embedding_views=2"],
            "--embedding_views: the audio backbone learns.* add --freeze_audio_encoder",
        ),
        (
            [*("--fusion=audio", "--audio_backbone=WAVLM", "--embedding_views=2"), "--freeze_audio_encoder",
             "--audio_pooling=attention"],
            "--embedding_views with --audio_pooling attention",
        ),
    ],
)  # fmt: skip
def test_flags_that_cannot_work_are_refused_before_anything_is_read(flags: list[str], message: str, place: Path):
    (place / "empty").mkdir(exist_ok=True)
    settings("wavlm")[0].save_pretrained(place / "bare")
    where = {"WAVLM": "wavlm", "VIT": "vit", "EMPTY": "empty", "BARE": "bare"}
    for name, folder in where.items():
        flags = [flag.replace(f"={name}", f"={place / folder}") for flag in flags]
    with pytest.raises(ArgumentError, match=message):
        check_words([*CHECKED, *flags], "here")


def test_backbone_beside_a_checkpoint_is_refused(audio: Path, place: Path):
    flags = [f"--model_name_or_path={audio}", f"--audio_backbone={place / 'wavlm'}"]
    with pytest.raises(ArgumentError, match="the checkpoint has its encoders; leave one of them out"):
        check_words([*CHECKED, *flags], "here")


def test_more_layers_than_there_are_cannot_learn(words: list[str], tmp_path: Path):
    with pytest.raises(ArgumentError, match="--audio_trainable_layers 9: WavLMModel: expected at most its 2 layers"):
        ready(words, tmp_path, "--fusion=audio", "--audio_trainable_layers=9")


def test_checkpointing_is_refused_where_no_encoder_can(words: list[str], tmp_path: Path):
    flags = [word for word in words if "backbone" not in word]
    with pytest.raises(ArgumentError, match="checkpointing: no layer of this model is computed twice"):
        ready(flags, tmp_path, "--fusion=audio", "--audio_encoder=cnn", "--gradient_checkpointing")


def test_branch_with_another_encoder_does_not_fit(audio: Path, place: Path):
    save_backbone("hubert", place / "hubert")
    flags = [f"--audio_backbone={place / 'hubert'}", f"--audio_encoder_weights={audio}"]
    with pytest.raises(ArgumentError, match="--audio_encoder_weights .*: the checkpoint has audio_config="):
        check_words([*CHECKED, *flags], "here")


# --- weights -------------------------------------------------------------------------------------------------------


def test_folder_with_a_config_alone_is_refused_unless_it_is_asked_for(words: list[str], place: Path, tmp_path: Path):
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(place / "wavlm" / name, tmp_path)
    flags = [word for word in words if "audio_backbone" not in word] + [f"--audio_backbone={tmp_path}"]
    with pytest.raises(ArgumentError, match="no weights of an encoder to read in it.*--backbone_weights random"):
        ready(flags, tmp_path / "out", "--fusion=audio")
    run = ready(flags, tmp_path / "out", "--fusion=audio", "--backbone_weights=random")
    assert run.trainer.model.config.audio_config.model_type == "wavlm"


def test_weights_of_another_model_are_refused(words: list[str], place: Path, tmp_path: Path):
    shutil.copytree(place / "wavlm", tmp_path / "mixed")
    torch.manual_seed(0)
    tf.AutoModel.from_config(settings("vit")[0]).save_pretrained(tmp_path / "vit")
    shutil.copy(tmp_path / "vit" / "model.safetensors", tmp_path / "mixed")
    flags = [word for word in words if "audio_backbone" not in word] + [f"--audio_backbone={tmp_path / 'mixed'}"]
    with pytest.raises(ArgumentError, match="its weights lack .* of the encoder's own, such as encoder"):
        ready(flags, tmp_path / "out", "--fusion=audio")


def test_backbone_that_tells_emotions_may_have_seen_anybody(place: Path, tmp_path: Path):
    config: Any = settings("wavlm")[0].__class__.from_pretrained(place / "wavlm")
    config.id2label = {0: "Neutral", 1: "angry"}
    config.save_pretrained(tmp_path)
    seen = [
        backbone_sources(parse_arguments([*CHECKED, f"--audio_backbone={folder}"]).model)[0].complete
        for folder in (place / "wavlm", tmp_path)
    ]
    assert seen == [True, False]
    config.id2label = {0: "fire salamander", 1: "saddle", 2: "joystick", 3: "LABEL_0"}
    assert tells_emotions(config) == []
