"""`bat2influx pin`: what it connects to, the comment about the certificate, and its lines."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from bat2influx.commands import pin as pin_of
from bat2influx.commands.pin import LONGEST, pin, register
from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connector import Endpoint
from bat2influx.net.tls import Tls, fingerprint_of
from tests.unit.commands.session_by_hand import CERTIFICATE, CONFIG, HandBroker, HandLink

EX_OK, EX_USAGE, EX_UNAVAILABLE = 0, 64, 69
HOST = "venus.local"
LINES = ["tls = yes", f"fingerprint = {fingerprint_of(CERTIFICATE)}"]
VENUS = ((("commonName", "venus.local"),),)
CA = ((("countryName", "NL"),), (("organizationName", "Victron"), ("commonName", "CA")))
UNTIL = "Jul 14 12:00:00 2036 GMT"


class Broker(HandBroker):
    """Shows a certificate to every client, or fails; `links` are the connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.says: Mapping[str, Any] = {"subject": VENUS, "issuer": VENUS, "notAfter": UNTIL}
        self.first: Trouble | None = None
        self.second: Trouble | None = None
        self.links: list[HandLink] = []
        self.connect = self._connect
        monkeypatch.setattr(pin_of, "Session", self.session)

    def _connect(self, endpoint: Endpoint) -> HandLink | Trouble:
        assert endpoint.tls is not None
        trusted = bool(endpoint.tls.only)
        if why := self.second if trusted else self.first:
            return why
        self.links.append(HandLink("TLSv1.3", self.says if trusted else {}))
        return self.links[-1]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A device with its own certificate."""
    return Broker(monkeypatch)


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("venus.local", "venus.local", 8883),
        ("venus.local:8884", "venus.local", 8884),
        ("fe80::1", "fe80::1", 8883),
        ("[fe80::1]:1883", "fe80::1", 1883),
    ],
)
def test_a_certificate_becomes_lines(
    broker: Broker, capsys: pytest.CaptureFixture[str], host: str, name: str, port: int
) -> None:
    """With the port if that is not the usual one; no data is sent."""
    assert pin(host, CONFIG) == EX_OK
    comment = f"# the certificate of {name}: CN=venus.local, self-signed, valid until {UNTIL}"
    own = [f"port = {port}"] if port != 8883 else []
    assert capsys.readouterr() == ("\n".join([comment, *own, *LINES, ""]), "")
    anyone, alone = Tls(trust_any=True), Tls(only=CERTIFICATE, verify_host=False)
    assert [session.endpoint for session in broker.sessions] == [
        Endpoint(name, port, "", "", CONFIG, tls) for tls in (anyone, alone)
    ]
    assert [link.closed for link in broker.links] == [True, True]
    assert not broker.published


@pytest.mark.parametrize(
    ("says", "text"),
    [
        (
            {"subject": VENUS, "issuer": CA, "notAfter": UNTIL},
            f"CN=venus.local, signed by C=NL, O=Victron, CN=CA, valid until {UNTIL}",
        ),
        (
            {"subject": ((("serialNumber", "7"),),), "issuer": VENUS},
            "serialNumber=7, signed by CN=venus.local, valid until an unknown date",
        ),
        ({}, "no name, self-signed, valid until an unknown date"),
        (
            {"subject": ((("commonName", "x\nport = 1\x1b[2J"),),), "issuer": VENUS},
            "CN=x port = 1 [2J, signed by CN=venus.local, valid until an unknown date",
        ),
    ],
)
def test_the_names_in_a_certificate_are_a_comment(
    broker: Broker, capsys: pytest.CaptureFixture[str], says: Mapping[str, Any], text: str
) -> None:
    """In one printable line, whatever they are."""
    broker.says = says
    assert pin(HOST, CONFIG) == EX_OK
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"# the certificate of {HOST}: {text}"
    assert rest == LINES


def test_a_comment_has_a_limit(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the name in the certificate."""
    broker.says = {"subject": ((("commonName", "x" * 5000),),)}
    assert pin(HOST, CONFIG) == EX_OK
    assert len(capsys.readouterr().out.splitlines()[0]) == len("# ") + LONGEST


def test_the_output_is_utf8_like_the_file(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the locale."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
    broker.says = {"subject": ((("commonName", "Größe"),),)}
    assert pin(HOST, CONFIG) == EX_OK
    sys.stdout.flush()
    assert "CN=Größe, signed by no name" in out.getvalue().decode()


def test_an_invalid_certificate_is_pinned_too(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comment has its problem, such as that it has expired."""
    broker.second = mqtt_errors.certificate_out_of_date(HOST, 8883, "has expired", CONFIG)
    assert pin(HOST, CONFIG) == EX_OK
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"# the certificate of {HOST} has expired; ")
    assert rest == LINES


@pytest.mark.parametrize(
    ("host", "why", "text"),
    [
        ("venus.local", mqtt_errors.refused(HOST, 8883), ""),
        ("venus.local:1883", mqtt_errors.refused(HOST, 1883), ""),
        (
            "venus.local:8086",
            mqtt_errors.refused(HOST, 8086),
            "connection refused by venus.local port 8086; check that a server listens there",
        ),
        ("venus.local:8086", mqtt_errors.no_tls(HOST, 8086, CONFIG), ""),
        ("venus.local", mqtt_errors.no_tls_port(HOST, CONFIG), ""),
        ("venus.local", mqtt_errors.name_unknown(HOST, CONFIG), ""),
    ],
)
def test_a_failure_is_reported(
    broker: Broker, capsys: pytest.CaptureFixture[str], host: str, why: Trouble, text: str
) -> None:
    """With the daemon's messages, except that a non-standard port need not be a broker's."""
    broker.first = why
    assert pin(host, CONFIG) == EX_UNAVAILABLE
    assert capsys.readouterr() == ("", f"{text or why.text}\n")


@pytest.mark.parametrize("host", ["", "host:0", "host:65536", "mqtt://host", "a b"])
def test_an_invalid_host_is_a_usage_error(
    broker: Broker, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """No connection is made."""
    assert pin(host, CONFIG) == EX_USAGE
    out, err = capsys.readouterr()
    assert (out, broker.sessions) == ("", [])
    assert err.startswith(f"bat2influx pin: {host}: ")


def test_the_command_line_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the file is for messages."""
    monkeypatch.setattr(pin_of, "pin", lambda host, config: (host, config))
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args([HOST])
    options.config = CONFIG
    assert options.function(options) == (HOST, CONFIG)
