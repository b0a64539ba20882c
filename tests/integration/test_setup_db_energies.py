"""The energies of `setup-db` in a real InfluxDB, compared with those computed from raw values."""

from __future__ import annotations

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from datetime import time as dt_time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bat2influx.cli import main
from bat2influx.commands.setup_db import downsampling
from bat2influx.commands.setup_db.downsampling import (
    MINUTES,
    RawMeasurement,
    Retention,
    Run,
    columns,
)
from bat2influx.commands.setup_db.energies import continuous_query, energies
from bat2influx.commands.setup_db.other_databases import elsewhere
from bat2influx.commands.setup_db.statements import MAX_ANSWER
from bat2influx.config.settings import load
from bat2influx.influx.dialects import Dialect
from bat2influx.influx.exchange import MAX_BODY
from bat2influx.influx.influxql import DAY, HOUR
from bat2influx.venus.presets import PRESETS
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.support.daemon import wait
from tests.support.setup_command import Point, Setup, Values

NS = 10**9
FIELDS = "[Fields]\npresets = grid\n"
PLUS, MINUS = "_plus_kWh", "_minus_kWh"
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One for all tests; each has a separate database."""
    with InfluxDB(tmp_path_factory.mktemp("setup") / "influxdb") as running:
        yield running


Make = Callable[[str], Setup]


@pytest.fixture
def make(tmp_path: Path, server: InfluxDB, capsys: pytest.CaptureFixture[str]) -> Make:
    """Return a function that makes the command for a database of a name."""
    return lambda db: Setup(tmp_path, server, capsys, db, FIELDS)


def _day() -> int:
    """Return the beginning of this day, in s."""
    return int(time.time()) // DAY * DAY


def _points(seconds: Iterable[int], tags: tuple[str, ...]) -> list[Point]:
    """Powers that change their sign within the hour."""
    points = []
    for second in seconds:
        for number, tag in enumerate(tags):
            battery = 1500 * math.sin(second / 900 + number) + 7 * (second % 11)
            points.append((tag, "Power", round(battery, 4), second * NS))
            if number != 1:  # one site has no meter
                mains = 800 * math.cos(second / 700) - 100 * number
                points.append((tag, "GridPower", round(mains, 4), second * NS + 5))
    return points


def _with_gaps(start: int, days: int) -> list[int]:
    """Return times with gaps of minutes, of hours and of a day."""
    return [
        second
        for second in range(start, start + days * DAY, 30)
        if second // 60 % 7 != 3 and second // HOUR % 5 != 2 and second // DAY % 4 != 1
    ]


def _recomputed(points: list[Point]) -> Values:
    """Return hourly energies in kWh: sums of the minutes' means, by their signs."""
    minutes = defaultdict(list)
    for tags, field, value, time_ns in points:
        minutes[tags, field, time_ns // NS // 60 * 60].append(value)
    made: Values = defaultdict(float)
    for (tags, field, minute), values in minutes.items():
        energy = math.fsum(values) / len(values) * 60 / 3_600_000
        hour = minute // HOUR * HOUR * NS
        made[tags, hour, f"{field}{PLUS}"] += max(energy, 0.0)
        made[tags, hour, f"{field}{MINUS}"] += max(-energy, 0.0)
    return dict(made)


def _stored(setup: Setup) -> Values:
    hours = setup.values("hours")
    return {key: value for key, value in hours.items() if key[2].endswith((PLUS, MINUS))}


def _same(stored: Values, expected: Values) -> bool:
    return stored.keys() == expected.keys() and all(
        math.isclose(stored[key], value, rel_tol=1e-9, abs_tol=1e-12)
        for key, value in expected.items()
    )


def test_energies_are_those_of_the_raw_values(make: Make) -> None:
    """By sites and without one, over gaps; a second run gives the same, and doubles no series."""
    setup = make("house")
    setup.ask("CREATE DATABASE house")
    points = _points(_with_gaps(_day() - 6 * DAY, 5), ("", "site=a", "site=b"))
    setup.write(points)
    expected = _recomputed(points)
    assert {key[0] for key in expected} == {"", "site=a", "site=b"}
    assert ("site=a", "GridPower_plus_kWh") not in {key[::2] for key in expected}
    for _ in range(2):
        assert "fill energies computed from " in setup()
        assert _same(_stored(setup), expected)
    rows = setup.ask('SELECT sum("Power_plus_kWh") AS kwh FROM house.hours.dc GROUP BY "site"')
    assert sorted(row["site"] for row in rows) == ["", "a", "b"]
    plus = [value for key, value in expected.items() if key[2] == f"Power{PLUS}"]
    assert math.isclose(sum(row["kwh"] for row in rows), math.fsum(plus))


def test_an_earlier_setup_gets_energies_of_minutes_without_raw_values(make: Make) -> None:
    """Without --change; minutes and hours stay, value by value."""
    setup = make("earlier")
    setup()
    for name in ("bat2influx_dc_energies", "bat2influx_dc_energies_late"):
        setup.ask(f"DROP CONTINUOUS QUERY {name} ON earlier")
    hour = _day() - 300 * DAY
    powers = [1200.0 if minute % 3 else -600.0 for minute in range(60)]
    lines = [f"dc Power={power} {(hour + 60 * n) * NS}" for n, power in enumerate(powers)]
    _write("minutes", setup, lines)
    _write("hours", setup, [f"dc Power={sum(powers) / 60} {hour * NS}"])
    minutes, (mean,) = setup.rows("minutes"), setup.rows("hours")
    said = setup()
    assert "note" not in said
    assert said.count(" created, every ") == 2
    assert re.search(r"fill energies computed from 30[01]\.", said), said  # by the time of day
    assert setup.rows("minutes") == minutes
    (row,) = setup.rows("hours")
    assert math.isclose(row.pop(f"Power{PLUS}"), 0.8)
    assert math.isclose(row.pop(f"Power{MINUS}"), 0.2)
    assert row == mean


def _write(policy: str, setup: Setup, lines: list[str]) -> None:
    given = {"db": setup.db, "rp": policy, "precision": "ns"}
    setup.server.ask("/write", given, "\n".join(lines).encode())


def test_late_values_are_in_the_next_run_of_the_query(make: Make) -> None:
    """An hour is computed again from all its minutes, and no energy is added twice."""
    setup = make("late")
    setup()
    source, soon = RawMeasurement("late", "raw", "dc"), Run("_soon", 1, 3 * HOUR)
    fields = setup.settings.batteries[0].fields
    setup.ask(downsampling.continuous_query(MINUTES, soon, source, columns(fields))[1].text)
    setup.ask(continuous_query(soon, source, energies(fields))[1].text)
    start = (int(time.time()) - HOUR) // 60 * 60
    points = _points(range(start, start + 12 * 60), ("", "site=a"))
    for part in (points[::3], points):
        setup.write(part)
        expected = _recomputed(part)

        def same(expected: Values = expected) -> bool:
            return _same(_stored(setup), expected)

        wait("the energies of what has come", same)
    for name in ("minutes_soon", "energies_soon"):
        setup.ask(f"DROP CONTINUOUS QUERY bat2influx_dc_{name} ON late")


@pytest.mark.parametrize("hours", [23, 25])
def test_hours_add_up_to_the_day_on_which_the_clocks_change(make: Make, hours: int) -> None:
    """In the query of a dashboard a day has its length in the time zone, 23 to 25 hours."""
    setup = make(f"clocks{hours}")
    setup.ask(f"CREATE DATABASE {setup.db}")
    change = _change_of_clocks(hours)
    midnights = [datetime.combine(change + timedelta(n), dt_time(), BERLIN) for n in range(-1, 3)]
    first, *_, last = (int(each.timestamp()) for each in midnights)
    minutes = range(first, last, 60)
    setup.write([("", "Power", -500.0 if m // 60 % 2 else 1000.0, m * NS) for m in minutes])
    setup()
    rows = setup.ask(
        f'SELECT sum("Power_plus_kWh") AS plus, sum("Power_minus_kWh") AS minus'
        f" FROM {setup.db}.hours.dc WHERE time >= {first}s AND time < {last}s"
        " GROUP BY time(1d) TZ('Europe/Berlin')"
    )
    assert [row["time"] // NS for row in rows] == [int(m.timestamp()) for m in midnights[:-1]]
    for row, length in zip(rows, (24, hours, 24), strict=True):
        assert math.isclose(row["plus"], length / 2)
        assert math.isclose(row["minus"], length / 4)


def _change_of_clocks(hours: int) -> date:
    """Return the latest day in Berlin, well in the past, that had so many hours."""
    day = datetime.now(BERLIN).date() - timedelta(7)
    while True:
        begins, ends = (datetime.combine(day + timedelta(n), dt_time(), BERLIN) for n in (0, 1))
        if ends.timestamp() - begins.timestamp() == hours * HOUR:
            return day
        day -= timedelta(1)


def test_a_second_run_detects_the_queries_of_all_presets(
    tmp_path: Path, server: InfluxDB, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over HTTP, as by the command: the answer that lists them is far longer than any other."""
    path = tmp_path / "bat2influx.ini"
    place = f"address = 127.0.0.1\nport = {server.port}\ndb = presets"
    path.write_text(f"[Influx]\n{place}\n[Fields]\npresets = {', '.join(PRESETS)}\n")
    for count in (8, 0):
        command = ["--config", str(path), "setup-db"]
        assert main(command) == 0
        assert capsys.readouterr().out.count(" created, ") == count
    queries = [str(row["query"]) for row in server.query("SHOW CONTINUOUS QUERIES")]
    assert MAX_BODY < len("".join(queries)) < MAX_ANSWER / 4


def test_the_query_for_victoriametrics_gives_the_same(tmp_path: Path) -> None:
    """It computes the energies of a day from raw values, in either direction."""
    path = tmp_path / "bat2influx.ini"
    path.write_text(FIELDS)
    (query,) = (
        line
        for line in elsewhere(Dialect.VICTORIAMETRICS, load(path), Retention())
        if line.startswith("sum_over_time")
    )
    midnight = _day() - 2 * DAY
    points = _points(range(midnight + 1, midnight + DAY, 15), ("site=a", "site=b"))
    lines = (f"dc,{tags} {field}={value} {time_ns}" for tags, field, value, time_ns in points)
    expected: dict[tuple[str, str], float] = defaultdict(float)
    for (tags, _, field), value in _recomputed(points).items():
        expected[tags, field] += value
    with VictoriaMetrics(tmp_path / "victoria") as server:
        server.write("\n".join(lines), "battery")
        server.flush()
        other = f"-({query.replace('clamp_min', 'clamp_max')})"
        for suffix, asked in ((PLUS, query), (MINUS, other)):
            given = {"query": asked, "time": str(midnight + DAY), "nocache": "1"}
            answer = json.loads(server.ask("/api/v1/query", given, b""))["data"]["result"]
            stored = {row["metric"]["site"]: float(row["value"][1]) for row in answer}
            assert stored.keys() == {"a", "b"}
            for site, value in stored.items():
                assert math.isclose(value, expected[f"site={site}", f"Power{suffix}"], rel_tol=1e-3)
