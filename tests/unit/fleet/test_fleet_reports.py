"""The reports of a fleet, and when it treats its connection as dead (W = 120 s)."""

from __future__ import annotations

import pytest

from bat2influx.failure import Trouble
from bat2influx.mqtt.reconnect import State
from tests.unit.device.test_source import LOST, at
from tests.unit.fleet.fleet_by_hand import (
    FILE,
    LOAD_LEAF,
    SERIAL,
    SOC_LEAF,
    VALUE,
    A,
    B,
    C,
    Make,
    SteppedFleet,
)

REFUSED = Trouble("publish refused", "the broker takes no keepalive")
UNHEARD = "does not allow 'u' to read R/+/keepalive"


def until(fleet: SteppedFleet, cause: str, *leaves: str, most: int = 200) -> float:
    """Step until this is the cause of the trouble; return when it was."""
    for _ in range(most):
        if fleet.cause == cause:
            return fleet.seconds
        fleet.go_on(1, *leaves)
    raise AssertionError(f"{fleet.cause!r}, not {cause!r}")


def lose(fleet: SteppedFleet) -> None:
    """End the connection, and begin another one."""
    lines = len(fleet.broker.lines)
    fleet.broker.line.trouble = LOST
    fleet.go_on(2)
    assert len(fleet.broker.lines) == lines + 1
    assert fleet.fleet.state is State.POLLING


# Troubles


