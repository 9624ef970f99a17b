"""What a run that trained writes down of its training."""

from typing import cast

from transformers import TrainerState

from .run_record import TrainingFields


def training_fields(state: TrainerState, metric: str, select: str, train_loss: float | None) -> TrainingFields:
    """Epochs, loss, which weights were kept, and their validation score, where there is one.

    Args:
        state (`TrainerState`): The trainer's, after training.
        metric (`str`): `metric_for_best_model`, with Trainer's `eval_` before it or without.
        select (`str`): What the run was told to keep: `"best"` or `"last"`.
        train_loss (`float`, *optional*): Mean loss over all steps; None where Trainer counted only a part of them.
    """
    select, score = kept(state, metric, select)
    fields: TrainingFields = {"epochs": round(state.epoch or 0, 2), "select": select}
    if train_loss is not None:
        fields["train_loss"] = train_loss
    if score is None:
        return fields
    # Its name is the user's choice; run_record.py lists those that make sense.
    return cast(TrainingFields, fields | {f"validation_{metric.removeprefix('eval_')}": score})


def kept(state: TrainerState, metric: str, select: str) -> tuple[str, float | None]:
    """Which weights a training ends with, and their validation score; None where they were not validated.

    Arguments are those of `training_fields`. Where nothing was validated there is no best, and the last are kept.
    """
    if select == "best" and state.best_metric is not None:
        return "best", state.best_metric
    name = f"eval_{metric.removeprefix('eval_')}"
    at_end = [entry[name] for entry in state.log_history if name in entry and entry["step"] == state.global_step]
    return "last", at_end[-1] if at_end else None
