"""The table of docs/databases.md: a line for each of `LINES`, each cell seen by a test.

A line is a function that sets a database up, uses it by the daemon's writer, asserts the common
behaviour of all databases, and returns the observed behaviour as the text of the cell.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bat2influx.delivery.delivery import Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.spool import Spool
from bat2influx.influx.outcome import Outcome
from tests import TOP
from tests.integration.databases.kinds import DAY, KINDS, PASSWORD, TOKEN, Kind, Running, stamp
from tests.support.daemon import wait
from tests.support.writing import write, writer

PAGE = TOP / "docs/databases.md"
BEGIN = "<!-- written by tests/integration/databases -->\n"
END = "<!-- up to here: databases -->\n"
NONE = "–"
YES = "yes"
VERSION = "yes, and its version"
NS = "to the nanosecond"
PARTS = "sent in parts"
REFUSED_FIELD = "one rejected field among 16 values per second"
OTHERS = "the others are stored as usual"
KEPT, ASIDE, UNSAID = "logged; values stay queued", "quarantined", "dropped by it without an error"

Line = Callable[[Kind, Path], str]


def lines(count: int, name: str = "Voltage", *, age: float = 60.0) -> list[bytes]:
    """Return so many lines, a ms and a third apart."""
    start = stamp(age)
    return [b"dc %b=%d.5 %d" % (name.encode(), n, start + n * 1_333_333) for n in range(count)]


def attempt(running: Running, batch: Sequence[bytes], **settings: Any) -> Outcome:
    """Write a batch, with `settings` in place of the correct ones."""
    return write(writer(running.port, **{**running.settings, **settings}), batch)


def resolution(running: Running, batch: Sequence[bytes]) -> str:
    """Assert that a batch, and nothing else, is stored; return the precision of its times."""
    sent = sorted(_value(line) for line in batch)
    stored = running.stored()
    if stored == sent:
        return NS
    assert stored == [(at // 10**6 * 10**6, name, value) for at, name, value in sent]
    return "to the millisecond"


def _value(line: bytes) -> tuple[int, str, float]:
    rest, _, at = line.decode().rpartition(" ")
    name, _, value = rest.partition(" ")[2].partition("=")
    return int(at), name, float(value)


def found_out(kind: Kind, directory: Path) -> str:
    """The writer determines the kind of database before the first write."""
    with kind.open(directory) as running:
        made = writer(running.port, **running.settings)
        assert made.probe().trouble is None
        assert made.server.dialect is not None
        assert made.server.dialect.value == kind.title
        return VERSION if made.server.version else YES


def stored(kind: Kind, directory: Path) -> str:
    """A batch is stored, and only once if it is sent twice."""
    with kind.open(directory) as running:
        batch = lines(100)
        for _ in range(1 if kind.title == "VictoriaMetrics" else 2):
            assert attempt(running, batch).accepted == 100
        return resolution(running, batch)


def login(kind: Kind, directory: Path) -> str:
    """With user and password it is stored; with a wrong password it is queued, and reported."""
    with kind.open(directory, login=True) as running:
        batch = lines(3)
        assert attempt(running, batch).accepted == 3
        for wrong in ({"password": "wrong"}, {"user": "", "password": ""}):
            refused = attempt(running, batch, **wrong)
            assert refused.undecided == batch
            assert refused.trouble is not None
            assert refused.trouble.cause == "database login"
            assert PASSWORD not in refused.trouble.text
        return "the token is the password" if running.settings["password"] == TOKEN else YES


def token(kind: Kind, directory: Path) -> str:
    """A token replaces user and password; a wrong one is reported as such."""
    if not kind.has("token"):
        return NONE
    with kind.open(directory) as running:
        batch = lines(3)
        assert attempt(running, batch).accepted == 3
        refused = attempt(running, batch, token="wrong")
        assert refused.undecided == batch
        assert refused.trouble is not None
        assert "rejects the token" in refused.trouble.text
        return YES


def right(kind: Kind, directory: Path) -> str:
    """A login without the right to write is reported as such."""
    if not kind.has("right"):
        return NONE
    with kind.open(directory, right=False) as running:
        batch = lines(3)
        refused = attempt(running, batch)
        assert refused.undecided == batch
        assert refused.trouble is not None
        assert refused.trouble.cause == "database right"
        assert running.stored() == []
        return KEPT


def tls(kind: Kind, directory: Path) -> str:
    """By TLS, trusted by ca_file, and not trusted without it."""
    with kind.open(directory, tls=True) as running:
        batch = lines(3)
        assert attempt(running, batch).accepted == 3
        assert attempt(running, batch, tls=type(running.settings["tls"])()).undecided == batch
        return YES


def database(kind: Kind, directory: Path) -> str:
    """A database that does not exist."""
    with kind.open(directory, there=False) as running:
        batch = lines(3)
        outcome = attempt(running, batch)
        if outcome.accepted == 3:
            resolution(running, batch)
            return {
                "InfluxDB 1": "the daemon creates it",
                "InfluxDB 3": "the first write creates it",
                "VictoriaMetrics": "it is a label, `db`",
            }[kind.title]
        assert outcome.undecided == batch
        assert outcome.trouble is not None
        assert outcome.trouble.cause == "no database"
        return KEPT


def beside(kind: Kind, directory: Path, bad: bytes, **how: Any) -> str:
    """Write valid lines with a bad one among them; return the result for the bad one."""
    with kind.open(directory, **how) as running:
        sound = lines(7)
        assert attempt(running, sound[:1]).accepted == 1  # which settles its type
        outcome = attempt(running, [*sound[1:4], bad, *sound[4:]])
        assert outcome.undecided == []
        resolution(running, sound)
        if not outcome.rejected:
            return UNSAID
        assert [row.line for row in outcome.rejected] == [bad]
        return ASIDE


def malformed(kind: Kind, directory: Path) -> str:
    """A malformed line."""
    return beside(kind, directory, b"dc Voltage= %d" % stamp())


def other_type(kind: Kind, directory: Path) -> str:
    """A field that is stored as an integer, among other fields."""
    with kind.open(directory) as running:
        whole = b"dc Voltage=1i %d" % stamp(120.0)
        assert attempt(running, [whole]).accepted == 1
        ours, others = lines(3), lines(5, "Current")
        outcome = attempt(running, [*others[:2], *ours, *others[2:]])
        assert outcome.undecided == []
        assert sorted(row.line for row in outcome.rejected) in ([], ours)
        names = [name for _, name, _ in running.stored()]
        assert names.count("Current") == 5
        if outcome.rejected:
            return ASIDE
        assert names.count("Voltage") == 4
        return "stored: all are numbers"


def refused_field(kind: Kind, directory: Path) -> str:
    """A field of another type among sixteen, each once per second, for two minutes or less.

    InfluxDB 3 acknowledges once per second, so that each additional request costs a second: there
    it takes the two minutes. The queue stays far below the 1,400 values that would then gather.
    """
    three = kind.title == "InfluxDB 3"
    seconds = 120 if three else 10
    with kind.open(directory, flush=1.0) as running:
        whole = b"dc Odd=1i %d" % stamp(3600.0)
        assert attempt(running, [whole]).accepted == 1
        spool = Spool(MemoryQueue(10**7), DiskQueue(directory / "state", 10**7))
        made = writer(running.port, **running.settings)
        delivery = Delivery(spool, made, idle=1.0, wake=lambda: None)
        delivery.start()
        names = [b"Odd", *(b"F%d" % number for number in range(15))]
        start, most = stamp(seconds), 0
        for second in range(seconds):
            for name in names:
                delivery.put([b"dc %b=%d.5 %d" % (name, second, start + second * 10**9)])
            time.sleep(1.0)
            most = max(most, delivery.figures.queued)
        wait("the rest", lambda: delivery.figures.queued == 0)
        delivery.stop(1.0)
        assert delivery.failure is None
        assert most < 640  # 40 s of values, however slow the machine
        stored = [name for _, name, _ in running.stored()]
        assert all(stored.count(name.decode()) == seconds for name in names[1:])
        figures = delivery.figures
        if figures.rejected:
            assert (figures.accepted, figures.rejected) == (15 * seconds, seconds)
            assert stored.count("Odd") == 1
            return OTHERS
        assert stored.count("Odd") == seconds + 1
        return "stored: all are numbers"


def too_old(kind: Kind, directory: Path) -> str:
    """A line older than the retention."""
    return beside(kind, directory, b"dc Voltage=9 %d" % stamp(3 * DAY), retention=True)


def too_large(kind: Kind, directory: Path) -> str:
    """A batch larger than the limit of a request."""
    if not kind.has("small"):
        return NONE
    with kind.open(directory, small=True) as running:
        batch = lines(1000)
        assert sum(map(len, batch)) > 10_000
        assert attempt(running, batch).accepted == 1000
        resolution(running, batch)
        return PARTS


def setting_up(kind: Kind, directory: Path) -> str:
    """`setup-db` on an empty server."""
    with kind.open(directory, there=False) as running:
        path = directory / "bat2influx.ini"
        keys = {"address": "127.0.0.1", "port": running.port, **running.settings}
        path.write_text("[Influx]\n" + "".join(f"{key} = {keys[key]}\n" for key in keys))
        command = [sys.executable, "-m", "bat2influx", "--config", path, "setup-db"]
        for _ in range(2):
            done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
        if "policy 'minutes' exists" in done.stdout:
            return "creates all of it"
        assert kind.title in done.stdout.splitlines()[0]
        return "prints what to do"


LINES: dict[str, Line] = {
    "kind of database detected": found_out,
    "values and times": stored,
    "`user` and `password`": login,
    "`token`": token,
    "a login without the right to write": right,
    "TLS": tls,
    "a database that does not exist": database,
    "a malformed line, among others": malformed,
    "a field of another type, among others": other_type,
    REFUSED_FIELD: refused_field,
    "a point older than the retention": too_old,
    "a request above the size limit": too_large,
    "`bat2influx setup-db`": setting_up,
}
EITHER = f"{ASIDE}; 1.79: {UNSAID}"
CELLS: dict[str, tuple[str, str, str, str]] = {
    "kind of database detected": (VERSION, VERSION, VERSION, YES),
    "values and times": (NS, NS, NS, "to the millisecond"),
    "`user` and `password`": (YES, YES, "the token is the password", YES),
    "`token`": (NONE, YES, YES, NONE),
    "a login without the right to write": (KEPT, KEPT, KEPT, NONE),
    "TLS": (YES, YES, YES, YES),
    "a database that does not exist": (
        "the daemon creates it",
        KEPT,
        "the first write creates it",
        "it is a label, `db`",
    ),
    "a malformed line, among others": (ASIDE, ASIDE, ASIDE, EITHER),
    "a field of another type, among others": (ASIDE, ASIDE, ASIDE, "stored: all are numbers"),
    REFUSED_FIELD: (OTHERS, OTHERS, OTHERS, "stored: all are numbers"),
    "a point older than the retention": (ASIDE, ASIDE, UNSAID, UNSAID),
    "a request above the size limit": (PARTS, PARTS, PARTS, NONE),
    "`bat2influx setup-db`": (
        "creates all of it",
        "prints what to do",
        "prints what to do",
        "prints what to do",
    ),
}


def holds(line: str, kind: Kind, seen: str) -> bool:
    """Return whether the table has the observed behaviour of a kind."""
    cell = CELLS[line][KINDS.index(kind)]
    return seen in ((ASIDE, UNSAID) if cell == EITHER else (cell,))


def text() -> str:
    """Return the table."""
    titles = [kind.title for kind in KINDS]
    rows = [["", *titles], ["---"] * (len(titles) + 1)]
    rows += [[line, *CELLS[line]] for line in LINES]
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows) + "\n"


def shown() -> str:
    """Return what the page has."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def write_it() -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + text() + END + rest.partition(END)[2])
