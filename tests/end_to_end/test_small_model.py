"""The checkpoint in the box: models/emofusion-small."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from emofusion.commands.main import main
from helpers import REPOSITORY
from helpers.runs.demo_runs import run_without_package

MODEL = REPOSITORY / "models" / "emofusion-small"
MEGABYTES = 8

ANSWER = """\
import json, sys
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True)
answers = {}
for clip in sys.argv[2:]:
    output = model(**processor(clip, return_tensors="pt"))
    answers[clip] = [model.answers(output.logits)[0], float(output.logits.softmax(-1).sum())]
print(json.dumps(answers))
"""


def test_it_is_small():
    assert (MODEL / "model.safetensors").is_file()
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) <= MEGABYTES * 1e6


def test_its_code_is_that_of_the_package():
    theirs = {path.name: path.read_text(encoding="utf-8") for path in MODEL.glob("*.py")}
    ours = {name: (REPOSITORY / "modeling" / name).read_text(encoding="utf-8") for name in theirs}
    assert "modeling_emofusion.py" in theirs
    stale = [name for name in theirs if theirs[name] != ours[name]]
    assert not stale, f"cp modeling/*_emofusion.py {MODEL.relative_to(REPOSITORY)}/"


def test_recipes_that_make_it_fit_together():
    """What faces.yaml trains is what small.yaml starts from; else `make model` would say so after an hour."""
    names = ("faces", "small", "audio_cnn")
    faces, small, voices = (yaml.safe_load((REPOSITORY / "recipes" / f"{name}.yaml").read_text()) for name in names)
    assert {name: faces[name] for name in ("encoder_width", "grey")} == {"encoder_width": 32, "grey": True}
    assert all(faces[name] == small[name] for name in ("encoder_width", "grey", "image_size", "face_crop"))
    assert (voices["audio_encoder"], small["audio_encoder"], small["audio_encoder_width"]) == ("cnn", "cnn", 64)


def test_its_card_has_the_scores_of_its_folds_and_both_licences():
    metrics, card = json.loads((MODEL / "metrics.json").read_text()), ModelCard.load(MODEL / "README.md")
    said = {metric.metric_type: metric.metric_value for metric in card.data.eval_results}
    assert said["uar"] == pytest.approx(metrics["test_uar"], abs=1e-4)
    assert metrics["cross_validated"]["folds"] == [0, 1, 2, 3, 4]
    assert metrics["learnt_before"] == {"audio": ["RAVDESS"], "video": ["FER-2013"]}
    assert card.data.license == "cc-by-nc-sa-4.0"
    for words in ("by cross-validation", "Apache-2.0", "had learnt from FER-2013"):
        assert words in card.text, words


def test_nothing_in_it_names_a_machine():
    texts = [path.read_text(encoding="utf-8") for path in MODEL.iterdir() if path.suffix in (".md", ".json")]
    assert not [text for text in texts if "/tmp/" in text or "/home/" in text or str(REPOSITORY) in text]


def test_it_answers_without_the_package_on_clips_with_a_face_or_a_voice(test_data: Path, tmp_path: Path):
    clips = test_data / "clips"
    files = [clips / "mead" / "happy.mp4", clips / "derived" / "audio_only.m4a", clips / "pyfeat" / "single_face.mp4"]
    printed = run_without_package(ANSWER, MODEL, *files, cwd=tmp_path, env={"HF_HOME": str(tmp_path / "hf")})
    answers = json.loads(printed.splitlines()[-1])
    classes = {*json.loads((MODEL / "config.json").read_text())["id2label"].values(), "unsure"}
    assert set(answers) == {str(path) for path in files}
    assert all(name in classes and total == pytest.approx(1.0) for name, total in answers.values())


def test_readme_shows_what_the_command_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Numbers to two digits: another processor may round the last one the other way."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    command, shown = re.search(r"^\$ emofusion (predict .*)\n((?:.*\n)*?)```", text, re.MULTILINE).groups()
    monkeypatch.chdir(REPOSITORY)
    assert main([*shlex.split(command), "--no_progress", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert re.split(r"[\d.]+", printed) == re.split(r"[\d.]+", shown)
    found, expected = ([float(number) for number in re.findall(r"\d+\.\d+", part)] for part in (printed, shown))
    assert found == pytest.approx(expected, abs=0.02)
