"""Fixtures: real servers, the stand-in, and the daemon as people run it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.support.daemon import Setting

settings.register_profile("unhurried", deadline=None)  # no test by the wall clock
settings.load_profile("unhurried")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where nothing may be skipped, a skip is a failure."""
    outcome: Any = yield
    report = outcome.get_result()
    if os.environ.get("BAT2INFLUX_NO_SKIP") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, and have one worker for tests that share a fixture."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        fixtures: Any = getattr(item, "_fixtureinfo", None)
        for name, found in fixtures.name2fixturedefs.items() if fixtures else ():
            if found[-1].scope == "module":
                item.add_marker(pytest.mark.xdist_group(f"{found[-1].baseid}::{name}"))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of the test's own."""
    with Mosquitto(tmp_path / "mosquitto") as server:
        yield server


@pytest.fixture
def influxdb(tmp_path: Path) -> Iterator[InfluxDB]:
    """A database server of the test's own."""
    with InfluxDB(tmp_path / "influxdb") as server:
        yield server


@pytest.fixture
def setting(tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> Iterator[Setting]:
    """Broker, database and a place for the daemon; the stand-in is attached by the test."""
    with Setting(tmp_path, mosquitto, influxdb) as made:
        yield made
