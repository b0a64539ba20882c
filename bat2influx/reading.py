"""The value that travels through the program, and the one place that stamps it.

A `Reading` is a number that a device said, with the moment it stands for. It is made once, on
arrival, and never changed afterwards: whatever is sent again is sent with the same stamp, which
is what makes a repeated write harmless.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

NS = 1_000_000_000


class Origin(NamedTuple):
    """Where on which device a value is from; '' and None where that is not to be told.

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
    """What the values of a topic are stored as; it can be a key."""

    @property
    def field(self) -> str:
        """The name of the field."""

    @property
    def origin(self) -> Origin:
        """Where its values are from."""


Row = tuple[Stored, float, int]  # a reading whose site is known: its value, and its time_ns


class Stamper:
    """Gives the values of one device their time stamps, by arrival or by tick.

    By arrival, every value counts and is stamped with the moment it was received. By tick, it is
    stamped with the start of the latest tick whose request was sent, so that all fields of a tick
    share one row; the first value per field and tick counts. In both, the stamps of a field never
    repeat: InfluxDB would overwrite the older value. By tick they never go back either, but with a
    clock that was set back.
    """

    def __init__(self, *, by_tick: bool) -> None:
        self.by_tick = by_tick
        self._tick_ns: int | None = None
        self._sets = 0  # how often the clock was set
        self._last: dict[str | bytes, int] = {}  # field: its latest stamp
        self._done: set[str | bytes] = set()  # the fields that have their value of this tick

    def begin_tick(self, start_ns: int) -> None:
        """A tick's requests have been sent; `start_ns` is the wall clock the tick stands for."""
        self._done.clear()
        start_ns += self._sets  # a tick that was there before is another row now
        if self._tick_ns is None or start_ns > self._tick_ns:
            self._tick_ns = start_ns
        else:  # the clock is slowed down: later rows stay later
            self._tick_ns += 1

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by so many ns; what still answers the latest tick goes with it."""
        self._sets += 1
        self._last.clear()
        if self._tick_ns is not None:
            self._tick_ns += step_ns

    def forget(self, field: str | bytes) -> None:
        """There are no more values of `field`."""
        self._last.pop(field, None)

    def stamp(self, field: str | bytes, arrival_ns: int) -> int | None:
        """Return the stamp for a value of `field`; None when it is not the first of a tick."""
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
