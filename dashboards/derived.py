"""Queries computed from several values, queries per device, and queries written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dashboards.queries import (
    AROUND,
    CHOICE,
    CHOSEN,
    DEVICES,
    LABELS,
    NOW,
    RAW,
    RECENT,
    Column,
    EnergyPerDay,
    Now,
    Target,
    signed,
)
from dashboards.values import Value

WS = 36_000  # Ws of a hundredth of a kWh


@dataclass(frozen=True)
class Share:
    """The share of one energy that is not another, over the shown time, from 0 to 100 %.

    With `kept` it is computed from the hourly energies of setup-db.
    """

    name: str
    of: Value
    without: Value
    kept: bool = False

    def influxql(self) -> Iterator[Target]:
        """Yield the target of an InfluxDB."""
        inner = ", ".join(
            self._part(name, value, sign)
            for name, value, sign in (("all", self.of, 0), ("part", self.without, 1))
        )
        ratio = '(1 - sum("part") / sum("all"))'
        share = f'50 * ({ratio} + abs({ratio})) AS "v"'
        made = f"SELECT {share} FROM {inner} WHERE {AROUND}"
        yield Target(
            f'SELECT "v" AS "{self.name}" FROM ({made}) WHERE {AROUND} AND "v" >= 0', "$col"
        )

    def _part(self, name: str, value: Value, sign: int) -> str:
        column = Column(name, sign)
        if self.kept:
            return EnergyPerDay(value, (column,)).hours()
        minutes = Now(value, (column,)).inner("mean", CHOSEN, "$timeFilter", "1m", "none")
        return (
            f'(SELECT {signed(column)} AS "{name}" FROM {minutes} WHERE {AROUND} GROUP BY "site")'
        )

    def metricsql(self) -> Iterator[Target]:
        """Yield the target of VictoriaMetrics."""
        grain = "5m" if self.kept else "1m"
        whole, part = (
            f"sum(sum_over_time(({each})[$__range:{grain}]))"
            for each in (
                Now(self.of, ()).each("avg_over_time", grain, Column("")),
                Now(self.without, ()).each("avg_over_time", grain, Column("", 1)),
            )
        )
        text = f"100 * clamp_min(1 - {part} / ({whole} > 0), 0)"
        yield Target(text, self.name, instant=True)


@dataclass(frozen=True)
class Remaining:
    """The time until the battery is full or empty, in s, while it charges or discharges.

    The power is the mean of RECENT. No time is shown with less than `least`, in W, or while the
    latest power has the other direction; otherwise "charging" would be beside "empty in".
    """

    name: str
    soc: Value
    power: Value
    full: bool
    least: float = 50.0

    def influxql(self) -> Iterator[Target]:
        """Yield the target of an InfluxDB."""
        inner = ", ".join(
            f'(SELECT "v" AS "{name}" FROM'
            f" {Now(value, ()).inner(function, RAW, NOW, '', '')} WHERE {NOW})"
            for value, name, function in (
                (self.soc, "s", "last"),
                (self.power, "w", "mean"),
                (self.power, "l", "last"),
            )
        )
        left, where = ('(100 - "s")', ">") if self.full else ('-1 * "s"', "< -")
        text = (
            f'SELECT {left} / "w" * ${{capacity:raw}} * {WS} AS "{self.name}"'
            ' FROM (SELECT mean("s") AS "s", sum("w") AS "w", sum("l") AS "l"'
            f" FROM {inner} WHERE {NOW})"
            f' WHERE {NOW} AND "w" {where}{self.least:g} AND "l" {where[0]} 0'
        )
        yield Target(text, "$col")

    def metricsql(self) -> Iterator[Target]:
        """Yield the target of VictoriaMetrics."""
        soc, watts, latest = (
            Now(value, ()).over(Now(value, ()).each(function, RECENT, Column("")))
            for value, function in (
                (self.soc, "last_over_time"),
                (self.power, "avg_over_time"),
                (self.power, "last_over_time"),
            )
        )
        left, power = f"(100 - {soc})", f"({watts} > {self.least:g})"
        if not self.full:
            left, power = soc, f"(-1 * {watts} > {self.least:g})"
        goes_on = f"{latest} {'>' if self.full else '<'} 0"
        text = f"({left} / {power} * $capacity * {WS}) and ({goes_on})"
        yield Target(text, self.name, instant=True)


@dataclass(frozen=True)
class PerDevice:
    """A field of each device that has it, by interval, with the same name for all of them.

    Devices are distinguished by the tag `instance`, or by the suffix of the field's name with
    `instances = name`. `renamed` converts both to the name and the instance.
    """

    field: str
    name: str
    function: str = "mean"
    now: bool = False

    @property
    def renamed(self) -> tuple[str, str]:
        """Return the regular expression and the name that transform the series' names."""
        return rf"^.*?{self.field}_?([0-9]*) *(.*?) *$", f"{self.name} $1$2"

    def influxql(self) -> Iterator[Target]:
        """Yield the target of an InfluxDB."""
        chosen = f"{self.function}(/^{self.field}(_[0-9]+)?$/)"
        if self.now:
            text = f"SELECT {chosen} FROM {RAW} WHERE {NOW} {CHOICE}GROUP BY {DEVICES}"
        else:
            text = (
                f"SELECT {chosen} FROM {CHOSEN} WHERE $timeFilter {CHOICE}"
                f"GROUP BY time($__interval), {DEVICES} fill(${{fill:raw}})"
            )
        yield Target(text, "$col $tag_instance")

    def metricsql(self) -> Iterator[Target]:
        """Yield the target of VictoriaMetrics."""
        function = {"mean": "avg"}.get(self.function, self.function)
        window = RECENT if self.now else "$__interval"
        series = f'{{__name__=~"${{measurement}}_{self.field}(_[0-9]+)?",{LABELS}}}'
        text = f"{function}_over_time({series}[{window}]) keep_metric_names"
        yield Target(text, "{{__name__}} {{instance}}", self.now)


@dataclass(frozen=True)
class Written:
    """A query with both texts written by hand; `name` is the name of the series."""

    influx: str | tuple[str, ...]
    metrics: str | tuple[tuple[str, str], ...]  # or the text of each column, by its name
    name: str = "$col $tag_site"
    instant: bool = True
    table: bool = False

    def influxql(self) -> Iterator[Target]:
        """Yield the targets of an InfluxDB."""
        several = (self.influx,) if isinstance(self.influx, str) else self.influx
        for text in several:
            yield Target(text, self.name, table=self.table)

    def metricsql(self) -> Iterator[Target]:
        """Yield the targets of VictoriaMetrics."""
        several = ((self.metrics, self.name),) if isinstance(self.metrics, str) else self.metrics
        for text, name in several:
            yield Target(text, name, self.instant, self.table)
