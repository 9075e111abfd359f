"""Which names of PyTorch a program uses that lampas does not have, found without running the program."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from lampas._alias import home, nearest, program_name

__all__ = ["missing_names", "report"]


def _lookup(name: str) -> tuple[Any, str | None, ModuleType | None]:
    """What a dotted name such as ``torch.nn.Linear`` means here; else the first part of it that is missing, and the
    module it would be in."""
    parts = name.split(".")
    module_name = home(parts[0])
    if module_name is None or importlib.util.find_spec(module_name) is None:
        return None, parts[0], None
    thing: Any = importlib.import_module(module_name)
    for i, part in enumerate(parts[1:], 2):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            within = thing if isinstance(thing, ModuleType) else None
            if within is not None:
                try:
                    thing = importlib.import_module(f"{within.__name__}.{part}")
                    continue
                except ModuleNotFoundError:
                    pass
            elif not isinstance(thing, type):
                return thing, None, None  # an attribute of some value: nothing a name can tell
            return None, ".".join(parts[:i]), within
        if not isinstance(thing, (ModuleType, type)):
            return thing, None, None
    return thing, None, None


class _Reader(ast.NodeVisitor):
    """Collects the dotted names that begin at an import of torch or its kin, with their lines."""

    def __init__(self) -> None:
        self.meaning: dict[str, str] = {}
        self.used: list[tuple[str, int]] = []
        self.modules: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            if home(item.name) is None:
                self.modules.add(item.name.partition(".")[0])
                continue
            self.used.append((item.name, node.lineno))
            root = item.name.partition(".")[0]
            self.meaning[item.asname or root] = item.name if item.asname else root

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or home(module) is None:
            self.modules.add(module.partition(".")[0])
            return
        for item in node.names:
            if item.name == "*":
                self.used.append((module, node.lineno))
                self._star(module)
                continue
            self.used.append((f"{module}.{item.name}", node.lineno))
            self.meaning[item.asname or item.name] = f"{module}.{item.name}"

    def _star(self, module: str) -> None:
        thing, missing, _ = _lookup(module)
        if missing is None and isinstance(thing, ModuleType):
            for name in getattr(thing, "__all__", None) or [n for n in vars(thing) if not n.startswith("_")]:
                self.meaning.setdefault(name, f"{module}.{name}")

    def dotted(self, node: ast.AST) -> str | None:
        """The full name that an expression such as ``nn.Linear`` stands for."""
        if isinstance(node, ast.Name):
            return self.meaning.get(node.id)
        if isinstance(node, ast.Attribute):
            below = self.dotted(node.value)
            return f"{below}.{node.attr}" if below else None
        return None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.dotted(node)
        if name is None:
            self.generic_visit(node)
        elif isinstance(node.ctx, ast.Load):
            self.used.append((name, node.lineno))
        else:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
        name = self.dotted(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                # `nn = torch.nn` gives a second name; anything else makes the name mean something of the program's.
                self.meaning.pop(target.id, None)
                if name is not None:
                    self.meaning[target.id] = name


def missing_names(path: str) -> list[tuple[str, int, str, list[str]]]:
    """What a program, and the modules beside it that it imports, use of PyTorch and lampas does not have.

    Returns:
        (file, line, name, nearest names) once for each name and file, in order of lines.

    Raises:
        OSError: a file cannot be read.
        SyntaxError: the program is not Python.
    """
    found = []
    done: set[str] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop(0)
        if os.path.realpath(file) in done:
            continue
        done.add(os.path.realpath(file))
        with open(file, "rb") as source:
            tree = ast.parse(source.read(), file)
        reader = _Reader()
        reader.visit(tree)
        seen = set()
        for name, line in sorted(reader.used, key=lambda use: use[1]):
            _, absent, within = _lookup(name)
            if absent is not None and absent not in seen:
                seen.add(absent)
                close = nearest(within, absent.rpartition(".")[2]) if within is not None else []
                prefix = program_name(within.__name__) if within is not None else ""
                found.append((file, line, absent, [f"{prefix}.{near}" for near in close]))
        folder = os.path.dirname(file)
        for module in sorted(reader.modules):
            for beside in (os.path.join(folder, module + ".py"), os.path.join(folder, module, "__init__.py")):
                if module and os.path.isfile(beside):
                    waiting.append(beside)
    return found


def report(paths: list[str]) -> int:
    """Prints what is missing in programs; gives the exit code: 0 nothing, 1 something, 2 a program cannot be read."""
    total = 0
    for path in paths:
        try:
            found = missing_names(path)
        except (OSError, SyntaxError, ValueError) as error:
            print(f"python -m lampas: cannot read {path!r}: {error}", file=sys.stderr)
            return 2
        for file, line, name, near in found:
            print(f"{file}:{line}: {name}" + (f"  (nearest: {', '.join(near)})" if near else ""))
        total += len(found)
    print(f"{total} {'name' if total == 1 else 'names'} missing")
    return 1 if total else 0
