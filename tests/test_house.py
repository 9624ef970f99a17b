"""The house keeps its rules: imports point one way, and every module can be imported."""

import ast
import importlib
from pathlib import Path

import pytest
from conftest import REPOSITORY

ORDER = ["modeling", "data", "evaluation", "training"]
FILES = sorted(path for folder in ORDER for path in (REPOSITORY / folder).glob("*.py"))


def imported(path: Path) -> list[str]:
    """Absolute names of the modules that a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_point_one_way(path: Path):
    allowed = ORDER[: ORDER.index(path.parent.name) + 1]
    for name in imported(path):
        parts = name.split(".")
        assert parts[0] not in ORDER, f"{path.name} imports {name}: that loads every class a second time"
        if parts[0] == "emofusion":
            assert path.parent.name != "modeling", f"{path.name} travels to the hub and cannot import {name}"
            assert parts[1] in allowed, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_module_imports(path: Path):
    importlib.import_module(f"emofusion.{path.parent.name}.{path.stem}".removesuffix(".__init__"))
