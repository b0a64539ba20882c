"""Which kind of database a server is, by its answers, and how the kinds differ.

Pure: an answer to `GET /ping` in, a Server out. All kinds have the write interface of InfluxDB 1;
they differ in their answers, and in what is possible besides writing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from bat2influx.printable import plain
from bat2influx.safe_json import parse, parse_object

_VERSION = re.compile(r"v?([0-9]+)\.[0-9A-Za-z._~+-]*")
_LONGEST = 60  # characters of a version
_LONGEST_ERROR = 500


class Dialect(Enum):
    """A kind of database, with its usual name."""

    INFLUXDB1 = "InfluxDB 1"
    INFLUXDB2 = "InfluxDB 2"
    INFLUXDB3 = "InfluxDB 3"
    VICTORIAMETRICS = "VictoriaMetrics"


class Server(NamedTuple):
    """A database server; `dialect` is None and `version` '' while it has not identified itself."""

    dialect: Dialect | None = None
    version: str = ""

    @property
    def known(self) -> bool:
        """Whether it has identified itself as a database, even of an unknown version."""
        return self.dialect is not None or self.version != ""

    @property
    def name(self) -> str:
        """Its name in messages."""
        return "VictoriaMetrics" if self.dialect is Dialect.VICTORIAMETRICS else "InfluxDB"

    @property
    def may_create(self) -> bool:
        """Whether a statement can create a missing database."""
        return self.dialect is Dialect.INFLUXDB1

    @property
    def plain_text_errors(self) -> bool:
        """Whether its own errors may be plain text."""
        return self.dialect in (Dialect.VICTORIAMETRICS, Dialect.INFLUXDB3)


def identify(
    headers: Mapping[str, str], body: bytes, mask: Callable[[str], str] = lambda text: text
) -> Server:
    """Return the server behind an answer to `GET /ping`; `mask` removes secrets from its version.

    InfluxDB 1 and 2 have their version in a header of every answer. InfluxDB 3 has it in a header
    of this answer, and in the body, for which it may require a token (401). VictoriaMetrics has no
    version, and its host name in every answer (INFLUXDB, table). A custom build of InfluxDB 2 has
    the version "dev", one of InfluxDB 1 "unknown"; only InfluxDB 1 has a request id in addition.
    """
    if "X-Server-Hostname" in headers:
        return Server(Dialect.VICTORIAMETRICS)
    said = mask(headers.get("X-Influxdb-Version", "") or _version_in(body))
    if match := _VERSION.fullmatch(said):
        dialect = {"1": Dialect.INFLUXDB1, "2": Dialect.INFLUXDB2, "3": Dialect.INFLUXDB3}.get(
            match[1]
        )
        return Server(dialect, plain(said.removeprefix("v"), _LONGEST))
    if said and "X-Influxdb-Build" in headers:
        dialect = Dialect.INFLUXDB1 if "Request-Id" in headers else Dialect.INFLUXDB2
        return Server(dialect, plain(said, _LONGEST))
    return Server(version=plain(said, _LONGEST))


def reason_of(
    server: Server, status: int, body: bytes, mask: Callable[[str], str] = lambda text: text
) -> str | None:
    """Return the error in an answer, if the database itself gave it; otherwise None.

    `mask` removes secrets before the text is cut to its length.

    InfluxDB 1 has "error", 2 "code" and "message", 3 "error" and, for a write, "data" with the
    problem of a row, or a list of these. A "message" without "code" is from another program. 3 and
    VictoriaMetrics may have plain text; HTML is from another program.
    """
    message = parse(body)
    if status == 200:  # the error is that of a statement
        results = message.get("results") if isinstance(message, dict) else None
        message = results[0] if isinstance(results, list) and results else None
    if not isinstance(message, dict):
        said = plain(mask(body.decode("utf-8", "replace")), _LONGEST_ERROR)
        own = server.plain_text_errors and status != 200 and not said.lstrip().startswith("<")
        return said if said and own else None
    text = message.get("error") or ("code" in message and message.get("message"))
    if not isinstance(text, str):
        return None
    rows = message.get("data")
    first = rows[0] if isinstance(rows, list) and rows else rows
    detail = first.get("error_message") if isinstance(first, dict) else None
    return plain(mask(f"{text}: {detail}" if isinstance(detail, str) else text), _LONGEST_ERROR)


def database_of_3(db: str, policy: str) -> str:
    """Return the name of InfluxDB 3's database for a database with a retention policy.

    With the default policy it is the same name, any other policy has a separate database, in lower
    case: "db/raw" (iox_http/src/write/v1.rs of its source).
    """
    policy = policy.lower()
    return db if policy in ("", "autogen", "default") else f"{db}/{policy}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, at most 300; None without a valid one."""
    value = headers.get("Retry-After", "")
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else None


def _version_in(body: bytes) -> str:
    version = parse_object(body).get("version")
    return version if isinstance(version, str) else ""
