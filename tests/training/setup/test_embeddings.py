"""What frozen encoders make of clips, computed once."""

from typing import Any

import pytest
import torch

from emofusion.data import ClipCollator, EpochClock
from emofusion.training.setup.embeddings import EmbeddedClips, embed, embed_training
from helpers.tiny_models import BOTH, batch_of, one_thread, trained_model, without  # noqa: F401

CPU = torch.device("cpu")


class Views:
    """Six clips, the fourth without sound, which are louder from epoch to epoch as augmentation would have them."""

    def __init__(self, clock: EpochClock) -> None:
        self.clock = clock
        self.batch = without(batch_of(6, labels=True), "audio", [3], float("nan"))

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        clip = {name: values[index] for name, values in self.batch.items()}
        return {**clip, "input_features": clip["input_features"] + self.clock.epoch}


@pytest.mark.parametrize("fusion", BOTH)
@torch.no_grad()
def test_answers_from_embeddings_are_those_from_the_clips(fusion):
    model, clock = trained_model(fusion), EpochClock()
    clips = Views(clock)
    embedded = EmbeddedClips([embed(model, clips, 4, CPU, "embedding")])
    found = model(**ClipCollator()([embedded[index] for index in range(6)]))
    expected = model(**ClipCollator()([clips[index] for index in range(6)]))
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.loss, expected.loss, rtol=1e-5, atol=1e-5)


def test_views_are_those_of_the_first_epochs_and_take_turns():
    model, clock = trained_model(), EpochClock()
    clips = Views(clock)
    clock.epoch = 7  # where a resumed run is
    views = embed_training(model, clips, clock, 3, 4, CPU)
    assert clock.epoch == 7
    for epoch in range(5):
        clock.epoch = epoch % 3
        expected = model.encode(**{k: v for k, v in ClipCollator()([clips[0]]).items() if k != "labels"})
        clock.epoch = epoch
        torch.testing.assert_close(views[0]["audio_tokens"], expected.audio[0], rtol=1e-5, atol=1e-5)
    assert not torch.equal(views.views[0]["audio_tokens"], views.views[1]["audio_tokens"])
    assert views[3]["audio_mask"].item() is False
    assert views[3]["audio_tokens"].abs().sum() == 0


def test_batches_in_which_no_clip_has_a_modality_stand_among_the_others():
    clock = EpochClock()

    class Silent(Views):
        def __getitem__(self, index: int) -> dict[str, Any]:
            clip = super().__getitem__(index)
            if index >= 3:
                del clip["input_features"], clip["audio_mask"]
            return clip

    views = embed(trained_model(), Silent(clock), 3, CPU, "embedding")
    assert views["audio_tokens"].shape == (6, 6, 24)
    assert views["audio_mask"].tolist() == [True] * 3 + [False] * 3


def test_plan_of_mixing_goes_with_the_clips_and_their_tokens_are_mixed():
    clock = EpochClock()

    class Mixed(Views):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "mixup": torch.tensor([0.25, index / 6])}

    views = embed_training(trained_model(), Mixed(clock), clock, 1, 4, CPU)
    batch = ClipCollator(8)([views[0], views[1]])
    expected = 0.25 * views[0]["video_tokens"] + 0.75 * views[1]["video_tokens"]
    torch.testing.assert_close(batch["video_tokens"][0], expected)
    assert batch["labels"][0].tolist() == [0.25, 0.75, 0, 0, 0, 0, 0, 0]
    trained_model().train()(**batch).loss.backward()
