"""What `check` prints about the database, for each possible problem."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.commands.check import database_steps as steps_of
from bat2influx.commands.check.database_steps import database_steps
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.config.settings import Settings
from bat2influx.failure import Trouble
from bat2influx.influx import errors as influx_errors
from bat2influx.influx.dialects import Dialect, Server
from bat2influx.influx.writer import Probe
from bat2influx.net.tls import Tls
from tests.support.writing import DEFAULTS
from tests.unit.commands.session_by_hand import CONFIG

WHERE = "localhost:8086"
PEER = f"InfluxDB at {WHERE}"
SERVER = Server(Dialect.INFLUXDB1, "1.6.7")
KNOWN = Step(OK, "InfluxDB", f"{WHERE}, version 1.6.7")
UNKNOWN = Server()


def steps(monkeypatch: pytest.MonkeyPatch, probe: Probe, tls: Tls | None = None) -> list[Step]:
    """Return the steps if the database answers this."""
    settings = Settings(Path(CONFIG), (), DEFAULTS._replace(tls=tls), 10**8)

    def writer(influx: Any, config: str) -> SimpleNamespace:
        assert (influx, config) == (settings.influx, CONFIG)
        return SimpleNamespace(where=WHERE, probe=lambda: probe)

    monkeypatch.setattr(steps_of, "Writer", writer)
    return [*database_steps(settings)]


@pytest.mark.parametrize(
    ("server", "tls", "step"),
    [
        (SERVER, None, KNOWN),
        (SERVER, Tls(), Step(OK, "InfluxDB", f"{WHERE}, version 1.6.7, with TLS")),
        (Server(Dialect.VICTORIAMETRICS), None, Step(OK, "VictoriaMetrics", WHERE)),
        (UNKNOWN, None, Step(OK, "InfluxDB", WHERE)),
    ],
)
def test_a_database_that_accepts_values_is_reported(
    monkeypatch: pytest.MonkeyPatch, server: Server, tls: Tls | None, step: Step
) -> None:
    """What it is, where, and that writing is permitted."""
    right = Step(OK, "database", "'battery' exists, and writing is permitted")
    assert steps(monkeypatch, Probe(None, False, server), tls) == [step, right]


def test_a_database_that_does_not_exist_yet_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon creates it."""
    text = "'battery' does not exist yet; it is created with the first write"
    assert steps(monkeypatch, Probe(None, True, SERVER)) == [KNOWN, Step(OK, "database", text)]


def test_what_a_probe_without_a_line_cannot_show_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """InfluxDB 3 creates a database for a write without a line, and may not list databases."""
    three = Server(Dialect.INFLUXDB3, "3.6.0")
    known, note = steps(monkeypatch, Probe(None, False, three, "not seen without writing"))
    assert known == Step(OK, "InfluxDB", f"{WHERE}, version 3.6.0")
    assert note == Step(NOTE, "database", "'battery': not seen without writing")


def test_a_server_that_accepts_without_a_name_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the login page of a network, and the database may be reachable later."""
    why = influx_errors.not_a_database(WHERE, 204, CONFIG)
    found = steps(monkeypatch, Probe(why, missing=False, server=UNKNOWN))
    assert found == [Step(NOTE, "InfluxDB", why.what)]


@pytest.mark.parametrize(
    ("why", "label"),
    [
        (influx_errors.database_unreachable(PEER, "connection refused", CONFIG), "InfluxDB"),
        (influx_errors.database_slow(PEER, 8.0), "InfluxDB"),
        (influx_errors.database_login(PEER, "me", "no", CONFIG), "login"),
        (influx_errors.database_right(PEER, "me", "battery", "no"), "right"),
        (influx_errors.no_database(PEER, "me", "battery", "not authorized"), "database"),
        (influx_errors.no_bucket(PEER, "battery", "", "no", CONFIG), "database"),
        (influx_errors.no_retention_policy(PEER, "battery", "raw", CONFIG), "database"),
        (influx_errors.database_tls(PEER, "does not use TLS", CONFIG), "InfluxDB"),
        (influx_errors.database_tls_required(PEER, CONFIG), "InfluxDB"),
        (influx_errors.database_certificate(PEER, "has expired", "pin", CONFIG), "InfluxDB"),
        (influx_errors.no_such_path(PEER, 404, CONFIG), "InfluxDB"),
        (influx_errors.database_answer(PEER, 502, "Bad Gateway", CONFIG, own=False), "InfluxDB"),
    ],
)
@pytest.mark.parametrize("server", [SERVER, UNKNOWN])
def test_a_trouble_is_reported_at_its_step(
    monkeypatch: pytest.MonkeyPatch, why: Trouble, label: str, server: Server
) -> None:
    """A detected server has its line before, another one has none."""
    before = [KNOWN] if server is SERVER else []
    found = steps(monkeypatch, Probe(why, "no database" in why.cause, server))
    assert found == [*before, Step(WRONG, label, why.what)]
