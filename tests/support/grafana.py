"""How Grafana turns a dashboard's JSON into a query, and the database's answer into series.

Rules: this module sends no query and validates nothing (tests/support/grafana_schema.py). It works
as Grafana 10 and later do for a data source with access by the server: the browser fills in
variables, `$__from`, `$__to` and `$__timezone`, the server `$timeFilter`, `$__interval` and
`$__range`; unknown names stay as they are.

Source: Grafana, public/app/features/templating, pkg/tsdb/influxdb (query.go, response_parser.go),
pkg/tsdb/prometheus (models/query.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests import TOP

GRAFANA = TOP / "etc/grafana"
INFLUXDB, PROMETHEUS = "influxdb", "prometheus"
FOLDERS = {INFLUXDB: GRAFANA / "dashboards", PROMETHEUS: GRAFANA / "victoriametrics"}
DASHBOARDS = tuple(path.stem for path in sorted(FOLDERS[INFLUXDB].glob("*.json")))
PROVISIONING = GRAFANA / "provisioning"
ALL = "$__all"
DATA_POINTS = 900  # the pixels of a graph over half a screen

Json = dict[str, Any]
Values = Mapping[str, str]
Shown = dict[str, list[tuple[int, float]]]  # (time in ms, value) by the name of a series

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
_IN_ALIAS = re.compile(r"\$(\w+)")
_IN_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# An interval below the first number is rounded to the second, in ms (rangeutil.ts).
_ROUNDED = (
    (1_500, 1_000),
    (3_500, 2_000),
    (7_500, 5_000),
    (12_500, 10_000),
    (17_500, 15_000),
    (25_000, 20_000),
    (45_000, 30_000),
    (90_000, 60_000),
    (210_000, 120_000),
    (450_000, 300_000),
    (750_000, 600_000),
    (1_050_000, 900_000),
    (1_500_000, 1_200_000),
    (2_700_000, 1_800_000),
    (5_400_000, 3_600_000),
    (9_000_000, 7_200_000),
    (16_200_000, 10_800_000),
    (32_400_000, 21_600_000),
    (86_400_000, 43_200_000),
)


def load(name: str, kind: str = INFLUXDB) -> Json:
    """Return a dashboard for a kind of data source."""
    path = FOLDERS[kind] / f"{name}.json"
    loaded: Json = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def variables(dashboard: Json) -> dict[str, Json]:
    """Return the variables by their names."""
    return {each["name"]: each for each in dashboard["templating"]["list"]}


def panels(dashboard: Json) -> Iterator[Json]:
    """Yield each panel, including those in closed rows; a row is no panel."""
    for each in dashboard["panels"]:
        if each["type"] == "row":
            yield from each["panels"]
        else:
            yield each


def targets(dashboard: Json) -> Iterator[tuple[Json, Json]]:
    """Yield each panel with each of its targets; a panel with another panel's data has none."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            if "panelId" not in target:
                yield panel, target


def text_of(target: Json) -> str:
    """Return the query of a target, in either language."""
    text: str = target["query"] if "query" in target else target["expr"]
    return text


def fields(target: Json) -> set[str]:
    """Return the names of the fields that a query reads, `$name` for that of a variable."""
    if "expr" in target:
        found = set()
        for selector in re.findall(r'__name__=~?"([^"]*)"', target["expr"]):
            name = re.sub(r"^\$\{(?:measurement|own)\}_", "", selector)
            name = re.sub(r"^\$\{(\w+)\}$", r"$\1", name.removesuffix("(_[0-9]+)?"))
            found |= {*name.strip("()").split("|")}
        return found
    kept = re.findall(r'"([^"]+)_(?:plus|minus)_kWh"', target["query"])
    calls = kept + re.findall(r'\b(?:mean|last|max|count)\("([^"]+)"\)', target["query"])
    by_pattern = re.findall(r"\((?:/\^)(\w+)\(_\[0-9\]\+\)\?\$/\)", target["query"])
    made = {*re.findall(r'AS "([^"]+)"', target["query"])} if "FROM (" in target["query"] else set()
    names = {re.sub(r"^\$\{(\w+):raw\}$", r"$\1", each) for each in calls}
    return (names - made) | {*by_pattern}


