"""The notifications to the service manager, byte by byte."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bat2influx.service import notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end of the notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(30.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield made


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: notify.ready("53.2 V"), "READY=1\nSTATUS=53.2 V"),
        (lambda: notify.status("Batterie 98 % ☀"), "STATUS=Batterie 98 % ☀"),
        (lambda: notify.stopping("storing"), "STOPPING=1\nSTATUS=storing"),
        (notify.ping, "WATCHDOG=1"),
        (lambda: notify.set_watchdog(7.5 * 120), "WATCHDOG_USEC=900000000"),
        (lambda: notify.set_watchdog(0.1), "WATCHDOG_USEC=100000"),
        (lambda: notify.status("a\nWATCHDOG=1\r\nb"), "STATUS=a WATCHDOG=1 b"),
    ],
)
def test_each_notification_has_the_form_of_sd_notify(
    manager: socket.socket, call: Callable[[], None], expected: str
) -> None:
    """One datagram each; a line break in a text does not start another assignment."""
    call()
    assert manager.recv(65_536).decode() == expected


def test_a_reload_has_its_time(manager: socket.socket) -> None:
    """MONOTONIC_USEC= is the monotonic clock in microseconds."""
    before = time.monotonic_ns() // 1000
    notify.reloading()
    reloading, _, moment = manager.recv(65_536).decode().partition("\nMONOTONIC_USEC=")
    assert reloading == "RELOADING=1"
    assert before <= int(moment) <= time.monotonic_ns() // 1000


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without NOTIFY_SOCKET every notification is ignored."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready("")
    notify.reloading()
    notify.ping()
    notify.stopping("")


def test_a_missing_service_manager_does_no_harm(manager: socket.socket, tmp_path: Path) -> None:
    """A notification to a closed socket must not end the daemon."""
    manager.close()
    notify.ping()
    (tmp_path / "notify").unlink()
    notify.ping()


def test_a_message_is_no_longer_than_systemd_accepts(manager: socket.socket) -> None:
    """Above 4096 bytes (NOTIFY_BUFFER_MAX) systemd ignores all of it, so the status is cut."""
    notify.ready("missing: " + "Spannung (vebus/275/Dc/0/Voltage), " * 200)
    message = manager.recv(1_000_000)
    assert message.startswith(b"READY=1\nSTATUS=missing: Spannung")
    assert len(message) <= 4096
    notify.ready("größer " * 2000)
    message = manager.recv(1_000_000)
    assert len(message) <= 4096
    message.decode()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": ""}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "2min"}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
    ],
)
def test_the_watchdog_is_configured_by_two_variables(
    environment: dict[str, str], expected: float | None
) -> None:
    """WATCHDOG_USEC is in microseconds, for the process of WATCHDOG_PID if that is set."""
    assert notify.watchdog_interval(environment) == expected
