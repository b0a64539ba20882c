"""Bugs that were found by running each command of the README."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bat2influx.commands.pin import pin
from bat2influx.commands.steps import OK, Printer, Step
from tests import TOP
from tests.standins.databases.influxdb import InfluxDB
from tests.support.process import free_port


def _setup_db(ini: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bat2influx", "--config", ini, "setup-db", *arguments]
    return subprocess.run(
        command,
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # without a terminal for prompts
    )


def test_a_long_label_ran_into_the_text() -> None:
    """A space separates a label from its text, as VictoriaMetrics from its address."""
    shown = io.StringIO()
    Printer(shown, {})(Step(OK, "VictoriaMetrics", "localhost:8428"))
    assert shown.getvalue() == "ok    VictoriaMetrics localhost:8428\n"


def test_pin_spoke_of_mqtt_at_the_port_of_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    """At a port that is none of MQTT's, a refusal is reported without a hint about MQTT."""
    assert pin(f"127.0.0.1:{free_port()}", "bat2influx.ini") == os.EX_UNAVAILABLE
    assert "MQTT" not in capsys.readouterr().err


def test_setup_db_ended_with_a_traceback_without_a_terminal(tmp_path: Path) -> None:
    """Without an answer to the password prompt it reports that, with advice."""
    ini = tmp_path / "bat2influx.ini"
    ini.touch()
    done = _setup_db(ini, "--admin", "admin")
    assert "Traceback" not in done.stderr
    assert "--admin-password-file" in done.stderr
    assert done.returncode in (os.EX_USAGE, os.EX_CONFIG)


def test_setup_db_told_an_administrator_to_be_one(tmp_path: Path) -> None:
    """A wrong password of --admin is reported as such, not as the lack of --admin."""
    with InfluxDB(tmp_path / "influxdb", auth=True) as server:
        server.create_admin("admin", "right")
        ini, password = tmp_path / "bat2influx.ini", tmp_path / "password"
        ini.write_text(f"[Influx]\naddress = 127.0.0.1\nport = {server.port}\n")
        password.write_text("wrong\n")
        done = _setup_db(ini, "--admin", "admin", "--admin-password-file", password)
    assert done.returncode == os.EX_UNAVAILABLE
    assert "authorization failed" in done.stdout
    assert "--admin USER" not in done.stdout
    assert "the steps above are done" not in done.stdout
