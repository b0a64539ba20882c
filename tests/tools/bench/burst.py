"""A flood: values per second into InfluxDB, and processor time per value, with references.

All of them run all the time and take turns with short bursts through the same Mosquitto, so that
the ratios are valid on a machine whose speed changes from second to second. Each has a separate
portal id. The daemon, and the reference that posts each value, are done when the last value can be
queried; paho alone and mosquitto_sub when the last message has arrived.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from tests.standins.databases.influxdb import InfluxDB
from tests.support import programs
from tests.support.daemon import Daemon, Setting, wait
from tests.tools.bench.clock import processor
from tests.tools.bench.table import Figure
from tests.tools.bench.targets import BEFORE

OURS, ALONE, SUB, EACH, OLD = (f"c0619ab1c2d{number}" for number in range(5))  # portal ids
INSTANCE = 275
LEAVES = ("Dc/0/Voltage", "Dc/0/Current", "Dc/0/Power", "Ac/ActiveIn/L1/V", "Ac/ActiveIn/L1/P")
OTHERS = 50_000_000  # above all numbers of a burst
HEARD = 0.8  # s from a value of each topic to a burst: the value is stored, even if it was held
PYTHON = (sys.executable, "-m", "tests.tools.bench.references")


@dataclass
class Took:
    """The time of the bursts so far, in s: elapsed, and of the processor."""

    values: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Values per second."""
        return self.values / self.seconds

    @property
    def cost(self) -> float:
        """Processor time per value, in µs."""
        return 1e6 * self.processor / self.values


def packets(portal: str, count: int, first: int = 0) -> bytes:
    """Return a burst of PUBLISH packets (MQTT 3.1.1, QoS 0), with the numbers from `first` on."""
    made = []
    for number in range(first, first + count):
        topic = f"N/{portal}/vebus/{INSTANCE}/{LEAVES[number % len(LEAVES)]}".encode()
        body = len(topic).to_bytes(2, "big") + topic + b'{"value":%d.5}' % number
        made.append(bytes([0x30, len(body)]) + body)
    return b"".join(made)


def burst_at(port: int, portal: str, data: bytes) -> tuple[int, float]:
    """Publish `data` of a device that is heard just before; return when: ns since 1970, and s.

    A device whose heartbeat is half a second late, as on a busy machine, counts as one that stood
    still. Then the next value of each topic is held for half a second, and of what comes in a bunch
    with it only the latest is a value.
    """
    blast(port, packets(portal, len(LEAVES), first=OTHERS))  # the same again would be no change
    time.sleep(HEARD)
    since = time.time_ns(), time.monotonic()
    blast(port, data)
    return since


def blast(port: int, data: bytes) -> None:
    """Publish `data` as fast as the broker accepts it."""
    connect = b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05bench"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(bytes([0x10, len(connect)]) + connect)
        connection.recv(4)
        connection.sendall(data + b"\xe0\x00")
        while connection.recv(1):
            pass


def reference(which: str, port: int, portal: str, *more: str) -> subprocess.Popen[str]:
    """Start one of references.py, and wait until it is ready."""
    command = (*PYTHON, which, str(port), portal, *more)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert _line(child.stdout) == "ready"
    return child


def stored(database: InfluxDB, db: str, since_ns: int) -> int:
    """Return how many values are stored that arrived at `since_ns` or later."""
    rows = database.query(f"SELECT count(*) FROM dc WHERE time >= {since_ns}", db)
    return sum(count or 0 for name, count in rows[0].items() if name != "time") if rows else 0


