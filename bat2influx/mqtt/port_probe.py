"""Detects whether a port accepts MQTT without TLS: until then no password is sent unencrypted.

What is probed before a connection is used, if no TLS is configured:

    probe  what is known of the port            a password is sent
    NONE   it has answered in MQTT, or there is no password
    TLS    it may have changed                  unless the probe for TLS times out
    MQTT   nothing, and there is a password     if it answers unencrypted MQTT

    event                              NONE    TLS     MQTT
    it has answered in MQTT            NONE    NONE    NONE
    a connection will be used          NONE    TLS     NONE
    an open connection has ended       TLS *   TLS     MQTT
    it closed at the login, no answer  TLS     TLS     MQTT       * with a password

A port that closes the connection at the first bytes of TLS, or does not answer, may be a broker
without TLS, or a slow or overloaded one with TLS. A port that answers a CONNECT without a login
with a CONNACK, also one that rejects it, reads unencrypted MQTT. That probe takes seconds at a
device (VENUS, "Login and security profiles"), so it is made once; after no answer, every time.
"""

from __future__ import annotations

import socket
from enum import Enum

from bat2influx.mqtt.packets import CONNACK

ANSWER_WITHIN = 10.0  # s; VENUS: a login without a password is rejected after 1 to 6 s
# MQTT 3.1.1 (OASIS 2014), 3.1: a clean session, a keepalive of 15 s, no client id, no login. A
# broker with MQTT 5 only rejects this with a CONNACK.
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0f\x00\x00"
_CONNACK = bytes([CONNACK << 4])  # its first byte
_DISCONNECT = b"\xe0\x00"


class Probe(Enum):
    """What is probed before a connection is used."""

    NONE = "nothing"
    TLS = "whether the port uses TLS"
    MQTT = "whether it uses TLS, or else unencrypted MQTT"


class PortProbe:
    """What is known of a port; `probe` is what to probe before the next connection is used."""

    def __init__(self, *, tls: bool, secret: bool) -> None:
        """`tls` is whether TLS is configured, `secret` whether there is a password."""
        self._clear, self._secret = not tls, secret
        self.probe = Probe.MQTT if self._clear and secret else Probe.NONE

    def answered(self) -> None:
        """The port has answered in MQTT, maybe with a rejected login."""
        self.probe = Probe.NONE

    def probed(self) -> None:
        """A connection will be used, because the probe has succeeded."""
        if self.probe is Probe.MQTT:
            self.probe = Probe.NONE

    def ended(self) -> None:
        """An open connection has ended: the port may differ after a restart."""
        if self.probe is Probe.NONE and self._clear and self._secret:
            self.probe = Probe.TLS

    def closed_unanswered(self) -> bool:
        """The port has closed at the login without an answer; return whether to probe TLS next."""
        if not self._clear or self.probe is not Probe.NONE:
            return False
        self.probe = Probe.TLS
        return True


def answers_mqtt(sock: socket.socket, within: float = ANSWER_WITHIN) -> bool:
    """Return whether a connected socket gets an answer in MQTT, without TLS, in `within` s.

    The socket is closed in any case.
    """
    try:
        sock.settimeout(within)
        sock.sendall(_CONNECT)
        if sock.recv(1) == _CONNACK:
            sock.sendall(_DISCONNECT)
            return True
    except OSError:
        pass
    finally:
        sock.close()
    return False
