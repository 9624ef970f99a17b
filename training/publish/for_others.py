"""Texts of a model as they are told to others, who have neither this machine nor its folders."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emofusion.evaluation.record.command_line import for_others

from .places import last_name, told

_LOADED = re.compile(r"""((?:from_pretrained\(\s*|model=)["'])([^"']+)(["'])""")
WITHOUT_TORCH = """\
## Without torch

`onnx/model.onnx` is the same model for onnxruntime, and `python onnx/run_onnx.py clip.mp4` answers by it; that needs
numpy, onnxruntime and av alone.
"""


def json_for_others(content: Any, repo: str) -> Any:
    """Content of a JSON file without places of this machine; `load_from` is the repository."""
    if isinstance(content, Mapping):
        return {told(name): _field(name, value, repo) for name, value in content.items()}
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
    here = {last_name(name) for name in (metrics.get("load_from"), str(folder), str(folder.absolute())) if name}

    def from_repo(found: re.Match[str]) -> str:
        is_this = last_name(found[2]) in here and (found[2] != repo)
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
