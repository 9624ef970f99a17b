"""Is the fusion better than its branches? A table, lines, and a sentence that is true either way."""

from collections.abc import Mapping
from typing import Any

from emofusion.evaluation.scores.score_fields import TITLES
from emofusion.evaluation.tables import in_brackets, markdown_table, number

from .subject import person

_ALONE = {"audio": "sound", "video": "picture"}
SURE = 0.05
"""Below this p a difference is said to be one; fewer than six actors cannot reach it."""
_MEASURES = TITLES | {"loss": "loss"}


def branches_table(metrics: Mapping[str, Any]) -> str:
    """A row each branch and the fusion; behind a branch how far the fusion is ahead of it. Empty without branches.

    Args:
        metrics (`Mapping`): Content of metrics.json, or several runs as one: its `fusion`, `parameters`, `test_...`
            scores, `branches` and `fusion_gain`.
    """
    rows = [
        [f"{_ALONE.get(name, name)} alone", *_scores(found), *_gain(metrics, name), number(found["kept"])]
        for name, found in (metrics.get("branches") or {}).items()
    ]
    if rows:
        of_fusion = {name: metrics.get(f"test_{name}") for name in (*TITLES, "calibration_error")}
        rows.append([metrics["fusion"], *_scores(of_fusion | {"parameters": metrics["parameters"]}), "", "", "", ""])
    header = ["model", "UAR", "macro-F1", "accuracy", "calibration error", "parameters"]
    header += ["fusion less branch in UAR, 95 %", "p", "in macro-F1, 95 %", "fusion without the other keeps"]
    return markdown_table(header, [[cell or "-" for cell in row] for row in rows])


def _scores(found: Mapping[str, Any]) -> list[str]:
    names = ("uar", "macro_f1", "accuracy", "calibration_error")
    return [*(number(found[name]) for name in names), f"{found['parameters']:,}"]


def _gain(metrics: Mapping[str, Any], name: str) -> list[str]:
    gain = metrics["fusion_gain"]["over"][name]
    return [difference(gain["uar"]), p_of(gain["uar"]["p_value"]), difference(gain["macro_f1"])]


def difference(found: Mapping[str, Any]) -> str:
    """A difference with its sign and its interval, where it has one."""
    bounds = None if found["low"] is None else (found["low"], found["high"])
    return f"{found['mean']:+.3f}{in_brackets(bounds, '+')}"


def p_of(value: float) -> str:
    """A p-value for people."""
    return "<0.001" if value < 0.001 else number(value)


def branch_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Each branch and the fusion in one line, for the end of a run; none without branches."""
    branches = metrics.get("branches") or {}
    if not branches:
        return []
    rows = [(f"{_ALONE.get(name, name)} alone", found) for name, found in branches.items()]
    rows.append((metrics["fusion"], {name: metrics[f"test_{name}"] for name in ("uar", "macro_f1")}))
    width = max(len(words) for words, _ in rows)
    lines = [f"{words:{width}}  UAR {found['uar']:.3f}  macro-F1 {found['macro_f1']:.3f}" for words, found in rows]
    name, why = _reference(metrics)
    gain = metrics["fusion_gain"]["over"][name]["uar"]
    ahead = f"{difference(gain)} UAR over {_people(gain, metrics)}"
    lines[-1] += f"  against {_ALONE.get(name, name)} alone ({why}): {ahead}"
    return lines


def verdict(metrics: Mapping[str, Any]) -> str:
    """Whether the fusion is better than the branch to hold it against, and than the other; empty without branches.

    That branch is the one that validation actors prefer, because test actors choose nothing. Where the other one is
    the better on the test, it is named too, for it is the harder reference.
    """
    if not metrics.get("branches"):
        return ""
    name, why = _reference(metrics)
    gain = metrics["fusion_gain"]
    sentences = [_against(name, why, metrics)]
    harder = gain["test_choice"]
    if harder != name:
        sentences.append(_against(harder, "better on the test", metrics))
    return " ".join(sentences)


def _reference(metrics: Mapping[str, Any]) -> tuple[str, str]:
    """The branch that the fusion is held against, and why it is this one."""
    gain = metrics["fusion_gain"]
    if gain["validation_choice"] is None:
        return gain["test_choice"], "better on the test; validation chose none"
    return gain["validation_choice"], f"better by validation {_MEASURES[gain['validation_score']]}"


def gains_table(fusions: Mapping[str, Mapping[str, Any]]) -> str:
    """A row each fusion that has branches: how far it is from the better one; empty where none has.

    Args:
        fusions (`Mapping`): Records with `branches` and `fusion_gain` by the name of the model.
    """
    found = {name: record for name, record in fusions.items() if record.get("branches")}
    header = ["fusion", "better branch by validation", "fusion less branch in UAR, 95 %", "p"]
    header += ["better branch on the test", "fusion less branch in UAR, 95 %", "p"]
    header += ["sound alone keeps", "picture alone keeps"]
    return markdown_table(header, [[name, *_gains(record)] for name, record in found.items()])


def _gains(record: Mapping[str, Any]) -> list[str]:
    cells, gain = [], record["fusion_gain"]
    for name in (gain["validation_choice"], gain["test_choice"]):
        uar = None if name is None else gain["over"][name]["uar"]
        cells += ["-", "-", "-"] if uar is None else [str(name), difference(uar), p_of(uar["p_value"])]
    return cells + [number(record["branches"].get(name, {}).get("kept")) for name in _ALONE]


def _against(name: str, why: str, metrics: Mapping[str, Any]) -> str:
    found = metrics["fusion_gain"]["over"][name]["uar"]
    what = f"the {_ALONE.get(name, name)} alone ({why})"
    numbers = f"{difference(found)} UAR over {_people(found, metrics)}, p {p_of(found['p_value'])}"
    if found["low"] is None:
        return f"Whether it is better than {what} cannot be told from one {person(metrics)}: {numbers}."
    if found["low"] <= 0 <= found["high"]:
        return f"It is not clearly better or worse than {what}, for 0 lies in the interval: {numbers}."
    side = "ahead of" if found["mean"] > 0 else "behind"
    if found["p_value"] < SURE:
        return f"It is {side} {what}: {numbers}."
    return f"On these {person(metrics)}s it is {side} {what}, which may be chance all the same: {numbers}."


def _people(found: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    return f"{found['units']} {person(metrics)}{'s' * (found['units'] != 1)}"
