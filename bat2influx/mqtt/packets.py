"""Parses a broker's packets of MQTT 3.1.1 and 5, as far as needed: bytes in, values out.

Section numbers are those of the MQTT 5 specification; 3.1.1 has the same packets without properties
and, except CONNACK and SUBACK, without codes.

Rules: pure. All properties are skipped, and two of them are read. An invalid packet raises
MalformedError. Before a packet is stored, `admit` checks whether it is allowed at all: of a packet
that is not, no byte is stored.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, DISCONNECT = 2, 3, 4, 9, 11, 14  # section 2.1.2
KIND_AND_QOS, PUBLISH_QOS_0 = 0xF6, PUBLISH << 4  # of a first byte (sections 2.1 and 3.3.1)
PINGRESP = 13
MAX_BYTES = 1 << 20  # of a packet, its fixed header included; a value of a device takes under 400
MAX_ANSWER_BYTES = 1 << 16  # of any other packet: a SUBACK has a byte for each subscribed topic
REFUSED = 128  # codes from here on are failures (section 2.4)
NOT_AUTHORISED = 135

_CODE_AT = {CONNACK: 1, PUBACK: 2, DISCONNECT: 0}  # the properties follow the code
_SERVER_KEEPALIVE, _REASON_STRING = 0x13, 0x1F
# Section 2.2.2.2: the size of each property in bytes, or its kind.
_NUMBER, _TEXT, _PAIR = -1, -2, -3
_SIZES = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((_SERVER_KEEPALIVE, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
    0x0B: _NUMBER,
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, _REASON_STRING), _TEXT),
    0x26: _PAIR,
}
# Section 2.4, and below 128 the codes of a CONNACK of 3.1.1 (its section 3.2.2.3).
_REASON_TEXTS = {
    0: "no reason is given",
    1: "protocol version",
    2: "client id",
    3: "server unavailable",
    128: "no reason is given",
    129: "malformed packet",
    130: "protocol error",
    131: "implementation specific error",
    132: "protocol version",
    133: "client id",
    135: "not authorised",
    136: "server unavailable",
    137: "server busy",
    138: "banned",
    139: "server shutting down",
    140: "authentication method",
    141: "keepalive timeout",
    142: "session taken over by a client with the same client id",
    143: "topic filter not accepted",
    144: "topic not accepted",
    147: "too many unacknowledged messages",
    148: "topic alias",
    149: "packet too large",
    150: "too many messages",
    151: "quota exceeded",
    152: "administrative action",
    153: "payload format",
    154: "retained messages not supported",
    155: "QoS not supported",
    156: "use another server",
    157: "server moved",
    158: "shared subscriptions not supported",
    159: "too many connections",
    160: "maximum connect time",
    161: "subscription identifiers not supported",
    162: "wildcard subscriptions not supported",
}


class MalformedError(ValueError):
    """The data is not such a packet."""


class UnexpectedError(ValueError):
    """A packet that no broker sends to this client; the text names it."""


class TooLargeError(ValueError):
    """A PUBLISH of more than MAX_BYTES; the text is its size."""


class Protocol(IntEnum):
    """The supported versions, by the level in a CONNECT (section 3.1.2.2)."""

    MQTT_3_1_1 = 4
    MQTT_5 = 5


# The packets that `response` parses in more detail than paho.
ANSWERS = {
    Protocol.MQTT_3_1_1: frozenset({CONNACK, SUBACK, UNSUBACK}),
    Protocol.MQTT_5: frozenset({CONNACK, PUBACK, SUBACK, UNSUBACK, DISCONNECT}),
}

# The packets that a broker may send. All subscriptions are of QoS 0, and so is every PUBLISH
# then (section 3.8.4); publishes have QoS 1 at most, which ends with a PUBACK. For a packet that
# requires an answer this program would have to keep all answers that the broker does not read.
_EXPECTED = {
    protocol: answers | {PUBLISH, PUBACK, PINGRESP} for protocol, answers in ANSWERS.items()
}
_QOS = 0x06  # of a PUBLISH, in its first byte
_NAMES = (
    *("type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP"),
    *("SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP"),
    *("DISCONNECT", "AUTH"),
)


def admit(head: int, size: int, protocol: Protocol) -> None:
    """Check whether a packet that begins with the byte `head` is allowed.

    `size` is its total size in bytes; 0 while it is not known. Raises UnexpectedError and
    TooLargeError.
    """
    kind = head >> 4
    if kind not in _EXPECTED[protocol]:
        raise UnexpectedError(_NAMES[kind])
    if kind == PUBLISH and head & _QOS:
        raise UnexpectedError(f"PUBLISH of QoS {(head & _QOS) >> 1}")
    if kind != PUBLISH and size > MAX_ANSWER_BYTES:
        raise UnexpectedError(f"{_NAMES[kind]} of {size:,} bytes")
    if size > MAX_BYTES:
        raise TooLargeError(f"{size:,}")


class Response(NamedTuple):
    """A CONNACK, PUBACK, SUBACK, UNSUBACK or DISCONNECT.

    `mid` is the packet id, 0 for none. `codes` has one for each topic of a SUBACK, and else the
    only one. `reason_string` is for people, `keepalive` the broker's own in s (0: none). `complete`
    is false for a CONNACK without properties that answers a CONNECT of MQTT 5; its sender does not
    support MQTT 5.
    """

    mid: int
    codes: bytes
    reason_string: str = ""
    keepalive: int = 0
    complete: bool = True

    @property
    def code(self) -> int:
        """The first code; 0, success, where there is none."""
        return self.codes[0] if self.codes else 0


def response(kind: int, body: bytes, protocol: Protocol) -> Response:
    """Return the content of a packet of `kind`. Raises MalformedError."""
    try:
        if kind in (SUBACK, UNSUBACK):
            return _acknowledgement(body, protocol)
        return _answer(kind, body, protocol)
    except IndexError:
        raise MalformedError from None


def without_properties(kind: int, body: bytes, protocol: Protocol) -> bytes:
    """Return the body of a CONNACK or PUBACK that `response` has parsed, without properties.

    paho needs none of them, and its time for them grows with the square of their size.
    """
    if protocol is Protocol.MQTT_3_1_1:
        return body
    return body[:2] + b"\0" if kind == CONNACK else body[:2]


def publish(body: bytes | bytearray, protocol: Protocol) -> tuple[bytes, bytes]:
    """Return topic and payload of a PUBLISH with QoS 0 (section 3.3). Raises MalformedError."""
    try:
        end = 2 + (body[0] << 8 | body[1])
        topic, start = bytes(body[2:end]), end
        if protocol is Protocol.MQTT_5:
            start += 1
            if body[end]:
                start = _properties(bytes(body), end)[1]
    except IndexError:
        raise MalformedError from None
    if not topic or end > len(body):  # an empty one is an alias, which CONNECT has not allowed
        raise MalformedError
    return topic, bytes(body[start:])


def reason_text(code: int) -> str:
    """Return the meaning of a code."""
    return _REASON_TEXTS.get(code, f"code {code}")


def _acknowledgement(body: bytes, protocol: Protocol) -> Response:
    mid, position = _two(body, 0), 2
    found: dict[int, bytes] = {}
    if protocol is Protocol.MQTT_5:
        found, position = _properties(body, 2)
    return Response(mid, body[position:], _text(found))


def _answer(kind: int, body: bytes, protocol: Protocol) -> Response:
    at = _CODE_AT[kind]
    mid = _two(body, 0) if kind == PUBACK else 0
    if kind == CONNACK:
        if len(body) < 2 or (protocol is Protocol.MQTT_3_1_1 and len(body) > 2):
            raise MalformedError
    elif protocol is Protocol.MQTT_3_1_1:
        return Response(mid, b"")
    codes = body[at : at + 1]
    found = _properties(body, at + 1)[0] if len(body) > at + 1 else {}
    keepalive = _two(found.get(_SERVER_KEEPALIVE, b"\0\0"), 0)
    complete = kind != CONNACK or protocol is Protocol.MQTT_3_1_1 or len(body) > 2
    return Response(mid, codes, _text(found), keepalive, complete)


def _properties(body: bytes, position: int) -> tuple[dict[int, bytes], int]:
    """Return the properties that begin with their length at `position`, and where they end."""
    length, position = variable(body, position)
    end = position + length
    if end > len(body):
        raise MalformedError
    found = {}
    while position < end:
        which, start = body[position], position + 1
        size = _SIZES.get(which)
        if size is None:
            raise MalformedError
        if size == _NUMBER:
            position = variable(body, start)[1]
        elif size > 0:
            position = start + size
        else:
            position = start
            for _ in range(2 if size == _PAIR else 1):
                start = position + 2
                position = start + _two(body, position)
        if position > end:
            raise MalformedError
        found[which] = body[start:position]
    return found, end


def variable(body: bytes, position: int) -> tuple[int, int]:
    """Return a variable byte integer (section 1.5.5), and its end.

    Raises MalformedError if it has more than four bytes, IndexError if it is incomplete.
    """
    value = 0
    for shift in (0, 7, 14, 21):
        digit = body[position]
        position += 1
        value |= (digit & 0x7F) << shift
        if digit < 0x80:
            return value, position
    raise MalformedError


def _two(body: bytes, position: int) -> int:
    return body[position] << 8 | body[position + 1]


def _text(found: dict[int, bytes]) -> str:
    return found.get(_REASON_STRING, b"").decode(errors="replace")
