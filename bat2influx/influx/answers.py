"""What an answer to a write means for its rows, with one table for each database.

Pure: a status and a body in, a Meaning out. A row is rejected only if a table lists the answer as
this database's own error for a bad row. After any other answer all rows stay queued, because the
cause may be anything: the disk of the server, a gateway in front of it, a login. The writer decides
whether a bad row is rejected for good: it knows whether this server has ever accepted one.

Sources: coordinator/points_writer.go, tsdb/shard.go, tsdb/store.go and models/points.go of InfluxDB
1 and 2 (branches master-1.x and main-2.x); measured on 1.6.7, 2.7.12, 2.9.1 and 3.6.0 (INFLUXDB,
"Measured on real servers"); lib/protoparser/influx of VictoriaMetrics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from bat2influx.influx.dialects import Dialect, Server, reason_of
from bat2influx.safe_json import parse_object


class Meaning(Enum):
    """What happens to the rows of one write."""

    STORED = "stored"
    BAD_ROW = "at least one row is bad"  # those are rejected, once identified
    UNCERTAIN = "rejected for a reason that may not be in a row"  # stays queued
    TOO_LARGE = "larger than the server accepts at once"  # sent in parts
    NO_DATABASE = "there is no database of that name"  # created if the server can
    RETRY = "the answer is not about the rows"  # all stay queued


class Kind(Enum):
    """What is wrong with a bad row, by which other rows it affects."""

    TYPE = "its field has another type"  # affects all rows of that field in the same shard
    SERIES = "its series exceeds a limit"  # affects all rows of that series
    AGE = "it is older than the retention policy"  # affects all older rows
    ROW = "this row alone is bad"


class Answer(NamedTuple):
    """What an answer means, and the server's own `reason`, None without one.

    `named` has the rows that the answer names as bad: their index in the body, from 0, and how they
    begin. `kind` is what is wrong with a bad row, `dialect` the kind of server.
    """

    meaning: Meaning
    reason: str | None = None
    named: tuple[tuple[int, str], ...] = ()
    kind: Kind = Kind.ROW
    dialect: Dialect | None = None

    @property
    def cause(self) -> str:
        """The reason without the parts that differ between rows."""
        return cause_of(self.reason or "")


# What is wrong with a row, by the text after "partial write: "; the first match counts.
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"field type conflict", Kind.TYPE),
    (r"points beyond retention policy", Kind.AGE),
    (r"dropped [0-9]+ points outside retention policy(?!.*Upper Bound)", Kind.AGE),
    (r"dropped [0-9]+ points outside retention policy", Kind.ROW),
    (r"max-series-per-database limit exceeded|max-values-per-tag limit exceeded", Kind.SERIES),
    (r"max key length exceeded|invalid (field name|tag key|measurement)", Kind.ROW),
    (r"input field \S+ on measurement \S+ is invalid|time outside range", Kind.ROW),
    (r"unable to parse( '|:| dropped|$)", Kind.ROW),
)
# Statuses, a pattern for the reason (None: any reason or none), the meaning, and what is wrong with
# the row. The first match counts; without a match all rows stay queued. A pattern is compiled when
# it is needed, because most daemons only ever get 204.
_Line = tuple[frozenset[int], str | None, Meaning, Kind]


def _line(statuses: set[int], reason: str | None, meaning: Meaning, kind: Kind = Kind.ROW) -> _Line:
    return frozenset(statuses), reason, meaning, kind


def _bad(status: int, before: str) -> list[_Line]:
    return [_line({status}, f"^{before}({words})", Meaning.BAD_ROW, kind) for words, kind in _KINDS]


_BAD_OF_3 = (
    r"^(parsing failed for write_lp endpoint|line protocol parsing error"
    r"|partial write of line protocol occurred)"
)
_TABLES: Mapping[Dialect, Sequence[_Line]] = {
    Dialect.INFLUXDB1: (
        _line({204}, None, Meaning.STORED),
        *_bad(400, "(partial write: )?"),
        _line({400, 422}, r"", Meaning.UNCERTAIN),
        _line({404}, r"^database not found", Meaning.NO_DATABASE),
        _line({413}, None, Meaning.TOO_LARGE),
    ),
    Dialect.INFLUXDB2: (
        _line({204}, None, Meaning.STORED),
        *_bad(400, "(partial write: )?"),
        *_bad(422, "(failure writing points to database: )?partial write: "),
        _line({400, 422}, r"", Meaning.UNCERTAIN),
        _line({404}, r"no dbrp mapping found|not found", Meaning.NO_DATABASE),
        _line({413}, None, Meaning.TOO_LARGE),
    ),
    Dialect.INFLUXDB3: (
        _line({204}, None, Meaning.STORED),
        _line({400}, rf"{_BAD_OF_3}.*\bcolumn type\b", Meaning.BAD_ROW, Kind.TYPE),
        _line({400}, _BAD_OF_3, Meaning.BAD_ROW),
        _line({400}, r"write was empty|in database name|^Authorization", Meaning.RETRY),
        _line({422}, r"limit of [0-9]+ databases", Meaning.RETRY),
        _line({400, 422}, r"", Meaning.UNCERTAIN),
        _line({413}, None, Meaning.TOO_LARGE),
        _line({500}, r"^max request size", Meaning.TOO_LARGE),
    ),
    Dialect.VICTORIAMETRICS: (
        _line({204}, None, Meaning.STORED),
        _line({400}, r"unsupported path", Meaning.RETRY),
        _line({400}, r"^remoteAddr: .*(influx line|cannot (parse|unmarshal))", Meaning.BAD_ROW),
        _line({400}, r"^remoteAddr: ", Meaning.UNCERTAIN),
        _line({413}, None, Meaning.TOO_LARGE),
    ),
}
# An InfluxDB of an unknown version: its success counts, what it rejects stays queued.
_UNKNOWN: Sequence[_Line] = (
    _line({204}, None, Meaning.STORED),
    _line({400, 422}, r"", Meaning.UNCERTAIN),
    _line({413}, None, Meaning.TOO_LARGE),
)


def meaning_of(
    server: Server, status: int, body: bytes, mask: Callable[[str], str] = lambda text: text
) -> Answer:
    """Return what an answer to a write means; `mask` removes secrets from its reason.

    An unidentified server stores nothing, whatever it answers.
    """
    reason = reason_of(server, status, body)
    shown = reason_of(server, status, body, mask)
    table = _TABLES[server.dialect] if server.dialect else _UNKNOWN if server.known else ()
    for statuses, words, meaning, kind in table:
        if status in statuses and _fits(words, reason):
            named = _named(server, body) if meaning is Meaning.BAD_ROW else ()
            return Answer(meaning, shown, named, kind, server.dialect)
    return Answer(Meaning.RETRY, shown, dialect=server.dialect)


def _fits(words: str | None, reason: str | None) -> bool:
    return words is None or (reason is not None and re.search(words, reason) is not None)


def cause_of(reason: str) -> str:
    """Return a reason without its count of dropped rows, which is wrong and differs each time.

    The rows themselves are removed too, and the database, which InfluxDB 1.12 and 2 name.
    """
    if reason.startswith("remoteAddr: "):  # VictoriaMetrics quotes the client's port, and the row
        reason = re.sub(r"^remoteAddr: .*?; requestURI: .*?; ", "", reason)
        reason = re.sub(r"(influx line) \".*\"", r"\1", reason)
    reason = re.sub(r"unable to parse '.*': ", "unable to parse: ", reason)
    reason = re.sub(r" *\bdropped=[0-9]+(?: for database: .*)?", "", reason)
    return re.sub(r"\bdropped [0-9]+ (points .*?)(?: - oldest point.*)?$", r"\1", reason)


def _named(server: Server, body: bytes) -> tuple[tuple[int, str], ...]:
    """Return the rows that InfluxDB 3 names as bad: one as an object, several as a list."""
    if server.dialect is not Dialect.INFLUXDB3:
        return ()
    data = parse_object(body).get("data")
    rows = data if isinstance(data, list) else [data]
    named = []
    for row in rows:
        number = row.get("line_number") if isinstance(row, dict) else None
        begins = row.get("original_line") if isinstance(row, dict) else None
        if type(number) is int and number > 0 and isinstance(begins, str):
            named.append((number - 1, begins))
    return tuple(named)
