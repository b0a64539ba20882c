"""The delay from the publish of a value until it can be queried, in ms.

A value is identified by its number. The latest one is queried again and again; a value in an answer
was stored by the time of that answer. The reference is one value posted by itself over an open
connection, and waited for in the same way.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.standins.venus.mqtt import new_client
from tests.support.compare import NINE
from tests.support.daemon import Setting
from tests.tools.bench.table import Figure

BOUND = 60.0  # s
LOOK = 0.001  # s between two queries
BASE = 10_000_000  # above all other published numbers
PAUSE = 0.25  # s after a value, so that it is sent alone
FIELD = "Voltage"
LAST = [*NINE][-1]  # of nine at once
DIRECTLY = "a bare post"
QUANTILES = (("median", 0.5), ("p99", 0.99))


@dataclass(frozen=True)
class Listener:
    """A running daemon: its version's name, its device, and its database."""

    name: str
    portal: str
    db: str


def measure(
    setting: Setting, singles: int, seconds: float, listeners: Sequence[Listener]
) -> list[Figure]:
    """Publish so many values one by one, so many times nine, and 1,000 per second for so long.

    The listeners take turns; the last is for the first of them alone.
    """
    publisher = new_client()
    publisher.connect("127.0.0.1", setting.mosquitto.port)
    publisher.loop_start()
    database = Database(setting.influxdb.port)
    try:
        alone = one_by_one(database, publisher, singles, listeners)
        nine = nine_at_once(database, publisher, singles, listeners)
        flood = many(database, publisher, seconds, listeners[0])
    finally:
        database.close()
        publisher.disconnect()
        publisher.loop_stop()
    ours = listeners[0].name
    return [
        *beside("delay", alone, ours, {DIRECTLY: (2.0, 10.0)}),
        *beside("delay of nine at once", nine, ours, {}),
        *(Figure(f"delay at 1,000 values/s, {name}", at(flood, q), "ms") for name, q in QUANTILES),
    ]


def beside(
    what: str,
    delays: Mapping[str, Sequence[float]],
    ours: str,
    most: Mapping[str, tuple[float, float]],
) -> list[Figure]:
    """Return the median and p99 of `ours` compared with all others; `most` bounds the ratios."""
    made = []
    for place, (name, quantile) in enumerate(QUANTILES):
        value = at(delays[ours], quantile)
        others = [each for each in delays if each != ours]
        for other in others:
            bound = most[other][place] if other in most else None
            reference = at(delays[other], quantile)
            made.append(Figure(f"{what}, {name}", value, "ms", reference, other, most=bound))
        if not others:
            made.append(Figure(f"{what}, {name}", value, "ms"))
    return made


def at(delays: Sequence[float], quantile: float) -> float:
    """Return a quantile, in ms."""
    if quantile == 0.5:
        return 1e3 * statistics.median(delays)
    return 1e3 * statistics.quantiles(delays, n=100, method="inclusive")[round(100 * quantile) - 1]


class Database:
    """Queries and writes over one connection, so that queries cost little."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def post(self, db: str, line: str) -> None:
        """Write a line."""
        self._connection.request("POST", f"/write?db={db}", line)
        self._connection.getresponse().read()

    def value(self, db: str, query: str) -> float:
        """Return the single value of a query's answer, 0 without one."""
        asked = urlencode({"db": db, "q": query})
        self._connection.request("GET", f"/query?{asked}")
        (result,) = json.loads(self._connection.getresponse().read())["results"]
        return float(result["series"][0]["values"][0][1]) if "series" in result else 0.0

    def latest(self, db: str, measurement: str = "dc", field: str = FIELD) -> float:
        """Return the latest value of a field, 0 without one."""
        return self.value(db, f"SELECT last({field}) FROM {measurement}")

    def until_there(
        self, db: str, number: int, measurement: str = "dc", field: str = FIELD
    ) -> float:
        """Return the time (by the performance counter) at which the value could be queried."""
        deadline = time.perf_counter() + BOUND
        while self.latest(db, measurement, field) < number:
            assert time.perf_counter() < deadline, f"{number} has not been stored"
            time.sleep(LOOK)
        return time.perf_counter()


def one_by_one(
    database: Database, publisher: Any, count: int, listeners: Sequence[Listener]
) -> dict[str, list[float]]:
    """Return the delays of values by each, and of posts, in turns."""
    delays: dict[str, list[float]] = {name: [] for name in _names(listeners)} | {DIRECTLY: []}
    for number in range(BASE, BASE + count):
        for each in listeners:
            started = time.perf_counter()
            say(publisher, topic(each.portal, FIELD), number)
            delays[each.name].append(database.until_there(each.db, number) - started)
            time.sleep(PAUSE)
        started = time.perf_counter()
        database.post("each", f"bare {FIELD}={number}.0")
        delays[DIRECTLY].append(database.until_there("each", number, "bare") - started)
        time.sleep(PAUSE)
    return delays


def nine_at_once(
    database: Database, publisher: Any, count: int, listeners: Sequence[Listener]
) -> dict[str, list[float]]:
    """Return the delays of the last of nine values that are published at once, in turns."""
    delays: dict[str, list[float]] = {name: [] for name in _names(listeners)}
    for number in range(3 * BASE, 3 * BASE + count):
        for each in listeners:
            started = time.perf_counter()
            for field in NINE:
                say(publisher, topic(each.portal, field), number)
            there = database.until_there(each.db, number, field=LAST)
            delays[each.name].append(there - started)
            time.sleep(PAUSE)
    return delays


def many(database: Database, publisher: Any, seconds: float, listener: Listener) -> list[float]:
    """Return the delays of a thousand values per second."""
    said: list[float] = []
    first, last = 4 * BASE, 4 * BASE + round(1000 * seconds)
    where = topic(listener.portal, FIELD)

    def speak() -> None:
        begun = time.perf_counter()
        for number in range(first, last):
            time.sleep(max(0.0, begun + len(said) / 1000 - time.perf_counter()))
            said.append(time.perf_counter())
            say(publisher, where, number)

    speaker = threading.Thread(target=speak)
    speaker.start()
    delays: list[float] = []
    deadline = time.perf_counter() + seconds + BOUND
    while len(delays) < last - first:
        there = database.latest(listener.db)
        now = time.perf_counter()
        assert now < deadline, f"{len(delays)} of {last - first} values were stored"
        delays += [now - when for when in said[len(delays) : max(0, round(there) - first + 1)]]
        time.sleep(LOOK)
    speaker.join()
    return delays


def topic(portal: str, field: str) -> str:
    """Return the topic of a field of a device's inverter."""
    return f"N/{portal}/{NINE[field]}"


def say(publisher: Any, where: str, number: int) -> None:
    """Publish a value through the broker."""
    publisher.publish(where, b'{"value":%d}' % number)


def _names(listeners: Sequence[Listener]) -> list[str]:
    return [each.name for each in listeners]
