"""Error answers that are not about the lines: no line is rejected, and all are stored later.

Each fault is placed before a real InfluxDB 1.6.7, or replaces it, and 200 lines are queued. During
the fault all stay queued; after its end the stored lines equal the sent ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from bat2influx.delivery import delivery
from bat2influx.delivery.delivery import Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.spool import Spool
from tests.standins.databases.gateways import (
    DISK_FULL,
    FAILS,
    Asked,
    Gateway,
    Judge,
    TlsPort,
    Verdict,
    closes_kept,
    every,
    page,
    redirect,
    refuses,
    through,
    told,
    too_large,
)
from tests.standins.databases.http_peers import ACCEPTED
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.influxdb3 import InfluxDB3
from tests.support.daemon import wait
from tests.support.writing import lines, write, writer

ROWS = lines(count=200)
NO = "InfluxDB at 127.0.0.1:{port} "
NOBODY = "the server at 127.0.0.1:{port} does not identify itself as a database (status 204"
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One server for all tests here; each has a separate database."""
    with InfluxDB(tmp_path_factory.mktemp("influxdb")) as made:
        yield made


def always(answer: bytes) -> Judge:
    """Answer this to everything, also to requests for its version."""

    def judge(asked: Asked) -> Verdict:
        del asked
        return answer

    return judge


def one_row_at_most() -> Judge:
    """Answer 413 to requests with more than one line, as a limit in the wrong unit would."""
    return too_large(len(ROWS[-1]) + 1)


# Name: the fault before the database, the log's text, and the most requests of three attempts.
FAULTS: dict[str, tuple[Callable[[], Judge], str, int]] = {
    "a proxy with 413 to everything": (too_large, "answers 413 Request Entity Too Large", 12),
    "a proxy with 413 to every write": (
        lambda: refuses(page("413 Request Entity Too Large")),
        "rejects even one value of 35 bytes as too large",
        14,
    ),
    "a gateway's 400 with JSON": (
        lambda: refuses(told("400 Bad Request", error="bad request")),
        NO + "rejects every value (bad request)",
        60,
    ),
    "a gateway's 422 with JSON": (
        lambda: refuses(told("422 Unprocessable Entity", error="blocked by policy")),
        NO + "rejects every value (blocked by policy)",
        60,
    ),
    "a gateway's 400 with a message": (
        lambda: refuses(told("400 Bad Request", message="bad request")),
        "answers 400 Bad Request, not as InfluxDB does",
        4,
    ),
    "a gateway's 400 with a page": (
        lambda: refuses(page("400 Bad Request")),
        "answers 400 Bad Request, not as InfluxDB does",
        4,
    ),
    "a full disk of the database": (
        lambda: refuses(DISK_FULL),
        NO + "rejects every value (partial write: write /var/lib/influxdb/data: no space left",
        60,
    ),
    "a captive portal with 204": (lambda: always(ACCEPTED), NOBODY, 12),
    "a captive portal with its page": (
        lambda: always(redirect("302 Found", "http://portal.lan/login")),
        "answers 302 Found and redirects to http://portal.lan/login, which is another request",
        3,
    ),
    "a place that has moved": (
        lambda: always(redirect("301 Moved Permanently", "https://db.example/influx/ping")),
        "set address = db.example, port = 443, path = /influx, tls = yes under [Influx]",
        3,
    ),
    "a database that fails": (lambda: refuses(FAILS), NO + "answers 500 timeout", 4),
}


@pytest.mark.parametrize("name", FAULTS)
def test_no_line_is_rejected_for_an_answer_about_something_else(
    server: InfluxDB, name: str
) -> None:
    """During it nothing is stored or rejected, few requests are sent, and it is reported."""
    fault, words, most = FAULTS[name]
    db = f"battery {next(_numbers)}"
    server.query(f'CREATE DATABASE "{db}"')
    with Gateway(server.port, fault()) as gateway:
        made = writer(gateway.port, db=db)
        left = ROWS
        for _ in range(3):
            outcome = write(made, left)
            assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], ROWS)
            assert outcome.trouble
            assert words.format(port=gateway.port) in outcome.trouble.text
            left = outcome.undecided
        assert len(gateway.refused) <= most
        gateway.judge = through
        outcome = write(made, left)
        assert (outcome.accepted, outcome.rejected, outcome.undecided) == (200, [], [])
    assert server.query("SELECT Voltage FROM dc", db) == [
        {"time": 1_700_000_000_000_000_000 + n * 10**9, "Voltage": n + 0.5} for n in range(200)
    ]


def test_with_a_limit_of_a_single_line_each_is_sent_alone(server: InfluxDB) -> None:
    """Slow, but nothing is lost; after its end, requests have more and more lines."""
    db = f"battery {next(_numbers)}"
    server.query(f'CREATE DATABASE "{db}"')
    with Gateway(server.port, one_row_at_most()) as gateway:
        made = writer(gateway.port, db=db)
        assert write(made, ROWS[:20]).accepted == 20
        refused = len(gateway.refused)
        assert write(made, ROWS[:20]).accepted == 20
        assert len(gateway.refused) == refused


def test_a_limit_of_bytes_is_determined_once(server: InfluxDB) -> None:
    """Of each 5,000 lines some 127 requests were rejected, every time again."""
    batch = lines(count=5000)
    with Gateway(server.port, too_large(4096)) as gateway:
        made = writer(gateway.port, db=f"battery {next(_numbers)}")
        assert write(made, batch).accepted == 5000
        assert len(gateway.refused) <= 8
        for _ in range(2):
            assert write(made, batch).accepted == 5000
        assert len(gateway.refused) <= 12  # it is retried after a while, less and less often


