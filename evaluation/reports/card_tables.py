"""Tables of the model card, as Markdown; a table of which metrics.json holds nothing is empty text."""

from collections.abc import Mapping, Sequence
from typing import Any

from emofusion.evaluation.scores.score_fields import SCORES, TITLES
from emofusion.evaluation.tables import known, markdown_table, number

from .branch_words import branches_table
from .subject import known_actors, person


def card_tables(metrics: Mapping[str, Any], subject: str) -> dict[str, str]:
    """Every table of the card by name.

    Args:
        metrics (`Mapping`): Content of metrics.json; any field may be absent.
        subject (`str`): What the scores are on, such as `"RAVDESS, unseen actors"`.
    """
    return {
        "scores": scores_table(metrics, subject),
        "branches": branches_table(metrics),
        "merged_calm": _merged_calm(metrics.get("test_merged_calm"), subject),
        "coverage": _coverage(metrics.get("test_by_coverage") or []),
        "classes": _groups(_measured(metrics.get("test_per_class")), "class", ("precision", "recall", "f1", "clips")),
        "genders": _groups(metrics.get("test_by_gender"), "gender", ("uar", "accuracy", "clips")),
        "actors": _groups(metrics.get("test_by_actor"), person(metrics), ("gender", "uar", "accuracy", "clips")),
        "robustness": robustness_markdown(metrics.get("robustness") or []),
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
    columns = {header: values for header, values in columns.items() if any(map(known, values.values()))}
    rows = [
        [title, *(number(values[name]) for values in columns.values())]
        for name, title in TITLES.items()
        if known(metrics.get(f"test_{name}"))
    ]
    return markdown_table(["score", *columns], rows)


def _merged_calm(found: Mapping[str, Any] | None, subject: str) -> str:
    rows = [[title, number(found[name])] for name, title in TITLES.items() if name in found] if found else []
    return markdown_table(["score", f"{subject}, calm counted as neutral"], rows)


def _coverage(rows: Sequence[Mapping[str, Any]]) -> str:
    """Scores of the clips that the model is surest of; all of them stand first."""
    cells = [
        [
            f"{100 * row['coverage']:.0f} %",
            *(number(row[name]) for name in ("at_least", "clips", "accuracy", "accuracy_interval", "uar")),
        ]
        for row in rows
    ]
    return markdown_table(["answered", "probability from", "clips", "accuracy", "95 % interval", "UAR"], cells)


def _groups(groups: Mapping[str, Mapping[str, Any]] | None, what: str, columns: Sequence[str]) -> str:
    """A row a group; a group's clips are counted, its scores are given to three places."""
    there = [column for column in columns if any(column in group for group in (groups or {}).values())]
    header = [what, *({"uar": "UAR", "f1": "F1"}.get(name, name) for name in there)]
    rows = [[str(name), *(_cell(group.get(column)) for column in there)] for name, group in (groups or {}).items()]
    return markdown_table(header, rows, left=2 if "gender" in there else 1)


def _measured(classes: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    """Scores by class; a class without clips has none, its precision (0 by definition) neither."""
    unknown = {"precision": None}
    return {name: group if group.get("clips") else {**group, **unknown} for name, group in (classes or {}).items()}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else number(value)


def _splits(metrics: Mapping[str, Any]) -> str:
    actors = known_actors(metrics)
    who = [f"{person(metrics)}s"] if actors else []
    rows = [
        [name, *([", ".join(map(str, actors.get(name, []))) or "-"] if actors else []), str(count)]
        for name, count in (metrics.get("clips") or {}).items()
    ]
    return markdown_table(["split", *who, "clips"], rows, left=2 if actors else 1)


def robustness_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Scores by condition; the gate has a column where the model has one, and clips where they differ."""
    names = ["clips"] if len({row.get("clips") for row in rows}) > 1 else []
    names += [*SCORES, "unchanged"]
    names += ["gate"] if any(row["gate"] is not None for row in rows) else []
    cells = [[row["condition"], *(number(row.get(name)) for name in names)] for row in rows]
    return markdown_table(["condition", *(TITLES.get(name, name) for name in names)], cells)
