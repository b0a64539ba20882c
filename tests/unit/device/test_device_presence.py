"""Services that hang, leave and appear, second by second (W = 120 s)."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bat2influx.mqtt.reconnect import State
from bat2influx.venus.protocol import Field, parse_field
from tests.unit.device.test_device import (
    FOUND,
    GIVEN,
    KNOWN,
    OLD,
    RELAY,
    RELAY_LEAF,
    SEARCH,
    SERIAL,
    SOC,
    SOC_LEAF,
    Home,
    Make,
    homes,
    topics,
)
from tests.unit.device.test_source import LOST, at

VOLTAGE, LEVEL, RAW = (
    parse_field("Voltage", "vebus/Dc/0/Voltage"),
    parse_field("Level", "tank/3/Level"),
    parse_field("Raw", "tank/3/RawValue"),
)
VOLTAGE_LEAF, LEVEL_LEAF, RAW_LEAF = "vebus/275/Dc/0/Voltage", "tank/3/Level", "tank/3/RawValue"
CURRENT, CURRENT_LEAF = parse_field("Current", "vebus/Dc/0/Current"), "vebus/275/Dc/0/Current"
BATTERY = Field("BatteryVoltage", "battery", None, "Dc/0/Voltage", optional=True)
BATTERY_512 = BATTERY._replace(instance=512)
BATTERY_LEAF = "battery/512/Dc/0/Voltage"
NOTIFY = GIVEN._replace(mode="notify")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a device, behind a broker that accepts every login."""
    return homes(monkeypatch, tmp_path, caplog)


def stored(device: Home) -> Counter[str]:
    """Return how many values of each field have arrived since the last call."""
    return Counter(each.field for each in device.device.pop_readings())


def subscribed(device: Home) -> set[str]:
    """Return the topics with a subscription on the latest connection."""
    own: set[str] = set()
    for what, names in device.broker.line.asked:
        own = own - {*names} if what == "unsubscribe" else own | {*names}
    return own


def test_a_notification_together_with_the_confirmation_ends_nothing(home: Make) -> None:
    """A device that other clients keep awake sends values as soon as it is subscribed to."""
    device = home(confirms=False)
    device.broker.line.confirm()
    device.say(SOC_LEAF)
    device.step(0.01)
    assert device.device.state is State.POLLING


def test_nothing_is_due_of_an_arrival_on_a_connection_that_is_lost(home: Make) -> None:
    """Otherwise the main loop would spin while the device is off."""
    device = home(FOUND, KNOWN)
    device.go_on(2, RELAY_LEAF, SOC_LEAF)
    device.say("vebus/276/ProductId")
    device.step(0.1)
    device.broker.unreachable = device.broker.line.trouble = LOST
    device.go_on(30)
    assert device.device.state is State.WAITING
    waits = [device.device.timeout(at(device.seconds + each / 100)) for each in range(3)]
    assert max(waits) > 0.0


def test_a_preset_of_one_instance_stays_subscribed_to(home: Make) -> None:
    """Its ProductId in the first republish is no arrival."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, BATTERY_512)))
    device.step(1.0)
    device.complete("battery/512/ProductId", BATTERY_LEAF)
    device.go_on(10, RELAY_LEAF, SOC_LEAF, BATTERY_LEAF)
    assert {*topics(BATTERY_LEAF)} <= subscribed(device)


def test_a_preset_of_one_instance_stays_subscribed_to_when_it_comes_back(home: Make) -> None:
    """An examination does not end the subscription of a topic that is read."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, BATTERY_512)))
    device.step(1.0)
    device.complete(BATTERY_LEAF)  # its ProductId has not appeared before
    device.go_on(10, RELAY_LEAF, SOC_LEAF, BATTERY_LEAF)
    device.say("battery/512/ProductId", BATTERY_LEAF, payload=b"")
    device.go_on(5, RELAY_LEAF, SOC_LEAF)
    device.say("battery/512/ProductId", BATTERY_LEAF)
    device.go_on(10, RELAY_LEAF, SOC_LEAF, BATTERY_LEAF)
    assert {*topics(BATTERY_LEAF)} <= subscribed(device)


