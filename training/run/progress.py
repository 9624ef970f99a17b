"""What a training shows on the screen: one bar, and a readable line for each validation."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import logging as transformers_logging

from emofusion.evaluation.record.training_fields import kept
from emofusion.evaluation.scores.score_fields import SCORES, TITLES

logger = logging.getLogger(__name__)


class Progress(TrainerCallback):
    """Takes the place of Trainer's bars and printed dicts.

    All of it goes to standard error, because standard output holds results. The bar is for a terminal alone, and
    `--disable_tqdm` leaves it out; the lines are the same without it.
    """

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.loss: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin the bar, at the step where a resumed run goes on."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                desc="training",
                unit="step",
                disable=True if args.disable_tqdm else None,  # None: no bar in a file
                dynamic_ncols=True,
                file=sys.stderr,
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Say what was measured; a training loss waits for the validation that follows it at once."""
        if not state.is_world_process_zero or logs is None:
            return
        if "eval_loss" in logs:
            _say(line_of(state.epoch or 0.0, self.loss, logs))
            self.loss = None
        elif "loss" in logs:
            self.loss = logs["loss"]
            if not control.should_evaluate:
                _say(line_of(state.epoch or 0.0, self.loss, {}))
                self.loss = None

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the bar, and say which checkpoint is kept, or why none was chosen."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        if not state.is_world_process_zero:
            return
        name = str(args.metric_for_best_model)
        select, score = kept(state, name, args.select)
        if select != args.select:
            logger.warning(
                "--eval_delay %g: training ended before anything was validated, so no checkpoint was chosen; the "
                "weights are those of the last step",
                args.eval_delay,
            )
        elif score is not None:
            step = state.best_global_step if select == "best" else f"{state.global_step}, the last"
            _say(f"kept: step {step}, validation {TITLES.get(name, name)} {score:.3f}")


def line_of(epoch: float, loss: float | None, validation: Mapping[str, float]) -> str:
    """One line on a training and what validation measured, such as `epoch 2: loss 1.904; validation: loss 2.261`."""
    training = f"loss {loss:.3f}" if loss is not None else ""
    scores = [f"loss {validation['eval_loss']:.3f}"] if validation else []
    scores += [f"{TITLES[name]} {validation[f'eval_{name}']:.3f}" for name in SCORES if f"eval_{name}" in validation]
    parts = [part for part in (training, f"validation: {', '.join(scores)}" if scores else "") if part]
    return f"epoch {epoch:.3g}: {'; '.join(parts)}"


def _say(line: str) -> None:
    """Above the bar, where there is one."""
    tqdm.write(line, file=sys.stderr)


@contextmanager
def no_bars_of_transformers() -> Iterator[None]:
    """Saving or loading takes a moment, and transformers would draw a bar for it each time."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
