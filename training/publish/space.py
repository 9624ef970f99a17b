"""A Space of the page: what runs there is this very code, beside the model or the name of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from emofusion.evaluation.run_files import CARD_FILE
from emofusion.training.errors import PublishError

from .contents import Part
from .hub import Repository, Say
from .notices import licence_in

CODE = ("modeling", "data", "evaluation", "serving")
"""The packages that the page imports."""
MODEL_FOLDER = "model"
_FILES = ("app.py", "README.md", "requirements.txt")
_MODELS = "EMOFUSION_MODELS"
"""Variable by which the page is told its models where nobody writes flags."""


def space_parts(root: Path, model: str, files: Sequence[Part] = ()) -> list[Part]:
    """The files of a Space.

    Args:
        root (`Path`): Of a checkout, in which `app.py` and the folder `space` lie.
        model (`str`): Name of the model on the hub; not used where its files go with the page.
        files (`Sequence[Part]`): The model's own files, where it lies in a folder.

    Raises:
        PublishError: The page is not there, as in an installation from a wheel.
    """
    places = {"app.py": root / "app.py"} | {name: root / "space" / name for name in _FILES[1:]}
    absent = [path for path in places.values() if not path.is_file()]
    if absent:
        raise PublishError(f"--space: expected the page in a checkout of emofusion, found no {absent[0]}; clone it")
    shown = MODEL_FOLDER if files else model
    script = places["app.py"].read_text(encoding="utf-8")
    told = f'import os\n\nos.environ.setdefault("{_MODELS}", {shown!r})\n\n'
    parts = [Part("app.py", (told + script).encode()), Part("requirements.txt", places["requirements.txt"])]
    more = _of_model(files) if files else {"models": [model]}
    parts.append(Part("README.md", _with_head(places["README.md"].read_text(encoding="utf-8"), more)))
    parts += [Part(f"{MODEL_FOLDER}/{part.name}", part.source) for part in files]
    for folder in CODE:
        parts += [
            Part(f"emofusion/{path.relative_to(root).as_posix()}", path)
            for path in (root / folder).rglob("*")
            if path.suffix in (".py", ".pyi", ".md", ".css", ".js", ".html")
        ]
    return sorted(parts)


def push_space(parts: Sequence[Part], repository: Repository, say: Say, private: bool = False) -> str:
    """Push a Space by one commit; returns its id.

    Args:
        parts (`Sequence[Part]`): Its files.
        repository (`Repository`): Where to.
        say (`Callable`): Is told what is going on.
        private (`bool`): Whether only its owner is to see it.

    Raises:
        PublishError: It could not be pushed, or another Space is there; what is there is as it was.
    """
    there = repository.look()
    if there is not None:
        repository.check_private(there, private)
        if "app.py" in there.files and "emofusion/" not in repository.read(there, "app.py").replace(".", "/"):
            raise PublishError(
                f"{repository.name}: expected the page of emofusion or nothing, found another Space; take another name"
            )
        say(f"{repository.name} is there (commit {there.commit[:8]}); this becomes its next commit")
    repository.make(private)
    say(f"pushing {len(parts)} files, {sum(part.size for part in parts) / 1e6:.1f} MB, to {repository.address}")
    commit = repository.commit(parts, "Page of emofusion", _is_ours)
    say(f"pushed: commit {commit[:8]}; the hub builds it now, which takes some minutes")
    return commit


def _is_ours(name: str) -> bool:
    return name in _FILES or name.startswith(("emofusion/", f"{MODEL_FOLDER}/"))


def _of_model(files: Sequence[Part]) -> dict[str, str]:
    """What the head of a Space says of a model that lies in it: its licence, in place of that of the code."""
    (card,) = [part for part in files if part.name == CARD_FILE]
    text = card.source if isinstance(card.source, bytes) else card.source.read_bytes()
    licence = licence_in(text.decode())
    return {} if licence is None else {"license": licence}


def _with_head(readme: str, more: dict[str, Any]) -> bytes:
    """The README of a Space with more fields in its head."""
    _, head, body = readme.split("---\n", 2)
    data = yaml.safe_load(head) | more
    return f"---\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}---\n{body}".encode()
