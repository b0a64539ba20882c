"""The harness that renders dashboards: its reports, with both kinds of database.

Rules: the dashboards are made for the tests, with one or two panels each; databases and browser are
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
    """For tests that do not depend on the kind of database."""
    return both["influxdb"]


def size(page: Page) -> tuple[int, int]:
    """Return the width and height of a picture, from its PNG header."""
    assert page.png.startswith(b"\x89PNG")
    return struct.unpack(">II", page.png[16:24])


def test_a_panel_with_values_has_no_fault(asked: Asked) -> None:
    """Its series have the names of its legend."""
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


def test_an_error_is_reported(asked: Asked) -> None:
    """With the database's text, and the other panel is drawn."""
    page = asked.render({"targets": [asked.target("count(")]}, {"targets": [asked.power()]})
    assert page.panel("Panel 1").error
    assert page.panel("Panel 2").error is None


def test_an_empty_panel_is_reported(asked: Asked) -> None:
    """Without an error, with the default text or its own."""
    targets = [asked.power("nowhere")]
    page = asked.render(
        {"targets": targets},
        {"targets": targets, "type": "stat", "fieldConfig": no_value("no sun here")},
    )
    assert [(panel.error, panel.empty) for panel in page.panels] == [(None, True)] * 2
    assert "No data" in page.panel("Panel 1").text
    assert "no sun here" in page.panel("Panel 2").text


def no_value(text: str, **more: Any) -> Json:
    return {"defaults": {"noValue": text, **more}, "overrides": []}


def test_a_cut_title_is_reported(influxdb: Asked) -> None:
    """If the panel is too narrow, and not if it is wide enough."""
    panel = {
        "title": "Power of the battery",
        "gridPos": {"x": 0, "y": 0, "w": 4, "h": 4},
        "targets": [influxdb.power()],
    }
    cut = {width: influxdb.one(panel, width=width).title_cut for width in (1600, 800)}
    assert cut == {1600: False, 800: True}


def test_text_that_does_not_fit_is_reported(influxdb: Asked) -> None:
    """A name wider than its column, and a text longer than its panel."""
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


def test_a_number_beyond_its_panel_is_reported(influxdb: Asked) -> None:
    """Grafana does not shorten it, and it is cut off at the panel's edge."""
    options = {"text": {"valueSize": 400}, "textMode": "value"}
    page = influxdb.render({"type": "stat", "options": options, "targets": [influxdb.power()]})
    assert page.panels[0].cut


def test_a_panel_shows_another_panels_data(asked: Asked) -> None:
    """By the data source "Dashboard": there is one query to the database."""
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


def test_illegibly_small_letters_are_reported(influxdb: Asked) -> None:
    """Names of many values in one small panel shrink until they fit."""
    targets = [influxdb.power("home", ref_id=each, name=f"Power of {each}") for each in "ABCDEFGH"]
    panel = {"type": "stat", "targets": targets, "options": {"orientation": "vertical"}}
    sizes = [
        influxdb.one({**panel, "gridPos": {"x": 0, "y": 0, "w": width, "h": 4}}).smallest
        for width in (4, 24)
    ]
    assert sizes[0] < 8 < sizes[1]


def test_a_duplicate_series_is_reported(asked: Asked) -> None:
    """By its name."""
    targets = [
        asked.power("home"),
        asked.power("home", ref_id="B"),
        asked.power("boat", ref_id="C"),
    ]
    assert asked.one({"targets": targets}).double == ["home"]


def test_a_page_that_is_too_wide_is_reported(influxdb: Asked) -> None:
    """On a telephone it could be scrolled sideways."""
    links = [{"type": "link", "title": "A long way to go " * 5}]
    narrow, wide = (influxdb.render({}, links=links, width=width) for width in (400, 1600))
    assert (narrow.overflow, wide.overflow) == (True, False)


def test_a_panel_of_an_unknown_type_is_an_error(influxdb: Asked) -> None:
    """Grafana has more types than this harness."""
    assert influxdb.one({"type": "heatmap", "targets": [influxdb.power()]}).error


def test_a_page_that_fails_is_an_error_with_the_cause(influxdb: Asked) -> None:
    """Without waiting for the timeout."""
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
    """It prints a line of JSON for each panel; a panel's error makes it exit 1."""
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


def test_packages_are_pinned_without_the_address_of_a_registry() -> None:
    """So that any registry can be used."""
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert not any("resolved" in each for each in locked.values())


def test_the_page_is_built_once() -> None:
    """And two builds at the same time do not disturb each other."""
    made = [
        subprocess.Popen([FOLDER / "build"], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert {each.communicate()[0].strip() for each in made} == {str(built())}
    assert [each.returncode for each in made] == [0, 0]
