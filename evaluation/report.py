"""What a run leaves behind beside its weights: metrics.json, predictions.parquet and plots."""

import json
import platform
import re
import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from transformers.trainer_utils import PredictionOutput

from emofusion.data import Account, Corpus
from emofusion.data.whole_files import write_whole
from emofusion.modeling import EmoFusionModel

from .metrics import chance_scores, confusion, logits_of, scores
from .plots import plot_confusion, plot_training

_LIBRARIES = ("emofusion", "torch", "torchvision", "torchaudio", "transformers", "datasets", "accelerate")


@dataclass(frozen=True)
class Protocol:
    """How a score was made: corpus, protocol, fold, label set, the actors and clips of every split, the account."""

    corpus: Corpus
    name: str
    fold: int
    label_set: str | None
    splits: dict[str, datasets.Dataset]
    account: Account

    def record(self) -> dict[str, Any]:
        """As it stands in metrics.json."""
        return {
            "corpus": self.corpus.name,
            "corpus_synthetic": self.corpus.synthetic,
            "corpus_notice": self.corpus.notice,
            "corpus_account": self.account.summary(),
            "label_set": self.label_set,
            "protocol": self.name,
            "fold": self.fold,
            "actors": {name: sorted(set(rows["actor"])) for name, rows in self.splits.items()},
            "clips": {name: len(rows) for name, rows in self.splits.items()},
        }


def predictions_table(rows: datasets.Dataset, prediction: PredictionOutput, id2label: dict[int, str]) -> pd.DataFrame:
    """One row a clip: `clip`, `actor`, `label`, `prediction`, `probabilities` (in id order) and `gate`."""
    probabilities = torch.from_numpy(logits_of(prediction.predictions)).float().softmax(-1).numpy()
    gate = prediction.predictions[1] if isinstance(prediction.predictions, tuple) else None
    return pd.DataFrame(
        {
            "clip": rows["clip"],
            "actor": rows["actor"],
            "label": [id2label[label] for label in rows["label"]],
            "prediction": [id2label[index] for index in probabilities.argmax(-1)],
            "probabilities": list(probabilities),
            "gate": np.full(len(rows), np.nan, np.float32) if gate is None else np.asarray(gate, np.float32),
        }
    )


def test_metrics(prediction: PredictionOutput, num_labels: int) -> dict[str, Any]:
    """`test_...` scores, confusion matrix, and what guessing scores."""
    labels, predicted = prediction.label_ids, logits_of(prediction.predictions).argmax(-1)
    return {
        **{f"test_{name}": value for name, value in scores(labels, predicted).items()},
        "test_confusion_matrix": confusion(labels, predicted, num_labels),
        **chance_scores(labels, num_labels),
    }


def run_record(model: EmoFusionModel, seed: int) -> dict[str, Any]:
    """Model, command and versions of this run."""
    config = model.config
    return {
        "labels": [config.id2label[index] for index in range(config.num_labels)],
        "fusion": config.fusion,
        "parameters": model.num_parameters(),
        "num_frames": config.num_frames,
        "image_size": config.image_size,
        "encoder_width": config.encoder_width,
        "window": config.window,
        "face_crop": config.face_crop,
        "seed": seed,
        "command": command_line(sys.argv),
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
    }


def command_line(argv: list[str]) -> str:
    """The command as a user would type it again; access tokens are left out, because the card is public."""
    words = [re.sub(r"^(--\w*token)=.*", r"\1=...", word) for word in argv[1:]]
    words = [
        "..." if before.startswith("--") and before.endswith("token") else word
        for before, word in zip(["", *words], words, strict=False)
    ]
    return shlex.join(["accelerate", "launch", Path(argv[0]).name, *words])


def save_metrics(metrics: dict[str, Any], folder: Path) -> None:
    """Write metrics.json."""
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / "metrics.json", lambda path: path.write_text(text, encoding="utf-8"))


def save_predictions(table: pd.DataFrame, folder: Path) -> None:
    """Write predictions.parquet."""
    write_whole(folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False))


def save_plots(metrics: dict[str, Any], history: list[dict[str, Any]], folder: Path) -> None:
    """Draw plots/confusion_matrix.png and, after training, plots/training_curves.png."""
    title = f"{metrics['fusion']}, {metrics['corpus']}"
    plot_confusion(
        metrics["test_confusion_matrix"],
        metrics["labels"],
        f"{title}: macro-F1 {metrics['test_macro_f1']:.2f} on {whose(metrics)} actors",
        folder / "plots" / "confusion_matrix.png",
    )
    if any("loss" in entry for entry in history):
        plot_training(history, title, folder / "plots" / "training_curves.png")


def whose(metrics: dict[str, Any]) -> str:
    """`unseen`, or a word that says that the test actors were seen in training."""
    return "already seen (leaky split)" if metrics.get("leaky") else "unseen"


def summary(metrics: dict[str, Any]) -> str:
    """The scores for people, with chance beside each and the corpus named."""
    lines = [
        f"{metrics['fusion']}: {metrics['clips']['test']} clips of {whose(metrics)} actors "
        f"{', '.join(map(str, metrics['actors']['test']))} ({metrics['corpus']}, {metrics['protocol']} fold "
        f"{metrics['fold']}, {metrics['label_set']})"
    ]
    for name, label in (("macro_f1", "macro-F1"), ("uar", "UAR"), ("accuracy", "accuracy")):
        score, chance = metrics[f"test_{name}"], metrics[f"chance_{name}"]
        lines.append(f"  {label:9} {score:.3f}  (chance {chance:.3f}; {metrics['corpus']})")
    return "\n".join(lines)
