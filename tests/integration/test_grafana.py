"""Every query of the dashboards, sent as Grafana sends it, to databases with simulated houses.

Rules: tests/support/household_filled.py fills the databases once for each kind of house; the tests
only read. A duplicate series fails each of them (tests/support/grafana.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bat2influx.venus.presets import PRESETS
from dashboards.variables import ROLES
from tests.support import household_filled, household_itself
from tests.support.grafana import (
    DASHBOARDS,
    INFLUXDB,
    Json,
    Shown,
    View,
    fields,
    load,
    panels,
    targets,
    text_of,
)
from tests.support.grafana_asked import KINDS, Asked
from tests.support.household_filled import Filled
from tests.support.household_stored import NINE
from tests.support.household_weather import DAY, HOUR, MINUTE

DEVICES = 12  # of the fleet
ALL = [(name, kind) for kind in KINDS for name in DASHBOARDS]
# Fields with a value only at times: charging or discharging, from or to the mains.
BY_DIRECTION = {"Charging", "Discharging", "Idle", "Full in", "Empty in", "From mains", "To mains"}
FLOWS = {"Sun", "PV inverter", "Discharging", "Charging", "From mains", "To mains", "House"}
EDGES = 0.25  # kWh: a minute more or less at each end, at the house's full load
RECENT = 10 * MINUTE  # the age of values that are shown as current
OF_A_FLEET = {"devices", "devices_silent"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A house of three phases with all presets."""
    with household_filled.house(tmp_path_factory.mktemp("house"), days=2.5) as made:
        yield made


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A house with the nine values."""
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
    """Return the series that a panel shows, of all its queries."""
    panel, queries = _panel(view, title)
    made: Shown = {}
    for target in queries:
        more = asked.shown(view, panel, target)
        assert not made.keys() & more.keys(), "a series is duplicate"
        made |= more
    return made


def _stored(filled: Filled, target: Json, view: View) -> bool | None:
    """Return whether the database has any values of a query; None: only now and then."""
    end = filled.end
    moments = [*range(end - RECENT, end, MINUTE), *range(end - DAY, end, HOUR), end - 1]
    there = [{name for each in filled.houses for name in each.values(at)} for at in moments]
    own = household_filled.OWN_FIELDS - OF_A_FLEET
    read = {
        view.values[each[1:]].removeprefix("dc_") if each.startswith("$") else each
        for each in fields(target)
    }
    if read & (set.intersection(*there) | own):
        return True
    return None if read & set.union(*there) else False


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_a_query_returns_the_stored_values(house: Filled, name: str, kind: str) -> None:
    """And nothing else; by direction it may be either. Stored energies begin with a whole hour."""
    asked = Asked(house, kind)
    view = asked.view(name, DAY)
    empty = 0
    for panel, target in targets(view.dashboard):
        shown = asked.shown(view, panel, target)
        names = {each.strip() for each in shown}
        if panel["type"] == "stat" and names <= BY_DIRECTION:
            continue
        stored = _stored(house, target, view)
        if stored is None:  # such as the time to go, which exists while the battery is discharged
            continue
        if stored:
            seen = any if panel["type"] == "table" else all  # which has columns of a fleet too
            assert seen(shown.values()), (panel["title"], target)
            assert shown, (panel["title"], view.query(panel, target))
        else:
            assert not any(shown.values()), (panel["title"], shown)
            empty += 1
    assert empty < sum(1 for _ in targets(view.dashboard)) / 2


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_with_the_nine_alone_dashboards_show_values(nine: Filled, name: str, kind: str) -> None:
    """Without an error; in `overview` all except the house's consumption and the sun."""
    asked = Asked(nine, kind)
    view = asked.view(name, DAY)
    without = set()
    for panel, target in targets(view.dashboard):
        if not any(asked.shown(view, panel, target).values()):
            without.add(panel["title"])
    if name == "overview":
        for title in ("State of charge", "Battery", "Power now", "Charge through the day"):
            assert _all_shown(asked, view, title)
    assert {"Real and apparent power", "Frequency", "Voltage of the mains"}.isdisjoint(without)


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_is_the_first_field_that_is_stored(house: Filled, nine: Filled, kind: str) -> None:
    """Of the fields with the same meaning."""
    presets = {each.name for preset in PRESETS.values() for each in preset}
    for filled, there in ((house, NINE | presets), (nine, NINE)):
        view = Asked(filled, kind).view("overview", HOUR)
        stored = there & {name for each in filled.houses for name in each.values(filled.end)}
        for role, (_, _, names) in ROLES.items():
            wanted = next((each for each in names if each in stored), "")
            assert view.values[role].removeprefix("dc_") == wanted, role


