"""How a model does where input is missing or damaged.

Source: Derington et al. 2023, Testing Speech Emotion Recognition Machine Learning Models (arXiv:2312.06270), who test
correctness, fairness and robustness; metrics.json has the first anyway.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from datasets import Dataset
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput

from emofusion.data.inputs.clip_inputs import ClipInputs
from emofusion.data.inputs.degradation import UNDISTURBED, Degraded, conditions_for
from emofusion.data.inputs.picture_augment import unit_spread
from emofusion.data.store.progress import Bar
from emofusion.evaluation.people import people_of
from emofusion.modeling import EmoFusionProcessor

from .metrics import scores
from .score_fields import RobustnessRow
from .trainer_output import gate_of, logits_of


def robustness_table(
    predict: Callable[[Dataset], PredictionOutput | EvalLoopOutput],
    rows: Dataset,
    processor: EmoFusionProcessor,
    modalities: Sequence[str],
    undisturbed: PredictionOutput | None = None,
) -> list[RobustnessRow]:
    """Scores under every condition that makes sense for the model, each on the clips that have what it is about.

    Args:
        predict (`Callable`): `trainer.predict`.
        rows (`Dataset`): The test split without its transform.
        processor (`EmoFusionProcessor`): The model's processor.
        modalities (`Sequence[str]`): `model.config.modalities`.
        undisturbed (`PredictionOutput`, *optional*): What the model says of the rows as they are, where that is known.

    Returns:
        `list[RobustnessRow]`: A row a condition, all clips undisturbed first.

    Raises:
        ValueError: `undisturbed` is of other rows.
    """
    if undisturbed is not None and len(logits_of(undisturbed.predictions)) != len(rows):
        raise ValueError(
            f"undisturbed: expected a prediction of the {len(rows)} rows given, found one of "
            f"{len(logits_of(undisturbed.predictions))}"
        )
    there = {modality: _has(rows, modality) for modality in ("audio", "video")}
    spread = unit_spread(rows) if processor.reads_action_units else None
    first, *others = conditions_for(
        modalities,
        bool(there["audio"].any()),
        bool(there["video"].any()),
        1 if "image" in rows.column_names else processor.num_frames,
        action_units=spread is not None,
    )
    if not all(there[modality].all() for modality in modalities):
        first = replace(first, name=UNDISTURBED)
    inputs = ClipInputs(processor)
    before = undisturbed if undisturbed is not None else predict(rows.with_transform(inputs))
    unworsened = logits_of(before.predictions).argmax(-1)
    people = people_of(rows)
    actors = None if people is None else np.array(people)
    table = [_row(first.name, before, unworsened, actors)]
    for condition in Bar(others, desc="robustness", unit="condition"):
        clips = np.flatnonzero(np.all([there[modality] for modality in condition.needs], axis=0))
        if len(clips):
            prediction = predict(rows.select(clips).with_transform(Degraded(inputs, condition, spread)))
            table.append(
                _row(condition.name, prediction, unworsened[clips], None if actors is None else actors[clips])
            )
    return table


def _row(
    condition: str, prediction: PredictionOutput | EvalLoopOutput, before: np.ndarray, actors: np.ndarray | None
) -> RobustnessRow:
    """Scores of a prediction, how many of the earlier predictions `[clips]` it keeps, and the gate by actor."""
    predicted, gate = logits_of(prediction.predictions).argmax(-1), gate_of(prediction.predictions)
    gate = None if gate is None else gate.astype(np.float64)
    found = scores(prediction.label_ids, predicted)
    return {
        "condition": condition,
        "clips": len(predicted),
        "macro_f1": found["macro_f1"],
        "uar": found["uar"],
        "accuracy": found["accuracy"],
        "unchanged": float(np.mean(predicted == before)),
        "gate": None if gate is None else float(np.mean(gate)),
        "gate_by_actor": None if gate is None or actors is None else _means(gate, actors),
    }


def _means(values: np.ndarray, actors: np.ndarray) -> dict[str, float]:
    """Mean of the values `[clips]` of each actor."""
    return {str(actor): float(values[actors == actor].mean()) for actor in np.unique(actors)}


def _has(rows: Dataset, modality: str) -> np.ndarray:
    """Which clips `[clips]` have sound, or a picture. Corpora of still pictures have no column about sound."""
    name = f"has_{modality}"
    return np.array(rows[name] if name in rows.column_names else [False] * len(rows), bool)
