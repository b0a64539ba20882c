"""Which database it is that is spoken to, by what it says of itself, and what it does differently.

Pure: an answer to `GET /ping` in, a Server out. The write interface is that of InfluxDB 1 with all
of them; what differs are the answers, and what can be done besides writing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from bat2influx.printable import plain
from bat2influx.safe_json import parse, parse_object

_VERSION = re.compile(r"v?([0-9]+)\.[0-9A-Za-z._~+-]*")
_LONGEST = 60  # characters of a version
_LONGEST_ERROR = 500


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
    def known(self) -> bool:
        """Whether it has said that it is a database, be it of a version that nobody knows."""
        return self.dialect is not None or self.version != ""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return "VictoriaMetrics" if self.dialect is Dialect.VICTORIAMETRICS else "InfluxDB"

    @property
    def may_create(self) -> bool:
        """Whether a database that is not there can be made by a statement."""
        return self.dialect is Dialect.INFLUXDB1

    @property
    def speaks_plainly(self) -> bool:
        """Whether an error of its own may be plain text."""
        return self.dialect in (Dialect.VICTORIAMETRICS, Dialect.INFLUXDB3)


def identify(
    headers: Mapping[str, str], body: bytes, mask: Callable[[str], str] = lambda text: text
) -> Server:
    """Return what an answer to `GET /ping` tells; `mask` takes the secrets out of it.

    InfluxDB 1 and 2 have their version in a header of every answer, 3 of this one, and in its
    body, where it may want a token for it (401). VictoriaMetrics has none, and names its host on
    every answer (INFLUXDB, table). A build of one's own of InfluxDB 2 says "dev" for its version,
    one of 1 "unknown"; 1 alone has an id for each request beside that.
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
    """Return the error that an answer tells, if it is one that the database gives.

    `mask` takes the secrets out, before the text is cut to its length.

    InfluxDB 1 says "error", 2 "code" and "message", 3 "error" and, of a write, "data" with what is
    wrong with a row, or a list of that; a message alone is somebody else's. 3 and VictoriaMetrics
    may say it in plain text, which a page of somebody else is not.
    """
    message = parse(body)
    if status == 200:  # the error is that of a statement
        results = message.get("results") if isinstance(message, dict) else None
        message = results[0] if isinstance(results, list) and results else None
    if not isinstance(message, dict):
        said = plain(mask(body.decode("utf-8", "replace")), _LONGEST_ERROR)
        own = server.speaks_plainly and status != 200 and not said.lstrip().startswith("<")
        return said if said and own else None
    text = message.get("error") or ("code" in message and message.get("message"))
    if not isinstance(text, str):
        return None
    rows = message.get("data")
    first = rows[0] if isinstance(rows, list) and rows else rows
    detail = first.get("error_message") if isinstance(first, dict) else None
    return plain(mask(f"{text}: {detail}" if isinstance(detail, str) else text), _LONGEST_ERROR)


def database_of_3(db: str, policy: str) -> str:
    """Return the name of the database of InfluxDB 3 that stands for a database with a policy.

    The default policy is none, and any other makes another database, in small letters: "db/raw"
    (iox_http/src/write/v1.rs of its source).
    """
    policy = policy.lower()
    return db if policy in ("", "autogen", "default") else f"{db}/{policy}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the s for which a server wants to be left alone, 300 at the most, if it says so."""
    value = headers.get("Retry-After", "")
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else None


def _version_in(body: bytes) -> str:
    version = parse_object(body).get("version")
    return version if isinstance(version, str) else ""
