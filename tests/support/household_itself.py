"""The reports of a house's daemon about itself: some days, with faults.

Rules: this module reads no clock; reports are those of bat2influx/daemon/metrics.py. Counted from
the end, the daemon was restarted RESTARTED before it, the database rejected some values at
REJECTED, and was down from AWAY on, so that values were queued. The reports of that time are
included, because they were queued too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bat2influx.daemon.metrics import DeviceReport, Report
from bat2influx.reading import NS
from tests.support.household_weather import DAY, HOUR, noise

EVERY = (
    (12 * HOUR, 10),
    (2 * DAY, 60),
)  # up to so many s before the end there is one report every so many s
SELDOM = 600  # s between those before
RESTARTED, EACH = 21 * HOUR, 17 * DAY  # s before the end; and one each so many s before that
REJECTED, REFUSED = 15 * HOUR, 36  # s before the end; values
AWAY, LASTED = 9 * HOUR, 1_500  # s before the end; s
CATCHES_UP = 40  # s, to store the backlog
ROOM = 28_000_000.0  # queued values, of nine per second, in 256 MB


@dataclass(frozen=True, slots=True)
class DeviceCount:
    """A device in the reports, and how many fields it has; the site of `[Battery]` is ''."""

    site: str
    fields: int
    devices: int | None = None  # of a fleet
    silent: int | None = None


def reports(first: int, end: int, devices: Sequence[DeviceCount]) -> Iterator[Report]:
    """Yield the reports from `first` to before `end`, in s since 1970."""
    time = first
    while time < end:
        yield _report(time, end, devices)
        time += next((each for back, each in EVERY if time >= end - back), SELDOM)


def _report(time: int, end: int, devices: Sequence[DeviceCount]) -> Report:
    up = time - _started(time, end)
    rate = sum(each.fields for each in devices)
    away, since_back = end - AWAY, time - (end - AWAY + LASTED)
    lasted = min(time, away + LASTED) - away  # how long the outage has lasted, or did
    waiting, delay = 0.0, 0.06 + 0.03 * noise("delay", time, 40.0)
    if time >= away and since_back < 0:
        waiting = rate * lasted
    elif 0 <= since_back < CATCHES_UP:
        waiting = rate * LASTED * (1.0 - since_back / CATCHES_UP)
        delay = LASTED * (1.0 - since_back / CATCHES_UP)
    refused = REFUSED if time >= end - REJECTED else 0
    stored = rate * up * 0.9998 - waiting if up > 60 else rate * up
    return Report(
        time_ns=time * NS + 218_000_000,
        uptime=float(up),
        devices=tuple(_device(each, time, up) for each in devices),
        stored=round(max(0.0, stored - refused)),
        waiting=round(waiting),
        rejected=refused,
        dropped=0,
        rejected_dropped=0,
        spool_used=waiting / ROOM,
        delay=None if waiting and since_back < 0 else max(0.01, delay),
        memory=round(39.4e6 + 1.1e6 * noise("memory", time, 5.0 * HOUR) + min(2e6, 30.0 * up)),
        database_up=since_back >= 0 or time < away,
    )


def _device(told: DeviceCount, time: int, up: int) -> DeviceReport:
    return DeviceReport(
        told.site,
        received=round(1.004 * told.fields * up),
        reconnects=up // (31 * HOUR),
        without_value=int(noise(f"{told.site} null", time, HOUR) > 0.93),
        devices=told.devices,
        not_responding=told.silent,
        missing=None if told.devices else {},
    )


def _started(time: int, end: int) -> int:
    """Return when the daemon that reports at `time` was started."""
    last = end - RESTARTED
    if time >= last:
        return last
    return last - EACH * ((last - time - 1) // EACH + 1)
