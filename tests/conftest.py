"""Fixtures: real servers, the stand-in, and the daemon as users run it."""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.support.daemon import Setting
from tests.tools import rerun

settings.register_profile("unhurried", deadline=None)  # no test by the wall clock
settings.register_profile(  # --hypothesis-profile, for `make arm`: emulation is ten times slower
    "emulated", deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


MARK = "depends_on_timing"
NO_SECOND_CHANCE = ("unit", "faults")  # folders
_not_allowed: dict[str, str] = {}  # tests with a forbidden marker, and the reason
_failed: dict[str, str] = {}  # each test, with the reason why it may be run again, or ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Leave the program's logger as it was: a command that runs in a test takes it over."""
    log = logging.getLogger("bat2influx")
    before = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.level, log.propagate = before


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """If nothing may be skipped, a skip is a failure; a failure has its test's reason."""
    outcome: Any = yield
    report = outcome.get_result()
    if os.environ.get("BAT2INFLUX_NO_SKIP") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    mark = item.get_closest_marker(MARK)
    if mark and report.failed and item.nodeid not in _not_allowed:
        report.user_properties.append((MARK, mark.args[0]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A forbidden marker makes its test fail, without a rerun."""
    if why := _not_allowed.get(item.nodeid):
        pytest.fail(why, pytrace=False)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record failed tests, with their reasons."""
    if report.failed:
        _failed[_name(report.nodeid)] = dict(report.user_properties).get(MARK, "")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be read causes no rerun."""
    if report.failed:
        _failed[report.nodeid] = ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the failed tests to a file for tests/tools/rerun.py."""
    if not hasattr(session.config, "workerinput") and (path := os.environ.get(rerun.REPORT)):
        Path(path).write_text(json.dumps(_failed))


def _name(nodeid: str) -> str:
    """Return a test's name without the group that pytest-xdist appends."""
    return nodeid if nodeid.endswith("]") else nodeid.rpartition("@")[0] or nodeid


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long tests first, and tests that share a fixture on one worker."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    _not_allowed.update(_look_at_marks(items))
    for item in items:
        fixtures: Any = getattr(item, "_fixtureinfo", None)
        for name, found in fixtures.name2fixturedefs.items() if fixtures else ():
            if found[-1].scope == "module":
                item.add_marker(pytest.mark.xdist_group(f"{found[-1].baseid}::{name}"))


def _look_at_marks(items: Iterable[pytest.Item]) -> dict[str, str]:
    """Return the tests with a forbidden marker, with the reason."""
    marked = [(item, mark) for item in items if (mark := item.get_closest_marker(MARK))]
    found = {}
    for item, mark in marked:
        if len(marked) > rerun.MOST:
            found[item.nodeid] = f"{len(marked)} tests have {MARK}, at most {rerun.MOST} may"
        elif not mark.args or not isinstance(mark.args[0], str):
            found[item.nodeid] = f"{MARK} without a reason"
        elif any(item.path.is_relative_to(TOP / "tests" / folder) for folder in NO_SECOND_CHANCE):
            found[item.nodeid] = f"{MARK}: no second chance in {item.path.parent.name}"
    return found


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A separate broker for the test."""
    with Mosquitto(tmp_path / "mosquitto") as server:
        yield server


@pytest.fixture
def influxdb(tmp_path: Path) -> Iterator[InfluxDB]:
    """A separate database server for the test."""
    with InfluxDB(tmp_path / "influxdb") as server:
        yield server


@pytest.fixture
def setting(tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> Iterator[Setting]:
    """Broker, database and a place for the daemon; the stand-in is attached by the test."""
    with Setting(tmp_path, mosquitto, influxdb) as made:
        yield made
