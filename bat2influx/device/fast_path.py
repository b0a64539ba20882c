"""The fast path of an ordinary value: known topic, expected, a number, its service responds.

Nearly every message is an ordinary value. The result is the same as on the long way (device.py:
presence.message, then intake.process) in a fraction of the time: the topic is looked up unparsed,
and a record has everything that is the same for all messages of a topic. All other messages are
handed back for the long way, in order. The tests compare the two ways.

Ordinary means, in the terms of fields.py: polled, the state ASKED, within ANSWER_WITHIN; by
notifications, the state IDLE without a held message. Also, no discovery is running, no probe of the
service is open, and nothing stood still.

By notifications an ordinary value leaves the state as it is. So the state is checked for the first
value of a topic in a read, and the others are stored in one loop without calls: a flood consists of
such values.

What only the latest value of a topic is needed for is noted at the end, or before a message goes
the long way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bat2influx.clock import Now
from bat2influx.device.discovery import Discovery
from bat2influx.device.intake import Intake, OpenSeries
from bat2influx.device.plan import Plan
from bat2influx.device.presence import Presence
from bat2influx.device.problems import Problems
from bat2influx.device.services import Place, Service, ServiceState
from bat2influx.device.standstill import Standstill
from bat2influx.mqtt.publishes import Packet
from bat2influx.reading import NS
from bat2influx.venus.protocol import decode

_ANSWERING = ServiceState.ANSWERING


class _Record:
    """What is the same for all messages of a topic."""

    __slots__ = ("labels", "place", "service", "topic")

    def __init__(self, topic: str, labels: tuple[str, ...], place: Place, service: Service) -> None:
        self.topic = topic
        self.labels = labels
        self.place = place
        self.service = service


class FastPath:
    """The fast path of one device's values; `prefix` is what a bridge puts in front of topics."""

    def __init__(
        self,
        presence: Presence,
        discovery: Discovery,
        problems: Problems,
        intake: Intake,
        standstill: Standstill,
        *,
        prefix: str,
    ) -> None:
        self.taken = 0  # messages processed so far
        self._presence = presence
        self._discovery = discovery
        self._problems = problems
        self._intake = intake
        self._standstill = standstill
        self._prefix = prefix
        self._plan: Plan | None = None
        self._records: dict[bytes, _Record] = {}  # by topic, with the prefix

    def process(self, packets: Sequence[Packet], plan: Plan | None, now: Now) -> Iterator[Packet]:
        """Process those of `packets` that are ordinary, and yield the others, in order."""
        if self._intake.at_arrival:
            return self._process_changes(packets, plan, now)
        return self._process_answers(packets, plan, now)

    def _process_changes(
        self, packets: Sequence[Packet], plan: Plan | None, now: Now
    ) -> Iterator[Packet]:
        """Do so by notifications that are stored when they arrive."""
        distance, append = now.distance, self._intake.rows.append
        latest = now.boot_ns + (self._standstill.latest(now.mono) - now.mono) * NS
        opened: dict[bytes, OpenSeries] = {}  # in this read, by topic
        repeated = handed_back = 0
        known, probed = self._begin(plan)
        for packet in packets:
            topic, payload, retain, arrival = packet
            series = opened.get(topic)
            if series is None and plan and (record := known.get(topic)):
                series = self._open(record, plan, probed)
                if series:
                    opened[topic] = series
            if series and arrival < latest and not retain:
                value = decode(payload)
                if isinstance(value, float):
                    series.arrival = arrival
                    while series:
                        if value == series.value:
                            repeated += 1
                        else:
                            time_ns = arrival + distance
                            if time_ns == series.time_ns:
                                time_ns += 1
                            series.value, series.time_ns = value, time_ns
                            append((series.stored, value, time_ns))
                        series = series.more
                    continue
            self._close(opened, repeated, now)
            repeated = 0
            handed_back += 1
            yield packet
            known, probed = self._begin(plan)
        self._close(opened, repeated, now)
        self.taken += len(packets) - handed_back

    def _open(self, record: _Record, plan: Plan, probed: Collection[Place]) -> OpenSeries | None:
        """Return the series of a topic, if its values are ordinary ones now."""
        if record.service.state is not _ANSWERING or record.place in probed:
            return None
        if not self._presence.accepts_changes(record.topic):
            return None
        return self._intake.open(plan, record.topic, record.labels)

    def _close(self, opened: dict[bytes, OpenSeries], repeated: int, now: Now) -> None:
        """Note the latest values of `opened`, and empty it."""
        self._note(
            {
                series.topic: now.mono + (series.arrival - now.boot_ns) / NS
                for series in opened.values()
                if series.arrival is not None
            }
        )
        self._intake.close(opened.values(), repeated)
        opened.clear()

    def _process_answers(
        self, packets: Sequence[Packet], plan: Plan | None, now: Now
    ) -> Iterator[Packet]:
        """Do so with answers to requests, and with notifications that are stored at a tick."""
        received_at: dict[str, float] = {}  # when the latest value of a topic arrived
        mono, boot_ns, distance = now.mono, now.boot_ns, now.distance
        latest, accept_value = self._standstill.latest(mono), self._presence.accept_value
        process_value = self._intake.process_value
        known, probed = self._begin(plan)
        for packet in packets:
            topic, payload, retain, arrival = packet
            record = known.get(topic)
            if plan and record and not retain and record.service.state is _ANSWERING:
                value, at = decode(payload), mono + (arrival - boot_ns) / NS
                certain = at <= latest and not (probed and record.place in probed)
                if certain and isinstance(value, float) and accept_value(record.topic, at):
                    received_at[record.topic] = at
                    self.taken += 1
                    process_value(plan, record.labels, value, arrival + distance)
                    continue
            self._note(received_at)
            yield packet
            known, probed = self._begin(plan)
        self._note(received_at)

    def _begin(self, plan: Plan | None) -> tuple[dict[bytes, _Record], Collection[Place]]:
        """Return the records of `plan`, and the services that are doubted now.

        Both are empty while messages may mean more than a value.
        """
        presence = self._presence
        if plan is None or not presence.uses_plan(plan) or not self._discovery.at_rest:
            return {}, ()
        if plan is not self._plan:
            self._plan = plan
            self._records = {
                f"{self._prefix}{topic}".encode(): _Record(
                    topic, plan.fields[topic], place, presence.services[place]
                )
                for place, topics in plan.places.items()
                for topic in topics
            }
        return self._records, presence.probed

    def _note(self, received_at: dict[str, float]) -> None:
        """Note when the latest values of topics arrived (monotonic s), and empty `received_at`."""
        if received_at:
            self._presence.values_received(received_at)
            for topic in received_at:
                self._problems.filled(topic)
            received_at.clear()
