"""What `--ablation` leaves: ablation.json, a table as Markdown, and plots."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from emofusion.data.protocols import numbers
from emofusion.data.whole_files import write_whole

from .experiment_plots import plot_gate, plot_variants
from .significance import holm, paired_difference, smallest_p

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
    "leaky",
    "num_frames",
    "image_size",
    "encoder_width",
    "versions",
)


def facts(metrics: dict[str, Any]) -> dict[str, Any]:
    """What the table says of a variant beside its scores, of one run's metrics.json."""
    return {name: metrics[name] for name in _FACTS if name in metrics}


def common(variant: dict[str, Any]) -> dict[str, Any]:
    """What all variants share."""
    return {name: variant[name] for name in _FACTS if name in variant and name not in ("fusion", "parameters")}


def mean_robustness(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The robustness tables of several runs of one model as one: the mean of each number."""
    tables = [run["robustness"] for run in runs]
    return [
        {
            "condition": rows[0]["condition"],
            **{
                name: None if value is None else float(np.mean([row[name] for row in rows]))
                for name, value in rows[0].items()
                if name != "condition"
            },
        }
        for rows in zip(*tables, strict=True)
    ]


def compared(variants: list[dict[str, Any]], reference: str | list[str]) -> list[dict[str, Any]]:
    """The variants with what each is compared with: UAR of every test actor, a mean over its seeds.

    Args:
        variants (`list[dict]`): `variant` and what `folds.summarise` tells of each.
        reference (`str` or `list[str]`): `"previous"`, or names of which the one with the best mean macro-F1 is taken.

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
    return max(among, key=lambda variant: variant["over_folds"]["macro_f1"]["mean"]) if among else None


def _by_actor(variant: dict[str, Any]) -> dict[int, float]:
    """UAR by actor; clips of several seeds count together, which is the mean over them."""
    return {int(actor): group["uar"] for actor, group in variant["over_actors"]["test_by_actor"].items()}


def text(record: dict[str, Any]) -> str:
    """The comparison as Markdown."""
    lines = [
        f"{record['title']}: {_setting(record)}",
        "",
        "| variant | parameters | macro-F1, mean ± deviation of runs | 95 % over actors | UAR | accuracy "
        "| compared with | UAR by actor: difference, 95 % | p | p (Holm) |",
        "| --- | ---: | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_line(variant) for variant in record["variants"]),
    ]
    pooled = record["variants"][0]["over_actors"]
    lines.append(
        f"| chance (guessing) | | {pooled['chance_macro_f1']:.3f} | | {pooled['chance_uar']:.3f} | "
        f"{pooled['chance_accuracy']:.3f} | | | | |"
    )
    return "\n".join([*lines, "", *_notes(record)])


def _line(variant: dict[str, Any]) -> str:
    values = [run["macro_f1"] for run in variant["runs"]]
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    pooled = variant["over_actors"]
    bounds = (pooled["test_intervals"] or {}).get("macro_f1")
    cells = [
        variant["variant"],
        f"{variant['parameters']:,}",
        f"{np.mean(values):.3f}{spread}",
        _interval(bounds),
        f"{np.mean([run['uar'] for run in variant['runs']]):.3f}",
        f"{np.mean([run['accuracy'] for run in variant['runs']]):.3f}",
        variant.get("reference", ""),
        *_difference(variant.get("difference")),
    ]
    return f"| {' | '.join(cells)} |"


def _difference(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return ["", "", ""]
    bounds = None if found["low"] is None else [found["low"], found["high"]]
    return [f"{found['mean']:+.3f} {_interval(bounds, sign='+')}", f"{found['p_value']:.3f}", f"{found['p_holm']:.3f}"]


def _interval(bounds: list[float] | None, sign: str = "") -> str:
    return "" if bounds is None else f"[{bounds[0]:{sign}.3f}, {bounds[1]:{sign}.3f}]"


def _setting(record: dict[str, Any]) -> str:
    runs = record["variants"][0]["runs"]
    folds, seeds = (sorted({run[name] for run in runs}) for name in ("fold", "seed"))
    actors = sorted({actor for run in runs for actor in run["actors"].get("test", [])})
    whose = "actors SEEN in training (leaky split)" if record.get("leaky") else "unseen actors"
    return (
        f"{record['corpus']}, {record['label_set']}, {whose} {numbers(actors)} ({record['protocol']}, "
        f"folds {', '.join(map(str, folds))}; seeds {', '.join(map(str, seeds))})"
    )


def _notes(record: dict[str, Any]) -> list[str]:
    compared_ones = [variant["difference"]["units"] for variant in record["variants"] if "difference" in variant]
    actors = compared_ones[0] if compared_ones else 0
    notes = [
        "Intervals are 95 %, by bootstrap over test actors. p: exact two-sided sign-flip test on the actors' "
        f"differences in UAR, and adjusted for {len(compared_ones)} comparisons (Holm)."
    ]
    if actors:
        notes.append(f"With {actors} actors p cannot be below {smallest_p(actors):.3g}, however large the difference.")
    notes += [f"Left out: {reason}." for reason in record["refused_folds"].values()]
    notes += [
        f"Fold {k}: its own validation actors are not there; actors {numbers(validation)} validated."
        for k, validation in record["stand_in_validation"].items()
    ]
    return notes


def plot_rows(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the plot: mean macro-F1 of the runs, its interval over actors, and the runs."""
    rows = []
    for variant in variants:
        values = [run["macro_f1"] for run in variant["runs"]]
        low, high = (variant["over_actors"]["test_intervals"] or {}).get("macro_f1") or (None, None)
        rows.append(
            {"variant": variant["variant"], "mean": float(np.mean(values)), "low": low, "high": high, "runs": values}
        )
    return rows


def save(record: dict[str, Any], folder: Path) -> None:
    """Write the record, the table and plots/ into the folder."""
    title = f"{record['title']}\n{_setting(record)}"
    chance = record["variants"][0]["over_actors"]["chance_macro_f1"]
    plot_variants(plot_rows(record["variants"]), title, folder / "plots" / "variants.png", chance=chance)
    gated = {
        variant["variant"]: variant["robustness"]
        for variant in record["variants"]
        if variant["robustness"][0]["gate"] is not None
    }
    if gated:
        plot_gate(gated, f"Weight of the sound: {_setting(record)}", folder / "plots" / "gate.png")
    write_whole(folder / TABLE_FILE, lambda path: path.write_text(text(record) + "\n", encoding="utf-8"))
    content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / JSON_FILE, lambda path: path.write_text(content, encoding="utf-8"))
