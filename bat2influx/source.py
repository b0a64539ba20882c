"""What the daemon asks of where values come from: a device, or a fleet of them.

A source has no thread and no clock of its own: the main loop calls `step` when its socket is ready
or `timeout` has run out, and takes its readings away. It never raises for what the peer does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bat2influx.clock import Now
from bat2influx.config import Battery
from bat2influx.connector import Endpoint
from bat2influx.failure import Trouble
from bat2influx.line import State
from bat2influx.reading import Reading
from bat2influx.venus import NoValue

NAMED = 3  # of the silent devices


def endpoint_of(battery: Battery, config: str) -> Endpoint:
    """Return where the broker of a section of the file is; `config` is that file, for messages."""
    own = battery.address, battery.port, battery.user, battery.password
    return Endpoint(*own, config, battery.tls, battery.topic_prefix, battery.vrm)


class Census(NamedTuple):
    """How many devices a fleet has, and the portal ids of those that are silent."""

    devices: int
    silent: Sequence[str]

    def __str__(self) -> str:
        count = f"{self.devices:,} device{'' if self.devices == 1 else 's'}"
        return f"{count}, {len(self.silent):,} silent ({self.named})" if self.silent else count

    @property
    def named(self) -> str:
        """The first few of those that are silent, for people."""
        more = ("…",) if len(self.silent) > NAMED else ()
        return ", ".join((*self.silent[:NAMED], *more))


class Source(Protocol):
    """A device, or a fleet, as configured by one section of the ini file."""

    battery: Battery
    messages: int  # that it has said
    undecided: str | None  # what only a person can settle

    def fileno(self) -> int:
        """Return the descriptor to select on, -1 when there is none."""

    @property
    def wants_write(self) -> bool:
        """Whether to select for writing too."""

    @property
    def state(self) -> State:
        """Where the conversation stands."""

    def timeout(self, now: Now) -> float:
        """Return the seconds after which `step` has something to do even if nothing comes."""

    @property
    def census(self) -> Census | None:
        """How many devices there are, of a fleet; what is told in place of the latest values."""

    @property
    def latest(self) -> Mapping[str, float]:
        """The latest values, by what they are shown under."""

    @property
    def labels(self) -> list[str]:
        """What the values are shown under: those that have to be there, then the others."""

    @property
    def without_value(self) -> dict[str, str]:
        """The names of the fields without a value at present, with what they have instead."""

    @property
    def last_value_ns(self) -> int | None:
        """The stamp of the latest value."""

    @property
    def no_values(self) -> Mapping[NoValue, int]:
        """How many messages were no values, by what they were."""

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong, if anything."""

    @property
    def connected(self) -> bool:
        """Whether it is logged in to the broker."""

    @property
    def reconnects(self) -> int:
        """How often it has logged in to the broker, but for the first time."""

    def step(self, now: Now, *, readable: bool = False, writable: bool = False) -> None:
        """Do all that can be done now without waiting."""

    def take_readings(self) -> list[Reading]:
        """Return the readings since the last call."""

    def takes(self, battery: Battery) -> bool:
        """Return whether `battery` differs in nothing but the intervals, for `reschedule`."""

    def reschedule(self, battery: Battery) -> None:
        """Go on with the intervals of `battery`; the connection stays."""

    def stalled(self, seconds: float) -> None:
        """This machine has stood still for so long, which is no silence of a device."""

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by so many ns since the last step."""

    def ask_no_more(self) -> None:
        """Take what comes, and ask for nothing from now on."""

    def awaits(self, since: float) -> bool:
        """Return whether an answer is under way to what was asked since then (monotonic s)."""

    def close(self) -> None:
        """Leave the broker, or stop trying to reach it."""
