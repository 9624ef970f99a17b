"""The command that a run writes down."""

import pytest

from emofusion.evaluation.record.command_line import command_line


def test_command_line_can_be_typed_again():
    line = command_line(["/somewhere/train_hf.py", "recipes/gated.yaml", "--data_dir", "my corpus"])
    assert line == "accelerate launch train_hf.py recipes/gated.yaml --data_dir 'my corpus'"


@pytest.mark.parametrize("words", [["--hub_token", "hf_secret"], ["--hub_token=hf_secret"], ["--hub-token=hf_secret"]])
def test_command_line_leaves_out_tokens(words: list[str]):
    line = command_line(["train_hf.py", *words, "--seed", "1"])
    assert "hf_secret" not in line
    assert line.endswith("--seed 1")


def test_command_line_names_each_flag_once():
    words = ["recipes/gated.yaml", "--output_dir", "runs/all", "--seed=1", "--output-dir=runs/one"]
    line = command_line(["train_hf.py", *words, "--folds", "0", "1"])
    assert line == "accelerate launch train_hf.py recipes/gated.yaml --seed=1 --output-dir=runs/one --folds 0 1"
