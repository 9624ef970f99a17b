"""The page of the documentation on metrics.json, made from the types of its fields.

python -m emofusion.evaluation.record.metrics_page > docs/reference/metrics_json.md
"""

import sys
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from emofusion.evaluation.field_notes import Note, hints_of, notes_of
from emofusion.evaluation.scores import score_fields
from emofusion.evaluation.tables import markdown_table

from . import run_record

_SECTIONS: dict[str, type] = {
    "Corpus and split": run_record.CorpusFields,
    "Model": run_record.ModelFields,
    "Circumstances": run_record.CircumstanceFields,
    "Training": run_record.TrainingFields,
    "Calibration": run_record.CalibrationFields,
    "Answers that may be unsure": run_record.UnsureFields,
    "Test scores": score_fields.ScoreFields,
    "Missing and damaged input": run_record.DamageFields,
    "Branches": score_fields.BranchFields,
}
_NESTED: tuple[type, ...] = (
    score_fields.Scores,
    score_fields.ClassScores,
    score_fields.GroupScores,
    score_fields.Answered,
    score_fields.CoverageRow,
    score_fields.RobustnessRow,
    score_fields.BranchScores,
    score_fields.FusionGain,
    score_fields.Gain,
    score_fields.Difference,
)
_JSON = {str: "text", bool: "true or false", int: "whole number", float: "number", NoneType: "null"}
_HEAD = """\
# metrics.json

Every field, in the order of the file. Its type is `RunRecord` in `evaluation/record/run_record.py`, from which
`python -m emofusion.evaluation.record.metrics_page` makes this page. Files of older releases may lack any field that
is not marked `*`; without those there is no card.
"""


def metrics_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for title, record in _SECTIONS.items():
        parts.append(f"## {title}\n\n{_table(record)}\n")
    for record in _NESTED:
        parts.append(f"## {record.__name__}\n\n{record.__doc__}\n\n{_table(record)}\n")
    return "\n".join(parts)


def _table(record: type) -> str:
    notes = notes_of(record)
    rows = [_cells(name, hint, notes[name]) for name, hint in hints_of(record).items()]
    units = any(row[2] for row in rows)
    header = ["field", "type", *(["unit"] if units else []), "what it is"]
    return markdown_table(header, [row if units else [*row[:2], row[3]] for row in rows], left=len(header))


def _cells(name: str, hint: Any, note: Note) -> list[str]:
    return [f"`{name}`{' *' * note.needed}", json_type(get_args(hint)[0]), note.unit, note.meaning]


def json_type(hint: Any) -> str:
    """What JSON holds for a type, in words: `list of whole numbers`, or the name of a record."""
    if isinstance(hint, UnionType):
        return " or ".join(map(json_type, get_args(hint)))
    if get_origin(hint) is list:
        (inside,) = get_args(hint)
        kinds = get_args(inside) if isinstance(inside, UnionType) else (inside,)
        return f"list of {' or '.join(_plural(json_type(kind)) for kind in kinds)}"
    if get_origin(hint) is dict:
        return f"by name: {json_type(get_args(hint)[1])}"
    return _JSON[hint] if hint in _JSON else f"[{hint.__name__}](#{hint.__name__.lower()})"


def _plural(words: str) -> str:
    if words.startswith("list"):
        return words.replace("list", "lists", 1)
    return words if words.startswith(("[", "text")) else f"{words}s"


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
