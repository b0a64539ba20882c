"""The Trouble for an answer of a database: its cause, and the fitting advice."""

from __future__ import annotations

from typing import Any

import pytest

from bat2influx.failure import Trouble
from bat2influx.influx.answers import Answer, Kind, Meaning
from bat2influx.influx.diagnosis import Diagnosis, moved_to
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.http import Reply
from bat2influx.net.tls import Tls
from tests.support.writing import CONFIG, DEFAULTS

ONE, TWO, THREE, VICTORIA = (Server(kind) for kind in Dialect)
NOBODY = Server()
GO = b"Client sent an HTTP request to an HTTPS server.\n"
NGINX = (
    b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
)
MALFORMED = b'{"error":"Authorization header was malformed, the request was not in the form"}'


def told(status: int, reason: str | None, server: Server, body: bytes = b"", **ini: Any) -> Trouble:
    """Return the Trouble for an answer to a write; `ini` as in [Influx], headers as `location`."""
    headers = {"Location": ini.pop("location")} if "location" in ini else {}
    reply = Reply(status, headers, body, "Words")
    made = Diagnosis(DEFAULTS._replace(**ini), CONFIG)
    return made.of_answer(reply, reason, server, "db:8086", "write")


@pytest.mark.parametrize(
    ("status", "reason", "server", "cause", "words"),
    [
        (401, "authorization failed", ONE, "database login", "requires a login"),
        (
            403,
            "not authorized",
            ONE,
            "database right",
            "does not allow requests without a login to write",
        ),
        (408, None, ONE, "database 408", "not as InfluxDB does"),
        (429, "slow down", TWO, "database 429", "answers 429 slow down"),
        (500, "timeout", ONE, "database 500", "InfluxDB at db:8086 answers 500 timeout"),
        (500, "retention policy not found: y", ONE, "no retention policy", "has no retention"),
        (400, "no space left", ONE, "database 400", "answers 400 no space left"),
        (400, "unsupported path requested: /write", VICTORIA, "database answer: path", "path"),
        (503, None, NOBODY, "database 503", "the database at db:8086 answers 503 Words"),
        (302, None, ONE, "database 302", "answers 302 Words"),
    ],
)
def test_each_answer_has_its_cause(
    status: int, reason: str | None, server: Server, cause: str, words: str
) -> None:
    """By its status and text; an answer not in the server's form is another program's."""
    why = told(status, reason, server)
    assert why.cause == cause
    assert words in why.text


@pytest.mark.parametrize("body", [GO, NGINX])
def test_a_port_that_requires_tls_is_reported(body: bytes) -> None:
    """By the texts of Go and of nginx, unless TLS is used already."""
    assert "set tls = yes" in told(400, None, NOBODY, body).text
    assert told(400, None, NOBODY, body, tls=Tls()).cause == "database 400"
    assert told(502, None, NOBODY, body).cause == "database 502"


def test_a_configured_path_may_be_wrong() -> None:
    """If the database itself has not answered."""
    assert told(404, None, ONE, path="/x").cause == "database answer: path"
    assert told(404, "no", ONE, path="/x").cause == "database 404"


def test_a_malformed_token_is_a_login_failure() -> None:
    """InfluxDB 3 answers it with 400, which is not about rows."""
    why = told(400, None, NOBODY, MALFORMED, token="a b")
    assert why.cause == "database login"
    assert "rejects the token" in why.text


@pytest.mark.parametrize(
    ("server", "ini", "words", "not_there"),
    [
        (ONE, {"user": "me"}, 'enter GRANT WRITE ON "battery" TO "me"', "influx "),
        (TWO, {"user": "me"}, "influx v1 auth create --write-bucket", "GRANT"),
        (TWO, {"token": "t"}, "influx auth create --write-bucket", "GRANT"),
        (THREE, {"token": "t"}, "grant it write access to 'battery'", "GRANT"),
    ],
)
def test_the_advice_on_rights_fits_the_server(
    server: Server, ini: dict[str, str], words: str, not_there: str
) -> None:
    """GRANT of InfluxQL exists in version 1 only."""
    text = told(403, "no", server, **ini).text
    assert words in text
    assert not_there not in text


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (ONE, 'CREATE DATABASE "battery"'),
        (TWO, "the token is for another bucket, or older than this one"),
    ],
)
def test_the_advice_on_a_missing_database_fits_the_server(server: Server, words: str) -> None:
    """InfluxDB 2 has the same answer for a bucket that the token has no access to."""
    made = Diagnosis(DEFAULTS._replace(token="t"), CONFIG)
    assert words in made.no_database(server, "db:8086", "no dbrp mapping found").text


@pytest.mark.parametrize("status", [200, 204])
def test_success_without_an_identity_is_reported(status: int) -> None:
    """No value counts as stored; any other answer has its own cause."""
    made = Diagnosis(DEFAULTS, CONFIG)
    why = made.of_unknown_server(Reply(status), "db:8086", "ping")
    assert why.cause == "database answer: not a database"
    assert "no value counts as stored" in why.text
    assert (
        made.of_unknown_server(Reply(401, reason="No"), "db:8086", "ping").cause == "database login"
    )


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_without_its_database_is_reported(status: int) -> None:
    """Address and port are right then; the database's own answer is another case."""
    assert "cannot connect to the database behind it" in told(status, None, ONE).text
    assert "answers 502 busy" in told(502, "busy", ONE).text


