"""The writer with a real InfluxDB 1.x: its reaction to each answer."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bat2influx.config.checks import is_key, is_name
from bat2influx.failure import Backoff
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.reading import Reading
from tests.standins.databases.http_peers import Relay
from tests.standins.databases.influxdb import InfluxDB
from tests.support.writing import START, lines, mixed, write, writer

NINE = ("Voltage", "Current", "Power", "Soc", "I", "V", "P", "S", "F")
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One server for all tests here; each has a separate database."""
    with InfluxDB(tmp_path_factory.mktemp("influxdb")) as made:
        yield made


@pytest.fixture
def db(server: InfluxDB) -> str:
    """An existing database."""
    name = new_name()
    server.query(f'CREATE DATABASE "{name}"')
    return name


def new_name() -> str:
    """Return the name of a database that does not exist."""
    return f"battery {next(_numbers)}"


def stored(server: InfluxDB, db: str, field: str = "Voltage", rp: str = "") -> list[float]:
    """Return the values of a field, oldest first."""
    source = f'"{rp}"."dc"' if rp else '"dc"'
    return [row[field] for row in server.query(f'SELECT "{field}" FROM {source}', db)]


def values(count: int) -> list[float]:
    """Return the values of `lines(count=count)`."""
    return [n + 0.5 for n in range(count)]


def test_accepted_lines_are_stored(server: InfluxDB, db: str) -> None:
    """All lines of a batch are stored with their times, to the nanosecond."""
    batch = [*lines(count=3), b"dc Soc=7.5 1700000000123456789"]
    outcome = write(writer(server.port, db=db), batch)
    assert (outcome.accepted, outcome.undecided, outcome.rejected) == (4, [], [])
    assert outcome.trouble is None
    assert stored(server, db) == values(3)
    rows = server.query("SELECT Soc FROM dc", db)
    assert rows == [{"time": 1_700_000_000_123_456_789, "Soc": 7.5}]


def test_a_missing_database_is_created(server: InfluxDB, caplog: pytest.LogCaptureFixture) -> None:
    """The first batch for a missing database creates it, logs that and loses nothing."""
    db = new_name()
    with caplog.at_level(logging.INFO):
        outcome = write(writer(server.port, db=db), lines(count=5))
    assert outcome.accepted == 5
    assert outcome.trouble is None
    assert stored(server, db) == values(5)
    assert [record.getMessage() for record in caplog.records] == [
        f"created the database {db!r} at 127.0.0.1:{server.port}"
    ]


def test_a_database_dropped_while_running_is_created_again(server: InfluxDB, db: str) -> None:
    """The next batch creates a new one."""
    made = writer(server.port, db=db)
    write(made, lines(count=2))
    server.query(f'DROP DATABASE "{db}"')
    assert write(made, lines("Soc", 3)).accepted == 3
    assert stored(server, db, "Soc") == values(3)


# InfluxDB 1.6 lacks newer letters, and interprets [ as a pattern in the paths of its files.
LETTERS = st.characters(max_codepoint=0x5FF, blacklist_characters="[")
NAMES = st.text(LETTERS, min_size=1, max_size=12).filter(is_name)


@given(
    db=NAMES.filter(lambda name: "/" not in name),
    measurement=NAMES.filter(lambda name: "=" not in name),
    tag=NAMES.filter(is_key),
    meaning=NAMES,
    field=NAMES.filter(is_key),
)
@example("my battery, new", "dc in, out", "a tag, = odd", 'v,a l="ü"', 'Span nung, = "V"')
@example('"quoted"', '"quoted"', '"quoted"', '"quoted"', '"quoted field"')
@example("it's", "it's", "it's", "it's", "it's here")
@example("Akku größer", "Küche", "Straße", "Köln", "Spannung °C")
@example("drop database x; --", "select", "from", "where", "value")
@example("%2F?&+", "%20&db=x", "%", "+", "&")
@example("..a", "..", "..", "..", "...")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_name_that_the_configuration_allows_makes_the_round_trip(
    server: InfluxDB, db: str, measurement: str, tag: str, meaning: str, field: str
) -> None:
    """Database, measurement, tag and field have exactly the configured names."""
    assume(tag != field)
    encoder = Encoder(measurement, ((tag, meaning),))
    batch = [encoder.encode(Reading(START, "", field, 53.2))]
    assert write(writer(server.port, db=db), batch).accepted == 1

    def quoted(name: str) -> str:
        return '"' + name.replace('"', '\\"') + '"'

    query = f"SELECT {quoted(field)} FROM {quoted(measurement)} GROUP BY {quoted(tag)}"
    assert server.query(query, db) == [{tag: meaning, "time": START, field: 53.2}]
    server.query(f"DROP DATABASE {quoted(db)}")


