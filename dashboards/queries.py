"""The queries of panels, by their meaning, with their texts in InfluxQL and in MetricsQL.

Rules of the InfluxQL, which works on InfluxDB 1, 2 and 3: no regular expression for a tag that may
be absent; no SHOW DATABASES or RETENTION POLICIES; a sum over the means of minutes in place of
integral(), which returns the last day twice if there are tags.

A tag is compared only if it is stored. Without values its variable is empty: then `/* *` and `/`
meet, which ends the comment before the comparison, and a new comment extends to the end of the
line. So the comparison is left out; "site" = '' would find nothing on an InfluxDB 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dashboards.values import Value

RECENT = "10m"  # before the shown time's end: a current value. With mode = notify it may be old
RAW = '"${measurement:raw}"'
CHOSEN = '${from:raw}"${measurement:raw}"'
HOURS = '${long:raw}"${measurement:raw}"'
OWN = '"${own:raw}"'
PLUS, MINUS = "_plus_kWh", "_minus_kWh"  # suffixes of setup-db's hourly energies
TAGS = ("site", "portal")
DEVICES = '"instance"'


def chosen(tag: str, word: str) -> str:
    """Return the comparison of a tag with the selection, after AND or WHERE; it ends the line."""
    return f"/* *${{{tag}:raw}}/ -- */ {word} \"{tag}\" = '${{{tag}:raw}}'\n"


CHOICE = "".join(chosen(tag, "AND") for tag in TAGS)
# The first shown interval begins before the shown time; an outer query must not leave it out.
AROUND = "time >= ${__from}ms - 1d AND time <= ${__to}ms"
KWH = " * $__interval_ms / 3600000000"  # of a power in W over an interval
LATELY = "time >= ${__to}ms - 3h AND time <= ${__to}ms"
NOW = f"time >= ${{__to}}ms - {RECENT} AND time <= ${{__to}}ms"
# If a variable has no field; otherwise VictoriaMetrics would return all. First, because its parser
# forgets an empty name that comes first, in expressions with an operator.
SOME = '__name__!=""'
LABELS = ",".join(f'{tag}=~"${{{tag}:regex}}"' for tag in TAGS)


class Column(NamedTuple):
    """A column of a query: `sign` keeps values above (1) or below zero (-1), `flip` negates them.

    Values below zero stay below zero unless they are negated.
    """

    name: str
    sign: int = 0
    flip: bool = False

    @property
    def below(self) -> bool:
        """Return whether it is drawn below zero."""
        return (self.sign < 0) != self.flip


class Target(NamedTuple):
    """A query's text, and the names of its series."""

    text: str
    name: str
    instant: bool = False
    table: bool = False


@dataclass(frozen=True)
class Query:
    """Columns of one value; the classes below define the time."""

    value: Value
    columns: tuple[Column, ...]

    def influxql(self) -> Iterator[Target]:
        """Yield the single target of an InfluxDB, with a column for each column here."""
        yield Target(self._influxql(), "$col")

    def metricsql(self) -> Iterator[Target]:
        """Yield a target for each column."""
        for column in self.columns:
            yield Target(self._metricsql(column), column.name, self.instant)

    instant = True

    def _influxql(self) -> str:
        raise NotImplementedError

    def _metricsql(self, column: Column) -> str:
        raise NotImplementedError

    def inner(self, function: str, table: str, where: str, every: str, fill: str) -> str:
        """Return the subqueries of the value, by device.

        GROUP BY * in place of tags by name: an absent tag triples the cost of a subquery
        (1.6.7: 0.19 s for a day of a field in place of 0.08 s).
        """
        time = f"time({every}), " if every else ""
        end = f" fill({fill})" if fill else ""
        return ", ".join(
            f'(SELECT {call(function, name)} AS "v" FROM {table} WHERE {where} {CHOICE}'
            f"GROUP BY {time}*{end})"
            for name in self.value.fields
        )

    def summed(self, inner: str, where: str, every: str, fill: str) -> str:
        """Return the subquery of one value of all devices."""
        group = f" GROUP BY time({every}) fill({fill})" if every else ""
        return f'(SELECT {self.value.over}("v") AS "v" FROM {inner} WHERE {where}{group})'

    def columns_of(self, inner: str, where: str = AROUND) -> str:
        """Return the query of all columns, which reads the values once.

        It has a time range too: without one InfluxDB opens the shards of all years.
        """
        made = ", ".join(f'{signed(each)} AS "{each.name}"' for each in self.columns)
        return f"SELECT {made} FROM {inner} WHERE {where}"

    def each(self, function: str, window: str, column: Column) -> str:
        """Return the series of all devices."""
        if len(self.value.fields) == 1:
            text = f"{function}({metric(*self.value.fields)}[{window}])"
        else:
            names = "|".join(self.value.fields)
            text = (
                f'{function}({{__name__=~"${{measurement}}_({names})",{LABELS}}}[{window}])'
                " keep_metric_names"
            )
            if column.sign:
                text = f"({text})"
        if column.sign:
            text = f"clamp_{'min' if column.sign > 0 else 'max'}({text}, 0)"
        return f"-1 * {text}" if column.flip else text

    def over(self, text: str) -> str:
        """Return the expression of one value of all devices."""
        function = {"mean": "avg"}.get(self.value.over, self.value.over)
        return f"{function}({text})"


