"""The harness that draws dashboards: that it sees what a person would, of both kinds of database.

Rules: the dashboards are made for the purpose, a panel or two each; databases and browser are
started once for all tests.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.tools.render.browser import Browser, BrowserError, Page, built

END = 1_790_000_000  # s
MINUTES = 60
POWER = {"home": 1500.0, "boat": -50.0}  # W
FOLDER = TOP / "tests/tools/render"
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A database with an hour of power at two sites, and how it is asked for that."""

    source: tuple[str, ...]
    browser: Browser

    @property
    def of_influxdb(self) -> bool:
        """Which of the two it is."""
        return self.source[0] == "influxdb"

    def power(
        self, site: str = ".*", *, ref_id: str = "A", name: str = "", last: bool = False
    ) -> Json:
        """Return a target: the power of sites, named by their site unless there is a name."""
        if self.of_influxdb:
            what = "last" if last else "mean"
            by = '"site"' if last else 'time($__interval), "site" fill(none)'
            text = f'SELECT {what}("Power") FROM "dc" WHERE "site" =~ /^{site}$/ AND $timeFilter'
            return self.target(f"{text} GROUP BY {by}", name or "$tag_site", ref_id)
        expr = f'dc_Power{{site=~"{site}"}}'
        return {**self.target(expr, name or "{{site}}", ref_id), "instant": last, "range": not last}

    def target(self, text: str, name: str = "", ref_id: str = "A") -> Json:
        """Return a target of a text."""
        if self.of_influxdb:
            return {"refId": ref_id, "rawQuery": True, "query": text, "alias": name}
        return {"refId": ref_id, "expr": text, "legendFormat": name}

    def render(self, *panels: Json, **how: Any) -> Page:
        """Render panels, each below the one before unless they say where."""
        dashboard = {
            "title": "Test",
            "uid": "test",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": how.pop("given", [])},
            "links": how.pop("links", []),
            "panels": [
                {
                    "id": number,
                    "type": "timeseries",
                    "title": f"Panel {number}",
                    "datasource": {"type": "influxdb" if self.of_influxdb else "prometheus"},
                    "gridPos": {"x": 0, "y": 4 * number, "w": 24, "h": 4},
                    **panel,
                }
                for number, panel in enumerate(panels, 1)
            ],
        }
        how.setdefault("time", (None, END * 1000))
        return self.browser.render(dashboard, self.source, **how)

    def one(self, panel: Json, **how: Any) -> Any:
        """Render one panel and return its report."""
        page = self.render(panel, **how)
        assert page.problems == []
        (shown,) = page.panels
        return shown


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asked]]:
    """Both databases, and one browser."""
    folder = tmp_path_factory.mktemp("render")
    lines = "\n".join(
        f"dc,site={site} Power={power},Soc={50 + minute / 2} {(END - minute * 60) * 10**9}"
        for minute in range(MINUTES)
        for site, power in POWER.items()
    )
    with (
        InfluxDB(folder / "influxdb") as influxdb,
        VictoriaMetrics(folder / "victoria") as victoria,
        Browser() as browser,
    ):
        influxdb.query("CREATE DATABASE battery")
        influxdb.write(lines, "battery")
        victoria.write(lines, "battery")
        victoria.flush()
        yield {
            "influxdb": Asked(("influxdb", influxdb.url, "battery", "", ""), browser),
            "victoriametrics": Asked(("victoriametrics", victoria.url), browser),
        }


@pytest.fixture(params=["influxdb", "victoriametrics"])
def asked(both: dict[str, Asked], request: pytest.FixtureRequest) -> Asked:
    """Each of them."""
    return both[request.param]


@pytest.fixture
def influxdb(both: dict[str, Asked]) -> Asked:
    """Where the kind of database makes no difference."""
    return both["influxdb"]


def size(page: Page) -> tuple[int, int]:
    """Return the width and height of a picture, as PNG has them."""
    assert page.png.startswith(b"\x89PNG")
    return struct.unpack(">II", page.png[16:24])


def test_a_panel_with_values_has_nothing_wrong(asked: Asked) -> None:
    """Its series are told by the names that its legend has."""
    page = asked.render({"targets": [asked.power()]}, width=800)
    (panel,) = page.panels
    assert (panel.title, panel.title_cut, panel.error, panel.empty) == (
        "Panel 1",
        False,
        None,
        False,
    )
    assert sorted(panel.series) == ["boat", "home"]
    assert panel.double == []
    assert "home" in panel.text
    assert size(page) == (800, page.height)
    assert not page.overflow
    assert page.problems == []


