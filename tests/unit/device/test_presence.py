"""Fields and services together: the meaning of messages, what is absent, since when (W = 120 s)."""

from __future__ import annotations

import pytest

from bat2influx.clock import Now
from bat2influx.device.fields import HOLD, Meaning
from bat2influx.device.plan import Plan
from bat2influx.device.presence import Presence
from bat2influx.device.services import ServiceState
from bat2influx.mqtt.connection import Message
from bat2influx.reading import NS
from bat2influx.venus.protocol import Field, parse_field

W, START = 120.0, 1_767_225_610 * NS
P = "c0619ab1c2d3"
VEBUS, PV, SYSTEM = ("vebus", 275), ("solarcharger", 288), ("system", 0)
FIELDS = [
    parse_field("Voltage", "vebus/Dc/0/Voltage"),
    parse_field("Soc", "vebus/Soc"),
    Field("Pv", "solarcharger", 288, "Yield/Power", optional=True),
    Field("State", "solarcharger", 288, "State", optional=True),
    parse_field("Grid", "system/Ac/Grid/L1/Power"),
]
LEAVES = ["vebus/275/Dc/0/Voltage", "vebus/275/Soc"]
PV_LEAVES = ["solarcharger/288/Yield/Power", "solarcharger/288/State"]
GRID = "system/0/Ac/Grid/L1/Power"


class Side:
    """The presence of a device's services, in a time that passes by the second."""

    def __init__(self, *, notified: bool = False) -> None:
        self.plan = Plan(P, FIELDS, {"vebus": (275,)}, present={*PV_LEAVES})
        self.presence = Presence(W, notified=notified)
        self.seconds = 0.0
        self.presence.begin(self.plan, self.now)
        self.notified = notified
        if notified:
            self.presence.expect(self.plan.requests, 0.0)

    @property
    def now(self) -> Now:
        """The clocks."""
        ns = round(self.seconds * NS)
        return Now(START + ns, self.seconds, ns)

    def say(self, *leaves: str, payload: bytes = b"{}") -> list[Meaning]:
        """Deliver these messages; return what they mean."""
        return [
            self.presence.message(Message(f"N/{P}/{leaf}", payload, False, 0), self.now)
            for leaf in leaves
        ]

    def republish(self, *leaves: str) -> int:
        """Deliver these in a full republish; return how many were instead of values."""
        self.say(*leaves)
        return self.presence.republished()

    def go_on(self, seconds: int, *leaves: str) -> list[str]:
        """Send requests every second, with answers for these; return the probes."""
        probed = []
        for _ in range(seconds):
            self.seconds += 1.0
            self.presence.release(self.now, tick=not self.notified)
            if not self.notified:
                self.presence.due_requests(self.plan.requests, self.seconds)
            probed += [
                each.removeprefix(f"N/{P}/") for each in self.presence.due_probes(self.seconds)
            ]
            self.say(*leaves)
            self.presence.check(self.now)
        return probed

    def state(self, place: tuple[str, int]) -> tuple[ServiceState, float]:
        """Return the state of a service, and since when (s)."""
        service = self.presence.services[place]
        return service.state, (service.since_ns - START) / NS


@pytest.mark.parametrize("notified", [False, True])
def test_a_farewell_on_one_topic_is_one_of_the_whole_service(notified: bool) -> None:
    """It is no answer, and takes effect at once; other services do not change."""
    side = Side(notified=notified)
    side.go_on(5, *LEAVES, *PV_LEAVES, GRID)
    side.presence.changed = False
    side.seconds += 0.3
    assert side.say(LEAVES[0], payload=b"") == [Meaning.FAREWELL]
    assert side.presence.changed
    assert side.presence.absent() == [VEBUS]
    assert side.state(VEBUS) == (ServiceState.LEFT, 5.3)
    assert {*side.presence.unanswered(side.seconds)} == {f"N/{P}/{leaf}" for leaf in LEAVES}
    side.go_on(40, *PV_LEAVES, GRID)
    assert side.state(VEBUS) == (ServiceState.LEFT, 5.3)


