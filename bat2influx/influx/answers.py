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
from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer means, and the `reason` in the server's words, where they are its own.

    `named` has the rows that it says are bad: their place in the body, from 0, and how they begin.
    """

    meaning: Meaning
    reason: str | None = None
    named: tuple[tuple[int, str], ...] = ()


# Behind "partial write: ", up to the name of a field, a tag or a series.
_PARTIAL = (
    r"field type conflict|points beyond retention policy|dropped [0-9]+ points outside retention"
    r"|max-series-per-database limit exceeded|max-values-per-tag limit exceeded"
    r"|max key length exceeded|invalid field name|invalid tag key|invalid measurement"
    r"|input field \S+ on measurement \S+ is invalid|unable to parse|time outside range"
)
# Statuses, what the reason looks like (nothing: whatever it is, and if there is none), and what
# that means. The first that fits counts; where none does, all rows are kept.
_Table = tuple[tuple[frozenset[int], re.Pattern[str] | None, Meaning], ...]


def _line(statuses: set[int], reason: str | None, meaning: Meaning) -> _Table:
    return ((frozenset(statuses), None if reason is None else re.compile(reason), meaning),)


_TABLES: Mapping[Dialect, _Table] = {
    Dialect.INFLUXDB1: (
        *_line({204}, None, Meaning.STORED),
        *_line({400}, rf"^(partial write: ({_PARTIAL})|unable to parse)", Meaning.BAD_ROW),
        *_line({400}, r"^(field type conflict|max key length exceeded)", Meaning.BAD_ROW),
        *_line({400, 422}, r"", Meaning.REFUSED),
        *_line({404}, r"", Meaning.NO_DATABASE),
        *_line({413}, None, Meaning.TOO_LARGE),
    ),
    Dialect.INFLUXDB2: (
        *_line({204}, None, Meaning.STORED),
        *_line({400}, r"^(partial write: )?unable to parse", Meaning.BAD_ROW),
        *_line(
            {422},
            rf"^(failure writing points to database: )?partial write: ({_PARTIAL})",
            Meaning.BAD_ROW,
        ),
        *_line({400, 422}, r"", Meaning.REFUSED),
        *_line({404}, r"", Meaning.NO_DATABASE),
        *_line({413}, None, Meaning.TOO_LARGE),
    ),
    Dialect.INFLUXDB3: (
        *_line({204}, None, Meaning.STORED),
        *_line(
            {400},
            r"^(parsing failed for write_lp endpoint|line protocol parsing error"
            r"|partial write of line protocol occurred)",
            Meaning.BAD_ROW,
        ),
        *_line({413}, None, Meaning.TOO_LARGE),
        *_line({500}, r"^max request size", Meaning.TOO_LARGE),
    ),
    Dialect.VICTORIAMETRICS: (
        *_line({204}, None, Meaning.STORED),
        *_line({400}, r"unsupported path", Meaning.KEPT),
        *_line({400}, r"influx line|cannot (parse|unmarshal)", Meaning.BAD_ROW),
        *_line({413}, None, Meaning.TOO_LARGE),
    ),
}
# What says that it is InfluxDB, of a version that nobody here knows, is believed that it has
# stored something, and nothing else.
_UNKNOWN: _Table = _line({204}, None, Meaning.STORED)


def meaning_of(
    server: Server, status: int, body: bytes, mask: Callable[[str], str] = lambda text: text
) -> Answer:
    """Return what an answer to a write means; `mask` takes the secrets out of its reason.

    What nobody knows as a database stores nothing, whatever it answers.
    """
    reason = reason_of(server, status, body)
    shown = reason_of(server, status, body, mask)
    table = _TABLES[server.dialect] if server.dialect else _UNKNOWN if server.known else ()
    for statuses, words, meaning in table:
        if status in statuses and (words is None or (reason is not None and words.search(reason))):
            named = _named(server, body) if meaning is Meaning.BAD_ROW else ()
            return Answer(meaning, shown, named)
    return Answer(Meaning.KEPT, shown)


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
