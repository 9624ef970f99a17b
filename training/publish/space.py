"""A Space of the page: what runs there is this very code, beside the model or the name of one."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from emofusion.evaluation.run_files import CARD_FILE
from emofusion.training.errors import PublishError

from .card_head import fields_of
from .contents import HARMLESS, LICENCE_FILES, Part
from .hub import Repository, Say, There
from .space_card import CODE_FOLDER, MODEL_FOLDER, licence_file, readme_with_model, readme_with_name

CODE = ("modeling", "data", "evaluation", "serving")
"""The packages that the page imports."""
_SCRIPT = "app.py"
_FILES = {
    _SCRIPT: _SCRIPT,
    CARD_FILE: f"space/{CARD_FILE}",
    "requirements.txt": "space/requirements.txt",
    f"{CODE_FOLDER}/LICENSE": "LICENSE",
}
"""Files by their name in the Space, and where they lie in a checkout."""
_BEGINS = 'import os\n\nos.environ.setdefault("EMOFUSION_MODELS", '
"""How the script of a Space begins, and of no other page: it is told its models where nobody writes flags."""


def space_parts(root: Path, model: str, files: Sequence[Part] = ()) -> list[Part]:
    """The files of a Space.

    Args:
        root (`Path`): Of a checkout, in which `app.py` and the folder `space` lie.
        model (`str`): Name of the model on the hub; not used where its files go with the page.
        files (`Sequence[Part]`): The model's own files, where it lies in a folder.

    Raises:
        PublishError: The page is not there, as in an installation from a wheel.
    """
    places = {name: root / place for name, place in _FILES.items()}
    absent = [path for path in places.values() if not path.is_file()]
    if absent:
        raise PublishError(f"--space: expected the page in a checkout of emofusion, found no {absent[0]}; clone it")
    begins = f"{_BEGINS}{MODEL_FOLDER if files else model!r})\n\n"
    readme = places[CARD_FILE].read_text(encoding="utf-8")
    found = {name: Part(name, path) for name, path in places.items()}
    found[_SCRIPT] = Part(_SCRIPT, (begins + places[_SCRIPT].read_text(encoding="utf-8")).encode())
    found[CARD_FILE] = Part(CARD_FILE, readme_with_model(readme, files) if files else readme_with_name(readme, model))
    parts = [*found.values(), *licence_file(files)]
    parts += [Part(f"{MODEL_FOLDER}/{part.name}", part.source) for part in files]
    for folder in CODE:
        parts += [
            Part(f"{CODE_FOLDER}/{path.relative_to(root).as_posix()}", path)
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
    there = repository.look() or repository.make(private)
    _check_there(repository, there, say, private)
    gone = _left_by_another_page(there, {part.name for part in parts})
    for name in gone:
        if "/" not in name:
            say(f"{name} is removed there: this page has none")
    say(f"pushing {len(parts)} files, {sum(part.size for part in parts) / 1e6:.1f} MB, to {repository.address}")
    commit = repository.commit(there, parts, "Page of emofusion", gone)
    if commit == there.commit:
        say(f"nothing has changed: {repository.name} holds this very page, commit {commit[:8]}")
    else:
        say(f"pushed: commit {commit[:8]}; the hub builds it now, which takes some minutes")
    return commit


def _check_there(repository: Repository, there: There, say: Say, private: bool) -> None:
    """Say what is there already, and refuse to replace what is none of ours, or to show what was to be private."""
    repository.check_private(there, private)
    kind = _kind(repository.read(there, CARD_FILE)) if CARD_FILE in there.files else None
    others = [name for name in there.files if name not in HARMLESS]
    is_page = _SCRIPT in there.files and repository.read(there, _SCRIPT).startswith(_BEGINS)
    if kind not in (None, "gradio") or (others and not is_page):
        of_kind = f" (sdk: {kind})" if kind else ""
        such = f", with files such as {others[0]}" if others else ""
        raise PublishError(
            f"{repository.name}: expected the page of emofusion or nothing, found another Space{of_kind}{such}; take "
            "another name, or delete that Space first"
        )
    if not others:
        say(f"{repository.name} is empty")
        return
    stay = [name for name in others if not _is_ours(name)]
    say(
        f"{repository.name} is there (commit {there.commit[:8]}); this becomes its next commit"
        f"{', and files that are none of ours stay: ' + ', '.join(stay) if stay else ''}"
    )


def _kind(readme: str) -> Any:
    """What a Space is built with, as its README says; None where that says nothing, or is none."""
    try:
        return fields_of(readme).get("sdk")
    except PublishError:
        return None


def _left_by_another_page(there: There, names: Collection[str]) -> list[str]:
    """Files of an earlier push that are not among these names; where no page is, a LICENSE is its owner's."""
    return [name for name in there.files if _is_ours(name) and name not in names] if _SCRIPT in there.files else []


def _is_ours(name: str) -> bool:
    return name in (*_FILES, *LICENCE_FILES) or name.startswith((f"{CODE_FOLDER}/", f"{MODEL_FOLDER}/"))
