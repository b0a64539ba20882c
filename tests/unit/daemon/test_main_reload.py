"""What a reload does: to each device, to the database's writer, and with a bad file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bat2influx.config.settings import ConfigError, Settings
from bat2influx.daemon.self_report import SelfReport
from bat2influx.device.device import Device
from bat2influx.device.source import Source
from bat2influx.fleet.fleet import Fleet
from tests.unit.daemon.daemon_by_hand import TWO, Harness, by_hand

ONE = TWO[: TWO.index("[Battery boat]")]
BOTH_KEPT = {"": "kept", "boat": "kept"}
BOTH_REPLACED = {"": "replaced", "boat": "replaced"}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """Daemons made by hand."""
    with by_hand(tmp_path) as made:
        yield made


def kinds(before: Sequence[Source], after: Sequence[Source]) -> dict[str, str]:
    """Return what happened to each device, in the order of the file."""
    old = {device.battery.name: device for device in before}
    found = {}
    for device in after:
        name = device.battery.name
        found[name] = "new" if name not in old else "kept" if old[name] is device else "replaced"
    return found


@pytest.mark.parametrize(
    ("text", "expected", "left"),
    [
        (TWO, BOTH_KEPT, []),
        (TWO + "interval = 5\nsoc_interval = 60", BOTH_KEPT, []),
        (TWO + "[Influx]\naddress = 10.0.0.9", BOTH_KEPT, []),
        (TWO + "[Spool]\nmax_size = 1MB\n[Metrics]\ntextfile = yes", BOTH_KEPT, []),
        (
            "[Battery boat]\naddress = 10.0.0.3\n[Battery]\naddress = 10.0.0.2",
            {"boat": "kept", "": "kept"},
            [],
        ),
        (TWO + "password = x", {"": "kept", "boat": "replaced"}, ["boat"]),
        (TWO + "password = x\ninterval = 5", {"": "kept", "boat": "replaced"}, ["boat"]),
        (TWO + "serial = *\nmode = notify", {"": "kept", "boat": "replaced"}, ["boat"]),
        (TWO + "[Fields boat]\nX = vebus/State", {"": "kept", "boat": "replaced"}, ["boat"]),
        (TWO.replace("0.2", "0.4"), {"": "replaced", "boat": "kept"}, [""]),
        (TWO + "[Fields]\nX = vebus/State", BOTH_REPLACED, ["", "boat"]),
        (TWO + "[Influx]\ntimestamps = tick", BOTH_REPLACED, ["", "boat"]),
        (TWO.replace("boat", "van"), {"": "kept", "van": "new"}, ["boat"]),
        (ONE, {"": "kept"}, ["boat"]),
        ("[Battery van]\naddress = 10.0.0.4\n" + TWO, {"van": "new"} | BOTH_KEPT, []),
    ],
)
def test_a_reload_keeps_every_device_that_it_can(
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    expected: dict[str, str],
    left: list[str],
) -> None:
    """Changed intervals keep the connection; replaced or removed devices are closed and counted."""
    daemon = harness.daemon(reload=lambda: harness.settings(text))
    before = daemon.devices
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(
        SelfReport, "left", lambda _, each: calls.append(("left", each.battery.name))
    )
    monkeypatch.setattr(Source, "close", lambda each: calls.append(("closed", each.battery.name)))
    daemon._wakeup.reload = True
    daemon.reload_if_requested()
    found = kinds(before, daemon.devices)
    assert list(found.items()) == list(expected.items())
    assert calls == [(what, name) for name in left for what in ("left", "closed")]
    wanted = harness.settings(text)
    assert daemon.settings == wanted
    assert [device.battery for device in daemon.devices] == [*wanted.batteries]
    for device in daemon.devices:
        assert isinstance(device, Fleet if device.battery.fleet else Device)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (TWO, False),
        (TWO + "interval = 5", False),
        (TWO + "[Spool]\nmax_size = 1MB", False),
        (TWO + "[Influx]\ndb = other", True),
        (TWO + "[Influx]\nmeasurement = other", True),
        (TWO + "[Influx]\ntags = a:b", True),
    ],
)
def test_a_reload_replaces_the_writer_if_the_database_changes(
    harness: Harness, text: str, other: bool
) -> None:
    """A writer that stays keeps its connection, and its knowledge of the server."""
    daemon = harness.daemon(reload=lambda: harness.settings(text))
    writer, encoder = daemon._delivery._writer, daemon._encoder
    daemon._wakeup.reload = True
    daemon.reload_if_requested()
    assert (daemon._delivery._writer is not writer) is other
    assert (daemon._encoder is not encoder) is other


def test_a_reload_is_done_once_and_notified(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """The service manager gets its begin and its end; without a request nothing is read."""
    asked: list[int] = []

    def reload() -> Settings:
        asked.append(1)
        return harness.settings(TWO)

    daemon = harness.daemon(reload=reload)
    with caplog.at_level(logging.INFO, "bat2influx"):
        daemon.reload_if_requested()
        assert (asked, harness.sent) == ([], [])
        daemon._wakeup.reload = True
        daemon.reload_if_requested()
        daemon.reload_if_requested()
    assert (asked, harness.sent) == ([1], ["RELOADING=1", "READY=1"])
    assert [record.getMessage() for record in caplog.records] == ["configuration reloaded"]


def test_a_file_with_mistakes_is_logged_and_changes_nothing(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Each mistake has its own entry; the reload ends all the same."""

    def reload() -> Settings:
        raise ConfigError(["/b.ini, line 1: one", "/b.ini, line 2: two 100%"])

    daemon = harness.daemon(reload=reload)
    before = daemon.settings, daemon.devices, daemon._delivery._writer
    daemon._wakeup.reload = True
    daemon.reload_if_requested()
    assert (daemon.settings, daemon.devices, daemon._delivery._writer) == before
    assert [record.getMessage() for record in caplog.records] == [
        "/b.ini, line 1: one",
        "/b.ini, line 2: two 100%",
        "the configuration has mistakes and was not reloaded; the old one stays in use",
    ]
    assert harness.sent == ["RELOADING=1", "READY=1"]
