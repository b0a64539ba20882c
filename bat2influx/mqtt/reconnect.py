"""Reconnects to a broker whenever the connection has ended, with a wait before each attempt.

It steps with its device, has no thread of its own, and tells of what fails once, until the broker
has confirmed that it works. A login alone is no such proof: it may not last.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from enum import Enum

from bat2influx.failure import Backoff, Trouble, delay
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.clear_text import ClearPort
from bat2influx.mqtt.connection import CONNACK_TIMEOUT, Connection, client_id
from bat2influx.mqtt.connector import Connector, Endpoint
from bat2influx.mqtt.packets import Protocol
from bat2influx.service.journal import Episode

log = logging.getLogger(__name__)

LASTING = 10.0  # s; a connection that ends sooner has not lasted
IN_A_ROW = 4  # connections that have not lasted, from which on none is told of before it has
TRUSTED = 120.0  # s, for which what refuses us after a login that has worked is a device that boots
_BOOTS = ("refused", "no tls port", "no tls", "tls")  # of an attempt: causes of a device that boots
_AWAY = ("unreachable", "name")  # causes of a device that is off: its boot is still to come
PING_CHECK_INTERVAL = 1.0  # s; how often paho looks whether its own ping is due


class State(Enum):
    """Where the conversation with a device stands: the broker's part, and then the device's."""

    WAITING = "waiting"  # for the next attempt
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    LOGIN = "login"
    OPEN = "open"
    DISCOVERING = "discovering"
    POLLING = "polling"
    SILENT = "not responding"


_MQTT = frozenset({"login", "vrm login", "connack"})  # causes that a broker's own answer has


class Reconnector:
    """The way to one broker. `connection` is there from the login to its end."""

    def __init__(self, endpoint: Endpoint, wake: Callable[[], None]) -> None:
        """`wake` is called from another thread when there is a reason to step."""
        self.endpoint = endpoint
        self.state = State.WAITING
        self.connection: Connection | None = None
        self.logins = 0  # ever
        self._wake = wake
        self._client_id = client_id()
        self._connector: Connector | None = None
        self._port = ClearPort(tls=endpoint.tls is not None, secret=bool(endpoint.password))
        self._spoken = Protocol.MQTT_5  # what the broker has taken, as far as is known
        self._protocol = self._spoken  # of this attempt
        self._attempts = 0
        self._retry_at = 0.0
        self._login_until = 0.0
        self._opened = 0.0
        self._refused_since: dict[str, float] = {}  # by cause, in spite of a login that has worked
        self._short = 0  # connections in a row that have not lasted
        self._reaching = Episode(log, {"PEER": endpoint.host}, counted="failed attempt")

    @property
    def trouble(self) -> Trouble | None:
        """Why the broker is not reached, if it is not."""
        return self._reaching.trouble

    def timeout(self, now: float) -> float:
        """Return the seconds after which `step` has something to do even if nothing comes."""
        if self.state is State.WAITING:
            return max(0.0, self._retry_at - now)
        if self.connection is None:
            return PING_CHECK_INTERVAL  # the connector wakes us
        if self.connection.pending:
            return 0.0
        if self.state is State.LOGIN:
            return max(0.0, min(PING_CHECK_INTERVAL, self._login_until - now))
        return PING_CHECK_INTERVAL

    def step(self, now: float, *, readable: bool, writable: bool) -> None:
        """Connect, or go on with the connection."""
        if self.connection is None:
            self._connect(now)
        if self.connection is not None:
            self.connection.step(readable=readable, writable=writable)

    def check(self, now: float) -> bool:
        """Return whether one is logged in; put an end to what has ended."""
        connection = self.connection
        if connection is None:
            return False
        if connection.trouble:
            self._ended(connection, connection.trouble, now)
            return False
        if self.state is State.LOGIN:
            if connection.accepted:
                self._port.answered()
                self._spoken = connection.protocol
                self.state, self._opened = State.OPEN, now
                self._refused_since.clear()
                self.logins += 1
            elif now >= self._login_until:
                self._failed(mqtt_errors.says_nothing(self.endpoint.host, self.endpoint.port), now)
        return self.state is State.OPEN

    def confirmed(self, now: float) -> None:
        """The broker has done what it was asked for.

        What has broken the rules comes again soon after that, such as a retained message.
        """
        trouble, lasted = self._reaching.trouble, now >= self._opened + LASTING
        if lasted:
            self._short = 0
        doubtful = self._short >= IN_A_ROW or (
            trouble is not None and trouble.backoff is Backoff.BROKEN_RULES
        )
        if lasted or not doubtful:
            self._reaching.recovered(f"connected to {self.endpoint.host}", now)

    def works(self) -> None:
        """The device has said something: the next failure is a first one."""
        self._attempts = 0

    def drop(self, now: float) -> None:
        """End the connection, and begin the next at once."""
        if self.connection:
            self.connection.close()
        self.connection = None
        if self.state is State.OPEN:
            self._port.ended()
        self.state, self._retry_at = State.WAITING, now

    def give_up(self, now: float, backoff: Backoff = Backoff.BROKER) -> None:
        """End the connection, and begin the next after a while."""
        self._attempts += 1
        self.drop(now + delay(backoff, self._attempts, random.random()))

    def close(self) -> None:
        """Leave the broker, or stop trying to reach it."""
        if self._connector:
            self._connector.abandon()
        self._connector = None
        self.drop(0.0)

    def _connect(self, now: float) -> None:
        if self._connector is None:
            if now < self._retry_at:
                return
            self._connector = Connector(self.endpoint, self._wake, look=self._port.look)
        outcome = self._connector.outcome
        if outcome is None:
            self.state = State(self._connector.step)
            return
        self._connector = None
        if isinstance(outcome, Trouble):
            self._failed(outcome, now)
            return
        self._port.reached()
        self.connection = Connection(outcome, self.endpoint, self._client_id, self._protocol)
        self._login_until = now + CONNACK_TIMEOUT
        self.state = State.LOGIN

    def _ended(self, connection: Connection, why: Trouble, now: float) -> None:
        """It has ended; where it had not begun, it was the version, or TLS, that was wanted."""
        without_a_word = self.state is State.LOGIN and why.cause == "protocol"
        if self.state is State.LOGIN and why.cause in _MQTT:
            self._port.answered()
        if connection.accepted:  # and ended so soon that nobody has seen it
            self._spoken = connection.protocol
        if connection.may_be_older:
            self._protocol = Protocol.MQTT_3_1_1
            self.drop(now)
        elif without_a_word and self._port.wordless():
            self.drop(now)
        else:
            self._failed(why, now)

    def _failed(self, why: Trouble, now: float) -> None:
        """The attempt, or the connection, has come to an end: wait before the next."""
        if self.state is State.OPEN and now < self._opened + LASTING:
            self._short += 1
        self._protocol = self._spoken
        why = self._trusting(why, now)
        self._reaching.failed(why, now)
        self.give_up(now, why.backoff)

    def _trusting(self, why: Trouble, now: float) -> Trouble:
        """Return what a refusal means: a login that has worked is trusted for a while.

        Each cause has its own while, since a device that boots has its port closed, and then open
        and refuses a right password. VENUS, "Presence": tokens it takes all the time, so that one
        which is refused was removed.
        """
        attempt = self.state is not State.OPEN
        if why.cause in _AWAY:
            self._refused_since.clear()
        login = why.cause == "login" and not mqtt_errors.is_token(self.endpoint.user)
        boots = login or (attempt and why.cause in _BOOTS)
        if not (self.logins and boots):
            return why
        if now >= self._refused_since.setdefault(why.cause, now) + TRUSTED:
            return why
        if why.cause != "login":
            return _starting(why)
        return mqtt_errors.login_starting(self.endpoint.host, self.endpoint.user)


def _starting(why: Trouble) -> Trouble:
    """Return what a port that is closed, or answers otherwise, means where a login has worked.

    VENUS, "Presence": the broker ends with the D-Bus daemon, and listens again when it has booted.
    Nothing in the configuration was wrong until then, so that no message asks to change it.
    """
    what = why.what.partition("; ")[0].partition(": ")[0]
    return why._replace(
        cause=f"{why.cause}: starting",
        what=f"{what}, and a login there has worked before; the device may be starting",
        meanwhile="retrying",
    )
