"""Which database answers: it is determined before the first write, and again when it may change.

A proxy may block pings; then other requests are sent whose answers identify the database.
"""

from __future__ import annotations

from collections.abc import Mapping

from bat2influx.failure import Trouble
from bat2influx.influx.diagnosis import MOVED, Diagnosis, requires_tls
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.http import HttpClient
from bat2influx.safe_json import parse


class Identity:
    """Determines the server behind a client, and sets the client's `server`."""

    def __init__(self, http: HttpClient, diagnosis: Diagnosis) -> None:
        self._http = http
        self._diagnosis = diagnosis
        self._identified_on: int | None = None  # the connection on which it identified itself

    def forget(self) -> None:
        """Ask again before the next write: after a failure it may be another server."""
        self._identified_on = None

    def detect(self, write: Mapping[str, str] | None = None) -> Trouble | None:
        """Determine which server it is, unless it is known; return the Trouble if that fails.

        `write` has the parameters of a write without a line, which is the last request tried;
        InfluxDB 3 would create the database for it.
        """
        if self._identified_on is not None:
            return None
        reply = self._http.ping()
        if reply.trouble:
            return reply.trouble
        if not (self._http.server.known or reply.status in MOVED or requires_tls(reply)):
            self._detect_otherwise(write)
        if not self._http.server.known:
            return self._diagnosis.of_unknown_server(reply, self._http.where, "ping")
        self._identified_on = self._http.connection
        return None

    def is_database(self) -> bool:
        """Return whether the server of the latest answer is a database; ask it if necessary."""
        if self._identified_on != self._http.connection:
            self._identified_on = None
        return self.detect() is None

    def _detect_otherwise(self, write: Mapping[str, str] | None) -> None:
        """Search the answers to other requests than a ping for the identity of the database."""
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
    """Return the databases that an answer of InfluxDB 3 lists; None for any other answer."""
    rows = parse(body)
    if not isinstance(rows, list):
        return None
    key = "iox::database"
    return {str(row[key]) for row in rows if isinstance(row, dict) and key in row}
