"""What a run leaves behind beside its weights: metrics.json, predictions.parquet and plots."""

import json
import platform
import re
import shlex
from collections.abc import Sequence
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
from emofusion.data.corpora.image_account import ImageAccount
from emofusion.data.protocols import numbers
from emofusion.data.whole_files import write_whole
from emofusion.evaluation.compare import METRICS_FILE
from emofusion.evaluation.plots.run_plots import plot_actors, plot_confusion, plot_robustness, plot_training
from emofusion.evaluation.scores.metrics import SCORES, TITLES, logits_of
from emofusion.modeling import EmoFusionModel

from .subject import known_actors, pictures_of, tested_on

PREDICTIONS_FILE = "predictions.parquet"
_LIBRARIES = ("emofusion", "torch", "torchvision", "torchaudio", "transformers", "datasets", "accelerate")


@dataclass(frozen=True)
class Protocol:
    """How a score was made: corpus, protocol, fold, label set, the actors and clips of every split, the account.

    Attributes:
        test_part (`str`): The split of the corpus whose rows are scored; the record names it where it is another.
    """

    corpus: Corpus
    name: str
    fold: int
    label_set: str | None
    splits: dict[str, datasets.Dataset]
    account: Account | ImageAccount
    test_part: str = "test"

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
            "actors": {
                name: sorted(set(rows["actor"])) for name, rows in self.splits.items() if "actor" in rows.column_names
            },
            "clips": {name: len(rows) for name, rows in self.splits.items()},
            **({"test_part": self.test_part} if self.test_part != "test" else {}),
        }


def predictions_table(rows: datasets.Dataset, prediction: PredictionOutput, labels: Sequence[str]) -> pd.DataFrame:
    """One row a clip: `clip`, `actor`, `gender`, `label`, `prediction`, `probabilities` and `gate`.

    Probabilities are in the order of the class ids. Still pictures have no actor and no gender.
    """
    probabilities = torch.from_numpy(logits_of(prediction.predictions)).float().softmax(-1).numpy()
    gate = prediction.predictions[1] if isinstance(prediction.predictions, tuple) else None
    return pd.DataFrame(
        {
            "clip": rows["clip"],
            **{name: rows[name] for name in ("actor", "gender") if name in rows.column_names},
            "label": [labels[label] for label in rows["label"]],
            "prediction": [labels[index] for index in probabilities.argmax(-1)],
            "probabilities": list(probabilities),
            "gate": np.full(len(rows), np.nan, np.float32) if gate is None else np.asarray(gate, np.float32),
        }
    )


def run_record(model: EmoFusionModel, seed: int, command: Sequence[str]) -> dict[str, Any]:
    """Model, command (its words, from the script's name on) and versions of this run."""
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
        "command": command_line(command),
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
    }


def command_line(argv: Sequence[str]) -> str:
    """The command as a user would type it again: no flag twice, and no access tokens, because the card is public."""
    words = [re.sub(r"^(--[\w-]*token)=.*", r"\1=...", word) for word in _last_of_each_flag(argv[1:])]
    words = [
        "..." if before.startswith("--") and before.endswith("token") else word
        for before, word in zip(["", *words], words, strict=False)
    ]
    return shlex.join(["accelerate", "launch", Path(argv[0]).name, *words])


def _last_of_each_flag(words: Sequence[str]) -> list[str]:
    """The words without flags that a later one of the same name overrides, as those of one run of several are."""
    groups: list[list[str]] = []
    for word in words:
        if word.startswith("--") or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    names = [group[0].split("=")[0].replace("-", "_") for group in groups]  # --output-dir is --output_dir
    last = dict(zip(names, groups, strict=True))
    return [word for name, group in zip(names, groups, strict=True) if last[name] is group for word in group]


def save_metrics(metrics: dict[str, Any], folder: Path) -> None:
    """Write metrics.json."""
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / METRICS_FILE, lambda path: path.write_text(text, encoding="utf-8"))


def save_predictions(table: pd.DataFrame, folder: Path) -> None:
    """Write predictions.parquet."""
    write_whole(folder / PREDICTIONS_FILE, lambda path: table.to_parquet(path, index=False))


def save_plots(metrics: dict[str, Any], history: list[dict[str, Any]], folder: Path) -> None:
    """Draw what there is into plots/: confusion_matrix.png, actors.png, robustness.png and training_curves.png.

    Args:
        metrics (`dict`): Content of metrics.json.
        history (`list[dict]`): Trainer's `state.log_history`; without a loss in it there are no curves.
        folder (`Path`): Output folder.
    """
    title, plots, scored = f"{metrics['fusion']}, {metrics['corpus']}", folder / "plots", tested_on(metrics)
    plot_confusion(
        metrics["test_confusion_matrix"],
        metrics["labels"],
        f"{title}: macro-F1 {metrics['test_macro_f1']:.2f} on {scored}",
        plots / "confusion_matrix.png",
    )
    if metrics.get("test_by_actor"):
        actors = f"{title}: UAR of {scored}"
        plot_actors(metrics["test_by_actor"], actors, plots / "actors.png", metrics.get("chance_uar"))
    if metrics.get("robustness"):
        damaged = f"{title}: missing and damaged input, {scored}"
        plot_robustness(metrics["robustness"], metrics.get("chance_macro_f1"), damaged, plots / "robustness.png")
    if any("loss" in entry for entry in history):
        plot_training(
            history, f"{title}: training, validation on {_validated_on(metrics)}", plots / "training_curves.png"
        )


def _validated_on(metrics: dict[str, Any]) -> str:
    return tested_on(metrics) if known_actors(metrics) else "its own part"


def summary(metrics: dict[str, Any]) -> str:
    """The scores for people, with chance beside each and the corpus named."""
    if known_actors(metrics):
        lines = [
            f"{metrics['fusion']}: {metrics['clips']['test']} clips of {tested_on(metrics)} "
            f"{numbers(metrics['actors']['test'])} ({metrics['corpus']}, {metrics['protocol']} fold "
            f"{metrics['fold']}, {metrics['label_set']})"
        ]
    else:
        silent = "" if metrics["fusion"] == "video" else ", without sound"
        lines = [f"{metrics['fusion']}: {pictures_of(metrics)}{silent} ({metrics['corpus']}, {metrics['label_set']})"]
    for name in SCORES:
        score, chance = metrics[f"test_{name}"], metrics[f"chance_{name}"]
        lines.append(
            f"  {TITLES[name]:9} {score:.3f}{_interval(metrics, name)}  (chance {chance:.3f}; {metrics['corpus']})"
        )
    return "\n".join(lines)


def _interval(metrics: dict[str, Any], name: str) -> str:
    """The 95 % interval of a score and what it is over; nothing where there is none."""
    ends = (metrics.get("test_intervals") or {}).get(name)
    if not ends:
        return ""
    over = f"{metrics['test_intervals_units']} {metrics['test_intervals_over']}"
    return f"  95 % {ends[0]:.3f} to {ends[1]:.3f} over {over}"
