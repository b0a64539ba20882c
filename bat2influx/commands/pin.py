"""`bat2influx pin HOST`: prints the lines that trust the certificate a broker shows now.

The command reads only the certificate, and sends no data. A person who knows the network has to
check that it is the right certificate.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import Any

from bat2influx.commands.output import complain, say
from bat2influx.config import checks
from bat2influx.failure import Trouble
from bat2influx.mqtt.connector import MQTT_PORT, MQTT_TLS_PORT, Endpoint
from bat2influx.mqtt.session import Session
from bat2influx.net import tls
from bat2influx.net.tls import Tls
from bat2influx.printable import plain

LONGEST = 200  # characters of a comment

EXAMPLES = """\
examples:
  bat2influx pin venus.local               lines for the section [Battery]
  bat2influx pin nas.lan:8086              lines for the section [Influx]"""


def register(parser: argparse.ArgumentParser) -> None:
    """Take the arguments of the command."""
    parser.epilog = EXAMPLES
    parser.add_argument("host", metavar="HOST[:PORT]", help="broker or database (port: 8883)")
    parser.set_defaults(function=lambda options: pin(options.host, str(options.config)))


def pin(host: str, config: str) -> int:
    """Print lines for the ini, with the names in the certificate of HOST[:PORT] as a comment."""
    try:
        name, port = checks.host_and_port(host)
    except ValueError as error:
        complain(f"bat2influx pin: {error}")
        return os.EX_USAGE
    any_certificate = Tls(trust_any=True)
    endpoint = Endpoint(name, port or MQTT_TLS_PORT, "", "", config, any_certificate)
    link = Session(endpoint).connect()
    if isinstance(link, Trouble):
        text = link.text
        if link.cause == "refused" and endpoint.port not in (MQTT_TLS_PORT, MQTT_PORT):
            text = f"connection refused by {name} port {port}; check that a server listens there"
        complain(text)
        return os.EX_UNAVAILABLE
    certificate = link.certificate or b""
    link.close()
    lines = [f"# {line}" for line in _described(endpoint, certificate)]
    if endpoint.port != MQTT_TLS_PORT:
        lines.append(f"port = {endpoint.port}")
    lines += ["tls = yes", f"fingerprint = {tls.fingerprint_of(certificate)}"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the ini file is
    say("\n".join(lines))
    return os.EX_OK


def _described(endpoint: Endpoint, certificate: bytes) -> list[str]:
    """Return the names and the end date in a certificate, after a second handshake that trusts it.

    The standard library parses only a certificate that it has verified.
    """
    trusting = endpoint._replace(tls=Tls(only=certificate, verify_host=False))
    link = Session(trusting).connect()
    if isinstance(link, Trouble):
        return [plain(link.what, LONGEST)]
    content = link.certificate_fields
    link.close()
    subject, issuer = _name(content.get("subject")), _name(content.get("issuer"))
    signed = "self-signed" if subject == issuer else f"signed by {issuer}"
    until = content.get("notAfter", "an unknown date")
    return [
        plain(
            f"the certificate of {endpoint.host}: {subject}, {signed}, valid until {until}", LONGEST
        )
    ]


def _name(parts: Any) -> str:
    """Return a name such as ((("commonName", "venus.local"),),) as CN=venus.local."""
    short = {"commonName": "CN", "organizationName": "O", "countryName": "C"}
    pairs = [pair for part in parts or () for pair in part]
    return ", ".join(f"{short.get(key, key)}={value}" for key, value in pairs) or "no name"
