"""The command that a run writes down."""

from pathlib import Path

import pytest

from emofusion.evaluation.record.command_line import command_line, for_others


def test_command_line_can_be_typed_again():
    line = command_line(["/somewhere/train_hf.py", "recipes/gated.yaml", "--data_dir", "my corpus"])
    assert line == "accelerate launch train_hf.py recipes/gated.yaml --data_dir 'my corpus'"


@pytest.mark.parametrize("words", [["--hub_token", "hf_secret"], ["--hub_token=hf_secret"], ["--hub-token=hf_secret"]])
def test_command_line_leaves_out_tokens(words: list[str]):
    line = command_line(["train_hf.py", *words, "--seed", "1"])
    assert "hf_secret" not in line
    assert line.endswith("--seed 1")


@pytest.mark.parametrize(
    ("own", "public"),
    [
        ("train_hf.py --data_dir /data/ravdess --seed 1", "train_hf.py --data_dir <data_dir> --seed 1"),
        ("train_hf.py --data_dir=/data/ravdess", "train_hf.py --data_dir=<data_dir>"),
        ("train_hf.py --output_dir=/here/runs/a", "train_hf.py --output_dir=runs/a"),
        ("train_hf.py --data_dir '/here/my corpus'", "train_hf.py --data_dir 'my corpus'"),
        ("train_hf.py /elsewhere/my.yaml --bf16", "train_hf.py <my.yaml> --bf16"),
        ("train_hf.py --bf16 --data_dir 'a b' --seed 1", "train_hf.py --bf16 --data_dir 'a b' --seed 1"),
        ("train_hf.py --report_to ''", "train_hf.py --report_to ''"),
    ],
)
def test_command_for_others_names_no_place_of_this_machine(own: str, public: str):
    assert for_others(own, Path("/here")) == public


def test_command_line_names_each_flag_once():
    words = ["recipes/gated.yaml", "--output_dir", "runs/all", "--seed=1", "--output-dir=runs/one"]
    line = command_line(["train_hf.py", *words, "--folds", "0", "1"])
    assert line == "accelerate launch train_hf.py recipes/gated.yaml --seed=1 --output-dir=runs/one --folds 0 1"
