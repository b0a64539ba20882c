"""A thousand simple Venus devices behind one broker, as a separate program.

    /usr/bin/python3 -m tests.standins.venus.fleet PORT DEVICES FIRST FILE

It prints `ready` once each Serial is retained. While a device is kept alive (60 s, VENUS) it
publishes the nine once per second, each device at its own moment, and a heartbeat every 3 s. A full
keepalive makes it publish all its values: the nine unchanged, and FILLER values that no client
needs. The n-th values are n, with the field's number behind the point, so that a value shows when
it was published; n begins with FIRST.

A line on stdin ends it: it stops publishing, writes its publishes and requests into FILE, as JSON,
and prints `done`. Packets are made from templates and sent in large pieces, because the program has
to leave the processor to the daemon.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.standins.network.mqtt_peers import CONNECT, PUBLISH, SUBSCRIBE, packet, publish
from tests.support.compare import NINE

LASTS = 60.0  # s
BEAT = 3.0  # s
FILLER = 200
LOOK = 0.01  # s
FULL = b""
_RETAIN = 1


def portal_of(number: int) -> str:
    """Return the portal id of a device."""
    return f"c06f{number:08x}"


class Light:
    """One device; times are monotonic s."""

    def __init__(self, number: int, first: int) -> None:
        self.portal = portal_of(number)
        self.alive = -1.0  # until when
        self.beats = 0.0  # when next
        self.said: list[float] = []  # the time of each n, from `first` on
        self.slept = 0  # how often it fell asleep
        self.beaten = 0  # number of heartbeats
        self._first = first
        self._template = (
            b"".join(
                publish(f"N/{self.portal}/{leaf}", b'{"value":%d.%02d}' % (first, place))
                for place, leaf in enumerate(NINE.values())
            )
            .replace(b"%", b"%%")
            .replace(b"%d" % first, b"%d")
        )

    def speak(self, now: float) -> bytes:
        """Return the next nine values."""
        self.said.append(now)
        return self._nine()

    def beat(self, now: float) -> bytes:
        """Return a heartbeat."""
        self.beats = now + BEAT
        self.beaten += 1
        return self._beat()

    def serial(self) -> bytes:
        """Return the message that the broker retains."""
        payload = b'{"value":"%b"}' % self.portal.encode()
        return publish(f"N/{self.portal}/system/0/Serial", payload, _RETAIN)

    def everything(self) -> bytes:
        """Return all current values, and the end of the republish."""
        filler = b"".join(
            publish(f"N/{self.portal}/system/0/Filler/{number}", b'{"value":0}')
            for number in range(FILLER)
        )
        end = publish(f"N/{self.portal}/full_publish_completed", b'{"value":0}')
        return (self._nine() if self.said else b"") + filler + end

    @property
    def sizes(self) -> tuple[int, int]:
        """The packets of the nine current values, and of a heartbeat."""
        return len(self._nine()), len(self._beat())

    def _beat(self) -> bytes:
        return publish(f"N/{self.portal}/heartbeat", b'{"value":%d}' % time.time())

    def _nine(self) -> bytes:
        return self._template % ((self._first + len(self.said) - 1,) * len(NINE))


class Fleet:
    """All of them, over one connection."""

    def __init__(self, port: int, devices: int, first: int) -> None:
        self.devices = [Light(number, first) for number in range(devices)]
        self.keepalives: list[tuple[float, str, bool]] = []  # time, portal id, whether full
        self._by_portal = {device.portal.encode(): device for device in self.devices}
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(packet(CONNECT, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x05fleet"))
        self._socket.recv(4)
        topic = b"R/+/keepalive"
        subscribe = b"\0\1" + len(topic).to_bytes(2, "big") + topic + b"\0"
        self._out = bytearray(packet(SUBSCRIBE, subscribe, 2))
        for device in self.devices:
            self._out += device.serial()
        self._in = b""
        self._socket.setblocking(False)
        self._next = 0  # the device that publishes next
        self._round = time.monotonic()  # when the first of them does

    @property
    def pending(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._out)

    def wait(self, more: int) -> bool:
        """Send and receive for a moment; return whether descriptor `more` is readable."""
        writers = [self._socket] if self._out else []
        readable, writable, _ = select.select([self._socket, more], writers, [], LOOK)
        if writable:
            del self._out[: self._socket.send(self._out[:1_000_000])]
        if self._socket in readable:
            self._hear(self._socket.recv(1_000_000))
        return more in readable

    def go_on(self, now: float) -> None:
        """Publish all that is due, of all devices."""
        count = len(self.devices)
        while self._round + self._next / count <= now:
            device = self.devices[self._next]
            if now < device.alive:
                self._out += device.speak(now)
                if now >= device.beats:
                    self._out += device.beat(now)
            elif device.alive > 0:
                device.slept, device.alive = device.slept + 1, -1.0
            self._next += 1
            if self._next == count:
                self._next, self._round = 0, self._round + 1.0

    def _hear(self, data: bytes) -> None:
        now = time.monotonic()
        for topic, payload in self._packets(data):
            device = self._by_portal[topic.split(b"/")[1]]
            self.keepalives.append((now, device.portal, payload == FULL))
            device.alive = now + LASTS
            if payload == FULL:
                self._out += device.everything()

    def _packets(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield topic and payload of each PUBLISH; all are short, and of QoS 0."""
        self._in += data
        while len(self._in) > 1 and len(self._in) >= 2 + self._in[1]:
            kind, body = self._in[0] >> 4, self._in[2 : 2 + self._in[1]]
            self._in = self._in[2 + len(body) :]
            if kind == PUBLISH:
                end = 2 + int.from_bytes(body[:2], "big")
                yield body[2:end], body[end:]

    def as_json(self) -> str:
        """Return publishes and requests, with times in monotonic s."""
        said = {device.portal: device.said for device in self.devices}
        slept = sum(device.slept for device in self.devices)
        beats = sum(device.beaten for device in self.devices)
        sizes = dict(zip(("nine", "beat"), self.devices[0].sizes, strict=True))
        return json.dumps(
            {"said": said, "keepalives": self.keepalives, "slept": slept, "beats": beats} | sizes
        )


def main() -> None:
    """Run the command line."""
    port, devices, first = map(int, sys.argv[1:4])
    fleet = Fleet(port, devices, first)
    while fleet.pending:
        fleet.wait(sys.stdin.fileno())
    print("ready", flush=True)
    while not fleet.wait(sys.stdin.fileno()):
        fleet.go_on(time.monotonic())
    while fleet.pending:
        fleet.wait(sys.stdin.fileno())
    Path(sys.argv[4]).write_text(fleet.as_json())
    print("done", flush=True)


if __name__ == "__main__":
    main()
