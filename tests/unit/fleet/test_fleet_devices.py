"""The devices of a fleet: keepalives, devices that appear and leave, silence (W = 120 s)."""

from __future__ import annotations

import pytest

from bat2influx.fleet import diagnosis
from bat2influx.fleet import fleet as fleet_module
from bat2influx.venus.protocol import NoValue
from tests.unit.device.test_source import LOST
from tests.unit.fleet.fleet_by_hand import (
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

CHANGES = b'{"keepalive-options":["suppress-republish"]}'


def with_devices(fleet: SteppedFleet, *portals: str) -> SteppedFleet:
    """Deliver what these devices have retained."""
    fleet.sign(*portals)
    fleet.step()
    return fleet


# Keepalives


def test_a_device_is_asked_for_all_it_has_and_then_for_changes(make: Make) -> None:
    """From W/40 after its sign on, every W/4; each device from its own sign."""
    fleet = with_devices(make(), A)
    fleet.go_on(10, "heartbeat")
    fleet.sign(B)
    fleet.say("heartbeat", portal=B)
    asked = [(3.5, f"full {A}"), (14.5, f"full {B}")]
    asked += [(33.5, f"changes {A}"), (44.5, f"changes {B}"), (63.5, f"changes {A}")]
    for _ in range(60):
        fleet.say("heartbeat", portal=B)
        fleet.go_on(1, "heartbeat")
    assert fleet.asked == asked


@pytest.mark.parametrize(
    ("payload", "retain", "asked"),
    [
        (b"", False, [(32.5, f"changes {A}")]),
        (CHANGES, False, [(3.5, f"full {A}"), (33.5, f"changes {A}")]),
        (b"", True, [(3.5, f"full {A}"), (33.5, f"changes {A}")]),
    ],
)
def test_a_keepalive_of_another_client_counts(
    make: Make, payload: bytes, retain: bool, asked: list[tuple[float, str]]
) -> None:
    """One that has brought all values is not sent again; a retained one does not count."""
    fleet = with_devices(make(), A)
    fleet.go_on(1, "heartbeat")
    fleet.hear(f"R/{A}/keepalive", payload, retain=retain)
    fleet.hear(f"R/{B}/keepalive")
    assert fleet.go_on(34, "heartbeat") == asked
    assert fleet.devices == (1, [])


def test_where_the_work_is_shared_a_daemon_that_joins_listens_first(make: Make) -> None:
    """For W/8, to a device that sends values; a keepalive in that time is one of the group."""
    fleet = with_devices(make(share_group="store"), A, B)
    for _ in range(9):
        fleet.say("heartbeat", portal=B)
        fleet.go_on(1, "heartbeat")
    fleet.hear(f"R/{A}/keepalive", CHANGES)
    for _ in range(20):
        fleet.say("heartbeat", portal=B)
        fleet.go_on(1, "heartbeat")
    assert fleet.asked == [(15.5, f"full {B}")]


def test_values_that_are_not_notified_are_requested_with_each_keepalive(make: Make) -> None:
    """Of each service that has sent anything, and of no other device."""
    fleet = with_devices(make(), A, B)
    fleet.say(SOC_LEAF, "vebus/276/Soc")
    fleet.say("system/0/Relay/0/State", portal=B)
    for _ in range(33):
        fleet.say("heartbeat", portal=B)
        fleet.go_on(1, "heartbeat")
    reads = [f"R/{A}/{LOAD_LEAF}", f"R/{A}/vebus/276/Ac/Out/L1/S"]
    full, changes = [f"full {A}", *reads, f"full {B}"], [f"changes {A}", *reads, f"changes {B}"]
    expected = {3.5: full[:3], 4.5: full[3:], 33.5: changes[:3]}
    for when, asked in expected.items():
        assert [what for at, what in fleet.asked if at == when] == asked
    assert {at for at, _ in fleet.asked} == {*expected}


@pytest.mark.parametrize("lasts", [10, 70])
def test_a_new_connection_asks_each_device_again(make: Make, lasts: int) -> None:
    """For a full republish, but never twice in W/2; apparent power is requested again."""
    fleet = with_devices(make(), A)
    fleet.go_on(lasts, SOC_LEAF)
    fleet.broker.line.trouble = LOST
    fleet.step()
    begun = fleet.seconds
    fleet.go_on(2)  # so it is connected
    asked = fleet.go_on(3, SOC_LEAF)
    kind = "full" if lasts == 70 else "changes"
    assert [what for _, what in asked] == [f"{kind} {A}", f"R/{A}/{LOAD_LEAF}"]
    assert asked[0][0] == begun + 4
    assert len(fleet.broker.lines) == 2


def test_after_ask_no_more_messages_are_still_processed(make: Make) -> None:
    """Neither the known devices nor new ones."""
    fleet = with_devices(make(), A)
    fleet.fleet.stop_requests()
    fleet.sign(B)
    assert fleet.go_on(40, SOC_LEAF) == []
    assert {*fleet.stored()} == {(A, "Soc", 1.0)}
    assert fleet.fleet.messages == 40
    assert fleet.devices[0] == 2


# Coming and leaving


def test_a_device_that_is_removed_is_forgotten(make: Make) -> None:
    """It gets no more requests, and its topics need no memory; the others stay."""
    fleet = with_devices(make(), A, B)
    fleet.say(SOC_LEAF)
    fleet.say(SOC_LEAF, portal=B)
    fleet.step()
    fleet.sign(A, payload=b"")
    fleet.go_on(70, SOC_LEAF, portal=B)
    assert fleet.devices == (1, [])
    assert not [what for _, what in fleet.asked if A in what]
    assert [*fleet.fleet._intake.known] == [f"N/{B}/{SOC_LEAF}".encode()]
    assert [*fleet.fleet._not_notified] == [B]


def test_behind_a_bridge_topics_have_its_prefix(make: Make) -> None:
    """A topic without it is ignored; a device that leaves is forgotten like any other."""
    fleet = make(topic_prefix="site/7/")
    for topic in (f"N/{B}/{SOC_LEAF}", *[f"site/7/N/{B}/{SOC_LEAF}"] * 3):
        fleet.seconds += 1.0
        fleet.hear(topic, VALUE)
        fleet.step()
    assert fleet.stored() == [(B, "Soc", 1.0)] * 3
    assert fleet.fleet.no_values == {NoValue.OTHER_TOPIC: 1}
    assert [*fleet.fleet._intake.known] == [f"site/7/N/{B}/{SOC_LEAF}".encode()]
    fleet.hear(f"site/7/N/{B}/{SERIAL}", b"", retain=True)
    fleet.step()
    assert not fleet.fleet._intake.known


def test_a_farewell_of_an_unknown_device_is_nothing(make: Make) -> None:
    """It adds no device."""
    fleet = make()
    fleet.sign(A, payload=b"")
    fleet.step()
    assert fleet.devices == (0, [])


def test_a_serial_without_a_number_is_no_device(make: Make) -> None:
    """Nor does it remove one."""
    fleet = with_devices(make(), A)
    for portal in (A, B):
        fleet.sign(portal, payload=b'{"value":null}')
    fleet.step()
    assert fleet.devices == (1, [])


def test_a_removed_device_that_responds_again_is_a_new_one(make: Make) -> None:
    """A full republish is requested, and its values are stored."""
    fleet = with_devices(make(), A)
    fleet.go_on(10, SOC_LEAF)
    fleet.sign(A, payload=b"")
    fleet.go_on(5)
    fleet.stored()
    asked = fleet.go_on(4, SOC_LEAF)
    assert asked == [(19.5, f"full {A}"), (19.5, f"R/{A}/{LOAD_LEAF}")]
    assert fleet.devices == (1, [])
    assert fleet.stored() == [(A, "Soc", 1.0)] * 4


# The bound


def bounded(make: Make, patch: pytest.MonkeyPatch) -> SteppedFleet:
    """Have two devices, and room for no more."""
    for module in (fleet_module, diagnosis):
        patch.setattr(module, "MAX_DEVICES", 2)
    return with_devices(make(), A, B)


@pytest.mark.parametrize(
    ("leaf", "messages", "counted"),
    [(SERIAL, 1, {}), ("heartbeat", 1, {}), (SOC_LEAF, 1, {NoValue.OTHER_TOPIC: 1})],
)
def test_a_device_beyond_the_limit_is_ignored(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    leaf: str,
    messages: int,
    counted: dict[NoValue, int],
) -> None:
    """Whatever it sends; nothing of it is stored, and it is reported at the next look."""
    fleet = bounded(make, monkeypatch)
    fleet.say(leaf, portal=C)
    fleet.step(1.0)
    assert fleet.devices == (2, [])
    assert fleet.fleet.messages == messages
    assert fleet.fleet.no_values == counted
    assert fleet.stored() == []
    assert not fleet.cause
    fleet.go_on(4, "heartbeat")
    assert fleet.cause == "fleet: too many"
    assert not [what for _, what in fleet.asked if C in what]


@pytest.mark.parametrize("leaf", [SERIAL, "heartbeat", SOC_LEAF])
def test_the_last_one_that_there_is_room_for_is_not_ignored(
    make: Make, monkeypatch: pytest.MonkeyPatch, leaf: str
) -> None:
    """Nor is a message of a known device."""
    fleet = bounded(make, monkeypatch)
    fleet.go_on(5, leaf)
    fleet.go_on(1, leaf, portal=B)
    assert fleet.devices[0] == 2
    assert fleet.fleet.messages == 6
    assert not fleet.cause


def test_a_device_takes_the_room_of_a_removed_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left out counts for one look; then, with room for all, the trouble ends."""
    fleet = bounded(make, monkeypatch)
    fleet.sign(C)
    fleet.go_on(5, SOC_LEAF)
    assert fleet.cause == "fleet: too many"
    fleet.sign(A, payload=b"")
    fleet.go_on(5, SOC_LEAF, portal=B)
    assert not fleet.cause
    fleet.sign(C)
    fleet.go_on(5, SOC_LEAF, portal=C)
    assert fleet.devices == (2, [])
    assert not fleet.cause
    assert fleet.stored()[-1] == (C, "Soc", 1.0)


# Silence


def silent(make: Make) -> SteppedFleet:
    """Have two devices, one of which has sent one message and none since."""
    fleet = with_devices(make(), A, B)
    fleet.say(SOC_LEAF)
    fleet.step()
    fleet.go_on(125, "heartbeat", portal=B)
    assert fleet.devices == (2, [A])
    return fleet


def test_a_device_counts_as_silent_after_w(make: Make) -> None:
    """A look, every W/24, detects it, and not the others."""
    fleet = with_devices(make(), A, B)
    fleet.say(SOC_LEAF)
    fleet.step()
    noticed = []
    for _ in range(130):
        fleet.go_on(1, "heartbeat", portal=B)
        noticed += [fleet.seconds] if fleet.devices == (2, [A]) else []
    assert noticed[0] == 120.5
    assert len(noticed) == 11
    assert not fleet.cause


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (f"N/{A}/{SOC_LEAF}", VALUE),
        (f"N/{A}/{SOC_LEAF}", b'{"value":null}'),
        (f"N/{A}/{LOAD_LEAF}", VALUE),
        (f"N/{A}/heartbeat", VALUE),
    ],
)
def test_any_message_of_a_device_ends_its_silence(make: Make, topic: str, payload: bytes) -> None:
    """A full republish is requested because changes were lost, W/2 after the latest one."""
    fleet = silent(make)
    fleet.hear(topic, payload)
    fleet.go_on(6, "heartbeat", portal=B)
    assert fleet.devices == (2, [])
    asked = fleet.go_on(60, "heartbeat", portal=B)
    assert [when for when, what in asked if what == f"full {A}"] == [183.5]


@pytest.mark.parametrize(
    ("topic", "retain"),
    [
        (f"N/{A}/{SERIAL}", True),
        (f"N/{A}/{SERIAL}", False),
        (f"N/{A}/{SOC_LEAF}", True),
        (f"N/{A}/heartbeat", True),
        (f"N/{A}/vebus/275/State", False),
        (f"R/{A}/keepalive", False),
    ],
)
def test_a_message_of_another_client_ends_no_silence(make: Make, topic: str, retain: bool) -> None:
    """A retained message may come at any time, and a keepalive is sent by a daemon."""
    fleet = silent(make)
    fleet.hear(topic, VALUE, retain=retain)
    fleet.go_on(6, "heartbeat", portal=B)
    assert fleet.devices == (2, [A])


@pytest.mark.parametrize(("stall", "noticed"), [(0.0, [A]), (30.0, [])])
def test_a_standstill_of_this_machine_is_no_silence_of_a_device(
    make: Make, stall: float, noticed: list[str]
) -> None:
    """The time of the standstill does not count."""
    fleet = with_devices(make(), A, B)
    fleet.go_on(1, "heartbeat")
    fleet.fleet.stalled(stall)
    fleet.go_on(130, "heartbeat", portal=B)
    assert fleet.devices == (2, noticed)


def test_a_device_that_was_never_asked_is_not_silent_after_a_stall(make: Make) -> None:
    """Its time begins after the stall, like its first request."""
    fleet = make()
    fleet.sign(A)
    fleet.step(1.0)
    fleet.fleet.stalled(125.0)
    fleet.step(125.0)
    assert fleet.devices == (1, [])


def test_a_device_that_is_removed_is_not_silent(make: Make) -> None:
    """From then on it is in no count."""
    fleet = make()
    fleet.sign(A)
    fleet.go_on(130)
    assert fleet.devices == (1, [A])
    fleet.sign(A, payload=b"")
    fleet.step(0.1)
    assert fleet.devices == (0, [])
