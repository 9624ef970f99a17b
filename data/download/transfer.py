"""Fetches the archives of RAVDESS from the official record, and the face tracks from theirs.

An archive appears under its final name only when it is complete and checked. Until then it is `NAME.part`, from which
a broken or stopped transfer goes on.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock, Timeout
from requests.exceptions import ChunkedEncodingError
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from emofusion.data.store.progress import Bar
from emofusion.data.whole_files import write_json

from .record_files import SITE, RemoteFile, readable_size

logger = logging.getLogger(__name__)

SITE_VARIABLE = "EMOFUSION_DOWNLOAD_URL"
"""Environment variable that names another server with the same paths, such as a mirror of the lab."""

VERIFIED = "verified"
VERIFIED_BY_SERVER = "verified (checksum sent by the server)"
UNVERIFIED = "unverified (no published checksum)"
ALREADY_THERE = "already there"

_CHUNK = 1 << 16
_LONGEST_WAIT = 60.0  # seconds, for our own waits
_LONGEST_RETRY_AFTER = 600.0  # seconds; a server that wants more is an error, not a silent hour
_TRY_LATER = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(OSError):
    """A file could not be fetched; the message names it, the reason and what to do."""


class _TryAgainError(Exception):
    """This attempt failed for `reason`, the next may not; the server wants us to wait so many `seconds`."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True)
class Downloaded:
    """One file that is here now.

    Attributes:
        name (`str`): Its name.
        path (`Path`): Where it lies.
        bytes (`int`): Its size.
        state (`str`): `VERIFIED`, `VERIFIED_BY_SERVER`, `UNVERIFIED` or `ALREADY_THERE`.
    """

    name: str
    path: Path
    bytes: int
    state: str


