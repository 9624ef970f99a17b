"""Compare runs: one table from their metrics.json.

python -m emofusion.evaluation.compare runs/demo_audio runs/demo_video runs/demo
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from emofusion.data.protocols import numbers

METRICS_FILE = "metrics.json"


def read_metrics(folder: Path) -> dict[str, Any]:
    """Content of a run's metrics.json.

    Raises:
        FileNotFoundError, ValueError: There is none, or it has no test score.
    """
    path = folder / METRICS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; train first, with --output_dir {folder}")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    if "test_macro_f1" not in metrics:
        raise ValueError(f"{path}: no test score in it")
    return metrics


def table(runs: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of runs by folder; the corpus stands in every line, chance in the last of each corpus."""
    lines = [
        "| run | model | corpus, split, test actors | macro-F1 | UAR | accuracy |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for folder, metrics in runs.items():
        numbers = " | ".join(f"{metrics[f'test_{name}']:.3f}" for name in ("macro_f1", "uar", "accuracy"))
        lines.append(f"| {folder} | {metrics['fusion']} | {where(metrics)} | {numbers} |")
    for setting in dict.fromkeys(where(metrics) for metrics in runs.values()):
        metrics = next(metrics for metrics in runs.values() if where(metrics) == setting)
        numbers = " | ".join(f"{metrics[f'chance_{name}']:.3f}" for name in ("macro_f1", "uar", "accuracy"))
        lines.append(f"| - | chance (guessing) | {setting} | {numbers} |")
    return "\n".join(lines)


def where(metrics: dict[str, Any]) -> str:
    """Corpus, split and test actors of a score; of still pictures, which have no actors, how many of which split."""
    if not metrics["actors"]:
        return f"{metrics['corpus']}, {metrics['label_set']}, {pictures_of(metrics)}"
    actors = numbers(metrics["actors"]["test"])
    leaky = "LEAKY SPLIT, actors seen in training: " if metrics.get("leaky") else ""
    split = f"{metrics['protocol']} fold {metrics['fold']}"
    return f"{leaky}{metrics['corpus']}, {metrics['label_set']}, {split}, actors {actors}"


def pictures_of(metrics: dict[str, Any]) -> str:
    """What was scored on a corpus of still pictures: `3589 pictures of the published test split`."""
    return f"{metrics['clips']['test']} pictures of the published {metrics.get('test_part', 'test')} split"


def main(argv: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare runs: one table from their metrics.json.")
    parser.add_argument("runs", nargs="+", type=Path, help="output folders of train_hf.py")
    folders = parser.parse_args(argv).runs
    sys.stdout.write(table({str(folder): read_metrics(folder) for folder in folders}) + "\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