def test_values_go_into_the_configured_retention_policy(server: InfluxDB, db: str) -> None:
    """With a retention policy set, values are in that one and not in the default."""
    server.query(f'CREATE RETENTION POLICY "two years, all" ON "{db}" DURATION INF REPLICATION 1')
    made = writer(server.port, db=db, retention_policy="two years, all")
    assert write(made, lines(count=3)).accepted == 3
    assert stored(server, db, rp="two years, all") == values(3)
    assert stored(server, db) == []


@pytest.mark.parametrize("missing", ["policy", "policy and database"])
def test_a_missing_retention_policy_loses_nothing(server: InfluxDB, missing: str) -> None:
    """InfluxDB answers 500; lines stay queued, the policy is logged, and later all are stored."""
    db = new_name()
    if missing == "policy":
        server.query(f'CREATE DATABASE "{db}"')
    made = writer(server.port, db=db, retention_policy="years")
    outcome = write(made, lines(count=3))
    assert (outcome.accepted, outcome.rejected) == (0, [])
    assert outcome.undecided == lines(count=3)
    assert outcome.trouble is not None
    assert f"database {db!r} of " in outcome.trouble.text
    assert "has no retention policy 'years'" in outcome.trouble.text
    server.query(f'CREATE RETENTION POLICY years ON "{db}" DURATION INF REPLICATION 1')
    assert write(made, outcome.undecided).accepted == 3
    assert stored(server, db, rp="years") == values(3)


def test_points_beyond_the_retention_policy_are_rejected_alone(server: InfluxDB, db: str) -> None:
    """Points older than the policy's duration are rejected with that reason; others are stored."""
    server.query(f'CREATE RETENTION POLICY hour ON "{db}" DURATION 1h REPLICATION 1')
    now = time.time_ns()
    old, new = lines(count=4), lines(count=4, start=now)
    made = writer(server.port, db=db, retention_policy="hour")
    outcome = write(made, [*old[:2], *new[:2], *old[2:], *new[2:]])
    assert outcome.accepted == 4
    assert sorted(row.line for row in outcome.rejected) == old
    assert all("points beyond retention policy" in row.reason for row in outcome.rejected)
    assert outcome.trouble is None
    assert stored(server, db, rp="hour") == values(4)


def test_a_malformed_line_is_rejected_alone(server: InfluxDB, db: str) -> None:
    """In a batch with a line that cannot be parsed, only that line is rejected."""
    good = lines(count=20)
    batch = [*good[:7], b"dc Voltage= 1", *good[7:15], b"nonsense", *good[15:]]
    outcome = write(writer(server.port, db=db), batch)
    assert outcome.accepted == 20
    assert [row.line for row in outcome.rejected] == [b"dc Voltage= 1", b"nonsense"]
    assert "missing field value" in outcome.rejected[0].reason
    assert "missing fields" in outcome.rejected[1].reason
    assert stored(server, db) == values(20)


@pytest.fixture
def integers(server: InfluxDB, db: str) -> str:
    """A database with Power and Soc as integers."""
    server.write(f"dc Power=1i,Soc=1i {START - 1}", db)
    return db


def test_a_field_of_another_type_affects_no_other_field(server: InfluxDB, integers: str) -> None:
    """An integer written before makes InfluxDB reject that field; the others are stored."""
    batch = mixed("Voltage", "Power", "Current", "Soc", count=50)
    outcome = write(writer(server.port, db=integers), batch)
    assert outcome.accepted == 100
    assert sorted(row.line for row in outcome.rejected) == sorted(
        [*lines("Power", 50), *lines("Soc", 50)]
    )
    for row in outcome.rejected:
        field = row.line.split(b"=")[0].removeprefix(b"dc ").decode()
        assert f'field type conflict: input field "{field}"' in row.reason
    assert outcome.trouble is None
    assert stored(server, integers) == stored(server, integers, "Current") == values(50)
    assert stored(server, integers, "Power") == [1]


def test_a_conflict_is_found_in_few_requests_and_then_known(
    server: InfluxDB, integers: str
) -> None:
    """Few lines of a rejected field are tried alone, and none once the field is known."""
    batch = mixed(*NINE, count=500)
    with Relay(server.port) as relay:
        made = writer(relay.port, db=integers)
        assert len(write(made, batch).rejected) == 1000
        assert relay.count() <= 60  # by bisection: some 13 for each field, not 1000
        before = relay.count()
        outcome = write(made, batch)
        assert (outcome.accepted, len(outcome.rejected)) == (3500, 1000)
        assert relay.count() - before == 3  # the valid fields together, the two others alone