def test_an_error_is_seen(asked: Asked) -> None:
    """In the words of the database, and the panel beside it stands."""
    page = asked.render({"targets": [asked.target("count(")]}, {"targets": [asked.power()]})
    assert page.panel("Panel 1").error
    assert page.panel("Panel 2").error is None


def test_an_empty_panel_is_seen(asked: Asked) -> None:
    """As one without an error that says so, or what it was told to say."""
    targets = [asked.power("nowhere")]
    page = asked.render(
        {"targets": targets},
        {"targets": targets, "type": "stat", "fieldConfig": said("no sun here")},
    )
    assert [(panel.error, panel.empty) for panel in page.panels] == [(None, True)] * 2
    assert "No data" in page.panel("Panel 1").text
    assert "no sun here" in page.panel("Panel 2").text


def said(text: str, **more: Any) -> Json:
    return {"defaults": {"noValue": text, **more}, "overrides": []}


def test_a_cut_title_is_seen(influxdb: Asked) -> None:
    """Where it is too narrow for it, and not where it is wide enough."""
    panel = {
        "title": "Power of the battery",
        "gridPos": {"x": 0, "y": 0, "w": 4, "h": 4},
        "targets": [influxdb.power()],
    }
    cut = {width: influxdb.one(panel, width=width).title_cut for width in (1600, 800)}
    assert cut == {1600: False, 800: True}


def test_what_does_not_fit_is_seen(influxdb: Asked) -> None:
    """A name that is wider than its column, and a text that is longer than its panel."""
    long = influxdb.power("home", name="a long name for a series " * 4)
    table = {
        "type": "table",
        "gridPos": at(0, 8),
        "targets": [long],
        "transformations": [{"id": "reduce", "options": {"reducers": ["max"]}}],
    }
    text = {"type": "text", "options": {"content": "One.\n\n" * 20}, "gridPos": at(8, 4)}
    page = influxdb.render(table, text, width=400)
    assert any("a long name" in each for each in page.panel("Panel 1").cut)
    assert page.panel("Panel 2").scrolls
    fitting = influxdb.one({"type": "text", "options": {"content": "One."}})
    assert (fitting.cut, fitting.scrolls) == ([], False)


def test_letters_too_small_to_read_are_seen(influxdb: Asked) -> None:
    """Names of many values in one small panel shrink until they fit."""
    targets = [influxdb.power("home", ref_id=each, name=f"Power of {each}") for each in "ABCDEFGH"]
    panel = {"type": "stat", "targets": targets, "options": {"orientation": "vertical"}}
    sizes = [
        influxdb.one({**panel, "gridPos": {"x": 0, "y": 0, "w": width, "h": 4}}).smallest
        for width in (4, 24)
    ]
    assert sizes[0] < 8 < sizes[1]


def test_a_double_series_is_seen(asked: Asked) -> None:
    """By the name that is shown twice."""
    targets = [
        asked.power("home"),
        asked.power("home", ref_id="B"),
        asked.power("boat", ref_id="C"),
    ]
    assert asked.one({"targets": targets}).double == ["home"]


def test_a_page_that_is_too_wide_is_seen(influxdb: Asked) -> None:
    """A telephone would let one push it aside."""
    links = [{"type": "link", "title": "A long way to go " * 5}]
    narrow, wide = (influxdb.render({}, links=links, width=width) for width in (400, 1600))
    assert (narrow.overflow, wide.overflow) == (True, False)


def test_a_panel_of_an_unknown_type_is_an_error(influxdb: Asked) -> None:
    """Grafana has many more than are drawn here."""
    assert influxdb.one({"type": "heatmap", "targets": [influxdb.power()]}).error


def test_a_page_that_fails_says_why(influxdb: Asked) -> None:
    """Rather than to be waited for."""
    with pytest.raises(BrowserError, match="adhoc"):
        influxdb.render({}, given=[{"name": "x", "type": "adhoc"}])


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


def test_a_value_is_put_in_words(asked: Asked) -> None:
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


def test_a_table_shows_its_rows_also_below_the_window(asked: Asked) -> None:
    """After transformations, which are Grafana's own."""
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
    """As resultFormat or format ask for it."""
    how = {"resultFormat": "table"} if asked.of_influxdb else {"format": "table"}
    shown = asked.one({"type": "table", "targets": [{**asked.power(last=True), **how}]})
    assert "site" in shown.series
    assert {"home", "boat"} <= {*shown.text.split()}


