"""Every step of `bat2influx check`: the lines, the headings and the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bat2influx.commands.check import every_step
from bat2influx.commands.check.every_step import check
from bat2influx.commands.steps import NOTE, OK, WRONG, Step
from bat2influx.config.settings import Battery, Settings
from bat2influx.device.discovery import UndecidedError
from tests.support.writing import DEFAULTS
from tests.unit.commands.session_by_hand import CONFIG, battery

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
GOOD = Step(OK, "port", "open")
NOTED = Step(NOTE, "preset", "not there")
BAD = Step(WRONG, "port", "closed")
CHOICE = "several devices:\nserial = a\nserial = b"


class Ways:
    """The outcomes of the steps of each device, by its name, and of the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices: dict[str, list[Step | str]] = {}  # a text is a choice, at the end
        self.database = [GOOD._replace(label="database")]
        self.hints: list[str] = []
        self.lacking: frozenset[str] = frozenset()  # credentials
        self.notes: tuple[str, ...] = ()
        monkeypatch.setattr(every_step, "device_steps", self._device)
        monkeypatch.setattr(every_step, "database_steps", lambda _: self.database)
        monkeypatch.setattr(every_step, "unreadable_secrets", lambda *_: self.hints)
        monkeypatch.setattr(every_step, "unreadable_names", lambda *_: self.lacking)

    def _device(self, own: Battery, config: str) -> Iterator[Step]:
        assert config == CONFIG
        for each in self.devices[own.name]:
            if isinstance(each, str):
                raise UndecidedError(each)
            yield each

    def check(self) -> int:
        """Run the command."""
        batteries = tuple(battery(name=name) for name in self.devices)
        settings = Settings(Path(CONFIG), batteries, DEFAULTS, 10**8, notes=self.notes)
        return check(settings, {})


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    """Fake steps."""
    return Ways(monkeypatch)


@pytest.mark.parametrize(
    ("device", "database", "code"),
    [
        ([GOOD], [GOOD], EX_OK),
        ([GOOD, NOTED], [GOOD], EX_OK),
        ([GOOD, BAD], [GOOD], EX_UNAVAILABLE),
        ([GOOD], [BAD], EX_UNAVAILABLE),
        ([GOOD, CHOICE], [GOOD], EX_CONFIG),
        ([BAD, CHOICE], [BAD], EX_CONFIG),
    ],
)
def test_the_exit_code_is_that_of_the_worst_step(
    ways: Ways, device: list[Step | str], database: list[Step], code: int
) -> None:
    """A choice that a person has to make comes first, and a note is no failure."""
    ways.devices, ways.database = {"": device}, database
    assert ways.check() == code


LOGIN = Step(WRONG, "login", "the password is wrong")


@pytest.mark.parametrize(
    ("lacking", "untested"),
    [
        ([], []),
        (["mqtt-password"], [""]),
        (["mqtt-password-boat"], ["boat"]),
        (["influx-password"], ["[Influx]"]),
        (["influx-token", "mqtt-password"], ["", "[Influx]"]),
    ],
)
def test_a_login_without_the_services_secret_is_not_called_wrong(
    ways: Ways, capsys: pytest.CaptureFixture[str], lacking: list[str], untested: list[str]
) -> None:
    """It was tried without it; the check fails all the same, and other steps keep their text."""
    ways.devices = {name: [GOOD, LOGIN] for name in ("", "boat")}
    ways.database, ways.lacking = [LOGIN, BAD], frozenset(lacking)
    assert ways.check() == EX_UNAVAILABLE
    parts = capsys.readouterr().out.split("\n\n")[1:]
    for name, text in zip(("", "boat", "[Influx]"), parts, strict=True):
        peer = "database" if name == "[Influx]" else "device"
        said = f"not tested: the {peer} rejected the login" in text, LOGIN.text in text
        assert said == (name in untested, name not in untested)
    assert BAD.text in parts[-1]


def test_one_device_has_no_heading(ways: Ways, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, its notes, the device and the database follow each other."""
    ways.devices, ways.hints = {"": [GOOD]}, ["a password is in a credential"]
    ways.notes = ("line 2: [Influx] token: left out",)
    assert ways.check() == EX_OK
    assert capsys.readouterr().out == (
        f"ok    file          {CONFIG}\n"
        "note  secrets       a password is in a credential\n"
        "note  token         line 2: [Influx] token: left out\n"
        "ok    port          open\n"
        "ok    database      open\n"
    )


def test_a_failure_of_one_device_does_not_stop_the_others(
    ways: Ways, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its lines below its section, also a choice."""
    ways.devices = {"": [BAD], "boat": [GOOD, CHOICE], "hut": [GOOD]}
    assert ways.check() == EX_CONFIG
    assert capsys.readouterr().out == (
        f"ok    file          {CONFIG}\n"
        "\n[Battery]\n"
        "wrong port          closed\n"
        "\n[Battery boat]\n"
        "ok    port          open\n"
        "wrong choice        several devices:\n"
        "                    serial = a\n"
        "                    serial = b\n"
        "\n[Battery hut]\n"
        "ok    port          open\n"
        "\n[Influx]\n"
        "ok    database      open\n"
    )
