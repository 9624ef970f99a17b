"""What `--cross_validate` leaves: cross_validation.json, a table as Markdown, and plots."""

import json
from pathlib import Path
from typing import Any

from emofusion.data.protocols import numbers
from emofusion.data.whole_files import write_whole

from .metrics import TITLES
from .plots import plot_actors, plot_confusion

JSON_FILE, TABLE_FILE = "cross_validation.json", "cross_validation.md"
_COMMON = (
    "corpus",
    "corpus_synthetic",
    "corpus_notice",
    "label_set",
    "labels",
    "protocol",
    "fusion",
    "parameters",
    "leaky",
    "versions",
)


def common(metrics: dict[str, Any]) -> dict[str, Any]:
    """What all runs share, of one's metrics.json."""
    return {name: metrics[name] for name in _COMMON if name in metrics}


def text(record: dict[str, Any]) -> str:
    """The scores as Markdown: a line a fold, their mean, and all test clips together."""
    names = " | ".join(TITLES.values())
    lines = [
        _title(record),
        "",
        f"| fold | seed | test actors | validation actors | clips | {names} |",
        "| --- " * (5 + len(TITLES)) + "|",
    ]
    for run in record["runs"]:
        actors, validation = numbers(run["actors"].get("test", [])), numbers(run["actors"].get("validation", []))
        scores = " | ".join(f"{run[name]:.3f}" for name in TITLES)
        lines.append(
            f"| {run['fold']} | {run['seed']} | {actors} | {validation} | {run['clips']['test']} | {scores} |"
        )
    lines.append(f"| mean of {_folds(record)} folds | | | | | {_over_folds(record)} |")
    pooled = record["over_actors"]
    values = " | ".join(f"{pooled[f'test_{name}']:.3f} {_interval(_bounds(pooled, name))}" for name in TITLES)
    clips = sum(run["clips"]["test"] for run in record["runs"])
    tested = numbers([int(actor) for actor in pooled.get("test_by_actor", {})])
    lines.append(f"| all test clips | | {tested} | | {clips} | {values} |")
    chance = " | ".join(f"{pooled[f'chance_{name}']:.3f}" for name in TITLES)
    lines.append(f"| chance (guessing) | | | | | {chance} |")
    lines += ["", *_notes(record)]
    return "\n".join(lines)


def _folds(record: dict[str, Any]) -> int:
    return record["over_folds"]["macro_f1"]["folds"]


def _over_folds(record: dict[str, Any]) -> str:
    cells = []
    for name in TITLES:
        score = record["over_folds"][name]
        deviation = "" if score["deviation"] is None else f" ± {score['deviation']:.3f}"
        cells.append(f"{score['mean']:.3f}{deviation} {_interval(score['interval'])}".strip())
    return " | ".join(cells)


def _bounds(pooled: dict[str, Any], name: str) -> list[float] | None:
    return (pooled["test_intervals"] or {}).get(name)


def _interval(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def _title(record: dict[str, Any]) -> str:
    whose = "actors SEEN in training (leaky split)" if record.get("leaky") else "unseen actors"
    return f"{record['fusion']} on {whose} of {record['corpus']}, {record['label_set']}, {record['protocol']}"


def _notes(record: dict[str, Any]) -> list[str]:
    units = f"{record['over_actors']['test_intervals_units']} {record['over_actors']['test_intervals_over']}"
    notes = [
        "± is the standard deviation over folds. Intervals are 95 %: of the mean, Student's t over folds (which share "
        f"training actors, so it is too narrow); of all test clips, by bootstrap over {units}."
    ]
    notes += [f"Left out: {reason}." for reason in record["refused_folds"].values()]
    notes += [
        f"Fold {k}: its own validation actors are not there; actors {numbers(actors)} validated."
        for k, actors in record["stand_in_validation"].items()
    ]
    return notes


def save(record: dict[str, Any], folder: Path) -> None:
    """Write the record, the table and plots/ into the folder."""
    pooled = record["over_actors"]
    title = f"{_title(record)}, all folds"
    plot_confusion(pooled["test_confusion_matrix"], record["labels"], title, folder / "plots" / "confusion_matrix.png")
    if "test_by_actor" in pooled:
        plot_actors(pooled["test_by_actor"], title, folder / "plots" / "actors.png")
    write_whole(folder / TABLE_FILE, lambda path: path.write_text(text(record) + "\n", encoding="utf-8"))
    content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / JSON_FILE, lambda path: path.write_text(content, encoding="utf-8"))
