"""Runs statements on a database as its administrator, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bat2influx.commands.setup_db.rows import OddAnswerError, QueryRow
from bat2influx.failure import Trouble
from bat2influx.influx.diagnosis import Diagnosis
from bat2influx.influx.dialects import reason_of
from bat2influx.influx.http import HttpClient
from bat2influx.influx.influxql import StatementError
from bat2influx.influx.package import Package
from bat2influx.safe_json import parse_object

# Bytes of an answer. The continuous queries of all presets are 180 KB, of four instances of each
# 810 KB, and the server shows those of all its databases at once.
MAX_ANSWER = 2 * 1024 * 1024
MAX_CELLS = 100_000  # columns and tags of all rows of a series; the longest answer has some 1,000


class UnansweredError(Exception):
    """No answer, or not that of a database; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble


class StatementRunner:
    """Runs statements over HTTP."""

    def __init__(self, http: HttpClient, diagnosis: Diagnosis) -> None:
        self._http = http
        self._package = Package(http)
        self._diagnosis = diagnosis

    def __call__(self, statement: str) -> list[QueryRow]:
        """Run one statement; return its rows, columns and tags alike, times in ns.

        Raises StatementError if the server rejects it, UnansweredError without an answer, and
        OddAnswerError if the answer has an unexpected form.
        """
        reply = self._package.query(statement)
        if reply.trouble:
            raise UnansweredError(reply.trouble)
        reason = reason_of(self._http.server, reply.status, reply.body, self._http.mask)
        if reason is not None:
            raise StatementError(reason)
        if not reply.ok:
            http = self._http
            why = self._diagnosis.of_answer(reply, None, http.server, http.where, "query")
            raise UnansweredError(why)
        if not reply.whole:
            raise OddAnswerError(f"it is longer than {MAX_ANSWER // 1024} KiB, or incomplete")
        results = parse_object(reply.body).get("results")
        if not isinstance(results, list):  # an answer of another kind of server
            why = self._diagnosis.of_unknown_server(reply, self._http.where, "query")
            raise UnansweredError(why)
        return list(_rows(results))


def _rows(results: list[Any]) -> Iterator[QueryRow]:
    for result in results:
        for series in _list(_object(result).get("series", []), "a list of series"):
            columns = _list(_object(series).get("columns", []), "a list of columns")
            tags = _object(_object(series).get("tags", {}))
            rows = _list(_object(series).get("values", []), "a list of values")
            if len(rows) * (len(columns) + len(tags)) > MAX_CELLS:
                raise OddAnswerError("it has too many columns")
            for values in rows:
                row = _list(values, "a list of values")
                if len(row) != len(columns) or not all(isinstance(name, str) for name in columns):
                    raise OddAnswerError("its columns do not match its values")
                yield {**tags, **dict(zip(columns, row, strict=True))}


def _list(found: object, what: str) -> list[Any]:
    if not isinstance(found, list):
        raise OddAnswerError(f"it has no {what.removeprefix('a ')}")
    return found


def _object(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise OddAnswerError("it has another type where an object is expected")
    return found
