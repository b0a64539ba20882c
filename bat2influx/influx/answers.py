"""What an answer to a write means for its rows: the one place, with one table for each database.

Pure: a status and a body in, a Meaning out. A row is rejected for nothing but what a table has as
that database's own way to say that a row is bad; whatever no table has keeps all rows, for it may
be about anything: the disk of the server, a gateway before it, a login. Whether a row that is
called bad goes for good is for the writer, who knows if this server has ever taken one.

Sources: coordinator/points_writer.go, tsdb/shard.go, tsdb/store.go and models/points.go of InfluxDB
1 and 2 (branches master-1.x and main-2.x); measured on 1.6.7, 2.7.12, 2.9.1 and 3.6.0 (INFLUXDB,
"Measured on real servers"); lib/protoparser/influx of VictoriaMetrics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from bat2influx.influx.dialects import Dialect, Server, reason_of
from bat2influx.safe_json import parse_object


class Meaning(Enum):
    """What becomes of the rows of one write."""

    STORED = "stored"
    BAD_ROW = "one row or more is bad"  # those are rejected, once they are known
    REFUSED = "something in it is refused, and it is not said to be a row"  # kept
    TOO_LARGE = "more than is taken at once"  # sent in parts
    NO_DATABASE = "there is no database of that name"  # made, where that can be done
    KEPT = "it says nothing about the rows"


class Kind(Enum):
    """What is wrong with a bad row, as far as other rows have it, too."""

    TYPE = "its field has another type"  # as all rows of that field in the same shard
    SERIES = "its series is one too many"  # as all rows of that series
    AGE = "it is older than what is kept"  # as all that are older
    ROW = "it is bad by itself"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer means, and the `reason` in the server's words, where they are its own.

    `named` has the rows that it says are bad: their place in the body, from 0, and how they begin.
    `kind` is what is wrong with a bad row, and `dialect` who says so.
    """

    meaning: Meaning
    reason: str | None = None
    named: tuple[tuple[int, str], ...] = ()
    kind: Kind = Kind.ROW
    dialect: Dialect | None = None

    @property
    def cause(self) -> str:
        """The reason without what differs from row to row, so that one cause has one name."""
        return cause_of(self.reason or "")


# What is wrong with a row, by the words behind "partial write: "; the first that is found counts.
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
# Statuses, how the reason begins (nothing: whatever it is, and if there is none), what that means,
# and what is wrong with the row. The first that fits counts; where none does, all rows are kept.
_Line = tuple[frozenset[int], re.Pattern[str] | None, Meaning, Kind]


def _line(statuses: set[int], reason: str | None, meaning: Meaning, kind: Kind = Kind.ROW) -> _Line:
    return frozenset(statuses), None if reason is None else re.compile(reason), meaning, kind


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
        _line({400, 422}, r"", Meaning.REFUSED),
        _line({404}, r"^database not found", Meaning.NO_DATABASE),
        _line({413}, None, Meaning.TOO_LARGE),
    ),
    Dialect.INFLUXDB2: (
        _line({204}, None, Meaning.STORED),
        *_bad(400, "(partial write: )?"),
        *_bad(422, "(failure writing points to database: )?partial write: "),
        _line({400, 422}, r"", Meaning.REFUSED),
        _line({404}, r"no dbrp mapping found|not found", Meaning.NO_DATABASE),
        _line({413}, None, Meaning.TOO_LARGE),
    ),
    Dialect.INFLUXDB3: (
        _line({204}, None, Meaning.STORED),
        _line({400}, rf"{_BAD_OF_3}.*\bcolumn type\b", Meaning.BAD_ROW, Kind.TYPE),
        _line({400}, _BAD_OF_3, Meaning.BAD_ROW),
        _line({400}, r"write was empty|in database name|^Authorization", Meaning.KEPT),
        _line({422}, r"limit of [0-9]+ databases", Meaning.KEPT),
        _line({400, 422}, r"", Meaning.REFUSED),
        _line({413}, None, Meaning.TOO_LARGE),
        _line({500}, r"^max request size", Meaning.TOO_LARGE),
    ),
    Dialect.VICTORIAMETRICS: (
        _line({204}, None, Meaning.STORED),
        _line({400}, r"unsupported path", Meaning.KEPT),
        _line({400}, r"^remoteAddr: .*(influx line|cannot (parse|unmarshal))", Meaning.BAD_ROW),
        _line({400}, r"^remoteAddr: ", Meaning.REFUSED),
        _line({413}, None, Meaning.TOO_LARGE),
    ),
}
# What says that it is InfluxDB, of a version that nobody here knows, is believed that it has
# stored something; what it refuses is kept.
_UNKNOWN: Sequence[_Line] = (
    _line({204}, None, Meaning.STORED),
    _line({400, 422}, r"", Meaning.REFUSED),
    _line({413}, None, Meaning.TOO_LARGE),
)


def meaning_of(
    server: Server, status: int, body: bytes, mask: Callable[[str], str] = lambda text: text
) -> Answer:
    """Return what an answer to a write means; `mask` takes the secrets out of its reason.

    What nobody knows as a database stores nothing, whatever it answers.
    """
    reason = reason_of(server, status, body)
    shown = reason_of(server, status, body, mask)
    table = _TABLES[server.dialect] if server.dialect else _UNKNOWN if server.known else ()
    for statuses, words, meaning, kind in table:
        if status in statuses and (words is None or (reason is not None and words.search(reason))):
            named = _named(server, body) if meaning is Meaning.BAD_ROW else ()
            return Answer(meaning, shown, named, kind, server.dialect)
    return Answer(Meaning.KEPT, shown, dialect=server.dialect)


def cause_of(reason: str) -> str:
    """Return a reason without its count of dropped rows, which is wrong and differs each time.

    Nor does it have the rows themselves, nor the database, which InfluxDB 1.12 and 2 name.
    """
    if reason.startswith("remoteAddr: "):  # VictoriaMetrics has our port, and the row
        reason = re.sub(r"^remoteAddr: .*?; requestURI: .*?; ", "", reason)
        reason = re.sub(r"(influx line) \".*\"", r"\1", reason)
    reason = re.sub(r"unable to parse '.*': ", "unable to parse: ", reason)
    reason = re.sub(r" *\bdropped=[0-9]+(?: for database: .*)?", "", reason)
    return re.sub(r"\bdropped [0-9]+ (points .*?)(?: - oldest point.*)?$", r"\1", reason)


def _named(server: Server, body: bytes) -> tuple[tuple[int, str], ...]:
    """Return the rows that InfluxDB 3 says are bad: one as an object, several as a list."""
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
