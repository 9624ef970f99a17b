"""`emofusion info`: all that the files of a model say, without its weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emofusion.commands.info import NOT_WRITTEN
from emofusion.commands.main import main
from emofusion.modeling import EmoFusionConfig
from helpers.runs.run_records import metrics_of
from helpers.tiny_checkpoint import FOLDER


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint with scores and a card."""
    folder = Path(shutil.copytree(FOLDER, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"training_actors": [1, 2, 3, 13], "training_actors_complete": True}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics_of()))
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-sa-4.0\n---\n\n# A card\n")
    return folder


def test_info_tells_what_is_read_by_whom_it_was_learned_and_how_good_it_is(model: Path, capsys: pytest.CaptureFixture):
    assert main(["info", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    text = " ".join(" ".join(lines).split())
    metrics = metrics_of()
    low, high = metrics["test_intervals"]["uar"]
    size = (model / "model.safetensors").stat().st_size / 1e6
    for said in (
        f"{model} (gated), 22,545,161 parameters, {size:.1f} MB",
        "sound (16000 Hz, 64 mel bands; resnet18) and picture (4 frames of 32 x 32; resnet18); either may be missing",
        "3 s of a clip, where most of the sound is",
        "8: neutral, calm, happy, sad, angry, fearful, disgust, surprised",
        "actors 1-3, 13 (RAVDESS)",
        "cc-by-nc-sa-4.0",
        "240 clips of unseen actors 17-20",
        f"UAR {metrics['test_uar']:.3f} 95 % {low:.3f} to {high:.3f} over 4 actors",
        f"(chance {metrics['chance_uar']:.3f})",
    ):
        assert said in text, said
    assert [line for line in lines if len(line) > 80 and str(model) not in line] == []


def test_what_an_early_config_lacks_is_told_as_the_model_takes_it():
    config = EmoFusionConfig()
    assert {name: getattr(config, name) for name in NOT_WRITTEN} == NOT_WRITTEN


def test_info_for_programs_has_the_same_as_json(model: Path, capsys: pytest.CaptureFixture):
    assert main(["info", str(model), "--format", "json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["license"] == "cc-by-nc-sa-4.0"
    assert about["reads"]["video"]["num_frames"] == 4
    assert about["training_actors"] == [1, 2, 3, 13]
    assert about["metrics"]["test_uar"] == metrics_of()["test_uar"]


def test_info_says_that_nobody_knows_of_a_leak(model: Path, capsys: pytest.CaptureFixture):
    (model / "metrics.json").write_text(json.dumps(metrics_of(leaky=None, corpus_synthetic=True)))
    assert main(["info", str(model)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "actors perhaps seen in training" in text
    assert "note Where the corpus comes from." in text


def test_info_of_a_model_without_scores_and_card_says_so(capsys: pytest.CaptureFixture):
    assert main(["info", str(FOLDER)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "licence not told: there is no card" in text
    assert "scores none here; `emofusion evaluate` makes them" in text


@pytest.mark.parametrize(
    "config, said",
    [
        (None, "expected a checkpoint, found no config.json in it"),
        ('{"model_type": "vit"}', "expected a model of emofusion, found model_type 'vit' in config.json"),
        ("{", "config.json: not valid JSON"),
        ("[]", "config.json: expected a JSON object, found list"),
    ],
)
def test_what_is_no_model_of_ours_is_named(
    config: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    assert main(["info", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith(f"error: {tmp_path}") and err.count("\n") == 1


def test_info_needs_no_torch(model: Path):
    code = (
        "import sys\nfrom emofusion.commands.main import main\n"
        f"main(['info', {str(model)!r}])\nprint('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "False False"
