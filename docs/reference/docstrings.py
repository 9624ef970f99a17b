"""Docstrings as mkdocstrings wants them: ours are in the style of transformers, with types between backticks."""

import re
from typing import Any

import griffe

_ENTRY = re.compile(r"^( +)([\w*, ]+) \(`([^`]+)`(, \*optional\*)?\): (.*(?:\n\1 +.*)*)", flags=re.MULTILINE)
_REFERENCE = re.compile(r"\[(`[\w.]+`)\]")


def plain_types(docstring: str) -> str:
    """The docstring with types out of backticks, and with one entry for each name of ``a, b (`str`): ...``."""

    def entry(match: re.Match[str]) -> str:
        indent, names, kind, optional, text = match.groups()
        kind += ", optional" if optional else ""
        return "\n".join(f"{indent}{name.strip()} ({kind}): {text}" for name in names.split(","))

    return _REFERENCE.sub(r"\1", _ENTRY.sub(entry, docstring))


class TransformersStyle(griffe.Extension):
    """Reads every docstring through `plain_types`."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for each module, class, function and variable."""
        if obj.docstring is not None:
            obj.docstring.value = plain_types(obj.docstring.value)