def fill_in(text: str, values: Values, all_values: Mapping[str, str], how: str = "regex") -> str:
    """Fill in `$name`, `${name}` and `${name:format}`; without a format it is `how`.

    `all_values` are the `allValue` of variables; they are filled in unchanged.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            return match[0]
        if values[name] == ALL:
            return all_values[name]
        if (match[3] or how) == "regex":
            return re.sub(r"([\^$\\.*+?()[\]{}|])", r"\\\1", values[name])
        return values[name]

    return _VARIABLE.sub(value, text)


def chosen(dashboard: Json, **others: str) -> Values:
    """Return the variables' values when a dashboard is opened, and `others`.

    Variables that are queried from the database are not included.
    """
    opened = {
        name: each["current"]["value"]
        for name, each in variables(dashboard).items()
        if "current" in each
    }
    return {**opened, **others}


def milliseconds(duration: str) -> int:
    """Return a duration such as 30s or 7d, in ms."""
    match = re.fullmatch(r"(\d+)(ms|[smhd])", duration)
    assert match is not None, duration
    return int(match[1]) * _MS[match[2]]


@dataclass(frozen=True)
class View:
    """A dashboard from and to a time, in ms since 1970, with its variables."""

    dashboard: Json
    start: int
    end: int
    values: Values
    zone: str = "UTC"
    least: str = "1s"  # timeInterval of the data source

    @property
    def offset(self) -> int:
        """The offset of the time zone from UTC at the end, in s; positive is east."""
        at = datetime.fromtimestamp(self.end / 1000, ZoneInfo(self.zone))
        return round((at.utcoffset() or timedelta()).total_seconds())

    def interval(self, panel: Json) -> int:
        """Return `$__interval` of a panel, in ms."""
        least = milliseconds(panel.get("interval", self.least))
        exact = (self.end - self.start) / panel.get("maxDataPoints", DATA_POINTS)
        if exact <= least:
            return least
        return max(least, next((to for below, to in _ROUNDED if exact < below), 86_400_000))

    def query(self, panel: Json, target: Json) -> str:
        """Return the statement that the database gets."""
        all_values = {
            name: each["allValue"]
            for name, each in variables(self.dashboard).items()
            if "allValue" in each
        }
        page = {"__from": str(self.start), "__to": str(self.end), "__timezone": self.zone}
        text = fill_in(text_of(target), {**self.values, **page}, all_values, "raw")
        interval, span = self.interval(panel), self.end - self.start
        text = text.replace("$timeFilter", f"time >= {self.start}ms and time <= {self.end}ms")
        text = text.replace("$__range", f"{round(span / 1000)}s")
        text = text.replace("$__interval_ms", str(interval))
        return text.replace("$__interval", _in_go(interval))


def _in_go(ms: int) -> str:
    for unit in ("d", "h", "m", "s"):
        if ms >= _MS[unit]:
            return f"{ms // _MS[unit]}{unit}"
    return f"{ms}ms"


def options(variable: Json, answer: Json) -> list[str]:
    """Return the choices of a variable of type query, from an InfluxDB's answer to its query."""
    rows = [row for each in answer["results"][0].get("series", []) for row in each["values"]]
    column = 1 if "SHOW TAG VALUES" in variable["query"].upper() else 0
    return offered(variable, [row[column] for row in rows])


def offered(variable: Json, found: list[str]) -> list[str]:
    """Return which of these are choices of a variable of type query, in its order."""
    wanted = re.compile(variable["regex"].strip("/")) if variable.get("regex") else None
    kept = [each for each in found if wanted is None or wanted.search(each)]
    return sorted(kept, reverse=variable["sort"] == 2) if variable.get("sort") else kept


def series(target: Json, answer: Json) -> Shown:
    """Return what Grafana shows of an InfluxDB's answer, without nulls."""
    shown: Shown = {}
    for each in answer["results"][0].get("series", []):
        for index, column in enumerate(each["columns"]):
            if column == "time":
                continue
            words = {"col": column, **{f"tag_{k}": v for k, v in each.get("tags", {}).items()}}
            name = _IN_ALIAS.sub(
                lambda found, words=words: words.get(found[1], found[0]), target["alias"]
            )
            _add(shown, name, ((row[0], row[index]) for row in each["values"]))
    return shown


def prometheus_series(target: Json, answer: Json) -> Shown:
    """Return what Grafana shows of VictoriaMetrics' answer."""
    shown: Shown = {}
    for each in answer["data"]["result"]:
        labels = each["metric"]
        name = _IN_LEGEND.sub(
            lambda found, own=labels: own.get(found[1], ""), target["legendFormat"]
        )
        samples = each["values"] if "values" in each else [each["value"]]
        _add(shown, name, ((round(at * 1000), float(value)) for at, value in samples))
    return shown


def _add(shown: Shown, name: str, values: Iterator[tuple[int, float | None]]) -> None:
    """Add a series of this name. Raises AssertionError if the name exists already."""
    kept = [(at, value) for at, value in values if value is not None]
    assert name not in shown, f"two series are called {name!r}"
    shown[name] = kept
