"""`--ema_decay`: the average of the weights on their way is what is validated, saved and shipped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.hooks import RemovableHandle
from transformers import Trainer
from transformers.trainer_utils import TrainOutput

from emofusion.evaluation.run_files import TRAINING_WEIGHTS_FILE

_COUNT = "averaged_steps"
"""Beside the weights in `TRAINING_WEIGHTS_FILE`: the average of no step is no average yet."""


class AveragedWeights(Trainer):
    """Trainer that keeps an exponential moving average of weights and BatchNorm statistics, one update a step.

    While it trains, the model holds the weights that training goes on from, and changes places with the average for
    each validation and each checkpoint; when training ends, the model is the average, or the best checkpoint, which
    was one. Beside the optimizer a checkpoint keeps the weights that training goes on from, in float32 as they are.

    `args.ema_decay` is the share of the average that a step leaves alone; with 0 this is Trainer as it is.

    Source: Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging; as an exponential moving
    average in Tarvainen and Valpola 2017, Mean Teachers (arXiv:1703.01780).
    """

    _average: AveragedModel | None = None
    _hook: RemovableHandle | None = None

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Trainer's own; each of its steps moves the average. One that mixed precision skips does not."""
        optimizer = super().create_optimizer(model)
        if self._hook is not None:
            self._hook.remove()
        self._average = self._hook = None
        if self.args.ema_decay:
            self._average = AveragedModel(
                self._bare_model, multi_avg_fn=get_ema_multi_avg_fn(self.args.ema_decay), use_buffers=True
            )
            inner = getattr(optimizer, "optimizer", optimizer)  # of accelerate's, where training begins once more
            self._hook = inner.register_step_post_hook(self._after_step)
        return optimizer

    @property
    def _bare_model(self) -> torch.nn.Module:
        return self.accelerator.unwrap_model(self.model)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        overflow = getattr(optimizer, "found_inf", None)  # a fused optimizer skips such a step by itself
        if self._average is not None and not (overflow is not None and bool(overflow)):
            self._average.update_parameters(self._bare_model)

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Trainer's own; ends with the average, unless a checkpoint was chosen, whose weights are one already."""
        output = super().train(*args, **kwargs)
        if self._average is not None:
            self._exchange()
            self._average = None
        return output

    def _load_best_model(self) -> None:
        super()._load_best_model()
        self._average = None

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Trainer's own, of the average."""
        with self._averaged():
            return super().evaluate(*args, **kwargs)

    def save_model(self, *args: Any, **kwargs: Any) -> None:
        """Trainer's own, of the average."""
        with self._averaged():
            super().save_model(*args, **kwargs)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model holds the average for a while."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        """Let model and average change places. Contents move and tensors stay, for others hold them, too."""
        if self._average is None:
            return
        average = self._average.module.state_dict()
        for name, ours in self._bare_model.state_dict().items():
            kept = ours.clone()
            ours.copy_(average[name])
            average[name].copy_(kept)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self._average is not None and self.args.should_save:
            weights = {name: tensor.contiguous() for name, tensor in self._bare_model.state_dict().items()}
            save_file({**weights, _COUNT: self._average.n_averaged}, Path(output_dir) / TRAINING_WEIGHTS_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Trainer's own, and the weights to go on from: the model, and so the average, were loaded before."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if self._average is not None and checkpoint is not None:
            weights = load_file(Path(checkpoint) / TRAINING_WEIGHTS_FILE)
            self._average.n_averaged.copy_(weights.pop(_COUNT))
            self._bare_model.load_state_dict(weights)
