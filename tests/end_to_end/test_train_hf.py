"""The main job, as a user runs it, on a tiny synthetic demo corpus."""

import ast
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from emofusion.data.demo_corpus.corpus import make_demo_corpus
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from helpers.runs.demo_runs import launch_training, run_training, run_without_package, tiny_recipe
from helpers.runs.forked import ForkedRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training actors, one for validation, one for testing."""
    return make_demo_corpus(
        tmp_path_factory.mktemp("demo") / "corpus", actors=[1, 2, 13, 17], clips_per_actor=8, image_size=32, jobs=1
    )


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> list[object]:
    folder = tmp_path_factory.mktemp("tiny")
    return [tiny_recipe(folder), "--data_dir", corpus, "--cache_dir", folder / "cache"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, places: list[object]) -> tuple[Path, str]:
    """A finished gated run and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "gated"
    return out, launch_training(*places, "--output_dir", out, launcher=True)


def test_run_leaves_all_its_files(finished: tuple[Path, str]):
    out, _ = finished
    for name in (
        "model.safetensors",
        "config.json",
        "processor_config.json",
        "modeling_emofusion.py",
        "media_emofusion.py",
        "window_emofusion.py",
        "metrics.json",
        "predictions.parquet",
        "README.md",
        "plots/confusion_matrix.png",
        "plots/training_curves.png",
    ):
        assert (out / name).is_file(), name
    assert not list(out.glob(".*")), "temporary files left"


def test_run_scores_say_how_they_were_made(finished: tuple[Path, str]):
    out, printed = finished
    metrics = json.loads((out / "metrics.json").read_text())
    for name in ("macro_f1", "weighted_f1", "uar", "accuracy"):
        assert 0 <= metrics[f"test_{name}"] <= 1
    assert metrics["chance_uar"] == metrics["chance_accuracy"] == 0.125
    assert sum(map(sum, metrics["test_confusion_matrix"])) == metrics["clips"]["test"] == 8
    assert metrics["actors"] == {"train": [1, 2], "validation": [13], "test": [17]}
    assert (metrics["corpus"], metrics["protocol"], metrics["fold"]) == ("synthetic demo corpus", "holdout", 0)
    assert "train_hf.py" in metrics["command"]
    assert metrics["versions"]["torch"] == torch.__version__.split("+")[0]
    scores = [line for line in printed.splitlines() if "(chance" in line]
    assert len(scores) == 3
    heading = printed.splitlines()[printed.splitlines().index(scores[0]) - 1]
    assert "synthetic demo corpus" in heading and not any("corpus" in line for line in scores)


def test_run_predictions_agree_with_its_metrics(finished: tuple[Path, str]):
    out, _ = finished
    metrics = json.loads((out / "metrics.json").read_text())
    table = pd.read_parquet(out / "predictions.parquet")
    columns = ["clip", "actor", "gender", "label", "prediction", "answered", "probabilities", "gate"]
    assert list(table.columns) == columns
    assert table.answered.all(), "a model without a threshold always answers"
    assert (table.label == table.prediction).mean() == pytest.approx(metrics["test_accuracy"])
    assert table.probabilities.map(sum).to_numpy() == pytest.approx(1, abs=1e-5)
    assert table.gate.between(0, 1).all()


def test_run_card_renders_and_reads_back(finished: tuple[Path, str]):
    out, _ = finished
    metrics = json.loads((out / "metrics.json").read_text())
    card = ModelCard.load(out / "README.md")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results["macro_f1"] == round(metrics["test_macro_f1"], 4)
    first = next(line for line in card.text.splitlines() if line.strip())
    assert "synthetic demo corpus" in first
    assert not {"{{", "{%", "None", "Undefined"} & set(card.text.split())
    for picture in ("plots/confusion_matrix.png", "plots/training_curves.png"):
        assert picture in card.text


def test_card_results_are_those_of_metrics_json(finished: tuple[Path, str]):
    out, _ = finished
    metrics = json.loads((out / "metrics.json").read_text())
    card = ModelCard.load(out / "README.md")
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {
        name: round(metrics[f"test_{name}"], 4) for name in ("macro_f1", "weighted_f1", "uar", "accuracy")
    }
    rows = [line.strip("| ").split(" | ") for line in card.text.splitlines() if line.startswith("|")]
    for row in metrics["robustness"]:
        scores = [f"{row[name]:.3f}" for name in ("macro_f1", "uar", "accuracy", "unchanged", "gate")]
        assert [row["condition"], *scores] in rows
    for name, score in metrics["test_per_class"].items():
        assert [name, *(f"{score[part]:.3f}" for part in ("precision", "recall", "f1")), str(score["clips"])] in rows


LOAD_ANYWHERE = """
import torch
from transformers import AutoConfig, AutoModel, AutoModelForVideoClassification, AutoProcessor
folder, clips, target = sys.argv[1:]
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
with torch.no_grad():
    logits = {clip: model(**processor(clip, return_tensors="pt")).logits for clip in clips.split(",")}
torch.save(logits, target)
assert "transformers_modules" in type(model).__module__
AutoModelForVideoClassification.from_pretrained(folder, trust_remote_code=True)
print(config.id2label[0])
"""


