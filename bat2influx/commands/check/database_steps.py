"""The steps from the name of the database to the right to write, with the daemon's messages."""

from __future__ import annotations

from collections.abc import Iterator

from bat2influx.commands.check.clear_login import clear_login
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.config.settings import Settings
from bat2influx.influx.dialects import Dialect, database_of_3
from bat2influx.influx.writer import Writer

_LABELS = {  # of the step at which a trouble is met
    "database login": "login",
    "database right": "right",
    "no database": "database",
    "no retention policy": "database",
}


def database_steps(settings: Settings) -> Iterator[Step]:
    """Take the steps from the database's name to the right to write, without writing."""
    writer = Writer(settings.influx, str(settings.path))
    probe, db = writer.probe(), settings.influx.db
    if probe.server.dialect is Dialect.INFLUXDB3:
        db = database_of_3(db, settings.influx.retention_policy)
    if probe.trouble is None or probe.server.known:
        version = f", version {probe.server.version}" if probe.server.version else ""
        tls = ", with TLS" if settings.influx.tls else ""
        yield Step(OK, probe.server.name, f"{writer.where}{version}{tls}")
        influx = settings.influx
        yield from clear_login(
            "the token" if influx.token else "the password" if influx.password else "",
            influx.address,
            (),
            f"set up TLS on the database server, and write tls = yes under [Influx] in"
            f" {settings.path}",
            tls=influx.tls is not None,
        )
    if probe.trouble and probe.trouble.cause == "database answer: not a database":
        yield Step(NOTE, "InfluxDB", probe.trouble.what)
    elif probe.trouble:
        yield Step(WRONG, _LABELS.get(probe.trouble.cause, "InfluxDB"), probe.trouble.what)
    elif probe.open:
        yield Step(NOTE, "database", f"{db!r}: {probe.open}")
    elif probe.missing:
        yield Step(OK, "database", f"{db!r} does not exist yet; it is created with the first write")
    else:
        yield Step(OK, "database", f"{db!r} exists, and writing is permitted")