def test_influxdb_1_supports_no_token() -> None:
    """Another token would be rejected, too."""
    assert "version 1, which supports no tokens" in told(401, "no", ONE, token="t").text
    assert "rejects the token" in told(401, "no", TWO, token="t").text


def test_a_missing_administrator_is_reported_with_advice() -> None:
    """No user exists who could enter a statement."""
    why = "error authorizing query: create admin user first or disable authentication"
    assert "has no administrator yet; create one" in told(403, why, ONE).text
    made = Diagnosis(DEFAULTS, CONFIG).no_database(ONE, "db:8086", why)
    assert "has no administrator yet; create one" in made.text


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_an_unidentified_server_may_be_a_proxy(status: int) -> None:
    """It may block pings; the text names no user of a database."""
    why = Diagnosis(DEFAULTS, CONFIG).of_unknown_server(
        Reply(status, reason="No"), "db:8086", "ping"
    )
    assert why.cause == f"database {status}"
    assert "a proxy in front of it passes /ping" in why.text


# What to do about a row

ROW = rb"my\ dc\,\"1\",site=a\ b Power=1.5 17"
DROP = r"""influx -database battery -execute 'DROP MEASUREMENT "my dc,\"1\""', which deletes"""


@pytest.mark.parametrize(
    ("dialect", "kind", "measurement", "beginning"),
    [
        (
            Dialect.INFLUXDB1,
            Kind.TYPE,
            'my dc,"1"',
            f"set another measurement under [Influx] in {CONFIG}, whose name does not begin with my"
            f' dc,"1", and reload; or, to free this one, run {DROP}',
        ),
        (Dialect.INFLUXDB1, Kind.TYPE, "other", f"to free this one, run {DROP}"),
        (
            Dialect.INFLUXDB2,
            Kind.TYPE,
            'my dc,"1"',
            f"set another measurement under [Influx] in {CONFIG} and reload",
        ),
        (Dialect.INFLUXDB3, Kind.TYPE, "other", ""),
        (Dialect.INFLUXDB1, Kind.ROW, 'my dc,"1"', ""),
        (Dialect.INFLUXDB1, Kind.AGE, 'my dc,"1"', ""),
    ],
)
def test_the_advice_on_a_type_conflict(
    dialect: Dialect, kind: Kind, measurement: str, beginning: str
) -> None:
    """No statement resets the type of one field; rows of another measurement need no new one."""
    made = Diagnosis(DEFAULTS._replace(measurement=measurement), CONFIG)
    answer = Answer(Meaning.BAD_ROW, "x", kind=kind, dialect=dialect)
    found = made.advice(answer, ROW)
    assert found.startswith(beginning)
    assert bool(found) is bool(beginning)


# Redirects

HTTPS = "https://db.example/write?db=battery&u=me&p=gehe1m"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_reported_with_lines_for_the_ini(status: int) -> None:
    """Without the query of its target."""
    text = told(status, None, ONE, location=HTTPS).text
    assert f"answers {status} Words and redirects to https://db.example/write; set " in text
    assert "set address = db.example, port = 443, tls = yes under [Influx]" in text
    assert "gehe1m" not in text


@pytest.mark.parametrize(
    ("location", "ini", "lines"),
    [
        (HTTPS, {}, ["address = db.example", "port = 443", "tls = yes"]),
        ("https://127.0.0.1:8086/write", {}, ["tls = yes"]),
        ("http://127.0.0.1:8087/write", {}, ["port = 8087"]),
        ("http://127.0.0.1:8086/write", {"tls": Tls()}, []),
        ("/influx/write?db=x", {}, ["path = /influx"]),
        ("/write", {"path": "/influx"}, ["path = /"]),
        ("//[fd00::1]:8086/write", {}, ["address = fd00::1"]),
        ("HTTPS://DB.Example/write", {"address": "db.example"}, ["port = 443", "tls = yes"]),
        ("/write", {}, []),
        ("http://portal.lan/login?from=write", {}, []),
        ("https://db.example/write/", {}, []),
        ("/api/v2/write", {}, []),
        ("https://db.example:x/write", {}, []),
        ("http://[::1/write", {}, []),
        ("ftp://db.example/write", {}, []),
        ("", {}, []),
    ],
)
def test_the_lines_for_a_redirect(location: str, ini: dict[str, Any], lines: list[str]) -> None:
    """Only for the same request at another place."""
    assert moved_to(DEFAULTS._replace(**ini), location, "write")[1] == lines


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://me:gehe1m@portal.lan/login?next=x", "http://portal.lan/login"),
        ("http://a\x1b[2J.lan/" + "x" * 500, "http://a [2J.lan/" + "x" * 182 + "…"),
    ],
)
def test_the_target_is_shown_without_secrets(location: str, shown: str) -> None:
    """Nor with control characters, nor at any length."""
    assert moved_to(DEFAULTS, location, "write")[0] == shown


def test_a_redirect_to_another_request_is_reported() -> None:
    """With advice to check address and port."""
    text = told(302, None, NOBODY, location="http://portal.lan/login").text
    assert "redirects to http://portal.lan/login, which is another request" in text


def test_found_a_secret_that_a_tab_had_cut_was_joined_again() -> None:
    """An address has no tabs, which are removed before it is shown."""
    text = told(301, None, ONE, location="http://x/File\tPassw0rd/write", password="FilePassw0rd")
    assert "http://x/…/write" in text.what
    assert "FilePassw0rd" not in text.what
