"""The loopback hub against real clients, each in a process of its own (HF libraries read their settings at import)."""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.servers.hub_server import HubError, HubServer

BIG = bytes(range(256)) * 5000  # 1.2 MiB


@pytest.fixture
def hub(tmp_path):
    with HubServer(tmp_path / "hub") as server:
        yield server


def client(hub, home: Path, code: str, **env: str) -> str:
    """Run Python as a user of this hub with an empty HF_HOME; return what it printed."""
    outer = {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))
    }
    env = {
        **outer,
        **hub.env,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
        **env,
    }
    args = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(args, env=env, cwd=home.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n" + "\n".join(hub.log)
    return done.stdout


def ask(hub, method: str, path: str, body: bytes | dict | None = None, token: str | None = "hf_loopback", **headers):
    """One bare HTTP request: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.server_address[1], timeout=10)
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers)
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result


def commit(hub, *operations: dict, repo: str = "models/tester/raw", parent: str = "", **kwargs):
    lines = [{"key": "header", "value": {"summary": "a commit", "parentCommit": parent}}, *operations]
    return ask(hub, "POST", f"/api/{repo}/commit/main", "\n".join(map(json.dumps, lines)).encode(), **kwargs)


def file(path: str, content: str) -> dict:
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "utf-8"}}


def test_huggingface_hub_client(hub, tmp_path):
    """Everything HfApi does to a repository, then the same from the server's side, also after a restart."""
    code = """
    import os, pathlib
    from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download, snapshot_download
    from huggingface_hub import errors

    def raises(kind, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except kind as error:
            return error
        raise AssertionError(f"no {kind} from {call} {args}")

    big = bytes(range(256)) * 5000
    folder = pathlib.Path("folder"); (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_text("---\\nlicense: mit\\n---\\n# Über\\n")
    (folder / "config.json").write_text("{}")
    (folder / "empty.txt").write_text("")
    (folder / "sub/weights #1.safetensors").write_bytes(big)
    api = HfApi()
    assert api.whoami()["name"] == "tester"

    url = api.create_repo("tester/m")
    assert (url.repo_id, url.repo_type, str(url)) == ("tester/m", "model", os.environ["HF_ENDPOINT"] + "/tester/m")
    assert raises(errors.HfHubHTTPError, api.create_repo, "tester/m").response.status_code == 409
    assert api.create_repo("tester/m", exist_ok=True) == url
    assert api.create_repo("m", exist_ok=True).repo_id == "tester/m"
    first = api.upload_folder(repo_id="tester/m", folder_path=folder, commit_message="first")
    again = api.upload_folder(repo_id="tester/m", folder_path=folder, commit_message="nothing new")
    assert again.oid == first.oid, "unchanged files make no commit"
    names = [".gitattributes", "README.md", "config.json", "empty.txt", "sub/weights #1.safetensors"]
    assert api.list_repo_files("tester/m") == names
    info = api.model_info("tester/m")
    assert (info.id, info.sha, info.private) == ("tester/m", first.oid, False)
    assert [sibling.rfilename for sibling in info.siblings] == names and info.created_at <= info.last_modified

    api.upload_file(path_or_fileobj=b'{"a": 1}', path_in_repo="config.json", repo_id="tester/m")
    assert pathlib.Path(hf_hub_download("tester/m", "config.json")).read_text() == '{"a": 1}'
    assert pathlib.Path(hf_hub_download("tester/m", "config.json", revision=first.oid)).read_text() == "{}"
    weights = pathlib.Path(hf_hub_download("tester/m", "sub/weights #1.safetensors"))
    assert weights.read_bytes() == big
    assert api.model_info("tester/m", revision=first.oid).sha == first.oid
    snapshot = pathlib.Path(snapshot_download("tester/m"))
    assert sorted(str(p.relative_to(snapshot)) for p in snapshot.rglob("*") if p.is_file()) == sorted(names)
    assert snapshot_download("tester/m", local_dir="copy") and pathlib.Path("copy/empty.txt").read_bytes() == b""

    top = {e.path: type(e).__name__ for e in api.list_repo_tree("tester/m")}
    assert top.pop("sub") == "RepoFolder" and set(top.values()) == {"RepoFile"}
    (weights,) = api.list_repo_tree("tester/m", path_in_repo="sub", recursive=True)
    assert weights.lfs.size == weights.size == len(big)
    (found,) = api.get_paths_info("tester/m", ["sub/weights #1.safetensors", "nope"])
    assert found.lfs.sha256 == weights.lfs.sha256 and found.blob_id == weights.blob_id

    assert api.file_exists("tester/m", "config.json") and not api.file_exists("tester/m", "nope.json")
    api.delete_file("config.json", repo_id="tester/m")
    assert not api.file_exists("tester/m", "config.json")
    api.delete_folder("sub", repo_id="tester/m")
    raises(errors.EntryNotFoundError, api.delete_file, "config.json", repo_id="tester/m")
    raises(errors.EntryNotFoundError, hf_hub_download, "tester/m", "config.json")
    raises(errors.RevisionNotFoundError, hf_hub_download, "tester/m", "README.md", revision="nope")
    raises(errors.RepositoryNotFoundError, hf_hub_download, "tester/nope", "README.md")
    raises(errors.RepositoryNotFoundError, api.model_info, "nope")
    raises(errors.RepositoryNotFoundError, api.dataset_info, "tester/m")
    raises(errors.RepositoryNotFoundError, api.upload_folder, folder_path=folder, repo_id="tester/nope")
    assert not api.repo_exists("tester/nope") and api.repo_exists("tester/m")
    bad = CommitOperationAdd("README.md", b"---\\nnever closed\\n")
    assert "closing" in str(raises(ValueError, api.create_commit, "tester/m", [bad], commit_message="bad card"))

    api.create_branch("tester/m", branch="feat/x", revision=first.oid)
    api.create_branch("tester/m", branch="feat/x", exist_ok=True)
    api.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id="tester/m", revision="feat/x")
    assert api.file_exists("tester/m", "b.txt", revision="feat/x") and not api.file_exists("tester/m", "b.txt")
    stale = dict(path_or_fileobj=b"c", path_in_repo="c.txt", repo_id="tester/m", parent_commit=first.oid)
    assert raises(errors.HfHubHTTPError, api.upload_file, **stale).response.status_code == 412
    assert "pull requests" in str(raises(errors.BadRequestError, api.delete_file, "b.txt", "tester/m", create_pr=True))

    nobody = HfApi(token=False)
    add = dict(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="tester/m")
    assert raises(errors.HfHubHTTPError, nobody.create_repo, "tester/other").response.status_code == 401
    assert raises(errors.HfHubHTTPError, nobody.upload_file, **add).response.status_code == 401
    assert raises(errors.HfHubHTTPError, HfApi(token="hf_wrong").upload_file, **add).response.status_code == 401
    assert nobody.file_exists("tester/m", "README.md"), "public repositories need no token"
    api.create_repo("tester/secret", private=True, repo_type="dataset")
    assert api.dataset_info("tester/secret").private
    raises(errors.RepositoryNotFoundError, nobody.dataset_info, "tester/secret")
    print(first.oid)
    """
    first = client(hub, tmp_path / "home", code).strip()

    folder = {path.relative_to(tmp_path / "folder").as_posix(): path for path in (tmp_path / "folder").rglob("*.*")}
    before = hub.files("tester/m", revision=first)
    assert before.pop(".gitattributes").startswith(b"*.safetensors filter=lfs")
    assert before == {name: path.read_bytes() for name, path in folder.items()}
    assert set(hub.files("tester/m")) == {".gitattributes", "README.md", "empty.txt"}
    assert set(hub.files("tester/m", revision="feat/x")) == {*folder, ".gitattributes", "b.txt"}

    history = hub.commits("tester/m")
    titles = [entry["title"] for entry in history]
    assert (
        titles[2:] == ["Upload config.json with huggingface_hub", "first", "initial commit"]
        and history[3]["id"] == first
        and len(titles) == 5
    )
    assert {path for path, entry in history[3]["files"].items() if "lfs" in entry} == {"sub/weights #1.safetensors"}
    assert sum(line.startswith('"PUT /lfs/') for line in hub.log) == 1
    assert not [line for line in hub.log if "Traceback" in line]

    with HubServer(hub.root) as restarted:
        assert restarted.commits("tester/m") == history
        assert restarted.files("tester/m", revision=first) == hub.files("tester/m", revision=first)
    with pytest.raises(HubError, match="Repository not found"):
        hub.files("tester/nope")


@pytest.mark.slow
def test_transformers_and_datasets(hub, tmp_path):
    """What transformers and datasets push comes back the same, the model in another process, from an empty cache."""
    model = """
    import os
    import torch
    from transformers import AutoConfig, AutoModel, ResNetConfig, ResNetModel
    if (pushes := os.fork()) == 0:  # two processes that have imported and done nothing else: each import takes seconds
        torch.manual_seed(0)
        config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 4], depths=[1, 1], layer_type="basic")
        model = ResNetModel(config)
        model.push_to_hub("tester/resnet")
        model.push_to_hub("tester/resnet", revision="try", private=True)
        print(sum(p.double().abs().sum().item() for p in model.parameters()))
        raise SystemExit
    assert os.waitpid(pushes, 0)[1] == 0
    model = AutoModel.from_pretrained("tester/resnet")
    assert type(model).__name__ == "ResNetModel" and AutoConfig.from_pretrained("tester/resnet").hidden_sizes == [4, 4]
    print(sum(p.double().abs().sum().item() for p in model.parameters()))
    """
    data = """
    import gc
    from datasets import Dataset, load_dataset
    for shift, shards in ((0, 2), (10, 1)):  # the second push deletes the first's files
        data = Dataset.from_dict({"x": [shift, shift + 1], "y": ["a", "b"]})
        data.push_to_hub("tester/data", split="train", num_shards=shards)
        data.push_to_hub("tester/data", split="test", num_shards=shards)
    data = load_dataset("tester/data")
    assert {split: data[split]["x"][:] for split in data} == {"train": [10, 11], "test": [10, 11]}
    streamed = load_dataset("tester/data", split="test", streaming=True)
    assert [row["y"] for row in streamed] == ["a", "b"]
    del streamed
    gc.collect()  # ends pyarrow's threads before Python does, else it may abort (huggingface/datasets issue 7566)
    """
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(client, hub, tmp_path / "data", data, USE_TORCH="0")
        pushed, loaded = client(hub, tmp_path / "model", model).split()
        beside.result()
    assert pushed == loaded
    assert {"config.json", "model.safetensors"} <= set(hub.files("tester/resnet"))
    assert "lfs" in hub.commits("tester/resnet")[0]["files"]["model.safetensors"]
    files = hub.files("tester/data", repo_type="dataset")
    assert len([name for name in files if name.endswith(".parquet")]) == 2 and b"configs:" in files["README.md"]
    assert not [line for line in hub.log if "Traceback" in line]


@pytest.fixture
def raw(hub):
    """A hub with one repository, for requests that no careful client would send."""
    assert ask(hub, "POST", "/api/repos/create", {"name": "raw"})[0] == 200
    return hub


def put_object(hub, data: bytes, announced: bytes | None = None) -> int:
    """Announce an object, then PUT these bytes; the status of the PUT."""
    oid = hashlib.sha256(announced or data).hexdigest()
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(announced or data)}]}
    status, _, answer = ask(hub, "POST", "/tester/raw.git/info/lfs/objects/batch", batch)
    assert status == 200
    href = json.loads(answer)["objects"][0]["actions"]["upload"]["href"].removeprefix(hub.endpoint)
    return ask(hub, "PUT", href, data, token=None)[0]


