"""`emofusion push --space`: the page goes to the hub with a model or the name of one, and starts from there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download

from emofusion.commands.main import main
from emofusion.training.errors import PublishError
from emofusion.training.publish.contents import Part
from emofusion.training.publish.hub import Repository
from emofusion.training.publish.space import push_space
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


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder of a model that may be changed."""
    return Path(shutil.copytree(MODEL, tmp_path / "model"))


def make_space(**files: str) -> None:
    HfApi().create_repo(SPACE, repo_type="space", space_sdk="gradio")
    put_files(**files)


def put_files(**files: str) -> None:
    """Put files into the Space: `app_py` is app.py, and `a__b_c` a/b.c."""
    changes = [
        CommitOperationAdd(name.replace("__", "/").replace("_", "."), text.encode()) for name, text in files.items()
    ]
    HfApi().create_commit(SPACE, changes, commit_message="by hand", repo_type="space")


def readme_there(hub: HubServer) -> tuple[dict, str]:
    """Head and text of the README of the Space."""
    _, head, text = hub.files(SPACE, "space")["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(head), text


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
    assert files["emofusion/LICENSE"] == (REPOSITORY / "LICENSE").read_bytes()
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
    head, text = readme_there(hub)
    assert (head["sdk"], head["models"]) == ("gradio", ["tester/small"])
    assert head["license"] == "apache-2.0", "of the code: no weights lie there"
    assert "is under Apache-2.0 ([text](emofusion/LICENSE)). The model, `tester/small`, does not lie here" in text
    before = len(hub.commits(SPACE, "space"))
    assert push("tester/small", SPACE, "--space") == 0
    assert len(hub.commits(SPACE, "space")) == before
    assert push("tester/none", SPACE, "--space") == 1
    assert "tester/none: no such folder, and no repository of the hub" in capsys.readouterr().err


def test_a_list_asks_nobody_and_a_page_needs_no_export(hub: HubServer, capsys: pytest.CaptureFixture):
    assert push(MODEL, SPACE, "--space", "--dry_run") == 0
    assert hub.log == []
    assert "model/model.safetensors" in capsys.readouterr().out
    assert push(MODEL, SPACE, "--space", "--onnx") == 2
    assert "--onnx with --space" in capsys.readouterr().err


@pytest.mark.parametrize(
    "files, said",
    [
        ({"app_py": "print(1)"}, "found another Space, with files such as app.py; take another name"),
        ({"app_py": "import emofusion.serving.page.command"}, "found another Space, with files such as app.py"),
        ({"index_html": "<p>mine"}, "found another Space, with files such as index.html"),
        ({"README_md": "---\nsdk: docker\n---\n"}, "found another Space (sdk: docker); take another name"),
        (
            {"README_md": "---\nsdk: docker\n---\n", "Dockerfile": "FROM x", "emofusion__a_py": ""},
            "found another Space (sdk: docker), with files such as Dockerfile",
        ),
        ({"README_md": "---\n[\n---\n", "style_css": ""}, "found another Space, with files such as style.css"),
    ],
)
def test_space_of_somebody_else_is_refused_and_stays(
    hub: HubServer, files: dict[str, str], said: str, capsys: pytest.CaptureFixture
):
    make_space(**files)
    before = hub.commits(SPACE, "space")
    assert push(MODEL, SPACE, "--space") == 1
    assert f"{SPACE}: expected the page of emofusion or nothing, {said}" in capsys.readouterr().err
    assert hub.commits(SPACE, "space") == before


@pytest.mark.parametrize("readme", ["---\nsdk: gradio\n---\n# mine\n", "# mine\n"])
def test_empty_space_is_filled(hub: HubServer, readme: str, capsys: pytest.CaptureFixture):
    make_space(README_md=readme, LICENSE="mine")
    assert push(MODEL, SPACE, "--space") == 0
    assert f"{SPACE} is empty" in capsys.readouterr().err
    files = hub.files(SPACE, "space")
    assert "app.py" in files and files["LICENSE"] == b"mine"


def test_next_page_replaces_the_last_and_nothing_else(hub: HubServer, capsys: pytest.CaptureFixture):
    assert push(MODEL, SPACE, "--space") == 0
    put_files(packages_txt="ffmpeg", emofusion__old_py="", LICENSE="of a model")
    assert push("tester/small", SPACE, "--space") == 1  # no such model
    assert push(MODEL, "tester/small") == 0
    capsys.readouterr()
    assert push("tester/small", SPACE, "--space") == 0
    files = hub.files(SPACE, "space")
    assert files["packages.txt"] == b"ffmpeg" and not {"emofusion/old.py", "LICENSE"} & set(files)
    assert not [name for name in files if name.startswith("model/")]
    said = capsys.readouterr().err
    assert "and files that are none of ours stay: packages.txt\n" in said
    assert "LICENSE is removed there: this page has none\n" in said
    assert "the hub builds it now" in said
    assert push("tester/small", SPACE, "--space") == 0
    said = capsys.readouterr().err
    assert f"nothing has changed: {SPACE} holds this very page" in said and "builds" not in said


def test_page_that_somebody_changed_after_the_look_is_not_replaced(hub: HubServer):
    def meanwhile(line: str) -> None:
        if line.startswith("pushing"):
            put_files(app_py="print(1)")

    assert push(MODEL, SPACE, "--space") == 0
    parts = [Part("README.md", b"ours")]
    with pytest.raises(PublishError, match="somebody else has pushed there in the meantime; nothing was published"):
        push_space(parts, Repository(SPACE, meanwhile, kind="space"), meanwhile)
    assert hub.files(SPACE, "space")["app.py"] == b"print(1)"


@pytest.mark.parametrize(
    "on_card, in_head, said",
    [
        ("license: mit\n", {"license": "mit"}, "is under `mit`, as [its card](model/README.md) says"),
        ("", {}, "has no licence in [its card](model/README.md), and without one nobody may use its weights"),
        ("license: other\n", {}, "has no licence in [its card]"),
        ("license: unknown\n", {}, "has no licence in [its card]"),
        (
            "license: other\nlicense_name: mine-1\nlicense_link: LICENSE\n",
            {"license": "other", "license_name": "mine-1", "license_link": "LICENSE"},
            "is under `mine-1`, as",
        ),
        (
            "license: other\nlicense_name: mine-1\nlicense_link: terms.txt\n",
            {"license": "other", "license_name": "mine-1"},
            "is under `mine-1`, as",
        ),
        (
            "license: other\nlicense_link: https://a.org/mine\n",
            {"license": "other", "license_link": "https://a.org/mine"},
            "is under `https://a.org/mine`, as",
        ),
    ],
)
def test_space_says_under_which_licence_code_and_weights_are(
    hub: HubServer, model: Path, on_card: str, in_head: dict[str, str], said: str
):
    card = (model / "README.md").read_text()
    (model / "README.md").write_text(card.replace("license: cc-by-nc-sa-4.0\n", on_card))
    (model / "LICENSE").write_text("mine")
    assert push(model, SPACE, "--space") == 0
    head, text = readme_there(hub)
    assert {name: value for name, value in head.items() if name.startswith("license")} == in_head
    assert "## Licences\n\nThe code, `app.py` and the folder `emofusion`, is under Apache-2.0" in text
    assert f"The model, in the folder `model`, {said}" in text
    files = hub.files(SPACE, "space")
    assert files["model/LICENSE"] == b"mine"
    assert files.get("LICENSE") == (b"mine" if in_head.get("license_link") == "LICENSE" else None)
