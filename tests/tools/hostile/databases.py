"""The daemon with a database whose answers are hostile for a while, and its stored values.

A hostile gateway before a real InfluxDB answers some requests of the daemon; then it passes
everything on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.standins.databases.gateways import Gateway, refuses, through
from tests.standins.databases.http_peers import Act
from tests.standins.network.mqtt_peers import PORTAL_ID
from tests.standins.venus.device import Device
from tests.support.daemon import wait
from tests.tools.hostile import brokers
from tests.tools.hostile.registry import Outcome

TIMES = 3  # answers of the kind


def struck(directory: Path, answer: bytes | Act) -> Outcome:
    """Answer some writes so, and later ones normally."""
    with brokers.mosquitto(directory) as setting, Gateway(setting.influxdb.port) as gateway:
        device = Device(PORTAL_ID, counted=True)
        setting.venus(device)
        daemon = setting.daemon(Battery=brokers.KNOWN, Influx={"port": gateway.port})
        wait("values", setting.stored)
        before = brokers.peak(daemon)
        gateway.judge = refuses(answer)
        met = len(gateway.refused) + TIMES
        wait("the answers", lambda: len(gateway.refused) >= met)
        gateway.judge = through
        started = time.monotonic()
        brokers.again(setting)
        seconds = time.monotonic() - started
        after = brokers.peak(daemon)
        assert daemon.stop() == 0
        lost = brokers.lost(setting, device)
        return Outcome(before, after, seconds, lost, "from its end")


def poured(chunks: Iterable[bytes]) -> Act:
    """Return a function that sends `chunks` until the other side disconnects."""

    def act(connection: object) -> None:
        with suppress(OSError):
            for chunk in chunks:
                connection.sendall(chunk)  # type: ignore[attr-defined]

    return act
