"""What a run that trained writes down of its training."""

from typing import cast

from transformers import TrainerState

from .run_record import TrainingFields


def training_fields(state: TrainerState, chosen_by: str | None, train_loss: float | None) -> TrainingFields:
    """Epochs, loss, and the validation score of the checkpoint that was kept, where there are any.

    Args:
        state (`TrainerState`): The trainer's, after training.
        chosen_by (`str`, *optional*): `metric_for_best_model`, with Trainer's `eval_` before it or without; None where
            the last step was kept, however the others did.
        train_loss (`float`, *optional*): Mean loss over all steps; None where Trainer counted only a part of them.
    """
    fields: TrainingFields = {"epochs": round(state.epoch or 0, 2)}
    if train_loss is not None:
        fields["train_loss"] = train_loss
    if chosen_by is None or state.best_metric is None:
        return fields
    # Its name is the user's choice; run_record.py lists those that make sense.
    best = {f"validation_{chosen_by.removeprefix('eval_')}": state.best_metric}
    return cast(TrainingFields, fields | best)
