"""Sources of values: what a device and a fleet of devices have in common.

A source has no thread and no clock: the main loop calls `step` when its socket is ready or
`timeout` has elapsed, and takes its values. It never raises an exception for what the peer does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.device_clock import DeviceClock
from bat2influx.device.intake import BaseIntake
from bat2influx.device.services import Place
from bat2influx.failure import Trouble
from bat2influx.mqtt.connection import Connection
from bat2influx.mqtt.connector import Endpoint
from bat2influx.mqtt.reconnect import Reconnector, State
from bat2influx.reading import Reading, Row
from bat2influx.venus.protocol import NoValue

NAMED = 3  # portal ids of devices that do not respond, in a message


def endpoint_of(battery: Battery, config: str) -> Endpoint:
    """Return the broker's endpoint for a section of the file `config`, which messages name."""
    own = battery.address, battery.port, battery.user, battery.password
    return Endpoint(*own, config, battery.tls, battery.topic_prefix, battery.vrm)


class Census(NamedTuple):
    """How many devices a fleet has, and the portal ids of those that do not respond."""

    devices: int
    not_responding: Sequence[str]

    def __str__(self) -> str:
        count = f"{self.devices:,} device{'' if self.devices == 1 else 's'}"
        not_responding = f"{len(self.not_responding):,} not responding ({self.named})"
        return f"{count}, {not_responding}" if self.not_responding else count

    @property
    def named(self) -> str:
        """The first few portal ids of those that do not respond, for messages."""
        more = ("…",) if len(self.not_responding) > NAMED else ()
        return ", ".join((*self.not_responding[:NAMED], *more))


class Source(ABC):
    """A device, or a fleet, as configured by one section of the ini file."""

    def __init__(
        self, battery: Battery, intake: BaseIntake, *, config: str, wake: Callable[[], None]
    ) -> None:
        """`intake` has the values; `config` is the file to name in messages.

        `wake` is called from another thread when there is a reason to step.
        """
        self.battery = battery
        self.messages = 0  # received so far
        self.undecided: str | None = None  # a choice that only a user can make
        self.clock = DeviceClock()  # never known for a fleet, each of whose devices has one
        self.clock_wanted = False  # whether to request it if it does not arrive unasked
        self._config = config
        self._broker = Reconnector(endpoint_of(battery, config), wake)
        self._stage = State.DISCOVERING  # while the broker is connected
        self._begun: Connection | None = None  # the connection that `_begin` was called for
        self._values = intake
        self._stopping = False

    # Queries of the main loop

    def fileno(self) -> int:
        """Return the descriptor to select on, -1 when there is none."""
        return self._broker.connection.fileno() if self._broker.connection else -1

    @property
    def connection(self) -> object | None:
        """The owner of the descriptor; another connection may get the same number."""
        return self._broker.connection

    @property
    def wants_write(self) -> bool:
        """Whether to select for writing too."""
        return self._broker.connection is not None and self._broker.connection.wants_write

    @property
    def state(self) -> State:
        """The state of the connection and of the device."""
        return self._stage if self._broker.state is State.OPEN else self._broker.state

    @abstractmethod
    def timeout(self, now: Now) -> float:
        """Return the seconds after which `step` has something to do even if no message arrives."""

    @property
    @abstractmethod
    def census(self) -> Census | None:
        """How many devices a fleet has; shown instead of the latest values."""

    @property
    @abstractmethod
    def latest(self) -> Mapping[str, float]:
        """The latest values, by label."""

    @property
    @abstractmethod
    def labels(self) -> list[str]:
        """The labels of the values: the required ones, then the optional ones."""

    @property
    @abstractmethod
    def without_value(self) -> dict[str, str]:
        """The names of the fields without a value at present, with what they have instead."""

    @property
    @abstractmethod
    def missing_services(self) -> Mapping[Place, int]:
        """The services that have left or do not respond, with since when (ns since 1970)."""

    @property
    @abstractmethod
    def trouble(self) -> Trouble | None:
        """What is wrong, if anything."""

    @property
    def last_value_ns(self) -> int | None:
        """The stamp of the latest value."""
        return self._values.last_value_ns

    @property
    def no_values(self) -> Mapping[NoValue, int]:
        """How many messages were no values, by reason."""
        return self._values.no_values

    @property
    def notified(self) -> bool:
        """Whether its values are notifications, and not answers to requests."""
        return self.battery.mode == "notify"

    @property
    def connected(self) -> bool:
        """Whether it is logged in to the broker."""
        return self._broker.state is State.OPEN

    @property
    def reconnects(self) -> int:
        """How often it has logged in to the broker, without the first time."""
        return max(0, self._broker.logins - 1)

    # Actions of the main loop

    def step(self, now: Now, *, readable: bool = False, writable: bool = False) -> None:
        """Do everything that can be done now without waiting."""
        self._broker.step(now.mono, readable=readable, writable=writable)
        connection = self._broker.connection
        if connection is None:
            return
        self._process(connection, now)
        if self._broker.check(now.mono):
            if connection is not self._begun:
                self._begun, self._stage = connection, State.DISCOVERING
                self._begin(connection, now)
            self._send_requests(connection, now)

    @property
    def has_readings(self) -> bool:
        """Whether there are values since the last take."""
        return bool(self._values.rows)

    def pop_readings(self) -> list[Reading]:
        """Return the values since the last call."""
        readings = self._values.readings
        self._values.pop_rows()
        return readings

    def pop_rows(self) -> list[Row]:
        """Return the same as rows, which takes less time."""
        return self._values.pop_rows()

    def same_except_intervals(self, battery: Battery) -> bool:
        """Return whether `battery` differs only in the intervals, so `reschedule` is enough."""
        own = self.battery
        return own == battery._replace(interval=own.interval, soc_interval=own.soc_interval)

    def reschedule(self, battery: Battery) -> None:
        """Continue with the intervals of `battery`; the connection stays."""
        if battery != self.battery:
            self.battery = battery
            self._go_on_with(battery)

    @abstractmethod
    def rescan(self) -> None:
        """A user has reloaded the daemon: search for services again."""

    @abstractmethod
    def stalled(self, seconds: float) -> None:
        """This machine has stood still for `seconds`, which is no silence of a device."""

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by `step_ns` ns since the last step."""
        self._values.clock_set(step_ns)

    def stop_requests(self) -> None:
        """Process what arrives, and send no more requests."""
        self._stopping = True

    @abstractmethod
    def expects_answer(self, since: float) -> bool:
        """Return whether an answer to a request since then (monotonic s) is still expected."""

    def close(self) -> None:
        """Disconnect from the broker, or stop connecting."""
        self._broker.close()

    # What a device and a fleet do differently

    @abstractmethod
    def _process(self, connection: Connection, now: Now) -> None:
        """Process the messages that have arrived."""

    @abstractmethod
    def _begin(self, connection: Connection, now: Now) -> None:
        """Begin on a new connection."""

    @abstractmethod
    def _send_requests(self, connection: Connection, now: Now) -> None:
        """Send the requests that are due."""

    @abstractmethod
    def _go_on_with(self, battery: Battery) -> None:
        """The intervals are those of `battery` from now on."""
