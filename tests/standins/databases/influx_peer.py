"""The base of the peers that simulate InfluxDB 2 and 3.

Rules: a peer answers over real sockets by the rules of InfluxDB's documents and sources; the code
names the source of each rule. Values are stored in memory. As in InfluxDB, a point of the same
series and time replaces the former one field by field, so that writing a line again changes
nothing. Errors in the peer itself end the connection and are recorded in `broken`.
"Measured" in comments of the peers: seen on real servers in November 2026 (2.7.12, 2.9.1 and 3.6.0
Core, built from their sources); such an answer is copied byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import http.client
import json
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.standins.databases.http_peers import CONTINUE, answer
from tests.standins.databases.influx_lines import TYPES, Point, Value
from tests.standins.network.mqtt_peers import Peer


class Stored(NamedTuple):
    """One value: its time in ns since 1970, and where it belongs."""

    time: int
    measurement: str
    tags: dict[str, str]
    field: str
    value: Value


@dataclass(frozen=True)
class Request:
    """A request as received, except that a compressed body is decompressed."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def authorization(self) -> tuple[str, str]:
        """Scheme and credentials; two empty texts when there are none."""
        header = self.headers.get("Authorization", "").strip()
        scheme, _, credentials = header.partition(" ")
        return scheme, credentials

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password of HTTP Basic, or None without a valid pair."""
        scheme, credentials = self.authorization
        if scheme != "Basic":
            return None
        try:
            user, colon, password = base64.b64decode(credentials).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (user, password) if colon else None


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """Ends the handling of a request with an answer: the bytes to send."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


class HangUp(Exception):  # noqa: N818 - it is how a server ends a request
    """Ends the handling of a request by closing the connection without an answer."""


class Bucket:
    """The values of one database; the type of a field is that of its first value."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, tuple[tuple[str, str], ...], str, int], Value] = {}
        self._types: dict[tuple[str, str], type[Value]] = {}

    @property
    def stored(self) -> list[Stored]:
        """The stored values, in the order of their first arrival."""
        return [
            Stored(at, measurement, dict(tags), field, value)
            for (measurement, tags, field, at), value in self._values.items()
        ]

    def conflict(self, point: Point) -> tuple[str, str, str] | None:
        """Return the first field whose type has changed, its new type and its old one."""
        for field, value in point.fields.items():
            before = self._types.get((point.measurement, field), type(value))
            if type(value) is not before:
                return field, TYPES[type(value)], TYPES[before]
        return None

    def trial(self) -> Bucket:
        """Return an empty bucket with the same types, to test what this one would accept."""
        bucket = Bucket()
        bucket._types = dict(self._types)
        return bucket

    def declare(self, point: Point) -> None:
        """Fix the types of a point's fields, and store nothing."""
        for field, value in point.fields.items():
            self._types.setdefault((point.measurement, field), type(value))

    def add(self, point: Point, at: int) -> None:
        """Store a point of time `at` (ns)."""
        self.declare(point)
        for field, value in point.fields.items():
            self._values[point.measurement, point.tags, field, at] = value


class InfluxPeer(Peer):
    """Records requests in `requests`, and stores values in the bucket called `db`.

    `limit` is the maximum size of a body in bytes, None for no limit.
    """

    def __init__(self, db: str, *, limit: int | None, rights: Mapping[str, str]) -> None:
        self.db = db
        self.limit = limit
        self.buckets: dict[str, Bucket] = {}
        self.requests: list[Request] = []
        self.broken: list[str] = []
        self._rights = rights
        self._busy: tuple[int, float | None, int] | None = None
        self._lock = threading.Lock()
        super().__init__()

    @property
    def stored(self) -> list[Stored]:
        """The values in the bucket `db`."""
        with self._lock:
            return self.buckets[self.db].stored if self.db in self.buckets else []

    @property
    def writes(self) -> list[Request]:
        """The requests to write."""
        return [each for each in list(self.requests) if each.path.endswith("/write")]

    def busy(
        self, status: int = 503, retry_after: float | None = None, times: int = 1_000_000
    ) -> None:
        """Reject the next writes with `status`, after a valid login; 0 times: no more.

        `retry_after` is the header of that name, in s. Measured: no server answers 429
        to a write by itself; a test that uses it simulates a proxy.
        """
        self._busy = (status, retry_after, times) if times else None

    def reply(self, request: Request) -> bytes:
        """Return the answer to a request, or raise Refusal."""
        raise NotImplementedError

    def delay(self, request: Request, reply: bytes) -> float:
        """Return the delay before it sends an answer (s)."""
        del request, reply
        return 0.0

    def excuse(self, status: int) -> tuple[str, tuple[str, ...]]:
        """Return the body and the headers of the answer "busy"."""
        raise NotImplementedError

    def serve(self, connection: socket.socket) -> None:
        """Answer one request after the other."""
        with connection.makefile("rb") as stream:
            while request := _read(stream, connection):
                with self._lock:
                    self.requests.append(request)
                    try:
                        reply = self.reply(request)
                    except Refusal as refusal:
                        reply = refusal.reply
                    except HangUp:
                        return
                    except Exception:  # noqa: BLE001 - a test has to see it
                        self.broken.append(traceback.format_exc())
                        return
                self.closing.wait(self.delay(request, reply))
                if request.method == "HEAD":
                    reply = reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                connection.sendall(reply)

    def may(self, who: str, right: str) -> bool:
        """Return whether a user or token has the right "r" or "w"; by default all have both."""
        return right in self._rights.get(who, "rw")

    def refuse_if_busy(self) -> None:
        """Raise Refusal while it is busy."""
        if self._busy is None:
            return
        status, retry_after, times = self._busy
        self.busy(status, retry_after, times - 1)
        body, headers = self.excuse(status)
        if retry_after is not None:
            headers += (f"Retry-After: {retry_after:g}",)
        raise Refusal(framed(status, body, *headers))


def framed(status: int, body: str = "", *headers: str) -> bytes:
    """Return an answer with the usual phrase for its status."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    return answer(f"{status} {HTTPStatus(status).phrase}", body, *headers, f"Date: {date}")


def results(*, series: object = None, error: str = "") -> str:
    """Return the answer to one InfluxQL statement, as a JSON text."""
    result: dict[str, object] = {"statement_id": 0}
    if error:
        result["error"] = error
    elif series is not None:
        result["series"] = [series]
    return json.dumps({"results": [result]}, separators=(",", ":")) + "\n"


def _read(stream: BinaryIO, connection: socket.socket) -> Request | None:
    first = stream.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = http.client.parse_headers(stream)
    if headers.get("Expect", "").lower() == "100-continue":
        connection.sendall(CONTINUE)
    body = stream.read(int(headers.get("Content-Length", "0")))
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    target = urlsplit(first[1])
    parameters = dict(parse_qsl(target.query, keep_blank_values=True))
    if headers.get_content_type() == "application/x-www-form-urlencoded":
        parameters |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    return Request(first[0], target.path, parameters, headers, body)
