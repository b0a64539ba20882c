"""The fleet of the stand-ins, with a parameter for bunches of devices, as a separate program.

    /usr/bin/python3 -m tests.tools.bench.devices PORT DEVICES FIRST FILE BUNCH-MS KIND AWAKE

As tests/standins/venus/fleet.py, but messages due within BUNCH-MS are published at once; with 0
each device publishes its nine at its own moment. KIND is `values`, one message per value as in
Venus OS, or `telemetry`, one message with all nine as in go-iotdevice, for the peer that needs it.
AWAKE 1 is for contenders without keepalives: the devices publish without them.
"""

from __future__ import annotations

import math
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.standins.network.mqtt_peers import publish
from tests.standins.venus.fleet import Fleet
from tests.support.compare import NINE

EVEN = 0.0005  # s; two steps for each device of a thousand
LATER = "2099-01-01T00:00:00Z"


def telemetry(portal: str, values: Sequence[str]) -> bytes:
    """Return the PUBLISH of go-iotdevice with a device's nine values, given as texts."""
    numbers = ", ".join(
        f'"{field}": {{"Value": {value}, "Unit": "V"}}'
        for field, value in zip(NINE, values, strict=True)
    )
    payload = (
        f'{{"Time": "{LATER}", "NextTelemetry": "{LATER}", "Model": "bench",'
        f' "SecondsSinceLastUpdate": 0.1, "NumericValues": {{{numbers}}}, "TextValues": {{}}}}'
    )
    return publish(f"tele/go-iotdevice/{portal}/state", payload.encode())


def due(now: float, since: float, bunch: float) -> float:
    """Return the time (s) up to which due devices publish: the last whole bunch after `since`."""
    return since + math.floor((now - since) / bunch) * bunch if bunch else now


class Paced(Fleet):
    """A fleet that publishes every `bunch` s."""

    def __init__(self, port: int, devices: int, first: int, bunch: float, kind: str) -> None:
        super().__init__(port, devices, first)
        self._bunch, self._begun = bunch, self._round
        self._spoken = -math.inf  # time up to which due devices have published
        if kind == "telemetry":
            for device in self.devices:
                values = [f"{first}.{place:02d}" for place in range(len(NINE))]
                packet = telemetry(device.portal, values).replace(b"%", b"%%")
                device._template = packet.replace(b"%d" % first, b"%d")

    def send_keepalive(self) -> None:
        """Make all of them publish from now on, without keepalives."""
        for device in self.devices:
            device.alive = math.inf

    def wait(self, more: int) -> bool:
        """Send and receive until the next may be due; return whether `more` is readable."""
        now = time.monotonic()
        pause = due(now, self._begun, self._bunch) + self._bunch - now if self._bunch else EVEN
        writers = [self._socket] if self._out else []
        readable, writable, _ = select.select([self._socket, more], writers, [], max(pause, 0.0001))
        if writable:
            del self._out[: self._socket.send(self._out[:1_000_000])]
        if self._socket in readable:
            self._hear(self._socket.recv(1_000_000))
        return more in readable

    def go_on(self, now: float) -> None:
        """Publish all that is due, once per bunch."""
        until = due(now, self._begun, self._bunch)
        if until > self._spoken:
            self._spoken = until
            super().go_on(now)


def main() -> None:
    """Run the command line."""
    port, devices, first = map(int, sys.argv[1:4])
    file, bunch, kind, awake = sys.argv[4:]
    fleet = Paced(port, devices, first, float(bunch) / 1e3, kind)
    while fleet.pending:
        fleet.wait(sys.stdin.fileno())
    if awake == "1":
        fleet.send_keepalive()
    print("ready", flush=True)
    while not fleet.wait(sys.stdin.fileno()):
        fleet.go_on(time.monotonic())
    while fleet.pending:
        fleet.wait(sys.stdin.fileno())
    Path(file).write_text(fleet.as_json())
    print("done", flush=True)


if __name__ == "__main__":
    main()
