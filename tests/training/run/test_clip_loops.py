"""Which clips training and evaluation go over, whatever the flags say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from emofusion.data import ClipCollator
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.errors import JobError, SetupError
from emofusion.training.run.trainer import EmoFusionTrainer
from helpers.tiny_models import batch_of


def clips(count: int) -> Dataset:
    """Rows that become inputs of a tiny model."""
    whole = batch_of(count, labels=True)
    whole["input_features"] = whole["input_features"][:, :16]  # as many mels as the tiny model reads
    rows = Dataset.from_dict({"index": list(range(count))})

    def inputs(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        return {name: [tensor[i] for i in batch["index"]] for name, tensor in whole.items()}

    return rows.with_transform(inputs)


def trainer_of(
    model: EmoFusionModel, folder: Path, train: int = 7, least: int = 1, **options: Any
) -> EmoFusionTrainer:
    args = EmoFusionTrainingArguments(output_dir=str(folder), eval_strategy="no", use_cpu=True, **options)
    return EmoFusionTrainer(
        model=model,
        args=args,
        processing_class=EmoFusionProcessor.from_config(model.config),
        data_collator=ClipCollator(),
        train_dataset=clips(train),
        least_clips=least,
    )


def sizes(loader: Any) -> list[int]:
    return [len(batch["labels"]) for batch in loader]


@pytest.mark.parametrize(
    ("least", "options", "expected"),
    [
        (1, {}, [3, 3, 1]),
        (2, {}, [3, 3]),
        (2, {"train_sampling_strategy": "sequential"}, [3, 3]),
        (2, {"dataloader_drop_last": True}, [3, 3]),
        (1, {"dataloader_drop_last": True}, [3, 3]),
    ],
)
def test_training_leaves_out_a_last_batch_that_is_too_small(
    tiny_model: EmoFusionModel, tmp_path: Path, least: int, options: dict[str, Any], expected: list[int]
):
    trainer = trainer_of(tiny_model, tmp_path, least=least, per_device_train_batch_size=3, **options)
    loader = trainer.get_train_dataloader()
    assert len(loader) == len(expected), "the course of the learning rate goes by it"
    assert sizes(loader) == expected


def test_clip_that_is_left_out_is_another_in_each_epoch_and_the_same_when_resumed(
    tiny_model: EmoFusionModel, tmp_path: Path
):
    def epochs() -> list[list[int]]:
        loader = trainer_of(tiny_model, tmp_path, least=2, per_device_train_batch_size=3).get_train_dataloader()
        orders = []
        for epoch in range(5):
            loader.set_epoch(epoch)
            orders.append(list(loader.batch_sampler.sampler))
        return orders

    first = epochs()
    assert first == epochs()
    assert {len(set(order)) for order in first} == {6}
    assert len({frozenset(order) for order in first}) > 1


def test_too_few_clips_to_learn_from_are_said(tiny_model: EmoFusionModel, tmp_path: Path):
    trainer = trainer_of(tiny_model, tmp_path, train=1, least=2)
    with pytest.raises(SetupError, match="BatchNorm would get a single frame"):
        trainer.get_train_dataloader()


def test_evaluation_is_of_every_clip_in_its_order(tiny_model: EmoFusionModel, tmp_path: Path):
    trainer = trainer_of(
        tiny_model, tmp_path, per_device_eval_batch_size=3, dataloader_drop_last=True, dataloader_in_order=False
    )
    for loader in (trainer.get_eval_dataloader(clips(7)), trainer.get_test_dataloader(clips(7))):
        assert sizes(loader) == [3, 3, 1]
        assert loader.in_order
    assert trainer.args.dataloader_drop_last
    prediction = trainer.predict(clips(7))
    assert prediction.label_ids.tolist() == batch_of(7, labels=True)["labels"].tolist()


def test_loss_alone_is_for_validation_and_the_test_is_predicted(tiny_model: EmoFusionModel, tmp_path: Path):
    trainer = trainer_of(tiny_model, tmp_path)
    trainer.args.prediction_loss_only = True
    assert set(trainer.evaluate(clips(4))) >= {"eval_loss"}
    assert len(trainer.predict(clips(4)).label_ids) == 4


def test_part_of_the_clips_is_not_scored(tiny_model: EmoFusionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def half(*_: Any) -> EvalLoopOutput:
        return EvalLoopOutput(predictions=np.zeros((3, 8)), label_ids=np.zeros(3), metrics={}, num_samples=7)

    monkeypatch.setattr(Trainer, "evaluation_loop", half)
    with pytest.raises(JobError, match="expected a prediction for each of 7 clips, found 3"):
        trainer_of(tiny_model, tmp_path).predict(clips(7))