def test_a_reload_keeps_what_a_preset_reads(home: Make) -> None:
    """The values in the republish that it requests are on topics that are read."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, BATTERY)))
    device.step(1.0)
    device.complete("battery/512/ProductId", BATTERY_LEAF)
    device.go_on(70, RELAY_LEAF, SOC_LEAF, BATTERY_LEAF)
    assert "BatteryVoltage" in device.device.labels
    device.device.rescan()
    device.go_on(2, RELAY_LEAF, SOC_LEAF, BATTERY_LEAF)
    assert [what for _, what in device.questions].count(SEARCH) == 2
    device.complete("battery/512/ProductId", BATTERY_LEAF)
    device.go_on(2, RELAY_LEAF, SOC_LEAF, BATTERY_LEAF)
    assert "BatteryVoltage" in device.device.labels


def test_the_answer_to_a_probe_in_a_republish_is_asked_for_again(home: Make) -> None:
    """It is dropped with the rest; the service still counts as present."""
    device = home(NOTIFY._replace(fields=(SOC, LEVEL)))
    republished = False
    for second in range(120):
        device.say(SOC_LEAF, "heartbeat")
        asked = device.step(1.0)
        if SEARCH in asked:
            device.complete("tank/3/ProductId")
        if LEVEL_LEAF in asked:
            device.say(LEVEL_LEAF)
            device.step(0.001)
            if second > 10 and not republished:  # another client's full keepalive, just then
                device.say(LEVEL_LEAF, SOC_LEAF, "full_publish_completed")
                republished = True
            device.step(0.01)
        assert not device.cause, f"after {second} s"


def test_a_removed_path_proves_nothing_about_its_service(home: Make) -> None:
    """By notifications, too: the service is probed by an answered path."""
    device = home(NOTIFY._replace(fields=(SOC, RAW, LEVEL)))
    device.say(SOC_LEAF, RAW_LEAF, LEVEL_LEAF)
    causes = set()
    for _ in range(300):
        device.say(SOC_LEAF, "heartbeat")
        asked = device.step(1.0)
        if SEARCH in asked:
            device.complete("tank/3/ProductId")
        if LEVEL_LEAF in asked:
            device.say(LEVEL_LEAF)
            device.step(0.001)
        causes.add(device.cause)
    assert not [each for each in causes if "tank 3" in each]


@pytest.mark.parametrize("soc_interval", [10.0, 600.0])
def test_a_service_hangs_though_its_state_of_charge_is_not_asked_for_yet(
    home: Make, caplog: pytest.LogCaptureFixture, soc_interval: float
) -> None:
    """After W/8 without an answer, and that is its only report."""
    device = home(GIVEN._replace(soc_interval=soc_interval, fields=(SOC, VOLTAGE, RELAY)))
    device.say(SOC_LEAF, VOLTAGE_LEAF, RELAY_LEAF)
    for _ in range(62):
        device.say(*device.step(1.0))
        device.step(0.001)
    caplog.clear()
    for _ in range(20):
        asked = device.step(1.0)
        device.say(*(each for each in asked if each == RELAY_LEAF))
        device.step(0.001)
        if SEARCH in asked:
            device.complete("vebus/275/ProductId")
    assert device.cause == "missing: no answer from vebus 275"
    assert "no longer answers for" not in caplog.text


def test_a_service_that_hangs_from_the_start_is_no_wrong_path(home: Make) -> None:
    """A wrong path is reported only if its service answers."""
    device = home()
    for _ in range(30):
        device.say(RELAY_LEAF)
        if SEARCH in device.step(1.0):
            device.complete("vebus/275/ProductId")  # from the cache: it is present, and hangs
    assert device.device.trouble
    assert "no such path" not in device.device.trouble.what


def test_the_result_of_a_search_is_reported_before_the_next_tick(home: Make) -> None:
    """The next tick may be half a minute later."""
    device = home(GIVEN._replace(interval=30.0, soc_interval=30.0))
    device.say(SOC_LEAF, RELAY_LEAF)
    for _ in range(200):
        asked = device.step(0.5)
        hangs = device.seconds > 60.0
        device.say("heartbeat", *(each for each in asked if each == RELAY_LEAF or not hangs))
        device.step(0.001)
        if hangs and SEARCH in asked:
            device.complete("vebus/275/ProductId")
            device.step(0.001)
            device.step(1.0)
            break
    assert device.cause == "missing: no answer from vebus 275"


def test_one_answer_that_is_lost_costs_one_tick(home: Make) -> None:
    """At 30 s, too: a path unanswered for W/8 is requested at the next tick all the same."""
    device = home(GIVEN._replace(interval=30.0, soc_interval=30.0))
    lost = False
    ticks = []
    for _ in range(400):
        asked = device.step(0.5)
        if SOC_LEAF in asked:
            ticks.append(device.seconds)
        skip = SOC_LEAF in asked and device.seconds > 40 and not lost
        lost = lost or skip
        device.say("heartbeat", *(each for each in asked if each != SOC_LEAF or not skip))
        device.step(0.001)
        if SEARCH in asked:
            device.complete("vebus/275/ProductId")
    apart = [round(after - before) for before, after in pairwise(ticks)]
    assert max(apart[1:]) == 30


def test_old_firmware_that_is_awake_stays_known_as_old(home: Make) -> None:
    """It republishes nothing while it is awake, so a search by the old keepalive has no answer."""
    device = home(GIVEN._replace(fields=(VOLTAGE, CURRENT, RELAY, LEVEL, BATTERY)))
    woken = -math.inf
    late: list[str] = []
    for _ in range(400):
        asked = device.step(1.0)
        hangs = device.seconds > 100.0
        if {OLD} & {*asked} and device.seconds > woken + 60.0:
            device.say("tank/3/ProductId", "battery/512/ProductId", BATTERY_LEAF, LEVEL_LEAF)
        if OLD in asked:
            woken = device.seconds
        answers = {VOLTAGE_LEAF, CURRENT_LEAF, RELAY_LEAF, BATTERY_LEAF} | (
            set() if hangs else {LEVEL_LEAF}
        )
        device.say(*(each for each in asked if each in answers))
        device.step(0.001)
        values = stored(device)
        if 130.0 < device.seconds < 180.0:  # the tank hangs, and the inverter does not
            late += values
    assert "Voltage" in late


def test_what_arrives_costs_the_others_no_tick(home: Make) -> None:
    """On a slow link an answer is still expected while more topics are read."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, BATTERY)))
    device.step(1.0)
    device.complete()
    for second in range(30):
        if second == 15:
            device.say("battery/512/ProductId", BATTERY_LEAF)
        device.step(0.4)
        device.say(RELAY_LEAF, SOC_LEAF, *((BATTERY_LEAF,) if second > 15 else ()))
        for _ in range(4):  # an answer takes 0.4 s, and is held for 0.5 s
            device.step(0.15)
        values = stored(device)
        if second > 5:
            assert values["Soc"] == 1, f"second {second}: {values}"


