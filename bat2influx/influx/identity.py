"""Which database it is that answers: it is asked before anything is sent, and once more if need be.

A proxy may keep pings to itself; then other questions are asked whose answers show it.
"""

from __future__ import annotations

from collections.abc import Mapping

from bat2influx.failure import Trouble
from bat2influx.influx.diagnosis import MOVED, Diagnosis, wants_tls
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.http import HttpClient
from bat2influx.safe_json import parse


class Identity:
    """What is known of the server behind a client; it is in the client's `server`."""

    def __init__(self, http: HttpClient, diagnosis: Diagnosis) -> None:
        self._http = http
        self._diagnosis = diagnosis
        self._asked_on: int | None = None  # the connection on which it said that it is a database

    def forget(self) -> None:
        """Ask again before the next write: it may be another one when it is back."""
        self._asked_on = None

    def find_out(self, write: Mapping[str, str] | None = None) -> Trouble | None:
        """Ask which server it is, unless it is known; return why that does not come out.

        `write` has the parameters of a write without a line, by which it is asked at last; InfluxDB
        3 would make the database for it.
        """
        if self._asked_on is not None:
            return None
        reply = self._http.ping()
        if reply.trouble:
            return reply.trouble
        if not (self._http.server.known or reply.status in MOVED or wants_tls(reply)):
            self._look_behind(write)
        if not self._http.server.known:
            return self._diagnosis.of_nobody(reply, self._http.where, "ping")
        self._asked_on = self._http.connection
        return None

    def holds(self) -> bool:
        """Return whether what has just answered is a database: it said so, or does when asked."""
        if self._asked_on != self._http.connection:
            self._asked_on = None
        return self.find_out() is None

    def _look_behind(self, write: Mapping[str, str] | None) -> None:
        """Look for what says of itself which database it is, in any answer but that to a ping."""
        reply = self._http.query("SHOW DATABASES")
        if self._http.recognise(reply.headers):
            return
        reply = self._http.ask("api/v3/configure/database", "GET", params={"format": "json"})
        if reply.ok and databases_in(reply.body) is not None:
            self._http.server = Server(Dialect.INFLUXDB3)
        elif write is not None:
            reply = self._http.ask("write", params=write, expected=204)
            self._http.recognise(reply.headers)


def databases_in(body: bytes) -> set[str] | None:
    """Return the databases that an answer of InfluxDB 3 lists; None where it is none."""
    rows = parse(body)
    if not isinstance(rows, list):
        return None
    key = "iox::database"
    return {str(row[key]) for row in rows if isinstance(row, dict) and key in row}
