"""The model of `bat2influx watch`: the latest values with histories, and the state of the parts.

No socket, no clock: times are handed in, monotonic, in s. The history has a bound: the columns that
a wide terminal can show, of MAX_GRAPHS values, because a device may have a thousand services.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from bat2influx.config.settings import Battery
from bat2influx.reading import Reading
from bat2influx.venus.protocol import Field
from bat2influx.venus.units import unit_of

COLUMN = 3.0  # s that a column of a graph stands for, at the least
COLUMNS = 300  # kept
MAX_GRAPHS = 200  # values of a device with a history; of the others only the latest is kept
STALE_AFTER = 5.0  # s; until then no value is stale
DECIMALS = 3
LONGEST = 2000  # characters of a text with untrusted parts


class Level(IntEnum):
    """How serious a fact is."""

    OK = 0
    NOTE = 1
    WRONG = 2


class Fact(NamedTuple):
    """The state of a part, in words; `label` names the part.

    `cause` names the problem, and stays the same while the text may change, such as its duration.
    """

    label: str
    text: str
    level: Level = Level.OK
    cause: str = ""


@dataclass(slots=True)
class _Column:
    """The values in the column number `place`; `last` is the latest one."""

    place: int
    last: float
    total: float = 0.0
    count: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float) -> None:
        self.last = value
        self.total += value
        self.count += 1
        self.low, self.high = min(self.low, value), max(self.high, value)

    @property
    def mean(self) -> float:
        return self.total / self.count


class History:
    """The values of a field in the latest minutes, in columns of `column` s each."""

    def __init__(self, column: float = COLUMN, kept: int = COLUMNS) -> None:
        """`kept` is the number of columns."""
        self._column = column
        self._columns: deque[_Column] = deque(maxlen=kept)
        self._latest: tuple[float, float] | None = None
        self._largest = 0.0
        self._needed = 0  # decimals

    @property
    def latest(self) -> tuple[float, float] | None:
        """The arrival of the latest value, and the value."""
        return self._latest

    def add(self, now: float, value: float) -> None:
        """Add a value."""
        place = int(now // self._column)
        self._latest = now, value
        if not self._columns or self._columns[-1].place != place:
            self._columns.append(_Column(place, value))
        self._columns[-1].add(value)
        self._largest = max(self._largest, abs(value))
        shown = f"{value:.{DECIMALS}f}".rstrip("0")
        self._needed = max(self._needed, len(shown.partition(".")[2]))

    @property
    def decimals(self) -> int:
        """The useful number of decimals: at most 3 below 10, 2 below 100, 1 from there on."""
        allowed = 3 if self._largest < 10.0 else 2 if self._largest < 100.0 else 1
        return min(allowed, self._needed)

    def columns(self, now: float, count: int, lasts: float) -> list[float | None]:
        """Return the mean of each of the latest `count` columns, oldest first.

        Without a new value the last one is repeated for `lasts` s; after that there is none.
        """
        end = int(now // self._column) + 1
        first = end - count
        found: list[float | None] = [None] * count
        holds = int(min(lasts / self._column, COLUMNS)) + 1  # columns
        until = end
        for column in reversed(self._columns):
            for place in range(max(column.place + 1, first), min(until, column.place + holds)):
                found[place - first] = column.last
            until = column.place
            if until < first:
                break
            found[until - first] = column.mean
        return found

    def range(self, now: float, count: int) -> tuple[float, float] | None:
        """Return the least and the largest value in these columns."""
        first = int(now // self._column) + 1 - count
        there = [column for column in self._columns if column.place >= first]
        if not there:
            return None
        return min(each.low for each in there), max(each.high for each in there)


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field: without a value `value` is None and `instead` says why.

    `age` is in s, None before the first value; `lasts` is how long a value is valid, in s.
    """

    name: str
    unit: str
    value: float | None
    instead: str
    age: float | None
    stale: bool
    lasts: float
    history: History


@dataclass(frozen=True, slots=True)
class Part:
    """A device: `name` is that of its section, `facts` its state, problems after the first."""

    name: str
    facts: tuple[Fact, ...]
    rows: tuple[FieldRow, ...]


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown; `time` is local, `now` monotonic, `column` the s of a graph's column."""

    time: datetime
    now: float
    column: float
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]
    log_entries: tuple[Fact, ...] = ()  # in the log; the label is when


class Values:
    """The values of one device."""

    def __init__(self, battery: Battery, column: float = COLUMN) -> None:
        self._battery = battery
        self._column = column
        self._histories: dict[str, History] = {}
        self._fields: dict[str, Field | None] = {}

    def take(self, readings: Iterable[Reading], labels: Sequence[str], now: float) -> None:
        """Take the values since the last call; `labels` are those of the device."""
        known = set(labels)
        for reading in readings:
            label = f"{reading.field}/{reading.origin.instance}"
            self._history(label if label in known else reading.field).add(now, reading.value)
        if len(self._histories) > len(known) + MAX_GRAPHS:  # instances come and go
            self._histories = {each: h for each, h in self._histories.items() if each in known}
            self._fields = {each: f for each, f in self._fields.items() if each in known}

    def rows(
        self, labels: Sequence[str], without: Mapping[str, str], now: float, *, answers: bool
    ) -> tuple[FieldRow, ...]:
        """Return a row for each label; `without` has those without a value now, and why.

        `answers` is whether the device responds. With notifications only this shows whether a value
        is still valid, because unchanged values are not published.
        """
        return tuple(self._row(label, without.get(label, ""), now, answers) for label in labels)

    def _row(self, label: str, instead: str, now: float, answers: bool) -> FieldRow:
        history, field = self._history(label), self._field(label)
        latest = history.latest
        age = now - latest[0] if latest else None
        lasts = self._lasts(field)
        holds = lasts if answers else STALE_AFTER
        return FieldRow(
            name=label,
            unit=unit_of(field.service, field.path) if field else "",
            value=latest[1] if latest and not instead else None,
            instead=instead,
            age=age,
            stale=age is not None and age > holds,
            lasts=lasts,
            history=history,
        )

    def _lasts(self, field: Field | None) -> float:
        if self._battery.mode == "notify":
            return math.inf
        slow = field is not None and field.slow
        interval = self._battery.soc_interval if slow else self._battery.interval
        return max(STALE_AFTER, 3 * interval)

    def _history(self, label: str) -> History:
        if label not in self._histories:
            kept = COLUMNS if len(self._histories) < MAX_GRAPHS else 1
            self._histories[label] = History(self._column, kept)
        return self._histories[label]

    def _field(self, label: str) -> Field | None:
        if label not in self._fields:
            self._fields[label] = field_of(label, self._battery.fields)
        return self._fields[label]


def field_of(label: str, fields: Iterable[Field]) -> Field | None:
    """Return the field that a label of the plan stands for (plan.Plan)."""
    found = None
    for field in fields:
        if field.name == label:
            return field
        if re.fullmatch(re.escape(field.name) + r"(?:[/_][0-9]+)?(?: \(.*\))?", label):
            found = field
    return found


def column_of(batteries: Iterable[Battery]) -> float:
    """Return the s for a column of the graphs, so that each has a value in it."""
    return max([COLUMN, *(battery.interval for battery in batteries)])
