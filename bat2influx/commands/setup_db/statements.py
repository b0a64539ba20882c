"""Statements to a database as its administrator, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bat2influx.commands.setup_db.setup import QueryRow
from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.dialects import reason_of
from bat2influx.influx.http import HttpClient
from bat2influx.influx.influxql import StatementError
from bat2influx.safe_json import parse_object


class UnansweredError(Exception):
    """No answer, or none of a database; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble


class StatementRunner:
    """Runs statements over HTTP."""

    def __init__(self, http: HttpClient, config: str) -> None:
        self._http = http
        self._config = config

    def __call__(self, statement: str) -> list[QueryRow]:
        """Run one statement; return its rows, columns and tags alike, times in ns.

        Raises StatementError when the server refuses it, UnansweredError when it does not answer.
        """
        reply = self._http.query(statement)
        if reply.trouble:
            raise UnansweredError(reply.trouble)
        reason = reason_of(self._http.server, reply.status, reply.body)
        if reason is not None:
            raise StatementError(reason)
        if not reply.ok:
            answer = influx_errors.database_answer(
                self._http.peer, reply.status, reply.words, self._config, own=False
            )
            raise UnansweredError(answer)
        results = parse_object(reply.body).get("results")
        if not isinstance(results, list):  # the page of something else that answers anything
            answer = influx_errors.database_answer(
                self._http.peer, reply.status, reply.words, self._config, own=False
            )
            raise UnansweredError(answer)
        return list(_rows(results))


def _rows(results: list[Any]) -> Iterator[QueryRow]:
    for result in results:
        for series in result.get("series", []):
            for values in series.get("values", []):
                columns: dict[str, Any] = dict(zip(series["columns"], values, strict=True))
                yield {**series.get("tags", {}), **columns}
