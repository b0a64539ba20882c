"""Which database it is that is spoken to, by what it says of itself, and what it does differently.

Pure: an answer to `GET /ping` in, a Server out. The write interface is that of InfluxDB 1 with all
of them; what differs are the answers, and what can be done besides writing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bat2influx.printable import plain
from bat2influx.safe_json import parse, parse_object

_VERSION = re.compile(r"v?([0-9]+)\.[0-9A-Za-z.~+-]*")
_LONGEST = 60  # characters of a version
_LONGEST_ERROR = 500
EMPTY = "write was empty"  # what InfluxDB 3 has against a write without a line
NO_SUCH_PATH = "unsupported path"  # with 400, as VictoriaMetrics answers, its cluster too
WANTS_TLS = b"HTTP request to an HTTPS server"  # as Go's servers answer, InfluxDB 1.6.7 among them


class Dialect(Enum):
    """A kind of database, as people call it."""

    INFLUXDB1 = "InfluxDB 1"
    INFLUXDB2 = "InfluxDB 2"
    INFLUXDB3 = "InfluxDB 3"
    VICTORIAMETRICS = "VictoriaMetrics"


@dataclass(frozen=True, slots=True)
class Server:
    """A database that has been asked; `dialect` is None where it did not say, `version` then ''."""

    dialect: Dialect | None = None
    version: str = ""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return "VictoriaMetrics" if self.dialect is Dialect.VICTORIAMETRICS else "InfluxDB"

    @property
    def may_create(self) -> bool:
        """Whether a database that is not there can be made by a statement, or may be."""
        return self.dialect in (None, Dialect.INFLUXDB1)

    @property
    def speaks_plainly(self) -> bool:
        """Whether an error of its own may be plain text."""
        return self.dialect in (Dialect.VICTORIAMETRICS, Dialect.INFLUXDB3)


def identify(headers: Mapping[str, str], body: bytes) -> Server:
    """Return what an answer to `GET /ping` tells.

    InfluxDB 1 and 2 have their version in a header, 3 in the body too, where it may want a token
    for it (401). VictoriaMetrics has none, and names its host on every answer (INFLUXDB, table).
    """
    if "X-Server-Hostname" in headers:
        return Server(Dialect.VICTORIAMETRICS)
    said = headers.get("X-Influxdb-Version", "") or _version_in(body)
    if match := _VERSION.fullmatch(said):
        dialect = {"1": Dialect.INFLUXDB1, "2": Dialect.INFLUXDB2, "3": Dialect.INFLUXDB3}.get(
            match[1]
        )
        return Server(dialect, plain(said.removeprefix("v"), _LONGEST))
    return Server(version=plain(said, _LONGEST))


def reason_of(server: Server, status: int, body: bytes) -> str | None:
    """Return the error that an answer tells, if it is one that the database gives.

    InfluxDB 1 says "error", 2 "code" and "message", 3 "error" and, of a write, "data" with what is
    wrong with each line; a message alone is somebody else's. 3 and VictoriaMetrics may say it in
    plain text.
    """
    message = parse(body)
    if status == 200:  # the error is that of a statement
        results = message.get("results") if isinstance(message, dict) else None
        message = results[0] if isinstance(results, list) and results else None
    if not isinstance(message, dict):
        said = plain(body.decode("utf-8", "replace"), _LONGEST_ERROR)
        return said if said and server.speaks_plainly and status != 200 else None
    text = message.get("error") or ("code" in message and message.get("message"))
    if not isinstance(text, str):
        return None
    lines = message.get("data")
    first = lines[0] if isinstance(lines, list) and lines else None
    detail = first.get("error_message") if isinstance(first, dict) else None
    return plain(f"{text}: {detail}" if isinstance(detail, str) else text, _LONGEST_ERROR)


def is_about_lines(server: Server, status: int, body: bytes) -> bool:
    """Return whether an error of the database's own means that some lines of a write are bad.

    With InfluxDB 3 it does if it says which ones: 400 is also a name that it does not like, and 422
    that there are too many databases or columns. VictoriaMetrics has 400 for a wrong address, too.
    """
    if server.dialect is Dialect.INFLUXDB3:
        return status == 400 and bool(parse_object(body).get("data"))
    if server.dialect is Dialect.VICTORIAMETRICS and NO_SUCH_PATH.encode() in body:
        return False
    return status in (400, 422)


def is_too_large(server: Server, status: int, body: bytes) -> bool:
    """Return whether a body was too large; InfluxDB 3 says so with 500 (its http.rs)."""
    return status == 413 or (
        server.dialect is Dialect.INFLUXDB3 and status == 500 and b"max request size" in body
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the s for which a server wants to be left alone, 300 at the most, if it says so."""
    value = headers.get("Retry-After", "")
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else None


def _version_in(body: bytes) -> str:
    version = parse_object(body).get("version")
    return version if isinstance(version, str) else ""
