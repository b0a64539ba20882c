"""The houses of the dashboards: their powers add up, are plausible, and have the stored names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from bat2influx.venus.presets import PRESETS
from bat2influx.venus.units import DEFAULT_FIELDS, is_code
from tests.support import household
from tests.support.household import BOAT, CABIN, HOME, PLAIN, Household, Moment, Site
from tests.support.household_fields import nine, powers, values
from tests.support.household_weather import DAY, HOUR, local_hour

END = 1_796_000_123  # s since 1970: a Saturday in November
DAYS = 6
SITES = pytest.mark.parametrize("site", [HOME, PLAIN, BOAT, CABIN], ids=lambda site: site.name)
PRESET = {each.name: each for own in PRESETS.values() for each in own}
NINE = {field.name for field in DEFAULT_FIELDS}
# Each phase of a generator; the boat has one phase and not these.
NOT_ABOARD = {n for n in PRESET if n.startswith(("GensetL2", "GensetL3"))}
CODES = {
    "InverterState": {3, 4, 5, 8, 9},
    "SolarState": {0, 3, 4, 5},
    "EvChargerStatus": {0, 1, 2, 3},
    "GensetStatus": {0, 8},
    "AlternatorState": {0, 3, 4, 5},
}


def _house(site: Site) -> Household:
    lost = (END - 30 * HOUR, END - 29 * HOUR)
    return household.until(site, END, DAYS, without_mains=(lost,))


def _moments(site: Site, step: int = 1_213) -> Iterator[Moment]:
    house = _house(site)
    return (house.at(time) for time in range(END - DAYS * DAY, END, step))


@SITES
def test_powers_add_up(site: Site) -> None:
    """Mains, sun, engines and battery supply exactly the loads and the losses of conversion."""
    for now in _moments(site):
        given = sum(now.grid) + now.generator + now.alternator + now.panels_ac + now.panels_dc
        taken = sum(now.consumption) + now.dc_load + now.battery + now.lost
        assert given == pytest.approx(taken, abs=1e-6), now
        assert now.lost >= 0.0, now


@SITES
def test_the_charge_is_what_went_in_and_came_out(site: Site) -> None:
    """Over every day, except for a battery's losses, and within its capacity."""
    house = _house(site)
    for start, end in pairwise(range(END - 4 * DAY, END, DAY)):
        power = [house.at(time).battery for time in range(start, end, 60)]
        put = sum(max(0.0, each) for each in power) * 60 / HOUR / 1_000.0
        taken = sum(max(0.0, -each) for each in power) * 60 / HOUR / 1_000.0
        charges = [house.at(time).charge for time in (start, end)]
        gained = (charges[1] - charges[0]) * site.capacity
        assert gained == pytest.approx(0.97 * put - taken, abs=0.02 * (put + taken) + 0.1)
    socs = [now.charge for now in _moments(site)]
    assert min(socs) >= 0.05
    assert max(socs) <= 1.0
    assert max(socs) - min(socs) > 0.3


@SITES
def test_the_meters_are_the_integrals_of_the_powers(site: Site) -> None:
    """Within the error of steps of two minutes; and meters never decrease."""
    house = _house(site)
    start, step = END - 2 * DAY, 60
    moments = [house.at(time) for time in range(start, END, step)]
    for before, after in pairwise(now.meters for now in moments):
        assert all(a <= b for a, b in zip(before, after, strict=True))
    for name, of in (
        ("grid_in", lambda now: max(0.0, sum(now.grid))),
        ("grid_out", lambda now: max(0.0, -sum(now.grid))),
        ("panels_ac", lambda now: now.panels_ac),
        ("panels_dc", lambda now: now.panels_dc),
        ("car", lambda now: now.car),
        ("generator", lambda now: now.generator),
    ):
        summed = sum(map(of, moments)) * step / HOUR / 1_000.0
        counted = getattr(moments[-1].meters, name) - getattr(moments[0].meters, name)
        assert counted == pytest.approx(summed, rel=0.03, abs=0.15), name


