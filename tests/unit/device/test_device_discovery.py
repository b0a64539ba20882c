"""Discovery of a device: what is reported during it, and what is read then (W = 120 s)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.config.settings import Battery
from bat2influx.device.remembered import DeviceRecord, key_of
from bat2influx.mqtt.reconnect import State
from bat2influx.venus.protocol import PORTALS, Field, parse_field
from tests.unit.device.test_device import (
    CHANGES,
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
    Make,
    homes,
    topics,
)
from tests.unit.device.test_source import LOST, P

B, C = "0a1b2c3d4e5f", "d41243aabbcc"
PV = parse_field("Pv", "solarcharger/Yield/Power")
GRID = Field("Grid", "grid", None, "Ac/Power", optional=True)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Make:
    """A function that makes a device, behind a broker that accepts every login."""
    return homes(monkeypatch, tmp_path, caplog)


def test_a_device_that_is_to_be_found_is_read_and_remembered(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Portal id, instance, subscription: then it is read, and the discovery is remembered."""
    device = home(FOUND)
    assert device.broker.line.asked == [("subscribe", (PORTALS,))]
    assert device.device.labels == []
    device.say(SERIAL, retain=True)
    assert [what for _, what in device.go_on(4)] == [SEARCH]
    assert device.device.state is State.DISCOVERING
    assert device.device.portal == P
    device.complete("vebus/275/ProductId")
    assert device.step(1.0) == [SOC_LEAF, RELAY_LEAF]
    assert device.device.state is State.POLLING
    assert device.remembered.recall(key_of(FOUND)) == DeviceRecord(P, {"vebus": 275})
    assert caplog.text.count(f"reading 10.0.0.2, portal id {P}, vebus 275 every 1 s") == 1
    assert not device.cause


def test_a_remembered_device_is_read_as_a_given_one(home: Make) -> None:
    """At the next start no question is needed."""
    device = home(FOUND, KNOWN)
    assert [what for _, what in device.asked] == [SOC_LEAF, RELAY_LEAF]
    assert device.device.state is State.POLLING


def test_the_others_are_read_while_a_service_is_looked_for(home: Make) -> None:
    """It is named, searched for every W/2, and read once it appears, on the same connection."""
    device = home(FOUND._replace(serial=P, fields=(SOC, PV, RELAY)))
    device.step(1.0)
    device.complete("vebus/275/ProductId")
    assert device.step(1.0) == [CHANGES, SOC_LEAF, RELAY_LEAF]
    asked = device.go_on(62, SOC_LEAF, RELAY_LEAF)
    more = [what for _, what in asked if what not in (SOC_LEAF, RELAY_LEAF)]
    assert more == [CHANGES, SEARCH, CHANGES]
    assert device.cause == "missing: has no solarcharger"
    device.complete()
    device.go_on(62, SOC_LEAF, RELAY_LEAF)
    heartbeat = f"N/{P}/heartbeat"
    assert sum(heartbeat in topics for _, topics in device.broker.line.asked) == 1
    device.complete("solarcharger/288/ProductId")
    device.step(1.0)
    assert "solarcharger/288/Yield/Power" in device.step(1.0)
    device.go_on(2, SOC_LEAF, RELAY_LEAF, "solarcharger/288/Yield/Power")
    assert not device.cause
    assert len(device.broker.lines) == 1


@pytest.mark.parametrize(
    ("battery", "leaves", "choice"),
    [
        (FOUND, [], "serial = 0a1b2c3d4e5f"),
        (
            FOUND._replace(serial=P),
            ["vebus/275/ProductId", "vebus/276/ProductId"],
            "instance = 276",
        ),
    ],
    ids=["devices", "instances"],
)
def test_what_only_a_user_can_decide_is_an_error_once(
    home: Make, caplog: pytest.LogCaptureFixture, battery: Battery, leaves: list[str], choice: str
) -> None:
    """Several devices, or instances: the lines to choose from are logged, and nothing is read."""
    device = home(battery)
    for portal in (P, "0a1b2c3d4e5f"):
        device.say(SERIAL, portal=portal, retain=True)
    device.go_on(2)
    if leaves:
        device.complete(*leaves)
    device.go_on(5)
    assert device.device.undecided
    assert choice in device.device.undecided.split("\n")
    assert device.cause == "undecided"
    assert "\n" not in (device.device.trouble or ("", ""))[1]
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [each.getMessage() for each in errors] == [device.device.undecided]
    assert {what for _, what in device.asked} <= {SEARCH}


