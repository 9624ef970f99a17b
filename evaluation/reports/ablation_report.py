"""What `--ablation` leaves: ablation.json, a table as Markdown, and plots."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from emofusion.data.protocols import numbers
from emofusion.data.whole_files import write_whole
from emofusion.evaluation.plots.experiment_plots import plot_gate, plot_variants
from emofusion.evaluation.scores.metrics import SCORES
from emofusion.evaluation.scores.significance import RESAMPLES, holm, is_exact, paired_difference, smallest_p

from .fold_report import fold_notes
from .subject import tested_on, worst_leak
from .tables import in_brackets, markdown_table, number

JSON_FILE, TABLE_FILE = "ablation.json", "ablation.md"
PREVIOUS = "previous"
_FACTS = (
    "fusion",
    "parameters",
    "corpus",
    "corpus_synthetic",
    "corpus_notice",
    "label_set",
    "protocol",
    "test_part",
    "num_frames",
    "image_size",
    "encoder_width",
    "versions",
)


def facts(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table says of a variant beside its scores, of its runs' metrics.json."""
    return {name: runs[0][name] for name in _FACTS if name in runs[0]} | {"leaky": worst_leak(runs)}


def common(variants: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all variants share; leaky is what one of them is, for example by the checkpoint that it began with."""
    shared = {name: value for name, value in variants[0].items() if name in _FACTS[2:]}
    return shared | {"leaky": worst_leak(variants)}


def mean_robustness(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The robustness tables of several runs of one model as one: means over the runs that have the condition."""
    by_condition: dict[str, list[dict[str, Any]]] = {}
    for row in (row for run in runs for row in run["robustness"]):
        by_condition.setdefault(row["condition"], []).append(row)
    return [{"condition": condition, **_means(rows)} for condition, rows in by_condition.items()]


def _means(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Mean of each number over the rows that have it; None where none has."""
    values = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0] if name != "condition"}
    return {name: float(np.mean(found)) if found else None for name, found in values.items()}


def compared(variants: list[dict[str, Any]], reference: str | list[str]) -> list[dict[str, Any]]:
    """The variants with what each is compared with: UAR of every test actor, a mean over its seeds.

    Args:
        variants (`list[dict]`): `variant` and what `folds.summarise` tells of each.
        reference (`str` or `list[str]`): `"previous"`, or names of which the one with the best macro-F1 is taken.

    Returns:
        The variants; those compared have `reference` and `difference`, with `p_holm` adjusted for all of them.
    """
    best = _best_of(variants, reference)
    pairs = {}
    for index, variant in enumerate(variants):
        other = best if best is not None else (variants[index - 1] if index else None)
        if other is None or "test_by_actor" not in variant["over_actors"]:  # nobody knows who is on still pictures
            continue
        if variant["variant"] not in {other["variant"], *_names(reference)}:
            pairs[index] = (other["variant"], paired_difference(_by_actor(variant), _by_actor(other)))
    adjusted = holm([difference.p_value for _, difference in pairs.values()])
    for (index, (name, difference)), p_value in zip(pairs.items(), adjusted, strict=True):
        variants[index] |= {"reference": name, "difference": {**asdict(difference), "p_holm": p_value}}
    return variants


def _names(reference: str | list[str]) -> list[str]:
    return [] if reference == PREVIOUS else [reference] if isinstance(reference, str) else list(reference)


def _best_of(variants: list[dict[str, Any]], reference: str | list[str]) -> dict[str, Any] | None:
    among = [variant for variant in variants if variant["variant"] in _names(reference)]
    return max(among, key=lambda variant: variant["over_actors"]["test_macro_f1"]) if among else None


def _by_actor(variant: dict[str, Any]) -> dict[int, float]:
    """UAR by actor; clips of several seeds count together, which is the mean over them."""
    return {int(actor): group["uar"] for actor, group in variant["over_actors"]["test_by_actor"].items()}


def text(record: dict[str, Any]) -> str:
    """The comparison as Markdown."""
    pooled = record["variants"][0]["over_actors"]
    chance = [number(pooled[f"chance_{name}"]) for name in SCORES]
    rows = [*map(_cells, record["variants"]), ["chance (guessing)", "", chance[0], "", *chance[1:], "", "", "", ""]]
    header = [
        "variant",
        "parameters",
        f"macro-F1, 95 % over {pooled['test_intervals_over']}",
        "mean ± deviation of runs",
    ]
    header += ["UAR", "accuracy", "compared with", "UAR by actor: difference, 95 %", "p", "p (Holm)"]
    lines = [f"{record['title']}: {setting(record)}", "", markdown_table(header, rows), "", *_notes(record)]
    lines += ["", f"Missing and damaged input, {setting(record)}: mean macro-F1 of the runs", "", _damage(record)]
    return "\n".join(lines)


def _damage(record: dict[str, Any]) -> str:
    """Macro-F1 by condition, a column a variant; `-` where a condition makes no sense for it."""
    variants = record["variants"]
    tables = [{row["condition"]: row["macro_f1"] for row in found["robustness"]} for found in variants]
    undisturbed = [next(iter(table.values())) for table in tables]  # called by another name where both modalities are
    damaged = dict.fromkeys(name for table in tables for name in list(table)[1:])
    rows = [["undisturbed", *map(number, undisturbed)]]
    rows += [[name, *(number(table.get(name)) for table in tables)] for name in damaged]
    return markdown_table(["condition", *(found["variant"] for found in variants)], rows)


def _cells(variant: dict[str, Any]) -> list[str]:
    pooled, values = variant["over_actors"], [run["macro_f1"] for run in variant["runs"]]
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return [
        f"{variant['variant']}{' (LEAKY)' * bool(variant.get('leaky'))}",
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
    bounds = None if found["low"] is None else (found["low"], found["high"])
    return [f"{found['mean']:+.3f}{in_brackets(bounds, '+')}", _p(found["p_value"]), _p(found["p_holm"])]


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else number(value)


def setting(record: dict[str, Any]) -> str:
    """Corpus, classes, whom the variants are tested on, protocol, folds and seeds."""
    runs = record["variants"][0]["runs"]
    folds, seeds = (sorted({run[name] for run in runs}) for name in ("fold", "seed"))
    actors = numbers({actor for run in runs for actor in run["actors"].get("test", [])})
    tested = " ".join(filter(None, [tested_on(record | record["variants"][0]["over_actors"]), actors]))
    return (
        f"{record['corpus']}, {record['label_set']}, {tested} ({record['protocol']}, fold{'s' * (len(folds) > 1)} "
        f"{', '.join(map(str, folds))}; seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"
    )


def _notes(record: dict[str, Any]) -> list[str]:
    pooled = record["variants"][0]["over_actors"]
    over = f"{pooled['test_intervals_units']} {pooled['test_intervals_over']}"
    notes = [
        "Scores are of all test clips together (a clip counts once for each seed), intervals are 95 %, by bootstrap "
        f"over {over}. They are of the models as they were trained: what other seeds would have changed is not in "
        "them, and actors of a fold are heard by one and the same model, so intervals are too narrow and p is too "
        "small, the more so the fewer folds and seeds there are."
    ]
    differences = [variant["difference"] for variant in record["variants"] if "difference" in variant]
    if differences:
        actors = differences[0]["units"]
        flips = "all sign flips" if is_exact(actors) else f"{RESAMPLES:,} drawn sign flips"
        count = f"{len(differences)} comparison{'s' * (len(differences) > 1)}"
        notes.append(
            f"p: two-sided, by {flips} of the actors' differences in UAR; beside it adjusted for {count} (Holm). With "
            f"{actors} actors it cannot be below {smallest_p(actors):.3g}, however large the difference."
        )
    return notes + fold_notes(record)


def plot_rows(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the plot: macro-F1 of all test clips, its interval, and the macro-F1 of each run."""
    rows = []
    for variant in variants:
        low, high = (variant["over_actors"]["test_intervals"] or {}).get("macro_f1") or (None, None)
        values = [run["macro_f1"] for run in variant["runs"]]
        score = variant["over_actors"]["test_macro_f1"]
        rows.append({"variant": variant["variant"], "score": score, "low": low, "high": high, "runs": values})
    return rows


def save(record: dict[str, Any], folder: Path) -> None:
    """Write the record, the table and plots/ into the folder."""
    title = f"{record['title']}\n{setting(record)}"
    chance = record["variants"][0]["over_actors"]["chance_macro_f1"]
    plot_variants(plot_rows(record["variants"]), title, folder / "plots" / "variants.png", chance=chance)
    gated = {
        variant["variant"]: variant["robustness"]
        for variant in record["variants"]
        if variant["robustness"][0]["gate"] is not None
    }
    if gated:
        plot_gate(gated, f"Weight of the sound: {setting(record)}", folder / "plots" / "gate.png")
    write_whole(folder / TABLE_FILE, lambda path: path.write_text(text(record) + "\n", encoding="utf-8"))
    content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / JSON_FILE, lambda path: path.write_text(content, encoding="utf-8"))
