"""The value as it passes through the program, and the only place that stamps it.

A `Reading` is a number from a device, with its time. It is made once, on arrival, and never
changed: a repeated write has the same stamp, and so stores the same point.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

NS = 1_000_000_000


class Origin(NamedTuple):
    """Where on which device a value is from; '' and None for parts that are not stored.

    `portal` is the portal id, `instance` the device instance of the service (0 to 65535).
    """

    portal: str = ""
    service: str = ""
    instance: int | None = None


NOWHERE = Origin()


class Reading(NamedTuple):
    """One value of one field.

    `time_ns` counts nanoseconds since 1970 in UTC; `site` is the name of the device's section
    ('' for `[Battery]`); `value` is finite, in the unit of the field, rounded to four decimals.
    """

    time_ns: int
    site: str
    field: str
    value: float
    origin: Origin = NOWHERE


class Stored(Protocol):
    """How the values of a topic are stored; hashable."""

    @property
    def field(self) -> str:
        """The name of the field."""

    @property
    def origin(self) -> Origin:
        """Where its values are from."""


Row = tuple[Stored, float, int]  # a reading of a known site: its value, and its time_ns


class Stamper:
    """Gives the values of one device their timestamps, by arrival or by tick.

    By arrival, every value is stored, stamped with the time it was received. By tick, it is stamped
    with the start of the latest tick whose request was sent, so that all fields of a tick are one
    point; only the first value per field and tick is stored. In both, the stamps of a field never
    repeat: InfluxDB would overwrite the older value. By tick they also never go back, except after
    the clock was set back.
    """

    def __init__(self, *, by_tick: bool) -> None:
        self.by_tick = by_tick
        self._tick_ns: int | None = None
        self._sets = 0  # number of times the clock was set
        self._last: dict[str | bytes, int] = {}  # field: its latest stamp
        self._done: set[str | bytes] = set()  # the fields with a value in this tick

    def begin_tick(self, start_ns: int) -> None:
        """The requests of a tick have been sent; `start_ns` is its start by the wall clock."""
        self._done.clear()
        start_ns += self._sets  # a tick with the same start is another point now
        if self._tick_ns is None or start_ns > self._tick_ns:
            self._tick_ns = start_ns
        else:  # the clock is slowed down: later points stay later
            self._tick_ns += 1

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by so many ns; later answers to the latest tick follow it."""
        self._sets += 1
        self._last.clear()
        if self._tick_ns is not None:
            self._tick_ns += step_ns

    def forget(self, field: str | bytes) -> None:
        """Forget `field`, which has no more values."""
        self._last.pop(field, None)

    def latest(self, field: str | bytes) -> int:
        """Return the latest stamp of `field`; -1 if it has none."""
        return self._last.get(field, -1)

    def note(self, field: str | bytes, time_ns: int) -> None:
        """Take over a stamp that a caller has given by arrival, as `stamp` does."""
        self._last[field] = time_ns

    def stamp(self, field: str | bytes, arrival_ns: int) -> int | None:
        """Return the stamp for a value of `field`; None if it is not the first of a tick."""
        last = self._last.get(field, -1)
        if not self.by_tick:
            time_ns = arrival_ns if arrival_ns != last else last + 1
        elif self._tick_ns is None or field in self._done:
            return None
        else:
            time_ns = max(self._tick_ns, last + 1)
            self._done.add(field)
        self._last[field] = time_ns
        return time_ns