def test_a_text_is_markdown(influxdb: Asked) -> None:
    """With variables filled in; it asks nothing, and is not empty for that."""
    given = [{"name": "who", "type": "constant", "query": "you"}]
    content = {"mode": "markdown", "content": "# For\n**$who**"}
    shown = influxdb.one({"type": "text", "options": content}, given=given)
    assert shown.text.split() == ["Panel", "1", "For", "you"]
    assert not shown.empty


def sites(asked: Asked) -> Json:
    """Return a variable that offers the sites."""
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
def test_a_variable_offers_what_the_database_has(
    asked: Asked, values: Json, shown: list[str]
) -> None:
    """All of it unless something is chosen."""
    panel = {"targets": [asked.power("$site")]}
    assert sorted(asked.one(panel, given=[sites(asked)], variables=values).series) == shown


def test_a_panel_is_repeated_for_each_value(asked: Asked) -> None:
    """Side by side, and what is below moves down no further than it must."""
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
    """One below the other, and a collapsed row shows none of its own."""
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


def at(y: int, height: int) -> Json:
    return {"x": 0, "y": y, "w": 24, "h": height}


def test_a_small_screen_has_one_column(influxdb: Asked) -> None:
    """When the panels have less than 768 px, as Grafana does: beside them there are 16 each."""
    panels = [
        {"targets": [influxdb.power()], "gridPos": {"x": x, "y": 0, "w": 12, "h": 4}}
        for x in (0, 12)
    ]
    for width, columns in ((800, 2), (799, 1), (400, 1)):
        page = influxdb.render(*panels, width=width)
        assert len({panel.box[0] for panel in page.panels}) == columns, width


def test_a_panel_has_a_time_of_its_own(influxdb: Asked) -> None:
    """That ends when the dashboard's does."""
    page = influxdb.render({"timeFrom": "2h", "targets": [influxdb.power()]})
    (query,) = page.queries
    start, end = map(int, re.findall(r"(\d+)ms", query))
    assert (start, end) == ((END - 2 * 3600) * 1000, END * 1000)
    assert "Last 2 hours" in page.panels[0].text


@pytest.mark.parametrize(("zone", "last"), [("UTC", "13:00"), ("America/New_York", "09:00")])
def test_times_are_those_of_the_browsers_zone(influxdb: Asked, zone: str, last: str) -> None:
    """As they are where the owner is."""
    target = {**influxdb.power("home"), "resultFormat": "table"}
    how = {"interval": "30m", "options": {"footer": {"show": True, "reducer": ["sum"]}}}
    shown = influxdb.one({"type": "table", "targets": [target], **how}, zone=zone)
    assert f"{last}:00" in shown.text
    assert "TOTAL" in shown.text


def test_the_interval_follows_the_width(influxdb: Asked) -> None:
    """And is rounded by Grafana's rules: an hour on a telephone is drawn in steps of 10 s."""
    page = influxdb.render({"targets": [influxdb.power()]}, width=400)
    assert "GROUP BY time(10s)" in page.queries[0]


def test_themes_and_scales_differ(influxdb: Asked) -> None:
    """In the picture alone."""
    panel = {"targets": [influxdb.power()]}
    dark, light = (influxdb.render(panel, theme=theme) for theme in ("dark", "light"))
    assert dark.png != light.png
    assert dark.panels == light.panels
    large = influxdb.render(panel, scale=2)
    assert size(large) == tuple(2 * each for each in size(dark))


def test_the_command_writes_a_picture(influxdb: Asked, tmp_path: Path) -> None:
    """And prints a line of JSON for each panel; an error makes it fail."""
    panel = {"id": 1, "type": "timeseries", "title": "Power", "gridPos": at(0, 4)}
    for target, status in ((influxdb.power(), 0), (influxdb.target("count("), 1)):
        file = tmp_path / "dashboard.json"
        file.write_text(json.dumps({"title": "T", "panels": [{**panel, "targets": [target]}]}))
        done = subprocess.run(
            [
                *("/usr/bin/python3", "-B", "-m", "tests.tools.render", file),
                *("--influxdb", influxdb.source[1], "--out", tmp_path / "x.png"),
                *("--time", str((END - 3600) * 1000), str(END * 1000), "--width", "800"),
            ],
            cwd=TOP,
            stdout=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == status
        assert json.loads(done.stdout.splitlines()[0])["title"] == "Power"
        assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_packages_are_pinned_without_where_they_come_from() -> None:
    """So that every registry will do."""
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert not any("resolved" in each for each in locked.values())


def test_the_page_is_built_once() -> None:
    """And two at a time do not get into each other's way."""
    made = [
        subprocess.Popen([FOLDER / "build"], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert {each.communicate()[0].strip() for each in made} == {str(built())}
    assert [each.returncode for each in made] == [0, 0]
