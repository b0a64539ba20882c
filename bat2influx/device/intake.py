"""The values of a device's fields: decoded and stamped.

Polled, a field has one value per tick; presence.py decides which message that is. By notifications
each new value counts; the same value of a field again within a tick does not. With one row per
tick, a notification counts at the next tick, so that the rows are the same as those of polling.

No socket, no clock: times are passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bat2influx.clock import Now
from bat2influx.config.settings import Battery
from bat2influx.device.plan import Plan
from bat2influx.device.problems import Problems
from bat2influx.mqtt.connection import Message
from bat2influx.reading import Reading, Row, Stamper, Stored
from bat2influx.venus import protocol
from bat2influx.venus.protocol import NoValue


class BaseIntake:
    """Values, and counts of messages that are no values: of a device, or of a fleet."""

    def __init__(self, site: str, *, by_tick: bool) -> None:
        """`site` is the name of the section, '' for `[Battery]`."""
        self.rows: list[Row] = []  # the values since the last pop_rows
        self.last_value_ns: int | None = None  # the stamp of the latest value
        self.no_values: Counter[NoValue] = Counter()
        self._site = site
        self._stamper = Stamper(by_tick=by_tick)

    @property
    def readings(self) -> list[Reading]:
        """The values since the last `pop_rows`."""
        return [
            Reading(time_ns, self._site, stored.field, value, stored.origin)
            for stored, value, time_ns in self.rows
        ]

    def pop_rows(self) -> list[Row]:
        """Return the values since the last call."""
        taken, self.rows = self.rows, []
        return taken

    def clock_set(self, step_ns: int) -> None:
        """The wall clock was set by `step_ns` ns."""
        self._stamper.clock_set(step_ns)

    def count(self, reason: NoValue, messages: int = 1) -> None:
        """Count messages that were no values, for this reason."""
        if messages:
            self.no_values[reason] += messages

    def _add(self, stored: Stored, value: float, time_ns: int) -> None:
        self.last_value_ns = time_ns
        self.rows.append((stored, value, time_ns))


class OpenSeries:
    """The latest value of a series while a read is processed; see fast_path.py.

    `value` is its value in this tick, None without one; `time_ns` its latest stamp. `topic` is that
    of its values, and `arrival` when the latest came, by the clock of packets; `more` is the next
    series of the same topic.
    """

    __slots__ = ("arrival", "label", "more", "stored", "time_ns", "topic", "value")

    def __init__(self, topic: str, label: str, stored: Stored, more: OpenSeries | None) -> None:
        self.topic = topic
        self.label = label
        self.stored = stored
        self.more = more
        self.value: float | None = None
        self.time_ns = -1
        self.arrival: int | None = None


class Intake(BaseIntake):
    """The values of one device, and counts of its messages that are no values."""

    def __init__(self, battery: Battery, problems: Problems, *, by_tick: bool) -> None:
        super().__init__(battery.name, by_tick=by_tick)
        self.latest: dict[str, float] = {}  # by label, as in the plan
        self._notified = battery.mode == "notify"
        self._at_tick = self._notified and by_tick  # whether values are stored at the next tick
        self._problems = problems
        self._in_tick: dict[str, float] = {}  # notified values by label: stored in this tick, or
        # to be stored at the next one

    def begin_tick(self, start_ns: int, plan: Plan) -> None:
        """The tick for `start_ns` (wall clock) has begun, and its requests are sent."""
        self._stamper.begin_tick(start_ns)
        in_tick, self._in_tick = self._in_tick, {}
        if self._at_tick:
            for label, value in in_tick.items():
                self._store(plan, label, value, start_ns)

    def process(self, plan: Plan, message: Message, now: Now) -> None:
        """Process a message on one of the plan's topics: a value, or that there is none."""
        topic = message.topic
        value = protocol.decode(message.payload)
        if isinstance(value, NoValue):
            self.no_values[value] += 1
            self._problems.void(topic, value, now.mono)
            self.forget(plan.fields[topic])
            return
        self._problems.filled(topic)
        self.process_value(plan, plan.fields[topic], value, message.arrival + now.distance)

    def process_value(
        self, plan: Plan, labels: Iterable[str], value: float, arrival_ns: int
    ) -> None:
        """Process a value for these labels; `arrival_ns` is the wall clock."""
        in_tick = self._in_tick
        for label in labels:
            if self._at_tick:
                in_tick[label] = self.latest[label] = value
            elif self._notified and in_tick.get(label) == value:
                self.no_values[NoValue.REPEATED] += 1
            else:
                in_tick[label] = value
                self._store(plan, label, value, arrival_ns)

    @property
    def at_arrival(self) -> bool:
        """Whether changes are stored when they arrive, so that series can be opened."""
        return self._notified and not self._at_tick

    def open(self, plan: Plan, topic: str, labels: Sequence[str]) -> OpenSeries:
        """Return the series of a topic: the caller adds rows, and must call `close` afterwards."""
        first = None
        for label in reversed(labels):
            first = OpenSeries(topic, label, plan.series[label], first)
            first.value, first.time_ns = self._in_tick.get(label), self._stamper.latest(label)
        assert first is not None  # each topic of a plan has labels
        return first

    def close(self, opened: Iterable[OpenSeries], repeated: int) -> None:
        """Take over what has become of opened series; `repeated` values were not stored."""
        self.count(NoValue.REPEATED, repeated)
        if self.rows:
            self.last_value_ns = self.rows[-1][2]
        for first in opened:
            series: OpenSeries | None = first
            while series:
                if series.value is not None:
                    self._in_tick[series.label] = self.latest[series.label] = series.value
                    self._stamper.note(series.label, series.time_ns)
                series = series.more

    def forget(self, labels: Iterable[str]) -> None:
        """These labels have no value any more."""
        for label in labels:
            self.latest.pop(label, None)
            self._in_tick.pop(label, None)

    def _store(self, plan: Plan, label: str, value: float, arrival_ns: int) -> None:
        series = plan.series.get(label)  # None: queued for a tick, but of an earlier plan
        time_ns = self._stamper.stamp(label, arrival_ns) if series else None
        if series is None or time_ns is None:
            self.no_values[NoValue.NO_TICK] += 1
            return
        self.latest[label] = value
        self._add(series, value, time_ns)
