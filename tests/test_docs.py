"""Pages for users: commands name flags and recipes that exist, links lead somewhere."""

import re
from pathlib import Path

import pytest

from emofusion.training.command_line.recipes import known_fields, make_parser
from helpers import REPOSITORY


def test_table_of_the_original_flags_is_whole():
    page = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    table = page.split("## Flags of the original text")[1]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `--")]
    ours = [flag for row in rows for flag in re.findall(r"`--(\w+)", row[2])]
    assert len(rows) == len(ours) == 15
    assert set(ours) <= {*known_fields(), *(f"no_{name}" for name in known_fields())}


FILES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]
PAGES = [path.relative_to(REPOSITORY).as_posix() for path in FILES]


@pytest.mark.parametrize("page", PAGES)
def test_commands_have_flags_that_exist(page: str):
    text = (REPOSITORY / page).read_text(encoding="utf-8").replace("\\\n", " ")
    known = {*make_parser()._option_string_actions}
    for command in re.findall(r"^(?:accelerate|python|\.venv/bin/).*train_hf\.py (.*)$", text, flags=re.MULTILINE):
        assert set(re.findall(r"--\w+", command.split("#")[0])) <= known, command


@pytest.mark.parametrize("page", PAGES)
def test_recipes_exist(page: str):
    named = re.findall(r"recipes/[\w/]+\.yaml", (REPOSITORY / page).read_text(encoding="utf-8"))
    assert [recipe for recipe in named if recipe != "recipes/X.yaml" and not (REPOSITORY / recipe).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str):
    path = REPOSITORY / page
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """What headings are called in links: in small letters, with hyphens for spaces, without other signs."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
