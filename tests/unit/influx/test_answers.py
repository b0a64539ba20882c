"""What an answer to a write means for its rows, cell by cell, for each kind of database."""

from __future__ import annotations

import json

import pytest

from bat2influx.influx.answers import Answer, Kind, Meaning, meaning_of
from bat2influx.influx.dialects import Dialect, Server

ONE, TWO, THREE, VICTORIA = (Server(kind) for kind in Dialect)
NOBODY, OTHER = Server(), Server(version="10.0")
PAGE = "<html>It works!</html>"
STORED, BAD, REFUSED, LARGE, MISSING, KEPT = Meaning


def error(text: str) -> str:
    """Return an error in the form of InfluxDB 1 and 3."""
    return json.dumps({"error": text})


def coded(text: str) -> str:
    """Return an error in the form of InfluxDB 2."""
    return json.dumps({"code": "any", "message": text})


def row(number: object = 2, begins: object = "dc Power=1.5 1700000") -> str:
    """Return how InfluxDB 3.6.0 rejects a batch with a bad row (INFLUXDB, last section)."""
    data = {"error_message": "bad", "line_number": number, "original_line": begins}
    return json.dumps({"error": "parsing failed for write_lp endpoint", "data": data})


CONFLICT = (
    'partial write: field type conflict: input field "Power" on measurement "dc" is type float,'
    " already exists as type integer dropped=1"
)
WRITING = "failure writing points to database: "
REMOTE = 'remoteAddr: "127.0.0.1:4711"; requestURI: /write?db=x; '
OUTSIDE = (
    "partial write: dropped 2 points outside retention policy of duration 24h0m0s - oldest point dc"
    " at 2026-01-01T00:00:00Z dropped because it violates a Retention Policy "
)
FULL = "partial write: write /var/lib/influxdb/data/1.tsm: no space left on device dropped=1"


@pytest.mark.parametrize(
    ("server", "status", "body", "meaning"),
    [
        (ONE, 204, "", STORED),
        (ONE, 200, PAGE, KEPT),
        (ONE, 400, error("unable to parse 'x': missing fields"), BAD),
        (ONE, 400, error("partial write: unable to parse 'x': missing fields dropped=0"), BAD),
        (ONE, 400, error(CONFLICT), BAD),
        (ONE, 400, error(CONFLICT.removeprefix("partial write: ")), BAD),
        (ONE, 400, error("partial write: points beyond retention policy dropped=3"), BAD),
        (ONE, 400, error("partial write: dropped 2 points outside retention policy of"), BAD),
        (ONE, 400, error("partial write: max-series-per-database limit exceeded: (1)"), BAD),
        (ONE, 400, error("partial write: max-values-per-tag limit exceeded (9/9)"), BAD),
        (ONE, 400, error("partial write: max key length exceeded: 70000 > 65535"), BAD),
        (ONE, 400, error(FULL), REFUSED),
        (ONE, 400, error("partial write: engine is closed dropped=1"), REFUSED),
        (ONE, 400, error("bad request"), REFUSED),
        (ONE, 400, error("unable to read body: 'unable to parse'"), REFUSED),
        (ONE, 400, error("unable to parse request body"), REFUSED),
        (ONE, 422, error("no"), REFUSED),
        (ONE, 400, PAGE, KEPT),
        (ONE, 400, json.dumps({"message": "blocked by policy"}), KEPT),
        (ONE, 401, error("authorization failed"), KEPT),
        (ONE, 403, error("not authorized"), KEPT),
        (ONE, 404, error('database not found: "battery"'), MISSING),
        (ONE, 404, error("no route"), KEPT),
        (ONE, 404, PAGE, KEPT),
        (ONE, 408, "", KEPT),
        (ONE, 413, error("Request Entity Too Large"), LARGE),
        (ONE, 413, PAGE, LARGE),
        (ONE, 429, "", KEPT),
        (ONE, 500, error("timeout"), KEPT),
        (ONE, 500, error("max request size (10485760 bytes) exceeded"), KEPT),
        (ONE, 503, error(CONFLICT), KEPT),
        (TWO, 204, "", STORED),
        (TWO, 400, coded("unable to parse 'x': missing fields"), BAD),
        (TWO, 400, coded("unable to parse JSON"), REFUSED),
        (TWO, 422, coded(WRITING + CONFLICT), BAD),
        (TWO, 422, coded(WRITING + OUTSIDE), BAD),
        (TWO, 422, coded(WRITING + FULL), REFUSED),
        (TWO, 422, coded("no"), REFUSED),
        (TWO, 400, coded("bad request"), REFUSED),
        (TWO, 400, error("missing db"), REFUSED),
        (TWO, 404, coded("no dbrp mapping found"), MISSING),
        (TWO, 404, coded('bucket "battery" not found'), MISSING),
        (TWO, 404, coded("no route"), KEPT),
        (TWO, 404, PAGE, KEPT),
        (TWO, 413, coded("too large"), LARGE),
        (TWO, 429, coded("slow down"), KEPT),
        (THREE, 204, "", STORED),
        (THREE, 400, row(), BAD),
        (THREE, 400, row().replace("parsing failed for write_lp endpoint",
                                   "line protocol parsing error"), BAD),
        (THREE, 400, error("partial write of line protocol occurred"), BAD),
        (THREE, 400, error("invalid character in database name"), KEPT),
        (THREE, 400, error("Authorization header was malformed"), KEPT),
        (THREE, 400, "incoming write was empty", KEPT),
        (THREE, 422, error("Adding a new database would exceed limit of 5 databases"), KEPT),
        (THREE, 422, error("Update to schema would exceed number of columns"), REFUSED),
        (THREE, 400, error("some newer reason"), REFUSED),
        (THREE, 401, "", KEPT),
        (THREE, 404, "", KEPT),
        (THREE, 413, "", LARGE),
        (THREE, 500, "max request size (10485760 bytes) exceeded", LARGE),
        (THREE, 500, "overloaded", KEPT),
        (VICTORIA, 204, "", STORED),
        (VICTORIA, 400, f'{REMOTE}cannot read data: incorrect influx line "dc": missing', BAD),
        (VICTORIA, 400, f"{REMOTE}cannot read the body", REFUSED),
        (VICTORIA, 400, "cannot parse request: missing API key", KEPT),
        (VICTORIA, 400, "unsupported path requested: /write", KEPT),
        (VICTORIA, 400, PAGE, KEPT),
        (VICTORIA, 400, error("bad request"), KEPT),
        (VICTORIA, 413, "", LARGE),
        (NOBODY, 204, "", KEPT),
        (NOBODY, 400, error("unable to parse 'x': missing fields"), KEPT),
        (NOBODY, 404, error("database not found"), KEPT),
        (NOBODY, 413, "", KEPT),
        (OTHER, 204, "", STORED),
        (OTHER, 400, error("unable to parse 'x': missing fields"), REFUSED),
        (OTHER, 413, "", LARGE),
    ],
)  # fmt: skip
def test_what_an_answer_means(server: Server, status: int, body: str, meaning: Meaning) -> None:
    """Rows are bad only by that database's own error; after other answers they stay queued."""
    assert meaning_of(server, status, body.encode()).meaning is meaning


