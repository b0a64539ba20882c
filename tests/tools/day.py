"""A day without the database, at speed: 86,400 s of the nine values, with real servers.

    /usr/bin/python3 -m tests.tools.day [--values 777600]

While the database is down a publisher sends numbers on the nine topics as fast as the daemon reads
them, beside a device that publishes its changes every second (`mode = notify`). Then the database
is started. Prints one line, and exits 1 if a value is missing, wrong, stored twice or out of order,
if not all are stored within two minutes, if current values are delayed by the backlog, or if the
daemon used more than 60 MB of memory at any time.

Rules: the device's own numbers are small, the publisher's large. By default a broker drops messages
of QoS 0 for a client that is slower than the publisher; this one does not, and the publisher waits.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.standins.databases.influxdb import InfluxDB
from tests.standins.network.mosquitto import Mosquitto
from tests.standins.venus.device import Device
from tests.standins.venus.mqtt import steady_unix_time
from tests.support import long_run
from tests.support.compare import LATEST, NINE, published
from tests.support.daemon import NotifySocket, Setting, wait
from tests.support.long_run import progress
from tests.support.resources import memory

PORTAL = "c0619ab1c2d3"
DAY = 86_400 * len(NINE)
BASE = 1_000_000  # the first of the publisher's numbers, for each topic
AT_ONCE = 1_800  # values
AHEAD = 20_000  # values that may be under way to the daemon
UNLIMITED = "max_queued_messages 0\nmax_queued_bytes 0\n"
CONNECT = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03day"  # MQTT 3.1.1, without a keepalive
DISCONNECT = b"\xe0\x00"

MOST_MEMORY = 60_000_000  # bytes
LONGEST_DRAIN = 120.0  # s until all is stored
LATEST_PRESENT = 5.0  # s that a current value may take during that


@dataclass(frozen=True)
class Outcome:
    """The results of a run: times in s, memory in bytes."""

    values: int
    fed: float
    drained: float
    live: int  # current values published and stored while the backlog drained
    late: float  # s that one of them took, at most
    peak: int

    def __str__(self) -> str:
        return (
            f"{self.values:,} values while the database was down, received in {self.fed:.1f} s"
            f" ({self.values / self.fed:,.0f}/s): all stored, once, in order, {self.drained:.1f} s"
            f" after its start; {self.live} current values until then, each in {self.late:.1f} s at"
            f" most; memory at most {self.peak / 1e6:.1f} MB"
        )

    def check(self) -> None:
        """Raise AssertionError if a limit is exceeded."""
        assert self.drained < LONGEST_DRAIN, f"drained in {self.drained:.1f} s"
        assert self.live or self.drained < 8.0, "no current value was stored during that"
        assert self.late < LATEST_PRESENT, f"a current value took {self.late:.1f} s"
        assert self.peak < MOST_MEMORY, f"{self.peak:,} bytes of memory"


def run(directory: Path, values: int) -> Outcome:
    """Queue `values`, a multiple of nine, and store them. Raises AssertionError."""
    with setting(directory) as made:
        database, device = made.influxdb, Device(PORTAL, counted=True)
        made.venus(device)
        notify = made.notify_socket()
        daemon = made.daemon(notify=notify)
        wait("values", lambda: len(made.stored()) >= 2 * len(NINE))
        database.stop()
        daemon.wait_for_log("is unreachable")
        begun = time.time_ns()
        fed = feed(made.mosquitto.port, values, notify)
        ended = time.time_ns()
        progress(
            f"{values:,} values queued after {fed:.1f} s: {memory(daemon.pid):,} bytes of memory"
        )
        database.start()
        drained, delays = drain(database, device, values, ended)
        progress(f"drained in {drained:.1f} s")
        assert_stored(made, device, values, (begun, ended))
        peak = memory(daemon.pid, peak=True)
        device.silence()
        assert daemon.stop() == 0
        assert {path.name for path in (directory / "state").iterdir()} <= {"devices.json"}
    return Outcome(values, fed, drained, len(delays), max(delays, default=0.0), peak)


@contextmanager
def setting(directory: Path) -> Iterator[Setting]:
    """Start a broker that drops nothing, and a database."""
    with (
        Mosquitto(directory / "mosquitto", config=UNLIMITED) as broker,
        InfluxDB(directory / "influxdb") as database,
        Setting(directory, broker, database) as made,
    ):
        made.ini["Battery"] |= {"serial": PORTAL, "instance": 275, "mode": "notify"}
        yield made


def feed(port: int, values: int, notify: NotifySocket) -> float:
    """Publish so many values, as fast as the daemon reads them; return the seconds."""

    def waiting() -> int:
        found = re.search("([0-9]+) queued", notify.status)
        return int(found[1]) if found else 0

    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(CONNECT)
        connection.recv(4)
        for first in range(0, values, AT_ONCE):
            wait("the daemon", lambda sent=first: sent - waiting() < AHEAD)
            connection.sendall(packets(first, min(AT_ONCE, values - first)))
        connection.sendall(DISCONNECT)
        wait("all to be queued", lambda: waiting() >= values)
    return time.monotonic() - begun


def packets(first: int, count: int) -> bytes:
    """Return PUBLISH packets (MQTT 3.1.1, QoS 0) as a device sends them, the topics in turn."""
    made = []
    for number in range(first, first + count):
        topic = _TOPICS[number % len(NINE)]
        body = b'%b{"value":%d}' % (topic, BASE + number // len(NINE))
        made.append(bytes([0x30, len(body)]) + body)
    return b"".join(made)


_TOPICS = [
    len(topic).to_bytes(2, "big") + topic
    for topic in (f"N/{PORTAL}/{leaf}".encode() for leaf in NINE.values())
]


def drain(database: InfluxDB, device: Device, values: int, until: int) -> tuple[float, list[float]]:
    """Wait until all values with times before `until` (ns) are stored.

    Return the seconds, and the delays of current voltages: of those published since the first
    stored one.
    """
    back, back_ns = time.monotonic(), time.time_ns()
    live = sum(
        when < until / 1e9 - 1.0 for leaf in NINE.values() for when, _ in published(device, leaf)
    )
    seen: dict[float, float] = {}
    past, present = f"WHERE time <= {until}", f"WHERE time > {back_ns}"
    while _count(database, past) < values + live:
        assert time.monotonic() < back + 2 * LONGEST_DRAIN, f"{_count(database, past):,} are stored"
        for row in database.query(f"SELECT Voltage FROM dc {present}", "battery"):
            seen.setdefault(row["Voltage"], steady_unix_time())
        time.sleep(0.05)
    took = time.monotonic() - back
    first = min(seen.values(), default=0.0)
    spoken = {value: when for when, value in published(device, NINE["Voltage"])}
    return took, [at - spoken[value] for value, at in seen.items() if spoken[value] >= first]


def _count(database: InfluxDB, condition: str) -> int:
    rows = database.query(f"SELECT count(*) FROM dc {condition}", "battery", timeout=60.0)
    return sum(value for row in rows for name, value in row.items() if name != "time")


def assert_stored(made: Setting, device: Device, values: int, within: tuple[int, int]) -> None:
    """Assert that each number is stored once, in order, with a time between two times (ns).

    And that no value of the device is missing, and no other value is stored.
    """
    begun, ended = within
    until = steady_unix_time()
    for field, leaf in NINE.items():
        spoken = [value for when, value in published(device, leaf) if when < until]

        def complete(field: str = field, told: int = len(spoken)) -> list[tuple[int, float]]:
            rows = made.influxdb.query(f"SELECT {field} FROM dc", "battery", timeout=60.0)
            found = [(row["time"], row[field]) for row in rows]
            # Current values may overtake the backlog.
            fed = sum(value >= BASE for _, value in found)
            whole = fed >= values // len(NINE) and len(found) - fed >= told
            return found if whole else []

        found = wait(field, complete)
        numbers = [value for _, value in found if value >= BASE]
        expected = range(BASE, BASE + values // len(NINE))
        assert not (missing := {*expected} - {*numbers}), f"{field}: {sorted(missing)} missing"
        assert numbers == [*expected], f"{field}: {len(numbers):,} values, or a wrong order"
        stamps = [stamp for stamp, value in found if value >= BASE]
        assert begun < stamps[0] < stamps[-1] < ended + LATEST * 1e9, f"{field} has wrong times"
        own = [value for _, value in found if value < BASE]
        assert own[: len(spoken)] == spoken, f"{field}: values of the device"


def main(arguments: list[str]) -> None:
    """Run, and print the line."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.day", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--values", type=int, default=DAY, help=f"{DAY:,}, those of a day")
    given = parser.parse_args(arguments)
    with long_run.directory("day") as directory:
        outcome = run(directory, given.values // len(NINE) * len(NINE))
        print(outcome, flush=True)
        outcome.check()


if __name__ == "__main__":
    main(sys.argv[1:])
