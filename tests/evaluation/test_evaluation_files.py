"""Files of a run: whole or not at all, plots that open, the card, the comparison."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from emofusion.data.whole_files import write_whole
from emofusion.evaluation import compare
from emofusion.evaluation.plots.run_plots import plot_confusion, plot_training
from emofusion.evaluation.reports import card, report
from emofusion.evaluation.reports.report import command_line
from helpers import REPOSITORY


def metrics_of_a_run(**changes: object) -> dict:
    scores = {"macro_f1": 0.61234, "uar": 0.625, "accuracy": 0.64, "weighted_f1": 0.63}
    chance = {"chance_macro_f1": 0.124, "chance_uar": 0.125, "chance_accuracy": 0.125, "majority_accuracy": 0.1333}
    return {
        "corpus": "RAVDESS",
        "corpus_synthetic": False,
        "corpus_notice": "RAVDESS, Livingstone and Russo 2018",
        "label_set": "emotions8",
        "protocol": "holdout",
        "fold": 0,
        "leaky": False,
        "actors": {"train": [1, 2], "validation": [13], "test": [17]},
        "clips": {"train": 120, "validation": 60, "test": 60},
        "labels": ["neutral", "calm"],
        "fusion": "gated",
        "parameters": 22_545_161,
        "num_frames": 8,
        "image_size": 112,
        "encoder_width": 64,
        "window": "voice",
        "face_crop": "none",
        "seed": 42,
        "command": "accelerate launch train_hf.py recipes/gated.yaml",
        "versions": {"torch": "2.12.0"},
        "trained": True,
        "load_from": "you/gated",
        "epochs": 3.0,
        "validation_macro_f1": 0.7,
        **{f"test_{name}": value for name, value in scores.items()},
        **chance,
        **changes,
    }


def write(metrics: dict, folder: Path, license_id: str = "cc-by-nc-sa-4.0") -> ModelCard:
    card.write_card(metrics, license_id, REPOSITORY / "model_card.md", folder, model_name="you/gated")
    return ModelCard.load(folder / "README.md")


def test_write_whole_interrupted_leaves_nothing(tmp_path: Path):
    def half(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    target = tmp_path / "metrics.json"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_whole(target, half)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_card_numbers_equal_the_metrics(tmp_path: Path):
    metrics = metrics_of_a_run()
    found = write(metrics, tmp_path)
    results = {result.metric_type: result.metric_value for result in found.data.eval_results}
    assert results == {name: metrics[f"test_{name}"] for name in ("macro_f1", "uar", "accuracy", "weighted_f1")}
    assert "| macro-F1 | 0.612 | 0.124 |" in found.text
    assert "| train | 1, 2 | 120 |" in found.text
    assert found.data.license == "cc-by-nc-sa-4.0"
    assert "CC BY-NC-SA 4.0: no commercial use" in found.text
    assert metrics["command"] in found.text


def test_card_of_a_synthetic_corpus_says_so_first(tmp_path: Path):
    metrics = metrics_of_a_run(corpus="synthetic demo corpus", corpus_synthetic=True)
    found = write(metrics, tmp_path, "apache-2.0")
    first = next(line for line in found.text.splitlines() if line.strip())
    assert "synthetic demo corpus" in first
    assert "no commercial use" not in found.text
    scores = [line for line in found.text.splitlines() if line.startswith(("| score", "On 60 clips"))]
    assert len(scores) == 2
    assert all("synthetic demo corpus" in line for line in scores)


def test_card_of_a_leaky_split_says_so_first(tmp_path: Path):
    found = write(metrics_of_a_run(leaky=True, protocol="random_clips"), tmp_path)
    assert found.text.lstrip().startswith("> **Leaky split: actors of the test were seen")
    assert "never seen" not in found.text
    assert "unseen actors |" not in found.text
    assert "leaky split" in found.data.eval_results[0].dataset_name
    assert "Leaky" not in write(metrics_of_a_run(), tmp_path).text


def test_compare_names_a_leaky_split(tmp_path: Path):
    assert "LEAKY SPLIT" in compare.table({"run": metrics_of_a_run(leaky=True)})
    assert "LEAKY" not in compare.table({"run": metrics_of_a_run()})


def test_summary_of_a_leaky_split_does_not_speak_of_unseen_actors():
    assert "actors SEEN in training (leaky split)" in report.summary(metrics_of_a_run(leaky=True))
    assert "unseen actors" in report.summary(metrics_of_a_run())


def test_plots_open_as_pictures(tmp_path: Path):
    plot_confusion([[3, 1], [0, 4]], ["neutral", "happy"], "gated", tmp_path / "plots" / "confusion.png")
    history = [{"epoch": 1, "loss": 2.0}, {"epoch": 1, "eval_loss": 2.1, "eval_macro_f1": 0.3, "eval_uar": 0.4}]
    plot_training(history, "gated", tmp_path / "plots" / "curves.png")
    for path in (tmp_path / "plots").iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 10


def test_compare_prints_corpus_and_chance_beside_each_score(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name, score in (("audio", 0.5), ("gated", 0.6)):
        (tmp_path / name).mkdir()
        metrics = metrics_of_a_run(fusion=name, test_macro_f1=score, corpus="synthetic demo corpus")
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
    compare.main([str(tmp_path / "audio"), str(tmp_path / "gated")])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == 3
    assert all("synthetic demo corpus" in line for line in lines)
    assert "0.600" in lines[1]
    assert "chance" in lines[2]
    assert "0.124" in lines[2]


def test_compare_without_scores_names_the_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"metrics\.json"):
        compare.main([str(tmp_path)])


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
