"""The harness's panels: each kind of panel, with variables, repeats and times as in Grafana.

Rules: the dashboards are made for the tests, with one or two panels each; databases and browser are
started once for all tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.rendered import END, Asked, Json, at, both_databases


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asked]]:
    """Both databases, and one browser."""
    with both_databases(tmp_path_factory.mktemp("render")) as both:
        yield both


@pytest.fixture(params=["influxdb", "victoriametrics"])
def asked(both: dict[str, Asked], request: pytest.FixtureRequest) -> Asked:
    """Each of them."""
    return both[request.param]


@pytest.fixture
def influxdb(both: dict[str, Asked]) -> Asked:
    """For tests that do not depend on the kind of database."""
    return both["influxdb"]


@pytest.mark.parametrize("kind", ["stat", "gauge", "bargauge"])
def test_a_reduced_value_has_its_unit(asked: Asked, kind: str) -> None:
    """By Grafana's rules: a thousand watts are a kilowatt."""
    shown = asked.one(
        {
            "type": kind,
            "targets": [asked.power("home")],
            "fieldConfig": {"defaults": {"unit": "watt", "decimals": 1}, "overrides": []},
        }
    )
    assert re.search(r"1\.5\s*kW", shown.text)


def test_a_value_is_shown_as_a_text(asked: Asked) -> None:
    """By a mapping, also one of a single series."""
    words = [{"type": "range", "options": {"from": 0, "to": 1e6, "result": {"text": "charging"}}}]
    mapped = {"id": "mappings", "value": words}
    by_name = {"matcher": {"id": "byName", "options": "home"}, "properties": [mapped]}
    shown = asked.one(
        {
            "type": "stat",
            "targets": [asked.power()],
            "fieldConfig": {"defaults": {"unit": "watt"}, "overrides": [by_name]},
        }
    )
    assert "charging" in shown.text
    assert re.search(r"-50\s*W", shown.text)


def test_a_table_below_the_window_shows_its_rows(asked: Asked) -> None:
    """After Grafana's transformations."""
    shown = asked.one(
        {
            "type": "table",
            "gridPos": {"x": 0, "y": 40, "w": 24, "h": 8},
            "targets": [asked.power()],
            "transformations": [{"id": "reduce", "options": {"reducers": ["max", "mean"]}}],
        }
    )
    assert shown.series == ["Field", "Max", "Mean"]
    assert {"home", "1500", "boat", "-50"} <= {*shown.text.split()}


def test_a_table_of_the_last_values_has_a_row_for_each_series(asked: Asked) -> None:
    """According to resultFormat or format."""
    how = {"resultFormat": "table"} if asked.of_influxdb else {"format": "table"}
    shown = asked.one({"type": "table", "targets": [{**asked.power(last=True), **how}]})
    assert "site" in shown.series
    assert {"home", "boat"} <= {*shown.text.split()}


def test_a_text_is_markdown(influxdb: Asked) -> None:
    """With variables filled in; it has no query, and does not count as empty."""
    given = [{"name": "who", "type": "constant", "query": "you"}]
    content = {"mode": "markdown", "content": "# For\n**$who**"}
    shown = influxdb.one({"type": "text", "options": content}, given=given)
    assert shown.text.split() == ["Panel", "1", "For", "you"]
    assert not shown.empty


def sites(asked: Asked) -> Json:
    """Return a variable with the sites as choices."""
    query = "label_values(dc_Power, site)"
    if asked.of_influxdb:
        query = 'SHOW TAG VALUES FROM "dc" WITH KEY = "site"'
    several = {"multi": True, "includeAll": True}
    kind = {"type": "influxdb" if asked.of_influxdb else "prometheus"}
    return {"name": "site", "type": "query", "query": query, "datasource": kind, **several}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({}, ["boat", "home"]),
        ({"site": ["home"]}, ["home"]),
        ({"site": "$__all"}, ["boat", "home"]),
    ],
)
def test_a_variable_has_the_databases_values_as_choices(
    asked: Asked, values: Json, shown: list[str]
) -> None:
    """All of them unless one is selected."""
    panel = {"targets": [asked.power("$site")]}
    assert sorted(asked.one(panel, given=[sites(asked)], variables=values).series) == shown


def test_a_panel_is_repeated_for_each_value(asked: Asked) -> None:
    """Side by side, and panels below move down no further than necessary."""
    panels = (
        {"title": "Of $site", "repeat": "site", "targets": [asked.power("$site")]},
        {"title": "Below"},
    )
    page = asked.render(*panels, given=[sites(asked)])
    assert {panel.title: panel.series for panel in page.panels[:2]} == {
        "Of boat": ["boat"],
        "Of home": ["home"],
    }
    boat, home, below = (panel.box for panel in page.panels)
    assert boat[0] < home[0]
    assert boat[1] == home[1] < below[1]


def test_a_row_is_repeated_with_its_panels(asked: Asked) -> None:
    """One below the other, and a collapsed row shows none of its panels."""
    page = asked.render(
        {"type": "row", "title": "$site", "repeat": "site", "gridPos": at(0, 1)},
        {"title": "Of $site", "targets": [asked.power("$site")], "gridPos": at(1, 4)},
        {
            "type": "row",
            "title": "More",
            "collapsed": True,
            "gridPos": at(5, 1),
            "panels": [{"id": 9, "type": "text", "title": "Inside", "gridPos": at(6, 4)}],
        },
        given=[sites(asked)],
    )
    assert {panel.title: panel.series for panel in page.panels} == {
        "Of boat": ["boat"],
        "Of home": ["home"],
    }
    boat, home = (panel.box[1] for panel in page.panels)
    assert boat < home


def test_a_small_screen_has_one_column(influxdb: Asked) -> None:
    """If the panels have less than 768 px, as in Grafana: there are 16 px on either side."""
    panels = [
        {"targets": [influxdb.power()], "gridPos": {"x": x, "y": 0, "w": 12, "h": 4}}
        for x in (0, 12)
    ]
    for width, columns in ((800, 2), (799, 1), (400, 1)):
        page = influxdb.render(*panels, width=width)
        assert len({panel.box[0] for panel in page.panels}) == columns, width


def test_a_panel_can_have_a_separate_time_range(influxdb: Asked) -> None:
    """It ends at the end of the dashboard's range."""
    page = influxdb.render({"timeFrom": "2h", "targets": [influxdb.power()]})
    (query,) = page.queries
    start, end = map(int, re.findall(r"(\d+)ms", query))
    assert (start, end) == ((END - 2 * 3600) * 1000, END * 1000)
    assert "Last 2 hours" in page.panels[0].text


@pytest.mark.parametrize(("zone", "last"), [("UTC", "13:00"), ("America/New_York", "09:00")])
def test_times_are_those_of_the_browsers_zone(influxdb: Asked, zone: str, last: str) -> None:
    """The local time of the user."""
    target = {**influxdb.power("home"), "resultFormat": "table"}
    how = {"interval": "30m", "options": {"footer": {"show": True, "reducer": ["sum"]}}}
    shown = influxdb.one({"type": "table", "targets": [target], **how}, zone=zone)
    assert f"{last}:00" in shown.text
    assert "TOTAL" in shown.text


def test_the_interval_follows_the_width(influxdb: Asked) -> None:
    """And is rounded by Grafana's rules: on a telephone an hour has steps of 10 s."""
    page = influxdb.render({"targets": [influxdb.power()]}, width=400)
    assert "GROUP BY time(10s)" in page.queries[0]
