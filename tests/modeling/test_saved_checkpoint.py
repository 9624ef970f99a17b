"""Checkpoints: an old one means what it meant, and what one says of its training is bound to its weights."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModel, AutoModelForVideoClassification, Trainer, TrainingArguments

from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.seen_emofusion import NEVER_TRAINED, NOBODY_KNOWS, Seen
from helpers.tiny_checkpoint import FOLDER
from helpers.tiny_models import batch_of, new_model, one_thread, trained_model  # noqa: F401

SEEN = Seen(frozenset({1, 2, 13}), frozenset({"audio", "video"}))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As our own training leaves it."""
    model = trained_model(label_set="emotions8")
    model.seal_seen(SEEN)
    model.save_pretrained(tmp_path_factory.mktemp("seen") / "checkpoint")
    return tmp_path_factory.getbasetemp() / "seen0" / "checkpoint"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What is said of what weights have seen."""
    said = ("nobody knows", "trained on clips", "never trained")
    return lambda: [text for text in caplog.messages if any(words in text for words in said)]


def assert_known(model: EmoFusionModel) -> None:
    assert model.seen == SEEN
    assert (model.config.training_actors, model.config.training_actors_complete) == ([1, 2, 13], True)
    assert model.config.trained_modalities == ["audio", "video"]


def assert_unknown(model: EmoFusionModel) -> None:
    assert model.seen == NOBODY_KNOWS
    assert (model.config.training_actors, model.config.trained_modalities) == (None, None)
    assert not model.config.training_actors_complete


def test_checkpoint_of_version_0_1_0_gives_the_logits_that_it_gave():
    model, processor = EmoFusionModel.from_pretrained(FOLDER).eval(), EmoFusionProcessor.from_pretrained(FOLDER)
    time = np.arange(3 * 16_000, dtype=np.float32) / 16_000
    frames = np.arange(4 * 32 * 32 * 3, dtype=np.uint32).reshape(4, 32, 32, 3) % 251
    inputs = processor(audio=np.sin(400 * time), videos=frames.astype(np.uint8), sampling_rate=16_000)
    with torch.no_grad():
        logits = model(**inputs).logits
    expected = torch.tensor([[0.17169, -0.08789, 0.00299, -0.02817, -0.21582, -0.27169, -0.32866, -0.29652]])
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


# --- weights that are still the same -------------------------------------------------------------------------------


def test_an_untouched_checkpoint_says_whom_it_has_seen(checkpoint: Path, told):
    assert_known(EmoFusionModel.from_pretrained(checkpoint))
    assert_known(AutoModel.from_pretrained(checkpoint))
    assert_known(AutoModelForVideoClassification.from_pretrained(checkpoint))
    assert told() == []


@pytest.mark.parametrize("options", [{}, {"max_shard_size": "50KB"}, {"state_dict": None}])
def test_a_copy_that_is_loaded_and_saved_says_it_too(checkpoint: Path, options: dict, tmp_path: Path):
    EmoFusionModel.from_pretrained(checkpoint).save_pretrained(tmp_path, **options)
    assert_known(EmoFusionModel.from_pretrained(tmp_path))
    copy.deepcopy(EmoFusionModel.from_pretrained(tmp_path)).save_pretrained(tmp_path / "again")
    assert_known(EmoFusionModel.from_pretrained(tmp_path / "again"))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_changes_nothing_of_what_was_seen(checkpoint: Path, half: torch.dtype, tmp_path: Path, told):
    """Neither as the file is loaded, nor in a copy in half precision, however that is loaded."""
    assert_known(EmoFusionModel.from_pretrained(checkpoint, dtype=half))
    EmoFusionModel.from_pretrained(checkpoint).to(half).save_pretrained(tmp_path)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert_known(EmoFusionModel.from_pretrained(tmp_path, dtype=dtype))
    assert told() == []


def test_a_model_that_changed_and_was_put_back_is_the_one_that_it_was(checkpoint: Path, tmp_path: Path):
    model = EmoFusionModel.from_pretrained(checkpoint)
    before = copy.deepcopy(model.state_dict())
    model.load_state_dict(new_model().state_dict())
    model.save_pretrained(tmp_path)
    assert_unknown(EmoFusionModel.from_pretrained(tmp_path))
    model.load_state_dict(before)
    model.save_pretrained(tmp_path)
    assert_known(EmoFusionModel.from_pretrained(tmp_path))


# --- weights that changed ------------------------------------------------------------------------------------------


def by_plain_trainer(checkpoint: Path, folder: Path) -> None:
    model, batch = EmoFusionModel.from_pretrained(checkpoint), batch_of(4, labels=True)
    clips = [{name: values[clip] for name, values in batch.items()} for clip in range(4)]
    args = TrainingArguments(str(folder / "run"), max_steps=1, use_cpu=True, report_to="none", save_steps=1)
    trainer = Trainer(model, args, train_dataset=clips)
    trainer.train()
    trainer.save_model(str(folder))
    assert_unknown(EmoFusionModel.from_pretrained(folder / "run" / "checkpoint-1"))


def by_other_weights(checkpoint: Path, folder: Path) -> None:
    model = EmoFusionModel.from_pretrained(checkpoint)
    model.load_state_dict(new_model().state_dict())
    model.save_pretrained(folder)


def by_weights_in_another_model(checkpoint: Path, folder: Path) -> None:
    """Weights that know whom they have seen, in a model that was never trained."""
    model = new_model()
    model.load_state_dict(EmoFusionModel.from_pretrained(checkpoint).state_dict())
    model.save_pretrained(folder)


def by_the_mean_of_two(checkpoint: Path, folder: Path) -> None:
    model, other = EmoFusionModel.from_pretrained(checkpoint), new_model().state_dict()
    for name, value in model.state_dict().items():
        value.copy_((value + other[name]) / 2)
    model.save_pretrained(folder)


def by_editing_the_file(checkpoint: Path, folder: Path) -> None:
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    weights = load_file(folder / "model.safetensors")
    weights["head.classifier.bias"][0] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def by_a_step_below_half_precision(checkpoint: Path, folder: Path) -> None:
    """In half precision nobody would see it."""
    model = EmoFusionModel.from_pretrained(checkpoint)
    model.head.classifier.weight.data *= 1 + 2**-20
    model.save_pretrained(folder)


def by_statistics_alone(checkpoint: Path, folder: Path) -> None:
    """Evaluating clips in training mode: no weight is learnt, and BatchNorm has seen them."""
    model = EmoFusionModel.from_pretrained(checkpoint).train()
    model(**batch_of(2))
    model.save_pretrained(folder)


def by_a_class_of_ones_own(checkpoint: Path, folder: Path) -> None:
    class Mine(EmoFusionModel):
        pass

    model = Mine.from_pretrained(checkpoint)
    assert_known(model)
    model.head.classifier.bias.data += 1
    model.save_pretrained(folder)


def by_other_classes(checkpoint: Path, folder: Path) -> None:
    model = EmoFusionModel.from_pretrained(checkpoint, num_labels=3, ignore_mismatched_sizes=True)
    assert model.config.label_set is None  # that was the name of eight
    model.save_pretrained(folder)


def by_pruning(checkpoint: Path, folder: Path) -> None:
    model = EmoFusionModel.from_pretrained(checkpoint)
    for parameter in model.parameters():
        parameter.data[parameter.abs() < 0.01] = 0
    model.save_pretrained(folder)


def by_rounding_to_eight_bits(checkpoint: Path, folder: Path) -> None:
    model = EmoFusionModel.from_pretrained(checkpoint)
    for parameter in model.parameters():
        parameter.data = (parameter * 127).round() / 127
    model.save_pretrained(folder)


def by_the_config_of_another(checkpoint: Path, folder: Path) -> None:
    model = trained_model(gate_bias=0.5)
    model.head.classifier.bias.data += 1
    model.save_pretrained(folder)
    shutil.copy(checkpoint / "config.json", folder)


def by_another_word(checkpoint: Path, folder: Path) -> None:
    """The weights are the same, and what the config says of them was written by somebody."""
    EmoFusionModel.from_pretrained(checkpoint).save_pretrained(folder)
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"training_actors": [1]}))


WAYS = [
    by_plain_trainer,
    by_other_weights,
    by_weights_in_another_model,
    by_the_mean_of_two,
    by_editing_the_file,
    by_a_step_below_half_precision,
    by_statistics_alone,
    by_a_class_of_ones_own,
    by_other_classes,
    by_pruning,
    by_rounding_to_eight_bits,
    by_the_config_of_another,
    by_another_word,
]


@pytest.mark.parametrize("change", WAYS, ids=lambda change: change.__name__)
def test_of_changed_weights_nobody_knows_whom_they_have_seen(change, checkpoint: Path, tmp_path: Path, told):
    change(checkpoint, tmp_path / "changed")
    before = len(told())
    assert_unknown(EmoFusionModel.from_pretrained(tmp_path / "changed"))
    assert_unknown(EmoFusionModel.from_pretrained(tmp_path / "changed"))
    assert len(told()) == before + 1  # once
    assert told()[-1].startswith(f"{tmp_path / 'changed'}: nobody knows on whom it was trained: ")
    EmoFusionModel.from_pretrained(tmp_path / "changed").save_pretrained(tmp_path / "again")
    assert_unknown(EmoFusionModel.from_pretrained(tmp_path / "again"))


def test_actors_without_a_seal_are_not_believed(checkpoint: Path, tmp_path: Path, told):
    """As versions before wrote them."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in content.items() if k != "weights_seal"}))
    assert_unknown(EmoFusionModel.from_pretrained(tmp_path))
    assert "not for which weights (weights_seal); train it again to know" in told()[0]


