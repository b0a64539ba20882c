"""Whether a port takes MQTT without TLS: before that is known, no password goes there in clear.

What is looked at before a connection is used, where no TLS is configured:

    look   what is known of the port            a password goes there
    NONE   it has spoken MQTT, or there is none at once
    TLS    it may be another one by now         if the look at TLS ends in anything but silence
    PROOF  nothing, and there is a password     if it answers MQTT in clear

    event                              NONE    TLS     PROOF
    it has answered in MQTT            NONE    NONE    NONE
    a connection is to be used         NONE    TLS     NONE
    an open connection has ended       TLS *   TLS     PROOF
    it ended the login without a word  TLS     TLS     PROOF      * with a password

A port that ends the connection at the first bytes of TLS, or is silent, may be a broker without it,
and may as well be a slow or overloaded one with it. One that answers a CONNECT without a login by
a CONNACK, a refusal too, reads MQTT in clear. That look costs seconds at a device (VENUS, "Login
and security profiles"), so it is the first one alone; silence is looked at so each time.
"""

from __future__ import annotations

import socket
from enum import Enum

from bat2influx.mqtt.packets import CONNACK

ANSWER_WITHIN = 10.0  # s; VENUS: a login without a password is refused after 1 to 6 s
# MQTT 3.1.1 (OASIS 2014), 3.1: a clean session, a keepalive of 15 s, no name, no login. One that
# takes MQTT 5 alone refuses that by a CONNACK.
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0f\x00\x00"
_CONNACK = bytes([CONNACK << 4])  # its first byte
_DISCONNECT = b"\xe0\x00"


class Look(Enum):
    """What is looked at before a connection is used."""

    NONE = "nothing"
    TLS = "whether the port speaks TLS"
    PROOF = "whether it speaks TLS, or else MQTT in clear"


class ClearPort:
    """What is known of a port; `look` says what to look at before the next connection is used."""

    def __init__(self, *, tls: bool, secret: bool) -> None:
        """`tls` is whether it is configured, `secret` whether there is a password."""
        self._clear, self._secret = not tls, secret
        self.look = Look.PROOF if self._clear and secret else Look.NONE

    def answered(self) -> None:
        """It has spoken MQTT, be it to refuse a login."""
        self.look = Look.NONE

    def reached(self) -> None:
        """A connection is to be used: what was to be shown has been shown."""
        if self.look is Look.PROOF:
            self.look = Look.NONE

    def ended(self) -> None:
        """A connection that was open has ended: it may be another port when it is back."""
        if self.look is Look.NONE and self._clear and self._secret:
            self.look = Look.TLS

    def wordless(self) -> bool:
        """It has ended a login without a word; return whether TLS is yet to be looked for."""
        if not self._clear or self.look is not Look.NONE:
            return False
        self.look = Look.TLS
        return True


def takes_mqtt(sock: socket.socket, within: float = ANSWER_WITHIN) -> bool:
    """Return whether a connected socket is answered in MQTT, without TLS, in `within` s.

    It is closed in any case.
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
