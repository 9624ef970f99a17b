"""The command as a whole: its verbs, its help, its exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emofusion.commands import help_texts
from emofusion.commands.main import VERBS, main
from emofusion.data import prepare
from emofusion.data.demo_corpus import __main__ as demo_corpus
from emofusion.evaluation import compare
from emofusion.evaluation.explain import __main__ as explain
from emofusion.training.command_line.flags import EXPERIMENT_FLAGS, run_flags
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.run_records import metrics_of

HELPS = [[], *([verb] for verb in VERBS), *(["data", verb] for verb in help_texts.DATA_VERBS)]


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--\w+", text)) - {"--help"}


def help_of(words: list[str], capsys: pytest.CaptureFixture) -> str:
    try:
        assert main([*words, "--help"]) == 0
    except SystemExit as end:  # by argparse
        assert end.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_fits_80_columns_and_has_an_example(
    words: list[str], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(words, capsys)
    assert text.startswith(f"usage: {' '.join(['emofusion', *words])}")
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert re.search(rf"^  emofusion {' '.join(words)}", text, re.MULTILINE)


@pytest.mark.parametrize("verb", [verb for verb in help_texts.DATA_VERBS if verb != "demo"])
def test_help_of_data_names_the_flags_that_there_are(verb: str):
    there = {flag for flag in prepare._parser(verb)._option_string_actions if flag.startswith("--")}
    assert flags_in(help_texts.DATA_VERBS[verb]) == there - {"--help"}


@pytest.mark.parametrize(
    "run, text",
    [
        (demo_corpus.main, help_texts.DATA_VERBS["demo"]),
        (compare.main, help_texts.COMPARE),
        (explain.main, help_texts.EXPLAIN),
    ],
)
def test_help_names_the_flags_that_there_are(run, text: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        run(["--help"])
    assert flags_in(text) == flags_in(capsys.readouterr().out)


@pytest.mark.parametrize("text", [help_texts.TRAIN, help_texts.EVALUATE])
def test_help_of_training_names_no_flag_that_is_none(text: str):
    there = {f"--{name}" for name in [*run_flags(), *EXPERIMENT_FLAGS, "help_all", "model"]}
    assert flags_in(text) - there == set()


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "expected one of predict, info,"),
        (["predictt"], "did you mean 'predict'?"),
        (["data", "cook"], "expected one of prepare, inspect"),
        (["train", "--fusoin", "gated"], "--fusoin: no such flag; did you mean 'fusion'?"),
        (["evaluate", "--data_dir", "RAVDESS"], "--model is missing"),
        (["predict", "clip.mp4", "--model", "nowhere/at/all"], "--model nowhere/at/all: no such folder"),
        (["data", "export", "--data_dir", "RAVDESS"], "--export_parquet or --export_npz is missing"),
        (["data", "inspect", "--data_dir", "nowhere"], "--data_dir nowhere: no such folder"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert out == ""


def test_flags_that_argparse_refuses_are_exit_code_2(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as end:
        main(["predict", "clip.mp4"])
    assert end.value.code == 2
    assert "--model" in capsys.readouterr().err


def test_compare_prints_its_table(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "metrics.json").write_text(json.dumps(metrics_of()))
    assert main(["compare", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("| run |")
    assert main(["compare", str(tmp_path / "other")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/other/metrics.json: not there")


def test_data_looks_at_a_corpus_and_exports_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    corpus = write_corpus(tmp_path / "corpus", actors=(1,), emotions=(3, 4))
    words = ["--data_dir", corpus, "--cache_dir", tmp_path / "cache", "--num_frames", 2, "--image_size", 28]
    assert main(["data", "inspect", *map(str, words)]) == 0
    assert "takes 2" in " ".join(capsys.readouterr().out.split())
    assert main(["data", "export", *map(str, words), "--export_npz", str(tmp_path / "npz")]) == 0
    assert len(list((tmp_path / "npz").rglob("*.npz"))) == 2
    assert main(["data", "inspect", *map(str, words), "--strict"]) == 1


def test_nobody_who_reads_is_no_error():
    """A pipe whose reader is gone, as of `emofusion --help | head -1`: quiet, and no exit code of an error."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-m", "emofusion", "--help"],
        stdout=writes,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writes)
    assert done.stderr == b""
    assert done.returncode == 141
