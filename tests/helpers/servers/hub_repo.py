"""The repositories of the loopback hub, on disk: commits, branches, and the bytes of their files."""

import base64
import hashlib
import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LFS_THRESHOLD = 1 << 20  # bytes; the public hub takes text of up to 10 MiB without LFS
LFS_ENDINGS = (".safetensors", ".bin", ".pt", ".onnx", ".npy", ".npz", ".arrow", ".parquet", ".zip", ".wav")
GITATTRIBUTES = "".join(f"*{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LFS_ENDINGS).encode()
Json = dict[str, Any]


class HubError(Exception):
    """A refusal: HTTP status, message, the hub's X-Error-Code where it has one, more of the body, more headers."""

    def __init__(self, status: int, message: str, code: str = "", body: Any = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": message, **(body or {})}
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **headers}


def require(condition: object, *refusal: Any, **more: Any) -> None:
    """Refuse the request, as HubError's arguments say, unless the condition holds."""
    if not condition:
        raise HubError(*refusal, **more)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.write_bytes(data)
    temporary.replace(path)


def git_oid(data: bytes) -> str:
    """The sha1 that git gives a blob of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def upload_mode(path: str, size: int, sample: bytes) -> str:
    """How a file must come: `lfs` for known binary endings, big files and binary samples, else `regular`."""
    return "lfs" if size and (path.endswith(LFS_ENDINGS) or size > LFS_THRESHOLD or b"\0" in sample) else "regular"


class Repo:
    """One repository on disk. A commit is a JSON that holds its parent and the whole table of files."""

    def __init__(self, root: Path, kind: str, repo_id: str) -> None:
        self.kind, self.id = kind, repo_id
        self.folder, self.blobs = root / "repos" / kind / repo_id, root / "blobs"  # contents are shared by all
        self.web_path = ("/" if kind == "models" else f"/{kind}/") + repo_id
        self.valid = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo_id, re.ASCII) is not None  # it becomes a path
        self.exists = self.valid and (self.folder / "state.json").is_file()

    @property
    def state(self) -> Json:
        """What changes: `private`, `createdAt`, and `branches` (name -> commit id)."""
        return json.loads((self.folder / "state.json").read_bytes())

    def set_branch(self, state: Json, branch: str, oid: str) -> None:
        """Move or create a branch: from here on a new commit is there for others."""
        state = {**state, "branches": {**state.get("branches", {}), branch: oid}}
        write_whole(self.folder / "state.json", json.dumps(state).encode())

    def create(self, private: bool) -> None:
        """Lay the repository down with the hub's usual first commit."""
        entry = self.regular(".gitattributes", GITATTRIBUTES)
        commit = self.write_commit({".gitattributes": entry}, None, "initial commit", "")
        self.set_branch({"private": private, "createdAt": commit["date"]}, "main", commit["id"])

    def regular(self, path: str, data: bytes) -> Json:
        """Keep a small file's bytes and describe it."""
        require(upload_mode(path, len(data), data[:512]) == "regular", 400, f"{path} must come by LFS.")
        sha256 = hashlib.sha256(data).hexdigest()
        write_whole(self.blobs / sha256, data)
        return {"oid": git_oid(data), "size": len(data), "sha256": sha256}

    def lfs(self, path: str, sha256: str) -> Json:
        """Describe a file whose bytes were uploaded before; git holds a pointer in its place."""
        held = re.fullmatch(r"[0-9a-f]{64}", sha256) and (self.blobs / sha256).is_file()
        require(held, 400, f"LFS object {sha256} of {path} was never uploaded.")
        size = (self.blobs / sha256).stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        lfs = {"oid": sha256, "size": size, "pointerSize": len(pointer)}
        return {"oid": git_oid(pointer), "size": size, "sha256": sha256, "lfs": lfs}

    def write_commit(self, files: Json, parent: str | None, title: str, message: str) -> Json:
        """Keep a commit, on no branch yet."""
        date = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        commit = {"parent": parent, "title": title, "message": message, "date": date, "files": files}
        data = json.dumps(commit, sort_keys=True).encode()
        oid = hashlib.sha1(data).hexdigest()
        write_whole(self.folder / "commits" / f"{oid}.json", data)
        return {"id": oid, **commit}

    def at(self, revision: str) -> Json:
        """The commit that a branch name or a commit id stands for."""
        oid = self.state["branches"].get(revision, revision)
        path = self.folder / "commits" / f"{oid}.json"
        known = re.fullmatch(r"[0-9a-f]{40}", oid) and path.is_file()
        require(known, 404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return {"id": oid, **json.loads(path.read_bytes())}

    def apply(self, files: Json, key: str, value: Json) -> None:
        """Do one line of a commit's payload to a table of files."""
        path = value["path"].removesuffix("/" if key == "deletedFolder" else "")
        require(not {"", ".", "..", ".git"} & {*path.split("/")}, 400, f"Invalid path: {path!r}")
        if key == "file":
            data = value["content"].encode()
            files[path] = self.regular(path, base64.b64decode(data) if value.get("encoding") == "base64" else data)
        elif key == "lfsFile":
            files[path] = self.lfs(path, value["oid"])
        else:
            require(key in ("deletedFile", "deletedFolder"), 400, f"Unknown key in the payload: {key!r}")
            gone = [name for name in files if (name == path if key == "deletedFile" else name.startswith(path + "/"))]
            require(gone, 404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for name in gone:
                del files[name]

    def commit(self, branch: str, header: Json, operations: list[Json]) -> str:
        """Commit all the operations, or none of them where one is refused; return the commit's id."""
        state, head = self.state, self.at(branch)
        require(branch in state["branches"], 400, f"{branch} is not a branch.")
        require(head["id"].startswith(header.get("parentCommit") or ""), 412, "A commit has happened since.")
        files = dict(head["files"])
        for operation in operations:
            self.apply(files, operation["key"], operation["value"])
        commit = self.write_commit(files, head["id"], header["summary"], header.get("description", ""))
        self.set_branch(state, branch, commit["id"])
        return commit["id"]


def listing(files: Json) -> dict[str, Json]:
    """Every file and folder of a commit by path, as the tree and paths-info calls word them."""
    out: dict[str, Json] = {}
    for path, entry in sorted(files.items()):
        for slash in re.finditer("/", path):
            inside = [item for item in sorted(files.items()) if item[0].startswith(path[: slash.end()])]
            folder = path[: slash.start()]
            out[folder] = {"type": "directory", "path": folder, "oid": git_oid(repr(inside).encode()), "size": 0}
        out[path] = {"type": "file", "path": path, **{key: entry[key] for key in entry if key != "sha256"}}
    return out