def test_weights_that_are_not_in_memory_cannot_be_checked(checkpoint: Path, tmp_path: Path, told):
    """That is no change, and a copy that is loaded whole is known."""
    assert_unknown(EmoFusionModel.from_pretrained(checkpoint, device_map={"": "disk"}, offload_folder=tmp_path))
    assert told() == [
        f"{checkpoint}: nobody knows on whom it was trained: its weights cannot be checked in this form "
        "(offloaded, or quantised); load them whole to know"
    ]
    assert_known(EmoFusionModel.from_pretrained(checkpoint))


def test_weights_to_start_from_are_taken_without_a_word(checkpoint: Path, told):
    assert_unknown(EmoFusionModel.from_pretrained(checkpoint, check_seen=False))
    assert told() == []


# --- weights that were never trained -------------------------------------------------------------------------------


def test_a_new_model_was_never_trained_until_its_weights_change(tmp_path: Path, told):
    model = new_model()
    model.save_pretrained(tmp_path / "new")
    loaded = EmoFusionModel.from_pretrained(tmp_path / "new")
    assert loaded.seen == NEVER_TRAINED
    assert (loaded.config.training_actors, loaded.config.trained_modalities) == ([], [])
    assert told() == [f"{tmp_path / 'new'}: it was never trained, so it answers by chance"]
    model.head.classifier.bias.data += 1
    model.save_pretrained(tmp_path / "changed")
    assert_unknown(EmoFusionModel.from_pretrained(tmp_path / "changed"))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_new_model_in_half_precision_was_never_trained(half: torch.dtype, tmp_path: Path, told):
    new_model().to(half).save_pretrained(tmp_path)
    for dtype in (torch.float32, half):
        assert EmoFusionModel.from_pretrained(tmp_path, dtype=dtype).seen == NEVER_TRAINED
    assert told() == [f"{tmp_path}: it was never trained, so it answers by chance"]


