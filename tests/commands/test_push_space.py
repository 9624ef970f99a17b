"""`emofusion push --space`: the page goes to the hub with a model or the name of one, and starts from there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, snapshot_download

from emofusion.commands.main import main
from helpers import REPOSITORY
from helpers.servers.hub_server import HubServer, point_at

MODEL = REPOSITORY / "models" / "emofusion-small"
SPACE = "tester/page"
ANSWER = """
import os, sys
from pathlib import Path
import app
import emofusion.serving.answers as answers
assert Path(answers.__file__).is_relative_to(Path.cwd()), answers.__file__
if __name__ == "__main__":  # the processes that decode clips read this file, too
    answerer = answers.Answerer(os.environ["EMOFUSION_MODELS"])
    try:
        print("label", answerer.answer(Path(sys.argv[1]))["label"])
    finally:
        answerer.close()
"""

pytestmark = pytest.mark.skipif(
    not (REPOSITORY / "space" / "README.md").is_file(), reason="the page is not in this checkout"
)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with HubServer(tmp_path / "hub") as server:
        point_at(server, tmp_path / "home", monkeypatch)
        yield server
        assert not [line for line in server.log if "Traceback" in line]


def push(*words: object) -> int:
    return main(["push", *map(str, words)])


@pytest.mark.slow
def test_space_runs_from_its_own_files_alone(hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert push(MODEL, SPACE, "--space", "--private") == 0
    out, err = capsys.readouterr()
    assert out == f"{hub.endpoint}/spaces/{SPACE}\n"
    assert "WARNING: FER-2013" in err
    files = hub.files(SPACE, "space")
    assert {"app.py", "README.md", "requirements.txt", "model/config.json", "model/README.md"} <= set(files)
    assert {"emofusion/serving/answers.py", "emofusion/modeling/modeling_emofusion.py"} <= set(files)
    assert not [name for name in files if name.startswith(("emofusion/training", "emofusion/commands", "tests"))]
    assert "license: cc-by-nc-sa-4.0" in files["README.md"].decode().split("---\n")[1], "of the model, not of the code"
    assert hub.repo("spaces", SPACE).state["private"]
    assert [commit["title"] for commit in hub.commits(SPACE, "space")] == ["Page of emofusion", "initial commit"]

    place = tmp_path / "space"
    snapshot_download(SPACE, repo_type="space", local_dir=place)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clip = REPOSITORY / "docs" / "clips" / "drawn.mp4"
    (place / "ask.py").write_text(ANSWER)  # as a file: whose folder comes first where modules are looked for
    done = subprocess.run(
        [sys.executable, "ask.py", clip], cwd=place, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "label " in done.stdout


def test_space_of_a_model_on_the_hub_names_it(hub: HubServer, capsys: pytest.CaptureFixture):
    assert push(MODEL, "tester/small") == 0
    assert push("tester/small", SPACE, "--space") == 0
    files = hub.files(SPACE, "space")
    assert not [name for name in files if name.startswith("model/")]
    assert "os.environ.setdefault(\"EMOFUSION_MODELS\", 'tester/small')" in files["app.py"].decode()
    head = files["README.md"].decode().split("---\n")[1]
    assert "sdk: gradio" in head and "models:\n- tester/small" in head
    before = len(hub.commits(SPACE, "space"))
    assert push("tester/small", SPACE, "--space") == 0
    assert len(hub.commits(SPACE, "space")) == before
    assert push("tester/none", SPACE, "--space") == 1
    assert "tester/none: no such folder, and no repository of the hub" in capsys.readouterr().err


def test_other_space_is_refused_and_a_list_asks_nobody(hub: HubServer, capsys: pytest.CaptureFixture):
    assert push(MODEL, SPACE, "--space", "--dry_run") == 0
    assert hub.log == []
    assert "model/model.safetensors" in capsys.readouterr().out
    HfApi().create_repo(SPACE, repo_type="space", space_sdk="gradio")
    HfApi().upload_file(path_or_fileobj=b"print(1)", path_in_repo="app.py", repo_id=SPACE, repo_type="space")
    before = hub.commits(SPACE, "space")
    assert push(MODEL, SPACE, "--space") == 1
    assert "expected the page of emofusion or nothing, found another Space" in capsys.readouterr().err
    assert hub.commits(SPACE, "space") == before
    assert push(MODEL, SPACE, "--space", "--onnx") == 2
    assert "--onnx with --space" in capsys.readouterr().err
