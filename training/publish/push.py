"""A model goes to the hub: what is to be said of it first, then one commit with all of its files."""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofusion.evaluation.run_files import CARD_FILE, METRICS_FILE
from emofusion.training.errors import PublishError

from .contents import CONFIG_FILE, HARMLESS, ONNX_FOLDER, Part, contents_of, is_ours, left_behind, read_config
from .for_others import with_words_on_onnx
from .hub import Repository, Say, There
from .notices import notices_of, with_notices


@dataclass(frozen=True)
class Package:
    """A model that is ready to be pushed.

    Attributes:
        folder (`Path`): Where it lies.
        parts (`Sequence[Part]`): Its files.
        warnings (`Sequence[str]`): What is to be said of it first.
    """

    folder: Path
    parts: Sequence[Part]
    warnings: Sequence[str]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(part.size for part in self.parts)


def pack(folder: Path, repo: str, onnx: Path | None = None) -> Package:
    """Gather the files of a model, and what is to be said of it; nothing is sent.

    Args:
        folder (`Path`): Of the model.
        repo (`str`): Name of the repository.
        onnx (`Path`, *optional*): Folder of exported files that go with it.

    Raises:
        PublishError: It cannot be published as it is; the message names the file.
    """
    if not folder.is_dir():
        raise PublishError(f"{folder}: no such folder; name that of a model")
    found = {part.name: part for part in contents_of(folder, repo)}
    card = _bytes_of(found[CARD_FILE]).decode()
    metrics = json.loads(_bytes_of(found[METRICS_FILE])) if METRICS_FILE in found else {}
    notices = notices_of(card, metrics)
    card = with_notices(card, notices)
    if onnx is not None:
        for path in sorted(onnx.iterdir()):
            found[f"{ONNX_FOLDER}/{path.name}"] = Part(f"{ONNX_FOLDER}/{path.name}", path)
        card = with_words_on_onnx(card)
    if card.encode() != _bytes_of(found[CARD_FILE]):
        found[CARD_FILE] = Part(CARD_FILE, card.encode())
    return Package(folder, sorted(found.values()), [notice.words for notice in notices])


def push_model(package: Package, repository: Repository, say: Say, private: bool = False) -> str:
    """Push a model by one commit.

    Args:
        package (`Package`): The model.
        repository (`Repository`): Where to.
        say (`Callable`): Is told what is going on.
        private (`bool`): Whether only its owner is to see it.

    Returns:
        Id of the commit.

    Raises:
        PublishError: It could not be pushed, or may not; what is there is as it was.
    """
    for words in package.warnings:
        say(f"WARNING: {words}")
    there = repository.look() or repository.make(private)
    _check_there(package, repository, there, say, private)
    gone = _left_by_another_model(there, {part.name for part in package.parts})
    for name in gone:
        say(f"{name} is removed there: this model has none")
    say(f"pushing {len(package.parts)} files, {package.bytes / 1e6:.1f} MB, to {repository.address}")
    stays = left_behind(package.folder, list(package.parts))
    if stays:
        say(f"left in {package.folder}: {', '.join(stays)}")
    commit = repository.commit(there, package.parts, "Model of emofusion", gone)
    if commit == there.commit:
        say(f"nothing has changed: {repository.name} holds this very model, commit {commit[:8]}")
    else:
        say(f"pushed: commit {commit[:8]}")
    return commit


def to_stderr(line: str) -> None:
    """What is going on goes to standard error; standard output has the address alone."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _check_there(package: Package, repository: Repository, there: There, say: Say, private: bool) -> None:
    """Say what is there already, and refuse to replace what is none of ours, or to show what was to be private."""
    repository.check_private(there, private)
    others = [name for name in there.files if name not in HARMLESS and not is_ours(name)]
    if CONFIG_FILE not in there.files:
        if others or [name for name in there.files if name.endswith(".safetensors")]:
            raise PublishError(
                f"{repository.name}: expected a model of emofusion or nothing, found {len(there.files)} files such as "
                f"{(others or there.files)[0]} and no {CONFIG_FILE}; push to another repository, or empty this one "
                "first"
            )
        say(f"{repository.name} is empty")
        return
    config = _config_there(repository, there)
    if config.get("model_type") != "emofusion":
        raise PublishError(
            f"{repository.name}: expected a model of emofusion or nothing, found one of the type "
            f"{config.get('model_type')!r}; push to another repository, or empty this one first"
        )
    changed = f", of {there.changed}" if there.changed else ""
    say(
        f"{repository.name} is there{' and private' if there.private else ''}: {_model_words(config)} (commit "
        f"{there.commit[:8]}{changed}); this becomes its next commit, {_model_words(read_config(package.folder))}. "
        f"The card there is replaced{', and files that are none of ours stay: ' + ', '.join(others) if others else ''}"
    )


def _left_by_another_model(there: There, names: Collection[str]) -> list[str]:
    """Files of an earlier push that are not among these names; where no model is, a LICENSE is its owner's."""
    if CONFIG_FILE not in there.files:
        return []
    return [name for name in there.files if is_ours(name) and name not in names]


def _config_there(repository: Repository, there: There) -> dict[str, Any]:
    try:
        config = json.loads(repository.read(there, CONFIG_FILE))
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _model_words(config: dict[str, Any]) -> str:
    return f"a model with fusion {config.get('fusion')!r} of {len(config.get('id2label') or {})} classes"


def _bytes_of(part: Part) -> bytes:
    return part.source if isinstance(part.source, bytes) else part.source.read_bytes()
