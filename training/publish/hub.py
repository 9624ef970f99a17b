"""One repository of the hub: who may write there, what is there, and a commit that brings everything or nothing."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import (
    FileMetadataError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of the client that this release of huggingface_hub uses
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from emofusion.training.errors import PublishError

from .contents import HARMLESS, Part

Say = Callable[[str], object]
Found = TypeVar("Found")
WAITS = (5.0, 20.0)
"""Seconds before the second and the third try; each of them tries uploads several times by itself."""
_PASSING = (408, 429, 500, 502, 503, 504)
"""What servers answer that may be well a moment later."""


@dataclass(frozen=True)
class There:
    """What a branch of a repository holds.

    Attributes:
        commit (`str`): Its last commit.
        files (`tuple[str, ...]`): Names of its files.
        private (`bool`): Whether others see it.
        changed (`str`): Day of that commit; empty where the hub does not say.
        has_branch (`bool`): Whether the branch is there; else this is what it would begin with.
    """

    commit: str
    files: tuple[str, ...]
    private: bool
    changed: str
    has_branch: bool = True


class Repository:
    """A repository that is pushed to.

    Args:
        name (`str`): Such as `"you/model"`; a name alone is one of yours.
        say (`Callable`): Is told what is going on, a line at a time.
        kind (`str`): `"model"` or `"space"`.
        branch (`str`, *optional*): By default the main one.
        token (`str`, *optional*): By default that of `HF_TOKEN` or of the login.

    Raises:
        PublishError: Not a name, no token, a wrong one, or one that only reads.
    """

    def __init__(
        self, name: str, say: Say, kind: str = "model", branch: str | None = None, token: str | None = None
    ) -> None:
        self.name, self.kind, self.branch, self.user = name, kind, branch, ""
        self._say, self._made = say, list[str]()
        check_name(name)
        self.api = HfApi(token=token or _token())
        account = self._again(lambda: self.api.whoami())
        self.user = str(account.get("name"))
        self.name = name if "/" in name else f"{self.user}/{name}"
        access = (account.get("auth") or {}).get("accessToken") or {}
        if access.get("role") == "read":
            raise PublishError(
                f"the token {access.get('displayName', '')!r} of {self.user} may only read: make one that may write "
                f"at {self.api.endpoint}/settings/tokens, and name it by `hf auth login` or HF_TOKEN"
            )

    @property
    def address(self) -> str:
        """Of its page."""
        place = f"{self.api.endpoint}/{'spaces/' if self.kind == 'space' else ''}{self.name}"
        return place if self.branch in (None, constants.DEFAULT_REVISION) else f"{place}/tree/{self.branch}"

    def look(self) -> There | None:
        """What is there; of a branch that is missing what it would begin with, and None of a repository."""
        try:
            return self._again(lambda: self._look(self.branch), may_lack=True)
        except RevisionNotFoundError:
            return replace(self._again(lambda: self._look(None)), has_branch=False)
        except RepositoryNotFoundError:
            return None

    def read(self, there: There, name: str) -> str:
        """A text file of it, whatever bytes are in it."""
        path = self._again(
            lambda: self.api.hf_hub_download(self.name, name, repo_type=self.kind, revision=there.commit)
        )
        return Path(path).read_text(encoding="utf-8", errors="replace")

    def make(self, private: bool) -> There:
        """Make the repository; returns what is there then, which is not ours if somebody else was faster."""
        sdk = "gradio" if self.kind == "space" else None
        self._again(
            lambda: self.api.create_repo(
                self.name, repo_type=self.kind, private=private or None, space_sdk=sdk, exist_ok=True
            )
        )
        found = self.look()
        if found is None:
            raise PublishError(f"{self.name}: was made, and cannot be found; push again, or look at {self.address}")
        if set(found.files) <= set(HARMLESS):
            self._made.append("the repository was made, and is empty")
        return found

    def check_private(self, there: There, private: bool) -> None:
        """Refuse to show what was to be private.

        Raises:
            PublishError: It was, and the repository is public.
        """
        if private and not there.private:
            raise PublishError(
                f"{self.name}: expected a private repository or none, found a public one; make it private in its "
                f"settings on {self.api.endpoint}, or push without --private"
            )

    def commit(self, there: There, parts: Sequence[Part], message: str, gone: Collection[str]) -> str:
        """Bring all files by one commit, or none; repeated where a connection breaks.

        Args:
            there (`There`): What was seen to be there, and is followed by this commit; a branch is made if need be.
            parts (`Sequence[Part]`): The files.
            message (`str`): Title of the commit.
            gone (`Collection[str]`): Names of files there that are removed.

        Returns:
            Id of the commit; where nothing has changed that of the last one.

        Raises:
            PublishError: It could not be, or somebody else has pushed since; the branch is as it was.
        """
        if not there.has_branch:
            self._begin_branch(there)

        def once() -> str:
            # Looked at anew each time: where the commit arrived, and only its answer was lost, nothing is left to do.
            files = self._look(self.branch).files
            changes: list[CommitOperationAdd | CommitOperationDelete] = [
                *(CommitOperationAdd(part.name, part.source) for part in parts),
                *(CommitOperationDelete(name) for name in files if name in gone),
            ]
            return self.api.create_commit(
                self.name,
                changes,
                commit_message=message,
                repo_type=self.kind,
                revision=self.branch,
                parent_commit=there.commit,  # not of what is there by now: that nobody has looked at
            ).oid

        return self._again(once)

    def _look(self, branch: str | None) -> There:
        info: Any = self.api.repo_info(self.name, repo_type=self.kind, revision=branch)
        day = "" if info.last_modified is None else f"{info.last_modified:%Y-%m-%d}"
        names = tuple(sorted(sibling.rfilename for sibling in info.siblings or ()))
        return There(str(info.sha), names, bool(info.private), day)

    def _begin_branch(self, there: There) -> None:
        branch = str(self.branch)
        self._again(
            lambda: self.api.create_branch(
                self.name, branch=branch, revision=there.commit, repo_type=self.kind, exist_ok=True
            )
        )
        self._made.append(f"the branch {branch} was made, and is as the main one")

    def _again(self, call: Callable[[], Found], may_lack: bool = False) -> Found:
        """Ask the hub for something, and again where the way there breaks.

        Args:
            call (`Callable`): Asks.
            may_lack (`bool`): Whether the answer may be that there is no such repository, or no such branch.

        Raises:
            PublishError: It was refused, or cannot be reached.
            RepositoryNotFoundError, RevisionNotFoundError: With `may_lack`.
        """
        for wait in (*WAITS, None):
            try:
                with _retries_told(self._say):
                    return call()
            except (HTTPError, OSError, RuntimeError, ValueError) as error:
                if may_lack and isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError)):
                    raise
                cause = _cause(error)
                if not _passes(cause):
                    raise PublishError(self._refused(cause)) from error
                if wait is None:
                    raise PublishError(
                        f"{self.api.endpoint} cannot be reached ({_in_one_line(cause)}), after {len(WAITS) + 1} "
                        f"tries; {self._left()}. Repeat the command when the connection is back: what was uploaded "
                        "is not uploaded again"
                    ) from error
                self._say(f"the connection broke ({_in_one_line(cause)}); trying again in {wait:g} s")
                time.sleep(wait)
        raise AssertionError  # the last of the waits raises

    def _left(self) -> str:
        """How a push that failed has left the repository."""
        return "nothing was published" + "".join(f"; {made}" for made in self._made)

    def _refused(self, error: Exception) -> str:
        """What a refusal means, and what to do."""
        if isinstance(error, OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set, and pushing needs the hub: unset it"
        if not isinstance(error, HfHubHTTPError):
            return f"{self.name}: {_in_one_line(error)}; {self._left()}"
        status, said = error.response.status_code, _in_one_line(error.server_message or error)
        if status == 401:
            return (
                f"{self.api.endpoint} does not know this token: make one that may write at "
                f"{self.api.endpoint}/settings/tokens, and name it by `hf auth login` or HF_TOKEN"
            )
        if status == 403:
            return (
                f"{self.name}: {self.user} may not write there ({said}); push to {self.user}/"
                f"{self.name.split('/')[-1]}, or use a token that has the right"
            )
        if status == 412:
            return f"{self.name}: somebody else has pushed there in the meantime; {self._left()}: look, and push again"
        return f"{self.name}: {self.api.endpoint} refused it: {said} ({status}); {self._left()}"


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a repository.

    Raises:
        PublishError: It cannot.
    """
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise PublishError(f"REPO {name}: expected a name such as you/model ({_in_one_line(error)})") from error


