"""The fast path of an ordinary value: known topic, expected, a number, its service responds.

Nearly every message is an ordinary value. The result is the same as on the long way (device.py:
presence.message, then intake.take) in a third of the time: the topic is looked up unparsed, and a
record has everything that is the same for all messages of a topic. All other messages are handed
back for the long way, in order. The tests compare the two ways.

Ordinary means, in the terms of fields.py: polled, the state ASKED, within ANSWER_WITHIN; by
notifications, the state IDLE without a held message. Also, no discovery is running, no probe of the
service is open, and nothing stood still.

What only the latest value of a topic is needed for is noted at the end, or before a message goes
the long way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from bat2influx.clock import Now
from bat2influx.device.discovery import Discovery
from bat2influx.device.intake import Intake
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

    def process(self, packets: Iterable[Packet], plan: Plan | None, now: Now) -> Iterator[Packet]:
        """Process those of `packets` that are ordinary, and yield the others, in order."""
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