@pytest.mark.parametrize(
    ("notified", "meaning", "state"),
    [
        (False, Meaning.EXTRA, ServiceState.RETURNING),
        (True, Meaning.VALUE, ServiceState.ANSWERING),
    ],
)
def test_a_value_after_a_farewell_is_a_return(
    notified: bool, meaning: Meaning, state: ServiceState
) -> None:
    """Polled, everything is requested at the next tick; by notifications it is a value."""
    side = Side(notified=notified)
    side.go_on(5, *LEAVES)
    side.say(*LEAVES, payload=b"")
    side.seconds += 40.0
    assert side.say(LEAVES[0]) == [meaning]
    assert side.state(VEBUS) == (state, 45.0)
    assert side.presence.absent() == []
    assert side.presence.pop_returned()
    side.go_on(1, *LEAVES)
    assert side.state(VEBUS)[0] is ServiceState.ANSWERING


def test_polled_a_service_that_hangs_does_not_respond_after_w_8() -> None:
    """Its first answer ends that, and a value from the cache does not."""
    side = Side()
    side.go_on(5, *LEAVES, GRID)
    side.go_on(15, GRID)
    assert VEBUS not in side.presence.absent()
    side.go_on(1, GRID)
    assert side.state(VEBUS) == (ServiceState.NOT_RESPONDING, 5.0)  # the time of its latest answer
    assert side.republish(*LEAVES, GRID) == 2
    side.go_on(30, GRID)
    assert side.state(VEBUS) == (ServiceState.NOT_RESPONDING, 5.0)
    side.go_on(2, *LEAVES, GRID)
    assert side.state(VEBUS) == (ServiceState.ANSWERING, 53.0)


def test_polled_no_republish_hides_that_a_service_hangs() -> None:
    """Even if one comes every few seconds: none of its values counts."""
    side = Side()
    side.go_on(5, *LEAVES, *PV_LEAVES, GRID)
    meanings = []
    for _ in range(20):
        side.go_on(1, *PV_LEAVES, GRID)
        side.seconds += 0.4
        meanings += side.say(*LEAVES)
        side.presence.republished()
        side.seconds -= 0.4
    assert {*meanings} == {Meaning.HELD}
    assert side.presence.absent() == [VEBUS]


def test_notified_a_service_that_hangs_does_not_respond_after_probes() -> None:
    """It is read W/24 after its last change, and detected W/8 later; a republish proves nothing."""
    side = Side(notified=True)
    side.say(*LEAVES, *PV_LEAVES, GRID)
    side.go_on(3, *LEAVES, *PV_LEAVES, GRID)
    (first,) = side.go_on(5, *PV_LEAVES, GRID)
    assert side.say(LEAVES[1]) == [Meaning.HELD]
    side.presence.republished()
    again = side.go_on(14, *PV_LEAVES, GRID)
    assert next(each for each in again if each in LEAVES) in {*LEAVES} - {first}
    assert side.presence.absent() == []
    side.go_on(1, *PV_LEAVES, GRID)
    assert side.state(VEBUS) == (ServiceState.NOT_RESPONDING, 3.0)
    side.say(LEAVES[1])
    side.seconds += HOLD
    assert len(side.presence.release(side.now)) == 1
    assert side.presence.absent() == []


def test_notified_a_service_whose_values_rest_answers_its_probe() -> None:
    """It is read every W/24, and nothing is wrong."""
    side = Side(notified=True)
    side.say(*LEAVES, *PV_LEAVES, GRID)
    for _ in range(5):
        (probed,) = side.go_on(6, *PV_LEAVES, GRID)
        assert probed in LEAVES
        assert side.say(probed) == [Meaning.HELD]
        side.seconds += HOLD
        assert len(side.presence.release(side.now)) == 1
        side.seconds -= HOLD
    assert side.presence.absent() == []


def test_notified_a_change_beside_no_doubt_is_a_value_at_once() -> None:
    """Also several in a second."""
    side = Side(notified=True)
    assert {*side.say(*LEAVES, *LEAVES)} == {Meaning.VALUE}


