"""Reconnects to a broker whenever the connection has ended, with a wait before each attempt.

Its device steps it; it has no thread. It reports a failure once, until the broker has confirmed
that the connection works. A login alone does not prove that: the connection may end at once.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from enum import Enum

from bat2influx.failure import Backoff, Trouble, delay
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connection import CONNACK_TIMEOUT, Connection, client_id
from bat2influx.mqtt.connector import Connector, Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.port_probe import PortProbe
from bat2influx.service.journal import Episode

log = logging.getLogger(__name__)

LASTING = 10.0  # s; a connection that ends sooner is a short one
MAX_SHORT_CONNECTIONS = 4  # in a row; after these a new one is reported only once it has lasted
BOOT_TIME = 120.0  # s; after a successful login, failures within it are those of a booting device
_BOOTING = ("refused", "no tls port", "no tls", "tls")  # of an attempt: causes of a booting device
_OFFLINE = ("unreachable", "name")  # causes of a device that is off: its boot is still to come
PING_CHECK_INTERVAL = 1.0  # s; how often paho checks whether its own ping is due


class State(Enum):
    """The state of the connection to a device: the broker's part, and then the device's."""

    WAITING = "waiting"  # for the next attempt
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    LOGIN = "login"
    OPEN = "open"
    DISCOVERING = "discovering"
    POLLING = "polling"
    NOT_RESPONDING = "not responding"


_MQTT = frozenset({"login", "vrm login", "connack"})  # causes from a broker's answer


class Reconnector:
    """The connection to one broker. `connection` is set from the login to its end."""

    def __init__(self, endpoint: Endpoint, wake: Callable[[], None]) -> None:
        """`wake` is called from another thread when a step is needed."""
        self.endpoint = endpoint
        self.state = State.WAITING
        self.connection: Connection | None = None
        self.logins = 0  # ever
        self._wake = wake
        self._client_id = client_id()
        self._connector: Connector | None = None
        self._port = PortProbe(tls=endpoint.tls is not None, secret=bool(endpoint.password))
        self._accepted_protocol = Protocol.MQTT_5  # what the broker has accepted, as far as known
        self._protocol = self._accepted_protocol  # of this attempt
        self._attempts = 0
        self._retry_at = 0.0
        self._login_until = 0.0
        self._opened = 0.0
        self._refused_since: dict[str, float] = {}  # by cause, after a login that has worked
        self._short_connections = 0  # in a row
        self._episode = Episode(log, {"PEER": endpoint.host}, counted="failed attempt")

    @property
    def trouble(self) -> Trouble | None:
        """Why the broker is not connected, if it is not."""
        return self._episode.trouble

    def timeout(self, now: float) -> float:
        """Return the seconds after which `step` has something to do even without a message."""
        if self.state is State.WAITING:
            return max(0.0, self._retry_at - now)
        if self.connection is None:
            return PING_CHECK_INTERVAL  # the connector wakes the loop
        if self.connection.pending:
            return 0.0
        if self.state is State.LOGIN:
            return max(0.0, min(PING_CHECK_INTERVAL, self._login_until - now))
        return PING_CHECK_INTERVAL

    def step(self, now: float, *, readable: bool, writable: bool) -> None:
        """Connect, or step the connection."""
        if self.connection is None:
            self._connect(now)
        if self.connection is not None:
            self.connection.step(readable=readable, writable=writable)

    def check(self, now: float) -> bool:
        """Return whether the login is accepted; process the end of a connection."""
        connection = self.connection
        if connection is None:
            return False
        if connection.trouble:
            self._ended(connection, connection.trouble, now)
            return False
        if self.state is State.LOGIN:
            if connection.accepted:
                self._port.answered()
                self._accepted_protocol = connection.protocol
                self.state, self._opened = State.OPEN, now
                self._refused_since.clear()
                self.logins += 1
            elif now >= self._login_until:
                self._failed(mqtt_errors.no_answer(self.endpoint.host, self.endpoint.port), now)
        return self.state is State.OPEN

    def confirmed(self, now: float) -> None:
        """The broker has fulfilled a request.

        A message that violates the protocol, such as a retained one, would come again soon.
        """
        trouble, lasted = self._episode.trouble, now >= self._opened + LASTING
        if lasted:
            self._short_connections = 0
        doubtful = self._short_connections >= MAX_SHORT_CONNECTIONS or (
            trouble is not None and trouble.backoff is Backoff.PROTOCOL_ERROR
        )
        if lasted or not doubtful:
            self._episode.recovered(f"connected to {self.endpoint.host}", now)

    def message_received(self) -> None:
        """The device has sent something: the next failure counts as the first."""
        self._attempts = 0

    def drop(self, now: float) -> None:
        """End the connection, and start the next at once."""
        if self.connection:
            self.connection.close()
        self.connection = None
        if self.state is State.OPEN:
            self._port.ended()
        self.state, self._retry_at = State.WAITING, now

    def give_up(self, now: float, backoff: Backoff = Backoff.BROKER) -> None:
        """End the connection, and start the next after a delay."""
        self._attempts += 1
        self.drop(now + delay(backoff, self._attempts, random.random()))

    def close(self) -> None:
        """Disconnect from the broker, or stop connecting."""
        if self._connector:
            self._connector.abandon()
        self._connector = None
        self.drop(0.0)

    def _connect(self, now: float) -> None:
        if self._connector is None:
            if now < self._retry_at:
                return
            self._connector = Connector(self.endpoint, self._wake, probe=self._port.probe)
        outcome = self._connector.outcome
        if outcome is None:
            self.state = State(self._connector.step)
            return
        self._connector = None
        if isinstance(outcome, Trouble):
            self._failed(outcome, now)
            return
        self._port.probed()
        self.connection = Connection(outcome, self.endpoint, self._client_id, self._protocol)
        self._login_until = now + CONNACK_TIMEOUT
        self.state = State.LOGIN

    def _ended(self, connection: Connection, why: Trouble, now: float) -> None:
        """The connection has ended; during the login another version, or TLS, may be needed."""
        unanswered = self.state is State.LOGIN and why.cause == "protocol"
        if self.state is State.LOGIN and why.cause in _MQTT:
            self._port.answered()
        if connection.accepted:  # and ended before `check` saw it
            self._accepted_protocol = connection.protocol
        if connection.may_lack_mqtt5:
            self._protocol = Protocol.MQTT_3_1_1
            self.drop(now)
        elif unanswered and self._port.closed_unanswered():
            self.drop(now)
        else:
            self._failed(why, now)

    def _failed(self, why: Trouble, now: float) -> None:
        """The attempt, or the connection, has ended: wait before the next."""
        if self.state is State.OPEN and now < self._opened + LASTING:
            self._short_connections += 1
        self._protocol = self._accepted_protocol
        why = self._interpreted(why, now)
        self._episode.failed(why, now)
        self.give_up(now, why.backoff)

    def _interpreted(self, why: Trouble, now: float) -> Trouble:
        """Return the meaning of a failure: after a successful login, the device may be booting.

        Each cause has its own period, because the port of a booting device is first closed, and
        then open and rejects a right password. VENUS, "Presence": it accepts tokens all the time,
        so a rejected token was removed.
        """
        attempt = self.state is not State.OPEN
        if why.cause in _OFFLINE:
            self._refused_since.clear()
        login = why.cause == "login" and not mqtt_errors.is_token(self.endpoint.user)
        boots = login or (attempt and why.cause in _BOOTING)
        if not (self.logins and boots):
            return why
        if now >= self._refused_since.setdefault(why.cause, now) + BOOT_TIME:
            return why
        if why.cause != "login":
            return _starting(why)
        return mqtt_errors.login_starting(self.endpoint.host, self.endpoint.user)


def _starting(why: Trouble) -> Trouble:
    """Return the meaning of a closed or different port after a login that has worked.

    VENUS, "Presence": the broker ends with the D-Bus daemon, and listens again after the boot. The
    configuration was right before, so no message asks to change it.
    """
    what = why.what.partition("; ")[0].partition(": ")[0]
    return why._replace(
        cause=f"{why.cause}: starting",
        what=f"{what}, and a login there has worked before; the device may be starting",
        effect="retrying",
    )