def download(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    base_url: str | None = None,
    retries: int = 5,
    timeout: float = 30.0,
    first_wait: float = 1.0,
    progress: bool = True,
) -> list[Downloaded]:
    """Fetch files, or what is missing of them.

    A call that was stopped or failed is simply repeated: it keeps the files that are complete and goes on with the one
    that is not. Several processes may fetch to one folder.

    Args:
        files (`Sequence[RemoteFile]`): What to fetch, from `files_of`.
        folder (`Path`): Where to; made if it does not exist.
        base_url (`str`, *optional*): Server instead of https://zenodo.org; the environment variable
            `EMOFUSION_DOWNLOAD_URL` if not given.
        retries (`int`): How often in a row an attempt may fail without a new byte before this gives up.
        timeout (`float`): Seconds without an answer or a byte after which an attempt has failed.
        first_wait (`float`): Seconds before the first retry; each further wait is twice as long, up to a minute.
        progress (`bool`): Show a progress bar for each file.

    Returns:
        `list[Downloaded]`: One for each different file.

    Raises:
        DownloadError: A file could not be fetched or is not what it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    site = (base_url or os.environ.get(SITE_VARIABLE) or SITE).rstrip("/")
    with requests.Session() as session:
        # Compressed in transit, neither lengths nor ranges would be those of the file.
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "emofusion"})
        line = _Line(session, retries, timeout, first_wait, progress)
        return [
            _fetch(line, file, file.url.replace(SITE, site, 1), folder / file.name) for file in dict.fromkeys(files)
        ]


@dataclass(frozen=True)
class _Line:
    """The connection and how patient it is; the fields are arguments of `download`."""

    session: requests.Session
    retries: int
    timeout: float
    first_wait: float
    progress: bool

    def get(self, url: str, headers: dict[str, str]) -> requests.Response:
        return self.session.get(url, headers=headers, stream=True, timeout=self.timeout)


class _Part:
    """The unfinished file, and beside it a note of what it is a part of.

    Attributes:
        path (`Path`): `NAME.part`.
        etag (`str`, *optional*): The server's mark of this content; without it nothing can be added later.
        total (`int`, *optional*): Bytes of the whole.
    """

    def __init__(self, final: Path) -> None:
        self.path = final.with_name(f"{final.name}.part")
        self._note = final.with_name(f"{final.name}.part.json")
        self.etag: str | None = None
        self.total: int | None = None
        # No note, or one that was being written when the machine went down: the part starts again.
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.etag, self.total = str(note["etag"]), None if note["total"] is None else int(note["total"])

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def range_headers(self) -> dict[str, str]:
        """Asks for the rest, if the content is still the same; for everything where there is nothing to go on from."""
        return {"Range": f"bytes={self.size}-", "If-Range": self.etag} if self.etag and self.size else {}

    def is_continued_by(self, response: requests.Response) -> bool:
        """Whether this is the rest of it. Some servers send a range of changed content, whatever If-Range says."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not found or not self.size or response.headers.get("ETag") != self.etag:
            return False
        return int(found[1]) == self.size and (self.total is None or found[2] in ("*", str(self.total)))

    def start(self, response: requests.Response) -> None:
        """Begin with the first byte of this answer."""
        self.discard()
        self.total = _content_length(response)
        etag = response.headers.get("ETag")
        if etag and not etag.startswith("W/"):  # a weak one does not promise the same bytes
            self.etag = etag
            write_json(self._note, {"etag": self.etag, "total": self.total}, indent=1)

    def discard(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.etag = self.total = None

    def finish(self, final: Path) -> None:
        """Give it its final name."""
        with self.path.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(self.path, final)
        self._note.unlink(missing_ok=True)


def _fetch(line: _Line, file: RemoteFile, url: str, path: Path) -> Downloaded:
    with _alone(path):
        if path.exists():
            return _keep(file, path)
        part = _Part(path)
        with Bar(desc=file.name, unit="B", unit_scale=True, total=file.size, disable=not line.progress) as bar:
            _receive_all(line, file, url, part, bar)
            bar.refresh()  # in a log file, too, the last line says 100 %
        state = _verify(file, part)
        part.finish(path)
        return Downloaded(file.name, path, path.stat().st_size, state)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process fetches this file."""
    lock = FileLock(f"{path}.part.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.warning("%s: another process is fetching it; waiting for that one", path)
        lock.acquire()
    try:
        yield
        # The file is complete: whoever still waits, on this lock or a new one of this name, will only find it there.
        with suppress(OSError):
            os.unlink(lock.lock_file)
    finally:
        lock.release()


def _receive_all(line: _Line, file: RemoteFile, url: str, part: _Part, bar: Bar) -> None:
    """Ask until everything is here; what is here stays if that fails."""
    failures, furthest = 0, part.size
    while not part.size or part.size != part.total:
        try:
            _receive(line, url, part, bar)
            expected = part.total if part.total is not None else file.size
            if expected is None or part.size >= expected:
                return
            raise _TryAgainError(f"ended after {part.size} of {expected} bytes")
        except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError, _TryAgainError) as error:
            if part.size > furthest:
                failures, furthest = 0, part.size
            failures += 1
            _wait_or_give_up(line, url, part, failures, error)
        except requests.RequestException as error:
            raise DownloadError(f"{url}: cannot be fetched ({_reason(error)})") from error


def _wait_or_give_up(line: _Line, url: str, part: _Part, failures: int, error: Exception) -> None:
    asked = error.seconds if isinstance(error, _TryAgainError) else 0.0
    if failures > line.retries or asked > _LONGEST_RETRY_AFTER:
        patience = f"after {failures} attempts in a row" if failures > line.retries else f"it asks for {asked:.0f} s"
        kept = f", it goes on from the {readable_size(part.size)} in {part.path}" if part.range_headers else ""
        raise DownloadError(
            f"{url}: {_reason(error)}; given up ({patience}). Repeat the command later{kept}"
        ) from error
    seconds = max(asked, min(line.first_wait * 2 ** (failures - 1), _LONGEST_WAIT))
    logger.warning("%s: %s; trying again in %g s", url, _reason(error), seconds)
    time.sleep(seconds)


def _receive(line: _Line, url: str, part: _Part, bar: Bar) -> None:
    """One attempt: add what the server sends."""
    with _ask(line, url, part) as response:
        _check_answer(response, url, part)
        if response.status_code == requests.codes.ok:
            part.start(response)
        _check_space(part, _content_length(response))
        bar.total, bar.n = part.total or bar.total, part.size
        bar.refresh()
        try:
            with part.path.open("ab") as handle:
                for chunk in response.iter_content(_CHUNK):
                    handle.write(chunk)
                    bar.update(len(chunk))
        except requests.RequestException:  # an OSError as well, but not one of the disk
            raise
        except OSError as error:
            raise DownloadError(
                f"{part.path}: cannot be written ({error.strerror}); when that is solved, repeat the command and it "
                "goes on from there"
            ) from error


def _ask(line: _Line, url: str, part: _Part) -> requests.Response:
    """The answer with the rest, or with everything where the server cannot go on from what is here."""
    response = line.get(url, part.range_headers)
    refused = response.status_code == requests.codes.requested_range_not_satisfiable
    if refused or (response.status_code == requests.codes.partial_content and not part.is_continued_by(response)):
        response.close()
        part.discard()
        response = line.get(url, {})
    return response


def _check_answer(response: requests.Response, url: str, part: _Part) -> None:
    """Raise unless this is the file, or the rest of it."""
    status = f"the server answers {response.status_code} {response.reason or ''}".rstrip()
    if response.status_code in _TRY_LATER:
        raise _TryAgainError(status, _retry_after(response))
    allowed = {requests.codes.ok, requests.codes.partial_content} if part.size else {requests.codes.ok}
    if response.status_code not in allowed:
        raise DownloadError(f"{url}: {status}; look at the page of the record in a browser whether the file is there")
    kind, encoding = response.headers.get("Content-Type", ""), response.headers.get("Content-Encoding", "identity")
    if kind.startswith("text/html"):
        raise DownloadError(f"{url}: the server answers with a web page instead of the file; open it in a browser")
    if encoding != "identity":
        raise DownloadError(f"{url}: sent as {encoding}, which was not asked for; is a proxy in the way?")


def _check_space(part: _Part, needed: int | None) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if needed is not None and needed > free:
        raise DownloadError(
            f"{part.path.parent}: {readable_size(needed)} more needed for {part.path.name}, "
            f"{readable_size(free)} free; "
            "make room or choose another folder"
        )


def _verify(file: RemoteFile, part: _Part) -> str:
    """The state of a complete part. A wrong one is deleted, because nothing can be added to make it right."""
    # Zenodo sends its own checksum as the ETag, which covers the files that have no published one.
    sent = re.fullmatch(r'"md5:([0-9a-f]{32})"', part.etag or "")
    expected = file.md5 or (sent and sent[1])
    fault = _fault(part.path, expected, is_zip=file.md5 is None)
    if fault:
        part.discard()
        raise DownloadError(
            f"{file.name}: {fault}; the damaged download was deleted. Try again, or fetch it by hand from {file.page}"
        )
    return VERIFIED if file.md5 else VERIFIED_BY_SERVER if sent else UNVERIFIED


def _keep(file: RemoteFile, path: Path) -> Downloaded:
    """What lies there already is never overwritten."""
    fault = _fault(path, file.md5, is_zip=file.md5 is None)
    if fault:
        raise DownloadError(f"{path}: lies there already, but {fault}; move it away or delete it, then repeat")
    return Downloaded(file.name, path, path.stat().st_size, ALREADY_THERE)


def _fault(path: Path, md5: str | None, is_zip: bool) -> str | None:
    """What is wrong with a file, if anything."""
    if md5:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != md5:
            return f"its md5 is {found}, expected {md5}"
    if is_zip:
        # Reads the list of members, which is the end of an archive.
        try:
            with zipfile.ZipFile(path) as archive:
                return None if archive.namelist() else "it is an empty zip archive"
        except zipfile.BadZipFile as error:
            return f"it is not a complete zip archive ({error})"
    return None


def _content_length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Transfer-Encoding" not in response.headers else None


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server wants us to wait; 0 if it names none."""
    try:
        return Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
    except InvalidHeader:
        return 0.0


def _reason(error: Exception) -> str:
    """Why, without the wrappings of the libraries."""
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause))
