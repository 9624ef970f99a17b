"""Pushing a run to a hub on this machine, and loading it back from there."""

from pathlib import Path

import pytest

from emofusion.data.demo_corpus.corpus import make_demo_corpus
from helpers.runs.demo_runs import launch_training, run_without_package, tiny_recipe
from helpers.servers.hub_server import HubServer

pytestmark = pytest.mark.slow

LOAD_FROM_HUB = """
from transformers import AutoModel, AutoProcessor, pipeline
clip, *names = sys.argv[1:]
for name in names:
    model = AutoModel.from_pretrained(name, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)
    logits = model(**processor(clip, return_tensors="pt")).logits
    print("logits", logits.tolist(), pipeline(model=name, trust_remote_code=True)(clip)["scores"])
"""


def test_run_pushed_to_a_hub_loads_from_there(tmp_path: Path):
    corpus = make_demo_corpus(
        tmp_path / "corpus", actors=[1, 13, 17], clips_per_actor=8, image_size=32, jobs=1, progress=False
    )
    out = tmp_path / "run"
    with HubServer(tmp_path / "hub") as hub:
        env = {**hub.env, "HF_HOME": str(tmp_path / "home")}
        places = ["--data_dir", corpus, "--cache_dir", tmp_path / "cache", "--output_dir", out]
        words = [
            "--branches_first",
            "--num_train_epochs",
            1,
            "--push_to_hub",
            "--hub_model_id",
            "tester/emofusion-tiny",
        ]
        launch_training(tiny_recipe(tmp_path), *places, *words, env=env)

        pushed = hub.files("tester/emofusion-tiny")
        for name in ("model.safetensors", "processor_config.json", "README.md", "plots/confusion_matrix.png"):
            assert pushed[name] == (out / name).read_bytes(), name
        assert "modeling_emofusion.py" in pushed
        assert not [name for name in pushed if "checkpoint-" in name or name.startswith(("audio/", "video/"))]
        assert (out / "audio" / "model.safetensors").is_file()
        assert "tester/emofusion-tiny" in pushed["README.md"].decode()

        commits = [commit["title"] for commit in hub.commits("tester/emofusion-tiny")]
        assert len(commits) == 2, commits  # the repository's own first one, and ours with everything

        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        clip = next(corpus.rglob("*.mp4"))
        fresh = {**hub.env, "HF_HOME": str(tmp_path / "fresh_home")}
        names = ("tester/emofusion-tiny", out)  # the hub's first, so that nothing is there that it did not give
        printed = run_without_package(LOAD_FROM_HUB, clip, *names, cwd=elsewhere, env=fresh).splitlines()
        from_hub, from_disk = [line for line in printed if line.startswith("logits ")]
        assert from_hub == from_disk
        assert not [line for line in hub.log if "Traceback" in line]
