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
CHARGING, DISCHARGING, IDLE = "Charging", "Discharging", "Idle"
FULL_IN, EMPTY_IN = "Full in", "Empty in"


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
class BatteryNow:
    """What a battery does, in W, and the time until it is full or empty, in s.

    It is idle with at most `rests`, in W. The time follows from the mean power of RECENT; there is
    none with less than `least`, in W, or while the latest power has the other direction; otherwise
    "charging" would be beside "empty in".

    In InfluxQL all of them are columns of one query, because each pass through a field's values
    has its price: those that do not apply are null, like the logarithm or the root of a negative
    number. A panel leaves such columns out by APPLICABLE.
    """

    soc: Value
    power: Value
    rests: float
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
        columns = (
            (CHARGING, '"l"', f'ln("l" - {self.rests:g})'),
            (DISCHARGING, '-1 * "l"', f'ln(-1 * "l" - {self.rests:g})'),
            (IDLE, '"l"', f'sqrt({self.rests:g} - abs("l"))'),
            (FULL_IN, self._seconds('(100 - "s")'), f'ln("w" - {self.least:g}) + 0 * ln("l")'),
            (
                EMPTY_IN,
                self._seconds('-1 * "s"'),
                f'ln(-1 * "w" - {self.least:g}) + 0 * ln(-1 * "l")',
            ),
        )
        made = ", ".join(f'{value} + 0 * {only} AS "{name}"' for name, value, only in columns)
        yield Target(
            f'SELECT {made} FROM (SELECT mean("s") AS "s", sum("w") AS "w", sum("l") AS "l"'
            f" FROM {inner} WHERE {NOW}) WHERE {NOW}",
            "$col",
        )

    def _seconds(self, left: str) -> str:
        return f'{left} / "w" * ${{capacity:raw}} * {WS}'

    def metricsql(self) -> Iterator[Target]:
        """Yield the targets of VictoriaMetrics, which return no series if they do not apply."""
        for now in (
            Now(self.power, (Column(CHARGING),), where=f"> {self.rests:g}"),
            Now(self.power, (Column(DISCHARGING, flip=True),), where=f"> {self.rests:g}"),
            Now(self.power, (Column(IDLE),), least=-self.rests, most=self.rests),
        ):
            yield from now.metricsql()
        soc, watts, latest = (
            Now(value, ()).over(Now(value, ()).each(function, RECENT, Column("")))
            for value, function in (
                (self.soc, "last_over_time"),
                (self.power, "avg_over_time"),
                (self.power, "last_over_time"),
            )
        )
        for name, left, power, goes_on in (
            (FULL_IN, f"(100 - {soc})", watts, f"{latest} > 0"),
            (EMPTY_IN, soc, f"-1 * {watts}", f"{latest} < 0"),
        ):
            seconds = f"{left} / ({power} > {self.least:g}) * $capacity * {WS}"
            yield Target(f"({seconds}) and ({goes_on})", name, instant=True)


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
