"""Values that were queued for one database, and are stored in another."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.databases.kinds import KINDS, Kind, Running, Value
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.support.compare import FAST, NINE, answered, missing_values
from tests.support.daemon import Daemon, Setting, wait
from tests.support.process import free_port

P = "c0619ab1c2d3"
QUICK = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}
MINUTE = 60  # ticks
MS = 10**6  # ns

Spoken = dict[str, list[tuple[float, float]]]  # by field: Unix time in s, and number


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Spoken]]:
    """A state directory with a minute of queued values, without a database, and these values."""
    directory = tmp_path_factory.mktemp("minute")
    device = Device(P, counted=True)
    with (
        Mosquitto(directory / "mosquitto") as broker,
        InfluxDB(directory / "influxdb") as unused,
        Setting(directory, broker, unused) as setting,
    ):
        setting.venus(device)
        daemon = setting.daemon(Battery=QUICK, Influx={"port": free_port()})
        wait(
            "a minute", lambda: all(len(answered(device, leaf)) >= MINUTE for leaf in FAST.values())
        )
        assert daemon.stop() == 0
        assert daemon.logged("values are queued on disk")
        spoken = {field: answered(device, leaf) for field, leaf in NINE.items()}
    yield directory / "state", spoken


def drained(directory: Path, state: Path, running: Running) -> list[Value]:
    """Make a daemon store a copy of the queue; return the stored values."""
    keys = {**running.settings, "address": "127.0.0.1", "port": running.port}
    shutil.copytree(state, directory / "state")
    ini = directory / "bat2influx.ini"
    ini.write_text(
        f"[Battery]\naddress = 127.0.0.1\nport = {free_port()}\n[Influx]\n"
        + "".join(f"{key} = {value}\n" for key, value in keys.items())
    )
    own = {"STATE_DIRECTORY": str(directory / "state")}
    with Daemon(ini, directory / "daemon.log", environment=own) as daemon:
        told = daemon.wait_for_log("values are queued on disk, from an earlier start")
        count = int(re.findall(r"(\d+) values are queued on disk", told)[0])
        wait("all of it", lambda: len(running.stored()) >= count)
        assert daemon.stop() == 0
        assert daemon.logged("every value is stored")
    return running.stored()


@pytest.fixture(scope="module")
def first(
    minute: tuple[Path, Spoken], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Value], Spoken]:
    """The minute as stored in InfluxDB 1; a test compares it with the device's answers."""
    state, spoken = minute
    directory = tmp_path_factory.mktemp("first")
    with KINDS[0].open(directory / "database") as running:
        return drained(directory, state, running), spoken


def test_the_minute_has_the_answers_of_the_device(first: tuple[list[Value], Spoken]) -> None:
    """InfluxDB 1 returns each value once, and no others."""
    stored, spoken = first
    for field, answers in spoken.items():
        own = [(at, value) for at, name, value in stored if name == field]
        numbers = [value for _, value in own]
        assert len(own) >= MINUTE - 1
        assert numbers == [value for _, value in answers if value in numbers], field
        last = [value for _, value in answers].index(numbers[-1])
        assert not missing_values(answers[:last], own), field


@pytest.mark.parametrize("kind", KINDS[1:], ids=lambda kind: kind.title)
def test_the_same_minute_reads_back_equal_from_another_database(
    first: tuple[list[Value], Spoken], minute: tuple[Path, Spoken], tmp_path: Path, kind: Kind
) -> None:
    """The queue for one database is stored in another; in VictoriaMetrics with ms precision."""
    with kind.open(tmp_path / "database") as running:
        stored = drained(tmp_path, minute[0], running)
    exact, _ = first
    if kind.title == "VictoriaMetrics":
        exact = sorted((at // MS * MS, name, value) for at, name, value in exact)
    assert stored == exact
