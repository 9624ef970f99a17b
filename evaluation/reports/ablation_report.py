"""What `--ablation` leaves: ablation.json, a table as Markdown, and plots."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emofusion.data.whole_files import write_json, write_text
from emofusion.evaluation.attempts import attempt_all
from emofusion.evaluation.plots.coverage import coverage_figure
from emofusion.evaluation.plots.figures import drawn
from emofusion.evaluation.plots.gate import gate_figure
from emofusion.evaluation.plots.variants import variants_figure
from emofusion.evaluation.run_files import ABLATION_FILE, ABLATION_TABLE, COVERAGE_PLOT, GATE_PLOT, VARIANTS_PLOT

from .ablation_table import setting, shown, text
from .subject import trained_together, worst_leak

_FACTS = (
    "fusion",
    "parameters",
    "corpus",
    "corpus_synthetic",
    "corpus_notice",
    "label_set",
    "protocol",
    "test_part",
    "own_clips",
    "num_frames",
    "image_size",
    "encoder_width",
    "audio_encoder_width",
    "versions",
    "trained_on_validation",
)


def facts(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the table says of a variant beside its scores, of its runs' metrics.json."""
    return {name: runs[0][name] for name in _FACTS if name in runs[0]} | {
        "leaky": worst_leak(runs),
        "trained_modalities": trained_together(runs),
    }


def common(variants: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all variants share; leaky is what one of them is, for example by the checkpoint that it began with."""
    shared = {name: value for name, value in variants[0].items() if name in _FACTS[2:]}
    return shared | {"leaky": worst_leak(variants), "trained_modalities": trained_together(variants)}


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
    """Write the record, the table and plots/ into the folder; the numbers first."""
    write_json(folder / ABLATION_FILE, record, indent=1)
    write_text(folder / ABLATION_TABLE, text(record) + "\n")
    attempt_all(lambda: _plots(record), folder)


def _plots(record: dict[str, Any]) -> dict[str, Callable[[Path], None]]:
    """What draws each plot, by its file."""
    variants, where = record["variants"], setting(record)
    title, chance = f"{record['title']}\n{where}", variants[0]["over_actors"]["chance_macro_f1"]
    plots = {VARIANTS_PLOT: drawn(variants_figure, plot_rows(shown(record)), title, chance)}
    sure = {row["variant"]: row["over_actors"]["test_by_coverage"] for row in variants}
    above = f"Accuracy where they may be unsure: {where}"
    plots[COVERAGE_PLOT] = drawn(coverage_figure, sure, above, variants[0]["over_actors"]["chance_accuracy"])
    gated = {row["variant"]: row["robustness"] for row in variants if row["robustness"][0]["gate"] is not None}
    if gated:
        plots[GATE_PLOT] = drawn(gate_figure, gated, f"Weight of the sound: {where}")
    return plots
