"""The harness that draws dashboards: that it sees what a person would, of both kinds of database.

Rules: the dashboards are made for the purpose, a panel or two each; databases and browser are
started once for all tests.
"""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import TOP
from tests.support.rendered import END, Asked, Json, at, both_databases
from tests.tools.render.browser import BrowserError, Page, built

FOLDER = TOP / "tests/tools/render"


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


def test_a_number_beyond_its_panel_is_seen(influxdb: Asked) -> None:
    """Grafana does not shorten it, and the panel's edge cuts it off."""
    options = {"text": {"valueSize": 400}, "textMode": "value"}
    page = influxdb.render({"type": "stat", "options": options, "targets": [influxdb.power()]})
    assert page.panels[0].cut


def test_a_panel_shows_what_another_has_asked_for(asked: Asked) -> None:
    """By the data source "Dashboard": the database is asked once."""
    source = {"type": "datasource", "uid": "-- Dashboard --"}
    shown = {
        "type": "stat",
        "datasource": source,
        "targets": [{"refId": "A", "datasource": source, "panelId": 1}],
        "transformations": [
            {"id": "reduce", "options": {"mode": "reduceFields", "reducers": ["max"]}}
        ],
    }
    page = asked.render({"targets": [asked.power()]}, shown)
    first, second = page.panels
    assert sorted(second.series) == sorted(first.series) == ["boat", "home"]
    assert "1.5" in second.text or "1500" in second.text
    assert len(page.queries) == 1


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
