"""Tables of the model card, as Markdown; a table of which metrics.json holds nothing is empty text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .robustness import robustness_markdown

TITLES = {"macro_f1": "macro-F1", "uar": "UAR", "accuracy": "accuracy", "weighted_f1": "weighted F1"}


def card_tables(metrics: Mapping[str, Any], subject: str) -> dict[str, str]:
    """Every table of the card by name.

    Args:
        metrics (`Mapping`): Content of metrics.json; any field may be absent.
        subject (`str`): What the scores are on, such as `"RAVDESS, unseen actors"`.
    """
    return {
        "scores": scores_table(metrics, subject),
        "merged_calm": _merged_calm(metrics.get("test_merged_calm"), subject),
        "classes": _groups(metrics.get("test_per_class"), "class", ("precision", "recall", "f1", "clips")),
        "genders": _groups(metrics.get("test_by_gender"), "gender", ("uar", "accuracy", "clips")),
        "actors": _groups(metrics.get("test_by_actor"), "actor", ("uar", "accuracy", "clips")),
        "robustness": robustness_markdown(metrics["robustness"]) if metrics.get("robustness") else "",
        "splits": _splits(metrics),
    }


def scores_table(metrics: Mapping[str, Any], subject: str) -> str:
    """Each score with its interval, what guessing and what naming the most frequent class always would score."""
    intervals = metrics.get("test_intervals") or {}
    columns = {
        subject: {name: metrics.get(f"test_{name}") for name in TITLES},
        "95 % interval": {name: intervals.get(name) for name in TITLES},
        "chance": {name: metrics.get(f"chance_{name}") for name in TITLES},
        "most frequent class": {name: metrics.get(f"majority_{name}") for name in TITLES},
    }
    columns = {header: values for header, values in columns.items() if any(map(_known, values.values()))}
    rows = [
        [title, *(_number(values[name]) for values in columns.values())]
        for name, title in TITLES.items()
        if _known(metrics.get(f"test_{name}"))
    ]
    return markdown_table(["score", *columns], rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right; empty text without rows."""
    if not rows:
        return ""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _merged_calm(found: Mapping[str, Any] | None, subject: str) -> str:
    rows = [[title, _number(found[name])] for name, title in TITLES.items() if name in found] if found else []
    return markdown_table(["score", f"{subject}, calm counted as neutral"], rows)


def _groups(groups: Mapping[str, Mapping[str, Any]] | None, what: str, columns: Sequence[str]) -> str:
    """A row a group; a group's clips are counted, its scores are given to three places."""
    header = [what, *({"uar": "UAR", "f1": "F1"}.get(name, name) for name in columns)]
    rows = [[str(name), *(_number(group.get(column)) for column in columns)] for name, group in (groups or {}).items()]
    return markdown_table(header, rows)


def _splits(metrics: Mapping[str, Any]) -> str:
    actors = known_actors(metrics)
    rows = [
        [name, *([", ".join(map(str, actors.get(name, []))) or "-"] if actors else []), str(count)]
        for name, count in (metrics.get("clips") or {}).items()
    ]
    return markdown_table(["split", *(["actors"] if actors else []), "clips"], rows)


def known_actors(metrics: Mapping[str, Any]) -> dict[str, list[int]]:
    """Actors by split; empty where it is not known who is in a picture."""
    actors = metrics.get("actors") or {}
    found = {split: [actor for actor in numbers if actor is not None] for split, numbers in actors.items()}
    return found if any(found.values()) else {}


def _known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> str:
    """A score to three places, an interval as two, a count as it is; `-` for what is not known."""
    if not _known(value):
        return "-"
    if isinstance(value, list | tuple):
        return " to ".join(map(_number, value))
    return str(value) if isinstance(value, int) else f"{value:.3f}"
