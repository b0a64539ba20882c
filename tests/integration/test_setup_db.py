"""`setup-db` against a real InfluxDB, empty and filled, run once and again."""

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.downsampling import (
    MINUTES,
    RawMeasurement,
    Retention,
    Run,
    columns,
    continuous_query,
)
from bat2influx.commands.setup_db.setup import setup_db
from bat2influx.influx.influxql import DAY, FOREVER, HOUR, quote_name
from tests.standins.databases.influxdb import InfluxDB, InfluxDBError
from tests.support.daemon import wait
from tests.support.setup_command import SECRET, Point, Setup, Values

EX_UNAVAILABLE, EX_CONFIG = 69, 78
NS = 10**9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One for all tests; each has a separate database."""
    with InfluxDB(tmp_path_factory.mktemp("setup") / "influxdb") as running:
        yield running


Make = Callable[[str], Setup]


@pytest.fixture
def make(tmp_path: Path, server: InfluxDB, capsys: pytest.CaptureFixture[str]) -> Make:
    """Return a function that makes the command for a database of a name."""
    return lambda db: Setup(tmp_path, server, capsys, db)


def _day() -> int:
    """Return the beginning of this day, in s."""
    return int(time.time()) // DAY * DAY


def _points(start: int, seconds: int, *, step: int = 7, gaps: bool = True) -> list[Point]:
    """Two sites and one without; a counter, and gaps of minutes and of hours."""
    points = []
    for second in range(start, start + seconds, step):
        if gaps and (second // 60 % 5 == 3 or second // HOUR % 4 == 2):
            continue
        time_ns = second * NS + second % 1000 * 1_000_003
        for number, tags in enumerate(("", "site=a", "site=b")):
            points.append((tags, "Voltage", round(52 + math.sin(second) + number, 4), time_ns))
            if tags != "site=b":
                points.append((tags, "Current", round(-20 * math.cos(second / 9), 4), time_ns + 9))
            points.append((tags, "Pv", round(second % DAY / 1000, 4), time_ns + 5))
    return points


def _recomputed(points: list[Point], seconds: int, until: float) -> Values:
    """Compute the expected downsampled values, of intervals that end by `until`."""
    groups = defaultdict(list)
    for tags, field, value, time_ns in points:
        interval = time_ns // NS // seconds * seconds
        if interval + seconds <= until:
            groups[tags, interval * NS, field].append((time_ns, value))
    made: Values = {}
    for (tags, interval, field), timed in groups.items():
        values = [value for _, value in timed]
        if field == "Pv":
            made[tags, interval, field] = max(timed)[1]
            continue
        made[tags, interval, field] = math.fsum(values) / len(values)
        made[tags, interval, f"{field}_min"] = min(values)
        made[tags, interval, f"{field}_max"] = max(values)
    return made


def _assert_same(stored: Values, expected: Values) -> None:
    assert stored.keys() == expected.keys()
    for key, value in expected.items():
        if key[2].endswith(("_min", "_max")) or key[2] == "Pv":
            assert stored[key] == value, key
        else:
            assert math.isclose(stored[key], value, rel_tol=1e-9), key


def test_an_empty_server_gets_all_of_it_once(make: Make) -> None:
    """The second run creates nothing, and changes nothing."""
    setup = make("empty")
    said = setup()
    assert said.count(" created") == 10, said
    first = setup.state()
    kept = {row["name"]: (row["duration"], row["default"]) for row in first["policies"]}
    assert kept == {
        "raw": ("2160h0m0s", True),
        "minutes": ("43800h0m0s", False),
        "hours": ("0s", False),
    }
    assert [row["name"] for row in first["queries"]] == [
        "bat2influx_dc_energies",
        "bat2influx_dc_energies_late",
        "bat2influx_dc_hours",
        "bat2influx_dc_hours_late",
        "bat2influx_dc_minutes",
        "bat2influx_dc_minutes_late",
    ]
    assert first["users"] == [{"user": "empty-user", "admin": False}]
    assert first["grants"] == [{"database": "empty", "privilege": "WRITE"}]
    again = setup()
    assert " created" not in again
    assert again.count(" exists") == 11, again  # the database and its policy are two
    assert "note" not in again
    assert setup.state() == first


def test_a_filled_database_is_downsampled_and_loses_nothing(make: Make) -> None:
    """Minutes and hours equal those computed from raw, by tags, over gaps, after each run."""
    setup = make("filled")
    setup.ask("CREATE DATABASE filled")
    points = _points(_day() - 10 * DAY + 21 * HOUR, 5 * HOUR)
    points += _points(int(time.time()) - 300, 300)
    setup.write(points)
    before = setup.rows("autogen")
    assert len(before) > 1000
    for _ in range(2):
        said = setup()
        assert "policy 'autogen' unchanged, kept for ever and not for 90d; --change" in said
        assert setup.rows("autogen") == before
    # The minute that ends during the run may be stored, or not.
    for policy, seconds in (("minutes", 60), ("hours", HOUR)):
        old = (time.time() - 2 * HOUR) * NS
        stored = {key: value for key, value in setup.values(policy).items() if key[1] < old}
        whole = [point for point in points if point[3] // NS // HOUR * HOUR * NS < old]
        expected = _recomputed(whole, seconds, time.time())
        _assert_same(stored, {key: value for key, value in expected.items() if key[1] < old})
        assert len(stored) > 20
        latest = max(key[1] for key in setup.values(policy))
        assert latest // NS + seconds <= time.time(), "an interval that has not ended is stored"


def test_late_values_are_in_the_next_run_of_the_query(make: Make) -> None:
    """A query that looks back computes an interval again."""
    setup = make("late")
    setup()
    source = RawMeasurement("late", "raw", "dc")
    _, query = continuous_query(
        MINUTES, Run("_soon", 1, 2 * HOUR), source, columns(setup.settings.batteries[0].fields)
    )
    setup.ask(query.text)
    start = (int(time.time()) - HOUR) // 60 * 60
    points = _points(start, 120, step=1, gaps=False)
    assert points
    for part in (points[::2], points):
        setup.write(part)
        expected = _recomputed(part, 60, time.time())

        def same(expected: Values = expected) -> bool:
            stored = setup.values("minutes")
            return stored.keys() == expected.keys() and all(
                math.isclose(stored[key], value, rel_tol=1e-9) for key, value in expected.items()
            )

        wait("the minutes of what has come", same)
    setup.ask('DROP CONTINUOUS QUERY "bat2influx_dc_minutes_soon" ON "late"')


def test_values_that_come_even_later_are_in_the_next_setup(make: Make) -> None:
    """They are older than any query looks back."""
    setup = make("later")
    setup()
    points = _points(_day() - 20 * DAY, 40 * 60)
    for part in (points[::3], points):
        setup.write(part)
        setup()
        for policy, seconds in (("minutes", 60), ("hours", HOUR)):
            _assert_same(setup.values(policy), _recomputed(part, seconds, time.time()))


def test_change_drops_raw_values_after_they_are_downsampled(make: Make) -> None:
    """It prints how many days are dropped; a policy shorter than its shards gets smaller ones."""
    setup = make("changed")
    setup.ask("CREATE DATABASE changed")
    points = _points(_day() - 10 * DAY, 20 * 60)
    setup.write(points)
    said = setup(change=True, raw=2 * DAY)
    assert "policy 'autogen' altered, kept for 2d instead of for ever; the server removes " in said
    (autogen,) = (row for row in setup.state()["policies"] if row["name"] == "autogen")
    assert autogen["duration"] == "48h0m0s"
    assert autogen["shardGroupDuration"] == "24h0m0s"
    for policy, seconds in (("minutes", 60), ("hours", HOUR)):
        _assert_same(setup.values(policy), _recomputed(points, seconds, time.time()))
    assert "policy 'autogen' exists, kept for 2d" in setup(change=True, raw=2 * DAY)
    assert "policy 'autogen' altered, kept for ever" in setup(change=True, raw=FOREVER)


def test_a_query_that_differs_is_kept_without_change(make: Make) -> None:
    """It is printed, with its missing parts, and no intervals are filled in."""
    setup = make("differs")
    setup()
    fields = setup.settings.batteries[0].fields
    new = fields[0]._replace(name="Extra")
    battery = setup.settings.batteries[0]._replace(fields=(*fields, new))
    setup.settings = setup.settings._replace(batteries=(battery,))
    before = setup.state()
    setup.write([("", "Extra", 1.5, (_day() - 9 * DAY) * NS)])
    said = setup()
    assert said.count("unchanged; it lacks Extra, Extra_min, Extra_max; --change") == 4
    assert said.count("CREATE CONTINUOUS QUERY bat2influx_dc_") == 4
    assert said.count("not filled, because") == 3
    assert setup.state()["queries"] == before["queries"]
    assert setup.values("minutes") == {}
    said = setup(change=True)
    assert said.count("recreated, because it lacks Extra, Extra_min, Extra_max") == 4
    assert set(setup.values("hours").values()) == {1.5}
    assert "lacks" not in setup()


def test_a_policy_of_the_file_is_created(make: Make) -> None:
    """Raw values are read from it; the default policy stays."""
    setup = make("named")
    setup.ask("CREATE DATABASE named")
    influx = setup.settings.influx._replace(retention_policy="mine")
    setup.settings = setup.settings._replace(influx=influx)
    assert "policy 'mine' created, kept for 90d" in setup()
    policies = setup.state()["policies"]
    assert [
        (row["name"], row["default"]) for row in policies if row["name"] in ("mine", "autogen")
    ] == [
        ("autogen", True),
        ("mine", False),
    ]
    read = [row["query"].count("FROM named.mine.dc") for row in setup.state()["queries"]]
    assert read == [0, 0, 1, 1, 1, 1], "energies are computed from minutes"
    assert " created" not in setup()


def test_names_with_special_characters_work(make: Make) -> None:
    """Quotes, blanks, backslashes and semicolons cause no error and no other statement."""
    setup = make("plain")
    db, user = "my \"d.b'; --", "O'Brien\\ \"\\n"
    fields = setup.settings.batteries[0].fields
    odd = fields[0]._replace(name='V "x"; DROP DATABASE plain')
    battery = setup.settings.batteries[0]._replace(fields=(odd,))
    influx = setup.settings.influx._replace(db=db, user=user, measurement='d"c \\d')
    setup.settings = setup.settings._replace(influx=influx, batteries=(battery,))
    assert setup().count(" created") == 8
    assert {"name": db} in setup.ask("SHOW DATABASES")
    assert {"user": user, "admin": False} in setup.ask("SHOW USERS")
    again = setup()
    assert " created" not in again
    assert "note" not in again
    setup.ask(f"DROP DATABASE {quote_name(db)}")


def test_a_dry_run_changes_nothing_and_its_statements_do_the_same(make: Make) -> None:
    """Entered one by one, with the password filled in."""
    one, two = make("dry1"), make("dry2")
    points = _points(_day() - 8 * DAY, 30 * 60)
    for setup in (one, two):
        setup.ask(f"CREATE DATABASE {setup.db}")
        setup.write(points)
    before = one.state()
    statements = one(dry_run=True, change=True).splitlines()
    assert one.state() == before
    two(change=True)
    for statement in statements:
        one.ask(statement.replace("'…'", "'other'"))
    renamed = str(one.state()).replace("dry1", "dry2")
    assert renamed == str(two.state())
    assert two.values("minutes")
    fresh = make("dry3")
    statements = fresh(dry_run=True).splitlines()
    assert {"name": "dry3"} not in fresh.ask("SHOW DATABASES")
    assert statements[0] == 'CREATE DATABASE "dry3" WITH DURATION 90d REPLICATION 1 NAME "raw"'
    assert "CREATE USER \"dry3-user\" WITH PASSWORD '…'" in statements


def test_a_user_with_the_right_to_read_gets_that_to_write(make: Make) -> None:
    """Its rights stay, and so does its password without an option."""
    setup = make("reader")
    setup.ask("CREATE DATABASE reader")
    setup.ask("CREATE USER \"reader-user\" WITH PASSWORD 'own'")
    setup.ask('GRANT READ ON "reader" TO "reader-user"')
    assert "may write to 'reader' now, and read as before" in setup()
    assert setup.state()["grants"] == [{"database": "reader", "privilege": "ALL PRIVILEGES"}]
    assert "may write to 'reader'; it may read, too" in setup()


def test_a_rejected_statement_ends_it_and_the_next_run_continues(make: Make) -> None:
    """Earlier statements stay in effect; here a field has text, which has no mean."""
    setup = make("refused")
    setup.ask("CREATE DATABASE refused")
    time_ns = (_day() - 5 * DAY) * NS
    setup.server.write(f'dc Voltage="text" {time_ns}', "refused")
    said = setup(code=EX_UNAVAILABLE)
    assert said.splitlines()[-2].startswith("wrong fill minutes  the server rejected it: ")
    assert "run the command again to continue from here" in said.splitlines()[-1]
    assert len(setup.state()["queries"]) == 6
    assert setup.state()["users"] == []
    setup.ask("DROP CONTINUOUS QUERY bat2influx_dc_hours ON refused")
    setup.server.query("DROP MEASUREMENT dc", "refused")
    setup.write([("", "Current", 1.0, time_ns)])
    assert setup().count(" created") == 2  # the query and the user


def test_a_clash_of_names_is_reported_before_any_change(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file has to be changed."""
    setup = make("clash")
    fields = setup.settings.batteries[0].fields
    low = fields[0]._replace(name="Voltage_min")
    battery = setup.settings.batteries[0]._replace(fields=(*fields, low))
    settings = setup.settings._replace(batteries=(battery,))
    code = setup_db(settings, setup.ask, Retention(), os.environ, dry_run=False, change=True)
    assert code == EX_CONFIG
    assert "clash.ini: [Fields]: Voltage_min is also the name of the min" in capsys.readouterr().err
    assert {"name": "clash"} not in setup.ask("SHOW DATABASES")


def test_only_an_administrator_can_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other users get an error, and change nothing; the created user can only write."""
    with InfluxDB(tmp_path / "influxdb", auth=True) as server:
        setup = Setup(tmp_path, server, capsys, "guarded")
        said = setup(code=EX_UNAVAILABLE)
        assert "has no administrator yet; create one" in said
        server.create_admin()
        admin = server.login
        server.query("CREATE USER \"other\" WITH PASSWORD 'x'")
        server.login = "other", "x"
        for dry_run in (True, False):
            setup(code=EX_UNAVAILABLE, dry_run=dry_run)
        assert "administrator of the database server: --admin USER" in setup(code=EX_UNAVAILABLE)
        server.login = admin
        assert server.query("SHOW DATABASES") == []
        setup()
        server.login = "guarded-user", SECRET
        setup.write([("", "Voltage", 1.0, int(time.time()) * NS)])
        for statement in ("SELECT * FROM guarded.raw.dc", "SHOW USERS", "DROP DATABASE guarded"):
            with pytest.raises(InfluxDBError, match="not authorized"):
                server.query(statement, "guarded")
        server.login = admin
        assert setup().count(" created") == 0
        assert setup(change=True).count("now has the file's password") == 1
