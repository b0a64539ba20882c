"""The four databases, and how each is set up for a line of the table.

InfluxDB 1 and VictoriaMetrics are the real ones of Debian. InfluxDB 2 and 3 are peers that answer
by their documents and sources, because Debian does not have them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bat2influx.net.tls import Tls
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.influxdb2 import InfluxDB2
from tests.standins.databases.influxdb3 import InfluxDB3
from tests.standins.databases.victoria import VictoriaMetrics
from tests.standins.network.certificates import Certificate, authority, signed_certificate
from tests.standins.network.tls_front import TlsFront

PASSWORD, TOKEN = "Geheim:nis", "token-of-ours"
USER = "writer"
DAY = 86_400  # s
Value = tuple[int, str, float]  # time in ns, field, value


@dataclass
class Running:
    """A running database: `settings` as in [Influx], and the values `stored` in `battery`."""

    port: int
    stored: Callable[[], list[Value]]
    settings: Mapping[str, Any] = field(default_factory=dict)


class Kind:
    """The set-up of one kind; None for features that it does not have."""

    title = ""

    def open(self, directory: Path, **how: Any) -> Any:
        """Run it for a block, as Running.

        `how`: login=True, of user and password; right=False, a login without the right to write;
        token=True; tls=True; there=False, without the database; retention=True, of one day;
        small=True, with a limit of 10 kB; flush, the delay in s until it acknowledges a write.
        """
        return self._opened(directory, **how)

    @contextmanager
    def _opened(self, directory: Path, **how: Any) -> Iterator[Running]:
        with ExitStack() as stack:
            yield self.run(stack, directory, **how)

    def run(self, stack: ExitStack, directory: Path, **how: Any) -> Running:
        """Run it until `stack` ends."""
        raise NotImplementedError

    def has(self, what: str) -> bool:
        """Return whether it has a feature: "token", "right", "retention", "small"."""
        del what
        return True


def _trusted(directory: Path) -> tuple[Certificate, dict[str, Any]]:
    """Return a certificate for a server, and the settings that trust it."""
    signer = authority(directory)
    return signed_certificate(directory, signer), {"tls": Tls(str(signer.cert))}


class InfluxDB1(Kind):
    """The real one, 1.6.7."""

    title = "InfluxDB 1"

    def has(self, what: str) -> bool:
        """It has users and passwords, and no tokens."""
        return what != "token"

    def run(self, stack: ExitStack, directory: Path, **how: Any) -> Running:
        """Run it, with rights granted by statements."""
        certificate, settings = _trusted(directory) if how.get("tls") else (None, {})
        login = how.get("login") or "right" in how
        server = stack.enter_context(
            InfluxDB(
                directory / "influxdb",
                auth=login,
                certificate=certificate,
                config="  max-body-size = 10000\n" if how.get("small") else "",
            )
        )
        if login:
            server.create_admin()
            server.query(f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}'")
            settings |= {"user": USER, "password": PASSWORD}
        if how.get("there", True):
            duration = " WITH DURATION 1d" if how.get("retention") else ""
            server.query(f"CREATE DATABASE battery{duration}")
        if login and how.get("right", True):
            server.query(f"GRANT WRITE ON battery TO {USER}")

        def stored() -> list[Value]:
            if {"name": "battery"} not in server.query("SHOW DATABASES"):
                return []
            return sorted(
                (row["time"], name, float(value))
                for row in server.query("SELECT * FROM dc", "battery")
                for name, value in row.items()
                if name != "time" and isinstance(value, int | float)
            )

        return Running(server.port, stored, settings)


class VictoriaMetricsKind(Kind):
    """The real one, 1.79 on Debian 12 and 1.112 on 13."""

    title = "VictoriaMetrics"

    def has(self, what: str) -> bool:
        """It has one login for everything, and no limit of a request's size."""
        return what not in ("token", "right", "small")

    def run(self, stack: ExitStack, directory: Path, **how: Any) -> Running:
        """Run it."""
        certificate, settings = _trusted(directory) if how.get("tls") else (None, {})
        if how.get("login"):
            settings |= {"user": USER, "password": PASSWORD}
        server = stack.enter_context(
            VictoriaMetrics(
                directory / "victoria",
                login=(USER, PASSWORD) if how.get("login") else None,
                certificate=certificate,
                retention="1d" if how.get("retention") else "100y",
            )
        )

        def stored() -> list[Value]:
            return [(each.time * 10**6, each.field, each.value) for each in server.samples()]

        return Running(server.port, stored, settings)


class _Peer(Kind):
    def _behind_tls(self, stack: ExitStack, directory: Path, running: Running) -> Running:
        certificate, settings = _trusted(directory)
        front = stack.enter_context(TlsFront(running.port, certificate))
        return Running(front.port, running.stored, {**running.settings, **settings})


class InfluxDB2Kind(_Peer):
    """A peer that follows the rules of 2.7."""

    title = "InfluxDB 2"

    def run(self, stack: ExitStack, directory: Path, **how: Any) -> Running:
        """Run it: a token by default, or a user of its 1.x API."""
        login = how.get("login") or "right" in how
        peer = stack.enter_context(
            InfluxDB2(
                "battery" if how.get("there", True) else "another",
                token=TOKEN,
                users={USER: PASSWORD} if login else {},
                rights={USER: "rw" if how.get("right", True) else "r"},
                retention=DAY if how.get("retention") else None,
                limit=10_000 if how.get("small") else None,
            )
        )
        settings = {"user": USER, "password": PASSWORD} if login else {"token": TOKEN}
        running = Running(peer.port, lambda: _values(peer), settings)
        return self._behind_tls(stack, directory, running) if how.get("tls") else running


class InfluxDB3Kind(_Peer):
    """A peer that follows the rules of 3 Core."""

    title = "InfluxDB 3"

    def run(self, stack: ExitStack, directory: Path, **how: Any) -> Running:
        """Run it; it always has a token, which is also the password of any user."""
        peer = stack.enter_context(
            InfluxDB3(
                token=TOKEN,
                rights={TOKEN: "rw" if how.get("right", True) else "r"},
                limit=10_000 if how.get("small") else 10 * 2**20,
                retention=DAY if how.get("retention") else 0,
                flush=how.get("flush", 0.0),
            )
        )
        login = {"user": USER, "password": TOKEN} if how.get("login") else {"token": TOKEN}
        running = Running(peer.port, lambda: _values(peer), login)
        return self._behind_tls(stack, directory, running) if how.get("tls") else running


def _values(peer: InfluxDB2 | InfluxDB3) -> list[Value]:
    assert not peer.broken, peer.broken
    return sorted(
        (each.time, each.field, float(each.value))
        for each in peer.stored
        if isinstance(each.value, int | float)
    )


KINDS: tuple[Kind, ...] = (InfluxDB1(), InfluxDB2Kind(), InfluxDB3Kind(), VictoriaMetricsKind())


def stamp(age: float = 0.0) -> int:
    """Return a time in ns, so many s ago, in whole ms."""
    return round(time.time() - age) * 10**9 + 123_000_000
