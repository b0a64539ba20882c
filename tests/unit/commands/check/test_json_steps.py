"""`bat2influx check --json`: what becomes of steps, and of their labels."""

from __future__ import annotations

import argparse
import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bat2influx.commands.check import database_steps, every_step, labels
from bat2influx.commands.check.command import register
from bat2influx.commands.check.every_step import check
from bat2influx.commands.check.json_steps import JsonSteps, StepRecord, hint_of, step_record
from bat2influx.commands.json_lines import Outcome
from bat2influx.commands.steps import NOTE, OK, WRONG, FieldStep, Step
from bat2influx.config.settings import Settings
from bat2influx.device.discovery import UndecidedError
from tests import TOP
from tests.support.writing import DEFAULTS
from tests.unit.commands.session_by_hand import CONFIG, battery

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the objects on stdout; there is nothing on stderr."""
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


# A step


@pytest.mark.parametrize(
    ("step", "record"),
    [
        (
            Step(OK, "TLS", "TLSv1.3; the certificate is the pinned one"),
            StepRecord(
                None, "tls", None, Outcome.OK, "TLSv1.3; the certificate is the pinned one", None
            ),
        ),
        (
            Step(NOTE, "login", "the password crosses the network; write tls = yes"),
            StepRecord(
                None,
                "login",
                None,
                Outcome.WARNING,
                "the password crosses the network; write tls = yes",
                "write tls = yes",
            ),
        ),
        (
            Step(WRONG, "portal id", "no device. Set serial"),
            StepRecord(
                None, "portal_id", None, Outcome.FAILED, "no device. Set serial", "Set serial"
            ),
        ),
        (
            Step(OK, "VictoriaMetrics", "at localhost"),
            StepRecord(None, "server", None, Outcome.OK, "at localhost", None),
        ),
        (
            FieldStep(OK, "port", "1 V (a/0/port)"),
            StepRecord(None, "field", "port", Outcome.OK, "1 V (a/0/port)", None),
        ),
    ],
)
def test_a_step_has_a_fixed_word(step: Step, record: StepRecord) -> None:
    """A field may have any name, that of a step among them."""
    assert step_record(step, None) == record


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("no answer", None),
        ("no answer; is it on?", "is it on?"),
        ("refused (x; y. Z); set port", "set port"),
        ("not on it (is that connected, and switched on?)", None),
        ("several devices:\nserial = a\nserial = b", "serial = a\nserial = b"),
        ("no device. Set serial; or leave it", "Set serial; or leave it"),
        ("at 10.0.0.2:1883", None),
        ("ends; ", None),
        (") ; x", "x"),
        ("", None),
    ],
)
def test_a_hint_is_what_follows_the_first_statement(text: str, hint: str | None) -> None:
    """What is in parentheses belongs to the statement."""
    assert hint_of(text) == hint


def test_every_label_of_check_has_its_own_word() -> None:
    """One that is added has a word, and is not taken for the name of a database server."""
    found = {*labels._LABELS.values(), *database_steps._LABELS.values(), "TLS"}
    for path in (TOP / "bat2influx/commands/check").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name("Step"), args=[_, ast.Constant(str(label)), *_]):
                    found.add(label)
    server = {label for label in found if step_record(Step(OK, label, ""), None).step == "server"}
    assert server == {"InfluxDB"}
    assert len(found) > 15


# All of them


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Step | str]]:
    """The steps of each device by its name, a text being a choice; those of the database are ok."""
    given: dict[str, list[Step | str]] = {}

    def device(own: Any, _: str) -> Any:
        for each in given[own.name]:
            if isinstance(each, str):
                raise UndecidedError(each)
            yield each

    monkeypatch.setattr(every_step, "device_steps", device)
    monkeypatch.setattr(every_step, "database_steps", lambda _: [Step(OK, "database", "there")])
    monkeypatch.setattr(every_step, "unreadable_secrets", lambda *_: ["in a credential"])
    return given


def run(steps: dict[str, list[Step | str]]) -> int:
    """Run all steps, and print the result."""
    show = JsonSteps()
    batteries = tuple(battery(name=name) for name in steps)
    code = check(Settings(Path(CONFIG), batteries, DEFAULTS, 10**8), {}, as_json=show)
    show.end(code)
    return code


def test_each_step_has_its_section(
    steps: dict[str, list[Step | str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a single device, too; the file itself has none. The last object is the result."""
    steps[""] = [Step(OK, "port", "1883 is open"), FieldStep(OK, "Soc", "88 % (vebus/275/Soc)")]
    assert run(steps) == EX_OK
    *found, result = objects(capsys)
    assert [(each["section"], each["step"], each["field"], each["status"]) for each in found] == [
        (None, "file", None, "ok"),
        (None, "secrets", None, "warning"),
        ("[Battery]", "port", None, "ok"),
        ("[Battery]", "field", "Soc", "ok"),
        ("[Influx]", "database", None, "ok"),
    ]
    assert {each["kind"] for each in found} == {"step"}
    assert result == {
        "kind": "result",
        "command": "check",
        "status": "warning",
        "ok": 4,
        "warnings": 1,
        "failed": 0,
        "exit_code": 0,
    }


