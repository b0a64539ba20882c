"""Plain HTTP requests to a database, without a client library that hides something."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from typing import NamedTuple

from tests.standins.databases.influx_peer import InfluxPeer

WAIT = 10.0  # s


class Answer(NamedTuple):
    """A server's answer."""

    status: int
    headers: http.client.HTTPMessage
    body: str

    @property
    def told(self) -> dict[str, str]:
        """Its body, which is a JSON object."""
        told: dict[str, str] = json.loads(self.body)
        return told


def ask(
    port: int,
    path: str,
    body: str | bytes | None = None,
    *,
    method: str = "",
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> Answer:
    """Send a request to the port; in a header's name _ stands for -."""
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT, context=tls)
    how = method or ("GET" if body is None else "POST")
    try:
        connection.request(
            how, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


def write(peer: InfluxPeer, lines: str, more: str = "", **login: str) -> Answer:
    """Write lines into the database battery, by the token of the peer unless told otherwise."""
    login = login or {"Authorization": f"Token {getattr(peer, 'token', '')}"}
    return ask(peer.port, f"/write?db=battery{more}", lines.encode(), **login)


def basic(user: str, password: str) -> str:
    """Return the credentials of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
