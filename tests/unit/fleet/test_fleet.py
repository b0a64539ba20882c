"""A fleet from its connection to its values, step by step, with simulated clocks (W = 120 s)."""

from __future__ import annotations

import pytest

from bat2influx.fleet import intake
from bat2influx.mqtt.reconnect import State
from bat2influx.reading import NS, Origin, Reading
from bat2influx.service.events import message_id
from bat2influx.venus.protocol import PORTALS, NoValue
from tests.unit.device.test_source import LOST, START, at
from tests.unit.fleet.fleet_by_hand import (
    FLEET,
    HOST,
    LOAD_LEAF,
    SERIAL,
    SOC_LEAF,
    VALUE,
    A,
    B,
    Make,
)

NULL = b'{"value":null}'


# From the connection to values


@pytest.mark.parametrize(("group", "values"), [("", "subscribe"), ("store", "subscribe, in store")])
def test_keepalives_signs_and_values_are_subscribed_to(make: Make, group: str, values: str) -> None:
    """A refusal of the keepalives is tolerated, and only values are shared in the group."""
    fleet = make(share_group=group)
    assert fleet.broker.line.asked == [
        ("subscribe, if allowed", ("R/+/keepalive",)),
        (values, ("N/+/vebus/+/Soc", "N/+/vebus/+/Ac/Out/L1/S", "N/+/system/0/Relay/0/State")),
        ("subscribe", (PORTALS, "N/+/heartbeat")),
    ]


@pytest.mark.parametrize("late", [1, 2, 3])
def test_it_begins_once_every_subscription_is_confirmed(make: Make, late: int) -> None:
    """Until then no device is sent a request, even if there is one."""
    fleet = make(confirms=False)
    fleet.broker.line.acknowledged |= {1, 2, 3} - {late}
    fleet.sign(A)
    assert fleet.go_on(10) == []
    assert fleet.fleet.state is State.DISCOVERING
    fleet.broker.line.confirm()
    fleet.step(1.0)
    assert fleet.fleet.state is State.POLLING
    assert fleet.go_on(3) == [(14.5, f"full {A}")]


@pytest.mark.parametrize(
    ("group", "more"), [("", ""), ("store", ", sharing the work in the group store")]
)
def test_that_it_reads_is_logged_once(
    make: Make, caplog: pytest.LogCaptureFixture, group: str, more: str
) -> None:
    """With the broker as its peer, for all devices; not again on a new connection."""
    fleet = make(share_group=group)
    (record,) = caplog.records
    assert record.getMessage() == f"receiving changes from all devices at {HOST}{more}"
    own = vars(record)
    assert (own["PORTAL_ID"], own["PEER"]) == ("*", HOST)
    assert own["MESSAGE_ID"] == message_id("reading")
    fleet.broker.line.trouble = LOST
    fleet.go_on(3)
    assert fleet.fleet.reconnects == 1
    assert caplog.text.count("receiving changes") == 1


# Messages that count


@pytest.mark.parametrize(
    ("topic", "payload", "retain", "messages", "devices", "kind"),
    [
        (f"N/{A}/{SOC_LEAF}", VALUE, False, 1, 1, None),
        (f"N/{A}/{SOC_LEAF}", NULL, False, 1, 1, NoValue.NULL),
        (f"N/{A}/{SOC_LEAF}", VALUE, True, 0, 0, NoValue.RETAINED),
        (f"N/{A}/vebus/275/State", VALUE, False, 0, 0, NoValue.OTHER_TOPIC),
        ("", VALUE, False, 0, 0, NoValue.OTHER_TOPIC),
        (f"N/{A}/heartbeat", VALUE, False, 1, 1, None),
        (f"N/{A}/heartbeat", VALUE, True, 0, 0, None),
        (f"N/{A}/{SERIAL}", VALUE, True, 0, 1, None),
        (f"N/{A}/{SERIAL}", VALUE, False, 1, 1, None),
        (f"N/{A}/{SERIAL}", b"", False, 0, 0, None),
        (f"N/{A}/{SERIAL}", b"", True, 0, 0, None),
        (f"R/{A}/keepalive", b"", False, 0, 0, None),
        (f"R/{A}/keepalive", b"", True, 0, 0, None),
    ],
)
def test_the_first_message_of_a_device(
    make: Make,
    topic: str,
    payload: bytes,
    retain: bool,
    messages: int,
    devices: int,
    kind: NoValue | None,
) -> None:
    """It counts as a message if it is not retained; a topic of a device adds the device."""
    fleet = make()
    fleet.hear(topic, payload, retain=retain)
    fleet.step(1.0)
    assert fleet.fleet.messages == messages
    assert fleet.devices == (devices, [])
    assert fleet.fleet.no_values == ({kind: 1} if kind else {})
    is_value = topic.endswith("Soc") and kind is None
    assert fleet.stored() == ([(A, "Soc", 1.0)] if is_value else [])


