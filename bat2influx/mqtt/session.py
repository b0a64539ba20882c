"""A session with a broker for a command: it waits, where the daemon steps.

It uses the daemon's connector and connection, so that failures have the same names.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable

from bat2influx.failure import Trouble
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.mqtt.connection import CONNACK_TIMEOUT, Connection, Message, client_id
from bat2influx.mqtt.connector import Connector, Endpoint
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.packets import Protocol
from bat2influx.mqtt.port_probe import PortProbe
from bat2influx.net import tls

LINK_TIMEOUT = 60.0  # s, for name, port and TLS; a name may have many addresses
ANSWER_TIMEOUT = 8.0  # s, for an acknowledgement of the broker


class Session:
    """One session, from `open` to `close`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.addresses: list[str] = []  # of the name
        self.fingerprint: str | None = None  # of the certificate, with TLS
        self.trouble: Trouble | None = None  # why it ended, or never began
        self._connection: Connection | None = None
        self._port = PortProbe(tls=endpoint.tls is not None, secret=bool(endpoint.password))

    def open(self) -> Trouble | None:
        """Resolve, connect and log in; return why that failed, or None."""
        link = self.connect()
        return link if isinstance(link, Trouble) else self.log_in(link)

    def connect(self) -> Link | Trouble:
        """Return a link to the broker, with TLS if configured, or the trouble."""
        arrived = threading.Event()
        connector = Connector(self.endpoint, arrived.set, probe=self._port.probe)
        arrived.wait(LINK_TIMEOUT)
        outcome, self.addresses = connector.outcome, connector.addresses
        if outcome is None:
            connector.abandon()
            host, port = self.endpoint.host, self.endpoint.port
            outcome = mqtt_errors.unreachable(host, port, "no answer")
        if isinstance(outcome, Trouble):
            self.trouble = outcome
        else:
            self._port.probed()
            certificate = outcome.certificate
            self.fingerprint = tls.fingerprint_of(certificate) if certificate else None
        return outcome

    def log_in(self, link: Link) -> Trouble | None:
        """Start the MQTT session; return why that failed, or None."""
        connection = self._converse(link)
        if connection.may_lack_mqtt5:
            again = self.connect()
            if isinstance(again, Trouble):
                return again
            connection = self._converse(again, Protocol.MQTT_3_1_1)
        unanswered = connection.trouble and connection.trouble.cause == "protocol"
        if unanswered and self._port.closed_unanswered():
            again = self.connect()  # the port may require TLS
            if isinstance(again, Trouble):
                return again
            connection = self._converse(again, connection.protocol)
        if connection.accepted and not connection.trouble:
            return None
        self.trouble = connection.trouble
        if self.trouble is None:
            self.trouble = mqtt_errors.no_answer(self.endpoint.host, self.endpoint.port)
            connection.close()
        return self.trouble

    def subscribe(self, topics: Iterable[str]) -> Trouble | None:
        """Subscribe, and wait for the acknowledgement; return why that failed, or None."""
        connection = self.connection
        mid = connection.subscribe(topics)
        self._step_until(connection, lambda: mid in connection.acknowledged, ANSWER_TIMEOUT)
        if mid not in connection.acknowledged and not connection.trouble:
            self.trouble = mqtt_errors.no_answer(self.endpoint.host, self.endpoint.port)
        return self.trouble

    @property
    def connection(self) -> Connection:
        """The connection, once one is logged in."""
        assert self._connection is not None
        return self._connection

    def publish(self, topic: str, payload: bytes = b"", *, checked: bool = False) -> None:
        """Send `payload` to `topic`; with `checked`, a refusal ends the session."""
        self.connection.publish(topic, payload, checked=checked)

    def until(self, handle: Callable[[Message], bool], seconds: float) -> bool:
        """Hand each message to `handle` until that returns True; return whether it has.

        It stops after `seconds`, or when the connection has ended.
        """
        connection = self.connection
        return self._step_until(
            connection, lambda: any(map(handle, connection.received())), seconds
        )

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `done`, which may take messages itself; return whether it was in time."""
        return self._step_until(self.connection, done, seconds)

    def close(self) -> None:
        """Disconnect from the broker."""
        if self._connection:
            self._connection.close()

    def _converse(self, link: Link, protocol: Protocol = Protocol.MQTT_5) -> Connection:
        self.trouble = None
        connection = Connection(link, self.endpoint, client_id(), protocol)
        self._connection = connection
        self._step_until(connection, lambda: connection.accepted, CONNACK_TIMEOUT)
        return connection

    def _step_until(self, connection: Connection, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if connection.trouble or left <= 0:
                self.trouble = connection.trouble
                return False
            poll = select.poll()
            poll.register(connection.fileno(), select.POLLIN)
            if connection.wants_write:
                poll.modify(connection.fileno(), select.POLLIN | select.POLLOUT)
            wait = 0.0 if connection.pending else min(left, 1.0)
            events = dict(poll.poll(wait * 1000)).get(connection.fileno(), 0)
            connection.step(
                readable=bool(events & ~select.POLLOUT), writable=bool(events & select.POLLOUT)
            )
        return True