def test_a_resolved_conflict_is_forgotten(server: InfluxDB, integers: str) -> None:
    """After the integers are deleted, the field is stored and sent with the others again."""
    with Relay(server.port) as relay:
        made = writer(relay.port, db=integers)
        batch = mixed("Voltage", "Power", count=2)
        assert len(write(made, batch).rejected) == 2
        server.query("DROP MEASUREMENT dc", integers)
        assert write(made, batch).accepted == 4
        assert stored(server, integers, "Power") == values(2)
        before = relay.count()
        assert write(made, batch).accepted == 4
        assert relay.count() - before == 1


def test_a_conflict_ends_with_the_shard(server: InfluxDB, integers: str) -> None:
    """A field's type belongs to a shard of InfluxDB, so next week's values are stored."""
    next_week = lines("Power", 3, start=START + 14 * 86_400 * 10**9)
    made = writer(server.port, db=integers)
    assert write(made, lines(count=1)).accepted == 1
    assert len(write(made, lines("Power", 3)).rejected) == 3
    assert write(made, next_week).accepted == 3
    assert stored(server, integers, "Power") == [1, *values(3)]


def test_many_points_beyond_the_retention_policy_are_few_requests(
    server: InfluxDB, db: str
) -> None:
    """After an outage longer than the policy, bisection finds the limit, not each line."""
    server.query(f'CREATE RETENTION POLICY hour ON "{db}" DURATION 1h REPLICATION 1')
    now = time.time_ns()
    old, new = mixed("Voltage", "Soc", count=1500), lines(count=1000, start=now - 1000 * 10**9)
    with Relay(server.port) as relay:
        made = writer(relay.port, db=db, retention_policy="hour")
        outcome = write(made, [*old, *new])
        assert (outcome.accepted, len(outcome.rejected)) == (1000, 3000)
        assert relay.count() < 40
        before = relay.count()
        later = lines("Soc", 10, start=now)
        outcome = write(made, [*old, *later])  # more lines than fit into one batch
        assert (outcome.accepted, len(outcome.rejected)) == (10, 3000)
        assert relay.count() - before == 2
        server.query(f'ALTER RETENTION POLICY hour ON "{db}" DURATION INF')
        assert write(made, [*old, *later]).accepted == 3010
        before = relay.count()
        assert write(made, [*old, *later]).accepted == 3010
        assert relay.count() - before == 1


def test_a_series_above_the_limit_is_rejected_alone(tmp_path: Path) -> None:
    """At the limit of series of a database new series are rejected, in few requests."""
    full = InfluxDB(tmp_path)
    full.environment = {
        **(full.environment or {}),
        "INFLUXDB_DATA_MAX_SERIES_PER_DATABASE": "1",
    }
    with full, Relay(full.port) as relay:
        made = writer(relay.port)
        assert write(made, lines(count=1)).accepted == 1
        new = [b"dc,site=home" + line[2:] for line in mixed("Voltage", "Soc", count=400)]
        before = relay.count()
        outcome = write(made, [*lines(count=100), *new])
        assert (outcome.accepted, len(outcome.rejected)) == (100, 800)
        assert "max-series-per-database limit exceeded" in outcome.rejected[0].reason
        assert relay.count() - before < 50


def test_a_batch_of_nothing_but_bad_lines_costs_two_requests_a_line(
    server: InfluxDB, db: str
) -> None:
    """At worst each line is tried alone, with a sign of life after each request."""
    signs: list[float] = []
    made = writer(server.port, db=db)
    write(made, lines(count=1))
    outcome = made.write(
        [b"bad= %d" % n for n in range(64)], lambda: signs.append(time.monotonic())
    )
    assert len(outcome.rejected) == 64
    assert len(signs) == 127


def test_a_batch_of_bad_lines_stays_queued_until_a_good_one_is_accepted(
    server: InfluxDB, db: str
) -> None:
    """Before that, the lines may not be the cause; it is logged, and decided by a good line."""
    made, bad = writer(server.port, db=db), [b"bad= %d" % n for n in range(20)]
    outcome = write(made, bad)
    assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], bad)
    assert outcome.trouble
    assert "rejects every value (unable to parse" in outcome.trouble.text
    outcome = write(made, [*outcome.undecided, *lines(count=1)])
    assert (outcome.accepted, outcome.undecided, outcome.trouble) == (1, [], None)
    assert [row.line for row in outcome.rejected] == bad


def test_a_body_that_is_too_large_is_split(tmp_path: Path) -> None:
    """If the server's limit is 2000 bytes, a batch of 10 times that arrives in parts."""
    with InfluxDB(tmp_path, config="  max-body-size = 2000\n") as small:
        outcome = write(writer(small.port), lines(count=600))
        assert outcome.accepted == 600
        assert stored(small, "battery") == values(600)


