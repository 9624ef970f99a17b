"""`emofusion push`: what goes to the hub and what does not, what is said first, and what is left where it fails."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.utils._http as client
import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import close_session

from emofusion.commands.main import main
from emofusion.training.errors import PublishError
from emofusion.training.publish import hub as hub_module
from emofusion.training.publish.push import pack, push_model
from helpers import REPOSITORY
from helpers.exports import save_model
from helpers.runs.demo_runs import run_without_package
from helpers.servers.hub_server import Break, HubServer, point_at

MODEL = REPOSITORY / "models" / "emofusion-small"
REPO = "tester/small"
FOREVER = 1000
PRIVATE_FILES = ("training_args.bin", "run.json", "trainer_state.json", "predictions.parquet", "corpus_account.json")
LOAD = """
from transformers import AutoModel, AutoProcessor, pipeline
clip, *names = sys.argv[1:]
for name in names:
    model = AutoModel.from_pretrained(name, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)
    logits = model(**processor(clip, return_tensors="pt")).logits
    print("logits", logits.tolist(), pipeline(model=name, trust_remote_code=True)(clip)["scores"])
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hub, and a client of it in this process that does not wait."""
    with HubServer(tmp_path / "hub") as server:
        point_at(server, tmp_path / "home", monkeypatch)
        monkeypatch.setattr(hub_module, "WAITS", (0.0, 0.0))
        monkeypatch.setattr(client, "time", SimpleNamespace(sleep=lambda _: None))
        yield server
        assert not [line for line in server.log if "Traceback" in line]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, with all that a run leaves, and with its places in metrics.json and card."""
    folder = tmp_path / "here" / "run"
    shutil.copytree(MODEL, folder)
    for name in PRIVATE_FILES:
        (folder / name).write_bytes(b"mine")
    (folder / "checkpoint-3").mkdir()
    (folder / "checkpoint-3" / "optimizer.pt").write_bytes(b"mine")
    (folder / "plots" / "notes.txt").write_text("mine")
    change_metrics(
        folder,
        load_from=str(folder),
        command=f'accelerate launch train_hf.py --data_dir {tmp_path}/c --audio_settings \'{{"x": "{tmp_path}/a"}}\'',
    )
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card.replace("models/emofusion-small", str(folder)))
    return folder


def change_metrics(folder: Path, **fields: object) -> None:
    path = folder / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def change_card(folder: Path, old: str, new: str) -> None:
    card = (folder / "README.md").read_text()
    assert old in card
    (folder / "README.md").write_text(card.replace(old, new))


def names_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def push(*words: object) -> int:
    return main(["push", *map(str, words)])


def errors_in(text: str) -> list[str]:
    """What is told as an error; bars of progress may stand before it in a line."""
    return re.findall(r"error: (.*)", text)


def state_of(hub: HubServer, repo: str = REPO) -> list[str]:
    return [commit["id"] for commit in hub.commits(repo)]


