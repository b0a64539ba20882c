"""Faults of the database: it is down, hangs, is busy, or refuses what it is sent.

Rules: the daemon queues values meanwhile, and loses and repeats none of them. At the end of each
scenario the database takes values again. What lies between the two, cables and addresses, is in
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
UNDER_WAY = 5.0  # s; what was said before a copy may be stored just after it
SAVED = "saved"  # another database


def killed(house: House) -> Sequence[Window]:
    """Kill the database while the daemon writes to it, and start it 20 reads later."""
    house_database.kill(house)
    house.more_reads(20)
    house_database.start(house)
    return ()


def restarted(house: House) -> Sequence[Window]:
    """Restart the database four times, each before the daemon has recovered from the last."""
    with house.says(BACK):
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
    with Drips(_address(house), b"HTTP/1.1", b" ", pause=0.1), house.says(LATE):
        house.more_reads(5)
    house_database.start(house)
    calm(house)
    return ()


class Drips(InPlace, Dripping):
    """Each of its bytes comes in time, and the answer never does."""


def busy(house: House) -> Sequence[Window]:
    """Replace the database by a busy one for three requests, which keep to its Retry-After."""
    header = f"Retry-After: {RETRY_AFTER}"
    unavailable = answer("503 Service Unavailable", '{"error":"too busy"}', header)
    too_many = answer("429 Too Many Requests", '{"error":"too often"}', header)
    answers = unavailable, too_many, unavailable
    with house.says("answers 503 too busy"), house.says("answers 429 too often"):
        house.database.stop()
        with Busy(_address(house), *answers) as peer:
            wait("three requests", lambda: len(peer.requests) >= len(answers))
    house_database.start(house)
    pauses = [after - before for before, after in pairwise(peer.times)]
    assert min(pauses) >= RETRY_AFTER
    calm(house)
    return ()


class Busy(InPlace, HttpPeer):
    """Asks everybody to come again later."""


def _address(house: House) -> tuple[str, int]:
    return house.database.host, house.database.port


def dropped(house: House) -> Sequence[Window]:
    """Drop the database under the running daemon; restore its content for the account."""
    begin = now() - UNDER_WAY
    with house.says("created the database 'battery'"):
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
    assert not house.daemon.says(PASSWORD)
    return ()


def right_taken(house: House) -> Sequence[Window]:
    """Take the right to write from the database's user, and give it back."""
    right = "ALL PRIVILEGES"
    refusal = f"does not allow user '{USER}' to write"
    _deny(house, refusal, f"REVOKE {right} FROM {USER}", f"GRANT {right} TO {USER}")
    return ()


def _deny(house: House, refusal: str, statement: str, back: str) -> None:
    """Have a statement make the database refuse values until the log has that, and one undo it."""
    with house.says(BACK):
        with house.says(refusal):
            house.database.query(statement)
        shows(house, refusal)
        house.more_reads(5)
        house.database.query(back)
    calm(house)


def small_requests(house: House) -> Sequence[Window]:
    """Let the database return from an outage with a bound on requests below what is queued."""
    house_database.kill(house)
    wait("values on disk", lambda: house.on_disk() > MANY)
    house.database.config = f"max-body-size = {SMALL}\n"
    house_database.start(house)
    calm(house)
    (counted,) = house.database.query("SHOW STATS FOR 'httpd'")
    assert counted["clientError"] > 0, "nothing was too large"
    with house.says(BACK):
        house.database.stop()
        house.more_reads(3)
        house.database.config = ""
        house.database.start()
    calm(house)
    return ()


