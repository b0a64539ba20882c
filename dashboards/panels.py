"""Panels: their values, units and colours, and their texts for missing values.

Rules: every panel has a description, a unit, decimals, colours and a text for no value; nothing is
left to Grafana's defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboards.palette import NEUTRAL
from dashboards.queries import Target

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]
PLAIN: Steps = ((None, NEUTRAL),)
NOTHING = "no value"
KWH = "suffix:kWh"  # fixed: 0.04 kWh must not become 40 Wh
AXIS = 64  # px: graphs below one another are aligned, also with "-1.25 kW"
# px, of names and numbers in a row of numbers: Grafana's automatic sizes become illegible, or fill
# a panel with one word. Sums have the size that fits.
NAME_SIZE, NUMBER_SIZE, BAR_SIZE = 13, 26, 18
HOLDS = 300_000  # ms, the longest gap that a line of the state of charge bridges
ENERGY_INTERVAL = "1m"  # at least; with shorter intervals, rare values leave gaps
# A graph's energies (queries.Graph), which are only for a separate panel.
UNSEEN = {
    "hideFrom": {"viz": True, "legend": True, "tooltip": True},
    "axisPlacement": "hidden",
    "stacking": {"group": "B", "mode": "none"},
}


class Asked(Protocol):
    """A query in both languages."""

    def influxql(self) -> Iterable[Target]:
        """Yield the targets of an InfluxDB."""

    def metricsql(self) -> Iterable[Target]:
        """Yield the targets of VictoriaMetrics."""


@dataclass(frozen=True)
class Look:
    """The style of series with a name; None stands for the panel's own.

    A name is one of the query's columns; a site's or a device's name may follow it.
    """

    name: str
    color: str | None = None
    unit: str | None = None
    decimals: int | None = None
    steps: Steps | None = None
    mappings: Sequence[Json] | None = None
    title: str = ""  # in place of the name
    no_value: str | None = None
    lowest: float | None = None
    highest: float | None = None
    links: Sequence[Json] = ()
    custom: Json = field(default_factory=dict)

    def override(self) -> Json:
        """Return the override of a panel's fieldConfig."""
        found: list[tuple[str, Any]] = []
        if self.color:
            found.append(("color", {"mode": "fixed", "fixedColor": self.color}))
        if self.unit:
            found.append(("unit", self.unit))
        if self.decimals is not None:
            found.append(("decimals", self.decimals))
        if self.steps:
            found += [("thresholds", _steps(self.steps)), ("color", {"mode": "thresholds"})]
        if self.lowest is not None:
            found.append(("min", self.lowest))
        if self.highest is not None:
            found.append(("max", self.highest))
        if self.links:
            found.append(("links", [*self.links]))
        if self.mappings is not None:
            found.append(("mappings", [*self.mappings]))
        if self.no_value is not None:
            found.append(("noValue", self.no_value))
        if self.title:
            found.append(("displayName", self.title))
        found += [(f"custom.{key}", value) for key, value in self.custom.items()]
        return {
            "matcher": {"id": "byRegexp", "options": f"/^{self.name}( |$)/"},
            "properties": [{"id": key, "value": value} for key, value in found],
        }


@dataclass
class Panel:
    """A panel without its position, which board.py sets."""

    type: str
    title: str
    description: str
    asked: Sequence[Asked]
    unit: str = "none"
    decimals: int | None = None
    looks: Sequence[Look] = ()
    steps: Steps = PLAIN
    no_value: str = NOTHING
    mappings: Sequence[Json] = ()
    lowest: float | None = None
    highest: float | None = None
    interval: str = ""
    color: Json = field(default_factory=lambda: {"mode": "thresholds"})
    custom: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()
    of_language: Mapping[str, Sequence[Json]] = field(default_factory=dict)  # transformations
    extra: Json = field(default_factory=dict)
    of_panel: str = ""  # title of the panel whose data this one shows; then there is no query

    def json(self, language: str) -> Json:
        """Return all but id, position and targets."""
        defaults: Json = {
            "unit": self.unit,
            "color": self.color,
            "thresholds": _steps(self.steps),
            "mappings": [*self.mappings],
            "noValue": self.no_value,
        }
        given = {"decimals": self.decimals, "min": self.lowest, "max": self.highest}
        defaults |= {key: value for key, value in given.items() if value is not None}
        if self.custom:
            defaults["custom"] = self.custom
        made: Json = {
            "type": self.type,
            "title": self.title,
            "description": self.description,
            "fieldConfig": {
                "defaults": defaults,
                "overrides": [each.override() for each in self.looks],
            },
            "options": self.options,
        }
        if self.interval:
            made["interval"] = self.interval
        if done := [*self.transformations, *self.of_language.get(language, ())]:
            made["transformations"] = done
        return made | self.extra


