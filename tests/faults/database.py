"""Faults of the database: it is down, hangs, is busy, or rejects requests.

Rules: the daemon queues values during the fault, and stores each of them once. At the end of each
scenario the database accepts values again. Faults between the two, of cables and addresses, are in
`network`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from tests.faults import house_database
from tests.faults.account import Window
from tests.faults.house import PASSWORD, USER, House, now
from tests.faults.house_daemon import calm, shows
from tests.faults.house_database import AWAY, BACK, LATE, late
from tests.faults.house_stranger import InPlace
from tests.faults.scenario import Scenario
from tests.standins.databases.http_peers import Dripping, HttpPeer, answer
from tests.support.compare import NINE
from tests.support.daemon import wait
from tests.support.process import free_port

RETRY_AFTER = 3  # s
SMALL = 1000  # bytes, about 25 values
MANY = 100  # values, more than fit into a small request
UNDER_WAY = 5.0  # s; values sent before a copy may be stored just after it
SAVED = "saved"  # another database


def killed(house: House) -> Sequence[Window]:
    """Kill the database while the daemon writes to it, and start it 20 reads later."""
    house_database.kill(house)
    house.more_reads(20)
    house_database.start(house)
    return ()


def restarted(house: House) -> Sequence[Window]:
    """Restart the database four times, each before the daemon has recovered from the last."""
    with house.expects_log(BACK):
        for _ in range(4):
            house.database.stop()
            house.more_reads(2)
            house.database.start()
    calm(house)
    return ()


def hangs(house: House) -> Sequence[Window]:
    """Freeze the database for longer than a request may take."""
    with late(house, _frozen(house)):
        shows(house, "does not answer within")
        house.more_reads(10)
    calm(house)
    return ()


@contextmanager
def _frozen(house: House) -> Iterator[None]:
    house.database.freeze()
    yield
    house.database.thaw()


def drips(house: House) -> Sequence[Window]:
    """Replace the database by one whose answers come byte by byte and never end."""
    house.database.stop()
    with Drips(_address(house), b"HTTP/1.1", b" ", pause=0.1), house.expects_log(LATE):
        house.more_reads(5)
    house_database.start(house)
    calm(house)
    return ()


class Drips(InPlace, Dripping):
    """Each byte comes in time, but the answer never ends."""


def busy(house: House) -> Sequence[Window]:
    """Replace the database by a busy one for three requests, which obey its Retry-After."""
    header = f"Retry-After: {RETRY_AFTER}"
    unavailable = answer("503 Service Unavailable", '{"error":"too busy"}', header)
    too_many = answer("429 Too Many Requests", '{"error":"too often"}', header)
    answers = unavailable, too_many, unavailable
    with house.expects_log("answers 503 too busy"), house.expects_log("answers 429 too often"):
        house.database.stop()
        with Busy(_address(house), *answers) as peer:
            wait("three requests", lambda: len(peer.requests) >= len(answers))
    house_database.start(house)
    pauses = [after - before for before, after in pairwise(peer.times)]
    assert min(pauses) >= RETRY_AFTER
    calm(house)
    return ()


class Busy(InPlace, HttpPeer):
    """Answers every request with a Retry-After."""


def _address(house: House) -> tuple[str, int]:
    return house.database.host, house.database.port


def dropped(house: House) -> Sequence[Window]:
    """Drop the database while the daemon runs; restore its content for the comparison."""
    begin = now() - UNDER_WAY
    with house.expects_log("created the database 'battery'"):
        _save(house)
        house.database.query("DROP DATABASE battery")
        end = now()
    calm(house)
    _restore(house)
    return (Window(begin, end),)


def password_changed(house: House) -> Sequence[Window]:
    """Change the password of the database's user, and change it back."""
    change = f"SET PASSWORD FOR {USER} ="
    refusal = f"rejects the login of user '{USER}'"
    _deny(house, refusal, f"{change} 'another'", f"{change} '{PASSWORD}'")
    assert not house.daemon.logged(PASSWORD)
    return ()


def right_taken(house: House) -> Sequence[Window]:
    """Revoke the write permission of the database's user, and grant it again."""
    right = "ALL PRIVILEGES"
    refusal = f"does not allow user '{USER}' to write"
    _deny(house, refusal, f"REVOKE {right} FROM {USER}", f"GRANT {right} TO {USER}")
    return ()


def _deny(house: House, refusal: str, statement: str, back: str) -> None:
    """Run a statement by which the database rejects values; after the log has that, undo it."""
    with house.expects_log(BACK):
        with house.expects_log(refusal):
            house.database.query(statement)
        shows(house, refusal)
        house.more_reads(5)
        house.database.query(back)
    calm(house)


