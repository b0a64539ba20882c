"""Every query of the dashboards, asked as Grafana asks it, of databases full of houses.

Rules: what there is to read is made once for each kind of house, by
tests/support/household_filled.py; the tests only read. A series that is there twice fails each of
them (tests/support/grafana.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bat2influx.venus.presets import PRESETS
from dashboards.variables import ROLES
from tests.support import household_filled
from tests.support.grafana import DASHBOARDS, INFLUXDB, Json, Shown, View, fields, load, targets
from tests.support.grafana_asked import KINDS, Asked
from tests.support.household_filled import Filled
from tests.support.household_stored import NINE
from tests.support.household_weather import DAY, HOUR, MINUTE

DEVICES = 12  # of the fleet
ALL = [(name, kind) for kind in KINDS for name in DASHBOARDS]
# What has a value at times alone: charging or discharging, from or to the mains.
BY_DIRECTION = {"Charging", "Discharging", "Idle", "Full in", "Empty in", "From mains", "To mains"}
EDGES = 0.25  # kWh: a minute more or less at each end, with all that the house can take
OF_A_FLEET = {"devices", "devices_silent"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A house of three phases with all presets."""
    with household_filled.house(tmp_path_factory.mktemp("house"), days=2.5) as made:
        yield made


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A house of which the nine values are stored."""
    with household_filled.nine(tmp_path_factory.mktemp("nine"), days=1.5) as made:
        yield made


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A house and a boat."""
    with household_filled.two_sites(tmp_path_factory.mktemp("sites"), days=1.5) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Devices behind one broker."""
    directory = tmp_path_factory.mktemp("fleet")
    with household_filled.fleet(directory, devices=DEVICES, days=0.5) as made:
        yield made


def _panel(view: View, title: str) -> tuple[Json, list[Json]]:
    """Return the panel with a title, and its queries."""
    found = [
        (panel, target) for panel, target in targets(view.dashboard) if panel["title"] == title
    ]
    assert found, title
    return found[0][0], [target for _, target in found]


def _all_shown(asked: Asked, view: View, title: str) -> Shown:
    """Return what a panel shows, of all its queries."""
    panel, queries = _panel(view, title)
    made: Shown = {}
    for target in queries:
        more = asked.shown(view, panel, target)
        assert not made.keys() & more.keys(), "a series is there twice"
        made |= more
    return made


def _stored(filled: Filled, target: Json, view: View) -> bool:
    """Tell whether something of what a query reads is in the database."""
    there = set().union(*(each.fields for each in filled.houses))
    there &= set().union(
        *(
            each.values(at)
            for each in filled.houses
            for at in (filled.end - 1, filled.end - DAY // 2)
        )
    )
    own = household_filled.OWN_FIELDS - OF_A_FLEET
    read = {
        view.values[each[1:]].removeprefix("dc_") if each.startswith("$") else each
        for each in fields(target)
    }
    return bool(read & (there | own))


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_a_query_finds_what_is_stored(house: Filled, name: str, kind: str) -> None:
    """And nothing else; by direction it may be either. Kept energies begin with a whole hour."""
    asked = Asked(house, kind)
    view = asked.view(name, DAY)
    empty = 0
    for panel, target in targets(view.dashboard):
        shown = asked.shown(view, panel, target)
        names = {each.strip() for each in shown}
        if panel["type"] == "stat" and names <= BY_DIRECTION:
            continue
        if _stored(house, target, view):
            assert all(shown.values()), (panel["title"], target)
            assert shown, (panel["title"], view.query(panel, target))
        else:
            assert not any(shown.values()), (panel["title"], shown)
            empty += 1
    assert empty < sum(1 for _ in targets(view.dashboard)) / 2


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_who_stores_the_nine_alone_has_a_picture(nine: Filled, name: str, kind: str) -> None:
    """Without an error; in `overview` all of it but what the house takes, and the sun."""
    asked = Asked(nine, kind)
    view = asked.view(name, DAY)
    without = set()
    for panel, target in targets(view.dashboard):
        if not any(asked.shown(view, panel, target).values()):
            without.add(panel["title"])
    if name == "overview":
        for title in ("State of charge", "Battery", "Power now", "Energy: mains and sun"):
            assert _all_shown(asked, view, title)
    assert {"Real and apparent power", "Frequency", "Voltage of the mains"}.isdisjoint(without)


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_is_the_first_field_that_is_stored(house: Filled, nine: Filled, kind: str) -> None:
    """Of those that mean the same."""
    presets = {each.name for preset in PRESETS.values() for each in preset}
    for filled, there in ((house, NINE | presets), (nine, NINE)):
        view = Asked(filled, kind).view("overview", HOUR)
        stored = there & {name for each in filled.houses for name in each.values(filled.end)}
        for role, (_, _, names) in ROLES.items():
            wanted = next((each for each in names if each in stored), "")
            assert view.values[role].removeprefix("dc_") == wanted, role


def _powers(filled: Filled, name: str, start: float, end: float) -> list[float]:
    """Return a power of the house in each minute, in W."""
    (house,) = filled.houses
    moments = range(round(start) + MINUTE // 2, round(end), MINUTE)
    return [house.values(at).get(name, 0.0) for at in moments]


def _kwh(watts: list[float], sign: int) -> float:
    return sum(max(sign * each, 0.0) for each in watts) / 60_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", ['"-",', '"minutes".'])
def test_energies_of_a_day_are_those_of_the_house(house: Filled, kind: str, values: str) -> None:
    """The sums of what is shown, by each choice of values."""
    asked = Asked(house, kind)
    view = asked.view("overview", DAY // 2, **({"from": values} if kind == INFLUXDB else {}))
    until = house.end - (2 * HOUR if "minutes" in values else 0)  # they are made each half hour
    view = View(view.dashboard, view.start, until * 1000, view.values)
    sold = {"Bought": ("GridPower", 1), "Sold": ("GridPower", -1)}
    charged = {"Charged": ("SystemBatteryPower", 1), "Discharged": ("SystemBatteryPower", -1)}
    for title, wanted in (
        ("Energy: mains and sun", {**sold, "Sun": ("SystemSolarPower", 1)}),
        ("Energy: battery and house", charged),
    ):
        shown = {name.strip(): each for name, each in _all_shown(asked, view, title).items()}
        for name, (power, sign) in wanted.items():
            kwh = _kwh(_powers(house, power, view.start / 1000, until), sign)
            assert sum(value for _, value in shown[name]) == pytest.approx(kwh, rel=0.04, abs=EDGES)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_day_begins_where_the_viewer_is(house: Filled, kind: str, zone: str) -> None:
    """Its energies are those from midnight to midnight there, and today's those until now."""
    asked = Asked(house, kind)
    view = asked.view("energy", 2 * DAY, zone=zone)
    today = datetime.fromtimestamp(house.end, ZoneInfo(zone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    start, end = ((today - timedelta(days=n)).astimezone(UTC).timestamp() for n in (1, 0))
    shown = dict(_all_shown(asked, view, "Mains by days")["Bought "])
    assert [at for at, _ in pairwise([*shown, 0])] == [*shown]
    assert {start * 1000, end * 1000} <= {*shown}
    kwh = _kwh(_powers(house, "GridPower", start, end), 1)
    assert shown[int(start * 1000)] == pytest.approx(kwh, rel=0.05, abs=EDGES)


@pytest.mark.parametrize("kind", KINDS)
def test_both_halves_of_the_day_are_in_balance(house: Filled, kind: str) -> None:
    """What is above zero is as much as what is below, but for what converting loses."""
    asked = Asked(house, kind)
    shown = _all_shown(
        asked, asked.view("overview", DAY // 2), "Where power comes from and goes to"
    )
    above = sum(value for each in shown.values() for _, value in each if value > 0)
    below = -sum(value for each in shown.values() for _, value in each if value < 0)
    assert 0.85 < below / above < 1.05


@pytest.mark.parametrize("kind", KINDS)
def test_of_several_sites_each_is_a_series(two_sites: Filled, kind: str) -> None:
    """All of them, or the one that is chosen, and none twice."""
    asked = Asked(two_sites, kind)
    for name in DASHBOARDS:
        view = asked.view(name, HOUR)
        for panel, target in targets(view.dashboard):
            asked.shown(view, panel, target)
    assert asked.offered(load("battery", kind), "site") == ["boat", "home"]
    for chosen, expected in (("$__all", {"boat", "home"}), ("boat", {"boat"}), ("oa", set())):
        view = asked.view("battery", HOUR, site=chosen)
        for title, name in (("Voltage", "Voltage"), ("Battery now", "Charge")):
            shown = _all_shown(asked, view, title)
            assert {each.split()[-1] for each in shown if each.startswith(name)} == expected
    rows = _all_shown(asked, asked.view("overview", HOUR), "Energy: battery and house")
    assert {each.split()[-1] for each in rows} == {"boat", "home"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fleet_is_a_table(fleet: Filled, kind: str) -> None:
    """A row for each device, those that have stopped among them; one alone can be chosen."""
    asked = Asked(fleet, kind)
    portals = asked.offered(load("battery", kind), "portal")
    assert len(portals) == DEVICES
    view = asked.view("overview", HOUR, portal=portals[3])
    panel, queries = _panel(view, "Houses and devices")
    rows = asked.shown(view, panel, queries[0])
    assert {each.strip() for each in rows} == {*portals}
    (soc,) = _all_shown(asked, view, "State of charge").values() or [[]]
    silent = {household.portal for household in fleet.houses if household.silent > 10 * MINUTE}
    assert bool(soc) == (portals[3] not in silent)


def test_a_gap_is_seen_unless_a_value_holds(house: Filled) -> None:
    """The mains were lost for twenty minutes, and their frequency with them."""
    asked = Asked(house, INFLUXDB)
    lost, back = (house.end - each for each in household_filled.MAINS_LOST)
    seen, late = {}, 5 * MINUTE  # filling took some time, too
    for fill in ("null", "previous"):
        view = asked.view("grid", DAY // 2, fill=fill)
        (values,) = _all_shown(asked, view, "Frequency").values()
        seen[fill] = sum(1 for at, _ in values if lost < at / 1000 < back - late)
    assert seen["null"] == 0
    assert seen["previous"] > 10


def test_a_query_for_a_field_of_another_name_finds_none(house: Filled) -> None:
    """So that the tests above can fail."""
    asked = Asked(house, INFLUXDB)
    view = asked.view("battery", HOUR)
    panel, (target, *_) = _panel(view, "Current and its limits")
    assert any(asked.shown(view, panel, target).values())
    other = {**target, "query": target["query"].replace("${current:raw}", "Currents")}
    assert not any(asked.shown(view, panel, other).values())
