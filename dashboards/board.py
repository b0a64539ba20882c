"""A dashboard: positioned panels, variables, links to the other dashboards, annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards import variables
from dashboards.palette import BAD, NEUTRAL, WARNING
from dashboards.panels import Panel
from dashboards.queries import OWN, Target
from dashboards.variables import INFLUXDB, PROMETHEUS

Json = dict[str, Any]
COLUMNS = 24  # of Grafana's grid
TAG = "bat2influx"
DEVICE = ("datasource", "measurement", "site", "portal")
SHARED = {"type": "datasource", "uid": "-- Dashboard --"}  # of Grafana: the data of another panel


@dataclass(frozen=True)
class Row:
    """Panels side by side, each with its width of 24."""

    height: int
    panels: Sequence[tuple[Panel, int]]


@dataclass(frozen=True)
class Section:
    """Rows below a headline; a `closed` one sends no queries until it is opened."""

    title: str
    rows: Sequence[Row]
    closed: bool = False


@dataclass(frozen=True)
class Board:
    """A dashboard, still without a query language; `start` is the start of its time range."""

    name: str
    title: str
    question: str  # that it answers
    rows: Sequence[Row | Section]
    shown: Sequence[str]  # of the variables
    start: str = "now/d"
    refresh: str = "30s"

    def panels(self) -> Iterator[Panel]:
        """Yield all panels."""
        for each in self.rows:
            for row in each.rows if isinstance(each, Section) else [each]:
                yield from (panel for panel, _ in row.panels)

    def json(self, language: str) -> Json:
        """Return the dashboard for a type of data source."""
        return {
            "uid": f"bat2influx-{self.name}" + ("-vm" if language == PROMETHEUS else ""),
            "title": self.title,
            "description": self.question,
            "tags": [_tag(language)],
            "schemaVersion": 38,
            "timezone": "browser",
            "refresh": self.refresh,
            "time": {"from": self.start, "to": "now"},
            "timepicker": {"refresh_intervals": ["30s", "1m", "5m", "15m", "1h"]},
            "editable": True,
            "graphTooltip": 1,
            "links": [_links(language)],
            "templating": {"list": variables.of(language, self.shown)},
            "annotations": {"list": [*_annotations(language)]},
            "panels": _shared([*_placed(self.rows, language)]),
        }


def _tag(language: str) -> str:
    return TAG if language == INFLUXDB else f"{TAG}-victoriametrics"


def _links(language: str) -> Json:
    return {
        "type": "dashboards",
        "title": TAG,
        "tags": [_tag(language)],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": False,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _source(language: str) -> Json:
    return {"type": language, "uid": "${datasource}"}


def _placed(rows: Sequence[Row | Section], language: str) -> Iterator[Json]:
    number, y = 1, 0
    for each in rows:
        section = each if isinstance(each, Section) else Section("", [each])
        inside: list[Json] = []
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
        head = {"id": number, "type": "row", "title": section.title, "gridPos": place}
        if section.title:
            number, y = number + 1, y + 1
        for row in section.rows:
            x = 0
            for panel, width in row.panels:
                place = {"h": row.height, "w": width, "x": x, "y": y}
                inside.append({"id": number, "gridPos": place, **_panel(panel, language)})
                number, x = number + 1, x + width
            y += row.height
        if section.closed:
            yield {**head, "collapsed": True, "panels": inside}
            continue
        if section.title:
            yield {**head, "collapsed": False, "panels": []}
        yield from inside


def _panel(panel: Panel, language: str) -> Json:
    made = panel.json(language)
    if panel.of_panel:
        made["datasource"] = SHARED
        made["targets"] = [{"refId": "A", "datasource": SHARED, "panelId": panel.of_panel}]
        return made
    if not panel.asked:
        return made
    targets = [
        target
        for each in panel.asked
        for target in (each.influxql() if language == INFLUXDB else each.metricsql())
    ]
    write = _influxql if language == INFLUXDB else _metricsql
    made["datasource"] = _source(language)
    made["targets"] = [
        {"refId": chr(ord("A") + index), **write(target)} for index, target in enumerate(targets)
    ]
    return made


def _shared(placed: list[Json]) -> list[Json]:
    """Put ids in place of the titles of panels whose data others show."""
    every = [each for top in placed for each in (top, *top.get("panels", ()))]
    numbers = {each["title"]: each["id"] for each in every}
    for each in every:
        for target in each.get("targets", ()):
            if "panelId" in target:
                target["panelId"] = numbers[target["panelId"]]
    return placed


def _influxql(target: Target) -> Json:
    return {
        "rawQuery": True,
        "resultFormat": "table" if target.table else "time_series",
        "alias": target.name,
        "query": target.text,
    }


def _metricsql(target: Target) -> Json:
    return {
        "expr": target.text,
        "legendFormat": target.name,
        "instant": target.instant or target.table,
        "range": not (target.instant or target.table),
        "format": "table" if target.table else "time_series",
        "editorMode": "code",
    }


# Events from the daemon's reports, marked in every graph if switched on.
_EVENTS = (
    ("Restarts", NEUTRAL,
     f'SELECT "restart" FROM (SELECT difference("uptime") AS "restart" FROM {OWN}'
     ' WHERE $timeFilter) WHERE "restart" < 0',
     "resets(${own}_uptime[10m]) > 0"),
    ("Outages", WARNING,
     f'SELECT "delay" FROM (SELECT max("delay") AS "delay" FROM {OWN} WHERE $timeFilter'
     ' GROUP BY time(10m) fill(none)) WHERE "delay" > 60',
     "max_over_time(${own}_delay[10m]) > 60"),
    ("Rejected values", BAD,
     f'SELECT "new" FROM (SELECT non_negative_difference(max("rejected")) AS "new" FROM {OWN}'
     ' WHERE $timeFilter GROUP BY time(10m) fill(none)) WHERE "new" > 0',
     "increase(${own}_rejected[10m]) > 0"),
)  # fmt: skip


def _annotations(language: str) -> Iterator[Json]:
    for name, color, influxql, metricsql in _EVENTS:
        made: Json = {
            "name": name,
            "datasource": _source(language),
            "enable": False,
            "hide": False,
            "iconColor": color,
        }
        if language == INFLUXDB:
            asked: Json = {
                "rawQuery": True,
                "fromAnnotations": True,
                "query": influxql,
                "textColumn": _first_column(influxql),
            }
        else:
            asked = {"expr": metricsql, "interval": "10m", "legendFormat": name}
        yield made | {"target": {"refId": "Anno", **asked}}


def _first_column(query: str) -> str:
    """Return the name of the first column of a query."""
    return query.split('"')[1]
