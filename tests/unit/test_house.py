"""A module has its unit test where its name says, and a unit test its module."""

from __future__ import annotations

from pathlib import Path

from tests import TOP

PACKAGE, UNIT = TOP / "bat2influx", TOP / "tests/unit"
# What has nothing to decide by itself, and where it is tried instead.
ELSEWHERE = {
    "__main__.py": "tests/integration/test_main_job.py",
}
ABOUT_ALL = {"test_house.py", "test_layers.py"}


def modules() -> list[Path]:
    """Return the modules of the package, by their places in it."""
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in found if path.name != "__init__.py")


def unit_tests_of(module: Path) -> list[Path]:
    """Return the unit tests of a module: test_NAME.py, and test_NAME_ASPECT.py."""
    folder = UNIT / module.parent
    return [*folder.glob(f"test_{module.stem}.py"), *folder.glob(f"test_{module.stem}_*.py")]


def test_every_module_has_a_unit_test() -> None:
    """Or a place elsewhere, with the test that tries it."""
    without = {str(module) for module in modules() if not unit_tests_of(module)}
    assert without == ELSEWHERE.keys()
    assert all((TOP / place).exists() for place in ELSEWHERE.values())


def test_every_unit_test_is_about_a_module() -> None:
    """A test whose module has moved, or is gone, is found by nobody."""
    about = {path for module in modules() for path in unit_tests_of(module)}
    strays = {path for path in UNIT.rglob("test_*.py") if path not in about}
    assert {str(path.relative_to(UNIT)) for path in strays} == ABOUT_ALL
