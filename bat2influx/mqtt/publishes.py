"""Takes the ordinary PUBLISH packets from the read-ahead data: many of them in one pass.

An ordinary one is a complete PUBLISH of QoS 0 (section 3.3 of MQTT 5) that has a topic, a length of
at most two bytes and, in MQTT 5, no properties: every value of a device is one. Any other packet
ends the pass and is taken alone (connection.py): by `packets.publish`, or by paho, which keeps the
session. paho_client.py says why ordinary packets are no part of the session.

Pure, except the clock that is handed in. It is read once, because the packets of a pass were
received by one call; each counts as 1 ns later than the one before, so that no two are at the same
time (a packet takes longer to parse). The result is the same as that of `packets.publish`; the
tests compare both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bat2influx.mqtt.packets import KIND_AND_QOS, PUBLISH_QOS_0, Protocol

# Topic, payload, whether it is retained (0 or 1), and the arrival in ns since the boot.
Packet = tuple[bytes, bytes, int, int]


class Parsed(NamedTuple):
    """The packets, where the next one begins, and whether that is the beginning of an ordinary one,
    which may be completed.
    """

    packets: list[Packet]
    end: int
    incomplete: bool


def parse(
    data: bytes, start: int, most: int, protocol: Protocol, clock: Callable[[], int]
) -> Parsed:
    """Return up to `most` packets of `data` from `start` on; `clock` gives their arrival."""
    packets: list[Packet] = []
    append, size = packets.append, len(data)
    kind_and_qos, publish_qos_0 = KIND_AND_QOS, PUBLISH_QOS_0
    gap = 1 if protocol is Protocol.MQTT_5 else 0  # the length of the properties
    begun = clock()
    for arrival in range(begun, begun + most):
        if start + 2 >= size:
            break
        head, length, body = data[start], data[start + 1], start + 4
        if length >= 0x80:
            high, body = data[start + 2], start + 5
            if high >= 0x80:
                break
            length += (high - 1) << 7
        if head & kind_and_qos != publish_qos_0 or length < 3:
            break
        end = body - 2 + length
        if end > size:
            return Parsed(packets, start, incomplete=True)
        middle = body + (data[body - 2] << 8 | data[body - 1])
        if not body < middle <= end - gap or (gap and data[middle]):
            break
        append((data[body:middle], data[middle + gap : end], head & 1, arrival))
        start = end
    return Parsed(packets, start, incomplete=False)
