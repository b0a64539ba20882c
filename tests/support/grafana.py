"""What Grafana makes of a dashboard's JSON before the database is asked, and of the answer.

Rules: nothing is asked in here, and nothing is validated (tests/support/grafana_schema.py). It is
done as Grafana 10 and later do it for an InfluxDB data source with access by the server: the
browser fills in variables, the server `$timeFilter` and `$__interval`; what nobody knows stays.

Source: Grafana, public/app/features/templating, pkg/tsdb/influxdb (query.go, response_parser.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests import TOP

GRAFANA = TOP / "etc/grafana"
DASHBOARDS = {path.stem: path for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
DATA_SOURCE = GRAFANA / "provisioning/datasources/bat2influx.yaml"
PROVIDER = GRAFANA / "provisioning/dashboards/bat2influx.yaml"
ALL = "$__all"
DATA_POINTS = 900  # as many as a graph of half a screen has pixels

Json = dict[str, Any]
Values = Mapping[str, str | list[str]]

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]")
_IN_ALIAS = re.compile(r"\$(\w+)")
_COLUMN = re.compile(r'"((?:\\.|[^"\\])*)"')
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


def load(name: str) -> Json:
    """Return a dashboard."""
    loaded: Json = json.loads(DASHBOARDS[name].read_text(encoding="utf-8"))
    return loaded


def variables(dashboard: Json) -> dict[str, Json]:
    """Return the variables by their names."""
    return {each["name"]: each for each in dashboard["templating"]["list"]}


def targets(dashboard: Json) -> Iterator[tuple[Json, Json]]:
    """Yield each panel with each of its targets."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel, target


def columns(target: Json) -> list[str]:
    """Return the names of the columns that a query promises."""
    head = re.split(r" FROM ", target["query"], maxsplit=1)[0]
    return [_COLUMN.match(part)[1] for part in head.split(" AS ")[1:]]


def fields(target: Json) -> set[str]:
    """Return the names of the fields that a query reads, `NAME_min` as it stands."""
    text = re.sub(r"\$\{\w+(?::\w+)?\}", "", target["query"])
    made = re.findall(r' AS "([^"]+)"', text.partition(" FROM (")[2])  # by a subquery
    names = {*_COLUMN.findall(re.sub(r' AS "[^"]*"', "", text))}
    return names - {*made, "site", ""}


def of_downsampled_alone(target: Json) -> bool:
    """Tell whether a query reads what there is only among downsampled values."""
    return any(name.endswith(("_min", "_max")) for name in fields(target))


def fill_in(text: str, values: Values, all_values: Mapping[str, str] | None = None) -> str:
    """Fill in `$name`, `${name}` and `${name:format}`, as a regular expression unless raw.

    `all_values` are the `allValue` of variables; they go in as they are.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[4]
        if name not in values:
            return match[0]
        chosen = values[name]
        if chosen in (ALL, [ALL]):
            return (all_values or {})[name]
        how = match[3] or match[5] or "regex"
        several = [chosen] if isinstance(chosen, str) else chosen
        several = [
            re.sub(r"([\^$\\.*+?()[\]{}|])", r"\\\1", v) if how == "regex" else v for v in several
        ]
        return several[0] if len(several) == 1 else f"({'|'.join(several)})"

    return _VARIABLE.sub(value, text)


def chosen(dashboard: Json, **others: str | list[str]) -> Values:
    """Return what the variables are when a dashboard is opened, and `others`."""
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
    """What is looked at: a dashboard from and to a time, in ms since 1970, with its variables."""

    dashboard: Json
    start: int
    end: int
    values: Values
    least: str = "1s"  # timeInterval of the data source

    def interval(self, panel: Json) -> int:
        """Return `$__interval` of a panel, in ms."""
        least = milliseconds(fill_in(panel.get("interval", self.least), self.values))
        start, end = self.times(panel)
        exact = (end - start) / DATA_POINTS
        if exact <= least:
            return least
        return max(least, next((to for below, to in _ROUNDED if exact < below), 86_400_000))

    def times(self, panel: Json) -> tuple[int, int]:
        """Return from and to of a panel, in ms."""
        back = fill_in(panel.get("timeFrom", ""), self.values)
        return (self.end - milliseconds(back) if back else self.start), self.end

    def query(self, panel: Json, target: Json) -> str:
        """Return the statement that the database gets."""
        all_values = {
            name: each.get("allValue", "") for name, each in variables(self.dashboard).items()
        }
        text = fill_in(target["query"], self.values, all_values)
        start, end = self.times(panel)
        interval = self.interval(panel)
        text = text.replace("$timeFilter", f"time >= {start}ms and time <= {end}ms")
        text = text.replace("$__interval_ms", str(interval))
        return text.replace("$__interval", _in_go(interval))


def _in_go(ms: int) -> str:
    for unit in ("d", "h", "m", "s"):
        if ms >= _MS[unit]:
            return f"{ms // _MS[unit]}{unit}"
    return f"{ms}ms"


def options(variable: Json, answer: Json) -> list[str]:
    """Return what a variable of type query offers, of a database's answer to its query.

    The default retention policy comes first; `regex` leaves out what it does not match.
    """
    rows = [row for each in answer["results"][0].get("series", []) for row in each["values"]]
    query = variable["query"].upper()
    if "SHOW TAG VALUES" in query:
        found = [row[1] for row in rows]
    elif "SHOW RETENTION POLICIES" in query:
        found = [row[0] for row in sorted(rows, key=lambda row: not row[-1])]
    else:
        found = [row[0] for row in rows]
    wanted = re.compile(variable["regex"].strip("/")) if variable.get("regex") else None
    return [each for each in found if wanted is None or wanted.search(each)]


def series(target: Json, answer: Json) -> dict[str, list[tuple[int, float]]]:
    """Return what Grafana shows of an answer: (time in ns or ms as asked, value) by display name.

    Without what is null.
    """
    shown: dict[str, list[tuple[int, float]]] = {}
    for each in answer["results"][0].get("series", []):
        for index, column in enumerate(each["columns"]):
            if column == "time":
                continue
            words = {"col": column, **{f"tag_{k}": v for k, v in each.get("tags", {}).items()}}
            name = _IN_ALIAS.sub(
                lambda found, words=words: words.get(found[1], found[0]), target["alias"]
            )
            shown.setdefault(name, []).extend(
                (row[0], row[index]) for row in each["values"] if row[index] is not None
            )
    return shown
