"""The house keeps its rules: imports point one way, every module can be imported, and every wing is in the wheel."""

import ast
import importlib
import importlib.util
import tomllib
from pathlib import Path

import pytest

from helpers import REPOSITORY

PACKAGES = ("modeling", "data", "evaluation", "serving", "training", "commands")
WINGS = (
    "modeling",
    "data",
    "data.sources",
    "data.store",
    "data.download",
    "data.demo_corpus",
    "data.corpora.builders",
    "data.corpora.own",
    "data.corpora",
    "data.export",
    "data.inputs",
    "evaluation",
    "evaluation.scores",
    "evaluation.record",
    "evaluation.plots",
    "evaluation.explain",
    "evaluation.timelines",
    "evaluation.reports",
    "serving",
    "serving.page",
    "serving.service",
    "training",
    "training.command_line",
    "training.publish",
    "training.setup",
    "training.run",
    "training.experiments",
    "training.search",
    "commands",
    "commands.predict",
    "commands.export",
    "commands.push",
    "commands.serve",
)
"""Folders in the order of imports: a wing imports itself and those before it."""
ENTRANCES = {"data", "data.prepare", "evaluation.compare", "training.train"}
"""Modules that gather what lies in the wings of their package, and so may import all of them."""
MOST_ENTRIES, MOST_LINES, LONGEST_FUNCTION = 13, 400, 60
FLAT = {"modeling": 24}
"""Folders that cannot have wings: transformers takes a model's code to the hub from one folder."""
FILES = sorted(path for folder in PACKAGES for path in (REPOSITORY / folder).rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in FILES]
SCRIPTS = [REPOSITORY / "train_hf.py", REPOSITORY / "__main__.py", REPOSITORY / "app.py"]
every_file = pytest.mark.parametrize("path", FILES, ids=NAMES)
every_script_too = pytest.mark.parametrize("path", [*FILES, *SCRIPTS], ids=[*NAMES, *(path.name for path in SCRIPTS)])


def module_of(path: Path) -> str:
    """Dotted name of a file, without `emofusion`: `data.store.decode`."""
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def wing_of(module: str) -> str:
    """The innermost wing that a module lies in."""
    return next(wing for wing in sorted(WINGS, key=len, reverse=True) if f"{module}.".startswith(f"{wing}."))


def imported(path: Path) -> list[str]:
    """Absolute names of the modules that a file imports, at its top or inside functions; relative ones resolved."""
    module = module_of(path)
    package = f"emofusion.{module if path.name == '__init__.py' else module.rpartition('.')[0]}"
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            inside = REPOSITORY.joinpath(*base.split(".")[1:]) if base.startswith("emofusion.") else None
            for alias in node.names:
                is_module = inside and ((inside / f"{alias.name}.py").is_file() or (inside / alias.name).is_dir())
                names.append(f"{base}.{alias.name}" if is_module else base)
    return names


@every_file
def test_imports_point_one_way(path: Path):
    module, allowed = module_of(path), WINGS[: WINGS.index(wing_of(module_of(path))) + 1]
    for name in imported(path):
        first, _, rest = name.partition(".")
        assert first not in PACKAGES, f"{module} imports {name}: that loads every class a second time"
        if first != "emofusion" or (module in ENTRANCES and rest.split(".")[0] == module.split(".")[0]):
            continue
        assert module.split(".")[0] != "modeling" or wing_of(rest) == "modeling", f"{module} travels to the hub alone"
        assert wing_of(rest) in allowed, f"{module} imports {name}"
        # An entrance hands out names of every wing of its package.
        assert rest not in ENTRANCES or rest.split(".")[0] != module.split(".")[0], f"{module} goes round by {name}"


@every_file
def test_modeling_imports_its_neighbours_by_relative_names(path: Path):
    if path.parent.name == "modeling":
        absolute = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.ImportFrom)]
        assert [n.module for n in absolute if not n.level and str(n.module).startswith("emofusion")] == []


@every_file
def test_every_module_imports(path: Path):
    importlib.import_module(f"emofusion.{module_of(path)}")


def test_every_folder_of_the_house_is_in_the_wheel():
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {f"emofusion.{module_of(path.parent / '__init__.py')}" for path in FILES}
    assert sorted(setuptools["packages"]) == sorted([*folders, "emofusion"])
    # Everything lies below the folder at the top, which is the package itself and has no __init__.py.
    assert setuptools["package-dir"] == {"emofusion": "."}
    assert not (REPOSITORY / "__init__.py").exists()
    for folder in folders:
        assert REPOSITORY.joinpath(*folder.split(".")[1:], "__init__.py").is_file(), f"{folder} has no __init__.py"


@every_script_too
def test_file_is_short_and_so_are_its_functions(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lines = [(node.name, node.lineno, (node.end_lineno or 0) - node.lineno + 1) for node in functions]
    assert [found for found in lines if found[2] > LONGEST_FUNCTION] == []


@pytest.mark.parametrize("top", [*PACKAGES, "docs", "tests"])
def test_folder_can_be_taken_in_at_a_glance(top: str):
    folders = [REPOSITORY / top, *(path for path in (REPOSITORY / top).rglob("*") if path.is_dir())]
    sizes = {
        folder.relative_to(REPOSITORY).as_posix(): sum(entry.name != "__pycache__" for entry in folder.iterdir())
        for folder in folders
        if "__pycache__" not in folder.parts
    }
    assert {name: count for name, count in sizes.items() if count > FLAT.get(name, MOST_ENTRIES)} == {}


@pytest.mark.parametrize("path", TESTS, ids=[path.relative_to(REPOSITORY).as_posix() for path in TESTS])
def test_tests_import_no_tests(path: Path):
    """What two of them need lies in `helpers`, so each file can be read, moved and run alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    tests = {test.stem for test in TESTS if test.name.startswith("test_") or test.name == "conftest.py"}
    assert {name for name in names if tests & set(name.split("."))} == set()