def _steps(steps: Steps) -> Json:
    return {
        "mode": "absolute",
        "steps": [{"value": value, "color": color} for value, color in steps],
    }


_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(
    title: str, description: str, asked: Sequence[Asked], *, lines: bool = False, **given: Any
) -> Panel:
    """Return a row of numbers with their names and colours.

    With `lines` each has a small graph of its values below it.
    """
    options = {
        "colorMode": "value",
        "graphMode": "area" if lines else "none",
        "justifyMode": "auto" if lines else "center",  # in the middle the graph would cross them
        "orientation": "auto",
        "text": {"titleSize": NAME_SIZE, "valueSize": NUMBER_SIZE},
        "textMode": "value_and_name",
        "reduceOptions": _LAST,
    }
    return Panel("stat", title, description, asked, options=options, **given)


def energies(
    title: str,
    description: str,
    asked: Sequence[Asked] = (),
    *,
    of: Panel | None = None,
    names: Sequence[str] = (),
    **given: Any,
) -> Panel:
    """Return sums of energies over the time that is shown.

    They are queried, or are those of the graph `of` (queries.Graph) with these names.
    """
    panel = stat(title, description, asked, unit=KWH, **given)
    fields = f"/^({'|'.join(names)})$/" if names else ""
    reduced = {**_LAST, "calcs": ["sum"], "fields": fields}
    panel.options |= {"reduceOptions": reduced, "text": {"titleSize": NAME_SIZE}}
    panel.of_panel = of.title if of else ""
    return panel


def gauge(title: str, description: str, asked: Sequence[Asked], **given: Any) -> Panel:
    """Return a number on a scale, with its thresholds."""
    options = {
        "orientation": "auto",
        "reduceOptions": _LAST,
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
    }
    return Panel("gauge", title, description, asked, options=options, **given)


def bars(title: str, description: str, asked: Sequence[Asked], **given: Any) -> Panel:
    """Return a bar for each series."""
    options = {
        "displayMode": "basic",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
        "text": {"titleSize": NAME_SIZE, "valueSize": BAR_SIZE},
        "valueMode": "color",
    }
    return Panel("bargauge", title, description, asked, options=options, **given)


_GRAPH: Json = {
    "drawStyle": "line",
    "lineInterpolation": "linear",
    "lineWidth": 2,
    "fillOpacity": 0,
    "gradientMode": "none",
    "showPoints": "never",
    "pointSize": 5,
    "spanNulls": False,
    "axisPlacement": "auto",
    "axisLabel": "",
    "axisColorMode": "text",
    "axisWidth": AXIS,
    "axisCenteredZero": False,
    "scaleDistribution": {"type": "linear"},
    "stacking": {"group": "A", "mode": "none"},
    "thresholdsStyle": {"mode": "off"},
}
# Without a line: at zero a flow's line would border another one.
STACKED = {
    "stacking": {"group": "A", "mode": "normal"},
    "fillOpacity": 75,
    "lineWidth": 0,
    "axisSoftMin": 0,
}
BARS = {
    **STACKED,
    "drawStyle": "bars",
    "barAlignment": 1,  # a day's bar spans the day
    "barWidthFactor": 0.8,
    "fillOpacity": 85,
    "lineWidth": 0,
}


# Positive amounts that are drawn downwards: legend and tooltip have the amount, without a sign.
DOWNWARDS: Json = {"transform": "negative-Y"}


def graph(
    title: str,
    description: str,
    asked: Sequence[Asked],
    *,
    custom: Json | None = None,
    calcs: Sequence[str] = (),
    **given: Any,
) -> Panel:
    """Return a graph over time; `custom` is what differs from a plain line."""
    options = {
        "legend": {
            "showLegend": True,
            "displayMode": "table" if calcs else "list",
            "placement": "bottom",
            "calcs": [*calcs],
        },
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    given.setdefault("color", {"mode": "palette-classic"})
    unseen = [each.name for one in asked for each in getattr(one, "energies", ())]
    if unseen:
        look = Look(f"({'|'.join(unseen)})", unit=KWH, custom=UNSEEN)
        given["looks"] = (*given.get("looks", ()), look)
    made = {**_GRAPH, **(custom or {})}
    return Panel("timeseries", title, description, asked, custom=made, options=options, **given)


COLORED: Json = {"cellOptions": {"type": "color-text"}}  # a cell, by its thresholds or texts


def table(
    title: str, description: str, asked: Sequence[Asked], *, sort: tuple[str, bool], **given: Any
) -> Panel:
    """Return a table, sorted by a column, descending or not."""
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": []},
        "sortBy": [{"displayName": sort[0], "desc": sort[1]}],
    }
    return Panel("table", title, description, asked, options=options, **given)


def text(title: str, content: str) -> Panel:
    """Return a panel of Markdown."""
    options = {"mode": "markdown", "content": content}
    return Panel("text", title, "", (), options=options)
