"""What `make docs` does to the pages on their way to the website (a hook of mkdocs).

Pages are written to be read in the repository, where a link may lead to any file and notebooks are shown as they are.
On the website a file outside of docs/ that a page links to gets a page with its text, and so does a notebook. Pages of
the reference are made from the list of packages in pyproject.toml.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent
REPOSITORY = DOCS.parent
ELSEWHERE = "source/"
"""Where pages of files outside of docs/ go."""
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
_CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", flags=re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add a page for each package to the menu."""
    reference = next(part["Reference"] for part in config.nav or [] if "Reference" in part)
    reference += [_reference_page(package) for package in packages()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    texts = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    for notebook in sorted(DOCS.glob("**/*.ipynb")):
        path = notebook.relative_to(DOCS).as_posix()
        files.remove(files.src_uris[path])
        texts[f"docs/{path}"] = as_markdown(notebook)
        files.append(File.generated(config, _page_of(f"docs/{path}"), content=texts[f"docs/{path}"]))
    for package in packages():
        files.append(File.generated(config, _reference_page(package), content=reference_of(package)))
    known, todo = set(texts), list(texts)
    while todo:
        source = todo.pop()
        for target in _outside(source, texts[source]):
            if target not in known:
                known.add(target)
                todo.append(target)
                texts[target] = _text_of(target)
                files.append(File.generated(config, _page_of(target), content=texts[target]))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to what has a made page lead there."""
    return _with_links(markdown, _path_of(page.file.src_uri), page.file.src_uri)


def packages() -> list[str]:
    """Our packages, as pyproject.toml lists them, without the one that holds them all."""
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    return [name for name in listed if "." in name]


def _reference_page(package: str) -> str:
    return f"reference/{package.removeprefix('emofusion.').replace('.', '/')}.md"


def reference_of(package: str) -> str:
    """A page with the docstrings of a package and of the modules that lie in it, without those of its wings."""
    folder = REPOSITORY.joinpath(*package.split(".")[1:])
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
    head = f"# {package}\n\n::: {package}\n    options: {{members: false, show_root_heading: false}}\n"
    return "\n".join([head, *(f"::: {package}.{module}\n" for module in modules)])


def as_markdown(notebook: Path) -> str:
    """A notebook's text, code, and what the code printed."""
    parts = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        printed = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        parts += [f"```text\n{printed.rstrip()}\n```"] if printed else []
    return "\n\n".join(parts) + "\n"


def _with_links(markdown: str, path: str, page: str) -> str:
    def lead(match: re.Match[str]) -> str:
        target = _resolve(path, match[1])
        made = _page_of(target)
        stays = path.startswith("docs/") and target == f"docs/{made}"
        return match[1] if stays or not (REPOSITORY / target).exists() else _relative(made, page)

    return "".join(part if index % 2 else _LINK.sub(lead, part) for index, part in enumerate(_CODE.split(markdown)))


def _outside(path: str, markdown: str) -> Iterator[str]:
    """Files outside of docs/ that a page links to."""
    if path.startswith("docs/") or path.endswith(".md"):
        for part in _CODE.split(markdown)[::2]:
            for link in _LINK.findall(part):
                target = _resolve(path, link)
                if not target.startswith(("docs/", "..")) and (REPOSITORY / target).is_file():
                    yield target


def _text_of(target: str) -> str:
    text = (REPOSITORY / target).read_text(encoding="utf-8")
    if target.endswith(".md"):
        return text
    language = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}.get(Path(target).suffix, "text")
    return f"# {target}\n\n````{language}\n{text}````\n"


def _page_of(path: str) -> str:
    """The page of a file, below docs/."""
    inside = path.removeprefix("docs/")
    if inside == path:
        return f"{ELSEWHERE}{path.removesuffix('.md')}.md"
    return f"{inside.removesuffix('.ipynb')}.md" if inside.endswith(".ipynb") else inside


def _path_of(page: str) -> str:
    """The file that a page shows, below the repository."""
    if not page.startswith(ELSEWHERE):
        return f"docs/{page}"
    path = page.removeprefix(ELSEWHERE)
    return path if (REPOSITORY / path).is_file() else path.removesuffix(".md")


def _resolve(path: str, link: str) -> str:
    return PurePosixPath(os.path.normpath(PurePosixPath(path).parent / link)).as_posix()


def _relative(target: str, page: str) -> str:
    return os.path.relpath(target, PurePosixPath(page).parent).replace(os.sep, "/")