def test_messages_before_reading_begins_are_no_values() -> None:
    """The broker's confirmation and the first notifications arrive together."""
    early = Presence(W, notified=True)
    message = Message(f"N/{P}/{GRID}", b"{}", False, 0)
    assert early.message(message, Side().now) is Meaning.EXTRA
    assert early.message(message._replace(payload=b""), Side().now) is Meaning.EXTRA


def test_the_absence_of_an_optional_service_is_known() -> None:
    """All of its paths count if none is required."""
    side = Side()
    side.go_on(5, *LEAVES, *PV_LEAVES, GRID)
    side.go_on(16, *LEAVES, GRID)
    assert side.presence.absent() == [PV]


def test_found_a_removed_path_made_its_service_hang_at_a_long_interval() -> None:
    """At 30 s, all the others had their latest message at their latest request, with that path."""
    side = Side()
    side.go_on(1, *LEAVES, *PV_LEAVES, GRID)
    for _ in range(4):
        side.presence.release(side.now, tick=True)
        side.presence.due_requests(side.plan.requests, side.seconds)
        side.seconds += 0.002
        side.say(LEAVES[0], *PV_LEAVES, GRID)
        for _ in range(30):
            side.seconds += 1.0
            side.presence.check(side.now)
            assert side.presence.absent() == []
    assert side.presence.unanswered(side.seconds) == [f"N/{P}/{LEAVES[1]}"]


def test_found_a_removed_path_made_its_service_hang_at_a_new_connection() -> None:
    """It is unanswered from before, and the first answers are still expected."""
    side = Side()
    side.go_on(3, *LEAVES, *PV_LEAVES, GRID)
    side.go_on(30, LEAVES[0], *PV_LEAVES, GRID)
    side.seconds += 60.0
    side.presence.begin(side.plan, side.now)
    side.presence.check(side.now)
    side.presence.due_requests(side.plan.requests, side.seconds)
    side.presence.check(side.now)
    assert side.presence.absent() == []
    side.go_on(30, LEAVES[0], *PV_LEAVES, GRID)
    assert side.presence.absent() == []


def test_the_paths_of_system_are_wrong_and_it_is_not_absent() -> None:
    """Unless it has answered before."""
    side = Side()
    side.go_on(20, *LEAVES, *PV_LEAVES)
    assert side.presence.absent() == []
    assert side.presence.never_answered(side.seconds) == {f"N/{P}/{GRID}"}
    side.go_on(3, *LEAVES, *PV_LEAVES, GRID)
    side.go_on(20, *LEAVES, *PV_LEAVES)
    assert side.presence.absent() == []
    assert [*side.presence.unanswered(side.seconds)] == [f"N/{P}/{GRID}"]


def test_a_system_that_hangs_is_absent() -> None:
    """As a whole, if several of its paths are read."""
    side = Side()
    side.plan = Plan(P, [*FIELDS, parse_field("Pv2", "system/Dc/Pv/Power")], {"vebus": (275,)})
    side.presence.begin(side.plan, side.now)
    side.go_on(3, *LEAVES, GRID, "system/0/Dc/Pv/Power")
    side.go_on(20, *LEAVES)
    assert side.presence.absent() == [SYSTEM]


def test_a_new_connection_keeps_who_was_absent_and_since_when() -> None:
    """It is requested at once, and its answer ends that."""
    side = Side()
    side.go_on(5, *LEAVES, GRID)
    side.say(LEAVES[0], payload=b"")
    side.go_on(10, GRID)
    side.presence.begin(side.plan, side.now)
    assert side.state(VEBUS) == (ServiceState.LEFT, 5.0)
    side.go_on(2, *LEAVES, GRID)
    assert side.state(VEBUS)[0] is ServiceState.ANSWERING


def test_after_a_standstill_of_this_machine_no_service_is_missing() -> None:
    """Polled or not: messages of that time are yet to arrive."""
    for side in (Side(), Side(notified=True)):
        side.go_on(5, *LEAVES, *PV_LEAVES, GRID)
        side.presence.stalled(100.0)
        side.seconds += 100.0
        side.presence.check(side.now)
        assert side.presence.absent() == []
        assert {*side.say(LEAVES[0])} <= {Meaning.HELD, Meaning.EXTRA}
