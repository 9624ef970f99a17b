"""The table of `--ablation` as Markdown: scores, differences, damaged input, and what they can say."""

from typing import Any

import numpy as np

from emofusion.data.protocols import numbers
from emofusion.evaluation.scores.score_fields import SCORES
from emofusion.evaluation.scores.significance import RESAMPLES, is_exact, smallest_p
from emofusion.evaluation.tables import in_brackets, markdown_table, number

from .branch_words import difference, gains_table, p_of
from .fold_report import FEWEST, blind_notes, fold_notes
from .subject import classes_of, interval_over, interval_units, person, tested_on

_GAINS = (
    "Ahead: UAR by {who}, fusion less branch. p is two-sided, by sign flips over {who}s, and not adjusted for the "
    "number of fusions. The better branch on the test is chosen in hindsight, which makes it the harder one. What a "
    "modality alone keeps is the UAR of the fusion without the other, as a share of that of the branch."
)
_LEAKS = {True: " (LEAKY)", None: " (perhaps LEAKY)", False: ""}


def text(record: dict[str, Any]) -> str:
    """The comparison as Markdown."""
    pooled = record["variants"][0]["over_actors"]
    chance = [number(pooled[f"chance_{name}"]) for name in SCORES]
    rows = [*map(_cells, shown(record)), ["chance (guessing)", "", chance[0], "", *chance[1:], "", "", "", ""]]
    header = [
        "variant",
        "parameters",
        f"macro-F1, 95 % over {interval_over(record | pooled)}",
        "mean ± deviation of runs",
    ]
    header += ["UAR", "accuracy", "compared with", f"UAR by {person(record)}: difference, 95 %", "p", "p (Holm)"]
    lines = [f"{record['title']}: {setting(record)}", "", markdown_table(header, rows), "", *_notes(record)]
    gains = gains_table({found["variant"]: found for found in record["variants"]})
    about = _GAINS.format(who=person(record))
    lines += ["", "Is each fusion better than its branches?", "", gains, "", about] if gains else []
    lines += ["", f"Missing and damaged input, {setting(record)}: mean macro-F1 of the runs", "", _damage(record)]
    return "\n".join(lines)


def shown(record: dict[str, Any]) -> list[dict[str, Any]]:
    """What tables and plots have a row or a column for: the branches, and below them the variants."""
    return [*record.get("branches", []), *record["variants"]]


def _damage(record: dict[str, Any]) -> str:
    """Macro-F1 by condition, a column a variant; `-` where a condition makes no sense for it."""
    variants = shown(record)
    tables = [{row["condition"]: row["macro_f1"] for row in found["robustness"]} for found in variants]
    undisturbed = [next(iter(table.values())) for table in tables]  # called by another name where both modalities are
    damaged = dict.fromkeys(name for table in tables for name in list(table)[1:])
    rows = [["undisturbed", *map(number, undisturbed)]]
    rows += [[name, *(number(table.get(name)) for table in tables)] for name in damaged]
    return markdown_table(["condition", *(found["variant"] for found in variants)], rows)


def _cells(variant: dict[str, Any]) -> list[str]:
    pooled, values = variant["over_actors"], [run["macro_f1"] for run in variant["runs"]]
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) >= FEWEST else ""
    return [
        f"{variant['variant']}{_LEAKS[variant.get('leaky', False)]}",
        f"{variant['parameters']:,}",
        f"{number(pooled['test_macro_f1'])}{in_brackets((pooled['test_intervals'] or {}).get('macro_f1'))}",
        f"{number(float(np.mean(values)))}{deviation}",
        number(pooled["test_uar"]),
        number(pooled["test_accuracy"]),
        variant.get("reference", ""),
        *_difference(variant.get("difference")),
    ]


def _difference(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return ["", "", ""]
    return [difference(found), p_of(found["p_value"]), p_of(found["p_holm"])]


def setting(record: dict[str, Any]) -> str:
    """Corpus, classes, whom the variants are tested on, protocol, folds and seeds."""
    runs = record["variants"][0]["runs"]
    folds, seeds = (sorted({run[name] for run in runs}) for name in ("fold", "seed"))
    actors = numbers({actor for run in runs for actor in run["actors"].get("test", [])})
    tested = " ".join(filter(None, [tested_on(record | record["variants"][0]["over_actors"]), actors]))
    return (
        f"{record['corpus']}, {classes_of(record)}, {tested} ({record['protocol']}, fold{'s' * (len(folds) > 1)} "
        f"{', '.join(map(str, folds))}; seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"
    )


def _notes(record: dict[str, Any]) -> list[str]:
    pooled = record["variants"][0]["over_actors"]
    over, who = interval_units(record | pooled), f"{person(record)}s"
    notes = [
        "Scores are of all test clips together (a clip counts once for each seed), intervals are 95 %, by bootstrap "
        f"over {over}. They are of the models as they were trained: what other seeds would have changed is not in "
        f"them, and {who} of a fold are heard by one and the same model, so intervals are too narrow and p is too "
        "small, the more so the fewer folds and seeds there are."
    ]
    differences = [variant["difference"] for variant in record["variants"] if "difference" in variant]
    if differences:
        actors = differences[0]["units"]
        flips = "all sign flips" if is_exact(actors) else f"{RESAMPLES:,} drawn sign flips"
        count = f"{len(differences)} comparison{'s' * (len(differences) > 1)}"
        notes.append(
            f"p: two-sided, by {flips} of the {who}' differences in UAR; beside it adjusted for {count} (Holm). With "
            f"{actors} {who} it cannot be below {smallest_p(actors):.3g}, however large the difference."
        )
    return notes + blind_notes(record["variants"]) + fold_notes(record | pooled)
