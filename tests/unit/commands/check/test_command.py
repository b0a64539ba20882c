"""`bat2influx check`: the lines, the headings and the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from bat2influx.commands.check import command
from bat2influx.commands.check.command import check, register
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
    """What becomes of the steps of each device, by its name, and of the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices: dict[str, list[Step | str]] = {}  # a text is a choice, at the end
        self.database = [GOOD._replace(label="database")]
        self.hints: list[str] = []
        monkeypatch.setattr(command, "device_steps", self._device)
        monkeypatch.setattr(command, "database_steps", lambda _: self.database)
        monkeypatch.setattr(command, "unseen_secrets", lambda *_: self.hints)

    def _device(self, own: Battery, config: str) -> Iterator[Step]:
        assert config == CONFIG
        for each in self.devices[own.name]:
            if isinstance(each, str):
                raise UndecidedError(each)
            yield each

    def check(self) -> int:
        """Run the command."""
        batteries = tuple(battery(name=name) for name in self.devices)
        return check(Settings(Path(CONFIG), batteries, DEFAULTS, 10**8), {})


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    """Steps made by hand."""
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
def test_the_exit_code_is_of_what_is_wrong(
    ways: Ways, device: list[Step | str], database: list[Step], code: int
) -> None:
    """A choice that a person has to make counts before all else, and a note is nothing wrong."""
    ways.devices, ways.database = {"": device}, database
    assert ways.check() == code


def test_one_device_has_no_heading(ways: Ways, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, what is hidden from the command, the device and the database follow each other."""
    ways.devices, ways.hints = {"": [GOOD]}, ["a password is in a credential"]
    ways.check()
    assert capsys.readouterr().out == (
        f"ok    file          {CONFIG}\n"
        "note  secrets       a password is in a credential\n"
        "ok    port          open\n"
        "ok    database      open\n"
    )


def test_what_is_wrong_with_one_device_keeps_nobody_from_the_others(
    ways: Ways, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its lines below its section, with the choice among them."""
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


# The command line


def run(*arguments: str, config: Path) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    register(parser)
    options = parser.parse_args([*arguments])
    options.config = config
    return int(options.function(options))


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """A file that is good as long as no credential is read."""
    path = tmp_path / "bat2influx.ini"
    path.write_text("[Battery]\naddress = venus.local\n")
    return path


def test_offline_the_file_alone_is_looked_at(
    ini: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No credential is read, which a reload may not do, and nobody is asked."""
    monkeypatch.setattr(command, "check", None)
    (ini.parent / "mqtt-password").write_text("two\nlines\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(ini.parent))
    assert run("--offline", config=ini) == EX_OK
    assert capsys.readouterr().out == f"{ini}: ok\n"


def test_online_the_credentials_count(
    ini: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is good is taken for the steps, and one that is not is a bad configuration."""
    seen: list[Settings] = []
    monkeypatch.setattr(command, "check", lambda settings, _: seen.append(settings) or 7)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(ini.parent))
    (ini.parent / "mqtt-password").write_text("s3cret\n")
    assert run(config=ini) == 7
    assert seen[0].batteries[0].password == "s3cret"
    (ini.parent / "mqtt-password").write_text("two\nlines\n")
    assert run(config=ini) == EX_CONFIG
    assert "holds more than one line" in capsys.readouterr().err
    assert len(seen) == 1


@pytest.mark.parametrize("offline", [(), ("--offline",)])
def test_a_bad_file_is_told_and_nothing_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], offline: tuple[str, ...]
) -> None:
    """All of its problems are on stderr, and the exit code is that of a configuration."""
    bad = tmp_path / "bad.ini"
    bad.write_text("[Battery]\nport = many\nbogus = 1\n")
    assert run(*offline, config=bad) == EX_CONFIG
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(": ")[0] for line in err.splitlines()] == [
        f"{bad}, line 2",
        f"{bad}, line 3",
    ]