def test_a_bad_line_behind_a_working_gateway_is_still_rejected(server: InfluxDB) -> None:
    """Because the database itself answers."""
    with Gateway(server.port) as gateway:
        made = writer(gateway.port, db=f"battery {next(_numbers)}")
        outcome = write(made, [*ROWS[:100], b"nonsense", *ROWS[100:]])
    assert (outcome.accepted, outcome.undecided) == (200, [])
    assert [row.line for row in outcome.rejected] == [b"nonsense"]


@pytest.mark.parametrize("times", [2, 3])
def test_an_idle_connection_that_the_server_closes_is_no_failure(
    server: InfluxDB, times: int
) -> None:
    """Its idle timeout ended just as the request came: the request is sent again, without error."""
    with Gateway(server.port, closes_kept(times)) as gateway:
        made = writer(gateway.port, db=f"battery {next(_numbers)}")
        for start in range(0, 200, 10):
            outcome = write(made, ROWS[start : start + 10])
            assert (outcome.accepted, outcome.trouble) == (10, None)
        assert len(gateway.refused) >= 10


def test_a_database_that_fails_every_second_time_stores_all(server: InfluxDB) -> None:
    """Each failure counts, and the failed lines are sent again."""
    db = f"battery {next(_numbers)}"
    server.query(f'CREATE DATABASE "{db}"')
    with Gateway(server.port, every(2, FAILS)) as gateway:
        made = writer(gateway.port, db=db)
        assert write(made, ROWS).accepted == 200
        failed = write(made, ROWS)
        assert failed.undecided == ROWS
        assert write(made, failed.undecided).accepted == 200


@pytest.mark.parametrize("abrupt", [False, True])
@pytest.mark.parametrize("of", ["go", "nginx"])
def test_a_tls_port_is_always_reported_as_one(of: str, abrupt: bool) -> None:
    """Its answer races with a reset, because it reads no body: 50 of 50 times it is read."""
    with TlsPort(of, abrupt=abrupt) as peer:
        for _ in range(50):
            outcome = write(writer(peer.port), ROWS)
            assert outcome.undecided == ROWS
            assert outcome.trouble
            assert "requires TLS; set tls = yes under [Influx]" in outcome.trouble.text


@pytest.mark.parametrize("pasted", ["Bearer {}", "Token {}", " {}"])
def test_a_token_that_influxdb_3_finds_malformed_is_a_login(pasted: str) -> None:
    """It answers 400, also to requests for its version; no line is rejected for that."""
    with InfluxDB3() as peer:
        outcome = write(writer(peer.port, token=pasted.format(peer.token)), ROWS)
        assert (outcome.accepted, outcome.rejected, outcome.undecided) == (0, [], ROWS)
        assert outcome.trouble
        assert outcome.trouble.cause == "database login"
        assert "rejects the token" in outcome.trouble.text
        assert write(writer(peer.port, token=peer.token), ROWS).accepted == 200


@pytest.fixture
def delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int, str], Delivery]]:
    """Makes a delivery into a database at a port, with short retry intervals."""
    monkeypatch.setattr(delivery, "delay", lambda *_: 0.2)
    made: list[Delivery] = []

    def start(port: int, db: str) -> Delivery:
        spool = Spool(MemoryQueue(10**7), DiskQueue(tmp_path / "state", 10**7))
        made.append(Delivery(spool, writer(port, db=db), idle=0.5, wake=lambda: None))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop(0.0)


@pytest.mark.parametrize("name", FAULTS)
def test_during_a_fault_all_is_queued_and_one_line_has_the_cause(
    server: InfluxDB,
    name: str,
    delivered: Callable[[int, str], Delivery],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """200 lines queued, none rejected or dropped; afterwards all are stored, and that is logged."""
    fault, words, _ = FAULTS[name]
    db = f"battery {next(_numbers)}"
    server.query(f'CREATE DATABASE "{db}"')
    with caplog.at_level(logging.INFO), Gateway(server.port, fault()) as gateway:
        made = delivered(gateway.port, db)
        for line in ROWS:
            made.put([line])
        wait("a few tries", lambda: len(gateway.refused) > 8 and made.figures.database_up is False)
        figures = made.figures
        assert figures.queued == 200
        assert (figures.accepted, figures.rejected, figures.dropped) == (0, 0, 0)
        assert figures.database_up is False
        told_now = [trouble.text for trouble in figures.troubles]
        gateway.judge = through
        wait("the rest", lambda: made.figures.queued == 0)
        wait("the line", lambda: "is reachable again" in caplog.text)
        figures = made.figures
    assert (figures.accepted, figures.rejected, figures.dropped) == (200, 0, 0)
    assert len(server.query("SELECT Voltage FROM dc", db)) == 200
    texts = [record.getMessage() for record in caplog.records]
    beginning = words.format(port=gateway.port)
    assert beginning in texts[0]
    assert any(beginning in text for text in told_now)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) <= 2
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_database_that_fails_every_second_time_does_not_fill_the_journal(
    server: InfluxDB,
    delivered: Callable[[int, str], Delivery],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its failures and recoveries are logged a few times, and then as one lasting failure."""
    db = f"battery {next(_numbers)}"
    server.query(f'CREATE DATABASE "{db}"')
    with caplog.at_level(logging.INFO), Gateway(server.port, every(2, FAILS)) as gateway:
        made = delivered(gateway.port, db)
        for number, line in enumerate(ROWS[:60], 1):
            made.put([line])
            wait("it", lambda number=number: made.figures.accepted == number)
        assert len(gateway.refused) >= 30
    assert len(caplog.records) <= 10
