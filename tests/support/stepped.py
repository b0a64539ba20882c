"""One of the daemon's devices, or its fleet, stepped by a test's thread, not the main loop."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bat2influx.clock import Clock
from bat2influx.config.settings import Battery
from bat2influx.device.device import Device
from bat2influx.device.remembered import RememberedDevices
from bat2influx.device.source import Source
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.network.mqtt_peers import PORTAL_ID
from tests.support.daemon import BOUND

LONGEST_PAUSE = 0.01  # s between two checks whether it is done


@contextmanager
def stepped(
    port: int,
    directory: Path,
    *,
    watchdog: float = 120.0,
    soc_interval: float = 0.2,
    mode: str = "poll",
) -> Iterator[Device]:
    """Yield a device behind a port, whose ids need no discovery; times are in s."""
    battery = Battery(
        name="",
        address="127.0.0.1",
        port=port,
        user="bat2influx",
        password="",
        serial=PORTAL_ID,
        instance=275,
        interval=0.2,
        soc_interval=soc_interval,
        fields=DEFAULT_FIELDS,
        mode=mode,
        tls=None,
    )
    remembered = RememberedDevices(directory)
    device = Device(
        battery,
        by_tick=False,
        watchdog=watchdog,
        config="",
        remembered=remembered,
        wake=lambda: None,
    )
    try:
        yield device
    finally:
        device.close()


def steps(device: Source, done: Callable[[], object]) -> Iterator[None]:
    """Step until it is `done`, with an item after each step. Raises AssertionError if it never is.

    The time of a step is read after the wait, because the wait may have been long.
    """
    clock = Clock()
    until = time.monotonic() + BOUND
    while not done():
        assert time.monotonic() < until, device.trouble
        watched = [] if device.fileno() < 0 else [device.fileno()]
        writes = watched if device.wants_write else []
        pause = min(device.timeout(clock.look()), LONGEST_PAUSE)
        readable, writable, _ = select.select(watched, writes, [], pause)
        device.step(clock.look(), readable=bool(readable), writable=bool(writable))
        yield
