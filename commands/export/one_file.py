"""A module and what it uses of its neighbours, as one file that needs no package.

The runner reads clips by the very functions of the package, so that it chooses the same seconds and frames; a second
version of them would drift. What is taken are definitions, from the text of their modules, in an order in which each
name is known when it is used.
"""

import ast
import importlib.util
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

OURS = "emofusion."


@dataclass
class Module:
    """The text of a module, and where its names come from.

    Attributes:
        name (`str`): Dotted.
        text (`str`): Its source.
    """

    name: str
    text: str

    @classmethod
    def called(cls, name: str) -> "Module":
        """The module of a dotted name; it is not run."""
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ValueError(f"{name}: expected a module, found none")
        return cls(name, Path(spec.origin).read_text(encoding="utf-8"))

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """What stands at its top."""
        return ast.parse(self.text).body

    @cached_property
    def lines(self) -> list[str]:
        """Its text."""
        return self.text.splitlines()

    @cached_property
    def bound(self) -> dict[str, int]:
        """By name: which statement defines it."""
        return {name: place for place, statement in enumerate(self.statements) for name in _names_of(statement)}

    def source(self, place: int) -> str:
        """The text of a statement, with its decorators, the remarks before it and the words about it behind it."""
        statement = self.statements[place]
        first = min([statement.lineno, *(part.lineno for part in getattr(statement, "decorator_list", []))]) - 1
        while first and self.lines[first - 1].startswith("#") and not self.lines[first - 1].startswith("# ---"):
            first -= 1
        last = statement
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and place + 1 < len(self.statements):
            last = self.statements[place + 1] if _is_text(self.statements[place + 1]) else statement
        return "\n".join(self.lines[first : last.end_lineno])


@dataclass
class OneFile:
    """Gathers definitions, from the one that is asked for to all that it uses.

    Attributes:
        modules (`dict[str, Module]`): Those that were looked into, by name.
        taken (`dict[str, set[int]]`): Which statements of them are needed.
        uses (`dict[str, set[str]]`): Which modules each of them takes names from.
        imports (`set[str]`): Modules of others, as they are imported.
        parts (`dict[str, set[str]]`): By module of others: what is taken from it.
    """

    modules: dict[str, Module] = field(default_factory=dict)
    taken: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    uses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    imports: set[str] = field(default_factory=set)
    parts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def need(self, module: Module, name: str) -> None:
        """Take the definition of a name, wherever it is."""
        place = module.bound.get(name)
        if place is None:  # of Python itself, or of a function
            return
        statement = module.statements[place]
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self._imported(module, statement, name)
        elif place not in self.taken[module.name]:
            self.take(module, place)

    def take(self, module: Module, place: int) -> None:
        """Take one statement of a module and what it uses."""
        self.taken[module.name].add(place)
        for node in ast.walk(module.statements[place]):
            if isinstance(node, ast.Name):
                self.need(module, node.id)

    def _imported(self, module: Module, statement: ast.Import | ast.ImportFrom, name: str) -> None:
        (alias,) = [alias for alias in statement.names if (alias.asname or alias.name) == name]
        words = alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"
        if isinstance(statement, ast.Import):
            self.imports.add(words)
            return
        source = "." * statement.level + (statement.module or "")
        source = importlib.util.resolve_name(source, module.name.rpartition(".")[0])
        if not source.startswith(OURS):
            self.parts[source].add(words)
            return
        if alias.asname is not None:
            raise ValueError(f"{module.name}: {words}: a name of ours cannot have another one in one file")
        self.uses[module.name].add(source)
        self.need(self.module(source), alias.name)

    def module(self, name: str) -> Module:
        """A module, read once."""
        if name not in self.modules:
            self.modules[name] = Module.called(name)
        return self.modules[name]

    def text(self, entry: str) -> str:
        """The whole file.

        Args:
            entry (`str`): Name of the module that is run.

        Raises:
            ValueError: Two modules have something of the same name.
        """
        first = self.module(entry)
        for place, statement in enumerate(first.statements[1:], start=1):  # the first are its words about itself
            if not isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.take(first, place)
        parts = [first.source(0), self._import_lines()]
        owners: dict[str, str] = {}
        self.uses[entry] |= set()
        for name in TopologicalSorter(self.uses).static_order():
            module = self.modules[name]
            parts.append(f"# --- {name}")
            for place in sorted(self.taken[name]):
                source = module.source(place)
                for bound in _names_of(module.statements[place]):
                    if owners.setdefault(bound, source) != source:
                        raise ValueError(f"{name}: {bound}: another module has something of this name, too")
                parts += [source] if source not in parts else []
        return "\n\n\n".join(parts) + "\n"

    def _import_lines(self) -> str:
        lines = [f"import {words}" for words in sorted(self.imports)]
        lines += [f"from {source} import {', '.join(sorted(names))}" for source, names in sorted(self.parts.items())]
        return "\n".join(lines)


def one_file(entry: str) -> str:
    """The text of a module with all that it uses of this package."""
    return OneFile().text(entry)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _names_of(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in statement.names]
    if isinstance(statement, ast.Try):
        return list(dict.fromkeys(name for inner in statement.body for name in _names_of(inner)))
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    found = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [name for name in found if name != "__all__"]