@pytest.mark.slow
def test_pushed_model_loads_in_a_fresh_process(
    hub: HubServer, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert push(run, REPO) == 0
    assert capsys.readouterr().out == f"{hub.endpoint}/{REPO}\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {**hub.env, "HF_HOME": str(tmp_path / "fresh")}
    clip = REPOSITORY / "docs" / "clips" / "drawn.mp4"
    printed = run_without_package(LOAD, clip, REPO, run, cwd=elsewhere, env=env).splitlines()
    from_hub, from_disk = [line for line in printed if line.startswith("logits ")]
    assert from_hub == from_disk


def test_model_goes_and_nothing_else(hub: HubServer, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert push(run, REPO) == 0
    files = hub.files(REPO)
    assert set(files) == {*names_of(MODEL), ".gitattributes"}
    assert [commit["title"] for commit in hub.commits(REPO)] == ["Model of emofusion", "initial commit"]
    assert not hub.repo("models", REPO).state["private"]

    for name, data in files.items():
        assert str(tmp_path).encode() not in data, name
        assert b"mine" not in data or name.endswith(".safetensors"), name
        if name not in ("README.md", "metrics.json", ".gitattributes"):
            assert data == (run / name).read_bytes(), name
    card, metrics = files["README.md"].decode(), json.loads(files["metrics.json"])
    assert card.count(f'from_pretrained("{REPO}", trust_remote_code=True)') == 2
    assert f"\n- name: {REPO}\n" in card and f"\n# {REPO}\n" in card
    assert metrics["load_from"] == REPO
    assert metrics["command"].startswith("accelerate launch train_hf.py --data_dir <data_dir> --audio_settings")
    kept = json.loads((run / "metrics.json").read_text())
    assert {name for name in kept if kept[name] != metrics[name]} == {"load_from", "command"}

    said = capsys.readouterr().err
    assert f"pushing {len(files) - 1} files, 6.8 MB, to {hub.endpoint}/{REPO}\n" in said
    (left,) = [line for line in said.splitlines() if line.startswith("left in ")]
    assert set(left.split(": ")[1].split(", ")) == {*PRIVATE_FILES, "checkpoint-3/", "plots/notes.txt"}
    assert "FER-2013, which trained these weights, has terms of its own" in said


def test_dry_run_lists_what_would_go_and_asks_nobody(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    assert push(run, REPO, "--dry_run") == 0
    out, err = capsys.readouterr()
    listed = {line.split()[1] for line in out.splitlines()[:-1]}
    assert listed == names_of(MODEL)
    assert f"{(run / 'model.safetensors').stat().st_size:,}  model.safetensors" in out
    assert out.endswith(f"bytes in {len(listed)} files\n")
    assert "WARNING: FER-2013" in err
    assert hub.log == []


def test_same_model_twice_is_one_commit(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    assert push(run, REPO, "--private") == 0
    assert hub.repo("models", REPO).state["private"]
    assert push(run, REPO) == 0
    assert len(state_of(hub)) == 2
    said = capsys.readouterr().err
    assert "tester/small is there and private: a model with fusion 'gated' of 8 classes (commit " in said
    assert "nothing has changed: tester/small holds this very model" in said


def test_next_model_replaces_the_files_of_the_last_and_no_others(
    hub: HubServer, run: Path, capsys: pytest.CaptureFixture
):
    assert push(run, REPO) == 0
    HfApi().upload_file(path_or_fileobj=b"by hand", path_in_repo="notes.md", repo_id=REPO)
    (run / "plots" / "gate.png").unlink()
    change_metrics(run, seed=5)
    assert push(run, REPO) == 0
    files = hub.files(REPO)
    assert files["notes.md"] == b"by hand" and "plots/gate.png" not in files
    assert json.loads(files["metrics.json"])["seed"] == 5
    assert len(state_of(hub)) == 4
    said = capsys.readouterr().err
    assert "files that are none of ours stay: notes.md" in said
    assert "plots/gate.png is removed there: this model has none" in said


def test_licence_of_an_earlier_push_goes_and_that_of_an_empty_repository_stays(hub: HubServer, run: Path, capsys):
    HfApi().create_repo(REPO)
    HfApi().upload_file(path_or_fileobj=b"by hand", path_in_repo="LICENSE.txt", repo_id=REPO)
    (run / "LICENSE").write_text("theirs")
    (run / "NOTICE").write_text("of the first")
    assert push(run, REPO) == 0
    files = hub.files(REPO)
    assert (files["LICENSE"], files["NOTICE"], files["LICENSE.txt"]) == (b"theirs", b"of the first", b"by hand")
    assert "is removed there" not in capsys.readouterr().err

    (run / "LICENSE").write_text("of the next")
    (run / "NOTICE").unlink()
    assert push(run, REPO) == 0
    files = hub.files(REPO)
    assert files["LICENSE"] == b"of the next" and not {"NOTICE", "LICENSE.txt"} & set(files)
    said = capsys.readouterr().err
    assert "NOTICE is removed there: this model has none" in said and "none of ours stay" not in said


def test_branch_is_made_and_the_main_one_stays(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    assert push(run, REPO) == 0
    before = state_of(hub)
    change_metrics(run, seed=5)
    for _ in range(2):
        assert push(run, REPO, "--revision", "tried/seed-5") == 0
    assert capsys.readouterr().out.endswith(f"{hub.endpoint}/{REPO}/tree/tried/seed-5\n")
    assert state_of(hub) == before
    assert json.loads(hub.files(REPO, revision="tried/seed-5")["metrics.json"])["seed"] == 5


@pytest.mark.parametrize("place", ["PUT /lfs/", "POST /api/models/.*/commit/", "POST /api/repos/create", "GET /api/"])
def test_connection_that_breaks_once_is_tried_again(hub: HubServer, run: Path, place: str, capsys):
    hub.breaks.append(Break(place))
    assert push(run, REPO) == 0
    assert not hub.breaks
    assert len(state_of(hub)) == 2 and set(hub.files(REPO)) == {*names_of(MODEL), ".gitattributes"}
    assert "the connection broke" in capsys.readouterr().err


def test_commit_whose_answer_is_lost_is_not_made_twice(hub: HubServer, run: Path):
    hub.breaks.append(Break("POST /api/models/.*/commit/", done=True))
    assert push(run, REPO) == 0
    assert not hub.breaks and len(state_of(hub)) == 2


def test_hub_that_has_no_time_for_what_is_there_is_asked_again(hub: HubServer, run: Path):
    def has_time_again(line: str) -> None:
        lines.append(line)
        if line.startswith("the connection broke ("):
            hub.breaks.clear()

    assert push(run, REPO) == 0
    change_metrics(run, seed=5)
    lines: list[str] = []
    hub.breaks += [Break(f"HEAD /{REPO}/resolve/.*/config.json", status=503)] * FOREVER
    push_model(pack(run, REPO), hub_module.Repository(REPO, has_time_again), lines.append)
    assert [line for line in lines if "503" in line and line.endswith("trying again in 0 s")]
    assert len(state_of(hub)) == 3


def test_hub_that_is_gone_is_told_so(hub: HubServer, run: Path):
    assert push(run, REPO) == 0
    repository = hub_module.Repository(REPO, lambda _: None)
    there = repository.look()
    assert there is not None
    hub.shutdown()
    hub.server_close()
    close_session()  # its connection would live on
    with pytest.raises(PublishError, match=r"cannot be reached \(.*\), after 3 tries; nothing was published"):
        repository.read(there, "config.json")


@pytest.mark.parametrize("place", ["PUT /lfs/", "POST /api/models/.*/commit/"])
def test_connection_that_stays_broken_changes_nothing(hub: HubServer, run: Path, place: str, capsys):
    assert push(run, REPO) == 0
    before, files = state_of(hub), hub.files(REPO)
    weights = bytearray((run / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (run / "model.safetensors").write_bytes(weights)
    change_metrics(run, seed=5)
    hub.breaks += [Break(place)] * FOREVER
    assert push(run, REPO) == 1
    assert (state_of(hub), hub.files(REPO)) == (before, files)
    (said,) = errors_in(capsys.readouterr().err)
    assert said.startswith(f"{hub.endpoint} cannot be reached (")
    assert "after 3 tries; nothing was published. Repeat the command when" in said

    hub.breaks.clear()
    assert push(run, REPO) == 0
    assert hub.files(REPO)["model.safetensors"] == bytes(weights)


@pytest.mark.parametrize("moment", ["a model with fusion", "pushing"])
def test_push_of_somebody_else_after_the_look_is_not_replaced(hub: HubServer, run: Path, moment: str):
    assert push(run, REPO) == 0
    change_metrics(run, seed=5)
    theirs: list[str] = []

    def meanwhile(line: str) -> None:
        if moment in line and not theirs:
            theirs.append(HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="a.md", repo_id=REPO).oid)

    with pytest.raises(PublishError, match="somebody else has pushed there in the meantime; nothing was published"):
        push_model(pack(run, REPO), hub_module.Repository(REPO, meanwhile), meanwhile)
    assert state_of(hub)[0] == theirs[0]


def test_repository_that_somebody_else_was_faster_to_make_is_looked_at(hub: HubServer, run: Path):
    def meanwhile(line: str) -> None:
        if line.startswith("the connection broke"):
            HfApi().upload_file(path_or_fileobj=b'{"model_type": "bert"}', path_in_repo="config.json", repo_id=REPO)

    hub.breaks.append(Break("POST /api/repos/create", done=True))
    with pytest.raises(PublishError, match="found one of the type 'bert'"):
        push_model(pack(run, REPO), hub_module.Repository(REPO, meanwhile), meanwhile)
    assert set(hub.files(REPO)) == {"config.json", ".gitattributes"}


def test_branch_begins_with_what_was_seen(hub: HubServer, run: Path):
    assert push(run, REPO) == 0
    seen = state_of(hub)[0]

    def meanwhile(line: str) -> None:
        if line.startswith("pushing"):
            HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="a.md", repo_id=REPO)

    change_metrics(run, seed=5)
    push_model(pack(run, REPO), hub_module.Repository(REPO, meanwhile, branch="tried"), meanwhile)
    assert [commit["id"] for commit in hub.commits(REPO, revision="tried")][1] == seen
    assert "a.md" in hub.files(REPO) and "a.md" not in hub.files(REPO, revision="tried")


def test_failed_first_push_says_what_it_made(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    hub.breaks += [Break("PUT /lfs/")] * FOREVER
    assert push(run, REPO, "--revision", "tried") == 1
    said = capsys.readouterr().err
    assert "nothing was published; the repository was made, and is empty; the branch tried was made" in said
    assert set(hub.files(REPO, revision="tried")) == {".gitattributes"}


@pytest.mark.parametrize(
    "token, repo, said",
    [
        (None, REPO, "no login found: run `hf auth login`, or set HF_TOKEN to a token that may write (http://127"),
        ("hf_wrong", REPO, "does not know this token: make one that may write at http://127"),
        ("hf_loopback_reads", REPO, "the token 'test' of tester may only read: make one that may write"),
        ("hf_loopback", "somebody/model", "somebody/model: tester may not write there (You don't have the rights"),
        ("hf_loopback", "a/b/c", "REPO a/b/c: expected a name such as you/model"),
    ],
)
def test_who_may_not_push_is_told_in_one_line(
    hub: HubServer, run: Path, token: str | None, repo: str, said: str, monkeypatch, capsys
):
    monkeypatch.delenv("HF_TOKEN") if token is None else monkeypatch.setenv("HF_TOKEN", token)
    assert push(run, repo) == 1
    (line,) = errors_in(capsys.readouterr().err)
    assert said in line
    assert not list((hub.root / "repos").rglob("state.json"))


def test_repository_of_something_else_is_refused_and_stays(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    HfApi().create_repo(REPO)
    HfApi().upload_file(path_or_fileobj=b'{"model_type": "bert"}', path_in_repo="config.json", repo_id=REPO)
    HfApi().create_repo("tester/rows")
    HfApi().upload_file(path_or_fileobj=b"1,2", path_in_repo="rows.csv", repo_id="tester/rows")
    before = state_of(hub), state_of(hub, "tester/rows")
    assert push(run, REPO) == 1
    assert "expected a model of emofusion or nothing, found one of the type 'bert'" in capsys.readouterr().err
    assert push(run, "tester/rows") == 1
    assert "found 2 files such as rows.csv and no config.json" in capsys.readouterr().err
    assert (state_of(hub), state_of(hub, "tester/rows")) == before


def test_private_model_does_not_go_where_all_see_it(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    HfApi().create_repo(REPO)
    before = state_of(hub)
    assert push(run, REPO, "--private") == 1
    assert (
        "tester/small: expected a private repository or none, found a public one; make it" in capsys.readouterr().err
    )
    assert state_of(hub) == before


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"leaky": True}, "Leaky scores: people of the test were seen in training"),
        ({"leaky": None}, "Perhaps leaky scores: nobody knows whether people of the test"),
        ({"test_part": "validation"}, "The scores are of the validation split"),
        ({"learnt_before": {"audio": ["CREMA-D"]}}, None),
    ],
)
def test_what_scores_are_not_is_said_first_and_in_the_card(
    hub: HubServer, run: Path, fields: dict, said: str | None, capsys
):
    change_metrics(run, **fields)
    assert push(run, REPO) == 0
    err = capsys.readouterr().err
    if said is None:
        assert "WARNING" not in err
        return
    assert err.index(f"WARNING: {said}") < err.index("pushing")
    card = hub.files(REPO)["README.md"].decode()
    assert card.split("\n---\n")[1].startswith(f"\n> **{said}")
    assert push(run, REPO) == 0
    assert len(state_of(hub)) == 2, "the same card again"


@pytest.mark.parametrize(
    "licence, said",
    [
        ("", "No licence is told: without one nobody may use these weights"),
        ("license: other\n", "No licence is told"),
        (
            "license: other\nlicense_name: mine-1\n",
            "the card says mine-1, and RAVDESS, which trained these weights",
        ),
        ("license: mit\n", "Contradictory licences: the card says mit, and paired corpus"),
        ("license: cc-by-nc-4.0\n", "is under cc-by-nc-sa-4.0 (share alike)"),
    ],
)
def test_licence_that_is_missing_or_too_wide_is_said_first_and_in_the_card(
    hub: HubServer, run: Path, licence: str, said: str, capsys
):
    change_card(run, "license: cc-by-nc-sa-4.0\n", licence)
    assert push(run, REPO) == 0
    err = capsys.readouterr().err
    assert "WARNING: " in err and said in err.split("pushing")[0]
    assert said in hub.files(REPO)["README.md"].decode()


def test_card_that_says_it_already_stays_as_it_is(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    change_metrics(run, leaky=True)
    change_card(run, "\n# emofusion-small\n", "\n> **Leaky split: all of them.**\n\n# emofusion-small\n")
    assert push(run, REPO) == 0
    assert "WARNING: Leaky scores" in capsys.readouterr().err
    assert "Leaky scores" not in hub.files(REPO)["README.md"].decode()


@pytest.mark.parametrize(
    "gone, said",
    [
        ("README.md", "README.md: not there, and nobody should get a model without its limits and licence"),
        ("config.json", "config.json: not there; name the folder of a checkpoint"),
        ("processor_config.json", "processor_config.json: not there; nobody could load the processor"),
        ("model.safetensors", "model.safetensors: expected the weights of the model, found no file"),
        ("window_emofusion.py", "window_emofusion.py: not there, and the code of the model needs it"),
    ],
)
def test_model_that_nobody_could_load_is_refused(hub: HubServer, run: Path, gone: str, said: str, capsys):
    (run / gone).unlink()
    assert push(run, REPO) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert hub.log == []


def test_damaged_files_are_refused(hub: HubServer, run: Path, capsys: pytest.CaptureFixture):
    for name, said in {
        "model.safetensors": "expected the weights of the model",
        "config.json": "config.json: cannot be read",
        "metrics.json": "metrics.json: cannot be read",
    }.items():
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[: len(whole) // 2])
        assert push(run, REPO) == 1
        assert said in capsys.readouterr().err
        (run / name).write_bytes(whole)
    assert push(run / "nowhere", REPO) == 1
    assert "nowhere: no such folder" in capsys.readouterr().err
    assert hub.log == []


@pytest.mark.slow
def test_model_goes_with_its_export(hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture):
    model = save_model(tmp_path / "voices", "audio", audio_encoder="cnn")
    assert push(model, REPO, "--onnx") == 0
    out, err = capsys.readouterr()
    assert out == f"{hub.endpoint}/{REPO}\n"
    assert "parity with torch" in err and "Nobody knows how good it is: there is no metrics.json" in err
    files = hub.files(REPO)
    assert {"onnx/model.onnx", "onnx/run_onnx.py", "model.safetensors"} <= set(files)
    import onnxruntime

    session = onnxruntime.InferenceSession(files["onnx/model.onnx"])
    assert "samples" in {entry.name for entry in session.get_inputs()}
    assert "python onnx/run_onnx.py clip.mp4" in files["README.md"].decode()
    assert push(model, REPO) == 0
    assert "onnx/model.onnx is removed there: this model has none" in capsys.readouterr().err
    assert not [name for name in hub.files(REPO) if name.startswith("onnx/")]


def test_training_pushes_the_same_files(hub: HubServer, run: Path, monkeypatch: pytest.MonkeyPatch):
    from emofusion.training.run.trainer import EmoFusionTrainer

    told: list[str] = []
    args = SimpleNamespace(output_dir=str(run), hub_token=None, hub_revision="run-1", hub_private_repo=None)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    args.hub_token = hub.token  # --hub_token counts, and not the one of the environment
    trainer = SimpleNamespace(
        args=args,
        state=None,
        control=None,
        hub_model_id=REPO,
        is_world_process_zero=lambda: True,
        callback_handler=SimpleNamespace(on_push_begin=lambda *_: told.append("begins")),
    )
    EmoFusionTrainer.push_to_hub(trainer)
    assert told == ["begins"]
    assert set(hub.files(REPO, revision="run-1")) == {*names_of(MODEL), ".gitattributes"}
