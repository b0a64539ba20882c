"""A connector and a connection made by hand, and a reconnector that gets no others.

The test says what the network and the broker have done, and what time it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt import reconnect
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.port_probe import Probe
from bat2influx.mqtt.reconnect import Reconnector, State
from bat2influx.net.tls import Tls

LINK = object()


class FakeConnector:
    """Stands in for a connector; the test sets `step` and `outcome`."""

    def __init__(
        self, endpoint: Endpoint, wake: Callable[[], None], *, probe: Probe = Probe.NONE
    ) -> None:
        self.endpoint, self.wake, self.probe = endpoint, wake, probe
        self.step = "resolving"
        self.addresses: list[str] = []
        self.outcome: object = None
        self.abandoned = False

    def abandon(self) -> None:
        """Discard the outcome."""
        self.abandoned = True


class FakeConnection:
    """Stands in for a connection; the test sets what the broker has done."""

    def __init__(self, link: object, endpoint: Endpoint, client_id: str, protocol: Protocol):
        self.link, self.endpoint, self.client_id = link, endpoint, client_id
        self.protocol = protocol
        self.accepted = self.pending = self.may_lack_mqtt5 = self.closed = False
        self.trouble: Trouble | None = None
        self.steps: list[tuple[bool, bool]] = []  # readable, writable

    def step(self, *, readable: bool, writable: bool) -> None:
        """Note that it was stepped."""
        self.steps.append((readable, writable))

    def close(self) -> None:
        """End the session."""
        self.closed = True


class Way:
    """A reconnector, the fakes that it has made so far, and the time in s."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, tls: Tls | None = None, password: str = ""
    ) -> None:
        self.connectors: list[FakeConnector] = []
        self.connections: list[FakeConnection] = []
        self.attempts: list[tuple[Protocol, Probe]] = []  # with what was looked at first
        self.now = 1000.0

        def connector(*args: Any, **keywords: Probe) -> FakeConnector:
            self.connectors.append(FakeConnector(*args, **keywords))
            return self.connectors[-1]

        def connection(*args: Any) -> FakeConnection:
            self.connections.append(FakeConnection(*args))
            self.attempts.append((self.connections[-1].protocol, self.connectors[-1].probe))
            return self.connections[-1]

        monkeypatch.setattr(reconnect, "Connector", connector)
        monkeypatch.setattr(reconnect, "Connection", connection)
        monkeypatch.setattr(random, "random", lambda: 1.0)  # no delay is shortened
        self.endpoint = Endpoint("venus.local", 1883, "u", password, "/etc/x.ini", tls)
        self.reconnector = Reconnector(self.endpoint, self.wake)

    def wake(self) -> None:
        """Would wake the main loop."""

    def step(self) -> bool:
        """Step, and return whether one is logged in."""
        self.reconnector.step(self.now, readable=False, writable=False)
        return self.reconnector.check(self.now)

    def wait(self) -> float:
        """Let the time pass until the next attempt; return the s."""
        assert self.reconnector.state is State.WAITING
        seconds = self.reconnector.timeout(self.now)
        self.now += seconds
        return seconds

    def connect(self, outcome: object = LINK) -> None:
        """Start the next attempt, with this outcome."""
        self.wait()
        self.step()
        self.connectors[-1].outcome = outcome
        self.step()

    def open(self) -> FakeConnection:
        """Connect and log in; return the connection."""
        self.connect()
        self.connections[-1].accepted = True
        assert self.step()
        return self.connections[-1]

    def end(self, why: Trouble, *, may_lack_mqtt5: bool = False) -> None:
        """End the connection."""
        self.connections[-1].trouble = why
        self.connections[-1].may_lack_mqtt5 = may_lack_mqtt5
        assert not self.step()
