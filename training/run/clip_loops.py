"""Loops over clips: training on batches that BatchNorm can learn from, and evaluation on every clip."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from torch.utils.data import DataLoader, RandomSampler, Sampler, SequentialSampler
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from emofusion.training.errors import JobError, SetupError
from emofusion.training.setup.batches import SHRINKS, clips_of_an_epoch


class ClipLoops(Trainer):
    """Trainer whose flags on training batches leave evaluation alone.

    Args:
        args: As Trainer's.
        least_clips (`int`): How few clips a training step can have; a last batch of fewer is left out of its epoch.
        kwargs: As Trainer's.
    """

    def __init__(self, *args: Any, least_clips: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.least_clips = least_clips

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        """The clips of an epoch in their order; which one is left out is drawn anew for each epoch."""
        rows = self.train_dataset if train_dataset is None else train_dataset
        # Several processes fill up a last batch with clips that were seen before.
        least = self.least_clips if self.args.world_size == 1 else 1
        clips = clips_of_an_epoch(len(rows), self._train_batch_size, least, max(1, self.args.n_gpu))
        if clips == 0:
            raise SetupError(
                f"--per_device_train_batch_size: with batches of {self._train_batch_size} of the {len(rows)} training "
                f"clips BatchNorm would get a single frame, and it cannot learn from one; take more clips, or an "
                f"--image_size above {SHRINKS}"
            )
        if self.args.train_sampling_strategy == "sequential":
            return SequentialSampler(range(clips))
        return RandomSampler(rows, num_samples=clips)

    def get_eval_dataloader(self, eval_dataset: str | Dataset | None = None) -> DataLoader[Any]:
        """Trainer's own, of every clip in its order, whatever the flags say of training batches."""
        with self._every_clip_in_order():
            return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset: Dataset) -> DataLoader[Any]:
        """Trainer's own, of every clip in its order, whatever the flags say of training batches."""
        with self._every_clip_in_order():
            return super().get_test_dataloader(test_dataset)

    @contextmanager
    def _every_clip_in_order(self) -> Iterator[None]:
        before = self.args.dataloader_drop_last, self.args.dataloader_in_order
        self.args.dataloader_drop_last, self.args.dataloader_in_order = False, True
        try:
            yield
        finally:
            self.args.dataloader_drop_last, self.args.dataloader_in_order = before

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Trainer's own; `--prediction_loss_only` is about validation, and every clip must have been predicted.

        Raises:
            JobError: One was not, or one was twice.
        """
        if metric_key_prefix != "eval":
            prediction_loss_only = False
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        if output.label_ids is not None and len(output.label_ids) != output.num_samples:
            raise JobError(
                f"{description.lower()}: expected a prediction for each of {output.num_samples} clips, found "
                f"{len(output.label_ids)}; nothing is scored by a part of them. Do without --accelerator_config, and "
                "with one process if it happens again"
            )
        return output
