"""The Hugging Face hub's protocol on loopback, so that tests push and pull with real clients and no network.

    with HubServer(tmp_path) as hub:
        subprocess.run([...], env={**os.environ, **hub.env, "HF_HOME": home})  # set before any HF import
        hub.files("tester/model")  # {".gitattributes": b"...", "config.json": b"..."}

What lies under `root` outlives the server: `blobs/<sha256>` holds contents; `repos/<kind>/<owner>/<name>/` (of
models, datasets and spaces) holds one JSON per commit, and `state.json` with the branches. Files are replaced whole,
never edited. One server at a time per root. Absent: pull requests, tags, .gitignore, Xet, multipart uploads; spaces do
not run. The user may write anywhere but to `CLOSED`, and `reading_token` writes nowhere.

`hub.breaks` is a list of what goes wrong next: `Break("PUT /lfs/")` ends the connection in the middle of the next such
request, `Break("POST /api/.*/commit/", done=True)` after it was done, before anybody is told, and
`Break("HEAD ", status=503)` answers that it cannot now.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import socket
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import huggingface_hub
import pytest
from huggingface_hub.utils import close_session

from .hub_repo import HubError, Json, Repo, listing, require, upload_mode, write_whole

USER = "tester"
CLOSED = "somebody"
"""Whose repositories the user may not write to."""


class Break(NamedTuple):
    """A connection that ends, or a request that is put off: the first whose method and path begin like the pattern.

    Attributes:
        pattern (`str`): Of `METHOD /path`.
        done (`bool`): True where the request is done all the same, and only its answer is lost.
        status (`int`): What is answered in place of an end; 0 is none.
    """

    pattern: str
    done: bool = False
    status: int = 0


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
            if self.breaks(path, before=True):
                return
            self.route(path)
        except HubError as error:
            self.reply(error.body, error.status, error.headers)
        except Exception as error:  # a malformed request, or a fault of this file: the log tells
            self.server.log.append(traceback.format_exc())
            self.reply({"error": self.server.log[-1]}, 400 if isinstance(error, (ValueError, KeyError)) else 500)

    def breaks(self, path: str, before: bool) -> bool:
        """End the connection without an answer, in the middle of the request, if that is what comes next."""
        with self.server.lock_of_breaks:
            planned = self.server.breaks
            if not planned or planned[0].done is before:
                return False
            if not re.match(planned[0].pattern, f"{self.command} {path}"):
                return False
            status = planned.pop(0).status
        require(not status, status, "Not now.")
        self.rfile.read(self.unread // 2)
        self.log_message('"%s %s" broke', self.command, path)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return True

    do_GET = do_HEAD = do_POST = do_PUT = dispatch  # noqa: N815

    def route(self, path: str) -> None:
        """Call the method for this path; it gets the repository, and the pattern's other groups unquoted."""
        given = self.headers.get("Authorization")  # a wrong token is an error, for reading too
        known = (None, *(f"Bearer {token}" for token in (self.server.token, self.server.reading_token)))
        require(given in known, 401, "Invalid credentials in Authorization header")
        for method, pattern, needs_token, answer in ROUTES:
            if method == self.command.replace("HEAD", "GET") and (match := re.fullmatch(pattern, path)):
                require(given or not needs_token, 401, "Invalid username or password.")
                groups: Json = {key: unquote(value or "") for key, value in match.groupdict().items()}
                if "id" in groups:
                    kind = groups.pop("kind").strip("/") or "models"
                    groups["repo"] = self.server.repo(kind, groups.pop("id"), known=bool(given))
                if needs_token and self.command != "GET":
                    self.check_may_write(given, groups.get("repo"))
                with self.server.lock if needs_token else contextlib.nullcontext():  # writers take turns
                    return answer(self, **groups)
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def check_may_write(self, given: str | None, repo: Repo | None) -> None:
        """Refuse a token that reads, and the repositories of others."""
        require(given == f"Bearer {self.server.token}", 403, "You must use a write token to upload to a repository.")
        if repo is not None:
            require(repo.id.split("/")[0] != CLOSED, 403, "You don't have the rights to write to this repository.")

    def body(self) -> bytes:
        """The request's body, or what is left of it."""
        size, self.unread = self.unread, 0
        return self.rfile.read(size)

    def reply(self, payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send bytes, or anything else as JSON; the request is read to its end, for the connection lives on."""
        self.body()
        if self.breaks(self.path.partition("?")[0], before=False):
            return
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
        role = "write" if self.headers["Authorization"] == f"Bearer {self.server.token}" else "read"
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        self.reply({"type": "user", "id": "0" * 24, "name": USER, "fullname": USER, "orgs": [], "auth": auth})

    def create_repo(self) -> None:
        """Create a repository; 409 where it is there, with the answer that exist_ok needs."""
        request = json.loads(self.body())
        kind = {"model": "models", "dataset": "datasets", "space": "spaces"}.get(request.get("type") or "model", "")
        repo = Repo(self.server.root, kind, f"{request.get('organization') or USER}/{request.get('name')}")
        require(kind and repo.valid, 400, f"Cannot create {request.get('type')} {repo.id} here.")
        require(kind != "spaces" or request.get("sdk"), 400, "A space needs an sdk.")
        require(
            request.get("organization") != CLOSED, 403, f"You don't have the rights to create a repo for {CLOSED}."
        )
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
API, WEB = rf"/api/(?P<kind>models|datasets|spaces)/{REPO}", rf"/(?P<kind>(?:datasets|spaces)/)?{REPO}"
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


def point_at(hub: "HubServer", home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let huggingface_hub of this very process, which has read its settings long ago, talk to a server."""
    for name, value in {**hub.env, "HF_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)
    found = {
        "ENDPOINT": hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }
    for name, value in found.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    close_session()  # one that would go through a proxy


class HubServer(ThreadingHTTPServer):
    """The server; `with` starts and stops it. `log` holds one line per request answered, `breaks` what breaks next."""

    def __init__(self, root: Path, token: str = "hf_loopback") -> None:
        self.root, self.token, self.secret = Path(root), token, secrets.token_bytes(32)
        self.reading_token = f"{token}_reads"
        self.lock, self.log = threading.Lock(), list[str]()
        self.lock_of_breaks, self.breaks = threading.Lock(), list[Break]()
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
