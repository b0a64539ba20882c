"""About itself: gathers what the daemon knows of its parts, each EVERY seconds.

The lines for the self-measurement go the way of all others, through the delivery; so they wait
with them, and their stamps go with a clock that is set.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

from bat2influx import __version__
from bat2influx.clock import Now
from bat2influx.config import paths
from bat2influx.config.paths import USUAL
from bat2influx.config.settings import Settings
from bat2influx.daemon import metrics
from bat2influx.daemon.metrics import DeviceReport, Report
from bat2influx.daemon.textfile import PROMETHEUS, TextFile
from bat2influx.delivery.delivery import Delivery
from bat2influx.device.source import Source
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.reading import NS
from bat2influx.service.journal import event

log = logging.getLogger(__name__)

EVERY = 10.0  # s between two reports
STATM = Path("/proc/self/statm")


class SelfReport:
    """Makes the reports that the settings ask for."""

    def __init__(self, settings: Settings, now: Now) -> None:
        self._began_ns = now.boot_ns
        self._next = now.mono
        self._before: dict[str, DeviceReport] = {}  # of devices that a reload has replaced
        self._wanted = False
        self._file: TextFile | None = None
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Report as `settings` ask for from now on."""
        self._config = "" if settings.path.stem == USUAL else settings.path.stem
        own = settings.influx.self_measurement
        self._encoder = Encoder(own, settings.influx.tags) if own else None
        if not settings.textfile:
            self.close()
        elif not self._wanted:
            self._file = _text_file(settings.path)
        self._wanted = settings.textfile

    def timeout(self, now: float) -> float:
        """Return the seconds to the next report."""
        return max(0.0, self._next - now) if self._encoder or self._file else math.inf

    def report(self, now: Now, devices: Sequence[Source], delivery: Delivery) -> list[bytes]:
        """Write the file, if it is time for that, and return the lines for the database.

        `now` has to be the look at the clock from which on a step is one of what waits.
        """
        if self.timeout(now.mono) > 0.0:
            return []
        self._next = now.mono + EVERY
        report = self._made(now, devices, delivery)
        if self._file:
            self._file.write(metrics.prometheus_text(report, __version__, self._config), now.mono)
        if self._encoder is None:
            return []
        return [self._encoder.encode(reading) for reading in metrics.readings(report)]

    def left(self, device: Source) -> None:
        """A reload is about to replace this device, or takes it away: its counts go on."""
        seen = self._seen(device, None)
        self._before[seen.site] = seen

    def close(self) -> None:
        """Have no file any more."""
        if self._file:
            self._file.remove()
        self._file = None

    def _made(self, now: Now, devices: Sequence[Source], delivery: Delivery) -> Report:
        figures = delivery.figures
        return Report(
            time_ns=now.wall_ns,
            uptime=(now.boot_ns - self._began_ns) / NS,
            devices=tuple(self._seen(device, now) for device in devices),
            stored=figures.accepted,
            waiting=figures.waiting,
            rejected=figures.rejected,
            dropped=figures.dropped,
            rejected_dropped=figures.rejected_dropped,
            spool_used=figures.fullness,
            delay=delivery.take_delay(),
            memory=resident(STATM),
            database_up=figures.database_up,
        )

    def _seen(self, device: Source, now: Now | None) -> DeviceReport:
        """Return how it is with a device; nothing of clocks without a look at ours."""
        site, census = device.battery.name, device.census
        difference = device.clock.difference(now) if now and device.clock_wanted else None
        seen = DeviceReport(
            site,
            received=device.messages,
            no_values=device.no_values,
            reconnects=device.reconnects,
            connected=device.connected,
            without_value=len(device.without_value),
            last_value_ns=device.last_value_ns,
            devices=census.devices if census else None,
            silent=len(census.silent) if census else None,
            missing=None if census else device.missing_services,
            clock_difference=None if difference is None else round(difference / NS, 1),
        )
        return seen.after(self._before[site]) if site in self._before else seen


def resident(statm: Path) -> int | None:
    """Return the bytes of memory that the process has, as proc(5) says; None where it does not."""
    try:
        return int(statm.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _text_file(config: Path) -> TextFile | None:
    path = paths.runtime_file(config, os.environ, PROMETHEUS)
    if path:
        return TextFile(path)
    text = (
        "[Metrics] textfile = yes: there is no directory for the file; add"
        " RuntimeDirectory=bat2influx to the unit, or set RUNTIME_DIRECTORY"
    )
    log.warning(text, extra=event("textfile"))
    return None
