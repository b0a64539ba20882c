"""One device as `bat2influx watch` shows it: its values, and how it is, in the daemon's words."""

from __future__ import annotations

from collections.abc import Iterator

from bat2influx.device import Device
from bat2influx.line import State
from bat2influx.printable import plain, span
from bat2influx.watch_state import LATE, LONGEST, Fact, Level, Part, Values

HEARTBEAT = 3.0  # s between two messages of a device that is kept alive (VENUS, "Keepalive")


class Watched:
    """A device, and what has come from it. Hand it the time after each step."""

    def __init__(self, device: Device, column: float, *, alone: bool) -> None:
        """`column` is the s of a graph's column; `alone`, whether there is no other device."""
        self.device = device
        battery = device.battery
        self._values = Values(battery, column)
        self._label = battery.name or ("device" if alone else "[Battery]")
        late = HEARTBEAT + LATE if battery.mode == "notify" else 3 * battery.interval
        self._late = max(LATE, late)
        self._messages = 0
        self._heard: float | None = None  # when it has said something, while it is asked

    def take(self, now: float) -> None:
        """Take what has come."""
        device = self.device
        if readings := device.take_readings():
            self._values.take(readings, device.labels, now)
        before, self._messages = self._messages, device.messages
        if device.state is not State.POLLING:
            self._heard = None
        elif self._heard is None or before != self._messages:
            self._heard = now

    def part(self, now: float) -> Part:
        """Return what is shown of it."""
        device, answers = self.device, self.device.state is State.POLLING
        rows = self._values.rows(device.labels, device.without_value, now, answers=answers)
        return Part(device.battery.name, tuple(self._facts(now)), rows)

    def beginnings(self) -> Iterator[str]:
        """Yield how what is shown of it begins in the daemon's status line."""
        device = self.device
        site = f"{device.battery.name}: " if device.battery.name else ""
        yield from (f"{site}{label} " for label in device.labels[:1])
        if device.trouble:
            yield f"{site}{plain(device.trouble.what, LONGEST)}"

    def _facts(self, now: float) -> Iterator[Fact]:
        text = f"{self._who()}: {self._how()}"
        silent = now - self._heard if self._heard is not None else 0.0
        if silent > self._late:
            text = f"{text}, but nothing has come for {span(silent)}"
            yield Fact(self._label, text, Level.WRONG, "silence")
        else:
            yield Fact(self._label, text)
        if why := self.device.trouble:
            yield Fact(self._label, plain(why.what, LONGEST), Level.WRONG, why.cause)

    def _who(self) -> str:
        battery, portal = self.device.battery, self.device.portal
        address = f"[{battery.address}]" if ":" in battery.address else battery.address
        where = f"{address}:{battery.port}"
        return f"{plain(portal)} at {where}" if portal else where

    def _how(self) -> str:
        device, battery = self.device, self.device.battery
        connected = "connected, " if device.connected else ""
        if device.state is State.WAITING:
            return "waiting to connect again"
        if device.state is not State.POLLING:
            return f"{connected}{device.state.value}"
        if battery.mode == "notify":
            return f"{connected}hearing of changes"
        return f"{connected}polling each {battery.interval:g} s"
