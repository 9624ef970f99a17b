"""The Hugging Face hub's protocol on loopback, so that tests push and pull with real clients and no network.

    with HubServer(tmp_path) as hub:
        subprocess.run([...], env={**os.environ, **hub.env, "HF_HOME": home})  # set before any HF import
        hub.files("tester/model")  # {".gitattributes": b"...", "config.json": b"..."}

What lies under `root` outlives the server: `blobs/<sha256>` holds contents; `repos/<models|datasets>/<owner>/<name>/`
holds one JSON per commit, and `state.json` with the branches. Files are replaced whole, never edited. One server at a
time per root. Absent: spaces, pull requests, tags, .gitignore, Xet, multipart uploads. The user may write anywhere.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import threading
import traceback
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

USER = "tester"
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
        self.web_path = ("/datasets/" if kind == "datasets" else "/") + repo_id
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


class Handler(BaseHTTPRequestHandler):
    """One connection. `dispatch` looks each request up in ROUTES; the later methods answer one kind each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the headers' acknowledgement
    server: "HubServer"

    def dispatch(self) -> None:
        """Answer one request."""
        path, _, query = self.path.partition("?")
        self.query = {key: values[-1] for key, values in parse_qs(query).items()}
        self.unread = int(self.headers.get("Content-Length") or 0)
        try:
            self.route(path)
        except HubError as error:
            self.reply(error.body, error.status, error.headers)
        except Exception as error:  # a malformed request, or a fault of this file: the log tells
            self.server.log.append(traceback.format_exc())
            self.reply({"error": self.server.log[-1]}, 400 if isinstance(error, (ValueError, KeyError)) else 500)

    do_GET = do_HEAD = do_POST = do_PUT = dispatch  # noqa: N815

    def route(self, path: str) -> None:
        """Call the method for this path; it gets the repository, and the pattern's other groups unquoted."""
        given = self.headers.get("Authorization")  # a wrong token is an error, for reading too
        require(given in (None, f"Bearer {self.server.token}"), 401, "Invalid credentials in Authorization header")
        for method, pattern, needs_token, answer in ROUTES:
            if method == self.command.replace("HEAD", "GET") and (match := re.fullmatch(pattern, path)):
                require(given or not needs_token, 401, "Invalid username or password.")
                groups: Json = {key: unquote(value or "") for key, value in match.groupdict().items()}
                if "id" in groups:
                    kind = groups.pop("kind").strip("/") or "models"
                    groups["repo"] = self.server.repo(kind, groups.pop("id"), known=bool(given))
                with self.server.lock if needs_token else contextlib.nullcontext():  # writers take turns
                    return answer(self, **groups)
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def body(self) -> bytes:
        """The request's body, or what is left of it."""
        size, self.unread = self.unread, 0
        return self.rfile.read(size)

    def reply(self, payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send bytes, or anything else as JSON; the request is read to its end, for the connection lives on."""
        self.body()
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value.replace("\n", " ").encode("ascii", "replace").decode())
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep `"GET /path HTTP/1.1" 200 -` in the server's log, not on stderr."""
        self.server.log.append(format % args)

    def whoami(self) -> None:
        """The account behind the token."""
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
        self.reply({"type": "user", "id": "0" * 24, "name": USER, "fullname": USER, "orgs": [], "auth": auth})

    def create_repo(self) -> None:
        """Create a model or dataset repository; 409 where it is there, with the answer that exist_ok needs."""
        request = json.loads(self.body())
        kind = {"model": "models", "dataset": "datasets"}.get(request.get("type") or "model", "")
        repo = Repo(self.server.root, kind, f"{request.get('organization') or USER}/{request.get('name')}")
        require(kind and repo.valid, 400, f"Cannot create {request.get('type')} {repo.id} here.")
        answer = {"url": self.server.endpoint + repo.web_path, "name": repo.id, "id": repo.id}
        require(not repo.exists, 409, f"You already created this {kind[:-1]} repo: {repo.id}", body=answer)
        repo.create(request.get("private") is True or request.get("visibility") == "private")
        self.reply(answer)

    def create_branch(self, repo: Repo, rev: str) -> None:
        """Start a branch at a commit, main's head if none is named."""
        require(rev not in repo.state["branches"], 409, f"Reference already exists: {rev}")
        start = json.loads(self.body() or b"{}").get("startingPoint") or "main"
        repo.set_branch(repo.state, rev, repo.at(start)["id"])
        self.reply({}, 201)

    def validate_yaml(self) -> None:
        """Check that a card's metadata block ends; the standard library knows no more of YAML."""
        ends = re.match(r"\s*(?!---)|\s*---\s.*?\n---\s*(\n|$)", json.loads(self.body())["content"], re.DOTALL)
        errors = [] if ends else [{"message": "The metadata at the top has no closing ---"}]
        self.reply({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, repo: Repo, rev: str) -> None:
        """Say how each file is to come, and the id of what is there under its name."""
        held, answer = repo.at(rev)["files"], []
        for file in json.loads(self.body())["files"]:
            mode = upload_mode(file["path"], file["size"], base64.b64decode(file["sample"]))
            entry = held.get(file["path"], {})
            oid = entry.get("lfs", entry).get("oid")
            answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.reply({"files": answer})

    def sign(self, oid: str, size: int) -> str:
        """What lets a bare PUT store this object, as a presigned address of the public hub's store would."""
        return hmac.new(self.server.secret, f"{oid} {size}".encode(), hashlib.sha256).hexdigest()

    def lfs_batch(self, repo: Repo) -> None:
        """Where to PUT each object; no address for those that are held."""
        request, objects = json.loads(self.body()), []
        require(request["operation"] == "upload", 422, "Only uploads; downloads go through resolve.")
        for oid, size in ((item["oid"], item["size"]) for item in request["objects"]):
            objects.append({"oid": oid, "size": size})
            if not (repo.blobs / oid).is_file():
                href = f"{self.server.endpoint}/lfs/{oid}?size={size}&signature={self.sign(oid, size)}"
                objects[-1]["actions"] = {"upload": {"href": href}}
        self.reply({"transfer": "basic", "objects": objects}, headers={"Content-Type": "application/vnd.git-lfs+json"})

    def lfs_put(self, oid: str) -> None:
        """Keep an object, provided that its bytes are those announced."""
        data, size = self.body(), int(self.query.get("size", 0))
        require(self.query.get("signature") == self.sign(oid, size), 403, "SignatureDoesNotMatch")
        require((len(data), hashlib.sha256(data).hexdigest()) == (size, oid), 400, "Not the bytes announced.")
        write_whole(self.server.root / "blobs" / oid, data)
        self.reply(b"", headers={"ETag": f'"{oid}"'})

    def commit(self, repo: Repo, rev: str) -> None:
        """Take a commit: lines of JSON, a header first."""
        require("create_pr" not in self.query, 400, "This server has no pull requests.")
        header, *operations = [json.loads(line) for line in self.body().splitlines() if line.strip()] or [{}]
        titled = header.get("key") == "header" and header["value"].get("summary")
        require(titled, 400, "The payload's first line must be a header with a summary.")
        oid = repo.commit(rev, header["value"], operations)
        url = f"{self.server.endpoint}{repo.web_path}/commit/{oid}"
        self.reply({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    def info(self, repo: Repo, rev: str = "main") -> None:
        """A repository at a revision."""
        commit, state = repo.at(rev), repo.state
        answer: Json = {"id": repo.id, "author": repo.id.split("/")[0], "gated": False, "disabled": False, "tags": []}
        answer |= {"sha": commit["id"], "lastModified": commit["date"], "createdAt": state["createdAt"]}
        answer |= {"private": state["private"], "siblings": [{"rfilename": path} for path in sorted(commit["files"])]}
        self.reply({**answer, "modelId": repo.id} if repo.kind == "models" else answer)

    def tree(self, repo: Repo, rev: str, path: str = "") -> None:
        """What a folder holds, or all below it."""
        entries = listing(repo.at(rev)["files"])
        inside = {p.removeprefix(path + "/"): e for p, e in entries.items() if not path or p.startswith(path + "/")}
        require(inside or not path, 404, f"{path} does not exist on {rev}", "EntryNotFound")
        deep = self.query.get("recursive", "").lower() in ("1", "true")
        self.reply([entry for name, entry in inside.items() if deep or "/" not in name])

    def paths_info(self, repo: Repo, rev: str) -> None:
        """The files and folders among the paths of a form or JSON."""
        body = self.body().decode()
        paths = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
        entries = listing(repo.at(rev)["files"])
        self.reply([entries[path] for path in paths if path in entries])

    def resolve(self, repo: Repo, rev: str, path: str) -> None:
        """A file, or a range of its bytes."""
        commit = repo.at(rev)
        headers = {"X-Repo-Commit": commit["id"], "Accept-Ranges": "bytes"}
        require(entry := commit["files"].get(path), 404, "Entry not found", "EntryNotFound", **headers)
        headers |= {"ETag": f'"{entry.get("lfs", entry)["oid"]}"', "Content-Type": "application/octet-stream"}
        data, size = (repo.blobs / entry["sha256"]).read_bytes(), entry["size"]
        match = re.fullmatch(r"bytes=(?:(\d+)-(\d*)|-(\d+))", self.headers.get("Range", ""))
        if not match:
            return self.reply(data, headers=headers)
        first, last, suffix = match.groups()
        start, stop = (int(first), int(last or size)) if first else (max(0, size - int(suffix)), size)
        require(start < size and start <= stop, 416, "Bad range", **{"Content-Range": f"bytes */{size}"})
        part = data[start : stop + 1]
        self.reply(part, 206, {**headers, "Content-Range": f"bytes {start}-{start + len(part) - 1}/{size}"})


REPO, REV = r"(?P<id>[^/]+/[^/]+|[^/]+)", r"(?P<rev>[^/]+)"
API, WEB = rf"/api/(?P<kind>models|datasets)/{REPO}", rf"/(?P<kind>datasets/)?{REPO}"
ROUTES = [  # method (GET serves HEAD too), path, whether it needs the token, who answers
    ("GET", r"/api/whoami-v2", True, Handler.whoami),
    ("POST", r"/api/repos/create", True, Handler.create_repo),
    ("POST", r"/api/validate-yaml", False, Handler.validate_yaml),
    ("POST", rf"{API}/branch/{REV}", True, Handler.create_branch),
    ("POST", rf"{API}/preupload/{REV}", True, Handler.preupload),
    ("POST", rf"{WEB}\.git/info/lfs/objects/batch", True, Handler.lfs_batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", False, Handler.lfs_put),  # the address itself is signed
    ("POST", rf"{API}/commit/{REV}", True, Handler.commit),
    ("GET", rf"{API}", False, Handler.info),
    ("GET", rf"{API}/revision/{REV}", False, Handler.info),
    ("GET", rf"{API}/tree/{REV}(?:/(?P<path>.+))?", False, Handler.tree),
    ("POST", rf"{API}/paths-info/{REV}", False, Handler.paths_info),
    ("GET", rf"{WEB}/resolve/{REV}/(?P<path>.+)", False, Handler.resolve),
]


class HubServer(ThreadingHTTPServer):
    """The server; `with` starts and stops it. `log` holds one line per request answered."""

    def __init__(self, root: Path, token: str = "hf_loopback") -> None:
        self.root, self.token, self.secret = Path(root), token, secrets.token_bytes(32)
        self.lock, self.log = threading.Lock(), list[str]()
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self.serve_forever, args=(0.05,), name="hub", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def repo(self, kind: str, repo_id: str, known: bool = True) -> Repo:
        """A repository, if it is there and public or asked for by a known user."""
        repo = Repo(self.root, kind, repo_id)
        require(repo.exists and (known or not repo.state["private"]), 404, "Repository not found", "RepoNotFound")
        return repo

    @property
    def env(self) -> dict[str, str]:
        """Environment variables for a client, which the caller adds to; they must be set before any HF import."""
        on = dict.fromkeys(("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK"), "1")
        off = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "0")
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
        return {"HF_ENDPOINT": self.endpoint, "HF_TOKEN": self.token, **on, **off, **direct}

    def files(self, repo_id: str, repo_type: str = "model", revision: str = "main") -> dict[str, bytes]:
        """Every file at a revision (branch or commit id) with its bytes."""
        repo = self.repo(repo_type + "s", repo_id)
        entries = repo.at(revision)["files"].items()
        return {path: (repo.blobs / entry["sha256"]).read_bytes() for path, entry in entries}

    def commits(self, repo_id: str, repo_type: str = "model", revision: str = "main") -> list[Json]:
        """Commits, newest first: id, parent, title, message, date, and files by path (oid, size, sha256, lfs)."""
        repo = self.repo(repo_type + "s", repo_id)
        commits = [repo.at(revision)]
        while commits[-1]["parent"]:
            commits.append(repo.at(commits[-1]["parent"]))
        return commits
