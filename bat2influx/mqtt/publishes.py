"""Cuts the ordinary PUBLISH packets out of what was read ahead: many of them in one pass.

Ordinary is a PUBLISH of QoS 0 (section 3.3 of MQTT 5) that lies there as a whole, has a topic, a
length of at most two bytes and, in MQTT 5, no properties: each value of a device is one. Anything
else ends the pass and is taken one by one (connection.py): by `packets.publish`, or by paho, which
keeps the session. What that is, and why these are no part of it, is told in paho_client.py.

Pure, but for the clock that is handed in. What is cut here is what `packets.publish` makes of it;
the tests hold the one against the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bat2influx.mqtt.packets import KIND_AND_QOS, PUBLISH_QOS_0, Protocol

# Topic and payload as they came, whether it is retained (0 or 1), and the arrival in ns since boot.
Packet = tuple[bytes, bytes, int, int]


class Pass(NamedTuple):
    """What a pass has found: the packets, where the next one begins, and whether that is to be
    waited for, since it is ordinary as far as it has come.
    """

    packets: list[Packet]
    end: int
    incomplete: bool


def cut(data: bytes, start: int, most: int, protocol: Protocol, clock: Callable[[], int]) -> Pass:
    """Return up to `most` packets of `data` from `start` on; `clock` gives their arrival."""
    packets: list[Packet] = []
    append, size = packets.append, len(data)
    gap = 1 if protocol is Protocol.MQTT_5 else 0  # the length of the properties
    while len(packets) < most and start + 2 < size:
        head, length, body = data[start], data[start + 1], start + 4
        if length >= 0x80:
            high, body = data[start + 2], start + 5
            if high >= 0x80:
                break
            length += (high - 1) << 7
        if head & KIND_AND_QOS != PUBLISH_QOS_0 or length < 3:
            break
        end = body - 2 + length
        if end > size:
            return Pass(packets, start, incomplete=True)
        middle = body + (data[body - 2] << 8 | data[body - 1])
        if not body < middle <= end - gap or (gap and data[middle]):
            break
        append((data[body:middle], data[middle + gap : end], head & 1, clock()))
        start = end
    return Pass(packets, start, incomplete=False)
