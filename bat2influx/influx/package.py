"""The `influxdb` package, for statements that a user runs: its client, over an HttpClient.

`InfluxDBClient` makes the requests; an HttpClient sends them, because it has the deadline, the
certificate checks and the bounds that `requests` lacks. Only the commands import this module: the
daemon does not need it, and the package takes 10 MB with its imports.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from bat2influx.influx.http import HttpClient, Reply
from bat2influx.service import lean_imports

with lean_imports.imports():
    import requests
    from influxdb import InfluxDBClient
    from requests.adapters import BaseAdapter

_FORM = "application/x-www-form-urlencoded"


class Package:
    """Runs statements, one after the other, by `InfluxDBClient`."""

    def __init__(self, http: HttpClient) -> None:
        self._adapter = _Adapter(http)
        session = requests.Session()
        session.trust_env = False
        self._client = InfluxDBClient(username=None, password=None, retries=1, session=session)
        session.mount("http://", self._adapter)  # replaces the one that the client has mounted

    def query(self, statement: str) -> Reply:
        """Carry out one statement of InfluxQL, times in ns. Raises nothing for a peer's failure.

        The statement is sent in the body: it may contain a password, and servers log URLs.
        """
        data = urlencode({"q": statement, "db": "", "epoch": "ns"}).encode()
        self._client.request("query", "POST", data=data, headers={"Content-Type": _FORM})
        return self._adapter.reply


class _Adapter(BaseAdapter):  # type: ignore[misc]
    """Carries the requests of a session; the answer to the latest one is in `reply`.

    The package gets an empty answer: it would unpack msgpack, where five bytes can allocate half a
    megabyte, and it has no texts for failures.
    """

    def __init__(self, http: HttpClient) -> None:
        super().__init__()
        self.reply = Reply()
        self._http = http

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """Carry out a request; only the path of its URL counts."""
        content = request.headers["Content-Type"]
        self.reply = self._http.ask(
            request.path_url.removeprefix("/"), request.method, data=request.body, content=content
        )
        done = requests.Response()
        done.status_code, done._content = 200, b""
        return done

    def close(self) -> None:
        """Leave the connection open: the HttpClient owns it."""
