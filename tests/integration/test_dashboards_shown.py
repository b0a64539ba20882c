"""Each dashboard as a user sees it, in a real browser, with real databases.

Each is rendered with all rows open: no panel with an error, no empty panel without a reason, no cut
title or text, no duplicate series, no illegible letters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support import household_filled
from tests.support.grafana import load
from tests.support.household_filled import Filled
from tests.support.household_stored import Density
from tests.support.rendered import END, Asked, Json, at, both_databases
from tests.tools.dashboards import KINDS, NAMES, faults, opened, rendered
from tests.tools.render.browser import Browser, Page

pytestmark = pytest.mark.xdist_group("browser")

FEW = Density(seconds=60, every=60)  # one value every so many s is enough for a picture
DATABASES = [*KINDS]
NONE = "none"  # a measurement without values
DOES = ["Charging", "Discharging", "Idle", "Full in", "Empty in"]
# Measurements with the power (W) for ten minutes and then the latest, and what is shown of it.
BATTERIES: dict[str, tuple[int, int, list[str], str]] = {
    "charges": (1500, 1500, ["Charging", "Full in"], r"1\.5\d*\s*kW"),
    "discharges": (-1500, -1500, ["Discharging", "Empty in"], r"1\.5\d*\s*kW"),
    "rests": (0, 20, ["Idle"], r"20\s*W"),
    "charges_little": (30, 30, ["Charging"], r"30\s*W"),  # too little for a time
    "turned": (1500, -40, ["Discharging"], r"40\s*W"),  # no time of the other direction
    NONE: (0, 0, [], "no value for ten minutes"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    with Browser() as made:
        yield made


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Filled]]:
    """Databases with a house, with the nine values of a house alone, and with two sites."""
    with ExitStack() as stack:
        made = {
            "house": household_filled.house,
            "nine": household_filled.nine,
            "two_sites": household_filled.two_sites,
        }
        yield {
            name: stack.enter_context(fill(tmp_path_factory.mktemp(name), days=1.1, density=FEW))
            for name, fill in made.items()
        }


@pytest.fixture(scope="module")
def batteries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asked]]:
    """Both databases, with the measurements of BATTERIES."""
    lines = "\n".join(
        f"{name} Power={latest if age == 1 else before},Soc=50 {(END - age) * 10**9}"
        for name, (before, latest, *_) in BATTERIES.items()
        for age in range(1, 600, 10)
        if name != NONE
    )
    with both_databases(tmp_path_factory.mktemp("batteries"), lines) as both:
        yield both


def _panels(database: str, name: str) -> list[str]:
    dashboard = opened(load(name, KINDS[database]))
    return [each["title"] for each in dashboard["panels"] if each["type"] != "row"]


def _seen(page: Page, database: str, name: str) -> list[str]:
    assert {panel.title for panel in page.panels} == {*_panels(database, name)}
    return [*faults(page)]


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", NAMES)
def test_a_house_is_shown(
    browser: Browser, houses: dict[str, Filled], name: str, database: str
) -> None:
    """With all presets nothing is missing, in a window of 800 px."""
    page = rendered(browser, houses["house"], database, name, theme="light", width=800)
    assert _seen(page, database, name) == []
    assert not [panel.title for panel in page.panels if panel.empty]


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", NAMES)
def test_two_sites_are_distinguished(
    browser: Browser, houses: dict[str, Filled], name: str, database: str
) -> None:
    """The dashboard shows one of them, without the other's series; the table has both."""
    chosen = {"site": "home"}
    page = rendered(browser, houses["two_sites"], database, name, width=1600, variables=chosen)
    assert _seen(page, database, name) == []
    if name == "overview":
        text = page.panel("Houses and devices").text
        assert "home" in text
        assert "boat" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_house_with_the_nine_alone_is_shown(
    browser: Browser, houses: dict[str, Filled], name: str
) -> None:
    """Panels without values name the preset that adds them; on a telephone too."""
    page = rendered(browser, houses["nine"], "influxdb", name, width=400)
    assert _seen(page, "influxdb", name) == []
    if name == "solar":
        assert all(panel.empty for panel in page.panels)
    elif name == "overview":
        shown = {panel.title for panel in page.panels if not panel.empty}
        assert {"State of charge", "Battery", "Power now"} <= shown


def test_a_panel_without_values_needs_a_reason(browser: Browser, houses: dict[str, Filled]) -> None:
    """Proves that the tests above can fail: another measurement has no values."""
    page = rendered(
        browser, houses["nine"], "influxdb", "battery", variables={"measurement": "other"}
    )
    assert [each for each in faults(page, ()) if "no value" in each]


@pytest.mark.parametrize("database", DATABASES)
def test_the_battery_is_described_by_what_it_does(
    batteries: dict[str, Asked], database: str
) -> None:
    """Names of what it does not are absent, and so are times that do not apply."""
    asked = batteries[database]
    dashboard = load("overview", KINDS[database])
    (panel,) = (each for each in dashboard["panels"] if each["title"] == "Battery")
    panels = [
        {
            **_of(panel, measurement),
            "id": number,
            "title": measurement,
            "gridPos": at(8 * number, 8),
        }
        for number, measurement in enumerate(BATTERIES)
    ]
    page = asked.browser.render(
        {**dashboard, "panels": panels},
        asked.source,
        variables={"measurement": NONE, "site": "", "portal": ""},  # no site is stored there
        time=(None, END * 1000),
    )
    assert page.problems == []
    for measurement, (*_, names, value) in BATTERIES.items():
        text = page.panel(measurement).text
        assert [name for name in DOES if re.search(name, text)] == names, measurement
        assert re.search(value, text), measurement


def _of(panel: Json, measurement: str) -> Json:
    """Return the panel with this measurement, and its fields, in place of the variables."""
    text = json.dumps(panel["targets"])
    for role, field in (("power", "Power"), ("soc", "Soc")):
        series = f"{measurement}_{field}" if measurement != NONE else ""
        text = text.replace(f"${{{role}:raw}}", field).replace(f"${{{role}}}", series)
    return {**panel, "targets": json.loads(text.replace("${measurement:raw}", measurement))}