def test_a_service_that_is_missing_is_not_looked_for_in_a_silence(home: Make) -> None:
    """A device that does not respond is sent only a keepalive at intervals."""
    device = home(FOUND._replace(serial=P, fields=(SOC, PV, RELAY)))
    device.step(1.0)
    device.complete("vebus/275/ProductId")
    device.go_on(200)
    assert device.device.state is State.NOT_RESPONDING
    assert [when for when, what in device.questions if what == SEARCH] == [1.5]


def test_optional_fields_are_searched_for_while_the_rest_is_read(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start and every quarter of an hour; what appears is then read, and logged once."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, GRID)))
    assert [what for _, what in device.asked] == [CHANGES, SOC_LEAF, RELAY_LEAF]
    device.step(1.0)
    device.complete()
    device.go_on(890, SOC_LEAF, RELAY_LEAF)
    device.go_on(20, SOC_LEAF, RELAY_LEAF)
    first, second = [when for when, what in device.questions if what == SEARCH]
    assert second - first == pytest.approx(900.0, abs=5.0)
    awake = [when for when, what in device.questions if what == CHANGES]
    assert awake == [0.5 + 30 * n for n in range(20)]  # ten minutes, in case it boots
    assert device.broker.line.asked[-1][0] == "subscribe"
    device.complete("grid/30/ProductId", "grid/30/Ac/Power")
    device.go_on(2)
    assert device.asked[-1] == (device.seconds, "grid/30/Ac/Power")
    reading = [line for line in caplog.messages if line.startswith("reading ")]
    assert [line.partition(f"portal id {P}, ")[2] for line in reading] == [
        "vebus 275 every 1 s",
        "grid 30, vebus 275 every 1 s",
    ]


def test_of_a_device_without_anything_to_read_nothing_is_reported(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """All wanted fields are optional, and none is present."""
    device = home(GIVEN._replace(fields=(GRID,)))
    device.step(1.0)
    device.complete()
    device.go_on(5, "heartbeat")
    assert device.device.state is State.POLLING
    assert "reading " not in caplog.text


@pytest.mark.parametrize(
    ("mode", "text"), [("poll", "reading {} every 1 s"), ("notify", "receiving changes from {}")]
)
def test_what_is_read_from_where_is_logged_once(
    home: Make, caplog: pytest.LogCaptureFixture, mode: str, text: str
) -> None:
    """It is not logged at each new connection."""
    device = home(GIVEN._replace(mode=mode))
    for _ in range(3):
        device.step(1.0)
        device.broker.line.trouble = LOST
        device.go_on(20)
    place = f"10.0.0.2, portal id {P}, vebus 275"
    logged = [line for line in caplog.messages if place in line]
    assert logged == [text.format(place)]


# Troubles during a discovery


def test_a_missing_portal_id_is_reported_after_w_8(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """From W/8 on, on the same connection; it ends with the first answer."""
    device = home(FOUND)
    device.go_on(14)
    assert not device.cause
    device.go_on(1)
    assert device.cause == "portal"
    device.go_on(120)
    assert caplog.text.count("no device has published its portal id") == 1
    assert len(device.broker.lines) == 1
    device.say(SERIAL, retain=True)
    device.go_on(4)
    device.complete("vebus/275/ProductId")
    device.go_on(1)
    assert device.device.state is State.POLLING
    assert not device.cause
    assert f"device {P} responds again, after" in caplog.text


def test_a_subscription_that_is_not_confirmed_takes_a_new_connection(home: Make) -> None:
    """After W/8, and a pause."""
    device = home(confirms=False)
    device.go_on(14)
    lost = device.broker.line
    assert (device.device.state, device.cause) == (State.DISCOVERING, "")
    device.go_on(1)
    assert (device.device.state, device.cause) == (State.WAITING, "silent")
    assert lost.trouble
    device.broker.confirms = True
    device.go_on(3, SOC_LEAF)
    assert (device.device.state, device.cause) == (State.POLLING, "")
    assert len(device.broker.lines) == 2


@pytest.mark.parametrize(("there", "portal"), [([P], P), ([B], B), ([B, C], P)])
def test_a_remembered_device_that_does_not_answer_the_search_is_doubted(
    home: Make, there: list[str], portal: str
) -> None:
    """After W/8; the only other device replaces it, on a new connection."""
    device = home(FOUND, known=DeviceRecord(P))
    device.go_on(15)
    assert device.questions == [(1.5, SEARCH), (6.5, OLD)]
    assert not device.cause
    for each in there:
        device.say(SERIAL, portal=each, retain=True)
    device.go_on(5)
    assert device.device.portal == portal
    assert len(device.broker.lines) == (1 if portal == P else 2)
    assert device.cause == ("wrong portal" if there == [B, C] else "silent" if portal == P else "")


def test_a_portal_id_that_is_not_known_is_in_no_topic(home: Make) -> None:
    """Even if all instances are given."""
    device = home(GIVEN._replace(serial=""))
    device.go_on(5)
    assert device.broker.line.asked == [("subscribe", (PORTALS,))]
    device.say(SERIAL, retain=True)
    device.go_on(3)
    assert device.device.state is State.POLLING


def test_a_device_that_sends_messages_is_not_doubted_though_nothing_is_found(home: Make) -> None:
    """Its time begins again with each message; from then on a silence is reported at once."""
    device = home(FOUND._replace(serial=P))
    for _ in range(9):
        device.go_on(1, "heartbeat")
        device.go_on(10)
    assert device.device.state is State.DISCOVERING
    assert not device.cause
    assert device.listed == [0]
    device.go_on(5)
    assert device.cause == "silent"
    assert device.listed == [1]


@pytest.mark.parametrize(
    ("vrm", "listed", "causes"),
    [
        (False, [0, 1, 1, 1, 1, 2], ["", *["silent"] * 5]),
        (True, [0] * 6, ["", "", *["silent"] * 4]),
    ],
)
def test_a_doubt_is_repeated_every_half_w(
    home: Make, vrm: bool, listed: list[int], causes: list[str]
) -> None:
    """While the device does not respond; if the broker lists no devices, the second is reported."""
    device = home(FOUND._replace(serial=P, vrm=vrm))
    seen = []
    for _ in listed:
        device.go_on(14)
        seen.append((*device.listed, device.cause))
    assert seen == [*zip(listed, causes, strict=True)]


# Later discoveries


def test_an_instance_that_has_moved_is_followed(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Once none of it is answered while the rest is; on the same connection."""
    device = home(FOUND, known=KNOWN)
    device.go_on(18, RELAY_LEAF)
    assert device.questions[-1][1] == SEARCH
    device.complete("vebus/276/ProductId")
    device.step(1.0)
    new = topics("vebus/276/Soc", RELAY_LEAF, "heartbeat", "full_publish_completed")
    assert device.broker.line.asked[-2:] == [
        ("unsubscribe", (f"N/{P}/{SOC_LEAF}",)),
        ("subscribe", new),
    ]
    device.go_on(3, "vebus/276/Soc", RELAY_LEAF)
    assert device.device.latest == {"Soc": 1.0, "Relay": 1.0}
    assert device.remembered.recall(key_of(FOUND)) == DeviceRecord(P, {"vebus": 276})
    assert "vebus 276 every 1 s" in caplog.text
    assert len(device.broker.lines) == 1
    assert not device.cause


# Services that appear


@pytest.mark.parametrize("mode", ["poll", "notify"])
def test_a_renumbered_inverter_is_read_within_seconds(home: Make, mode: str) -> None:
    """It leaves as 275 and returns as 276, by notifications, too; no search is needed."""
    device = home(FOUND._replace(mode=mode), known=KNOWN)
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    device.say(SOC_LEAF, "vebus/275/ProductId", payload=b"")
    device.step(1.0)
    assert device.cause == "missing: no longer has vebus 275"
    device.say("vebus/276/ProductId", "vebus/276/Soc")
    device.step(1.0)
    device.go_on(2, RELAY_LEAF)
    device.go_on(2, "vebus/276/Soc", RELAY_LEAF)
    assert not device.cause
    assert "vebus/276/Soc" in [what for _, what in device.asked[-8:]]
    assert SEARCH not in [what for _, what in device.questions]


def test_an_inverter_that_is_configured_is_not_followed(home: Make) -> None:
    """`instance` says which one is meant."""
    device = home(GIVEN)
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    device.say(SOC_LEAF, payload=b"")
    device.say("vebus/276/ProductId")
    device.go_on(10, RELAY_LEAF)
    assert device.cause == "wrong instance: vebus 275"
    assert "vebus 276. Correct instance" in (device.device.trouble or ("", ""))[1]
    assert device.device.labels == ["Soc", "Relay"]


def test_another_inverter_beside_one_that_answers_is_left_alone(home: Make) -> None:
    """Until the one that is read leaves."""
    device = home(FOUND, known=KNOWN)
    device.go_on(2, SOC_LEAF, RELAY_LEAF)
    device.say("vebus/276/ProductId", "vebus/275/ProductId")
    device.go_on(20, SOC_LEAF, RELAY_LEAF)
    assert "vebus/276/Soc" not in [what for _, what in device.asked]
    device.say(SOC_LEAF, "vebus/275/ProductId", payload=b"")
    device.go_on(3, RELAY_LEAF)
    assert "vebus/276/Soc" in [what for _, what in device.asked]


def test_services_that_come_up_after_the_daemon_are_read_within_seconds(
    home: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A device and the daemon boot together: services of a preset are read when they appear."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, GRID)))
    device.step(1.0)
    device.complete()
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    assert not device.cause
    device.say("grid/30/ProductId", "grid/30/Ac/Power")
    device.step(1.0)
    assert "grid/30/" in device.step(1.0)
    device.say("grid/30/Ac/Power")
    device.step(1.0)
    assert "grid/30/Ac/Power" in device.step(1.0)
    assert device.device.labels == ["Soc", "Relay", "Grid"]


def test_a_service_that_is_wanted_appears_and_is_read_without_a_republish(home: Make) -> None:
    """It is no longer reported as missing."""
    device = home(FOUND._replace(serial=P, fields=(SOC, PV, RELAY)))
    device.step(1.0)
    device.complete("vebus/275/ProductId")
    device.go_on(5, SOC_LEAF, RELAY_LEAF)
    assert device.cause == "missing: has no solarcharger"
    device.say("solarcharger/288/ProductId")
    device.go_on(3, SOC_LEAF, RELAY_LEAF)
    assert "solarcharger/288/Yield/Power" in [what for _, what in device.asked]
    device.go_on(2, SOC_LEAF, RELAY_LEAF, "solarcharger/288/Yield/Power")
    assert not device.cause
    assert [what for _, what in device.questions].count(SEARCH) == 1


def test_a_reload_searches_again(home: Make) -> None:
    """Delayed requests are sent at the next tick; a republish still comes at most once a minute."""
    device = home(GIVEN._replace(fields=(SOC, RELAY, GRID)))
    device.step(1.0)
    device.complete()
    device.go_on(64, RELAY_LEAF)
    device.complete("vebus/275/ProductId")
    device.go_on(20, RELAY_LEAF)
    assert SOC_LEAF not in [what for _, what in device.go_on(10, RELAY_LEAF)]
    device.device.rescan()
    assert SOC_LEAF in [what for _, what in device.go_on(1, RELAY_LEAF)]
    device.go_on(40, RELAY_LEAF)
    assert [when for when, what in device.questions if what == SEARCH] == [1.5, 61.5, 121.5]
