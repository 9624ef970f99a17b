"""The pages say what is so: links lead somewhere, what they name exists, their commands and their code run."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY
from helpers.page_commands import (
    CHANGED,
    CHECKED,
    ONLY_READ,
    RUN,
    Command,
    Props,
    Stage,
    check,
    command_of,
    pyproject,
)
from helpers.pages import FILES, PAGES, anchors, blocks, code_spans, commands, links, read, table_rows

NOTEBOOKS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.ipynb"))
every_page = pytest.mark.parametrize("page", PAGES)
FOUND = {page: [command_of(shlex.split(command)) for command in commands(page)] for page in PAGES}
COMMANDS = list(dict.fromkeys(command for found in FOUND.values() for command in found))


def name_of(command: Command) -> str:
    return " ".join(command.words)[:90]


@pytest.fixture(scope="session")
def props(tmp_path_factory: pytest.TempPathFactory) -> Props:
    made = Props(tmp_path_factory.mktemp("props"))
    made.train_a_checkpoint()
    return made


@pytest.fixture
def stage(tmp_path: Path, props: Props, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, props, monkeypatch)


# ---- links and names ----


@every_page
def test_links_lead_somewhere(page: str):
    path = REPOSITORY / page
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_files_that_are_named_exist(page: str):
    named = re.findall(r"\b(?:data|evaluation|modeling|recipes|tests|training|docs)/[\w/.-]+\.\w+", read(page))
    missing = [name for name in named if not (REPOSITORY / name).exists()]
    missing = [name for name in missing if not name.startswith("data/") or "shared/" + name not in read(page)]
    assert missing == []


def test_every_page_is_in_the_menu_of_the_website():
    menu = yaml.load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)["nav"]
    listed = re.findall(r"[\w/]+\.md", json.dumps(menu))
    there = [
        path.relative_to(REPOSITORY / "docs").with_suffix(".md").as_posix()
        for path in [*FILES, *NOTEBOOKS]
        if path.is_relative_to(REPOSITORY / "docs")
    ]
    assert sorted(listed) == sorted(there)


def test_extras_are_all_explained():
    rows = table_rows(read("docs/use/set_up.md"))[1:]
    assert {row[0].strip("`") for row in rows} == set(pyproject()["project"]["optional-dependencies"])


@pytest.fixture(scope="module")
def known_flags() -> set[str]:
    """All flags of our commands and, of others, those that pages name."""
    from emofusion.commands.export import run_onnx, verb
    from emofusion.commands.predict import verb as predict_verb
    from emofusion.commands.push import verb as push_verb
    from emofusion.commands.serve import verb as serve_verb
    from emofusion.data import prepare
    from emofusion.data.demo_corpus import __main__ as demo_corpus
    from emofusion.evaluation import compare
    from emofusion.evaluation.explain import __main__ as explain
    from emofusion.serving.page import command as page_command
    from emofusion.training.command_line.parser import make_parser

    verbs = (predict_verb, push_verb, serve_verb, page_command, verb)
    modules = (prepare, demo_corpus, compare, explain, *verbs, run_onnx)
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in modules]
    ours = {*make_parser()._option_string_actions, *re.findall(r"--\w+", "".join(sources)), "--help", "--help_all"}
    return ours | {"--config_file", "--num_cpu_threads_per_process", "--quiet", "--strict"}  # accelerate, mkdocs


@every_page
def test_flags_that_are_named_exist(page: str, known_flags: set[str]):
    spans = code_spans(page)
    if page == "docs/reference/original_flags.md":
        spans = [span for row in table_rows(read(page))[1:] for span in re.findall(r"`([^`]+)`", row[1])]
    named = {flag for span in spans for flag in re.findall(r"(?<![\w-])--\w[\w-]*", span)}
    assert named - known_flags == set()


def test_table_of_the_original_flags_is_whole(known_flags: set[str]):
    rows = [row for row in table_rows(read("docs/reference/original_flags.md")) if row[0].startswith("`--")]
    ours = [re.findall(r"`(--\w+)", row[1])[0] for row in rows]
    assert len(rows) == len(ours) == 15
    assert set(ours) <= known_flags


def test_house_names_every_wing():
    sections = read("docs/design/house.md").split("\n## ")[1:]
    named = {f"emofusion.{s.split('/')[0]}.{wing}" for s in sections for wing in re.findall(r"^\| `(\w+)/`", s, re.M)}
    packages = pyproject()["tool"]["setuptools"]["packages"]
    assert sorted(named) == sorted(name for name in packages if name.count(".") == 2)


# ---- the walk ----


def steps_of_the_walk() -> list[tuple[Path, list[str]]]:
    """The files of docs/design/walk.md in order, and the names to read in each."""
    page = REPOSITORY / "docs" / "design" / "walk.md"
    rows = [row for row in table_rows(page.read_text(encoding="utf-8")) if row[0].isdecimal()]
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    found = []
    for row in rows:
        (link,) = re.findall(r"\]\(([^)]+)\)", row[1])
        found.append(((page.parent / link).resolve(), re.findall(r"`([\w.]+)`", row[2])))
    return found


def defined_in(path: Path) -> set[str]:
    """Functions, classes, methods (`Class.method`) and module variables of a file."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_walk_goes_through_at_most_twelve_files():
    files = [path for path, _ in steps_of_the_walk()]
    assert 6 <= len(files) <= 12
    assert len(set(files)) == len(files)


@pytest.mark.parametrize("path, names", [pytest.param(*step, id=step[0].name) for step in steps_of_the_walk()])
def test_walk_names_what_is_there(path: Path, names: list[str]):
    assert path.is_file(), path
    assert names, f"{path.name}: the walk says nothing to read in it"
    assert set(names) - defined_in(path) == set()


# ---- commands and code ----


@every_page
def test_every_command_has_a_rule(page: str):
    assert [name_of(command) for command in FOUND[page] if not command.rule] == []


@every_page
def test_code_blocks_are_of_a_known_kind(page: str):
    assert {block.language for block in blocks(page)} <= {"bash", "python", "text", "yaml"}
    assert read(page).count("```") == 2 * len(blocks(page))


def test_tables_of_what_is_not_run_hold_nothing_that_no_page_says():
    every_word = [word for page in PAGES for command in commands(page) for word in shlex.split(command)]
    assert [part for part in ONLY_READ if not any(part in word for word in every_word)] == []
    assert [rule for rule in (*RUN, *CHECKED) if not any(command.rule == rule for command in COMMANDS)] == []
    assert [flag for flag in CHANGED if flag not in every_word] == []


@pytest.mark.parametrize("command", [pytest.param(c, id=name_of(c)) for c in COMMANDS if c.rule and not c.runs])
def test_command_that_is_not_run_names_what_is_there(command: Command):
    check(command)


@pytest.mark.slow
@pytest.mark.parametrize("command", [pytest.param(c, id=name_of(c)) for c in COMMANDS if c.runs])
def test_command_runs(command: Command, stage: Stage):
    stage.run(command)


WITH_CODE = [page for page in PAGES if blocks(page, "python")]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE)
def test_python_code_runs(page: str, stage: Stage):
    names: dict[str, object] = {}  # later blocks of a page go on with the names of earlier ones
    for block in blocks(page, "python"):
        stage.run_code(block.code, names, f"{page}:{block.line}")