def _token() -> str:
    token = get_token()
    if not token:
        raise PublishError(
            "no login found: run `hf auth login`, or set HF_TOKEN to a token that may write "
            f"({constants.ENDPOINT}/settings/tokens)"
        )
    return token


def _cause(error: Exception) -> Exception:
    """What lies below the error of a thread of uploads, or of a file that could neither be fetched nor was kept."""
    below, wraps = error.__cause__, isinstance(error, (RuntimeError, LocalEntryNotFoundError))
    return below if wraps and isinstance(below, (HTTPError, OSError)) else error


def _passes(error: Exception) -> bool:
    """Whether the same may go well a moment later."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _PASSING
    if isinstance(error, (FileNotFoundError, PermissionError, FileMetadataError, OfflineModeIsEnabled)):
        return False
    return isinstance(error, (HTTPError, OSError)) or "xet" in type(error).__module__


def _in_one_line(error: object) -> str:
    words = " ".join(str(error).split())
    return words[:300] or type(error).__name__


@contextmanager
def _retries_told(say: Say) -> Iterator[None]:
    """Say what huggingface_hub logs of its own retries in our words, without the addresses that it names."""
    logger = logging.getLogger("huggingface_hub")

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words = record.getMessage()
            if words.startswith(("Retrying in", "Rate limited")):
                say(f"the connection broke: {words[0].lower()}{words[1:]}")

    handlers, logger.handlers, propagate = logger.handlers, [Told()], logger.propagate
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
