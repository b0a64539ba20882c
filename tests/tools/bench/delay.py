"""From a value's being said to its being there for a query, in ms.

A value is told by its number. Who waits asks for the latest one again and again; what is there by
an answer has been there at the moment of it at the latest. The reference is one value posted by
itself over a connection that is open, and waited for in the same way.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from tests.standins.venus.mqtt import new_client
from tests.support.daemon import Setting
from tests.tools.bench.burst import INSTANCE, OURS
from tests.tools.bench.table import Figure

BOUND = 60.0  # s
LOOK = 0.001  # s from one look to the next
BASE = 10_000_000  # above all other numbers that are said
FIELD = "Voltage"
TOPIC = f"N/{OURS}/vebus/{INSTANCE}/Dc/0/{FIELD}"


def measure(setting: Setting, singles: int, seconds: float) -> list[Figure]:
    """Say so many values one by one, and then a thousand a second for so long."""
    publisher = new_client()
    publisher.connect("127.0.0.1", setting.mosquitto.port)
    publisher.loop_start()
    database = Database(setting.influxdb.port)
    try:
        ours, bare = one_by_one(database, publisher, singles)
        flood = many(database, publisher, seconds)
    finally:
        database.close()
        publisher.disconnect()
        publisher.loop_stop()
    post = "a bare post"
    made = []
    for name, quantile, most in (("median", 0.5, 2), ("p99", 0.99, 10)):
        value, reference = at(ours, quantile), at(bare, quantile)
        made.append(Figure(f"delay, {name}", value, "ms", reference, post, most=most))
    for name, quantile in (("median", 0.5), ("p99", 0.99)):
        made.append(Figure(f"delay at 1,000 values/s, {name}", at(flood, quantile), "ms"))
    return made


def at(delays: Sequence[float], quantile: float) -> float:
    """Return a quantile, in ms."""
    if quantile == 0.5:
        return 1e3 * statistics.median(delays)
    return 1e3 * statistics.quantiles(delays, n=100, method="inclusive")[round(100 * quantile) - 1]


class Database:
    """Looks and writes over one connection, so that the looking takes little of the machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def post(self, db: str, line: str) -> None:
        """Write a line."""
        self._connection.request("POST", f"/write?db={db}", line)
        self._connection.getresponse().read()

    def latest(self, db: str, measurement: str = "dc") -> float:
        """Return the latest value, 0 without one."""
        query = urlencode({"db": db, "q": f"SELECT last({FIELD}) FROM {measurement}"})
        self._connection.request("GET", f"/query?{query}")
        (result,) = json.loads(self._connection.getresponse().read())["results"]
        return float(result["series"][0]["values"][0][1]) if "series" in result else 0.0

    def until_there(self, db: str, number: int, measurement: str = "dc") -> float:
        """Return when (by the performance counter) the value was there."""
        deadline = time.perf_counter() + BOUND
        while self.latest(db, measurement) < number:
            assert time.perf_counter() < deadline, f"{number} has not been stored"
            time.sleep(LOOK)
        return time.perf_counter()


def one_by_one(database: Database, publisher: Any, count: int) -> tuple[list[float], list[float]]:
    """Return the delays of values by the daemon, and of posts, in turns, each half a second."""
    ours, bare = [], []
    for number in range(BASE, BASE + count):
        started = time.perf_counter()
        say(publisher, number)
        ours.append(database.until_there("battery", number) - started)
        time.sleep(0.5)
        started = time.perf_counter()
        database.post("each", f"bare {FIELD}={number}.0")
        bare.append(database.until_there("each", number, "bare") - started)
        time.sleep(0.5)
    return ours, bare


def many(database: Database, publisher: Any, seconds: float) -> list[float]:
    """Return the delays of a thousand values a second."""
    said: list[float] = []
    first, last = 2 * BASE, 2 * BASE + round(1000 * seconds)

    def speak() -> None:
        begun = time.perf_counter()
        for number in range(first, last):
            time.sleep(max(0.0, begun + len(said) / 1000 - time.perf_counter()))
            said.append(time.perf_counter())
            say(publisher, number)

    speaker = threading.Thread(target=speak)
    speaker.start()
    delays: list[float] = []
    deadline = time.perf_counter() + seconds + BOUND
    while len(delays) < last - first:
        there = database.latest("battery")
        now = time.perf_counter()
        assert now < deadline, f"{len(delays)} of {last - first} values were stored"
        delays += [now - when for when in said[len(delays) : max(0, round(there) - first + 1)]]
        time.sleep(LOOK)
    speaker.join()
    return delays


def say(publisher: Any, number: int) -> None:
    """Have the broker say a value."""
    publisher.publish(TOPIC, b'{"value":%d}' % number)
