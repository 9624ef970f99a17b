"""The comparison of runs: what it says of each, and how little it needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emofusion.evaluation import compare
from emofusion.evaluation.reports.summary import summary
from helpers.runs.run_records import beside_branches, metrics_of


def test_compare_names_a_leaky_split(tmp_path: Path):
    assert "LEAKY SPLIT" in compare.table({"run": metrics_of(leaky=True)})
    assert "LEAKY" not in compare.table({"run": metrics_of()})


def test_model_that_was_given_away_is_scored_by_cross_validation():
    released = {"fold": None, "seed": None, "cross_validated": {"folds": [0, 1], "seeds": [42], "actors": [3, 3]}}
    metrics = metrics_of(protocol="msaf6", **released)
    for text in (compare.where(metrics), summary(metrics)):
        assert "msaf6 cross-validated" in text and "None" not in text


def test_compare_prints_corpus_and_chance_beside_each_score(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name, score in (("audio", 0.5), ("gated", 0.6)):
        (tmp_path / name).mkdir()
        metrics = metrics_of(name, test_macro_f1=score, corpus="synthetic demo corpus")
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
    compare.main([str(tmp_path / "audio"), str(tmp_path / "gated")])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == 3
    assert all("synthetic demo corpus" in line for line in lines)
    assert "0.600" in lines[1]
    assert "chance" in lines[2]
    assert f"{metrics['chance_macro_f1']:.3f}" in lines[2]


def test_compare_prints_the_interval_of_each_score():
    metrics = metrics_of()
    run, chance = (line.split(" | ") for line in compare.table({"run": metrics}).splitlines()[2:])
    low, high = metrics["test_intervals"]["macro_f1"]
    assert run[3] == f"{metrics['test_macro_f1']:.3f} ({low:.3f} to {high:.3f})"
    assert chance[3] == f"{metrics['chance_macro_f1']:.3f}"
    alone = compare.table({"run": metrics_of(actors=(17,))}).splitlines()[2].split(" | ")
    assert " to " not in alone[3]


def test_compare_without_scores_names_the_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"metrics\.json"):
        compare.main([str(tmp_path)])


def test_compare_needs_no_model_and_draws_nothing():
    heavy = ["torch", "transformers", "matplotlib", "sklearn", "scipy", "evaluate", "jinja2"]
    code = f"import sys, emofusion.evaluation.compare\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_compare_puts_branches_above_their_fusion(tmp_path: Path, capsys: pytest.CaptureFixture):
    fused = beside_branches(0.4, 0.5, 0.1)
    for name, metrics in (("audio", metrics_of("audio")), ("video", metrics_of("video")), (".", fused)):
        (tmp_path / "out" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name / "metrics.json").write_text(json.dumps(metrics))
    compare.main(["--branches", str(tmp_path / "out"), str(tmp_path / "out" / "audio")])
    lines = capsys.readouterr().out.splitlines()
    folders = [line.split(" | ")[0].strip("| ") for line in lines[2:6]]
    assert folders == [*(str(tmp_path / "out" / name) for name in ("audio", "video")), str(tmp_path / "out"), "-"]
    assert lines[-1].startswith(f"{tmp_path / 'out'}: is gated better than its branches? On these actors it is")
    (tmp_path / "out" / "video" / "metrics.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"video/metrics\.json"):
        compare.main(["--branches", str(tmp_path / "out")])
