"""Fixtures: a machine for each release, bare or with all that the daemon needs.

Booting takes less than a second, so a test that leaves traces has a separate machine; the tests of
a module share one if each restores its state.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system import package as packages
from tests.system.host import why_not
from tests.system.plant import Plant
from tests.system.trees import RELEASES, tree

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the releases in parallel.

    If no machine can be booted, skip one test for all, with the reason.
    """
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        given: Any = getattr(item, "callspec", None)
        group = pytest.mark.xdist_group(given.params.get("release", "") if given else "")
        item.add_marker(group, append=False)  # before the group of a fixture
    reason = why_not() if ours else ""
    if reason:
        ours[0].add_marker(pytest.mark.skip(reason=f"tests of the installed package: {reason}"))
        config.hook.pytest_deselected(items=ours[1:])
        items[:] = [item for item in items if item not in ours[1:]]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the machine's journal to the report of a failure."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        for machine in {each for each in item.funcargs.values() if isinstance(each, Plant)}:
            report.sections.append((f"journal of {machine.name}", machine.journal_tail(60)))


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """The code name of a Debian; every test runs on each."""
    return str(request.param)


@pytest.fixture(scope="session")
def debian(release: str) -> Iterator[Path]:
    """The tree of the release."""
    with tree(release) as path:
        yield path


@pytest.fixture(scope="session")
def package() -> Path:
    """The package, built from this checkout."""
    return packages.build()


@pytest.fixture(scope="module")
def shared_machine(debian: Path, release: str) -> Iterator[Plant]:
    """A machine that has never seen the package, for all tests of a module."""
    with Plant(debian, release) as machine:
        yield machine


@pytest.fixture
def machine(debian: Path, release: str) -> Iterator[Plant]:
    """A machine that has never seen the package, for one test."""
    with Plant(debian, release) as machine:
        yield machine