def small_requests(house: House) -> Sequence[Window]:
    """Restart the database after an outage with a limit of requests below the backlog's size."""
    house_database.kill(house)
    wait("values on disk", lambda: house.on_disk() > MANY)
    house.database.config = f"max-body-size = {SMALL}\n"
    house_database.start(house)
    calm(house)
    (counted,) = house.database.query("SHOW STATS FOR 'httpd'")
    assert counted["clientError"] > 0, "no request was too large"
    with house.expects_log(BACK):
        house.database.stop()
        house.more_reads(3)
        house.database.config = ""
        house.database.start()
    calm(house)
    return ()


def field_refused(house: House) -> Sequence[Window]:
    """Give the voltage another type in the database, repair that, and retry the rejected values."""
    refuses = "value rejected by the database and quarantined"
    with house.expects_log(refuses + ".*field type conflict"), _out_of_reach(house):
        _save(house)
        house.database.query("DROP MEASUREMENT dc", "battery")
        house.database.write("dc Voltage=1i", "battery")
    logged = len(house.daemon.logged(refuses))
    house.more_reads(5)
    wait("rejected values", lambda: _rejected(house) >= 5)
    assert "field type conflict" in house.spool()
    exported = house.spool("--export", "--rejected").splitlines()
    assert exported[:2] == ["# DML", "# CONTEXT-DATABASE: battery"]
    assert len(exported) >= 2 + 5
    assert all(line.startswith("dc Voltage=") for line in exported[2:])
    assert len(house.daemon.logged(refuses)) == logged, "it is logged once"
    with house.expects_log(AWAY), _out_of_reach(house):
        _save(house, ", ".join(f'"{field}"' for field in NINE if field != "Voltage"))
        house.database.query("DROP MEASUREMENT dc", "battery")
        _restore(house)
    with house.expects_log(r"[0-9]+ quarantined values are queued again, as requested"):
        house.spool("--retry-rejected")
    wait("none to be rejected", lambda: _rejected(house) == 0)
    calm(house)
    return ()


@contextmanager
def _out_of_reach(house: House) -> Iterator[None]:
    """Make the database unreachable for the daemon, in a block; no request is under way."""
    port = house.database.port
    house.database.kill()
    house.database.port = free_port()
    house.database.start()
    house.more_reads(2)  # so that the daemon tries to store values
    yield
    house.database.kill()
    house.database.port = port
    house.database.start()


def _rejected(house: House) -> int:
    return int(house.spool().splitlines()[1].split()[1])


def _save(house: House, what: str = "*") -> None:
    """Copy the stored values into another database."""
    house.database.query(f"CREATE DATABASE {SAVED}")
    _copy(house, what, "battery", SAVED)


def _restore(house: House) -> None:
    """Add the saved values to those stored now."""
    _copy(house, "*", SAVED, "battery")
    house.database.query(f"DROP DATABASE {SAVED}")


def _copy(house: House, what: str, here: str, there: str) -> None:
    into = f'INTO "{there}"."autogen"."dc" FROM "{here}"."autogen"."dc"'
    house.database.query(f"SELECT {what} {into} GROUP BY *", timeout=60.0)


SCENARIOS = {
    "database_killed": Scenario(
        "The database is stopped, restarted, upgraded or killed",
        "values are queued, after 1 s on disk; when it is up again, the newest are stored first",
        "nothing",
        killed,
    ),
    "database_restarted": Scenario(
        "The database is restarted several times in a short time",
        "requests that a restart has cut off are sent again with the same times, so that no value"
        " is stored twice",
        "nothing",
        restarted,
    ),
    "database_hangs": Scenario(
        "The database hangs, and answers no requests",
        "each request ends after 8 s and is sent again later; reading continues",
        "nothing",
        hangs,
    ),
    "database_drips": Scenario(
        "The database's answer comes slowly, byte by byte",
        "the request ends after 8 s in all and is sent again later",
        "nothing",
        drips,
    ),
    "database_busy": Scenario(
        "The database is busy (503, 429)",
        "values are queued, after 1 s on disk; the next request comes no earlier than `Retry-After`"
        " permits",
        "nothing",
        busy,
    ),
    "database_dropped": Scenario(
        "The database is dropped",
        "it is created again, if the user in the file has the right; otherwise values are queued"
        " until it exists",
        "the values that were in it",
        dropped,
    ),
    "database_password_changed": Scenario(
        "The database rejects the login: its password was changed, its user was removed",
        "values are queued, after 1 s on disk; bat2influx retries after 5 s, later at most once per"
        " minute",
        "nothing",
        password_changed,
    ),
    "database_right_taken": Scenario(
        "The database's user has lost the write permission",
        "values are queued, after 1 s on disk; the log has the statement that grants it again",
        "nothing",
        right_taken,
    ),
    "database_small_requests": Scenario(
        "The database rejects large requests (413)",
        "queued values are sent in smaller parts",
        "nothing",
        small_requests,
    ),
    "field_refused": Scenario(
        "The database rejects a field, because it stores the field with another type",
        "all other fields are stored; the rejected values are quarantined, with the reason, for"
        " `bat2influx spool --retry-rejected`",
        "nothing",
        field_refused,
    ),
}