def test_the_sun_shines_by_day() -> None:
    """Panels have no power at night, and some power at an hour of every day."""
    nights, noons = [], []
    for now in _moments(HOME):
        hour = local_hour(now.time)
        if not 5.0 < hour < 20.5:
            nights.append(now.panels_dc + now.panels_ac)
        elif 11.0 < hour < 14.0:
            noons.append(now.panels_dc + now.panels_ac)
    assert {*nights} == {0.0}
    assert min(noons) > 200.0
    assert max(noons) > 5_000.0


def test_phases_differ_and_one_may_feed_in_while_another_draws() -> None:
    """As with an inverter/charger that balances the sum of three phases."""
    grids = [now.grid for now in _moments(HOME)]
    assert any(min(each) < -100.0 and max(each) > 100.0 for each in grids)


def test_without_mains_the_battery_supplies_the_house() -> None:
    """The meters show 0, the inverter's state is inverting, and there is no frequency."""
    house, time = _house(HOME), END - 29.5 * HOUR
    now, shown = house.at(time), values(house, time)
    assert (now.mains, sum(now.grid), now.heat_pump, now.panels_ac) == (False, 0.0, 0.0, 0.0)
    assert shown["V"] == shown["P"] == 0.0
    assert "F" not in shown
    assert "InputL2Frequency" not in shown
    assert shown["OutputL1Voltage"] > 200.0


def test_a_generator_runs_where_the_battery_is_low() -> None:
    """And there are days in a harbour, with mains, and days under way."""
    moments = [*_moments(BOAT)]
    running = [now for now in moments if now.running]
    assert running
    assert all(now.generator > 500.0 and not now.mains for now in running if now.charge < 0.8)
    assert any(now.mains for now in moments)
    assert any(now.alternator > 500.0 for now in moments)


@SITES
def test_values_have_the_names_that_are_stored(site: Site) -> None:
    """Those of presets, and the nine where there is a VE.Bus device; all have the right type."""
    house = _house(site)
    for time in range(END - DAYS * DAY, END, 3_931):
        shown = values(house, time)
        assert {*shown} <= NINE | {*PRESET}
        assert (not site.rs) == ("Voltage" in shown)
        for name, value in shown.items():
            assert isinstance(value, float), name
            assert round(value, 4) == value, name
            if name in PRESET and is_code(PRESET[name].service, PRESET[name].path):
                assert int(value) in CODES.get(name, {int(value)}), (name, value)
            if name in PRESET and PRESET[name].unit == "%":
                assert 0.0 <= value <= 100.0, (name, value)
        if "BatteryMinCellVoltage" in shown:
            low, high = shown["BatteryMinCellVoltage"], shown["BatteryMaxCellVoltage"]
            assert 2.8 < low < high < 3.6
            assert low * site.cells <= shown["BatteryVoltage"] <= high * site.cells


def test_all_presets_have_their_values_somewhere() -> None:
    """No name is missing, so that a dashboard can show each of them."""
    shown: set[str] = set()
    for site in (HOME, BOAT, CABIN):
        house = _house(site)
        for time in range(END - DAYS * DAY, END, 3_931):
            shown |= values(house, time).keys()
    assert {*PRESET} - shown == NOT_ABOARD
    assert shown >= NINE


@SITES
def test_the_quick_functions_give_the_same_values(site: Site) -> None:
    """The nine and the powers are those among all values."""
    house = _house(site)
    for time in range(END - DAY, END, 7_207):
        shown = values(house, time)
        if not site.rs:
            assert nine(house, time).items() <= shown.items()
            assert {k: v for k, v in powers(house, time).items() if k not in shown} == {}
            assert powers(house, time).items() <= shown.items()


def test_the_same_time_gives_the_same_house() -> None:
    """Whatever was computed before; and whole days later too, except for the meters."""
    one, two = _house(HOME), _house(HOME)
    two.at(END)
    time = END - 3 * DAY
    assert values(one, time) == values(two, time)
    later = household.until(HOME, END + 100 * DAY, DAYS)
    assert nine(later, time + 100 * DAY)["Power"] == nine(one, time)["Power"]
    with pytest.raises(ValueError, match="before"):
        one.at(one.since - 1)
