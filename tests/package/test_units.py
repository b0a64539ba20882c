"""The unit files, as far as they can be checked without a systemd."""

import difflib
import os
import re

from bat2influx.config import paths, settings
from tests import TOP

SYSTEMD = TOP / "systemd"
SERVICE = (SYSTEMD / "bat2influx.service").read_text()
TEMPLATE = (SYSTEMD / "bat2influx@.service").read_text()


def _settings(unit: str) -> list[str]:
    return [line for line in unit.splitlines() if line[:1] not in {"", "#"}]


def _values(unit: str, name: str) -> list[str]:
    return [
        value for line in _settings(unit) for key, _, value in [line.partition("=")] if key == name
    ]


def test_the_template_is_the_service_with_the_instance_in_its_names() -> None:
    """A change in one unit that is missing in the other fails here."""
    changes = {
        "/bat2influx.ini ": "/%i.ini ",
        ":bat2influx.mqtt": ":bat2influx@%i.mqtt",
        ":bat2influx.influx": ":bat2influx@%i.influx",
        "StateDirectory=bat2influx": "StateDirectory=bat2influx/%i",
        "/var/lib/bat2influx": "/var/lib/bat2influx/%i",
        "RuntimeDirectory=bat2influx": "RuntimeDirectory=bat2influx-%i",
        "/run/bat2influx": "/run/bat2influx-%i",
        "to InfluxDB": "to InfluxDB (%i)",
    }
    expected = _settings(SERVICE)
    for old, new in changes.items():
        expected = [line.replace(old, new) for line in expected]
    assert not list(difflib.unified_diff(expected, _settings(TEMPLATE), lineterm=""))


def test_every_credential_of_the_program_can_be_given_to_the_service() -> None:
    """By names with the project's prefix in the store, which other services share."""
    given = dict(value.split(":") for value in _values(SERVICE, "LoadCredential"))
    names = {"mqtt-password", *settings.CREDENTIALS}  # mqtt-password-NAME needs a drop-in
    assert given == {name: f"bat2influx.{name}" for name in names}


def test_faults_for_the_user_cause_no_restart() -> None:
    """A wrong command line and a wrong configuration need a person."""
    assert _values(SERVICE, "RestartPreventExitStatus") == [f"{os.EX_USAGE} {os.EX_CONFIG}"]


def test_memory_is_bounded_above_the_documented_need() -> None:
    """The limits are above the need with a reload's program: first slower, then killed."""
    (high,), (most,) = (_values(SERVICE, f"Memory{name}") for name in ("High", "Max"))
    promised, reload = 80e6, 22e6  # bytes: SECURITY.md; `check --offline`
    assert 1.5 * (promised + reload) < _bytes(high) < _bytes(most) <= 256 * 2**20


def test_a_fleet_of_thousands_has_room() -> None:
    """With the figures of docs/fleet.md, and without a drop-in."""
    page = (TOP / "docs/fleet.md").read_text()
    figures = {
        name: float(figure)
        for name, figure in re.findall(r"(?m)^\| `(m[01])` \|[^|]*\| ([\d.]+) \|", page)
    }
    (high,) = _values(SERVICE, "MemoryHigh")
    assert figures["m0"] * 1e6 + 15_000 * figures["m1"] * 1e3 < _bytes(high)


def _bytes(size: str) -> int:
    assert size.endswith("M")
    return int(size[:-1]) * 2**20


def test_programs_of_a_unit_may_be_executed() -> None:
    """And no others; a reload must not fail because a program is forbidden."""
    allowed = " ".join(_values(SERVICE, "ExecPaths")).split()
    for command in _values(SERVICE, "ExecStart") + _values(SERVICE, "ExecReload"):
        assert command.split()[0] in allowed


def test_the_unit_reads_the_default_file() -> None:
    """So that `bat2influx check` checks the file that the service reads."""
    (start,) = _values(SERVICE, "ExecStart")
    assert start == f"/usr/bin/bat2influx --config {paths.DEFAULT_CONFIG} run"