def test_of_a_healthy_fleet_nothing_is_wrong(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """And only the start of reading is logged."""
    fleet = make()
    fleet.go_on(3, SOC_LEAF)
    for _ in range(200):
        fleet.hear(f"R/{A}/keepalive")
        fleet.go_on(1, SOC_LEAF)
        assert fleet.fleet.trouble is None
    assert len(caplog.records) == 1


def test_no_device_is_reported_w_8_after_the_subscriptions(make: Make) -> None:
    """Not after the login, when no device can be known; a device ends it at the next look."""
    fleet = make(confirms=False)
    fleet.go_on(10)
    fleet.broker.line.confirm()
    assert until(fleet, "portal") == 26.5
    fleet.go_on(1, "heartbeat")
    assert fleet.cause == "portal"
    assert until(fleet, "", "heartbeat") == 31.5


def test_no_value_is_reported_after_w_2_of_each_connection(make: Make) -> None:
    """A value on the earlier connection does not count on this one."""
    fleet = make()
    assert until(fleet, "fleet: no values", "heartbeat") == 60.5
    fleet.go_on(1, SOC_LEAF)
    assert until(fleet, "", "heartbeat") == 65.5
    fleet.go_on(100, "heartbeat")
    assert not fleet.cause
    lose(fleet)
    begun = fleet.seconds
    assert begun + 60 <= until(fleet, "fleet: no values", "heartbeat") <= begun + 65


@pytest.mark.parametrize(("speaks", "cause"), [(8, ""), (9, "fleet: no values")])
def test_no_value_is_reported_only_if_a_device_responded_in_the_last_w_8(
    make: Make, speaks: int, cause: str
) -> None:
    """A repeated retained message does not count."""
    fleet = make()
    fleet.go_on(37)
    fleet.go_on(speaks, "heartbeat")
    fleet.go_on(60 - 37 - speaks, SERIAL)
    assert fleet.seconds == 60.5
    assert fleet.cause == cause


def test_a_refused_keepalive_is_a_trouble_until_the_next_connection_takes_it(make: Make) -> None:
    """It is reported at the next look, in the words of the broker."""
    fleet = make()
    fleet.go_on(5, SOC_LEAF)
    fleet.broker.line.declined[0] = REFUSED
    assert until(fleet, REFUSED.cause, SOC_LEAF) == 10.5
    assert fleet.fleet.trouble == REFUSED
    fleet.go_on(100, SOC_LEAF)
    assert fleet.cause == REFUSED.cause
    lose(fleet)
    begun = fleet.seconds
    assert begun + 15 <= until(fleet, "", SOC_LEAF) <= begun + 25


def test_the_connection_is_the_first_of_several_troubles(make: Make) -> None:
    """It lasts until the subscriptions are confirmed; then the other is shown again."""
    fleet = make()
    until(fleet, "portal")
    fleet.broker.unreachable = fleet.broker.line.trouble = LOST
    fleet.go_on(3)
    assert (fleet.cause, fleet.fleet.state) == (LOST.cause, State.WAITING)
    fleet.broker.unreachable, fleet.broker.confirms = None, False
    fleet.go_on(10)
    assert (fleet.cause, fleet.fleet.state) == (LOST.cause, State.DISCOVERING)
    fleet.broker.line.confirm()
    fleet.step(1.0)
    assert (fleet.cause, fleet.fleet.state) == ("portal", State.POLLING)


# Keepalives that are not delivered


def until_unheard(fleet: SteppedFleet, log: pytest.LogCaptureFixture, *leaves: str) -> float:
    """Step until missing keepalives are reported; return when that was."""
    before = log.text.count(UNHEARD)
    for _ in range(100):
        fleet.go_on(1, *leaves)
        if log.text.count(UNHEARD) > before:
            return fleet.seconds
    return 0.0


def test_keepalives_that_are_not_delivered_are_reported_w_8_after_the_first(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """However many are sent later; it is no trouble."""
    fleet = make()
    fleet.go_on(2)
    fleet.sign(A)
    fleet.go_on(10, SOC_LEAF)
    fleet.sign(B)
    assert until_unheard(fleet, caplog, SOC_LEAF) == 25.5
    assert [what for _, what in fleet.asked if what.startswith("full")] == [
        f"full {A}",
        f"full {B}",
    ]
    assert not fleet.cause


def test_where_no_keepalive_was_sent_none_is_missed(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """For example in a fleet without devices."""
    assert until_unheard(make(), caplog) == 0.0


def test_a_refused_subscription_to_keepalives_is_reported_at_the_first_look(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The fleet is read without it."""
    fleet = make(confirms=False)
    fleet.broker.line.declined[1] = REFUSED
    fleet.broker.line.confirm()
    assert until_unheard(fleet, caplog, SOC_LEAF) == 1.5
    assert fleet.fleet.state is State.POLLING
    assert not fleet.cause


def test_each_connection_must_show_that_keepalives_are_delivered(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """One received on the earlier connection, or a retained one, does not count."""
    fleet = make()
    fleet.go_on(4, SOC_LEAF)
    fleet.hear(f"R/{A}/keepalive")
    assert until_unheard(fleet, caplog, SOC_LEAF) == 0.0
    lose(fleet)
    fleet.hear(f"R/{A}/keepalive", retain=True)
    begun = fleet.seconds
    assert begun + 18 <= until_unheard(fleet, caplog, SOC_LEAF) <= begun + 23


# A connection that is dead


def dropped(fleet: SteppedFleet, *topics: str, most: int = 100) -> float:
    """Step, with these messages every second, until it reconnects; return when it did."""
    lines = len(fleet.broker.lines)
    for _ in range(most):
        for topic in topics:
            fleet.hear(topic, VALUE)
        fleet.go_on(1)
        if len(fleet.broker.lines) > lines:
            return fleet.seconds
    return 0.0


def test_a_fleet_that_sends_nothing_is_reconnected_to_once(make: Make) -> None:
    """W/8 after the first request; the next connection is kept until a device has responded."""
    fleet = make()
    fleet.go_on(1, "heartbeat")
    assert dropped(fleet, f"R/{B}/keepalive") == 21.5
    assert fleet.fleet.state is State.POLLING
    assert fleet.fleet.reconnects == 1
    assert dropped(fleet) == 0.0
    fleet.go_on(1, "heartbeat")
    assert dropped(fleet) > 0.0


@pytest.mark.parametrize("topic", ["heartbeat", SOC_LEAF, SERIAL])
def test_a_connection_on_which_any_device_responds_is_kept(make: Make, topic: str) -> None:
    """Even if others do not respond."""
    fleet = make()
    fleet.sign(B)
    assert dropped(fleet, f"N/{A}/{topic}") == 0.0
    assert fleet.fleet.messages == 100


def test_a_fleet_without_any_message_is_waited_for(make: Make) -> None:
    """Its devices may be off; a retained message does not count."""
    fleet = make()
    fleet.sign(A)
    assert dropped(fleet) == 0.0
    assert fleet.asked


def test_before_a_device_was_asked_no_connection_is_dead(make: Make) -> None:
    """After `stop_requests` no device is asked."""
    fleet = make()
    fleet.go_on(1, "heartbeat")
    fleet.fleet.stop_requests()
    assert dropped(fleet) == 0.0


def test_an_answer_has_w_8_from_the_first_question_of_each_connection(make: Make) -> None:
    """Requests on the earlier connection will not be answered."""
    fleet = make()
    fleet.go_on(30, SOC_LEAF)
    lose(fleet)
    begun = fleet.seconds
    fleet.go_on(1, SOC_LEAF)
    assert dropped(fleet) == begun + 3 + 15 + 2


@pytest.mark.parametrize(("stall", "when"), [(0.0, 21.5), (8.0, 29.5)])
def test_a_standstill_of_this_machine_gives_the_devices_more_time(
    make: Make, stall: float, when: float
) -> None:
    """Messages of that time are yet to arrive."""
    fleet = make()
    fleet.go_on(1, "heartbeat")
    fleet.fleet.stalled(stall)
    assert dropped(fleet) == when


@pytest.mark.parametrize(("leaf", "soon"), [("heartbeat", True), (SERIAL, True), ("x/1/A", False)])
def test_after_a_message_the_next_failure_is_a_first_one(make: Make, leaf: str, soon: bool) -> None:
    """The delay before the next connection is the shortest; without a message it grows."""
    fleet = make()
    waits = []
    for _ in range(6):
        fleet.go_on(1, leaf)
        fleet.broker.line.trouble = LOST
        fleet.step()
        begun = fleet.seconds
        while fleet.fleet.state is State.WAITING:
            fleet.step(0.25)
        waits.append(fleet.seconds - begun)
    assert (waits[-1] <= 0.5) is soon


def test_by_tick_a_fleet_that_responds_has_values(make: Make) -> None:
    """They are stored at their tick, and are taken away before the next message."""
    fleet = make(by_tick=True)
    for _ in range(100):
        fleet.go_on(1, SOC_LEAF)
    assert len(fleet.readings()) >= 99
    assert not fleet.cause


def test_keepalives_wait_for_room_and_none_is_lost(make: Make) -> None:
    """While the broker has many to acknowledge; nothing is due during that time."""
    fleet = make()
    fleet.sign(A, B, C)
    fleet.step()
    fleet.broker.line.room = 1
    asked = [each for _, each in fleet.go_on(8) if each.startswith(("full", "changes"))]
    assert len(asked) == 1
    assert fleet.fleet.timeout(at(fleet.seconds)) > 0.0
    fleet.broker.line.room = 5
    asked += [each for _, each in fleet.go_on(2) if each.startswith(("full", "changes"))]
    assert {each.split()[1] for each in asked} == {A, B, C}


def test_what_there_is_no_room_for_is_ignored_and_reported(make: Make) -> None:
    """Devices and topics; known ones are still read, and one that leaves makes room."""
    fleet = make(max_memory=3_500)
    fleet.say(SOC_LEAF, portal=A)
    fleet.say(SOC_LEAF, portal=B)
    fleet.say("heartbeat", portal=C)
    fleet.go_on(5, SOC_LEAF, portal=B)
    assert fleet.devices[0] == 2
    assert fleet.cause == "fleet: too many"
    assert fleet.fleet.trouble
    assert f"than max_memory in {FILE} has room for" in fleet.fleet.trouble.text
    fleet.stored()
    fleet.say(LOAD_LEAF, portal=B)
    fleet.go_on(1, SOC_LEAF, portal=B)
    assert fleet.stored() == [(B, "Soc", 1.0)]
    fleet.sign(A, payload=b"")
    fleet.go_on(5, SOC_LEAF, portal=C)
    assert fleet.devices[0] == 2
    assert (C, "Soc", 1.0) in fleet.stored()


def test_found_a_fleet_waited_for_a_lost_acknowledgement_for_ever(make: Make) -> None:
    """If a subscription is not acknowledged in W/4, that is reported, and it reconnects."""
    fleet = make(confirms=False)
    fleet.go_on(29)
    assert not fleet.cause
    fleet.go_on(2)
    assert fleet.cause == "not taking"
    fleet.broker.confirms = True
    fleet.go_on(10)
    assert len(fleet.broker.lines) == 2
    assert fleet.fleet.state is State.POLLING
