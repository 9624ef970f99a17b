"""Tables of experiments: every number is that of the record, and the words are true."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emofusion.evaluation.reports import ablation_report, ablation_table, fold_report
from emofusion.evaluation.reports.subject import worst_leak
from emofusion.evaluation.scores.folds import mean_robustness, over_folds, summarise
from emofusion.evaluation.scores.score_fields import TITLES
from emofusion.evaluation.scores.scoring import score_predictions
from emofusion.evaluation.scores.significance import compared
from helpers.runs.run_records import beside_branches

NAMES = ["neutral", "happy", "sad"]


def predictions(actors: tuple[int, ...], seed: int) -> pd.DataFrame:
    """12 clips an actor, about half of them right."""
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(3), 4 * len(actors))
    probabilities = generator.dirichlet(np.ones(3), len(labels))
    probabilities[np.arange(len(labels)), labels] += generator.random(len(labels))
    return pd.DataFrame(
        {
            "clip": [f"clip {index} of {actors}" for index in range(len(labels))],
            "actor": np.repeat(actors, 12),
            "gender": ["male" if actor % 2 else "female" for actor in np.repeat(actors, 12)],
            "label": [NAMES[label] for label in labels],
            "prediction": [NAMES[index] for index in probabilities.argmax(1)],
            "probabilities": list(probabilities / probabilities.sum(1, keepdims=True)),
        }
    )


def run_of(fold: int, seed: int, table: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """metrics.json of one run."""
    actors = sorted(set(table["actor"])) if "actor" in table else []
    return {
        "fold": fold,
        "seed": seed,
        "actors": {"test": actors, "validation": [20]} if actors else {},
        "clips": {"test": len(table)},
        "labels": NAMES,
        "fusion": "audio",
        "parameters": 1234,
        "corpus": "RAVDESS",
        "label_set": "emotions4",
        "protocol": "msaf6",
        "leaky": False,
        "robustness": [{"condition": "undisturbed", "macro_f1": 0.5, "gate": None}],
        **score_predictions(table, NAMES),
        **changes,
    }


GRID = [(fold, seed) for fold in (0, 1) for seed in (1, 2)]
TABLES = [predictions(((1, 2, 3), (4, 5, 6))[fold], seed + 10 * fold) for fold, seed in GRID]
RUNS = [run_of(fold, seed, table) for (fold, seed), table in zip(GRID, TABLES, strict=True)]


def record_of(runs: list[dict[str, Any]], tables: list[pd.DataFrame]) -> dict[str, Any]:
    notes = {"refused_folds": {5: "msaf6 fold 5 is refused"}, "stand_in_validation": {1: [7, 8]}}
    return summarise(runs, tables) | fold_report.common(runs) | notes


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_over_folds_is_over_the_means_of_seeds():
    found = over_folds(RUNS, "test_uar")
    means = [np.mean([run["test_uar"] for run in RUNS if run["fold"] == fold]) for fold in (0, 1)]
    assert found["mean"] == pytest.approx(np.mean(means))
    assert found["deviation"] == pytest.approx(np.std(means, ddof=1))
    interval = stats.t.interval(0.95, 1, loc=np.mean(means), scale=stats.sem(means))
    assert found["interval"] == pytest.approx(np.clip(interval, 0, 1))
    assert over_folds(RUNS[:2], "test_uar")["deviation"] is None


def test_fold_table_has_the_numbers_of_the_record():
    record = record_of(RUNS, TABLES)
    header, _, *rows = rows_of(fold_report.text(record))
    assert header == ["fold", "seed", "test actors", "validation actors", "clips", *TITLES.values()]
    for run, row in zip(RUNS, rows, strict=False):
        assert row[:5] == [str(run["fold"]), str(run["seed"]), "1-3" if run["fold"] == 0 else "4-6", "20", "36"]
        assert row[5:] == [f"{run[f'test_{name}']:.3f}" for name in TITLES]
    mean, pooled, chance = rows[4:]
    for index, name in enumerate(TITLES):
        assert mean[5 + index] == f"{record['over_folds'][name]['mean']:.3f}"
        low, high = record["over_actors"]["test_intervals"][name]
        assert pooled[5 + index] == f"{record['over_actors'][f'test_{name}']:.3f} ({low:.3f} to {high:.3f})"
        assert chance[5 + index] == f"{record['over_actors'][f'chance_{name}']:.3f}"
    assert pooled[:5] == ["all test clips", "", "1-6", "", "144"]


def test_from_three_folds_on_their_mean_has_deviation_and_interval():
    third = predictions((7, 8, 9), 31)
    record = record_of([*RUNS, run_of(2, 1, third)], [*TABLES, third])
    text = fold_report.text(record)
    mean = next(row for row in rows_of(text) if row[0] == "mean of 3 folds")
    for index, name in enumerate(TITLES):
        folds = record["over_folds"][name]
        low, high = folds["interval"]
        assert mean[5 + index] == f"{folds['mean']:.3f} ± {folds['deviation']:.3f} ({low:.3f} to {high:.3f})"
    assert "± is the standard deviation over folds" in text
    two = fold_report.text(record_of(RUNS, TABLES))
    assert "± is" not in two and "Fewer than 3 folds do not say how far folds differ" in two


def test_fold_table_says_what_was_left_out():
    text = fold_report.text(record_of(RUNS, TABLES))
    assert text.startswith("audio on unseen actors of RAVDESS, emotions4, msaf6")
    assert "by bootstrap over 6 actors" in text
    assert "A clip counts once for each seed." in text
    assert "Left out: msaf6 fold 5 is refused." in text
    assert "Fold 1: its own validation actors are not there; actors 7-8 validated." in text


def test_fold_table_of_own_clips_speaks_of_speakers():
    text = fold_report.text(record_of([run | {"own_clips": True} for run in RUNS], TABLES))
    assert text.startswith("audio on unseen speakers of RAVDESS")
    assert rows_of(text)[0][2:4] == ["test speakers", "validation speakers"]
    assert "by bootstrap over 6 speakers" in text
    assert "Fold 1: its own validation speakers are not there; speakers 7-8 validated." in text
    assert "actor" not in text


def test_folds_that_may_be_unsure_say_how_many_clips_they_answer():
    assert "unsure" not in fold_report.text(record_of(RUNS, TABLES))
    below = (0.5, 0.6, 0.0, 0.7)  # a threshold each
    tables = [
        table.assign(answered=[max(found) >= least for found in table["probabilities"]])
        for table, least in zip(TABLES, below, strict=True)
    ]
    answered = pd.concat([table[table["answered"]] for table in tables])
    right = (answered["label"] == answered["prediction"]).mean()
    assert 0 < len(answered) < 144
    assert (
        f"Of all test clips: the model is unsure below the threshold of each run: {100 * len(answered) / 144:.0f} % "
        f"answered, accuracy {right:.3f}."
    ) in fold_report.text(record_of(RUNS, tables))


@pytest.mark.parametrize(
    ("leaks", "together"),
    [([False, True, None], True), ([False, None], None), ([False, False], False), ([], False)],
)
def test_one_leaky_run_makes_all_leaky(leaks: list[bool | None], together: bool | None):
    assert worst_leak([{"leaky": leak} for leak in leaks]) is together


def test_one_leaky_fold_is_not_called_unseen():
    runs = [*RUNS[:3], RUNS[3] | {"leaky": True}]
    assert "actors SEEN in training" in fold_report.text(record_of(runs, TABLES))


def test_folds_say_what_no_clip_of_their_training_had():
    deaf = [run | {"fusion": "gated", "trained_modalities": ["video"]} for run in RUNS]
    assert "gated: trained on clips without sound: it has never heard any." in fold_report.text(
        record_of(deaf, TABLES)
    )
    once = [*deaf[:3], RUNS[3] | {"trained_modalities": ["audio", "video"]}]
    assert "trained on clips without" not in fold_report.text(record_of(once, TABLES))
    unknown = [run | {"trained_modalities": None, "leaky": None} for run in RUNS]
    assert "perhaps seen in training" in fold_report.text(record_of(unknown, TABLES))


def test_pictures_are_not_actors_and_count_once():
    table = TABLES[0].drop(columns=["actor", "gender"])
    runs = [run_of(0, seed, table, corpus="FER-2013") for seed in (1, 2)]
    record = record_of(runs, [table, table])
    assert record["over_actors"]["test_intervals"] == runs[0]["test_intervals"]
    text = fold_report.text(record)
    assert text.startswith("audio on pictures of the published test split of FER-2013")
    assert "bootstrap over 36 clips" in text
    assert "actors of" not in text


def variant(name: str, runs: list[dict[str, Any]], tables: list[pd.DataFrame]) -> dict[str, Any]:
    facts = ablation_report.facts(runs) | {"robustness": mean_robustness(runs)}
    return {"variant": name, **facts, **summarise(runs, tables)}


def ablation_of(names: list[str], reference: str | list[str]) -> dict[str, Any]:
    """A record of variants with two seeds each on four actors."""
    found = []
    for index, name in enumerate(names):
        tables = [predictions((1, 2, 3, 4), 100 * index + seed) for seed in (1, 2)]
        runs = [run_of(0, seed, table) for seed, table in zip((1, 2), tables, strict=True)]
        found.append(variant(name, runs, tables))
    variants = compared(found, reference)
    notes = {"title": "Some variants", "refused_folds": {}, "stand_in_validation": {}}
    return {"variants": variants, **ablation_report.common(variants), **notes}


def test_ablation_table_has_the_numbers_of_the_record():
    record = ablation_of(["audio", "video", "gated"], ["audio", "video"])
    header, _, *rows = rows_of(ablation_table.text(record))
    assert header[2] == "macro-F1, 95 % over actors"
    for found, row in zip(record["variants"], rows, strict=False):
        pooled, values = found["over_actors"], [run["macro_f1"] for run in found["runs"]]
        low, high = pooled["test_intervals"]["macro_f1"]
        assert row[:3] == [found["variant"], "1,234", f"{pooled['test_macro_f1']:.3f} ({low:.3f} to {high:.3f})"]
        assert row[3] == f"{np.mean(values):.3f}"  # of two runs, which have no deviation worth the name
        assert row[4:6] == [f"{pooled['test_uar']:.3f}", f"{pooled['test_accuracy']:.3f}"]
    better = max(record["variants"][:2], key=lambda found: found["over_actors"]["test_macro_f1"])
    gated = record["variants"][2]
    assert gated["reference"] == better["variant"] == rows[2][6]
    difference = gated["difference"]
    assert rows[2][7] == f"{difference['mean']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
    assert rows[2][8:] == [f"{difference['p_value']:.3f}", f"{difference['p_holm']:.3f}"]
    assert rows[0][6:] == rows[1][6:] == ["", "", "", ""]


def test_ablation_has_the_damage_of_each_variant():
    record = ablation_of(["one", "two"], "previous")
    record["variants"][1]["robustness"] = [
        {"condition": "audio and video", "macro_f1": 0.7},
        {"condition": "video only", "macro_f1": 0.25},
    ]
    rows = rows_of(ablation_table.text(record))[-4:]
    assert rows[0] == ["condition", "one", "two"]
    assert rows[2:] == [["undisturbed", "0.500", "0.700"], ["video only", "-", "0.250"]]


def test_ablation_has_branches_above_its_variants_and_the_gain_of_each():
    record = ablation_of(["gated", "late", "from scratch"], "previous")
    branch, beside = record["variants"][2] | {"variant": "audio alone (shared)"}, beside_branches(0.4, 0.5, 0.1)
    for found in record["variants"][:2]:
        found |= {name: beside[name] for name in ("branches", "fusion_gain")}
    text = ablation_table.text(record | {"branches": [branch]})
    rows = rows_of(text)
    assert [row[0] for row in rows[2:6]] == ["audio alone (shared)", "gated", "late", "from scratch"]
    gains = next(index for index, row in enumerate(rows) if row[0] == "fusion")
    assert [row[0] for row in rows[gains + 2 : gains + 4]] == ["gated", "late"]
    uar = beside["fusion_gain"]["over"]["audio"]["uar"]
    assert rows[gains + 2][2] == f"{uar['mean']:+.3f} ({uar['low']:+.3f} to {uar['high']:+.3f})"
    assert rows[gains + 4][:2] == ["condition", "audio alone (shared)"]
    assert "Is each fusion better" not in ablation_table.text(record | {"variants": [record["variants"][2]] * 2})


def test_ablation_says_what_its_p_can_be():
    text = ablation_table.text(ablation_of(["one", "two"], "previous"))
    assert "p: two-sided, by all sign flips" in text
    assert "With 4 actors it cannot be below 0.125, however" in text
    assert "what other seeds would have changed is not in them" in text


def test_ablation_of_a_leaky_variant_says_so_in_heading_and_row():
    record = ablation_of(["one", "two"], "previous")
    record["variants"][1]["leaky"] = True
    text = ablation_table.text(record | ablation_report.common(record["variants"]))
    assert "actors SEEN in training" in text.splitlines()[0]
    assert re.search(r"^\| two \(LEAKY\) \|", text, flags=re.MULTILINE)


def test_mean_robustness_goes_by_condition():
    rows = [("a", 0.2, None), ("b", 0.4, 1.0), ("b", 0.6, None)]
    first, second, third = ({"condition": name, "macro_f1": score, "gate": gate} for name, score, gate in rows)
    assert mean_robustness([{"robustness": [first, second]}, {"robustness": [third]}]) == [
        {"condition": "a", "macro_f1": 0.2, "gate": None},
        {"condition": "b", "macro_f1": 0.5, "gate": 1.0},
    ]


def test_gates_of_actors_are_theirs_over_runs():
    gates = ({"1": 0.2, "2": 0.4}, {"1": 0.4}, None)
    runs = [{"robustness": [{"condition": "a", "gate_by_actor": gate}]} for gate in gates]
    assert mean_robustness(runs) == [{"condition": "a", "gate_by_actor": pytest.approx({"1": 0.3, "2": 0.4})}]
    assert mean_robustness(runs[2:]) == [{"condition": "a", "gate_by_actor": None}]
