"""A real InfluxDB 1.x for tests and demo, and a reader of it that shares no code with the daemon.

Rules: by default it listens on 127.0.0.1 alone. It sends no usage reports, writes no internal
measurements, and keeps its data in its folder, so that the data survives `restart`, `stop` and
`kill`. For the reader the rules of `database_server` apply.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.databases.database_server import DatabaseError, DatabaseServer
from tests.standins.network.certificates import Certificate
from tests.support import programs

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
# The certificate's file may contain more certificates; together they are the chain that is sent.
TLS = """\
  https-enabled = true
  https-certificate = "{certificate.cert}"
  https-private-key = "{certificate.key}"
"""

Row = dict[str, Any]


class InfluxDBError(DatabaseError):
    """InfluxDB rejected a request; the text is InfluxDB's."""


class InfluxDB(DatabaseServer):
    """An InfluxDB whose data and files are in `directory`, one for each.

    With `auth` every request needs a login; `create_admin` creates the first user and makes `query`
    and `write` use it. With a `certificate` it speaks TLS alone; InfluxDB cannot require a client
    certificate, `tls_front` can. `config` is added to the configuration (TOML): options of
    [http] first, then further sections. `host` is the address to listen on.
    """

    error = InfluxDBError

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        auth: bool = False,
        certificate: Certificate | None = None,
        config: str = "",
    ) -> None:
        self.auth = auth
        self.config = config
        super().__init__(
            programs.find("influxd"),
            ["-config", directory / "influxdb.conf"],
            directory,
            host=host,
            port=port,
            certificate=certificate,
        )

    def configure(self) -> None:
        """Write influxdb.conf."""
        text = CONFIGURATION.format(
            directory=self.directory,
            host=self.host,
            port=self.port,
            auth="true" if self.auth else "false",
        )
        if self.certificate is not None:
            text += TLS.format(certificate=self.certificate)
        (self.directory / "influxdb.conf").write_text(text + self.config)

    def query(self, query: str, db: str = "", *, timeout: float = 10.0) -> list[Row]:
        """Run one or more statements and return all rows, each a dict of columns and tags.

        Times are integers in ns since 1970. Raises InfluxDBError when a statement fails, and
        OSError when the server is unreachable or does not answer in `timeout` seconds.
        """
        answer = self.ask("/query", {"db": db, "q": query, "epoch": "ns"}, b"", timeout=timeout)
        rows: list[Row] = []
        for result in json.loads(answer)["results"]:
            if "error" in result:
                raise InfluxDBError(f"{query}: {result['error']}")
            rows.extend(_rows(result))
        return rows

    def write(self, lines: str, db: str) -> None:
        """Write lines in line protocol, times in ns. Raises InfluxDBError, OSError."""
        self.ask("/write", {"db": db, "precision": "ns"}, lines.encode())

    def create_admin(self, user: str = "admin", password: str = "admin") -> None:
        """Create a user with all rights, and use this login from now on."""
        self.query(f"CREATE USER \"{user}\" WITH PASSWORD '{password}' WITH ALL PRIVILEGES")
        self.login = user, password


def _rows(result: dict[str, Any]) -> Iterator[Row]:
    for series in result.get("series", []):
        for values in series.get("values", []):  # SHOW may have no rows
            yield {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
