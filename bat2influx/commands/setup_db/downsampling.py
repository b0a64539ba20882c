"""Downsampling: the columns computed from the fields, their intervals, and the statements.

Pure. An interval is computed from raw values only, never from another mean, which is wrong if there
are gaps. The mean has the name of its field, so that the same query reads raw values, minutes and
hours, by the policy that it names; NAME_min and NAME_max are further columns. Counters and codes
have only their last value, under their own name.

A run of a continuous query costs the server work before it reads the first value: for each column
it copies the part of the shard that is in memory, up to a day. Hence few runs that look back a
little, and a daily one that looks back far enough for values that come late. Measured on 1.6.7,
nine fields every second, CPU time: 0.07 s for an hour that is on disk, 0.5 s in the evening when
the day is in memory, 1.5 s for a day; in all some 35 s a day, 0.04 % of a core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from bat2influx.config.settings import Battery
from bat2influx.device.plan import SYSTEM
from bat2influx.influx.influxql import (
    DAY,
    FOREVER,
    HOUR,
    Statement,
    duration,
    plain_statement,
    quote_name,
)
from bat2influx.influx.influxql import tokens as tokens_of
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import is_code

LEAST_RAW = HOUR  # InfluxDB accepts nothing shorter
LEAST_DOWNSAMPLED = 7 * DAY  # more than a run looks back, or the server would reject its values


@dataclass(frozen=True, slots=True)
class Retention:
    """How long values are kept, in s: raw values, 1-minute and hourly values.

    `fill` is how far back the downsampled ones are computed from existing raw values.
    """

    raw: int = 90 * DAY
    minutes: int = 1825 * DAY
    hours: int = FOREVER
    fill: int = FOREVER


@dataclass(frozen=True, slots=True)
class Run:
    """How often a continuous query runs, and how far it looks back, in s."""

    suffix: str
    every: int
    back: int


@dataclass(frozen=True, slots=True)
class Grain:
    """A policy of downsampled values; `seconds` is their interval, `shard` the size of a shard.

    The server's own size, seven days, would make hundreds of tiny shards over the years.
    """

    policy: str
    seconds: int
    shard: int
    runs: tuple[Run, ...]


LATE_RUN = Run("_late", DAY, 3 * DAY)
MINUTES = Grain("minutes", 60, 28 * DAY, (Run("", HOUR // 2, HOUR), LATE_RUN))
HOURS = Grain("hours", HOUR, 364 * DAY, (Run("", HOUR, 2 * HOUR), LATE_RUN))
GRAINS = (MINUTES, HOURS)
# How far a run of InfluxDB 2 and 3 looks, for values that come late.
LOOKS_BACK = {"minutes": "2h", "hours": "1d"}
SPAN = DAY  # of one statement that fills in; a multiple of each interval


@dataclass(frozen=True, slots=True)
class RawMeasurement:
    """The measurement with the raw values."""

    db: str
    policy: str
    measurement: str

    def table(self, policy: str) -> str:
        """Return the measurement's full name in a policy."""
        return ".".join(map(quote_name, (self.db, policy, self.measurement)))


@dataclass(frozen=True, slots=True)
class Column:
    """A downsampled field: a function of a raw one."""

    function: str
    field: str
    name: str

    def __str__(self) -> str:
        return f"{self.function}({quote_name(self.field)}) AS {quote_name(self.name)}"


class ClashError(ValueError):
    """Two things would have the same name; the text is for people."""


def counts_up(field: Field) -> bool:
    """Tell whether a value is a counter, which may be reset: energy, yield, history.

    Its mean is meaningless; only its last value is stored.
    """
    parts = field.path.split("/")
    return (
        "Energy" in parts or "History" in parts or ("Yield" in parts and parts[-1] != "Power")
    )  # Yield/Power is the present power of a charger


def last_alone(field: Field) -> bool:
    """Tell whether only the last value of an interval is meaningful.

    That is true of counters and of codes: between Bulk and Float there is no mean.
    """
    return counts_up(field) or is_code(field.service, field.path)


def means_and_lasts(batteries: Iterable[Battery]) -> tuple[list[str], list[str]]:
    """Return the names of the fields that have a mean, and of those that have their last value."""
    fields = {field.name: field for battery in batteries for field in battery.fields}
    last = [name for name, field in fields.items() if last_alone(field)]
    return [name for name in fields if name not in last], last


def named_by_instance(battery: Battery) -> tuple[Field, ...]:
    """Return the fields whose stored names end in an instance (device/plan.py)."""
    own = (f for f in battery.fields if f.instance is None and f.service != SYSTEM)
    return tuple(field for field in own if battery.instances_of(field.service) == "name")


