"""The databases for dashboards: the daemon's values continue those that were written before."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from bat2influx.influx.influxql import HOUR
from bat2influx.reading import NS
from tests.standins.databases.influxdb import InfluxDBError, Row
from tests.support import household_filled
from tests.support.household_filled import MEASUREMENT, SILENT, Filled
from tests.support.household_stored import NINE, Density
from tests.support.household_weather import DAY, MINUTE

DAYS = 0.2
PRESETS = ("battery", "grid", "solar")
FEW = Density(seconds=20, every=60)
LARGE = 20_000  # bytes of a log: more than the daemon's own few values


def _rows(filled: Filled, query: str) -> list[Row]:
    return filled.influxdb.query(query, household_filled.DB)


def _times(filled: Filled, field: str, where: str = "time > 0") -> list[float]:
    """Return the times of the values, in s since 1970."""
    query = f'SELECT "{field}" FROM "{MEASUREMENT}" WHERE {where}'
    return [row["time"] / NS for row in _rows(filled, query)]


def test_the_daemon_continues_a_house(tmp_path: Path) -> None:
    """With the same values in both databases, minutes and hours, and without a gap."""
    with household_filled.house(tmp_path, days=DAYS, presets=PRESETS, density=FEW) as filled:
        own, victoria = filled.houses[0], filled.victoria
        rows = _rows(filled, f'SELECT "Soc", "GridPower", "SolarYield" FROM "{MEASUREMENT}"')
        for row in (*rows[:20], *rows[-6:]):
            for name, value in row.items():
                if name != "time" and value is not None:
                    about = [own.values(row["time"] // NS - back)[name] for back in (0, 1, 11)]
                    assert min(abs(value - each) for each in about) < 0.6, (name, value, about)
        times = _times(filled, "GridL2Power")
        assert filled.first <= times[0] < filled.first + 61
        assert max(b - a for a, b in pairwise(times)) < 63
        assert times[-1] > filled.end - 60
        keys = {row["fieldKey"] for row in _rows(filled, "SHOW FIELD KEYS FROM raw.dc")}
        assert keys == set(own.values(filled.end - HOUR))
        for policy, least in (("minutes", DAYS * 24 * 59), ("hours", DAYS * 24 - 1)):
            query = f'SELECT count("Power"), max("GridPower_max") FROM {policy}.dc'
            assert _rows(filled, query)[0]["count"] > least
        assert victoria is not None
        series = {each["__name__"] for each in victoria.series()}
        assert {f"dc_{name}" for name in keys} == {each for each in series if each[:3] == "dc_"}
        assert {"itself_uptime", "itself_rejected"} <= series
        with pytest.raises(InfluxDBError, match="not authorized"):
            filled.influxdb.write("dc Power=1.0", household_filled.DB)


def test_two_sites_differ_by_their_tag(tmp_path: Path) -> None:
    """A field that only one of them has is stored for that one alone."""
    with household_filled.two_sites(tmp_path, days=DAYS, presets=("grid",), density=FEW) as filled:
        for name, sites in (("Power", ["boat", "home"]), ("GridPower", ["home"])):
            query = f'SELECT last("{name}") FROM "{MEASUREMENT}" GROUP BY "site"'
            assert sorted(row["site"] for row in _rows(filled, query)) == sites
        query = 'SELECT last("received") FROM "itself" GROUP BY "site"'
        assert sorted(row["site"] for row in _rows(filled, query)) == ["boat", "home"]


def test_some_devices_of_a_fleet_have_stopped(tmp_path: Path) -> None:
    """The others continue to the end; each has the daemon's tags of a fleet."""
    with household_filled.fleet(tmp_path, devices=5, days=2 * DAYS, victoria=False) as filled:
        last = {
            row["portal"]: row["time"] / NS
            for row in _rows(filled, f'SELECT last("Soc") FROM "{MEASUREMENT}" GROUP BY *')
        }
        assert [*last] == [each.portal for each in filled.houses]
        for number, (portal, when) in enumerate(last.items()):
            late = SILENT.get(number, 0)
            assert filled.end - late - 120 < when <= filled.end - late, portal
        series = _rows(filled, f'SHOW SERIES FROM "{MEASUREMENT}"')
        assert {row["key"] for row in series} == {
            f"dc,instance=275,portal={portal}" for portal in last
        }


def test_old_days_have_hours_alone(tmp_path: Path) -> None:
    """So that ninety days are filled within a minute."""
    density = Density(seconds=1, every=600, days=1)
    with household_filled.nine(tmp_path, days=3, density=density, victoria=False) as filled:
        counts = [
            _rows(filled, f'SELECT count("Power") FROM {policy}.dc')[0]["count"]
            for policy in ("raw", "minutes", "hours")
        ]
        assert 3 * 144 < counts[0] < 3 * 144 + 100
        assert counts[1] <= 170
        assert 70 <= counts[2] <= 73
        query = "SELECT sum(/_kWh/) FROM hours.dc"
        energies = {k: v for row in _rows(filled, query) for k, v in row.items() if k != "time"}
        assert {*energies} >= {"sum_Power_plus_kWh", "sum_P_minus_kWh"}
        assert 5.0 < energies["sum_Power_plus_kWh"] < 40.0
        assert _rows(filled, 'SELECT count("Power_plus_kWh") FROM hours.dc')[0]["count"] >= 46
        assert {*filled.houses[0].values(filled.end)} <= NINE


def test_too_many_days_are_rejected() -> None:
    """The database would reject values that are older than the policy."""
    with (
        pytest.raises(ValueError, match="91 days"),
        household_filled.nine(Path("/nonexistent"), days=91),
    ):
        pass


def test_the_last_day_of_the_past_is_in_memory_and_others_are_on_disk(tmp_path: Path) -> None:
    """As when values arrive all the time; its last value is at the given end."""
    end = int(time.time()) // DAY * DAY - MINUTE
    with household_filled.nine(tmp_path, days=1.2, density=FEW, victoria=False, end=end) as filled:
        assert filled.end == end
        assert end - MINUTE <= _times(filled, "Power", f"time <= {end}s")[-1] < end
        logs = [*(filled.influxdb.directory / "wal" / household_filled.DB / "raw").rglob("*.wal")]
        (in_memory,) = (each for each in logs if each.stat().st_size > LARGE)
        data = filled.influxdb.directory / "data" / household_filled.DB / "raw"
        on_disk = {each.parent.name for each in data.rglob("*.tsm")}
        assert on_disk
        assert in_memory.parent.name not in on_disk
