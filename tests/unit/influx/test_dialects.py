"""Which database it is, and its errors: pure, answer by answer."""

import pytest

from bat2influx.influx.dialects import Dialect, Server, identify, reason_of, retry_after

ONE, TWO, THREE, VICTORIA = (Server(kind) for kind in Dialect)
UNKNOWN = Server()


@pytest.mark.parametrize(
    ("headers", "body", "kind", "version"),
    [
        ({"X-Influxdb-Version": "1.6.7~rc0"}, b"", Dialect.INFLUXDB1, "1.6.7~rc0"),
        ({"X-Influxdb-Version": "1.11.8"}, b"", Dialect.INFLUXDB1, "1.11.8"),
        ({"X-Influxdb-Version": "v2.7.12"}, b"", Dialect.INFLUXDB2, "2.7.12"),
        ({"X-Influxdb-Version": "3.4.1"}, b"{}", Dialect.INFLUXDB3, "3.4.1"),
        ({}, b'{"version":"3.0.0-beta","revision":"x"}', Dialect.INFLUXDB3, "3.0.0-beta"),
        ({"X-Server-Hostname": "vm"}, b"", Dialect.VICTORIAMETRICS, ""),
        (
            {"X-Server-Hostname": "vm", "X-Influxdb-Version": "1.8.0"},
            b"",
            Dialect.VICTORIAMETRICS,
            "",
        ),
        ({}, b"", None, ""),
        ({}, b'{"error":"the request was not authenticated"}', None, ""),
        ({}, b'{"version":3}', None, ""),
        ({}, b"[" * 100_000, None, ""),
        ({"X-Influxdb-Version": "10.0"}, b"", None, "10.0"),
        ({"X-Influxdb-Version": "unknown\x1b[2J"}, b"", None, "unknown [2J"),
        (
            {"X-Influxdb-Version": "dev", "X-Influxdb-Build": "OSS"},
            b"",
            Dialect.INFLUXDB2,
            "dev",
        ),
        (
            {"X-Influxdb-Version": "unknown", "X-Influxdb-Build": "OSS", "Request-Id": "1"},
            b"",
            Dialect.INFLUXDB1,
            "unknown",
        ),
    ],
)
def test_a_ping_identifies_the_server(
    headers: dict[str, str], body: bytes, kind: Dialect | None, version: str
) -> None:
    """By headers or body; any other answer identifies nothing."""
    assert identify(headers, body) == Server(kind, version)


@pytest.mark.parametrize(
    ("server", "status", "body", "reason"),
    [
        (ONE, 400, b'{"error":"unable to parse"}', "unable to parse"),
        (TWO, 422, b'{"code":"invalid","message":"no\\nway"}', "no way"),
        (UNKNOWN, 400, b'{"message":"somebody else\'s"}', None),
        (ONE, 400, b"plain", None),
        (VICTORIA, 400, b"cannot parse it", "cannot parse it"),
        (THREE, 400, b"incoming write was empty", "incoming write was empty"),
        (THREE, 403, b"", None),
        (
            THREE,
            400,
            b'{"error":"partial write","data":[{"error_message":"invalid column type"}]}',
            "partial write: invalid column type",
        ),
        (THREE, 400, b'{"error":"partial write","data":["x"]}', "partial write"),
        (THREE, 400, b'{"error":"partial write","data":{"a":1}}', "partial write"),
        (
            THREE,
            400,
            b'{"error":"parsing failed","data":{"error_message":"no fields","line_number":1}}',
            "parsing failed: no fields",
        ),
        (THREE, 502, b"<html>Bad Gateway</html>", None),
        (VICTORIA, 404, b"\n <!doctype html>", None),
        (ONE, 200, b'{"results":[{"statement_id":0,"error":"no"}]}', "no"),
        (ONE, 200, b'{"results":[{"statement_id":0}]}', None),
        (ONE, 200, b'{"results":"x"}', None),
        (VICTORIA, 200, b"done", None),
    ],
)
def test_the_reason_is_the_servers_own(
    server: Server, status: int, body: bytes, reason: str | None
) -> None:
    """An answer of another program has none."""
    assert reason_of(server, status, body) == reason


def test_found_a_version_was_cut_before_its_secrets_were_removed() -> None:
    """The rest of a cut secret would not have been recognised."""
    secret = "k3dUyQ7cPz0Yw8Vd1nTq5LxR2mSb9HgJ4fAoEiKuXzWvBtNcMpQrYsDhGaaaaaaaaaaaaa"
    found = identify({"X-Influxdb-Version": f"1.{secret}"}, b"", lambda s: s.replace(secret, "…"))
    assert found.version == "1.…"


def test_the_time_of_retry_after() -> None:
    """At most five minutes, and only for a number."""
    given = {"7": 7.0, "86400": 300.0, "Wed, 21 Oct": None, "": None, "-1": None, "²": None}
    assert {each: retry_after({"Retry-After": each}) for each in given} == given


@pytest.mark.parametrize(
    ("server", "known"),
    [(UNKNOWN, False), (ONE, True), (VICTORIA, True), (Server(version="10.0"), True)],
)
def test_an_identified_database_is_known(server: Server, known: bool) -> None:
    """Even if its version is unknown."""
    assert server.known is known
