"""`setup-db` run on a real InfluxDB, and the state of the database afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bat2influx.commands.setup_db.downsampling import Retention
from bat2influx.commands.setup_db.setup import setup_db
from bat2influx.config.settings import Settings, load
from bat2influx.influx.influxql import StatementError, quote_name
from tests.standins.databases.influxdb import InfluxDB, InfluxDBError, Row

EX_OK = 0
SECRET = "hunter2-'Geheimnis"
FIELDS = "[Fields]\nPv = solarcharger/288/Yield/User\n"

Point = tuple[str, str, float, int]  # tags as in line protocol, field, value, time in ns
Values = dict[tuple[str, int, str], float]  # by tags, time in ns and field


class Setup:
    """The command, with a separate database and user for the test."""

    def __init__(
        self, directory: Path, server: InfluxDB, capsys: Any, db: str, text: str = FIELDS
    ) -> None:
        """`text` is the file's content besides [Influx]."""
        path = directory / f"{db}.ini"
        path.write_text(f'[Influx]\ndb = {db}\nuser = {db}-user\npassword = "{SECRET}"\n{text}')
        self.settings: Settings = load(path)
        self.server = server
        self.db = db
        self._capsys = capsys

    def __call__(
        self, *, code: int = EX_OK, dry_run: bool = False, change: bool = False, **wanted: int
    ) -> str:
        """Run it and return its messages; with `dry_run` its stdout."""
        got = setup_db(
            self.settings, self.ask, Retention(**wanted), os.environ, dry_run=dry_run, change=change
        )
        said = self._capsys.readouterr()
        assert got == code, said
        assert SECRET not in said.out + said.err
        return str(said.out)

    def ask(self, statement: str) -> list[Row]:
        """Run a statement as the command does."""
        try:
            return self.server.query(statement, timeout=60)
        except InfluxDBError as error:
            raise StatementError(str(error)) from None

    def state(self) -> dict[str, list[Row]]:
        """Return the whole state: all that is created, and all values."""
        db = quote_name(self.db)
        if {"name": self.db} not in self.ask("SHOW DATABASES"):
            return {"users": self.ask("SHOW USERS")}
        user = self.settings.influx.user
        users = [row for row in self.ask("SHOW USERS") if row["user"] == user]
        queries = self.ask("SHOW CONTINUOUS QUERIES")
        policies = self.ask(f"SHOW RETENTION POLICIES ON {db}")
        return {
            "policies": policies,
            "queries": sorted(
                (row for row in queries if f" ON {self.db} " in row["query"]),
                key=lambda row: str(row["name"]),
            ),
            "users": users,
            "grants": self.ask(f"SHOW GRANTS FOR {quote_name(user)}") if users else [],
            **{each["name"]: self.rows(each["name"]) for each in policies},
        }

    def rows(self, policy: str) -> list[Row]:
        """Return the rows of a policy, with their tags."""
        return self.ask(f"SELECT * FROM {quote_name(self.db)}.{quote_name(policy)}.dc GROUP BY *")

    def values(self, policy: str) -> Values:
        """Return a policy's values; the tags are as in line protocol, sorted by name."""
        values: Values = {}
        for row in self.rows(policy):
            tags = ",".join(f"{tag}={row[tag]}" for tag in sorted(row) if _is_text(row[tag]))
            values |= {
                (tags, row["time"], field): value
                for field, value in row.items()
                if field != "time" and isinstance(value, float | int)
            }
        return values

    def write(self, points: Iterable[Point]) -> None:
        """Store points in the default policy."""
        lines = (
            f"dc{',' if tags else ''}{tags} {field}={value!r} {time_ns}"
            for tags, field, value, time_ns in points
        )
        self.server.write("\n".join(lines), self.db)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