@pytest.mark.parametrize("empty", [accelerate.init_empty_weights, lambda: torch.device("meta"), FakeTensorMode])
def test_a_model_without_weights_says_nothing_of_them(empty: Callable):
    with empty():
        model = new_model()
    assert model.seen == NOBODY_KNOWS
    assert sum(parameter.numel() for parameter in model.parameters()) > 10_000


def test_a_new_model_of_a_trained_ones_config_has_seen_nobody(checkpoint: Path, tmp_path: Path):
    trained = EmoFusionModel.from_pretrained(checkpoint)
    new = EmoFusionModel(trained.config)
    assert new.config.training_actors is None
    new.save_pretrained(tmp_path / "new")
    trained.save_pretrained(tmp_path / "trained")
    assert EmoFusionModel.from_pretrained(tmp_path / "new").seen == NEVER_TRAINED
    assert_known(EmoFusionModel.from_pretrained(tmp_path / "trained"))


def test_models_of_one_config_do_not_speak_for_each_other(tmp_path: Path):
    config = trained_model().config
    first, second = EmoFusionModel(config), EmoFusionModel(config)
    first.seal_seen(SEEN)
    for name, model in (("first", first), ("second", second), ("first again", first)):
        model.save_pretrained(tmp_path / name)
    assert_known(EmoFusionModel.from_pretrained(tmp_path / "first again"))
    assert EmoFusionModel.from_pretrained(tmp_path / "second").seen == NEVER_TRAINED


