"""A real InfluxDB 1.x for tests and demo, and a reader of it that shares no code with the daemon.

Rules: it listens on 127.0.0.1 alone unless told otherwise, reports to nobody, writes no
measurements of its own, and keeps its data in its folder, so that the same data is there after
`restart`, `stop` or `kill`. The reader uses nothing but the standard library, and no proxy.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from tests.parts import programs
from tests.parts.process import Server

CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
[logging]
  level = "warn"
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  log-enabled = false
[http]
  bind-address = "{host}:{port}"
  auth-enabled = {auth}
  log-enabled = false
"""

Row = dict[str, Any]


class InfluxDBError(RuntimeError):
    """InfluxDB refused a request; the text is its own."""


class InfluxDB(Server):
    """An InfluxDB whose data and files are in `directory`, one for each.

    With `auth` every request needs a login; `create_admin` makes the first user and has `query`
    and `write` use it. `config` is added to the configuration (TOML): options of
    [http] first, then further sections. `host` is the address to listen on.
    """

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        auth: bool = False,
        config: str = "",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.host = host
        self.auth = auth
        self.config = config
        self.login: tuple[str, str] | None = None
        self._opener = build_opener(ProxyHandler({}))
        program = programs.find("influxd")
        super().__init__(
            "influxd",
            [program.path, "-config", directory / "influxdb.conf"],
            directory / "influxdb.log",
            port=port,
            environment={**program.environment, "HOME": str(directory)},
        )

    @property
    def url(self) -> str:
        """The base of its HTTP interface, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def configure(self) -> None:
        """Write influxdb.conf."""
        text = CONFIGURATION.format(
            directory=self.directory,
            host=self.host,
            port=self.port,
            auth="true" if self.auth else "false",
        )
        (self.directory / "influxdb.conf").write_text(text + self.config)

    def query(self, query: str, db: str = "", *, timeout: float = 10.0) -> list[Row]:
        """Run one or more statements and return all rows, each a dict of columns and tags.

        Times are integers in ns since 1970. Raises InfluxDBError when a statement fails, and
        OSError when the server cannot be reached or does not answer in `timeout` seconds.
        """
        answer = self._post("/query", {"db": db, "q": query, "epoch": "ns"}, timeout=timeout)
        rows: list[Row] = []
        for result in json.loads(answer)["results"]:
            if "error" in result:
                raise InfluxDBError(f"{query}: {result['error']}")
            rows.extend(_rows(result))
        return rows

    def write(self, lines: str, db: str) -> None:
        """Write lines in line protocol, times in ns. Raises InfluxDBError, OSError."""
        self._post("/write", {"db": db, "precision": "ns"}, lines.encode())

    def create_admin(self, user: str = "admin", password: str = "admin") -> None:
        """Make a user with all rights and use it from now on."""
        self.query(f"CREATE USER \"{user}\" WITH PASSWORD '{password}' WITH ALL PRIVILEGES")
        self.login = user, password

    def _post(
        self, path: str, parameters: dict[str, str], body: bytes = b"", *, timeout: float = 10.0
    ) -> bytes:
        request = Request(f"{self.url}{path}?{urlencode(parameters)}", data=body, method="POST")
        if self.login is not None:
            token = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            with error:
                raise InfluxDBError(f"{error.code}: {error.read().decode()}") from None


def _rows(result: dict[str, Any]) -> Iterator[Row]:
    for series in result.get("series", []):
        for values in series.get("values", []):  # SHOW may find nothing
            yield {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