@pytest.mark.parametrize(
    ("last", "code"),
    [(Step(WRONG, "port", "closed"), EX_UNAVAILABLE), ("several:\nserial = a", EX_CONFIG)],
)
def test_a_step_that_failed_is_an_object_as_well(
    steps: dict[str, list[Step | str]],
    capsys: pytest.CaptureFixture[str],
    last: Step | str,
    code: int,
) -> None:
    """The exit code is that of the other output, and stands in the result."""
    steps.update({"boat": [last], "hut": [Step(OK, "port", "open")]})
    assert run(steps) == code
    *found, result = objects(capsys)
    (failed,) = [each for each in found if each["status"] == "failed"]
    assert failed["section"] == "[Battery boat]"
    assert (result["status"], result["failed"], result["exit_code"]) == ("failed", 1, code)
    assert (result["ok"], result["warnings"]) == (3, 1)


# The command line


def ask(config: Path, *arguments: str) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args([*arguments, "--json"])
    options.config = config
    return int(options.function(options))


def test_offline_the_file_is_the_only_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left out of a token is a warning, and is not quoted."""
    monkeypatch.setattr(every_step, "check", None)
    ini = tmp_path / "bat2influx.ini"
    ini.write_text("[Influx]\ntoken = Bearer s3cret\n")
    assert ask(ini, "--offline") == EX_OK
    file, token, result = objects(capsys)
    assert (file["step"], file["status"], file["text"]) == ("file", "ok", str(ini))
    assert (token["step"], token["status"]) == ("token", "warning")
    assert "s3cret" not in json.dumps(token)
    assert (result["status"], result["ok"], result["warnings"]) == ("warning", 1, 1)


@pytest.mark.parametrize("offline", [[], ["--offline"]])
def test_each_problem_of_the_file_is_a_step_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], offline: list[str]
) -> None:
    """No other step is taken."""
    bad = tmp_path / "bad.ini"
    bad.write_text("[Battery]\nport = many\nbogus = 1\n")
    assert ask(bad, *offline) == EX_CONFIG
    *problems, result = objects(capsys)
    assert [(each["step"], each["status"]) for each in problems] == [("file", "failed")] * 2
    assert problems[0]["text"].startswith(f"{bad}, line 2: ")
    assert (result["failed"], result["exit_code"]) == (2, EX_CONFIG)


def test_online_each_step_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the credentials of the service."""
    seen = []

    def note(settings: Settings, _: Any, *, as_json: JsonSteps) -> int:
        seen.append(settings.batteries[0].password)
        as_json(Step(WRONG, "port", "closed"))
        return EX_UNAVAILABLE

    monkeypatch.setattr(every_step, "check", note)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "mqtt-password").write_text("s3cret\n")
    ini = tmp_path / "bat2influx.ini"
    ini.write_text("[Battery]\naddress = venus.local\n")
    assert ask(ini) == EX_UNAVAILABLE
    assert seen == ["s3cret"]
    step, result = objects(capsys)
    assert (step["step"], result["exit_code"]) == ("port", EX_UNAVAILABLE)