@pytest.mark.parametrize(
    ("payload", "retain", "messages", "kind"),
    [
        (b'{"value":2}', False, 1, None),
        (VALUE, False, 1, NoValue.REPEATED),
        (NULL, False, 1, NoValue.NULL),
        (b'{"value":2}', True, 0, NoValue.RETAINED),
    ],
)
def test_a_message_on_a_known_topic(
    make: Make, payload: bytes, retain: bool, messages: int, kind: NoValue | None
) -> None:
    """A retained message is no value, whatever came before."""
    fleet = make(interval=30.0)
    fleet.go_on(1, SOC_LEAF)
    assert fleet.stored() == [(A, "Soc", 1.0)]
    fleet.say(SOC_LEAF, payload=payload, retain=retain)
    fleet.step(1.0)
    assert fleet.fleet.messages == 1 + messages
    assert fleet.fleet.no_values == ({kind: 1} if kind else {})
    assert fleet.stored() == ([] if kind else [(A, "Soc", 2.0)])


def test_of_several_messages_at_once_each_is_taken(make: Make) -> None:
    """Known topics and new ones, in their order, of any device."""
    fleet = make()
    fleet.go_on(1, SOC_LEAF)
    fleet.stored()
    for portal in (B, A, B):
        fleet.say("vebus/1/State", SOC_LEAF, portal=portal)
    fleet.say(SOC_LEAF, portal=B, payload=b'{"value":7}')
    fleet.say("heartbeat", LOAD_LEAF)
    fleet.step(1.0)
    stored = [(B, "Soc", 1.0), (A, "Soc", 1.0), (B, "Soc", 7.0), (A, "Load", 1.0)]
    assert fleet.stored() == stored
    assert fleet.fleet.messages == 1 + 6
    assert fleet.fleet.no_values == {NoValue.OTHER_TOPIC: 3, NoValue.REPEATED: 1}


