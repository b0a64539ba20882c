"""The daemon's reports about itself, in the database and in the file, compared with the facts.

Rules: except for the short interval of reports (tests/support/hasty.py) it is the normal daemon.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from bat2influx.venus.protocol import NoValue
from tests.standins.databases.influxdb import Row
from tests.standins.venus.device import Device
from tests.support.compare import LATEST, NINE, stored_values
from tests.support.daemon import Daemon, Setting, wait
from tests.support.node_exporter import NodeExporter, samples

P = "c0619ab1c2d3"
OWN = "itself"
HASTY = "tests.support.hasty"
QUICK = {"interval": 0.2, "soc_interval": 0.2, "serial": P, "instance": 275}
TOPICS = {f"N/{P}/heartbeat", *(f"N/{P}/{leaf}" for leaf in NINE.values())}
ALWAYS = {"received", "reconnects", "without_value", "stored", "waiting", "rejected"}
ALWAYS |= {"dropped", "rejected_dropped"}
FIELDS = ALWAYS | {"services_missing", "spool_used", "delay", "memory", "uptime"}


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device that never sends a number twice."""
    made = Device(P, counted=True)
    setting.venus(made)
    return made


@pytest.fixture
def run(setting: Setting) -> Path:
    """The directory that a service manager would name in RUNTIME_DIRECTORY."""
    made = setting.directory / "run"
    made.mkdir()
    return made


def start(setting: Setting, run: Path, *, own: str = OWN, textfile: str = "yes") -> Daemon:
    """Start the daemon with reports about itself."""
    return setting.daemon(
        module=HASTY,
        environment={"RUNTIME_DIRECTORY": str(run)},
        Battery=QUICK,
        Influx={"self_measurement": own, "tags": "house:blue"},
        Metrics={"textfile": textfile},
    )


def told(setting: Setting, field: str) -> list[tuple[int, float]]:
    """Return (time in ns, number) of what the daemon has stored about itself."""
    return stored_values(setting, field, measurement=OWN)


def wait_for_values(setting: Setting, more: int = 5) -> None:
    """Wait for so many more values of a field."""
    before = len(stored_values(setting, "Soc"))
    wait("values", lambda: len(stored_values(setting, "Soc")) >= before + more)


def shown(run: Path) -> dict[str, float]:
    """Return the file's current numbers, without the names' common prefix; {} without a file."""
    try:
        text = (run / "bat2influx.prom").read_text()
    except FileNotFoundError:
        return {}
    return {name.removeprefix("bat2influx_"): n for name, n in samples(text).items()}


def hup(daemon: Daemon, setting: Setting, **sections: dict[str, object]) -> None:
    """Change the file, and reload it."""
    before = len(daemon.logged("configuration reloaded"))
    setting.write_ini(**sections)
    os.kill(daemon.pid, signal.SIGHUP)
    wait("the reload", lambda: len(daemon.logged("configuration reloaded")) > before)


def test_its_counts_equal_the_sent_and_the_stored_values(
    setting: Setting, device: Device, run: Path
) -> None:
    """`received` counts the device's messages, `stored` the database's values, also its own."""
    begun = time.time()
    daemon = start(setting, run)
    wait_for_values(setting, 10)
    device.silence()
    wait("the last value", lambda: len({len(stored_values(setting, field)) for field in NINE}) == 1)

    def sent(since: float) -> int:
        return sum(each.topic in TOPICS and each.time > since for each in list(device.log.sent))

    asked = next(r.time for r in device.log.requests if not r.topic.endswith("/keepalive"))

    def received() -> bool:  # a heartbeat may have come between subscription and first request
        return sent(asked) <= told(setting, "received")[-1][1] <= sent(begun)

    def stored() -> bool:
        when, number = told(setting, "stored")[-1]
        own = setting.stored(measurement=OWN)
        return number == len(setting.stored()) + sum(time_ns < when for time_ns, _, _ in own)

    wait("as many received as sent", received)
    wait("as many counted as are stored", stored)
    rows: list[Row] = setting.rows(measurement=OWN)
    assert {row["house"] for row in rows} == {"blue"}
    assert {field for _, field, _ in setting.stored(measurement=OWN)} == FIELDS
    types = setting.influxdb.query(f"SHOW FIELD KEYS FROM {OWN}", "battery")
    assert {row["fieldType"] for row in types} == {"float"}
    for field in ("rejected", "dropped", "rejected_dropped", "reconnects", "without_value"):
        assert {number for _, number in told(setting, field)} == {0}, field
    for field in ("received", "stored", "uptime"):
        numbers = [number for _, number in told(setting, field)]
        assert numbers == sorted(numbers), field
    assert all(0 <= number < 60 for _, number in told(setting, "delay"))
    assert daemon.stop() == 0