def test_a_renumbered_inverter_is_named_where_the_instance_is_configured(home: Make) -> None:
    """Its other instance is known, and is what a user must know."""
    device = home()
    device.go_on(5, RELAY_LEAF, SOC_LEAF, "vebus/275/ProductId")
    device.say(SOC_LEAF, "vebus/275/ProductId", payload=b"")
    device.go_on(5, RELAY_LEAF)
    device.say("vebus/276/ProductId", "vebus/276/Soc")
    device.go_on(60, RELAY_LEAF)
    assert device.device.trouble
    assert "276" in device.device.trouble.what


def test_a_burst_after_a_freeze_of_the_broker_is_not_stamped_as_new(home: Make) -> None:
    """By notifications: messages queued for four seconds are old."""
    device = home(NOTIFY._replace(fields=(SOC, RELAY)))
    for number in range(50):
        device.say(SOC_LEAF, "heartbeat", payload=b'{"value":%d}' % number)
        device.step(0.2)
    stored(device)
    for _ in range(20):  # the broker stands still
        device.step(0.2)
    for number in range(20):
        device.say(SOC_LEAF, payload=b'{"value":%d}' % (100 + number))
    device.step(0.01)
    device.step(0.6)
    assert stored(device)["Soc"] <= 2


def test_a_burst_of_firmware_without_heartbeats_is_stored(home: Make) -> None:
    """By notifications: silence is the usual thing there, and shows no freeze."""
    device = home(NOTIFY._replace(fields=(SOC, RELAY)))
    for number in range(10):
        device.say(SOC_LEAF, payload=b'{"value":%d}' % number)
        device.step(0.2)
    stored(device)
    for _ in range(20):
        device.step(0.2)
    for number in range(20):
        device.say(SOC_LEAF, payload=b'{"value":%d}' % (100 + number))
    device.step(0.01)
    device.step(0.6)
    assert stored(device)["Soc"] == 20


