"""The allowed imports within the package, and that no import evades the check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import TOP

PACKAGE = "bat2influx"
ROOT = frozenset({"reading", "clock", "failure", "printable", "safe_json"})  # anybody may
BASE = frozenset({"net", "service", "venus"})
FOLDERS = {  # each with what it may import beside itself and the root
    "net": frozenset(),
    "service": frozenset(),
    "venus": frozenset(),
    "config": frozenset({"net", "venus"}),
    "mqtt": frozenset({"net", "service"}),
    "influx": BASE - {"venus"} | {"config"},
    "device": BASE - {"net"} | {"config", "mqtt"},
    "fleet": BASE - {"net"} | {"config", "mqtt", "device"},
    "delivery": frozenset({"service", "influx"}),
    "daemon": BASE | {"config", "mqtt", "influx", "device", "fleet", "delivery"},
    "commands": BASE | {"config", "mqtt", "influx", "device", "fleet", "delivery", "daemon"},
    "cli": frozenset({"config", "service", "daemon", "commands"}),
    "__main__": frozenset({"cli", "commands", "config"}),
}
# What is imported inside a function, and why.
LATE = {
    ("__main__", "commands.run"): "commands do not need it",
    ("__main__", "cli"): "the daemon does not need it, and argparse takes time and memory",
    ("cli", "commands"): "of a command only its own module, for memory and start-up time",
    ("commands.run", "daemon.main"): "a bad file is answered a quarter of a second sooner",
    ("commands.run", "service.journal"): "the same",
    ("daemon.main", "fleet.fleet"): "for memory and start-up time where there is none",
    ("commands.configuration", "service.journal"): "only where the file is bad",
    ("mqtt.connector", "mqtt.handshake"): "ssl takes 4 MB, which a daemon without TLS does without",
    ("mqtt.connector", "mqtt.secured_link"): "the same",
    ("commands.check.command", "commands.check.every_step"): "not to look at the file alone",
}


class Import(NamedTuple):
    """An import of one of our modules; both without the package's name in front."""

    of: str
    target: str
    late: bool
    line: int


def modules() -> dict[str, Path]:
    """Return the files of the package by the names of their modules; '' is the package itself."""
    top = TOP / PACKAGE
    found = {}
    for path in sorted(top.rglob("*.py")):
        parts = path.relative_to(top).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports(name: str, source: str) -> Iterator[Import]:
    """Yield every import of one of our modules in the source of the module `name`."""
    tree = ast.parse(source)
    late = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        for target in _targets(node):
            yield Import(name, target, id(node) in late, getattr(node, "lineno", 0))


def _targets(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            full = [each.name for each in names]
        case ast.ImportFrom(level=0, module=str(module), names=names):
            full = [f"{module}.{each.name}" for each in names]
        case ast.ImportFrom():
            raise AssertionError("a relative import hides its folder")
        case ast.Call(func=function, args=[first, *_]) if _imports(function):
            full = [_named(first)]
        case _:
            return
    for each in full:
        top, _, rest = each.partition(".")
        if top == PACKAGE:
            while rest and rest not in MODULES:  # a name in a module, or `__version__`
                rest = rest.rpartition(".")[0]
            yield rest


def _named(name: ast.expr) -> str:
    """Return the module in the first argument of a call, or the folder that it is in."""
    match name:
        case (
            ast.Constant(value=str(text))
            | ast.JoinedStr(values=[ast.Constant(value=str(text)), *_])
        ):
            assert not text.startswith("."), "a relative import hides its folder"
            return text
    raise AssertionError(f"nobody can see what is imported: {ast.unparse(name)}")


def _imports(function: ast.expr) -> bool:
    name = ast.unparse(function).rpartition(".")[2]
    return name in ("import_module", "__import__")


IMPORTS = [each for name, path in MODULES.items() for each in imports(name, path.read_text())]


def folder(module: str) -> str:
    """Return the folder of a module, or the module itself at the top."""
    return module.partition(".")[0]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import bat2influx.daemon.main", [("daemon.main", False)]),
        ("from bat2influx import clock, reading", [("clock", False), ("reading", False)]),
        ("from bat2influx.daemon.main import Daemon", [("daemon.main", False)]),
        ("if TYPE_CHECKING:\n from bat2influx.net import tls", [("net.tls", False)]),
        ("class A:\n def f(self):\n  from bat2influx.net import tls", [("net.tls", True)]),
        ("f = lambda: import_module('bat2influx.net.tls')", [("net.tls", True)]),
        ("def f(a):\n import_module(f'bat2influx.commands.{a}')", [("commands", True)]),
        ("def f():\n importlib.import_module('bat2influx.net.tls')", [("net.tls", True)]),
        ("import os, json", []),
    ],
)
def test_every_form_of_import_is_detected(source: str, found: list[object]) -> None:
    """The tests below would miss any other."""
    assert [(each.target, each.late) for each in imports("x", source)] == found


@pytest.mark.parametrize(
    "call", ["import_module(name)", "import_module('.net', 'bat2influx')", "__import__(a + b)"]
)
def test_an_import_that_cannot_be_detected_is_not_allowed(call: str) -> None:
    """Nor is a relative one."""
    with pytest.raises(AssertionError, match="import"):
        [*imports("x", f"def f():\n {call}")]


def test_the_listing_is_short() -> None:
    """At most 8 modules and 12 folders at the top."""
    top = TOP / PACKAGE
    assert len([*top.glob("*.py")]) <= 8
    folders = {path.parent.name for path in top.glob("*/__init__.py")}
    assert folders == FOLDERS.keys() - {"cli", "__main__"}
    assert len(folders) <= 12
    rest = {name for name in MODULES if name and "." not in name} - FOLDERS.keys()
    assert rest == ROOT


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_has_only_its_allowed_imports(name: str) -> None:
    """Values pass through the folders in one direction; late imports are checked, too."""
    allowed = FOLDERS[name] | ROOT | {name, ""}
    wrong = [
        each for each in IMPORTS if folder(each.of) == name and folder(each.target) not in allowed
    ]
    assert not wrong


def test_the_root_imports_only_the_root() -> None:
    """Modules that all folders use depend on no folder."""
    assert all(each.target in ROOT | {""} for each in IMPORTS if each.of in ROOT)


def test_no_circular_imports() -> None:
    """No module needs itself, on any path, imports for type checkers included."""
    graph: dict[str, set[str]] = {}
    for each in IMPORTS:
        if not each.late and each.target not in ("", each.of):
            graph.setdefault(each.of, set()).add(each.target)
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise AssertionError(f"a circle: {' -> '.join(error.args[1])}") from None
    assert len(order) > 80


def test_a_late_import_has_a_reason() -> None:
    """Every other import is at the top of its file."""
    late = {(each.of, each.target) for each in IMPORTS if each.late}
    assert late == LATE.keys()


def test_each_folder_has_an_init_with_a_docstring_only() -> None:
    """An __init__.py says what the folder is for, its rules, and where to start."""
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            continue
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), name
        rest = tree.body[1:]
        if name:
            assert not rest, name
            assert "Start with" in (ast.get_docstring(tree) or ""), name
        else:
            assert [ast.unparse(each).split(" ")[0] for each in rest] == ["__version__"]
