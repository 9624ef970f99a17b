"""What metrics.json of a run holds, without a run: numbers of its own for every field."""

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from emofusion.data.inputs.degradation import conditions_for
from emofusion.evaluation.scores.branches import branch_fields
from emofusion.evaluation.scores.scoring import score_predictions

EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
MODALITIES = {"audio": ["audio"], "video": ["video"]}


def kept(make: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Make a record once for the same arguments and hand out copies: to score clips takes longer than most tests."""
    made: dict[str, str] = {}

    @functools.wraps(make)
    def copy_of(*given: Any, **named: Any) -> dict[str, Any]:
        key = repr((given, sorted(named.items())))
        if key not in made:
            made[key] = json.dumps(make(*given, **named))
        return json.loads(made[key])

    return copy_of


def predictions(names: list[str], actors: list[int] | None, seed: int = 0, unsure_below: float = 0.0) -> pd.DataFrame:
    """A table as of a model that is right in about half of the clips; the last class has no clip."""
    generator = np.random.default_rng(seed)
    clips = 60 * len(actors or [17])
    probabilities = generator.dirichlet(np.ones(len(names)), clips)
    labels = np.where(generator.random(clips) < 0.4, probabilities.argmax(1), generator.integers(0, 99, clips))
    labels %= len(names) - 1
    table = {
        "clip": [f"clip {index}" for index in range(clips)],
        "label": [names[index] for index in labels],
        "prediction": [names[index] for index in probabilities.argmax(1)],
        "answered": probabilities.max(1) >= unsure_below,
        "probabilities": list(probabilities),
    }
    if actors:
        table["actor"] = np.repeat(actors, 60)
        table["gender"] = np.where(table["actor"] % 2, "male", "female")
    return pd.DataFrame(table)


def damaged(fusion: str, silent: bool) -> list[dict[str, Any]]:
    """A robustness table with numbers that are all different."""
    numbers = iter(np.linspace(0.05, 0.95, 60))
    conditions = conditions_for(MODALITIES.get(fusion, ["audio", "video"]), has_audio=not silent)
    gated = fusion in ("gated", "xattn")
    scores = ("macro_f1", "uar", "accuracy", "unchanged")
    return [
        {
            "condition": condition.name,
            "clips": 240,
            **{name: float(next(numbers)) for name in scores},
            "gate": next(numbers) if gated else None,
        }
        for condition in conditions
    ]


@kept
def metrics_of(fusion: str = "gated", actors: tuple[int, ...] = (17, 18, 19, 20), **changes: Any) -> dict[str, Any]:
    """metrics.json of a run; without actors it is of a corpus of still pictures."""
    names = changes.get("labels", EMOTIONS)
    parts = {"train": [1, 2, 3], "validation": [13], "test": list(actors)}
    table = predictions(names, list(actors), unsure_below=changes.get("unsure_below", 0.0))
    metrics = {
        "corpus": "RAVDESS" if actors else "FER-2013",
        "corpus_synthetic": False,
        "corpus_notice": "Where the corpus comes from.",
        "label_set": "emotions8",
        "protocol": "holdout",
        "fold": 0,
        "actors": parts if actors else {},
        "clips": {"train": 336, "validation": 112, "test": 60 * len(actors or [17])},
        "labels": names,
        "fusion": fusion,
        "parameters": 22_545_161,
        "num_frames": 8,
        "image_size": 112,
        "encoder_width": 64,
        "window": "voice",
        "face_crop": "none",
        "grey": False,
        "trained_modalities": MODALITIES.get(fusion, ["audio", "video"]),
        "seed": 42,
        "command": "accelerate launch train_hf.py recipes/gated.yaml --data_dir 'my corpus'",
        "versions": {"torch": "2.12.0", "python": "3.11.7"},
        "trained": True,
        "leaky": False,
        "load_from": "you/model",
        "epochs": 10.0,
        "validation_macro_f1": 0.52351,
        "unsure_below": 0.0,
        **score_predictions(table, names),
        "robustness": damaged(fusion, silent=not actors),
    }
    return metrics | changes


def mistaken(table: pd.DataFrame, share: float, seed: int = 0) -> pd.DataFrame:
    """The predictions of a model that is wrong in this share of the clips of every actor, and right in the others."""
    generator, names = np.random.default_rng(seed), sorted(set(table["label"]))
    wrong = {label: names[index - 1] for index, label in enumerate(names)}
    ranks = table.groupby("actor").cumcount().to_numpy() / table.groupby("actor")["clip"].transform("size").to_numpy()
    for actor in set(table["actor"]):
        ranks[table["actor"] == actor] = generator.permutation(ranks[table["actor"] == actor])
    predicted = np.where(ranks < share, table["label"].map(wrong), table["label"])
    return table.assign(prediction=predicted)


@kept
def beside_branches(
    audio: float, video: float, fusion: float, validated: tuple[float, float] | None = (0.6, 0.5), **changes: Any
) -> dict[str, Any]:
    """metrics.json of a fusion beside its branches; each is wrong in the share of the clips that is given."""
    metrics = metrics_of(**changes)
    names, table = metrics["labels"], predictions(metrics["labels"], metrics["actors"]["test"])
    tables = [mistaken(table, share, seed) for seed, share in enumerate((audio, video, fusion))]
    runs = []
    for index, (kind, of_run) in enumerate(zip(("audio", "video", metrics["fusion"]), tables, strict=True)):
        record = metrics | {"fusion": kind} | score_predictions(of_run, names)
        record.pop("validation_macro_f1")
        if validated is not None and index < 2:
            record["validation_uar"] = validated[index]
        runs.append((record, of_run))
    return {**runs[2][0], **branch_fields(runs[2], {"audio": runs[0], "video": runs[1]})}