# --- what a model never met ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("met", "name"), [("audio", "pictures"), ("video", "sound")])
def test_a_modality_that_no_training_clip_had_is_said_once_when_it_is_given(met: str, name: str, tmp_path: Path, told):
    model = trained_model()
    model.seal_seen(Seen(frozenset({1}), frozenset({met})))
    model.save_pretrained(tmp_path)
    loaded = EmoFusionModel.from_pretrained(tmp_path).eval()
    batch = batch_of(2)
    other = {"audio": "video", "video": "audio"}[met]
    with torch.no_grad():
        loaded(**batch | {f"{other}_mask": torch.tensor([False, False])})
        loaded.train()(**batch)  # training on it is what helps
        assert told() == []
        for _ in range(2):
            loaded.eval()(**batch)
    assert len(told()) == 1
    assert f"trained on clips without {name}" in told()[0]
    assert str(tmp_path) in told()[0]


def test_a_name_of_classes_goes_with_them(checkpoint: Path):
    german = {index: f"Gefühl {index}" for index in range(8)}
    assert EmoFusionConfig.from_pretrained(checkpoint).label_set == "emotions8"
    assert EmoFusionConfig.from_pretrained(checkpoint, id2label=german).label_set is None
    same = EmoFusionConfig.from_pretrained(checkpoint).id2label
    assert EmoFusionConfig.from_pretrained(checkpoint, id2label=same, num_labels=8).label_set == "emotions8"


def by_renaming_before_saving(checkpoint: Path, folder: Path) -> None:
    model = EmoFusionModel.from_pretrained(checkpoint)
    model.config.id2label = {index: f"c{index}" for index in range(8)}
    model.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["label_set"] is None


def by_renaming_in_the_file(checkpoint: Path, folder: Path) -> None:
    shutil.copytree(checkpoint, folder)
    content = json.loads((folder / "config.json").read_text())
    content["id2label"] |= {"0": "happy", "2": "neutral"}  # the same names in another order
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("rename", [by_renaming_before_saving, by_renaming_in_the_file])
def test_a_label_set_is_not_claimed_of_classes_with_other_names(rename: Callable, checkpoint: Path, tmp_path: Path):
    assert EmoFusionModel.from_pretrained(checkpoint).config.label_set == "emotions8"
    rename(checkpoint, tmp_path / "renamed")
    assert EmoFusionModel.from_pretrained(tmp_path / "renamed").config.label_set is None


def test_seen_is_of_the_weights_at_this_moment():
    model = EmoFusionModel(EmoFusionConfig(encoder_width=8))
    assert model.seen == NEVER_TRAINED
    model.seal_seen(SEEN)
    trained = copy.deepcopy(model.state_dict())
    assert model.seen == SEEN
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    assert model.seen == NOBODY_KNOWS
    other = EmoFusionModel(EmoFusionConfig(encoder_width=8))
    other.load_state_dict(trained)
    assert other.seen == NOBODY_KNOWS
    model.load_state_dict(trained)
    assert model.seen == SEEN  # they are the very same again


def test_cross_modal_attention_of_an_older_release_is_refused(tmp_path: Path):
    """Its norms stood behind the attention: loaded as these, the model would answer something else."""
    trained_model("xattn").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {name.replace("_input_norm", "_norm"): value for name, value in weights.items()}
    assert old.keys() != weights.keys()
    save_file(old, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="its cross-modal attention is of an older release .* train it again"):
        EmoFusionModel.from_pretrained(tmp_path)
