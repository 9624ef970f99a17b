"""The pages of the project as tests read them: their links, names, code blocks and commands."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from helpers import REPOSITORY

ROOT_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
FILES = [*(REPOSITORY / name for name in ROOT_PAGES), *sorted(REPOSITORY.glob("docs/**/*.md"))]
PAGES = [path.relative_to(REPOSITORY).as_posix() for path in FILES]


@dataclass(frozen=True)
class Block:
    """A code block: its language, the line on which it begins, and what is in it."""

    language: str
    line: int
    code: str


def read(page: str) -> str:
    """The text of a page, by its place in the repository."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    """Its code blocks in some languages, or in all."""
    text = read(page)
    found = re.finditer(r"^ *```(\w*)\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    all_of_them = [Block(match[1], text[: match.start()].count("\n") + 1, match[2]) for match in found]
    return [block for block in all_of_them if block.language in languages or not languages]


def prose(page: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", read(page), flags=re.MULTILINE | re.DOTALL)


def code_spans(page: str) -> list[str]:
    """What stands between backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: str) -> list[str]:
    """Where its links and pictures lead, without those that lead out of the repository."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not re.match(r"https?:|mailto:", link)]


def anchors(path: Path) -> set[str]:
    """What headings are called in links: in small letters, with hyphens for spaces, without other signs."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: str) -> list[str]:
    """The commands of its shell blocks, one a string: continued lines joined, comments gone."""
    lines = [line for block in blocks(page, "bash") for line in block.code.replace("\\\n", " ").splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [shlex.join(words) for words in split if words]


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row below the heads."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if not set("".join(row)) <= set("-: |")]
