"""A device that does not respond: the requests to it, and what is there instead (W = 120 s)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.config.settings import Battery
from bat2influx.device.remembered import DeviceRecord, key_of
from bat2influx.mqtt.reconnect import State
from tests.unit.device.test_device import (
    CHANGES,
    FOUND,
    GIVEN,
    KNOWN,
    OLD,
    RELAY_LEAF,
    SEARCH,
    SERIAL,
    SOC_LEAF,
    Home,
    Make,
    homes,
)
from tests.unit.device.test_source import LOST, P

B, C = "0a1b2c3d4e5f", "d41243aabbcc"
READS = {SOC_LEAF, RELAY_LEAF}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a device, behind a broker that accepts every login."""
    return homes(monkeypatch, tmp_path, caplog)


def silent(home: Home, *there: str) -> Home:
    """Let a device respond, then stop until the new connection has listed the devices."""
    home.go_on(5, SOC_LEAF, RELAY_LEAF)
    home.go_on(16)
    for portal in there:
        home.say(SERIAL, portal=portal, retain=True)
    home.go_on(2)
    return home


def test_a_silence_causes_a_keepalive_then_a_connection_then_a_keepalive_every_half_w(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read until W/8, and no longer; the trouble is logged once."""
    device = home()
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    begun = device.seconds
    states, causes = [], []
    for _ in range(200):
        device.go_on(1)
        states.append(device.device.state)
        causes.append(device.cause)
    assert states[:16] == [*[State.POLLING] * 14, State.WAITING, State.NOT_RESPONDING]
    assert {*states[15:]} == {State.NOT_RESPONDING}
    assert causes == [""] * 14 + ["silent"] * 186
    assert [(when - begun, what) for when, what in device.questions] == [
        (10, CHANGES),
        (16, CHANGES),
        (76, CHANGES),
        (136, CHANGES),
        (196, CHANGES),
    ]
    assert max(when for when, what in device.asked if what in READS) == begun + 14
    assert device.listed == [0, 4]  # with each keepalive on the new connection
    assert caplog.text.count("does not respond (no message for 15 s). Check that it is on") == 1


@pytest.mark.parametrize("leaf", [SOC_LEAF, "heartbeat", "vebus/275/State"])
def test_any_message_ends_a_silence(
    home: Make, caplog: pytest.LogCaptureFixture, leaf: str
) -> None:
    """Everything is read at the next tick, and the end is logged."""
    device = silent(home())
    device.say(leaf)
    assert {*device.step(1.0)} == READS
    assert device.device.state is State.POLLING
    assert not device.cause
    assert f"device {P} responds again, after" in caplog.text


@pytest.mark.parametrize("vrm", [False, True])
def test_a_device_without_any_message_is_reported_if_no_other_is_listed(
    home: Make, *, vrm: bool
) -> None:
    """Before that another device may be there, which is a different report."""
    device = home(GIVEN._replace(vrm=vrm))
    device.go_on(15)
    assert device.device.state is State.WAITING
    assert not device.cause
    device.go_on(3)
    assert device.device.state is State.NOT_RESPONDING
    assert device.cause == "silent"


def test_a_broker_that_was_lost_is_no_silence_of_the_device(home: Make) -> None:
    """A new connection restarts its time, and everything is read, also slow paths."""
    device = home(GIVEN._replace(soc_interval=3600.0))
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    device.go_on(8)
    begun = device.seconds
    device.broker.line.trouble = LOST
    device.go_on(3)
    assert device.device.state is State.POLLING
    device.go_on(8)
    assert device.questions == []
    assert device.cause == ""
    assert {what for when, what in device.asked if when > begun} == READS


def test_a_standstill_of_this_machine_is_no_silence(home: Make) -> None:
    """Neither of the device nor of a field: the spans are longer by the same time."""
    device = home()
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    device.go_on(9)
    device.seconds += 100.0
    device.device.stalled(100.0)
    device.step()
    assert device.device.state is State.POLLING
    device.go_on(5, RELAY_LEAF)
    assert device.questions == []


@pytest.mark.parametrize(
    ("mode", "known", "kinds"),
    [
        ("notify", None, [OLD, CHANGES, CHANGES, OLD, CHANGES]),
        ("poll", None, [CHANGES] * 16 + [OLD, CHANGES, OLD]),
        ("notify", KNOWN._replace(old=True), [OLD] * 5),
        ("poll", KNOWN._replace(old=True), [OLD] * 19),
        ("poll", "new", [CHANGES] * 19),
    ],
)
def test_a_device_that_does_not_respond_may_have_old_firmware(
    home: Make, mode: str, known: DeviceRecord | str | None, kinds: list[str]
) -> None:
    """If the firmware is not known, every other keepalive is an old one: polled, after a while."""
    if isinstance(known, DeviceRecord):
        device = home(FOUND._replace(mode=mode), known)
    else:
        device = home(GIVEN._replace(mode=mode))
    if known == "new":
        device.go_on(1, "heartbeat")
    device.asked.clear()  # with the keepalive that begins notifications
    device.go_on(60 * len(kinds))
    assert [what for _, what in device.questions][: len(kinds)] == kinds


# Devices there instead


def test_another_device_takes_the_place_of_one_that_was_found(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """It starts over with that device: its instances, its values, and what is remembered."""
    device = silent(home(FOUND, KNOWN), B)
    assert device.device.portal == B
    assert device.listed == [0, 1, 0]
    device.go_on(60)
    assert [what for _, what in device.questions[-2:]] == [SEARCH, OLD]
    device.complete("vebus/276/ProductId", portal=B)
    device.step(1.0)
    assert device.device.state is State.POLLING
    assert device.step(1.0) == ["vebus/276/Soc", RELAY_LEAF]
    device.device.pop_readings()
    device.say("vebus/276/Soc", portal=B)
    device.say(SOC_LEAF, portal=P)
    device.step(1.0)
    device.step(0.5)
    assert [each.origin.portal for each in device.device.pop_readings()] == [B]
    assert device.remembered.recall(key_of(FOUND)) == DeviceRecord(B, {"vebus": 276})
    assert f"reading 10.0.0.2, portal id {B}, vebus 276 every 1 s" in caplog.text
    assert not device.cause


@pytest.mark.parametrize(
    ("battery", "there", "cause"),
    [
        (GIVEN, [P], "silent"),
        (GIVEN, [B], "wrong portal"),
        (GIVEN, [P, B], "silent"),
        (FOUND, [P], "silent"),
        (FOUND, [B, C], "wrong portal"),
        (FOUND, [], "silent"),
        (GIVEN._replace(vrm=True), [], "silent"),
    ],
)
def test_a_device_that_does_not_respond_and_is_not_replaced(
    home: Make, battery: Battery, there: list[str], cause: str
) -> None:
    """It is configured, or listed, or several others are: that is reported, and requests go on."""
    device = silent(home(battery, KNOWN if battery is FOUND else None), *there)
    assert device.device.portal == P
    assert device.device.state is State.NOT_RESPONDING
    assert device.cause == cause
    device.go_on(70)
    assert len(device.questions) == 3
    assert device.listed == ([0, 0] if battery.vrm else [0, 2])


def test_notified_a_device_that_is_back_is_asked_for_everything(home: Make) -> None:
    """By reads: a full republish would show its cache."""
    device = home(GIVEN._replace(mode="notify"))
    device.go_on(1, SOC_LEAF, RELAY_LEAF)
    device.go_on(60)
    assert device.device.state is State.NOT_RESPONDING
    device.say("heartbeat")
    assert {*device.step(1.0)} == {CHANGES, *READS}


# A doubt that takes long


@pytest.mark.parametrize(
    ("before", "after", "states"),
    [
        ((), ((1, 2), (3,)), (State.DISCOVERING, State.POLLING)),
        ((), ((1,), (3,)), (State.DISCOVERING, State.DISCOVERING)),
        ((2,), ((1,), (3,)), (State.NOT_RESPONDING, State.POLLING)),
    ],
    ids=["with its topics", "before its topics", "after its topics"],
)
def test_a_doubt_that_ends_after_the_silence_is_no_trouble(
    home: Make,
    before: tuple[int, ...],
    after: tuple[tuple[int, ...], ...],
    states: tuple[State, State],
) -> None:
    """The device responds before the broker has confirmed 1, the list, and 3, its end."""
    device = silent(home())
    device.broker.confirms = False
    device.broker.line.trouble = LOST
    device.go_on(3)
    device.broker.line.acknowledged.update(before)
    device.go_on(1)
    assert device.device.state is states[0]
    device.go_on(1, "heartbeat")
    for ids in after:
        device.broker.line.acknowledged.update(ids)
        device.go_on(1)
    assert device.device.state is states[1]
    assert not device.device._discovery.rechecking
    assert not device.cause


def test_a_doubt_that_never_ends_is_reported_all_the_same(home: Make) -> None:
    """After a minute the broker will not confirm the list any more."""
    device = home()
    device.broker.confirms = False
    device.go_on(16)
    device.broker.line.acknowledged.add(2)
    device.go_on(62)
    assert device.device.state is State.NOT_RESPONDING
    assert device.cause == "silent"
    assert device.listed == [0, 1]


def test_after_a_message_a_lost_connection_is_retried_at_once(home: Make) -> None:
    """However many attempts there were before: the delays begin with the shortest."""
    device = home()
    device.broker.unreachable = LOST
    device.broker.line.trouble = LOST
    device.go_on(120)
    device.broker.unreachable = None
    device.go_on(30, SOC_LEAF, RELAY_LEAF)
    tried = len(device.broker.lines)
    device.broker.line.trouble = LOST
    device.go_on(2)
    assert len(device.broker.lines) == tried + 1
