"""Compare runs: one table from their metrics.json.

python -m emofusion.evaluation.compare --branches runs/demo
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emofusion.data.protocols import numbers
from emofusion.evaluation.record.metrics_file import read_metrics
from emofusion.evaluation.reports.branch_words import verdict
from emofusion.evaluation.reports.subject import (
    classes_of,
    known_actors,
    never_trained,
    part_of_protocol,
    person,
    pictures_of,
)
from emofusion.evaluation.scores.score_fields import SCORES, TITLES
from emofusion.evaluation.tables import in_brackets, markdown_table, number


def table(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of runs by folder; the corpus stands in every line, chance in the last of each corpus.

    Scores have their 95 % interval behind them, over what their metrics.json says: actors, or clips.
    """
    rows = [[folder, metrics["fusion"], where(metrics), *_scores(metrics, "test")] for folder, metrics in runs.items()]
    settings = {where(metrics): metrics for metrics in runs.values()}
    rows += [["-", "chance (guessing)", setting, *_scores(metrics, "chance")] for setting, metrics in settings.items()]
    return markdown_table(
        ["run", "model", "corpus, split, test actors", *(f"{TITLES[name]}, 95 %" for name in SCORES)], rows, left=3
    )


def _scores(metrics: Mapping[str, Any], of: str) -> list[str]:
    bounds = (metrics.get("test_intervals") or {}) if of == "test" else {}
    return [f"{number(metrics[f'{of}_{name}'])}{in_brackets(bounds.get(name))}" for name in SCORES]


def where(metrics: Mapping[str, Any]) -> str:
    """Corpus, split and test actors of a score; of still pictures, which have no actors, how many of which split."""
    if not known_actors(metrics):
        return f"{metrics['corpus']}, {classes_of(metrics)}, {pictures_of(metrics)}"
    warning = {True: f"LEAKY SPLIT, {person(metrics)}s seen in training: ", None: "perhaps seen in training: "}
    leaky = warning.get(metrics.get("leaky", False), "never trained: " if never_trained(metrics) else "")
    people = f"{person(metrics)}s {numbers(metrics['actors']['test'])}"
    return f"{leaky}{metrics['corpus']}, {classes_of(metrics)}, {part_of_protocol(metrics)}, {people}"


def with_branches(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The runs by folder, each behind its branches, whose folders its metrics.json names; no run twice.

    Raises:
        FileNotFoundError, ValueError: A branch is not where the fusion says.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for folder, metrics in runs.items():
        for branch in (metrics.get("branches") or {}).values():
            place = os.path.normpath(Path(folder, branch["folder"]))
            found.setdefault(place, read_metrics(Path(place)))
        found[folder] = metrics
    return found


def main(argv: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare runs: one table from their metrics.json.")
    parser.add_argument("runs", nargs="+", type=Path, help="output folders of train_hf.py")
    parser.add_argument("--branches", action="store_true", help="put the branches of each fusion above it")
    given = parser.parse_args(argv)
    runs = {str(folder): read_metrics(folder) for folder in given.runs}
    sys.stdout.write(table(with_branches(runs) if given.branches else runs) + "\n")
    for folder, metrics in runs.items():
        if metrics.get("branches"):
            sys.stdout.write(f"\n{folder}: is {metrics['fusion']} better than its branches? {verdict(metrics)}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