def test_a_device_that_has_its_number_of_topics_has_no_more(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message on another topic counts as a message, and is not stored."""
    monkeypatch.setattr(intake, "SERIES_OF_ONE", 1)
    fleet = make()
    fleet.say(SOC_LEAF, LOAD_LEAF)
    fleet.say(LOAD_LEAF, portal=B)
    fleet.step(1.0)
    assert fleet.stored() == [(A, "Soc", 1.0), (B, "Load", 1.0)]
    assert fleet.fleet.messages == 3
    assert fleet.fleet.no_values == {NoValue.OTHER_TOPIC: 1}


# The stamps


def test_a_value_has_the_wall_clock_of_its_arrival(make: Make) -> None:
    """The first value of a topic and later ones, with the section and the origin."""
    fleet = make(name="Boat")
    expected = []
    for value in (61.5, 62.5):
        arrival = at(fleet.seconds).wall_ns
        fleet.say(SOC_LEAF, payload=b'{"value":%.1f}' % value)
        fleet.step(0.3)
        expected.append(Reading(arrival, "Boat", "Soc", value, Origin(A, "vebus", 275)))
    assert fleet.readings() == expected
    assert fleet.fleet.last_value_ns == expected[-1].time_ns


@pytest.mark.parametrize(("group", "stored"), [("", 4), ("store", 6)])
def test_the_same_value_is_stored_once_in_a_tick(make: Make, group: str, stored: int) -> None:
    """If the work is shared, each is, because another daemon may have received a change between."""
    fleet = make(interval=2.0, share_group=group)  # ticks at 1, 3 and 5 s
    fleet.go_on(6, SOC_LEAF)
    assert len(fleet.stored()) == stored


def test_by_tick_the_latest_value_of_each_tick_is_stored(make: Make) -> None:
    """With the start of the tick as its stamp; a topic without a value since then has no row."""
    fleet = make(by_tick=True, interval=10.0)  # ticks at 5, 15 and 25 s
    fleet.go_on(2, SOC_LEAF)
    fleet.say(SOC_LEAF, payload=b'{"value":2}')
    fleet.go_on(2)
    assert fleet.readings() == []
    fleet.go_on(20)
    taken = [(each.time_ns - START, each.value) for each in fleet.readings()]
    assert taken == [(0, 2.0)]


def test_other_intervals_leave_the_connection_alone(make: Make) -> None:
    """The next tick is that of the new interval."""
    fleet = make(by_tick=True, interval=30.0)
    fleet.fleet.reschedule(FLEET._replace(interval=10.0))
    fleet.go_on(25, SOC_LEAF)
    taken = [(each.time_ns - START) // NS for each in fleet.readings()]
    assert taken == [0, 10, 20]
    assert len(fleet.broker.lines) == 1


# Queries of the main loop


def test_of_a_fleet_no_single_values_are_shown(make: Make) -> None:
    """Neither present nor missing ones; and no answer is awaited."""
    fleet = make()
    fleet.go_on(5, SOC_LEAF)
    assert fleet.fleet.latest == {}
    assert fleet.fleet.labels == []
    assert fleet.fleet.without_value == {}
    assert fleet.fleet.expects_answer(0.0) is False
    assert fleet.fleet.census == (1, [])


@pytest.mark.parametrize(
    ("stepped", "asked", "wait"),
    [
        (0.5, 0.6, 1.0),  # for the connection itself
        (0.5, 3.3, 0.2),  # for the first keepalive
        (3.5, 5.3, 0.2),  # for a check of the devices, every W/24
        (5.5, 10.3, 0.2),
        (19.5, 19.8, 0.2),  # for the tick
        (30.5, 33.3, 0.2),  # for the next keepalive
        (30.5, 34.0, 0.0),
        (30.5, 60.0, 0.0),
    ],
)
def test_the_wait_is_that_to_the_tick_the_look_or_the_keepalive(
    make: Make, stepped: float, asked: float, wait: float
) -> None:
    """Whichever is first, and never negative."""
    fleet = make(interval=20.0)  # ticks at 0 and 20 s
    fleet.sign(A)
    fleet.step()
    fleet.go_on(round(stepped - 0.5), "heartbeat")
    assert fleet.seconds == stepped
    assert fleet.fleet.timeout(at(asked)) == pytest.approx(wait)


def test_what_was_read_ahead_is_not_waited_for(make: Make) -> None:
    """The next step has work at once."""
    fleet = make()
    fleet.broker.line.pending = True
    assert fleet.fleet.timeout(at(0.6)) == 0.0


@pytest.mark.parametrize(
    ("confirms", "leaves", "wait"), [(True, False, 0.2), (True, True, 1.0), (False, False, 1.0)]
)
def test_no_keepalive_is_waited_for_where_none_is_sent(
    make: Make, *, confirms: bool, leaves: bool, wait: float
) -> None:
    """For example after `stop_requests`, or before the fleet is read."""
    fleet = make(confirms=confirms, interval=20.0)
    fleet.sign(A)
    fleet.step()
    if leaves:
        fleet.fleet.stop_requests()
    assert fleet.fleet.timeout(at(3.3)) == pytest.approx(wait)
