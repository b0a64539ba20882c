"""The same days twice in a database, with timestamps of arrival and of ticks: size, query times.

Rules: values are written as the daemon writes them, one field per line, into policies as setup-db
creates them; InfluxDB then compacts all. Each query goes to both in turn, so that the ratio of two
times is valid on a busy machine too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    RawMeasurement,
    Retention,
    columns,
    fill,
)
from bat2influx.commands.setup_db.plan import RAW
from bat2influx.influx.influxql import DAY, FOREVER, HOUR, create_database, create_policy
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.reading import NS, Reading, Stamper
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.databases.influxdb import InfluxDB, Row
from tests.standins.databases.on_disk import (
    Size,
    hasty,
    influxdb_size,
    settle_influxdb,
    settle_victoria,
    victoria_size,
)
from tests.standins.databases.victoria import VictoriaMetrics
from tests.support.house import rounds
from tests.support.long_run import progress

STAMPINGS = ("arrival", "tick")  # also the names of the databases
WEEKLY = "weekly"  # the policy with shards of seven days, as in a database that nobody set up
TOGETHER = 600  # rounds in a request
PATIENCE = 300.0  # s for an answer
MEASUREMENT = "dc"
PRODUCT = "an hour, Voltage * Current"

_MEANS = ", ".join(f'mean("{each.name}")' for each in DEFAULT_FIELDS)
# Name of a query: the statement's beginning and end, and how many of the last seconds it reads.
QUERIES = {
    "the last hour, SELECT *": ("SELECT *", "", HOUR),
    "a day, nine means by 1m": (f"SELECT {_MEANS}", "GROUP BY time(1m)", DAY),
    "a week, nine means by 10m": (f"SELECT {_MEANS}", "GROUP BY time(10m)", 7 * DAY),
    "the latest voltage": ('SELECT last("Voltage")', "", HOUR),
    PRODUCT: ('SELECT "Voltage" * "Current"', "", HOUR),
    "the same of means by 1s": (
        'SELECT mean("Voltage") * mean("Current")',
        "GROUP BY time(1s)",
        HOUR,
    ),
}


@dataclass
class Answer:
    """The answer to one of QUERIES: its rows, and how many of them hold more than a time.

    And its size in bytes, and the time of each query in s.
    """

    rows: int
    filled: int
    size: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return statistics.median(self.times) * 1e3


@dataclass
class Stored:
    """The results of one stamping. `rows` are those of SELECT * in the last day (or less)."""

    values: int = 0
    rows: int = 0
    sizes: dict[str, Size] = field(default_factory=dict)  # by policy
    victoria: Size = field(default_factory=Size)
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """The time span that is written: its end and length in s, and the interval of the ticks."""

    end: int
    seconds: int
    interval: float

    @property
    def first(self) -> int:
        return self.end - self.seconds

    def last(self, seconds: int) -> str:
        """Return the WHERE condition for its last seconds."""
        return f"time >= {max(self.first, self.end - seconds) * NS} AND time < {self.end * NS}"


def measure(directory: Path, span: Span, *, runs: int = 7) -> dict[str, Stored]:
    """Write a span, and return the results by stamping. Raises AssertionError."""
    stored = {stamping: Stored() for stamping in STAMPINGS}
    with ExitStack() as stack:
        server = stack.enter_context(hasty(InfluxDB(directory / "influxdb")))
        others = {
            each: stack.enter_context(VictoriaMetrics(directory / f"victoria-{each}"))
            for each in STAMPINGS
        }
        set_up(server)
        for number, (stamping, values, lines) in enumerate(batches(span)):
            stored[stamping].values += values
            for policy in (RAW, WEEKLY):
                write = {"db": stamping, "rp": policy, "precision": "ns"}
                server.ask("/write", write, lines, timeout=PATIENCE)
            others[stamping].ask("/write", {"db": "battery"}, lines, timeout=PATIENCE)
            if number % 288 == 0:
                progress(
                    f"{number * TOGETHER // 2:,} of {span.seconds / span.interval:,.0f} rounds"
                )
        for stamping, other in others.items():
            settle_victoria(other)
            stored[stamping].victoria = victoria_size(other)
        progress("downsampling")
        downsample(server, span)
        progress("compaction")
        settle_influxdb(server)
        for stamping, there in stored.items():
            assert count(server, stamping) == there.values, f"{stamping}: values are missing"
            for policy in (RAW, WEEKLY, *(grain.policy for grain in GRAINS)):
                there.sizes[policy] = influxdb_size(server, stamping, policy)
        progress("queries")
        ask(server, span, stored, runs)
    return stored


def set_up(server: InfluxDB) -> None:
    """Create databases and policies: those of setup-db, and WEEKLY."""
    wanted = Retention()
    kept = {"minutes": wanted.minutes, "hours": wanted.hours}
    for db in STAMPINGS:
        server.query(create_database(db, RAW, wanted.raw).text)
        server.query(create_policy(db, WEEKLY, FOREVER, shard=7 * DAY).text)
        for grain in GRAINS:
            server.query(
                create_policy(db, grain.policy, kept[grain.policy], shard=grain.shard).text
            )


def batches(span: Span) -> Iterator[tuple[str, int, bytes]]:
    """Yield requests: the stamping, how many values, and their lines."""
    encoder = Encoder(MEASUREMENT)
    stampers = {each: Stamper(by_tick=each == "tick") for each in STAMPINGS}
    lines: dict[str, list[bytes]] = {each: [] for each in STAMPINGS}
    waiting = 0
    for start_ns, answers in rounds(span.first, span.seconds, interval=span.interval):
        for stamping, stamper in stampers.items():
            stamper.begin_tick(start_ns)
            for arrival_ns, name, value in answers:
                time_ns = stamper.stamp(name, arrival_ns)
                assert time_ns is not None, "one value for each field and tick"
                lines[stamping].append(encoder.encode(Reading(time_ns, "", name, value)))
        waiting += 1
        if waiting == TOGETHER:
            yield from _requests(lines)
            waiting = 0
    yield from _requests(lines)


def _requests(lines: dict[str, list[bytes]]) -> Iterator[tuple[str, int, bytes]]:
    for stamping, there in lines.items():
        if there:
            yield stamping, len(there), b"\n".join(there)
        there.clear()


def downsample(server: InfluxDB, span: Span) -> None:
    """Fill minutes and hours in, as setup-db does."""
    made = columns(DEFAULT_FIELDS)
    for db in STAMPINGS:
        for grain in GRAINS:
            source = RawMeasurement(db, RAW, MEASUREMENT)
            for statement in fill(grain, source, made, span.first, span.end):
                server.query(statement.text, timeout=PATIENCE)


def count(server: InfluxDB, db: str, policy: str = RAW) -> int:
    """Return how many values the database has in a policy."""
    statement = f"SELECT count(*) FROM {policy}.{MEASUREMENT}"
    (row,) = server.query(statement, db, timeout=PATIENCE)
    return sum(value for name, value in row.items() if name != "time")


def ask(server: InfluxDB, span: Span, stored: dict[str, Stored], runs: int) -> None:
    """Send QUERIES in turn, and read the rows of a day."""
    for db, there in stored.items():
        for hour in range(max(span.first, span.end - DAY), span.end, HOUR):
            until = min(hour + HOUR, span.end)
            when = f"time >= {hour * NS} AND time < {until * NS}"
            rows = server.query(f"SELECT * FROM dc WHERE {when}", db, timeout=PATIENCE)
            there.rows += len(rows)
    for name, (select, group, seconds) in QUERIES.items():
        statement = f"{select} FROM {MEASUREMENT} WHERE {span.last(seconds)} {group}"
        for db, there in stored.items():  # this warms the database up, too
            rows = server.query(statement, db, timeout=PATIENCE)
            there.answers[name] = Answer(len(rows), sum(map(_is_filled, rows)))
        for _ in range(runs):
            for db, there in stored.items():
                answer, begun = there.answers[name], time.perf_counter()
                asked = {"db": db, "q": statement, "epoch": "ns"}
                said = server.ask("/query", asked, timeout=PATIENCE)
                answer.times.append(time.perf_counter() - begun)
                answer.size = len(said)


def _is_filled(row: Row) -> bool:
    return any(value is not None for name, value in row.items() if name != "time")