def _powers(filled: Filled, name: str, start: float, end: float) -> list[float]:
    """Return a power of the house per minute, in W."""
    (house,) = filled.houses
    moments = range(round(start) + MINUTE // 2, round(end), MINUTE)
    return [house.values(at).get(name, 0.0) for at in moments]


def _kwh(watts: list[float], sign: int) -> float:
    return sum(max(sign * each, 0.0) for each in watts) / 60_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", ['"-",', '"minutes".'])
def test_energies_of_a_day_are_those_of_the_house(house: Filled, kind: str, values: str) -> None:
    """The sums of the shown values, for each choice of the variable."""
    asked = Asked(house, kind)
    view = asked.view("overview", DAY // 2, **({"from": values} if kind == INFLUXDB else {}))
    until = house.end - (2 * HOUR if "minutes" in values else 0)  # computed every half hour
    view = View(view.dashboard, view.start, until * 1000, view.values)
    shown = _all_shown(asked, view, "Where power comes from and goes to")
    for name, power, sign in (
        ("Bought", "GridPower", 1),
        ("Sold", "GridPower", -1),
        ("Sun yield", "SystemSolarPower", 1),
        ("Charged", "SystemBatteryPower", 1),
        ("Discharged", "SystemBatteryPower", -1),
    ):
        kwh = _kwh(_powers(house, power, view.start / 1000, until), sign)
        assert sum(value for _, value in shown[name]) == pytest.approx(kwh, rel=0.04, abs=EDGES)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_of_energies_shows_those_of_a_graph(house: Filled, name: str) -> None:
    """It sends no query: the graph has the series from which it computes them."""
    asked = Asked(house, INFLUXDB)
    view = asked.view(name, HOUR)
    by_id = {panel["id"]: panel for panel in panels(view.dashboard)}
    for panel in by_id.values():
        for target in panel["targets"]:
            if "panelId" in target:
                of = by_id[target["panelId"]]
                wanted = {*panel["options"]["reduceOptions"]["fields"].strip("/^()$").split("|")}
                assert wanted - {"Self-sufficient"} <= {*_all_shown(asked, view, of["title"])}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_day_begins_in_the_viewers_time_zone(house: Filled, kind: str, zone: str) -> None:
    """Its energies are those from midnight to midnight there, and today's those until now.

    Today has none before its first hour is over, because energies are kept by the hour.
    """
    asked = Asked(house, kind)
    view = asked.view("energy", 2 * DAY, zone=zone)
    today = datetime.fromtimestamp(house.end, ZoneInfo(zone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    start, end = ((today - timedelta(days=n)).astimezone(UTC).timestamp() for n in (1, 0))
    shown = dict(_all_shown(asked, view, "Mains by days")["Bought"])
    assert [at for at, _ in pairwise([*shown, 0])] == [*shown]
    assert start * 1000 in shown
    assert end * 1000 in shown or house.end < end + 2 * HOUR
    kwh = _kwh(_powers(house, "GridPower", start, end), 1)
    assert shown[int(start * 1000)] == pytest.approx(kwh, rel=0.05, abs=EDGES)


@pytest.mark.parametrize("kind", KINDS)
def test_both_halves_of_the_day_add_up(house: Filled, kind: str) -> None:
    """The sums above and below zero are equal, except for losses of conversion."""
    asked = Asked(house, kind)
    shown = _all_shown(
        asked, asked.view("overview", DAY // 2), "Where power comes from and goes to"
    )
    watts = [each for name, each in shown.items() if name in FLOWS]
    above = sum(value for each in watts for _, value in each if value > 0)
    below = -sum(value for each in watts for _, value in each if value < 0)
    assert 0.85 < below / above < 1.05


@pytest.mark.parametrize("kind", KINDS)
def test_with_several_sites_one_is_shown_and_a_table_has_all(two_sites: Filled, kind: str) -> None:
    """The first, or the selected one; and the table has a row for each."""
    asked = Asked(two_sites, kind)
    assert asked.offered(load("battery", kind), "site") == ["boat", "home"]
    assert asked.view("battery", HOUR).values["site"] == "boat"
    seen = {}
    for chosen in ("boat", "home", "oa"):
        view = asked.view("battery", HOUR, site=chosen)
        (seen[chosen],) = _all_shown(asked, view, "Voltage").values() or [[]]
    assert seen["boat"]
    assert seen["home"]
    assert not seen["oa"]
    assert seen["boat"] != seen["home"]
    view = asked.view("overview", HOUR, site="home")
    panel, queries = _panel(view, "Houses and devices")
    for query in queries:
        rows = _rows(asked, view, panel, query)
        assert (
            rows == {"home"} if "grid" in text_of(query) and kind != INFLUXDB else {"boat", "home"}
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fleet_is_a_table(fleet: Filled, kind: str) -> None:
    """A row for each device, and a state of charge for those that respond; one can be selected."""
    asked = Asked(fleet, kind)
    portals = asked.offered(load("battery", kind), "portal")
    assert len(portals) == DEVICES
    view = asked.view("overview", HOUR, portal=portals[3])
    panel, (last, now, *_) = _panel(view, "Houses and devices")
    silent = {household.portal for household in fleet.houses if household.silent > 10 * MINUTE}
    assert _rows(asked, view, panel, last) == {*portals}
    assert _rows(asked, view, panel, now) == {*portals} - silent
    (soc,) = _all_shown(asked, view, "State of charge").values() or [[]]
    assert bool(soc) == (portals[3] not in silent)


def _rows(asked: Asked, view: View, panel: Json, target: Json) -> set[str]:
    """Return the devices in a table of devices."""
    shown = asked.shown(view, panel, target)
    return {name.split()[-1] for name, values in shown.items() if values}


@pytest.mark.parametrize("kind", KINDS)
def test_annotations_mark_what_the_daemon_reported(house: Filled, kind: str) -> None:
    """A restart, an outage of the database, and rejected values: nothing else in a day."""
    asked = Asked(house, kind)
    view = asked.view("daemon", DAY)
    late = 5 * MINUTE + 600  # filling took some time, and marks have a grid of ten minutes
    for annotation in view.dashboard["annotations"]["list"]:
        begun, lasted = {
            "Restarts": (household_itself.RESTARTED, 0),
            "Outages": (household_itself.AWAY, household_itself.LASTED),
            "Rejected values": (household_itself.REJECTED, 0),
        }[annotation["name"]]
        start, end = house.end - begun - late, house.end - begun + lasted + late
        # The last report counts its uptime from another end.
        marks = [at for at in asked.marks(view, annotation) if at < house.end - late]
        assert marks, annotation["name"]
        assert all(start <= at <= end for at in marks), annotation["name"]


def test_minutes_are_counted_wherever_a_minute_begins(house: Filled) -> None:
    """The first one begins before the shown time; without it there was no count at all."""
    asked = Asked(house, INFLUXDB)
    view = asked.view("battery", HOUR)
    for second in range(0, 60, 7):
        end = view.end - (DAY + second) * 1000
        moved = View(view.dashboard, end - HOUR * 1000, end, view.values)
        shown = _all_shown(asked, moved, "Minutes with a value")
        (((_, share),),) = shown.values()
        assert share == pytest.approx(100.0, abs=2.0)


def test_a_gap_is_shown_unless_a_value_persists(house: Filled) -> None:
    """The mains were lost for twenty minutes, and their frequency with them."""
    asked = Asked(house, INFLUXDB)
    lost, back = (house.end - each for each in household_filled.MAINS_LOST)
    seen, late = {}, 5 * MINUTE  # filling took some time too
    for fill in ("null", "previous"):
        view = asked.view("grid", DAY // 2, fill=fill)
        (values,) = _all_shown(asked, view, "Frequency").values()
        seen[fill] = sum(1 for at, _ in values if lost < at / 1000 < back - late)
    assert seen["null"] == 0
    assert seen["previous"] > 10


def test_a_query_for_a_field_of_another_name_finds_none(house: Filled) -> None:
    """Proves that the tests above can fail."""
    asked = Asked(house, INFLUXDB)
    view = asked.view("battery", HOUR)
    panel, (target, *_) = _panel(view, "Current and its limits")
    assert any(asked.shown(view, panel, target).values())
    other = {**target, "query": target["query"].replace("${current:raw}", "Currents")}
    assert not any(asked.shown(view, panel, other).values())