@pytest.mark.parametrize("where", ["before the answer is read", "after it", "in the step"])
def test_found_a_freeze_outside_a_wait_was_not_seen(home: Make, where: str) -> None:
    """The process may be stopped anywhere: messages queued then are old, and count once."""
    device = home(GIVEN._replace(fields=(SOC, RELAY)))
    for _ in range(3):  # a tick, and its answers
        device.step(1.0)
        device.say(SOC_LEAF, RELAY_LEAF)
        device.step(0.001)
        device.seconds -= 0.001
    device.step(1.0)
    if where == "after it":
        device.say(SOC_LEAF, RELAY_LEAF)
        device.step(0.001)
    stored(device)
    woken = device.seconds + 5.1
    if where == "in the step":  # which has read the clock before it was stopped
        before, device.seconds = device.seconds, woken
        device.say(*[SOC_LEAF] * 10, payload=b'{"value":7}')
        device.seconds = before + 0.002
        device.step()
    device.seconds = woken
    device.say(*[SOC_LEAF] * 10, payload=b'{"value":8}')
    device.step(0.001)
    device.say(*[SOC_LEAF] * 10, payload=b'{"value":9}')  # the rest of the queue
    device.step(0.02)
    device.say(SOC_LEAF, RELAY_LEAF, payload=b'{"value":10}')
    device.step(0.001)
    device.step(0.5)
    values = [each.value for each in device.device.pop_readings() if each.field == "Soc"]
    assert values == [10]


# Random events

ANY = [
    *(SOC_LEAF, RELAY_LEAF, VOLTAGE_LEAF, BATTERY_LEAF, "vebus/276/Soc", "vebus/275/ProductId"),
    *("vebus/276/ProductId", "battery/512/ProductId", "battery/513/ProductId"),
    *("battery/513/Dc/0/Voltage", "heartbeat", "full_publish_completed"),
]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_nothing_raises_and_the_loop_has_its_pauses(home: Make, seed: int) -> None:
    """Values, farewells, arrivals, republishes, lost connections, stalls and reloads at random."""
    chance = random.Random(seed)
    fields = (SOC, RELAY, VOLTAGE, BATTERY, BATTERY_512._replace(name="Other"))
    battery = chance.choice([GIVEN, FOUND])._replace(
        fields=tuple(chance.sample(fields, chance.randint(1, 5))),
        mode=chance.choice(["poll", "notify"]),
        interval=chance.choice([0.2, 1.0, 30.0]),
        soc_interval=chance.choice([1.0, 10.0]),
    )
    device = home(battery, KNOWN if battery.serial == "" and seed % 2 else None)
    without_pause = 0
    for _ in range(300):
        what, before = chance.random(), device.device.timeout(at(device.seconds))
        if what < 0.35:
            device.say(*chance.sample(ANY, chance.randint(1, 4)))
        elif what < 0.40:
            device.say(chance.choice(ANY[:-2]), payload=b"")
        elif what < 0.44:
            device.say(SERIAL, retain=True)
        elif what < 0.45:
            device.broker.line.trouble = LOST
        elif what < 0.46:
            device.device.stalled(chance.choice([0.6, 5.0, 60.0]))
        elif what < 0.47:
            device.device.rescan()
        elif what < 0.48 and device.echo:
            device.complete("vebus/275/ProductId")
        without_pause = without_pause + 1 if what >= 0.48 and before <= 0 else 0
        assert without_pause < 20
        device.step(min(before, chance.choice([0.001, 0.1, 1.0])) if what >= 0.48 else 0.0)
        device.seconds += chance.choice([3.0, 20.0, 100.0]) if chance.random() < 0.02 else 0.0
