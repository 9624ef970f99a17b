"""What `--cross_validate` leaves: cross_validation.json, a table as Markdown, and plots."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emofusion.data.protocols import numbers
from emofusion.data.whole_files import write_json, write_text
from emofusion.evaluation.attempts import attempt_all
from emofusion.evaluation.people import as_people
from emofusion.evaluation.plots.actors import actors_figure
from emofusion.evaluation.plots.confusion import confusion_figure
from emofusion.evaluation.plots.figures import drawn
from emofusion.evaluation.run_files import ACTORS_PLOT, CONFUSION_PLOT, FOLDS_FILE, FOLDS_TABLE
from emofusion.evaluation.scores.score_fields import TITLES
from emofusion.evaluation.tables import in_brackets, markdown_table, number

from .branch_words import branches_table, verdict
from .calibration_words import unsure_words
from .illustrations import branches_plot, coverage_plot, gate_plot
from .subject import blind_spot, classes_of, interval_units, people, person, tested_on, trained_together, worst_leak

FEWEST = 3
"""So many runs have a deviation; of two it would be their difference, told as if it were more."""

_COMMON = (
    "corpus",
    "corpus_synthetic",
    "corpus_notice",
    "label_set",
    "labels",
    "protocol",
    "fusion",
    "parameters",
    "test_part",
    "own_clips",
    "versions",
    "trained_on_validation",
)


def common(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all runs share, of their metrics.json; leaky they are together if one is."""
    return {name: runs[0][name] for name in _COMMON if name in runs[0]} | {
        "leaky": worst_leak(runs),
        "trained_modalities": trained_together(runs),
    }


def text(record: dict[str, Any]) -> str:
    """The scores as Markdown: a line a fold, their mean, and all test clips together."""
    pooled = record["over_actors"]
    folds = record["over_folds"]["macro_f1"]["folds"]
    tested = numbers(as_people(pooled.get("test_by_actor", {})))
    clips = str(sum(run["clips"]["test"] for run in record["runs"]))
    rows = [
        *map(_run_cells, record["runs"]),
        [f"mean of {folds} fold{'s' * (folds > 1)}", "", "", "", "", *_over_folds(record)],
        ["all test clips", "", tested, "", clips, *_pooled(pooled)],
        ["chance (guessing)", "", "", "", "", *(number(pooled[f"chance_{name}"]) for name in TITLES)],
    ]
    who = person(record)
    header = ["fold", "seed", f"test {who}s", f"validation {who}s", "clips", *TITLES.values()]
    lines = [title(record), "", markdown_table(header, rows, left=4), "", *_notes(record)]
    return "\n".join([*lines, *_branches(record)])


def _branches(record: dict[str, Any]) -> list[str]:
    """The fusion against its branches over all folds; nothing where it has none."""
    table = branches_table(as_one(record))
    return ["", f"Is the fusion better than its branches? {verdict(record)}", "", table] if table else []


def as_one(record: Mapping[str, Any]) -> dict[str, Any]:
    """All runs of a model as if they were one: their pooled scores under the names of metrics.json."""
    return {**record, **record["over_actors"]}


def _run_cells(run: dict[str, Any]) -> list[str]:
    actors = [numbers(run["actors"].get(name, [])) for name in ("test", "validation")]
    scores = [number(run[name]) for name in TITLES]
    return [str(run["fold"]), str(run["seed"]), *actors, str(run["clips"]["test"]), *scores]


def _over_folds(record: dict[str, Any]) -> list[str]:
    cells = []
    for name in TITLES:
        score = record["over_folds"][name]
        spread = f" ± {score['deviation']:.3f}{in_brackets(score['interval'])}" if score["folds"] >= FEWEST else ""
        cells.append(f"{number(score['mean'])}{spread}")
    return cells


def _pooled(pooled: dict[str, Any]) -> list[str]:
    bounds = pooled["test_intervals"] or {}
    return [f"{number(pooled[f'test_{name}'])}{in_brackets(bounds.get(name))}" for name in TITLES]


def title(record: dict[str, Any]) -> str:
    """Model, whom it is tested on, corpus, classes and protocol."""
    tested = tested_on(record | record["over_actors"])
    return f"{record['fusion']} on {tested} of {record['corpus']}, {classes_of(record)}, {record['protocol']}"


def _notes(record: dict[str, Any]) -> list[str]:
    units, who = interval_units(as_one(record)), person(record)
    if record["over_folds"]["macro_f1"]["folds"] >= FEWEST:
        notes = [
            "± is the standard deviation over folds. Intervals are 95 %: of the mean, Student's t over folds (which "
            f"share training {who}s, so it is too narrow); of all test clips, by bootstrap over {units}."
        ]
    else:
        notes = [
            f"Fewer than {FEWEST} folds do not say how far folds differ, so their mean has neither ± nor interval. "
            f"Intervals of all test clips are 95 %, by bootstrap over {units}."
        ]
    if len({run["seed"] for run in record["runs"]}) > 1:
        notes.append("A clip counts once for each seed.")
    if unsure := unsure_words(as_one(record)):
        notes.append(f"Of all test clips: the model {unsure}.")
    return notes + blind_notes([record]) + fold_notes(as_one(record))


def blind_notes(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What models read that no clip of their training had, each model once."""
    notes = {f"{record['fusion']}: {blind_spot(record)}.": None for record in records if blind_spot(record)}
    return list(notes)


def fold_notes(record: dict[str, Any]) -> list[str]:
    """Which folds were left out and why, and where others validated, or nobody did."""
    who = f"The validation {people(record)} of each fold trained, too; nobody chose a checkpoint."
    return [
        *([who] if record.get("trained_on_validation") else []),
        *(f"Left out: {reason}." for reason in record["refused_folds"].values()),
        *(
            f"Fold {k}: its own validation {person(record)}s are not there; {person(record)}s {numbers(actors)} "
            "validated."
            for k, actors in record["stand_in_validation"].items()
        ),
    ]


def save(record: dict[str, Any], folder: Path) -> None:
    """Write the record, the table and plots/ into the folder; the numbers first."""
    write_json(folder / FOLDS_FILE, record, indent=1)
    write_text(folder / FOLDS_TABLE, text(record) + "\n")
    attempt_all(lambda: _plots(record), folder)


def _plots(record: dict[str, Any]) -> dict[str, Callable[[Path], None]]:
    """What draws each plot, by its file."""
    pooled = record["over_actors"]
    heading = f"{title(record)}, folds {', '.join(sorted({str(run['fold']) for run in record['runs']}, key=int))}"
    plots = {CONFUSION_PLOT: drawn(confusion_figure, pooled["test_confusion_matrix"], record["labels"], heading)}
    if "test_by_actor" in pooled:
        plots[ACTORS_PLOT] = drawn(
            actors_figure, pooled["test_by_actor"], heading, pooled["chance_uar"], person(record)
        )
    plots |= coverage_plot(as_one(record), f"Accuracy where it may be unsure: {heading}")
    plots |= gate_plot(record["fusion"], record.get("robustness") or [], f"Weight of the sound: {heading}")
    return plots | branches_plot(as_one(record), heading)
