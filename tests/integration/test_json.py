"""`--json` of `check`, `discover`, `health` and `spool` as people run them, beside real servers."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import TOP
from tests.standins.venus.device import Device
from tests.support.compare import NINE
from tests.support.daemon import Setting, wait
from tests.support.json_objects import objects

P, OTHER = "c0619ab1c2d3", "0a1b2c3d4e5f"
SECRET = "hunter2-Geheimnis"
EX_OK, EX_UNAVAILABLE = 0, 69
HOSTILE = "My boat\x1b[2J\x07\u202e №1"
SHOWN = "My boat [2J №1"


def run(
    ini: Path, *arguments: str, code: int = EX_OK, **environment: str
) -> tuple[list[dict[str, Any]], str]:
    """Return the objects that a command prints, and what is on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "bat2influx", "--config", ini, *arguments, "--json"],
        cwd=TOP,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=300,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, out + err
    assert SECRET not in out + err
    return objects(out), err


@pytest.fixture
def device(setting: Setting) -> Device:
    """A device whose owner has given it a name that a terminal would obey."""
    made = Device(P, ("vebus", "system", "battery", "solarcharger"))
    made.add_service("settings", 0, {"/Settings/SystemSetup/SystemName": HOSTILE})
    made.add_service("platform", 0, {"/Device/Model": "Cerbo GX"})
    setting.venus(made)
    return made


def test_check_has_an_object_for_each_step(setting: Setting, device: Device) -> None:
    """And the result; a device that does not respond is a step that failed."""
    setting.influxdb.query("CREATE DATABASE battery")
    ini = setting.write_ini(Battery={"password": SECRET, "serial": P})
    (*steps, result), err = run(ini, "check")
    assert err == ""
    assert {each["kind"] for each in steps} == {"step"}
    names = [each["step"] for each in steps]
    assert names[:4] == ["file", "port", "login", "portal_id"]
    assert names[-2:] == ["server", "database"]
    assert [each["field"] for each in steps if each["step"] == "field"] == [*NINE]
    assert {each["section"] for each in steps} == {None, "[Battery]", "[Influx]"}
    assert (result["status"], result["exit_code"], result["ok"]) == ("ok", 0, len(steps))
    device.silence()
    (*steps, result), err = run(ini, "check", code=EX_UNAVAILABLE)
    (failed,) = [each for each in steps if each["status"] == "failed"]
    assert failed["step"] == "device"
    assert P in failed["text"]
    assert (result["status"], result["failed"], result["exit_code"]) == ("failed", 1, 69)


def test_discover_has_an_object_for_the_device_and_each_field(
    setting: Setting, device: Device, tmp_path: Path
) -> None:
    """Its name is printable; what happens in the meantime is on stderr."""
    where = f"127.0.0.1:{setting.mosquitto.port}"
    (found, *fields, result), err = run(tmp_path / "absent.ini", "discover", where)
    assert where in err
    assert (found["kind"], found["state"], found["portal_id"]) == ("device", "ok", P)
    assert (found["address"], found["port"]) == ("127.0.0.1", setting.mosquitto.port)
    assert (found["tls"], found["secured"], found["complete"]) == (False, False, True)
    assert (found["name"], found["model"], found["instance"]) == (SHOWN, "Cerbo GX", 275)
    assert {"battery", "solar"} <= {*found["presets"]}
    assert {each["kind"] for each in fields} == {"field"}
    selected = {each["name"]: each["path"] for each in fields if each["selected"]}
    assert selected["Soc"] == "vebus/275/Soc"
    assert {*NINE} < selected.keys()
    assert (result["status"], result["ok"], result["failed"]) == ("ok", 1, 0)
    assert device.log.counters.writes == 0


def test_a_host_where_nobody_is_has_problems(setting: Setting, tmp_path: Path) -> None:
    """And an object for the host, with the exit code of the other output."""
    setting.mosquitto.stop()
    where = f"127.0.0.1:{setting.mosquitto.port}"
    found, _ = run(tmp_path / "absent.ini", "discover", where, code=EX_UNAVAILABLE)
    *problems, device, result = found
    assert {each["kind"] for each in problems} == {"problem"}
    assert (device["kind"], device["state"]) == ("device", "unreachable")
    assert (result["status"], result["failed"]) == ("failed", 1)


def test_health_and_spool_follow_the_daemon(setting: Setting, device: Device) -> None:
    """Values are stored, then queued on disk while the database is away, and no daemon runs."""
    assert device
    run_directory, state = setting.directory / "run", setting.directory / "state"
    run_directory.mkdir()
    places = {"RUNTIME_DIRECTORY": str(run_directory), "STATE_DIRECTORY": str(state)}
    before = datetime.now(UTC).isoformat()
    daemon = setting.daemon(environment=places, Battery={"serial": P, "instance": 275})
    ini = setting.directory / "bat2influx.ini"

    def health(code: int = EX_OK) -> dict[str, Any]:
        (found,), err = run(ini, "health", code=code, **places)
        assert err == ""
        return found

    wait("values", lambda: len(setting.stored()) > 20)
    found = wait("a report", lambda: (now := health())["stored"] and now)
    assert (found["state"], found["healthy"], found["problem"]) == ("healthy", True, None)
    assert found["database_up"] is True
    assert found["last_value_time"] >= before[:10]
    assert 0 <= found["last_value_age_s"] < 120
    setting.influxdb.stop()
    found = wait("values on disk", lambda: (now := health())["on_disk"] and now)
    assert found["queued"] >= found["on_disk"]
    assert (found["database_up"], found["dropped"]) == (False, 0)
    (spool,), _ = run(ini, "spool", **places)
    assert spool["queued"] > 0
    assert before[:10] <= spool["oldest_time"] <= spool["newest_time"]
    assert spool["directory"] == str(state)
    assert daemon.stop() == EX_OK
    values, _ = run(ini, "spool", "--export", **places)
    (spool,), _ = run(ini, "spool", **places)
    assert len(values) == spool["queued"]
    assert values[0]["time"] == spool["oldest_time"]
    assert run(ini, "spool", "--retry-rejected", **places)[0] == [
        {"kind": "retry", "requested": False, "quarantined": 0}
    ]
    gone = health(EX_UNAVAILABLE)
    assert (gone["state"], gone["queued"]) == ("not_running", None)
