"""predictions.parquet: one row a test clip, from which every score can be computed again."""

from collections.abc import Sequence
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import torch
from transformers.trainer_utils import PredictionOutput

from emofusion.data.whole_files import write_whole
from emofusion.evaluation.people import people_of
from emofusion.evaluation.run_files import PREDICTIONS_FILE
from emofusion.evaluation.scores.trainer_output import gate_of, logits_of


def predictions_table(
    rows: datasets.Dataset, prediction: PredictionOutput, labels: Sequence[str], unsure_below: float = 0.0
) -> pd.DataFrame:
    """One row a clip: `clip`, `actor`, `gender`, `label`, `prediction`, `answered`, `probabilities` and `gate`.

    Probabilities are in the order of the class ids; `answered` is whether that of the prediction is `unsure_below` or
    more. Clips of one's own name their speaker as the
    actor, if anybody; still pictures have no actor and no gender; `gate` is NaN for a model without one.
    """
    probabilities = torch.from_numpy(logits_of(prediction.predictions)).float().softmax(-1).numpy()
    gate = gate_of(prediction.predictions)
    people = people_of(rows)
    return pd.DataFrame(
        {
            "clip": rows["clip"],
            **({} if people is None else {"actor": people}),
            **({"gender": rows["gender"]} if "gender" in rows.column_names else {}),
            "label": [labels[label] for label in rows["label"]],
            "prediction": [labels[index] for index in probabilities.argmax(-1)],
            "answered": probabilities.max(-1) >= unsure_below,
            "probabilities": list(probabilities),
            "gate": np.full(len(rows), np.nan, np.float32) if gate is None else gate.astype(np.float32),
        }
    )


def save_predictions(table: pd.DataFrame, folder: Path) -> None:
    """Write predictions.parquet into a run's folder."""
    write_whole(folder / PREDICTIONS_FILE, lambda path: table.to_parquet(path, index=False))


def read_predictions(folder: Path) -> pd.DataFrame:
    """The predictions of the run in this folder."""
    return pd.read_parquet(folder / PREDICTIONS_FILE)