def metric(name: str) -> str:
    """Return the selector of a field's series."""
    own = f"${{{name[1:]}}}" if name.startswith("$") else f"${{measurement}}_{name}"
    return f'{{{SOME},__name__="{own}",{LABELS}}}'


def call(function: str, name: str) -> str:
    return f'{function}("{f"${{{name[1:]}:raw}}" if name.startswith("$") else name}")'


def signed(column: Column) -> str:
    text = '"v"'
    if column.sign:
        sign = "+" if column.sign > 0 else "-"
        text = f'("v" {sign} abs("v")) / 2'
    return f"-1 * {text}" if column.flip else text


def _kept(name: str, column: Column) -> str:
    field = f"${{{name[1:]}:raw}}" if name.startswith("$") else name
    text = f'"{field}{MINUS if column.sign < 0 else PLUS}"'
    return f'{"-1 * " if column.below else ""}{text} AS "{column.name}"'


@dataclass(frozen=True)
class Graph(Query):
    """The means of each interval of a graph.

    `energies` are the same power's energies of each interval, in kWh; their sum is that of the
    shown time. They are columns of the same query, and a graph hides them (panels.graph), because
    reading the values of a day twice would be the largest cost of a refresh.
    """

    energies: tuple[Column, ...] = ()
    instant = False

    def _influxql(self) -> str:
        every, fill = "$__interval", "${fill:raw}"
        inner = self.inner("mean", CHOSEN, "$timeFilter", every, fill)
        power = self.summed(inner, "$timeFilter", every, fill)
        made = [f'{signed(each)} AS "{each.name}"' for each in self.columns]
        made += [f'{signed(each)}{KWH} AS "{each.name}"' for each in self.energies]
        return f"SELECT {', '.join(made)} FROM {power} WHERE {AROUND}"

    def metricsql(self) -> Iterator[Target]:
        """Yield a target for each column, and each energy."""
        yield from super().metricsql()
        for each in self.energies:
            yield Target(f"{self._metricsql(each)}{KWH}", each.name)

    def _metricsql(self, column: Column) -> str:
        return self.over(self.each("avg_over_time", "$__interval", column))


@dataclass(frozen=True)
class Course(Query):
    """The means of two minutes of the last three hours before the end: the graph below a number.

    The number is the last of them.
    """

    instant = False

    def _influxql(self) -> str:
        inner = self.inner("mean", RAW, LATELY, "2m", "none")
        return self.columns_of(self.summed(inner, LATELY, "2m", "none"), LATELY)

    def _metricsql(self, column: Column) -> str:
        made = self.over(self.each("avg_over_time", "2m", column))
        return f"{made} if (time() >= ${{__to}} / 1000 - 3 * 3600)"


@dataclass(frozen=True)
class Now(Query):
    """The last values before the end of the shown time.

    With `where`, as in `> 20`, there is a value only if it meets that; with `least` and `most` only
    between these.
    """

    where: str = ""
    least: float | None = None
    most: float | None = None

    def _influxql(self) -> str:
        inner = self.summed(self.inner("last", RAW, NOW, "", ""), NOW, "", "")
        made = self.columns_of(inner, where=NOW)
        name = self.columns[0].name
        tests = " AND ".join(f'"{name}" {each}' for each in self._tests())
        if not tests:
            return made
        return f'SELECT "{name}" FROM ({made}) WHERE {NOW} AND {tests}'

    def _metricsql(self, column: Column) -> str:
        made = self.over(self.each("last_over_time", RECENT, column))
        return " ".join((made, *self._tests()))

    def _tests(self) -> Iterator[str]:
        if self.where:
            yield self.where
        if self.least is not None and self.most is not None:
            yield from (f">= {self.least:g}", f"<= {self.most:g}")


@dataclass(frozen=True)
class EnergyPerDay(Query):
    """The energies of a power by days of the viewer's time zone, in kWh.

    In an InfluxDB they are setup-db's hourly energies, NAME_plus_kWh and NAME_minus_kWh; with
    `kept` off they are sums of the means of minutes. MetricsQL gives a span the time of its end,
    and Grafana a day that of its start, hence the negative offset.
    """

    kept: bool = True
    grain: str = "5m"  # of MetricsQL, which permits 30,000 of them: 104 days, or years of 1h
    instant = False

    def _influxql(self) -> str:
        day = "time(1d) fill(none) tz('${__timezone}')"
        if self.kept:
            inner = self.hours()
            sums = ", ".join(f'sum("{each.name}") AS "{each.name}"' for each in self.columns)
        else:
            minutes = self.inner("mean", CHOSEN, "$timeFilter", "1m", "none")
            inner = f"({self.columns_of(minutes)})"
            sums = ", ".join(
                f'sum("{each.name}") / 60000 AS "{each.name}"' for each in self.columns
            )
        return f"SELECT {sums} FROM {inner} WHERE $timeFilter GROUP BY {day}"

    def hours(self) -> str:
        """Return the subqueries of hourly energies."""
        return ", ".join(
            f"(SELECT {', '.join(_kept(name, each) for each in self.columns)} FROM {HOURS}"
            f" WHERE $timeFilter {CHOICE}GROUP BY *)"
            for name in self.value.fields
        )

    def _metricsql(self, column: Column) -> str:
        means = self.each("avg_over_time", self.grain, column)
        hours = {"5m": 12, "1h": 1}[self.grain]
        days = self.over(f"sum_over_time(({means})[1d:{self.grain}] offset -1d)")
        return f"{days} / {1000 * hours}"