def field_refused(house: House) -> Sequence[Window]:
    """Give the voltage another type in the database, mend that, and retry the rejected values."""
    refuses = "value rejected by the database and quarantined"
    with house.says(refuses + ".*field type conflict"), _out_of_reach(house):
        _save(house)
        house.database.query("DROP MEASUREMENT dc", "battery")
        house.database.write("dc Voltage=1i", "battery")
    logged = len(house.daemon.says(refuses))
    house.more_reads(5)
    wait("rejected values", lambda: _rejected(house) >= 5)
    assert "field type conflict" in house.spool()
    exported = house.spool("--export", "--rejected").splitlines()
    assert exported[:2] == ["# DML", "# CONTEXT-DATABASE: battery"]
    assert len(exported) >= 2 + 5
    assert all(line.startswith("dc Voltage=") for line in exported[2:])
    assert len(house.daemon.says(refuses)) == logged, "it is logged once"
    with house.says(AWAY), _out_of_reach(house):
        _save(house, ", ".join(f'"{field}"' for field in NINE if field != "Voltage"))
        house.database.query("DROP MEASUREMENT dc", "battery")
        _restore(house)
    with house.says(r"[0-9]+ quarantined values are queued again, as requested"):
        house.spool("--retry-rejected")
    wait("none to be rejected", lambda: _rejected(house) == 0)
    calm(house)
    return ()


@contextmanager
def _out_of_reach(house: House) -> Iterator[None]:
    """Have the database where the daemon does not find it, in a block; nothing is under way."""
    port = house.database.port
    house.database.kill()
    house.database.port = free_port()
    house.database.start()
    house.more_reads(2)  # which the daemon tries to store
    yield
    house.database.kill()
    house.database.port = port
    house.database.start()


def _rejected(house: House) -> int:
    return int(house.spool().splitlines()[1].split()[1])


def _save(house: House, what: str = "*") -> None:
    """Copy what is stored into another database."""
    house.database.query(f"CREATE DATABASE {SAVED}")
    _copy(house, what, "battery", SAVED)


def _restore(house: House) -> None:
    """Put what was saved with what is stored now."""
    _copy(house, "*", SAVED, "battery")
    house.database.query(f"DROP DATABASE {SAVED}")


def _copy(house: House, what: str, here: str, there: str) -> None:
    into = f'INTO "{there}"."autogen"."dc" FROM "{here}"."autogen"."dc"'
    house.database.query(f"SELECT {what} {into} GROUP BY *", timeout=60.0)


SCENARIOS = {
    "database_killed": Scenario(
        "The database is stopped, restarted, upgraded or killed",
        "values wait, after a second on disk; when it is back the newest are stored first",
        "nothing",
        killed,
    ),
    "database_restarted": Scenario(
        "The database is restarted several times in quick order",
        "what a restart has cut off is sent again with the same times, so that nothing is there"
        " twice",
        "nothing",
        restarted,
    ),
    "database_hangs": Scenario(
        "The database hangs, and answers no request",
        "each request ends after 8 s and is sent again later; the device is read meanwhile",
        "nothing",
        hangs,
    ),
    "database_drips": Scenario(
        "The database's answer drips, byte by byte",
        "the request ends after 8 s in all and is sent again later",
        "nothing",
        drips,
    ),
    "database_busy": Scenario(
        "The database is busy (503, 429)",
        "values wait, after a second on disk; no request comes before the time that `Retry-After`"
        " has",
        "nothing",
        busy,
    ),
    "database_dropped": Scenario(
        "The database is dropped",
        "it is made again, if the user in the file may do that; otherwise values wait until"
        " somebody has made it",
        "what was in it",
        dropped,
    ),
    "database_password_changed": Scenario(
        "The database refuses the login: its password was changed, its user is gone",
        "values wait, after a second on disk; it is tried again after 5 s, then at most each"
        " minute",
        "nothing",
        password_changed,
    ),
    "database_right_taken": Scenario(
        "The database's user may not write any more",
        "values wait, after a second on disk; the log has the statement that gives the right back",
        "nothing",
        right_taken,
    ),
    "database_small_requests": Scenario(
        "The database refuses large requests (413)",
        "what waits is sent in smaller parts",
        "nothing",
        small_requests,
    ),
    "field_refused": Scenario(
        "The database refuses a field, as it has it with another type",
        "all other fields are stored; the refused values are kept, with the reason, for"
        " `bat2influx spool --retry-rejected`",
        "nothing",
        field_refused,
    ),
}
