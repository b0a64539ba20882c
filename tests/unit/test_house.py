"""Every module has its unit test at the place of its name, and every unit test its module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import TOP

PACKAGE, UNIT = TOP / "bat2influx", TOP / "tests/unit"
# What has nothing to decide by itself, and where it is tried instead.
ELSEWHERE = {
    "__main__.py": "tests/unit/test_cli.py",
}
ABOUT_ALL = {"test_house.py", "test_layers.py"}
SLOW = ("tests.integration", "tests.faults", "tests.system")


def modules() -> list[Path]:
    """Return the modules of the package, by their places in it."""
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in found if path.name != "__init__.py")


def unit_test_of(module: Path) -> Path:
    """Return the place of the unit test of a module: test_NAME.py."""
    return UNIT / module.parent / f"test_{module.stem}.py"


def unit_tests_of(module: Path) -> list[Path]:
    """Return all unit tests of a module: test_NAME.py, and test_NAME_ASPECT.py beside it."""
    own = unit_test_of(module)
    return [own, *own.parent.glob(f"{own.stem}_*.py")]


def imported(source: str) -> Iterator[str]:
    """Yield the name of each module that is imported, or from which something is, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def slow_imports(source: str) -> list[str]:
    """Return what is imported from the folders of slow tests."""
    return [
        name for name in imported(source) if f"{name}.".startswith(tuple(f"{s}." for s in SLOW))
    ]


def test_every_module_has_a_unit_test() -> None:
    """Or a named place elsewhere with its test; the test of an aspect is not enough."""
    without = {str(module) for module in modules() if not unit_test_of(module).exists()}
    assert without == ELSEWHERE.keys()
    assert all((TOP / place).exists() for place in ELSEWHERE.values())


def test_every_unit_test_is_about_a_module() -> None:
    """Otherwise the test of a moved or removed module would not be noticed."""
    about = {path for module in modules() for path in unit_tests_of(module)}
    strays = {path for path in UNIT.rglob("test_*.py") if path not in about}
    assert {str(path.relative_to(UNIT)) for path in strays} == ABOUT_ALL


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import tests.faults.test_a", ["tests.faults.test_a"]),
        ("import json, tests.system as b", ["tests.system"]),
        ("from tests import TOP, integration", ["tests.integration"]),
        ("def f():\n from tests.integration.test_a import b", ["tests.integration.test_a.b"]),
        ("from tests.support import integration", []),
        ("from tests.integrations import a", []),
    ],
)
def test_imports_of_slow_tests_are_detected(source: str, found: list[str]) -> None:
    """In every form; otherwise the test below would find nothing."""
    assert slow_imports(source) == found


def test_no_unit_test_imports_a_slow_one() -> None:
    """Otherwise a fast test would need servers and sockets."""
    slow = {
        str(path.relative_to(UNIT)): names
        for path in UNIT.rglob("*.py")
        if (names := slow_imports(path.read_text()))
    }
    assert slow == {}
