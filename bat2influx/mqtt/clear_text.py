"""Looks whether a port takes MQTT without TLS, where it has not answered the first bytes of TLS.

It may be a slow one that has TLS, to which no password may go in clear. One that answers a CONNECT
without a login by a CONNACK, a refusal too, reads MQTT in clear.
"""

from __future__ import annotations

import socket

from bat2influx.mqtt.packets import CONNACK

ANSWER_WITHIN = 10.0  # s; VENUS: a login without a password is refused after 1 to 6 s
# MQTT 3.1.1 (OASIS 2014), 3.1: a clean session, a keepalive of 15 s, no name, no login. One that
# takes MQTT 5 alone refuses that by a CONNACK.
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0f\x00\x00"
_CONNACK = bytes([CONNACK << 4])  # its first byte
_DISCONNECT = b"\xe0\x00"


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
