"""Gateways before a database, or in its place, answer as proxies, portals and TLS ports do."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.databases import gateways
from tests.standins.databases.asking import WAIT, Answer, ask
from tests.standins.databases.gateways import Gateway, TlsPort
from tests.standins.databases.http_peers import CONTINUE, HttpPeer
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.influxdb2 import InfluxDB2
from tests.standins.network.certificates import authority, signed_certificate

AT = 1_700_000_000_123_456_789  # ns
LINE = f"dc,site=x Voltage=52.1 {AT}".encode()
BROKEN = (ConnectionResetError, BrokenPipeError)


@pytest.fixture
def two() -> Iterator[InfluxDB2]:
    """A database whose token is in each write."""
    with InfluxDB2() as peer:
        yield peer
    assert not peer.broken


def write(gateway: Gateway | HttpPeer, body: bytes = LINE) -> Answer:
    """Write to the database behind a gateway, as its administrator."""
    return ask(gateway.port, "/write?db=battery&u=any&p=token-of-2", body)


def exchange(port: int, *parts: bytes) -> tuple[bytes, bool]:
    """Send each part by itself; return the answer, and whether the connection was reset."""
    came, was_reset = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except BROKEN:
            was_reset = True
        try:
            while data := connection.recv(65_536):
                came += data
        except ConnectionResetError:
            was_reset = True
    return came, was_reset


def test_a_gateway_stands_before_a_real_server(influxdb: InfluxDB) -> None:
    """Without a judge all requests and answers pass with their headers, on one connection."""
    influxdb.query("CREATE DATABASE battery")
    with Gateway(influxdb.port) as gateway:
        pong = ask(gateway.port, "/ping")
        assert (pong.status, pong.headers["X-Influxdb-Version"]) == (204, "1.6.7~rc0")
        assert ask(gateway.port, "/write?db=battery", LINE).status == 204
        answer = ask(gateway.port, "/write?db=other", LINE)
        assert answer.told == {"error": 'database not found: "other"'}
        assert influxdb.query("SELECT * FROM dc", "battery")[0]["Voltage"] == 52.1
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=WAIT)
        for _ in range(2):
            connection.request("POST", "/write?db=battery", LINE, {"Authorization": "Token x"})
            assert connection.getresponse().read() == b""
        connection.close()
        assert [each.number for each in gateway.passed] == [1, 1, 1, 1, 2]
        influxdb.restart()
        assert ask(gateway.port, "/write?db=battery", LINE).status == 204
        influxdb.stop()
        answer = ask(gateway.port, "/ping")
        assert (answer.status, "<h1>502 Bad Gateway</h1>" in answer.body) == (502, True)


def test_a_gateway_answers_expect_100_continue(two: InfluxDB2) -> None:
    """Expect: 100-continue gets "100 Continue" before the body has come."""
    with Gateway(two.port) as gateway:
        for port in (gateway.port, two.port):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
                connection.sendall(
                    b"POST /write?db=battery&u=any&p=token-of-2 HTTP/1.1\r\nHost: a\r\n"
                    b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(LINE)
                )
                assert connection.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE
                connection.sendall(LINE)
                assert connection.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 204"
    assert len(two.stored) == 1


def test_a_proxy_rejects_all_as_too_large(two: InfluxDB2) -> None:
    """A proxy answers 413 to everything, with the page of nginx, until the test ends that."""
    with Gateway(two.port, gateways.too_large()) as gateway:
        for answer in (write(gateway), ask(gateway.port, "/ping")):
            assert (answer.status, answer.headers["Content-Type"]) == (413, "text/html")
            assert answer.headers["Connection"] == "close"
            assert answer.body == (
                "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
                "<center><h1>413 Request Entity Too Large</h1></center>\r\n"
                "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
            )
        assert (two.stored, len(gateway.refused)) == ([], 2)
        gateway.judge = gateways.through
        assert (write(gateway).status, len(two.stored)) == (204, 1)


def test_a_proxy_has_a_limit(two: InfluxDB2) -> None:
    """A proxy answers 413 to bodies above its limit, and passes on the others."""
    with Gateway(two.port, gateways.too_large(len(LINE))) as gateway:
        assert write(gateway, LINE + b"\n").status == 413
        assert write(gateway).status == 204
        assert ask(gateway.port, "/ping").status == 204


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (gateways.told("400 Bad Request", error="bad request"), 400, {"error": "bad request"}),
        (
            gateways.told("422 Unprocessable Entity", code="invalid", message="bad request"),
            422,
            {"code": "invalid", "message": "bad request"},
        ),
    ],
)
def test_a_gateway_rejects_writes(
    two: InfluxDB2, reply: bytes, status: int, body: dict[str, str]
) -> None:
    """A gateway rejects writes with its own JSON, while a ping reaches the database."""
    with Gateway(two.port, gateways.refuses(reply)) as gateway:
        answer = write(gateway)
        assert (answer.status, answer.told) == (status, body)
        assert ask(gateway.port, "/ping").headers["X-Influxdb-Build"] == "OSS"
    assert two.stored == []


def test_the_disk_of_1_is_full_measured(influxdb: InfluxDB) -> None:
    """InfluxDB 1 reports a full disk as a partial write, in the form of its other errors."""
    # measured: a full disk of the database
    with Gateway(influxdb.port) as gateway:
        real = ask(gateway.port, "/write?db=other", LINE)
        gateway.judge = gateways.refuses(gateways.DISK_FULL)
        full = ask(gateway.port, "/write?db=other", LINE)
    assert full.status == 400
    assert full.body == (
        '{"error":"partial write: write /var/lib/influxdb/data: '
        'no space left on device dropped=1"}\n'
    )
    for answer in (real, full):
        assert answer.headers["X-Influxdb-Error"] == answer.told["error"]
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.body == json.dumps(answer.told, separators=(",", ":")) + "\n"


def test_a_portal_accepts_everything() -> None:
    """A captive portal answers every request with 204, without a version."""
    with gateways.portal() as portal:
        for answer in (ask(portal.port, "/ping"), ask(portal.port, "/query?q=x"), write(portal)):
            assert (answer.status, answer.body) == (204, "")
            assert "X-Influxdb-Version" not in answer.headers


def test_a_portal_has_a_login() -> None:
    """A captive portal redirects every request to its page, also a ping."""
    with gateways.portal_with_login() as portal:
        for answer in (ask(portal.port, "/ping"), write(portal)):
            assert (answer.status, answer.headers["Location"]) == (302, "http://portal.lan/login")


@pytest.mark.parametrize(
    "status",
    ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"],
)
@pytest.mark.parametrize(
    "place",
    [
        "https://influx.lan/write?db=battery",
        "https://influx.lan:8443/write?db=battery",
        "http://influx.lan:9086/write?db=battery",
        "https://influx.lan/influx/write?db=battery",
        "/influx/write?db=battery",
    ],
)
def test_a_redirect_names_its_target_measured(status: str, place: str) -> None:
    """A redirect has a Location: another scheme, port or path, or a relative one."""
    # measured: 301, 302, 307, 308 come with a Location
    with HttpPeer(gateways.redirect(status, place), ping=None) as peer:
        for answer in (write(peer), ask(peer.port, "/ping")):
            assert (answer.status, answer.headers["Location"]) == (int(status[:3]), place)


GO = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
SHORT = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
SIZE = 20_000_000  # bytes, more than the sockets of both sides take
LONG = b"POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE


def test_go_answers_on_a_tls_port_measured(tmp_path: Path) -> None:
    """Plain HTTP to a TLS port gets the bytes of the real InfluxDB; a long body gets a reset."""
    # measured: plain HTTP to a TLS port: Go
    certificate = signed_certificate(tmp_path, authority(tmp_path))
    with InfluxDB(tmp_path / "influxdb", certificate=certificate) as real, TlsPort() as port:
        for each in (real, port):
            assert exchange(each.port, SHORT) == (GO, False)
            assert exchange(each.port, LONG, b"x" * SIZE)[1]


def test_nginx_answers_on_a_tls_port_measured() -> None:
    """Plain HTTP to a TLS port gets a page of nginx; a long body gets a reset."""
    # measured: plain HTTP to a TLS port: nginx
    with TlsPort("nginx") as port:
        came, was_reset = exchange(port.port, SHORT)
        head, _, body = came.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"Content-Type: text/html" in head
        assert b"Connection: close" in head
        told = b"The plain HTTP request was sent to HTTPS port"
        assert b"<title>400 " + told + b"</title>" in body
        assert b"<center>" + told + b"</center>" in body
        assert not was_reset
        assert exchange(port.port, LONG, b"x" * SIZE)[1]


@pytest.mark.parametrize("of", ["go", "nginx"])
def test_a_tls_port_ends_with_a_reset(of: str) -> None:
    """With an abrupt end the connection is reset after a short request too."""
    with TlsPort(of, abrupt=True) as port:
        came, was_reset = exchange(port.port, SHORT)
        assert was_reset
        assert came in (b"", gateways.SAYS_GO, gateways.SAYS_NGINX)


def test_a_kept_connection_is_closed_just_then(two: InfluxDB2) -> None:
    """Each connection ends, without an answer, at its third request; the next one is new."""
    # measured: an idle connection closed as a request leaves
    with Gateway(two.port, gateways.closes_kept(3)) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=WAIT)
        for number in range(9):
            target = "/write?db=battery&u=any&p=token-of-2"
            try:
                connection.request("POST", target, f"dc V=1 {number}")
                assert connection.getresponse().read() == b""
            except http.client.RemoteDisconnected:
                assert number % 3 == 2
                connection.close()
        connection.close()
        assert (len(gateway.passed), len(gateway.refused)) == (6, 3)
        assert len(two.stored) == 6


def test_every_second_write_fails(two: InfluxDB2) -> None:
    """Every second write fails, whatever requests come in between."""
    with Gateway(two.port, gateways.every(2, gateways.FAILS)) as gateway:
        statuses = []
        for _ in range(4):
            statuses.append(write(gateway).status)
            assert ask(gateway.port, "/ping").status == 204
        assert statuses == [204, 500, 204, 500]
        assert gateways.FAILS.endswith(b'{"error":"timeout"}\n')