def test_objects_are_checked(raw):
    oid = hashlib.sha256(BIG).hexdigest()
    pointer = {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": oid, "size": len(BIG)}}
    assert commit(raw, pointer)[0] == 400, "never uploaded"
    assert put_object(raw, BIG[:-1] + b"x", announced=BIG) == 400
    assert put_object(raw, BIG[:-1], announced=BIG) == 400
    assert ask(raw, "PUT", f"/lfs/{oid}?size={len(BIG)}&signature=no", BIG)[0] == 403
    assert commit(raw, pointer)[0] == 400, "still not there"
    assert put_object(raw, BIG) == 200
    assert commit(raw, pointer)[0] == 200
    batch = {"operation": "upload", "objects": [{"oid": oid, "size": len(BIG)}]}
    answer = json.loads(ask(raw, "POST", "/tester/raw.git/info/lfs/objects/batch", batch)[2])
    assert answer["objects"] == [{"oid": oid, "size": len(BIG)}], "nothing to upload twice"


def test_commits_are_atomic(raw):
    before = raw.commits("tester/raw"), raw.files("tester/raw")
    for bad, status in [
        ({"key": "deletedFile", "value": {"path": "nope"}}, 404),
        ({"key": "deletedFolder", "value": {"path": "nope/"}}, 404),
        ({"key": "lfsFile", "value": {"path": "w.bin", "oid": "0" * 64}}, 400),
        ({"key": "renamed", "value": {"path": "a"}}, 400),
        (file("../up", ""), 400),
        (file("/root", ""), 400),
        (file("weights.bin", "small, but not regular"), 400),
        (file("text", "x" * (len(BIG))), 400),
    ]:
        assert commit(raw, file("good", "yes"), bad)[0] == status, bad
    assert commit(raw, file("a", ""), parent="0" * 40)[0] == 412
    assert commit(raw, file("a", ""), token=None)[0] == 401
    assert ask(raw, "POST", "/api/models/tester/raw/commit/main", b'{"key": "file"}')[0] == 400
    assert ask(raw, "POST", "/api/models/tester/raw/commit/main", b"no JSON")[0] == 400
    assert (raw.commits("tester/raw"), raw.files("tester/raw")) == before

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda i: commit(raw, file(f"file{i}", str(i)))[0], range(12)))
    assert statuses == [200] * 12
    files = raw.files("tester/raw")
    assert {files[f"file{i}"] for i in range(12)} == {str(i).encode() for i in range(12)}
    assert len(raw.commits("tester/raw")) == 13


