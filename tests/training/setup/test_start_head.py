"""A fusion head that begins as what its branches know."""

from pathlib import Path

import pytest
import torch

from emofusion.modeling import EmoFusionModel
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.errors import ArgumentError
from emofusion.training.setup.encoder_weights import start_encoders
from emofusion.training.setup.start_head import check_start_head, start_head
from helpers.tiny_models import BOTH, batch_of, new_model, one_thread, trained_model, without  # noqa: F401

OTHER = {"audio": "video", "video": "audio"}


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of a model of sound and of one of pictures, as if trained."""
    folders = {}
    for modality in OTHER:
        folder = tmp_path_factory.mktemp(modality)
        model = trained_model(modality)
        with torch.no_grad():
            model.head.classifier.bias.normal_(generator=torch.Generator().manual_seed(3))
        model.save_pretrained(folder)
        folders[modality] = str(folder)
    return folders


@pytest.fixture(scope="module")
def answers(branches: dict[str, str]) -> dict[str, torch.Tensor]:
    """Logits `[6, 8]` of each branch alone."""
    with torch.no_grad():
        return {
            modality: EmoFusionModel.from_pretrained(folder).eval()(**batch_of(6)).logits
            for modality, folder in branches.items()
        }


def started(fusion: str, branches: dict[str, str], **changes: object) -> EmoFusionModel:
    flags = ModelArguments(
        audio_encoder_weights=branches["audio"], video_encoder_weights=branches["video"], start_head=True
    )
    model = new_model(fusion, **changes)
    start_encoders(model, flags, trains=True)
    start_head(model, flags)
    return model.eval()


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        ("late", lambda a, v: ((a.softmax(1) + v.softmax(1)) / 2).log()),
        ("concat", lambda a, v: (a + v) / 2),
        ("gated", lambda a, v: 0.2689414 * a + 0.7310586 * v),
        ("xattn", lambda a, v: 0.2689414 * a + 0.7310586 * v),
    ],
)
@torch.no_grad()
def test_first_answer_is_made_of_both_branches(fusion, expected, branches, answers):
    found = started(fusion, branches)(**batch_of(6)).logits
    torch.testing.assert_close(found, expected(answers["audio"], answers["video"]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", ["late", "gated", "xattn"])
@pytest.mark.parametrize("missing", sorted(OTHER))
@torch.no_grad()
def test_without_a_modality_the_answer_is_that_of_the_other_branch(fusion, missing, branches, answers):
    batch = without(batch_of(6), missing, list(range(6)), float("nan"))
    found = started(fusion, branches)(**batch).logits
    expected = answers[OTHER[missing]]
    torch.testing.assert_close(found.log_softmax(1), expected.log_softmax(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", BOTH)
def test_every_weight_of_the_head_can_learn(fusion, branches):
    """A start that left a unit without any gradient would be a smaller head."""
    model = started(fusion, branches, modality_dropout_p=0.0, gate_dropout=0.0).train()
    model.freeze_audio_encoder()
    model.freeze_video_encoder()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.5)
    before = {name: value.clone() for name, value in model.head.named_parameters()}
    for _ in range(3):  # what begins with zeros behind it learns from the second step on
        optimizer.zero_grad()
        model(**batch_of(6, labels=True)).loss.backward()
        optimizer.step()
    assert [name for name, value in model.head.named_parameters() if torch.equal(value, before[name])] == []


@pytest.mark.parametrize(
    ("fusion", "changes", "words"),
    [
        ("gated", {"hidden_size": 12}, "hidden_size is 12, and the answers of both branches need 16 units"),
        ("concat", {"concat_hidden_size": 31}, "concat_hidden_size is 31, and the answers of both branches need 32"),
        ("gated", {"id2label": {0: "calm", 1: "loud"}}, "the audio branch tells apart neutral, calm, .*--label_set"),
    ],
)
def test_what_cannot_be_started_is_said(fusion, changes, words, branches):
    with pytest.raises(ArgumentError, match=words):
        started(fusion, branches, **changes)


def test_only_a_model_of_the_modality_alone_is_a_branch(branches, tmp_path):
    new_model("gated").save_pretrained(tmp_path)
    for source, found in ((str(tmp_path), "found gated"), (branches["video"], "found video"), ("imagenet", "a head")):
        flags = ModelArguments(start_head=True, audio_encoder_weights=source, video_encoder_weights=branches["video"])
        with pytest.raises(ArgumentError, match=f"expected a model with fusion='audio', .*{found}"):
            check_start_head(flags, "gated")


def test_branches_must_be_named_and_wanted():
    with pytest.raises(ArgumentError, match="--start_head without --audio_encoder_weights"):
        check_start_head(ModelArguments(start_head=True), "gated")
    with pytest.raises(ArgumentError, match="fusion='audio' has one branch; take one of late, gated, concat, xattn"):
        check_start_head(ModelArguments(start_head=True), "audio")
    check_start_head(ModelArguments(), "audio")


def test_weights_that_are_taken_with_their_head_have_met_what_it_has(tmp_path: Path):
    from emofusion.modeling.seen_emofusion import Seen, together
    from emofusion.training.setup.encoder_weights import encoder_sources

    for modality, actor in (("audio", 3), ("video", 4)):
        model = new_model(modality)
        model.seal_seen(Seen(frozenset({actor}), frozenset({modality})))
        model.save_pretrained(tmp_path / modality)
    flags = ModelArguments(
        audio_encoder_weights=str(tmp_path / "audio"), video_encoder_weights=str(tmp_path / "video"), start_head=True
    )
    assert together(encoder_sources(flags)) == Seen(frozenset({3, 4}), frozenset({"audio", "video"}))
    flags.start_head = False
    assert together(encoder_sources(flags)) == Seen(frozenset({3, 4}))
