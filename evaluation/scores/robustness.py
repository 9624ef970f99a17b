"""How a model does where input is missing or damaged, and whether it does as well for everyone.

Source: Derington et al. 2023, Testing Speech Emotion Recognition Machine Learning Models (arXiv:2312.06270), who test
correctness, fairness and robustness; metrics.json has the first anyway.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from datasets import Dataset
from datasets.utils import tqdm
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput

from emofusion.data.inputs.clip_inputs import ClipInputs
from emofusion.data.inputs.degradation import UNDISTURBED, Degraded, conditions_for
from emofusion.evaluation.reports.tables import markdown_table, number
from emofusion.modeling import EmoFusionProcessor

from .metrics import SCORES, TITLES, logits_of, scores


def robustness_table(
    predict: Callable[[Dataset], PredictionOutput | EvalLoopOutput],
    rows: Dataset,
    processor: EmoFusionProcessor,
    modalities: Sequence[str],
    undisturbed: PredictionOutput | None = None,
) -> list[dict[str, Any]]:
    """Scores under every condition that makes sense for the model, each on the clips that have what it is about.

    Args:
        predict (`Callable`): `trainer.predict`.
        rows (`Dataset`): The test split without its transform.
        processor (`EmoFusionProcessor`): The model's processor.
        modalities (`Sequence[str]`): `model.config.modalities`.
        undisturbed (`PredictionOutput`, *optional*): What the model says of the rows as they are, where that is known.

    Returns:
        `list[dict]`: A row a condition, all clips undisturbed first: `condition`, `clips` (how many have what it
        takes away or damages), `macro_f1`, `uar`, `accuracy`, `unchanged` (share of these clips with the same
        prediction as undisturbed) and `gate` (mean weight of the sound, None for a model without a gate).

    Raises:
        ValueError: `undisturbed` is of other rows.
    """
    if undisturbed is not None and len(logits_of(undisturbed.predictions)) != len(rows):
        raise ValueError(
            f"undisturbed: expected a prediction of the {len(rows)} rows given, found one of "
            f"{len(logits_of(undisturbed.predictions))}"
        )
    there = {modality: _has(rows, modality) for modality in ("audio", "video")}
    still = "image" in rows.column_names
    first, *others = conditions_for(
        modalities, bool(there["audio"].any()), bool(there["video"].any()), 1 if still else processor.num_frames
    )
    if not all(there[modality].all() for modality in modalities):
        first = replace(first, name=UNDISTURBED)
    inputs = ClipInputs(processor)
    before = undisturbed if undisturbed is not None else predict(rows.with_transform(inputs))
    unworsened = logits_of(before.predictions).argmax(-1)
    table = [_row(first.name, before, unworsened)]
    for condition in tqdm(others, desc="robustness", unit="condition"):
        clips = np.flatnonzero(np.all([there[modality] for modality in condition.needs], axis=0))
        if len(clips):
            prediction = predict(rows.select(clips).with_transform(Degraded(inputs, condition)))
            table.append(_row(condition.name, prediction, unworsened[clips]))
    return table


def _row(condition: str, prediction: PredictionOutput | EvalLoopOutput, before: np.ndarray) -> dict[str, Any]:
    """Scores of a prediction, and how many of the earlier predictions `[clips]` it keeps."""
    predicted = logits_of(prediction.predictions).argmax(-1)
    found = scores(prediction.label_ids, predicted)
    return {
        "condition": condition,
        "clips": len(predicted),
        **{name: found[name] for name in SCORES},
        "unchanged": float(np.mean(predicted == before)),
        "gate": _mean_gate(prediction),
    }


def robustness_markdown(table: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown; the gate has a column where the model has one, and clips where they differ."""
    names = ["clips"] if len({row.get("clips") for row in table}) > 1 else []
    names += [*SCORES, "unchanged"]
    names += ["gate"] if any(row["gate"] is not None for row in table) else []
    rows = [[row["condition"], *(number(row.get(name)) for name in names)] for row in table]
    return markdown_table(["condition", *(TITLES.get(name, name) for name in names)], rows)


def fairness(metrics: dict[str, Any]) -> dict[str, Any]:
    """How far the UAR differs between people; what cannot be compared is left out.

    Args:
        metrics (`dict`): Content of metrics.json.

    Returns:
        `dict`: `gender_gap` and `actor_gap`: best less worst UAR (0..1).
    """
    genders, actors = (_uar_of(metrics.get(name)) for name in ("test_by_gender", "test_by_actor"))
    found: dict[str, Any] = {}
    if len(genders) > 1:
        found["gender_gap"] = max(genders.values()) - min(genders.values())
    if len(actors) > 1:
        found["actor_gap"] = max(actors.values()) - min(actors.values())
    return found


def _uar_of(groups: dict[str, dict[str, Any]] | None) -> dict[str, float]:
    """UAR by group, of those that have one."""
    found = {name: group.get("uar") for name, group in (groups or {}).items()}
    return {name: float(uar) for name, uar in found.items() if uar is not None and not math.isnan(uar)}


def _has(rows: Dataset, modality: str) -> np.ndarray:
    """Which clips `[clips]` have sound, or a picture. Corpora of still pictures have no column about sound."""
    name = f"has_{modality}"
    return np.array(rows[name] if name in rows.column_names else [False] * len(rows), bool)


def _mean_gate(prediction: PredictionOutput | EvalLoopOutput) -> float | None:
    """Mean of the gate, which comes second in a tuple."""
    if not isinstance(prediction.predictions, tuple):
        return None
    return float(np.mean(np.asarray(prediction.predictions[1], np.float64)))
