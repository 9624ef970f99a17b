"""How a model does where input is missing or damaged, and whether it does as well for everyone.

Source: Derington et al. 2023, Testing Speech Emotion Recognition Machine Learning Models (arXiv:2312.06270), who test
correctness, fairness and robustness; metrics.json has the first anyway.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from datasets.utils import tqdm
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput

from emofusion.data.degradation import Degraded, conditions_for
from emofusion.data.inputs import ClipInputs
from emofusion.modeling import EmoFusionProcessor

from .metrics import logits_of, scores

_COLUMNS = {"macro_f1": "macro-F1", "uar": "UAR", "accuracy": "accuracy", "unchanged": "unchanged"}


def robustness_table(
    predict: Callable[[Dataset], PredictionOutput | EvalLoopOutput],
    rows: Dataset,
    processor: EmoFusionProcessor,
    modalities: Sequence[str],
    undisturbed: PredictionOutput | None = None,
) -> list[dict[str, Any]]:
    """Scores under every condition that makes sense for the model and the clips.

    Args:
        predict (`Callable`): `trainer.predict`.
        rows (`Dataset`): The test split without its transform.
        processor (`EmoFusionProcessor`): The model's processor.
        modalities (`Sequence[str]`): `model.config.modalities`.
        undisturbed (`PredictionOutput`, *optional*): What the model says of the rows as they are, where that is known.

    Returns:
        `list[dict]`: A row a condition, the undisturbed input first: `condition`, `macro_f1`, `uar`, `accuracy`,
        `unchanged` (share of clips with the same prediction as undisturbed) and `gate` (mean weight of the sound,
        None for a model without a gate).

    Raises:
        ValueError: `undisturbed` is of other rows.
    """
    if undisturbed is not None and len(logits_of(undisturbed.predictions)) != len(rows):
        raise ValueError(
            f"undisturbed: expected a prediction of the {len(rows)} rows given, found one of "
            f"{len(logits_of(undisturbed.predictions))}"
        )
    still = "image" in rows.column_names
    conditions = conditions_for(
        modalities, _any(rows, "audio"), _any(rows, "video"), num_frames=1 if still else processor.num_frames
    )
    inputs, table = ClipInputs(processor), []
    before: np.ndarray | None = None
    for condition in tqdm(conditions, desc="robustness", unit="condition"):
        if before is None and undisturbed is not None:
            prediction = undisturbed
        else:
            prediction = predict(rows.with_transform(Degraded(inputs, condition)))
        predicted = logits_of(prediction.predictions).argmax(-1)
        before = predicted if before is None else before
        found = scores(prediction.label_ids, predicted)
        table.append(
            {
                "condition": condition.name,
                **{name: found[name] for name in ("macro_f1", "uar", "accuracy")},
                "unchanged": float(np.mean(predicted == before)),
                "gate": _mean_gate(prediction),
            }
        )
    return table


def robustness_markdown(table: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown; the gate has a column where the model has one."""
    gated = any(row["gate"] is not None for row in table)
    names = [*_COLUMNS, *(["gate"] if gated else [])]
    lines = [
        f"| condition | {' | '.join(_COLUMNS.get(name, name) for name in names)} |",
        f"| --- |{' ---: |' * len(names)}",
    ]
    for row in table:
        numbers = " | ".join("-" if row[name] is None else f"{row[name]:.3f}" for name in names)
        lines.append(f"| {row['condition']} | {numbers} |")
    return "\n".join(lines)


def fairness(metrics: dict[str, Any]) -> dict[str, Any]:
    """How far the UAR differs between people; what cannot be compared is left out.

    Args:
        metrics (`dict`): Content of metrics.json.

    Returns:
        `dict`: `gender_gap` and `actor_gap`, best less worst UAR (0..1), and `weakest_actor`, the number of the one
        with the lowest (the first of several).
    """
    genders, actors = (_uar_of(metrics.get(name)) for name in ("test_by_gender", "test_by_actor"))
    found: dict[str, Any] = {}
    if len(genders) > 1:
        found["gender_gap"] = max(genders.values()) - min(genders.values())
    if len(actors) > 1:
        found["actor_gap"] = max(actors.values()) - min(actors.values())
        found["weakest_actor"] = min((uar, int(actor)) for actor, uar in actors.items())[1]
    return found


def _uar_of(groups: dict[str, dict[str, Any]] | None) -> dict[str, float]:
    """UAR by group, of those that have one."""
    found = {name: group.get("uar") for name, group in (groups or {}).items()}
    return {name: float(uar) for name, uar in found.items() if uar is not None and not math.isnan(uar)}


def _any(rows: Dataset, modality: str) -> bool:
    """Whether any clip has sound, or a picture. Corpora of still pictures have no column about sound."""
    return f"has_{modality}" in rows.column_names and any(rows[f"has_{modality}"])


def _mean_gate(prediction: PredictionOutput | EvalLoopOutput) -> float | None:
    """Mean of the gate, which comes second in a tuple."""
    if not isinstance(prediction.predictions, tuple):
        return None
    return float(np.mean(np.asarray(prediction.predictions[1], np.float64)))