def test_reports_of_an_outage_of_the_database_are_stored_afterwards(
    setting: Setting, device: Device, run: Path
) -> None:
    """The queue grows during it, and the delay is the time that the oldest value was queued."""
    daemon = start(setting, run)
    wait_for_values(setting)
    wait("a database that is up", lambda: shown(run).get("database_up") == 1)
    stopping = time.time_ns()
    setting.influxdb.stop()
    down = time.time_ns()

    def away() -> bool:
        now = shown(run)
        return now["report_timestamp_seconds"] > down / 1e9 and now["database_up"] == 0

    wait("a report of a database that is down", away)
    first = shown(run)["values_waiting"]
    wait("more queued values", lambda: shown(run)["values_waiting"] > first + 3 * len(NINE))
    back = time.time_ns()
    setting.influxdb.start()
    daemon.wait_for_log("is reachable again")

    def little_waits() -> bool:
        when, number = told(setting, "waiting")[-1]
        return when > back and number < len(NINE) + len(FIELDS)

    def effect() -> list[float]:
        return [number for when, number in told(setting, "waiting") if down < when < back]

    wait("an empty queue", little_waits)
    wait("the reports of the outage", lambda: effect()[-1:] > [first + 3 * len(NINE)])
    assert effect() == sorted(effect())
    oldest = min(when for when, _ in stored_values(setting, "Soc") if when > down)

    def slowest() -> float:
        return max(number for when, number in told(setting, "delay") if when > back)

    wait("the delay of the oldest", lambda: slowest() >= (back - oldest) / 1e9)
    assert slowest() < (time.time_ns() - stopping) / 1e9 + LATEST
    assert daemon.stop() == 0


def test_a_restart_of_the_broker_counts_as_one_reconnect(
    setting: Setting, device: Device, run: Path
) -> None:
    """The first login does not count; a reload that replaces the device keeps the count."""
    daemon = start(setting, run)
    wait_for_values(setting)
    assert shown(run)["broker_reconnects_total"] == 0
    setting.mosquitto.stop()
    wait("a broker that is down", lambda: shown(run)["broker_up"] == 0)
    setting.mosquitto.start()
    wait("a reconnect", lambda: told(setting, "reconnects")[-1][1] == 1)
    wait_for_values(setting)
    received = told(setting, "received")[-1][1]
    hup(
        daemon,
        setting,
        Battery={**QUICK, "soc_interval": 1},
        Influx={"self_measurement": OWN},
        Fields={"Multi": "vebus/State"},
    )
    wait("the new field", lambda: stored_values(setting, "Multi"))
    at = stored_values(setting, "Multi")[-1][0]
    wait("a report", lambda: told(setting, "received")[-1][0] > at)
    assert told(setting, "received")[-1][1] > received
    assert told(setting, "reconnects")[-1][1] == 1
    assert not shown(run)  # the new file has no textfile = yes
    assert daemon.stop() == 0


def test_the_node_exporter_reads_the_file_by_a_link(
    setting: Setting, device: Device, run: Path
) -> None:
    """With a link to the file in its directory, it has all numbers."""
    device.set_raw("vebus", "/Dc/0/Power", b'{"value":null}')
    daemon = start(setting, run, own="")
    wait_for_values(setting)
    links = setting.directory / "node-exporter"
    links.mkdir()
    (links / "bat2influx.prom").symlink_to(run / "bat2influx.prom")
    void = f'messages_without_value_total{{reason="{NoValue.NULL.value}"}}'
    with NodeExporter(links, setting.directory / "node-exporter.log") as exporter:
        wait("a number", lambda: exporter.samples().get("bat2influx_last_value_timestamp_seconds"))
        wait("a null", lambda: exporter.samples()[f"bat2influx_{void}"] > 0)

        def ours() -> set[str]:
            names = (name.partition("bat2influx_") for name in exporter.samples())
            return {name for before, found, name in names if found and not before}

        wait("all that is in the file", lambda: ours() == shown(run).keys())
        found = exporter.samples()
        assert found["node_textfile_scrape_error"] == 0
        assert found["bat2influx_broker_up"] == found["bat2influx_database_up"] == 1
        assert found["bat2influx_fields_without_value"] == 1
        now = time.time()
        for name in ("last_value", "report"):
            assert now - 60 < found[f"bat2influx_{name}_timestamp_seconds"] <= now
        assert 10e6 < found["bat2influx_memory_bytes"] < 200e6
        assert daemon.stop() == 0
        assert not list(run.iterdir())
        wait("an error", lambda: exporter.samples()["node_textfile_scrape_error"] == 1)
    assert not setting.rows(measurement=OWN)


def test_a_file_that_cannot_be_written_stops_nothing(setting: Setting, device: Device) -> None:
    """It is logged once; values are stored, and the file is written as soon as possible."""
    run = setting.directory / "gone" / "run"
    daemon = start(setting, run, own="")
    daemon.wait_for_log(r"WARNING: cannot write .*/gone/run/bat2influx\.prom .*No such file")
    wait_for_values(setting, 10)
    assert len(daemon.logged(r"cannot write .*\.prom")) == 1
    run.parent.mkdir()
    daemon.wait_for_log(r"\.prom is written again, after")
    wait("the file", lambda: shown(run))
    assert daemon.stop() == 0
    assert not list(run.iterdir())
