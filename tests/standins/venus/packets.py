"""CONNECT and CONNACK of MQTT 3.1, 3.1.1 and 5, as far as the front door needs them.

Rules: pure functions, no socket. No repr() of a value contains a password.
"""

import struct
from dataclasses import dataclass, field

from tests.standins.network.mqtt_peers import CONNACK, CONNECT, packet

MQTT_3_1, MQTT_3_1_1, MQTT_5 = 3, 4, 5  # protocol levels
_NAMES = {b"MQIsdp": (MQTT_3_1,), b"MQTT": (MQTT_3_1_1, MQTT_5)}
_USER, _PASSWORD, _WILL = 0x80, 0x40, 0x04  # flags of CONNECT


class MalformedError(ValueError):
    """The packet is no valid CONNECT."""


class VersionError(ValueError):
    """A CONNECT of an unknown protocol level."""


@dataclass(frozen=True)
class Connect:
    """A client's CONNECT. A missing user name or password is None.

    `anonymous` is the same CONNECT, as a whole packet, with neither of the two.
    """

    level: int
    client_id: str
    user: str | None
    password: bytes | None = field(repr=False)
    anonymous: bytes = field(repr=False)


def parse(first: int, body: bytes) -> Connect:
    """Return the CONNECT that has the first byte `first` and, after its length, `body`.

    Source: MQTT 3.1.1 and MQTT 5, section 3.1. Raises MalformedError and VersionError.
    """
    if first != CONNECT << 4:
        raise MalformedError
    try:
        return _parse(_Reader(body))
    except (struct.error, IndexError, UnicodeDecodeError):
        raise MalformedError from None


def connack(level: int, code: int, code_5: int) -> bytes:
    """Return a CONNACK: `code` for MQTT 3.1 and 3.1.1, `code_5` with no properties for MQTT 5."""
    return packet(CONNACK, bytes([0, code_5, 0]) if level == MQTT_5 else bytes([0, code]))


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position = 0

    def byte(self) -> int:
        self.position += 1
        return self.body[self.position - 1]

    def skip(self, size: int) -> None:
        self.position += size

    def field(self) -> bytes:
        """Read bytes that follow their length in two bytes."""
        (size,) = struct.unpack_from("!H", self.body, self.position)
        start = self.position + 2
        self.position = start + size
        if self.position > len(self.body):
            raise MalformedError
        return self.body[start : self.position]

    def length(self) -> int:
        """Read a variable byte integer."""
        value = shift = 0
        while True:
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return value
            if shift > 21:
                raise MalformedError


def _parse(reader: _Reader) -> Connect:
    levels = _NAMES.get(reader.field())
    level_at = reader.position
    level = reader.byte()
    if levels is None:
        raise MalformedError
    if level not in levels:
        raise VersionError
    flags = reader.byte()
    reader.skip(2)  # the keepalive
    if level == MQTT_5:
        reader.skip(reader.length())
    client_id = reader.field().decode()
    if flags & _WILL:
        if level == MQTT_5:
            reader.skip(reader.length())
        reader.field()
        reader.field()
    kept = bytearray(reader.body[: reader.position])
    kept[level_at + 1] = flags & ~(_USER | _PASSWORD)
    user = reader.field().decode() if flags & _USER else None
    password = reader.field() if flags & _PASSWORD else None
    if reader.position != len(reader.body):
        raise MalformedError
    return Connect(level, client_id, user, password, packet(CONNECT, bytes(kept)))
