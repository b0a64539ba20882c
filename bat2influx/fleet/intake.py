"""The values of a fleet's devices: decoded and stamped.

Like device/intake.py for one device by notifications, with two differences. A message needs one
look-up in one dictionary, by its unparsed topic. And if the work is shared, every value is stored:
between two equal values here, another daemon may have received a different one.

No socket, no clock: times are passed in. A device has at most SERIES_OF_ONE topics; all devices
together have as many as fit into `Memory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bat2influx.device.intake import BaseIntake
from bat2influx.fleet.keepalive import Pulse
from bat2influx.fleet.memory import Memory
from bat2influx.fleet.plan import WantedTopic
from bat2influx.mqtt.publishes import Packet
from bat2influx.reading import Origin
from bat2influx.venus.protocol import NoValue, decode

SERIES_OF_ONE = 1_000


class TopicSeries:
    """What the values of a topic are stored as, and the latest value; `key` is for its stamps.

    `more` are further fields of the same topic; nearly no topic has any.
    """

    __slots__ = ("field", "key", "more", "origin", "pulse", "stamp", "tick", "value")

    def __init__(self, key: bytes, field: str, origin: Origin, pulse: Pulse) -> None:
        self.key = key
        self.field = field
        self.origin = origin
        self.pulse = pulse
        self.more: tuple[TopicSeries, ...] = ()
        self.value = 0.0
        self.tick = -1  # of the latest value
        self.stamp = -1  # the latest stamp by arrival


class FleetIntake(BaseIntake):
    """The values of a fleet, and counts of its messages that are no values."""

    def __init__(
        self, site: str, memory: Memory, *, by_tick: bool, shared: bool, prefix: str = ""
    ) -> None:
        """`site` is the name of the section; `memory` counts the bytes kept for each device.

        `prefix` is what a bridge has put before all topics.
        """
        super().__init__(site, by_tick=by_tick)
        self.known: dict[bytes, TopicSeries] = {}  # by topic, with the prefix
        self._memory = memory
        self._prefix = prefix
        self._topics: dict[str, list[bytes]] = {}  # by portal id
        self._by_tick = by_tick
        self._shared = shared
        self._tick = 0
        self._pending: dict[TopicSeries, float] = {}  # to be stored at the next tick

    def learn(self, topic: str, wanted: WantedTopic, pulse: Pulse) -> TopicSeries | None:
        """Add a topic that has arrived for the first time, of the device with this pulse.

        Returns None if there is no room for it.
        """
        portal, (first, *others) = wanted.origin.portal, wanted.fields
        topics = self._topics.setdefault(portal, [])
        if len(topics) >= SERIES_OF_ONE:
            return None
        if not self._memory.reserve_series(portal, topic, 1 + len(others)):
            return None
        name = f"{self._prefix}{topic}".encode()
        topics.append(name)
        series = self.known[name] = TopicSeries(name, first, wanted.origin, pulse)
        series.more = tuple(
            TopicSeries(b"%b %b" % (name, field.encode()), field, wanted.origin, pulse)
            for field in others
        )
        return series

    def forget(self, portal: str) -> None:
        """A device no longer exists."""
        for topic in self._topics.pop(portal, ()):
            series = self.known.pop(topic)
            for each in (series, *series.more):
                self._pending.pop(each, None)
                self._stamper.forget(each.key)

    def begin_tick(self, start_ns: int) -> None:
        """The tick for `start_ns` (wall clock) has begun."""
        self._stamper.begin_tick(start_ns)
        self._tick += 1
        pending, self._pending = self._pending, {}
        for series, value in pending.items():
            time_ns = self._stamper.stamp(series.key, start_ns)
            if time_ns is not None:
                self._add(series, value, time_ns)

    def process_known(
        self, packets: Iterable[Packet], received_at: float, distance: int
    ) -> Iterator[Packet]:
        """Process messages of known topics, and yield the others, in order.

        Their devices count as heard at `received_at` (monotonic s). `distance` is from the clock of
        packets to the wall clock. An ordinary value is processed here, with the result of `process`
        and without its calls, which take half of the time.
        """
        known, append = self.known.get, self.rows.append
        by_tick, tick = self._by_tick, self._tick
        for packet in packets:
            topic, payload, retain, arrival = packet
            series = known(topic)
            if series is None or retain:
                yield packet
                continue
            series.pulse.received_at = received_at
            value = decode(payload)
            arrival_ns = arrival + distance
            again = series.tick == tick and series.value == value
            if again or series.more or by_tick or isinstance(value, NoValue):
                self.process(series, value, arrival_ns)
                continue
            series.value, series.tick = value, tick
            series.stamp = time_ns = arrival_ns if arrival_ns != series.stamp else arrival_ns + 1
            append((series, value, time_ns))
        if self.rows:
            self.last_value_ns = self.rows[-1][2]

    def process(self, series: TopicSeries, value: float | NoValue, arrival_ns: int) -> None:
        """Process what a message of a known topic contains; `arrival_ns` is the wall clock."""
        if isinstance(value, NoValue):
            self.no_values[value] += 1
            for each in (series, *series.more):
                each.tick = -1
                self._pending.pop(each, None)
        elif self._by_tick:
            self._pending.update(dict.fromkeys((series, *series.more), value))
        elif series.value == value and series.tick == self._tick and not self._shared:
            self.no_values[NoValue.REPEATED] += 1
        else:
            series.value, series.tick = value, self._tick
            time_ns = arrival_ns if arrival_ns != series.stamp else arrival_ns + 1
            series.stamp = time_ns
            self._add(series, value, time_ns)
            for each in series.more:
                self._add(each, value, time_ns)