class Floods:
    """All contenders, ready for bursts; `close` ends them."""

    def __init__(
        self, setting: Setting, daemon: Daemon, values: int, old: Daemon | None = None
    ) -> None:
        """`daemon` reads the portal OURS into the database `battery`; a burst has `values`.

        The older version, if there is one, reads the portal OLD into `battery_old`.
        """
        self._setting, self._daemon, self._values, self._old = setting, daemon, values, old
        self._port = setting.mosquitto.port
        self._stack = ExitStack()
        setting.influxdb.query("CREATE DATABASE each")
        self._alone = self._reference("alone", ALONE, str(values))
        self._each = self._reference("each", EACH, str(setting.influxdb.port), "each")
        self._took = {name: Took() for name in ("ours", "alone", "sub", "each", "old")}

    def close(self) -> None:
        """End the references."""
        self._stack.close()

    def round(self) -> None:
        """Send a burst to every contender, in turns."""
        few = self._values // 50
        self._measure("alone", self._alone.pid, self._values, self._to_alone)
        self._measure("ours", self._daemon.pid, self._values, lambda: self.into_ours(self._values))
        if self._old:
            self._measure("old", self._old.pid, self._values, lambda: self.into_old(self._values))
        self._measure("each", self._each.pid, few, lambda: self._into("each", EACH, few))
        self._to_sub()

    def into_ours(self, values: int) -> float:
        """Return the seconds from a burst's first packet until its last value can be queried."""
        return self._into("battery", OURS, values)

    def into_old(self, values: int) -> float:
        """Return the same of the older version."""
        return self._into("battery_old", OLD, values)

    def figures(self) -> list[Figure]:
        """The results of the rounds."""
        ours, alone, sub, each = (self._took[name] for name in ("ours", "alone", "sub", "each"))
        rate, cost = "values/s", "µs/value"
        paho, posting = "paho alone", "a post for each value"
        beside_old = []
        if self._old:
            old = self._took["old"]
            beside_old = [
                Figure("a flood, stored", ours.rate, rate, old.rate, BEFORE),
                Figure("processor in a flood", ours.cost, cost, old.cost, BEFORE),
            ]
        return [
            Figure("processor in a flood", ours.cost, cost),
            *beside_old,
            Figure("a flood, stored", ours.rate, rate, alone.rate, paho, least=0.75),
            Figure("a flood, stored", ours.rate, rate, sub.rate, "mosquitto_sub"),
            Figure("a flood, stored", ours.rate, rate, each.rate, posting, least=50),
            Figure("processor in a flood", ours.cost, cost, alone.cost, paho, most=1.6),
            Figure("processor in a flood", ours.cost, cost, sub.cost, "mosquitto_sub"),
            Figure("processor in a flood", ours.cost, cost, each.cost, posting),
        ]

    def _reference(self, which: str, portal: str, *more: str) -> subprocess.Popen[str]:
        child = reference(which, self._port, portal, *more)
        self._stack.callback(child.wait)
        self._stack.callback(child.kill)
        return child

    def _measure(self, name: str, pid: int, values: int, burst: Callable[[], float]) -> None:
        before = processor(pid)
        took = self._took[name]
        took.seconds += burst()
        took.processor += processor(pid) - before
        took.values += values

    def _to_alone(self) -> float:
        data = packets(ALONE, self._values)
        started = time.monotonic()
        blast(self._port, data)
        assert _line(self._alone.stdout) == "received"
        return time.monotonic() - started

    def _into(self, db: str, portal: str, values: int) -> float:
        data = packets(portal, values)
        since_ns, started = burst_at(self._port, portal, data)
        while (count := stored(self._setting.influxdb, db, since_ns)) < values:
            assert time.monotonic() - started < 300, f"{db}: {count} of {values} values are stored"
            time.sleep(0.02)
        return time.monotonic() - started

    def _to_sub(self) -> None:
        """Send a burst to mosquitto_sub, until its last message."""
        data, found = packets(SUB, self._values), programs.find("mosquitto_sub")
        log, topic = self._setting.mosquitto.log, f"N/{SUB}/#"
        before = log.read_text().count(topic)
        command = [found.path, "-p", str(self._port), "-t", topic, "-C", str(self._values)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=found.environment)
        wait("mosquitto_sub", lambda: log.read_text().count(topic) > before)
        started = time.monotonic()
        blast(self._port, data)
        _, status, used = os.wait4(child.pid, 0)
        took = self._took["sub"]
        took.seconds += time.monotonic() - started
        took.processor += used.ru_utime + used.ru_stime
        took.values += self._values
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0


def _line(out: IO[str] | None) -> str:
    assert out is not None
    return out.readline().strip()
