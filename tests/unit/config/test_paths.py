"""The paths of files, by the configuration file, the environment, and the caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.config.paths import (
    is_of_service,
    runtime_file,
    runtime_file_of_service,
    service_unit,
    service_user,
    state_directory,
)

SUFFIX = ".prom"
SESSION = {"XDG_RUNTIME_DIR": "/run/user/1000"}


@pytest.mark.parametrize(
    ("config", "environment", "expected"),
    [
        ("/x.ini", {"STATE_DIRECTORY": "/var/lib/bat2influx"}, "/var/lib/bat2influx"),
        ("/x.ini", {"STATE_DIRECTORY": "/a:/b"}, "/a"),
        ("/etc/bat2influx/bat2influx.ini", {}, "/var/lib/bat2influx"),
        ("/etc/bat2influx/boat.ini", {}, "/var/lib/bat2influx/boat"),
        ("/etc/bat2influx/../bat2influx/boat.ini", {}, "/var/lib/bat2influx/boat"),
        ("/etc/bat2influx/boat.ini", {"XDG_STATE_HOME": "/s"}, "/var/lib/bat2influx/boat"),
        ("/etc/bat2influx/more/boat.ini", {"XDG_STATE_HOME": "/s"}, "/s/bat2influx"),
        ("/home/me/x.ini", {"XDG_STATE_HOME": "/home/me/s"}, "/home/me/s/bat2influx"),
        ("/home/me/x.ini", {"XDG_STATE_HOME": "", "HOME": "/home/me"}, "~/.local/state/bat2influx"),
        ("/home/me/x.ini", {"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/s"}, "/s/bat2influx"),
    ],
)
def test_the_state_directory_of_each_way_to_run(
    config: str, environment: dict[str, str], expected: str
) -> None:
    """Of the service manager first, then of the service; a person has one in the home directory."""
    assert state_directory(Path(config), environment) == Path(expected).expanduser()


def test_the_state_of_the_service_belongs_to_its_user() -> None:
    """One named by the service manager or a person may have any owner."""
    assert service_user(Path("/etc/bat2influx/boat.ini"), {}) == "bat2influx"
    assert service_user(Path("/etc/bat2influx/boat.ini"), {"STATE_DIRECTORY": "/s"}) == ""
    assert service_user(Path("/home/me/x.ini"), {}) == ""


def test_a_relative_name_is_resolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A symbolic link to a file of the service counts as another file, with its own state."""
    link = tmp_path / "mine.ini"
    link.symlink_to("/etc/bat2influx/bat2influx.ini")
    environment = {"XDG_STATE_HOME": "/s"}
    monkeypatch.chdir(tmp_path)
    assert state_directory(Path("mine.ini"), environment) == Path("/s/bat2influx")
    up = Path(*[".."] * len(tmp_path.parts), "etc/bat2influx/boat.ini")
    assert state_directory(up, environment) == Path("/var/lib/bat2influx/boat")


def test_the_runtime_directory_is_the_service_managers_or_the_sessions() -> None:
    """The file is named after the ini; without a directory there is none."""
    ini = Path("/etc/bat2influx/boat.ini")
    unit = {**SESSION, "RUNTIME_DIRECTORY": "/run/bat2influx-boat:/run/more"}
    assert runtime_file(ini, unit, SUFFIX) == Path("/run/bat2influx-boat/boat.prom")
    assert runtime_file(ini, SESSION, SUFFIX) == Path("/run/user/1000/bat2influx/boat.prom")
    assert runtime_file(ini, {"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": ""}, SUFFIX) is None
    assert runtime_file(ini, {}, SUFFIX) is None


@pytest.mark.parametrize(
    ("config", "of_service", "unit"),
    [
        ("/etc/bat2influx/bat2influx.ini", True, "bat2influx"),
        ("/etc/bat2influx/boat.ini", True, "bat2influx@boat"),
        ("/etc/bat2influx/more/boat.ini", False, "bat2influx@boat"),
        ("/etc/bat2influx/more/../boat.ini", True, "bat2influx@boat"),
        ("/etc/bat2influx/../boat.ini", False, "bat2influx@boat"),
        ("/home/me/bat2influx.ini", False, "bat2influx"),
    ],
)
def test_a_file_of_the_service_has_a_unit(config: str, of_service: bool, unit: str) -> None:
    """An instance has the name of its file; only files in one directory are the service's."""
    assert is_of_service(Path(config)) is of_service
    assert service_unit(Path(config)) == unit


@pytest.mark.parametrize(
    ("config", "environment", "expected"),
    [
        ("/etc/bat2influx/bat2influx.ini", {}, "/run/bat2influx/bat2influx.prom"),
        ("/etc/bat2influx/boat.ini", SESSION, "/run/bat2influx-boat/boat.prom"),
        ("/etc/bat2influx/a@b.ini", SESSION, "/run/bat2influx-a@b/a@b.prom"),
        ("/etc/bat2influx/boat.ini", {"RUNTIME_DIRECTORY": "/run/x"}, "/run/x/boat.prom"),
        ("/home/me/boat.ini", SESSION, "/run/user/1000/bat2influx/boat.prom"),
        ("/home/me/boat.ini", {}, None),
    ],
)
def test_from_outside_a_service_is_found_by_the_name_of_its_file(
    config: str, environment: dict[str, str], expected: str | None
) -> None:
    """The caller's own session directory does not have it."""
    found = runtime_file_of_service(Path(config), environment, SUFFIX)
    assert found == (Path(expected) if expected else None)
