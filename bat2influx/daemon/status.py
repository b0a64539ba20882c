"""The status line for `systemctl status`, and the notification that the start has ended.

Problems come first, then the latest values, values per second, and the numbers of queued, rejected
and dropped values. The service is ready with the first value, or after READY_WITHIN.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bat2influx.clock import Hold
from bat2influx.delivery.delivery import Delivery
from bat2influx.device.source import Source
from bat2influx.mqtt.reconnect import State
from bat2influx.printable import shortened
from bat2influx.service import notify

log = logging.getLogger(__name__)

EVERY = 1.0  # s between two status lines
# s by which a line may come earlier or later, so that it goes with a tick: a turn of the main loop
# for the line alone costs as much as one for values.
TOLERANCE = 0.25
SHOWN = 12  # values of a device in the line
SHIPPED_ADDRESS = "venus.local"  # config.spec, and the ini file as it is installed
FIRST_STEPS = "first steps: bat2influx discover, bat2influx pair, bat2influx check"
READY_WITHIN = 10.0  # s; a start must not hold up the boot


class Status:
    """Counts values, and notifies the service manager."""

    def __init__(self, now: float, watchdog: float) -> None:
        self._ready = False
        self._ready_at = now + min(READY_WITHIN, watchdog / 12)
        self._next = now
        self._counted = 0
        self._since = now
        self._sent = ""

    def count(self, values: int) -> None:
        """Count values that were decoded."""
        self._counted += values

    def timeout(self, now: float) -> float:
        """Return the seconds after which a status line is due even if nothing else is."""
        return max(0.0, self._next + TOLERANCE - now)

    def due(self, now: float) -> bool:
        """Return whether a status line is due; for the first value at once."""
        return now >= self._next - TOLERANCE or (self._counted > 0 and not self._ready)

    def text(
        self,
        devices: Sequence[Source],
        delivery: Delivery,
        hold: Hold,
        now: float,
        clocks: Sequence[str] = (),
    ) -> str:
        """Return the line; `clocks` are remarks on clocks in addition to `hold`."""
        parts = [] if hold is Hold.NO else [f"{hold.value}; values are queued until it is"]
        parts += clocks
        parts += [_site(each) + each.trouble.text for each in devices if each.trouble]
        if any(_unconfigured(each) for each in devices):
            parts.append(FIRST_STEPS)
        figures = delivery.figures
        parts += [trouble.text for trouble in figures.troubles]
        for device in devices:
            if device.state is not State.POLLING and not device.trouble:
                parts.append(f"{_site(device)}{device.state.value} {device.battery.address}")
            if device.state is State.POLLING and (latest := _latest(device)):
                parts.append(_site(device) + latest)
        span = max(now - self._since, EVERY / 2)
        counts = f"{self._counted / span:.1f} values/s, {figures.queued} queued"
        if figures.rejected:
            counts += f", {figures.rejected} rejected"
        if dropped := figures.dropped + figures.rejected_dropped:
            counts += f", {dropped} dropped"
        return joined(parts, counts, notify.MAX_STATUS)

    def send(self, text: str, now: float) -> None:
        """Send the line, once with READY=1 when the service is ready."""
        if not self._ready and (self._counted or now >= self._ready_at):
            self._ready = True
            notify.ready(text)
        elif text != self._sent:
            notify.status(text)
        self._sent = text
        self._counted, self._since, self._next = 0, now, now + EVERY


def joined(parts: Sequence[str], last: str, longest: int) -> str:
    """Return all `parts` and the `last` in at most `longest` characters.

    Parts that do not fit are counted. `last` is always present, in a quarter of `longest`.
    """
    last = shortened(last, longest // 4)
    whole = "; ".join((*parts, last))
    if len(whole) <= longest:
        return whole
    room = longest - len(f"; and {len(parts)} more; {last}")
    kept = [shortened(parts[0], room)]
    for part in parts[1:]:
        if len("; ".join((*kept, part))) > room:
            break
        kept.append(part)
    more = [f"and {len(parts) - len(kept)} more"] if len(kept) < len(parts) else []
    return "; ".join((*kept, *more, last))


def _unconfigured(device: Source) -> bool:
    """Return whether the section is as installed, and its default name does not resolve."""
    battery = device.battery
    as_shipped = battery.address == SHIPPED_ADDRESS and not battery.password
    unresolved = device.trouble is not None and device.trouble.cause == "name"
    return as_shipped and unresolved and device.messages == 0


def _site(device: Source) -> str:
    return f"{device.battery.name}: " if device.battery.name else ""


def _latest(device: Source) -> str:
    if device.census:
        return str(device.census)
    shown = {label: f"{label} {value:g}" for label, value in device.latest.items()}
    shown |= {label: f"{label} {kind}" for label, kind in device.without_value.items()}
    all_of_them = [shown[label] for label in device.labels if label in shown]
    if len(all_of_them) > SHOWN:
        more = len(all_of_them) - SHOWN
        all_of_them = [*all_of_them[:SHOWN], f"and {more} more"]
    return ", ".join(all_of_them)