@pytest.fixture(scope="module")
def elsewhere(
    finished: tuple[Path, str], corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], list[str]]:
    """A folder of somebody without the package, who runs the snippet of the card and then LOAD_ANYWHERE.

    Returns it with the clips that are given to the latter, and the lines that both printed.
    """
    out, _ = finished
    folder = tmp_path_factory.mktemp("elsewhere")
    snippet = (out / "README.md").read_text().split("## Use")[1].split("```python")[1].split("```")[0]
    clips = sorted(map(str, corpus.rglob("*.mp4")))[:3]
    shutil.copy(clips[0], folder / "clip.mp4")
    given = (out, ",".join(clips), folder / "logits.pt")
    env = {"HF_HOME": str(folder.with_name(f"{folder.name}_home"))}
    printed = run_without_package(snippet + LOAD_ANYWHERE, *given, cwd=folder, env=env)
    return folder, clips, printed.strip().splitlines()


def test_snippet_of_the_card_runs(finished: tuple[Path, str], elsewhere: tuple[Path, list[str], list[str]]):
    _, _, printed = elsewhere
    probabilities = ast.literal_eval(printed[-2])
    assert list(probabilities) == json.loads((finished[0] / "metrics.json").read_text())["labels"]
    assert sum(probabilities.values()) == pytest.approx(1, abs=0.01)


def test_checkpoint_without_the_package_gives_the_same_logits(
    finished: tuple[Path, str], elsewhere: tuple[Path, list[str], list[str]]
):
    out, (folder, clips, printed) = finished[0], elsewhere
    assert printed[-1] == "neutral"
    logits = torch.load(folder / "logits.pt")
    model, processor = EmoFusionModel.from_pretrained(out).eval(), EmoFusionProcessor.from_pretrained(out)
    for clip in clips:
        with torch.no_grad():
            here = model(**processor(clip, return_tensors="pt")).logits
        torch.testing.assert_close(logits[clip], here, atol=1e-5, rtol=0)


def test_predict_alone_repeats_the_scores_of_the_run(finished: tuple[Path, str], places: list[object], tmp_path: Path):
    out, _ = finished
    words = ["--model_name_or_path", out, "--do_predict", *places[1:], "--output_dir", tmp_path / "scores"]
    run_training(*words, log=tmp_path / "log")
    again = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    before = json.loads((out / "metrics.json").read_text())
    assert again["test_confusion_matrix"] == before["test_confusion_matrix"]
    assert not again["trained"]
    assert not (tmp_path / "scores" / "model.safetensors").exists()
    before_table, again_table = (pd.read_parquet(p / "predictions.parquet") for p in (out, tmp_path / "scores"))
    torch.testing.assert_close(
        torch.tensor(before_table.probabilities.tolist()),
        torch.tensor(again_table.probabilities.tolist()),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(("workers", "more"), [(0, []), (2, ["--ema_decay", 0.8, "--select", "last"])])
def test_run_killed_in_mid_epoch_resumes_to_the_same_weights(
    places: list[object], tmp_path: Path, workers: int, more: list[object]
):
    # 16 training clips, batches of 4: 4 steps an epoch, so the checkpoints of steps 3 and 6 lie inside one.
    flags = ["--per_device_train_batch_size", 4]
    flags += ["--eval_strategy", "steps", "--eval_steps", 3, "--save_strategy", "steps", "--save_steps", 3]
    flags += ["--num_train_epochs", 3, "--save_total_limit", 20, "--dataloader_num_workers", workers, *more]
    flags += ["--time_shift", 0.25, "--gain_augment", 6, "--noise_augment", 0.5, "--mel_warp", 0.1]
    flags += ["--black_augment", 0.5, "--mixup_alpha", 0.4]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    trained = ForkedRun(*places, *flags, "--output_dir", undisturbed, log=tmp_path / "undisturbed.log")
    trained.kill_at((undisturbed / "trainer_state.json").is_file)  # its weights are saved, its scores no matter

    begun = ForkedRun(*places, *flags, "--output_dir", killed, log=tmp_path / "killed.log")
    begun.kill_at((killed / "checkpoint-6" / "trainer_state.json").is_file)
    assert not (killed / "metrics.json").exists(), "it was killed too late to prove anything"

    flags += ["--resume_from_checkpoint", "latest"]
    run_training(*places, *flags, "--output_dir", killed, log=tmp_path / "resumed.log")
    for name in ("model.safetensors", "checkpoint-12/model.safetensors"):
        expected, found = load_file(undisturbed / name), load_file(killed / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected), name


def test_run_in_bfloat16_on_the_cpu_trains(places: list[object], tmp_path: Path):
    flags = ["--output_dir", tmp_path / "bf16", "--bf16", "--use_cpu"]
    run_training(*places, *flags, log=tmp_path / "log")
    metrics = json.loads((tmp_path / "bf16" / "metrics.json").read_text())
    assert 0 <= metrics["test_macro_f1"] <= 1
    assert metrics["train_loss"] < 10
