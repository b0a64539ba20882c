"""A writer with an HTTP client made by hand: answers from a list, and no socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bat2influx.failure import Backoff, Trouble
from bat2influx.influx import writer as influx_writer
from bat2influx.influx.dialects import Dialect, Server, identify
from bat2influx.influx.http import Reply
from bat2influx.influx.outcome import Outcome
from bat2influx.influx.writer import Writer
from tests.support.writing import CONFIG, DEFAULTS, lines

ONE, TWO, THREE, VICTORIA = (Server(kind) for kind in Dialect)
UNKNOWN = Server()
BATCH = lines(count=2)
AWAY = Trouble("database", "it is away", Backoff.DATABASE)


def reply(status: int, body: str = "", **headers: str) -> Reply:
    """Return an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, body.encode(), "Words")


def error(text: str) -> str:
    """Return an error in the form of InfluxDB 1 and 3."""
    return json.dumps({"error": text})


def coded(text: str) -> str:
    """Return an error in the form of InfluxDB 2."""
    return json.dumps({"code": "any", "message": text})


OK, CREATED = reply(204), reply(200, '{"results":[{"statement_id":0}]}')
GONE = Reply(trouble=AWAY, uncertain=True)
MISSING = reply(404, error("database not found"))
BAD = reply(400, error("unable to parse 'x': missing value"))


class Answers:
    """Stands in for the HTTP client: gives its answers, and then good ones."""

    def __init__(self) -> None:
        self.server = UNKNOWN
        self.where = "db:8086"
        self.replies: list[Reply] = []
        self.pings: list[Server | Reply | Trouble] = []  # what each finds; the last one for ever
        self.requests: list[object] = []  # "ping", a statement, or the lines of a write
        self.params: Mapping[str, str] = {}
        self.progress: Any = None
        self.mask = lambda text: text
        self.was_cut = False
        self.connection = 1  # a test may count it up

    def recognise(self, headers: Mapping[str, str], body: bytes = b"") -> bool:
        """Set the server from an answer."""
        self.server = identify(headers, body)
        return self.server.known

    @property
    def peer(self) -> str:
        """Kind and address of the server."""
        return f"{self.server.name} at {self.where}"

    def ping(self) -> Reply:
        """Determine the server."""
        self.requests.append("ping")
        found = self.pings.pop(0) if len(self.pings) > 1 else self.pings[0]
        if isinstance(found, Trouble):
            return Reply(trouble=found)
        if isinstance(found, Reply):
            self.server = identify(found.headers, found.body)
            return found
        self.server = found
        return OK

    def ask(
        self,
        path: str,
        method: str = "POST",
        *,
        params: Mapping[str, str] | None,
        data: bytes = b"",
        expected: int = 200,
    ) -> Reply:
        """Write, or list the databases of InfluxDB 3."""
        if path != "write":
            assert dict(params or {}) == {"format": "json"}
            return self._answered(path, expected)
        assert (path, expected) == ("write", 204)
        assert data == b"" or data.endswith(b"\n")
        self.params = dict(params or {})
        return self._answered(data.splitlines(), expected)

    def query(self, statement: str) -> Reply:
        """Carry out a statement."""
        return self._answered(statement, 200)

    def abort(self) -> None:
        """Abort the pending request."""
        self.was_cut = True

    def answer(self, request: Any) -> Reply:
        """Return the next answer; a test may put another function here."""
        if self.replies:
            return self.replies.pop(0)
        return CREATED if isinstance(request, str) else OK

    def _answered(self, request: object, expected: int) -> Reply:
        self.requests.append(request)
        answer = self.answer(request)
        return answer._replace(ok=answer.status == expected)


class Bench:
    """A writer and its answers; `ini` as in [Influx]."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *pings: Server | Reply | Trouble, **ini: Any
    ):
        self.http = Answers()
        self.http.pings = list(pings)
        monkeypatch.setattr(influx_writer, "HttpClient", lambda *_: self.http)
        self.writer = Writer(DEFAULTS._replace(**ini), CONFIG)

    def write(self, *replies: Reply, batch: list[bytes] | None = None) -> Outcome:
        """Write, with these answers; `http.requests` has the requests."""
        self.http.requests.clear()
        self.http.replies = list(replies)
        return self.writer.write(BATCH if batch is None else batch, lambda: None)