def test_requests_to_a_busy_server_are_retried(tmp_path: Path) -> None:
    """InfluxDB answers 503 in plain text to too many writes at once; all lines stay queued."""
    limits = (
        "  max-concurrent-write-limit = 1\n  max-enqueued-write-limit = 1\n"
        '  enqueued-write-timeout = "100ms"\n'
    )
    with InfluxDB(tmp_path, config=limits) as busy:
        busy.query("CREATE DATABASE battery")
        with socket.create_connection(("127.0.0.1", busy.port)) as other:
            other.sendall(
                b"POST /write?db=battery HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
            )
            made = writer(busy.port)
            outcome = write(made, lines(count=3))
            while outcome.accepted:  # the other request is not under way yet
                outcome = write(made, lines(count=3))
        assert outcome.undecided == lines(count=3)
        assert outcome.trouble is not None
        assert outcome.trouble.cause == "database 503"


def test_a_write_that_times_out_inside_the_server_stays_queued(tmp_path: Path) -> None:
    """InfluxDB answers 500 `timeout` when its storage is slow; all lines stay queued."""
    slow = InfluxDB(tmp_path)
    slow.environment = {**(slow.environment or {}), "INFLUXDB_COORDINATOR_WRITE_TIMEOUT": "1ns"}
    with slow:
        outcome = write(writer(slow.port), lines(count=3))
    assert outcome.undecided == lines(count=3)
    assert outcome.trouble is not None
    assert outcome.trouble.cause == "database 500"
    assert "timeout" in outcome.trouble.text


def test_a_connection_from_before_a_restart_does_no_harm(tmp_path: Path) -> None:
    """The open connection is stale after a restart; the next batch is stored all the same."""
    with InfluxDB(tmp_path) as restarted:
        made = writer(restarted.port)
        assert write(made, lines(count=1)).accepted == 1
        for number in range(1, 3):
            restarted.restart() if number == 1 else (restarted.kill(), restarted.start())
            assert write(made, lines(count=number + 1)).accepted == number + 1
        assert stored(restarted, "battery") == values(3)


class TestLogin:
    """With a server that requires a login."""

    PASSWORD = "so ge:heim, ä€ 'x'"

    @pytest.fixture(scope="class")
    def closed(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
        """A server with a user for each case; the database exists."""
        with InfluxDB(tmp_path_factory.mktemp("auth"), auth=True) as made:
            made.create_admin()
            made.query("CREATE DATABASE battery")
            quoted = "'" + self.PASSWORD.replace("'", r"\'") + "'"
            for user in ("writer", "reader", "stranger"):
                made.query(f"CREATE USER {user} WITH PASSWORD {quoted}")
            made.query("GRANT WRITE ON battery TO writer; GRANT READ ON battery TO reader")
            yield made

    def test_a_password_may_have_any_letters(self, closed: InfluxDB) -> None:
        """Passwords reach InfluxDB as UTF-8, which is what it compares."""
        made = writer(closed.port, user="writer", password=self.PASSWORD)
        assert write(made, lines(count=2)).accepted == 2

    @pytest.mark.parametrize(
        ("user", "password", "cause", "found", "advice"),
        [
            ("", "", "login", "requires a login", "user and password, or token,"),
            ("writer", "wrong", "login", "login of user 'writer'", "set user and password under"),
            ("nobody", PASSWORD, "login", "login of user 'nobody'", "set user and password under"),
            (
                "reader",
                PASSWORD,
                "right",
                "not allow user 'reader' to write",
                'GRANT WRITE ON "battery"',
            ),
            ("stranger", PASSWORD, "right", "user 'stranger' to write", '"battery" TO "stranger"'),
        ],
    )
    def test_after_a_rejected_login_all_lines_stay_queued(
        self, closed: InfluxDB, user: str, password: str, cause: str, found: str, advice: str
    ) -> None:
        """401 and 403 are logged with advice, retried rarely, and lose nothing."""
        outcome = write(writer(closed.port, user=user, password=password), lines(count=3))
        assert (outcome.accepted, outcome.rejected) == (0, [])
        assert outcome.undecided == lines(count=3)
        assert outcome.trouble is not None
        assert outcome.trouble.backoff is Backoff.DATABASE_LOGIN
        assert outcome.trouble.cause == f"database {cause}"
        assert found in outcome.trouble.text
        assert advice in outcome.trouble.text
        assert not password or password not in repr(outcome)

    def test_a_database_that_this_user_may_not_create_is_reported(self, closed: InfluxDB) -> None:
        """The log advises that an administrator creates it, with the reason."""
        made = writer(closed.port, user="writer", password=self.PASSWORD, db="other")
        outcome = write(made, lines(count=3))
        assert outcome.undecided == lines(count=3)
        assert outcome.trouble is not None
        assert outcome.trouble.cause == "no database"
        assert "user 'writer' may not create it" in outcome.trouble.text
        assert 'enter CREATE DATABASE "other"; GRANT WRITE' in outcome.trouble.text
        assert self.PASSWORD not in repr(outcome)
