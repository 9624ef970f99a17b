"""Texts of a model as they are told to others, who have neither this machine nor its folders."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from emofusion.evaluation.record.command_line import for_others

_PLACE = re.compile(
    r"""(?<![\w.:/<>-])             # no part of an address (https://...), of a relative path or of a tag (</b>)
        (?:(?:/[\w.@+~{}=-]+){2,}/? # /home/me/runs
        |[A-Za-z]:\\[\w.@+~{}=\\-]+)  # C:\Users\me
    """,
    re.VERBOSE,
)
_LOADED = re.compile(r"""((?:from_pretrained\(\s*|model=)["'])([^"']+)(["'])""")
WITHOUT_TORCH = """\
## Without torch

`onnx/model.onnx` is the same model for onnxruntime, and `python onnx/run_onnx.py clip.mp4` answers by it; that needs
numpy, onnxruntime and av alone.
"""


def told(text: str) -> str:
    """A text with the last name alone of each whole path in it: `/home/me/runs/demo` is `<demo>`."""
    if _is_whole_path(text):
        return f"<{_last(text)}>"
    return _PLACE.sub(lambda found: f"<{_last(found[0])}>", text)


def json_for_others(content: Any, repo: str) -> Any:
    """Values of a JSON file, told so; `load_from` is the repository."""
    if isinstance(content, Mapping):
        return {name: _field(name, value, repo) for name, value in content.items()}
    if isinstance(content, list):
        return [json_for_others(value, repo) for value in content]
    return told(content) if isinstance(content, str) else content


def card_for_others(card: str, metrics: Mapping[str, Any], folder: Path, repo: str) -> str:
    """A card whose code loads the model from the repository, and which has its name.

    Args:
        card (`str`): As it lies in the folder.
        metrics (`Mapping`): metrics.json, or nothing.
        folder (`Path`): Where the model lies.
        repo (`str`): Name of the repository.
    """
    here = {_last(name) for name in (metrics.get("load_from"), str(folder), str(folder.absolute())) if name}

    def from_repo(found: re.Match[str]) -> str:
        is_this = _last(found[2]) in here and (found[2] != repo)
        return f"{found[1]}{repo}{found[3]}" if is_this else found[0]

    card = _LOADED.sub(from_repo, card)
    if title := re.search(r"^model-index:\n- name: (.+)$", card, re.MULTILINE):
        old = re.escape(title[1].strip("'\""))
        card = card.replace(title[0], f"model-index:\n- name: {repo}")
        card = re.sub(rf"^# {old}$", f"# {repo}", card, count=1, flags=re.MULTILINE)
    return told(card)


def with_words_on_onnx(card: str) -> str:
    """A card that says what the exported files are for; one that does keeps its words."""
    if "onnx/run_onnx.py" in card:
        return card
    before, scores, after = card.partition("\n## Scores\n")
    return f"{before.rstrip()}\n\n{WITHOUT_TORCH}{scores}{after}"


def _field(name: str, value: Any, repo: str) -> Any:
    if name == "load_from":
        return repo
    if name == "command" and isinstance(value, str):
        try:
            return told(for_others(value, Path.cwd()))
        except ValueError:  # no command that a shell would read
            return told(value)
    return json_for_others(value, repo)


def _is_whole_path(text: str) -> bool:
    """Whether all of a text is one path of some machine; spaces may be in it."""
    posix = text.startswith("/") and text.count("/") > 1 and "\n" not in text
    return posix or re.match(r"[A-Za-z]:\\\S", text) is not None


def _last(path: str) -> str:
    """The last name of a path, of whatever system."""
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