def test_the_answer_has_the_servers_own_reason() -> None:
    """An answer of another program has none."""
    busy = meaning_of(ONE, 503, error("busy").encode())
    assert busy == Answer(KEPT, "busy", dialect=Dialect.INFLUXDB1)
    assert meaning_of(ONE, 503, PAGE.encode()).reason is None


@pytest.mark.parametrize(
    ("server", "status", "body", "kind"),
    [
        (ONE, 400, error(CONFLICT), Kind.TYPE),
        (ONE, 400, error(CONFLICT + " for database: x for retention policy: autogen"), Kind.TYPE),
        (TWO, 422, coded(WRITING + CONFLICT), Kind.TYPE),
        (THREE, 400, row().replace("bad", "invalid column type for column 'P'"), Kind.TYPE),
        (ONE, 400, error("partial write: points beyond retention policy dropped=3"), Kind.AGE),
        (ONE, 400, error(OUTSIDE + "Lower Bound at 2026 dropped=2"), Kind.AGE),
        (ONE, 400, error(OUTSIDE + "Write Window Upper Bound at 2026 dropped=2"), Kind.ROW),
        (ONE, 400, error("partial write: max-series-per-database limit exceeded"), Kind.SERIES),
        (ONE, 400, error("unable to parse 'x': field type conflict"), Kind.ROW),
        (THREE, 400, row(), Kind.ROW),
    ],
)
def test_what_is_wrong_with_a_row(server: Server, status: int, body: str, kind: Kind) -> None:
    """A problem of other rows, too, is distinguished from one of this row alone."""
    answer = meaning_of(server, status, body.encode())
    assert (answer.meaning, answer.kind) == (BAD, kind)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (
            "failure: partial write: dropped 2 points outside retention policy of duration 24h0m0s"
            " - oldest point dc at 2026-01-01T00:00:00Z dropped because it violates it dropped=2",
            "failure: partial write: points outside retention policy of duration 24h0m0s",
        ),
        (
            "partial write: points beyond retention policy dropped=3",
            "partial write: points beyond retention policy",
        ),
        (
            f"{CONFLICT} for database: battery for retention policy: autogen",
            CONFLICT.removesuffix(" dropped=1"),
        ),
        ("unable to parse 'dc it''s=1': ': missing value", "unable to parse: missing value"),
        (
            f'{REMOTE}cannot read data: incorrect influx line "dc Voltage= 1": missing value',
            "cannot read data: incorrect influx line: missing value",
        ),
    ],
)
def test_one_cause_has_one_name(reason: str, cause: str) -> None:
    """Parts that differ between rows are removed, or each row would be logged as new."""
    assert Answer(BAD, reason).cause == cause


@pytest.mark.parametrize(
    ("server", "body", "named"),
    [
        (THREE, row(), ((1, "dc Power=1.5 1700000"),)),
        (THREE, row(number=0), ()),
        (THREE, row(number="2"), ()),
        (THREE, row(number=True), ()),
        (THREE, row(begins=5), ()),
        (
            THREE,
            json.dumps(
                {
                    "error": "partial write of line protocol occurred",
                    "data": [{"line_number": n, "original_line": "x"} for n in (1, 4)] + [None],
                }
            ),
            ((0, "x"), (3, "x")),
        ),
        (THREE, error("parsing failed for write_lp endpoint"), ()),
        (ONE, json.dumps({"error": "unable to parse", "data": {"line_number": 1}}), ()),
    ],
)
def test_influxdb_3_names_the_row(
    server: Server, body: str, named: tuple[tuple[int, str], ...]
) -> None:
    """By its number, from 1, and its beginning; incomplete data name no row."""
    assert meaning_of(server, 400, body.encode()).named == named