def test_resolve(raw):
    commit(raw, file("dir/a.txt", "0123456789"), file("dir/zero", ""))
    path, head = "/tester/raw/resolve/main/dir/a.txt", raw.commits("tester/raw")[0]["id"]
    status, headers, body = ask(raw, "GET", path, token=None)
    assert (status, body, headers["X-Repo-Commit"], headers["Content-Length"]) == (200, b"0123456789", head, "10")
    assert headers["ETag"] == f'"{hashlib.sha1(b"blob 10" + bytes(1) + b"0123456789").hexdigest()}"'
    status, head_headers, body = ask(raw, "HEAD", path)
    assert (status, body, head_headers["ETag"], head_headers["Content-Length"]) == (200, b"", headers["ETag"], "10")
    ranges = {
        "bytes=2-4": b"234",
        "bytes=7-": b"789",
        "bytes=-3": b"789",
        "bytes=8-99": b"89",
        "bytes=-99": b"0123456789",
    }
    for asked, part in ranges.items():
        status, headers, body = ask(raw, "GET", path, Range=asked)
        assert (status, body, headers["Content-Length"]) == (206, part, str(len(part)))
        start = 10 - len(part) if asked != "bytes=2-4" else 2
        assert headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/10"
    status, headers, _ = ask(raw, "GET", path, Range="bytes=10-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    assert ask(raw, "GET", "/tester/raw/resolve/main/dir/zero")[2] == b""

    for path, code in {
        "/tester/nope/resolve/main/a": "RepoNotFound",
        "/datasets/tester/raw/resolve/main/a": "RepoNotFound",
        "/tester/..%2Fraw/resolve/main/a": "RepoNotFound",
        "/api/models/nope": "RepoNotFound",
        "/tester/raw/resolve/nope/a": "RevisionNotFound",
        "/api/models/tester/raw/revision/..%2F..%2Fstate": "RevisionNotFound",
        "/tester/raw/resolve/main/dir": "EntryNotFound",
        "/api/models/tester/raw/tree/main/dir%2Fa.txt": "EntryNotFound",
        "/api/no/such/call": None,
    }.items():
        status, headers, _ = ask(raw, "HEAD", path)
        assert (status, headers["X-Error-Code"]) == (404, code), path
    assert ask(raw, "GET", "/api/whoami-v2", token=None)[0] == 401
    assert ask(raw, "GET", "/api/models/tester/raw", token="hf_wrong")[0] == 401
    assert ask(raw, "POST", "/api/repos/create", {"name": "../x"})[0] == 400
    assert ask(raw, "POST", "/api/repos/create", {"name": "x", "type": "kernel"})[0] == 400