def as_stored(battery: Battery, stored: Iterable[str]) -> tuple[Field, ...]:
    """Return a device's fields with the names that they are stored under.

    Only the device knows the instances of a name: they are those of the names in `stored`, except
    an instance of vebus that the file gives.
    """
    numbers: dict[str, set[int]] = {}
    for stem, _, number in (each.rpartition("_") for each in stored):
        if stem and number.isascii() and number.isdigit():
            numbers.setdefault(stem, set()).add(int(number))
    apart = {*named_by_instance(battery)}
    made: list[Field] = []
    for field in battery.fields:
        if field not in apart:
            made.append(field)
            continue
        given = battery.instance if field.service == "vebus" else None
        instances = numbers.get(field.name, set()) if given is None else {given}
        made += [field._replace(name=f"{field.name}_{n}", instance=n) for n in sorted(instances)]
    return tuple(made)


def columns(fields: Iterable[Field], tags: Iterable[str] = ()) -> tuple[Column, ...]:
    """Return the columns of all fields, each name once. Raises ClashError."""
    found: dict[str, Column] = {}
    own: dict[str, Field] = {}
    for field in fields:
        other = own.setdefault(field.name, field)
        if last_alone(other) != last_alone(field):
            raise ClashError(
                f"[Fields]: {field.name} is {other} of one device and {field} of another; among the"
                " downsampled values one has a mean, the other its last value; rename one of them"
            )
    taken = {**dict.fromkeys(tags, "[Influx] tags"), **dict.fromkeys(own, "[Fields]")}
    for field in own.values():
        if last_alone(field):
            found[field.name] = Column("last", field.name, field.name)
            continue
        found[field.name] = Column("mean", field.name, field.name)
        for function in ("min", "max"):
            derived = f"{field.name}_{function}"
            if section := taken.get(derived):
                raise ClashError(
                    f"{section}: {derived} is also the name of the {function} of {field.name}"
                    " among the downsampled values; rename one of them"
                )
            found[derived] = Column(function, field.name, derived)
    return tuple(found.values())


def continuous_query(
    grain: Grain, run: Run, source: RawMeasurement, made: Iterable[Column]
) -> tuple[str, Statement]:
    """Return the name of a continuous query and the statement that makes it."""
    called = f"bat2influx_{source.measurement}_{grain.policy}{run.suffix}"
    return called, plain_statement(
        f"CREATE CONTINUOUS QUERY {quote_name(called)} ON {quote_name(source.db)}"
        f" RESAMPLE EVERY {duration(run.every)} FOR {duration(run.back)}"
        f" BEGIN {_select(grain, source, made)} END"
    )


def fill(
    grain: Grain, source: RawMeasurement, made: Iterable[Column], first: int, end: int
) -> Iterator[Statement]:
    """Yield the statements that downsample the values from `first` to before `end`, in s.

    The continuous query computes the interval that contains `end`. That of `first` is written: a
    server removes whole shards, which begin at full hours, so that it is complete.
    """
    made = tuple(made)
    for start, until in spans(grain.seconds, first, end, SPAN):
        yield plain_statement(_select(grain, source, made, between(start, until)))


def spans(seconds: int, first: int, end: int, span: int) -> Iterator[tuple[int, int]]:
    """Yield the beginnings and the ends of spans of whole intervals, in s.

    They are contiguous, from the interval of `first` to before that of `end`. `span`, a multiple of
    `seconds`, is the longest.
    """
    start, end = (each // seconds * seconds for each in (first, end))
    while start < end:
        until = min(end, (start // span + 1) * span)
        yield start, until
        start = until


def between(start: int, until: int) -> str:
    """Return the condition for times from `start` to before `until`, in s."""
    return f" WHERE time >= '{_moment(start)}' AND time < '{_moment(until)}'"


def _select(grain: Grain, source: RawMeasurement, made: Iterable[Column], where: str = "") -> str:
    # Without full names a statement uses the default policy; without * the tags are lost.
    return (
        f"SELECT {', '.join(map(str, made))} INTO {source.table(grain.policy)}"
        f" FROM {source.table(source.policy)}{where} GROUP BY time({duration(grain.seconds)}), *"
    )


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def difference(there: str, wanted: str) -> str:
    """Return in a few words how an existing continuous query differs, '' if it does not."""
    if tokens_of(there) == tokens_of(wanted):
        return ""
    has, needs = (dict.fromkeys(_names(tokens_of(text))) for text in (there, wanted))
    parts = []
    if missing := [each for each in needs if each not in has]:
        parts.append(f"lacks {', '.join(missing)}")
    if extra := [each for each in has if each not in needs]:
        parts.append(f"has {', '.join(extra)} too")
    return " and ".join(parts) or "is a different one"


def _names(parts: tuple[str, ...]) -> list[str]:
    return [after for word, after in pairwise(parts) if word == "AS"]
