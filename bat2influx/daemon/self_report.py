"""Collects the daemon's own metrics every EVERY seconds.

The lines of the self-measurement go through the delivery like all others: they are queued with
them, and their timestamps are corrected when the clock is set.
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
    """Writes the reports that the settings request."""

    def __init__(self, settings: Settings, now: Now) -> None:
        self._began_ns = now.boot_ns
        self._next = now.mono
        self._before: dict[str, DeviceReport] = {}  # of devices that a reload has replaced
        self._wanted = False
        self._file: TextFile | None = None
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Report as `settings` request from now on."""
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
        """Write the file if it is due, and return the lines for the database.

        `now` must be the latest reading of the clock: a step after it corrects the queued lines.
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
        """Save the counts of a device that a reload replaces or removes."""
        seen = self._seen(device, None)
        self._before[seen.site] = seen

    def close(self) -> None:
        """Remove the file."""
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
            waiting=figures.queued,
            rejected=figures.rejected,
            dropped=figures.dropped,
            rejected_dropped=figures.rejected_dropped,
            spool_used=figures.fullness,
            delay=delivery.pop_delay(),
            memory=resident(STATM),
            database_up=figures.database_up,
        )

    def _seen(self, device: Source, now: Now | None) -> DeviceReport:
        """Return the state of a device; without `now` no difference of clocks."""
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
            not_responding=len(census.not_responding) if census else None,
            missing=None if census else device.missing_services,
            clock_difference=None if difference is None else round(difference / NS, 1),
        )
        return seen.after(self._before[site]) if site in self._before else seen


def resident(statm: Path) -> int | None:
    """Return the resident memory of the process in bytes (proc(5)); None if unknown."""
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
