"""A real VictoriaMetrics for tests, and a reader of it that shares no code with the daemon.

Rules: as in `influxdb`, but a kill loses the values of the last seconds: only `stop` and `restart`
keep all. By default no value is too old for it; VictoriaMetrics' own default is one month.

Each field is a separate series, `dc_Voltage`, with the tags as labels and the parameter `db` of the
write as one more label. Timestamps are stored in ms.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.standins.databases.database_server import DatabaseError, DatabaseServer
from tests.standins.network.certificates import Certificate
from tests.support import programs

PROGRAM = "victoria-metrics"
FOR_EVER = 4_000_000_000  # s since 1970


class Sample(NamedTuple):
    """A stored value: its time in ms since 1970, and the name of its field."""

    time: int
    field: str
    value: float


class VictoriaMetricsError(DatabaseError):
    """VictoriaMetrics rejected a request; the text is VictoriaMetrics'."""


class VictoriaMetrics(DatabaseServer):
    """A VictoriaMetrics whose data and files are in `directory`, one for each.

    With `login`, user and password, it rejects all others; with a `certificate` it speaks TLS.
    `retention` is how long it keeps values, as in "1d" or "100y"; `options` are further arguments.
    """

    error = VictoriaMetricsError

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        login: tuple[str, str] | None = None,
        certificate: Certificate | None = None,
        retention: str = "100y",
        options: tuple[str, ...] = (),
    ) -> None:
        self._arguments = [
            f"-storageDataPath={directory}/data",
            f"-retentionPeriod={retention}",
            "-memory.allowedBytes=64MB",  # several of them run side by side
            "-loggerLevel=WARN",
        ]
        if login:
            self._arguments += [f"-httpAuth.username={login[0]}", f"-httpAuth.password={login[1]}"]
        if certificate:
            files = f"-tlsCertFile={certificate.cert}", f"-tlsKeyFile={certificate.key}"
            self._arguments += ["-tls", *files]
        self._arguments += options
        super().__init__(programs.find(PROGRAM), [], directory, port=port, certificate=certificate)
        self.login = login

    def configure(self) -> None:
        """Make the command-line arguments, the only configuration."""
        listen = f"-httpListenAddr={self.host}:{self.port}"
        self.command = [self.command[0], listen, *self._arguments]

    def write(self, lines: str, db: str) -> None:
        """Write lines in line protocol, times in ns. Raises VictoriaMetricsError, OSError."""
        self.ask("/write", {"db": db}, lines.encode())

    def flush(self) -> None:
        """Make all written values visible to queries; they need not be on disk."""
        self.ask("/internal/force_flush")

    def samples(self, measurement: str = "dc", db: str = "battery", **labels: str) -> list[Sample]:
        """Return the stored values of a measurement, sorted by time and then by field name.

        `labels` are more labels that a series has to have. A value that was written twice may be
        there twice, because only the option -dedup.minScrapeInterval removes duplicates.
        """
        samples = []
        for series in self._export(db, labels):
            name = series["metric"]["__name__"]
            if name.startswith(f"{measurement}_"):
                field = name.removeprefix(f"{measurement}_")
                pairs = zip(series["timestamps"], series["values"], strict=True)
                samples += [Sample(time, field, value) for time, value in pairs]
        return sorted(samples)

    def series(self, db: str = "battery") -> list[dict[str, str]]:
        """Return the name (`__name__`) and the labels of each series of a database, sorted."""
        return sorted((each["metric"] for each in self._export(db, {})), key=str)

    def _export(self, db: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        self.flush()
        conditions = [f"{name}={json.dumps(value)}" for name, value in {"db": db, **labels}.items()]
        # By default it leaves out values with timestamps of this second or later.
        wanted = {"match[]": "{" + ",".join(conditions) + "}", "start": "0", "end": str(FOR_EVER)}
        return [json.loads(line) for line in self.ask("/api/v1/export", wanted).splitlines()]
