"""The Venus stand-in without a broker: its rules of time, its faults and its values."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.standins.venus.device import Device
from tests.standins.venus.faults import apply
from tests.standins.venus.plugin import Publish
from tests.standins.venus.values import INSTANCES, Ranged, Value, encode

P = "c0619ab1c2d3"
NOW = 1795350000.25
SUPPRESSED = b'{"keepalive-options":["suppress-republish"]}'
SERIAL = f"N/{P}/system/0/Serial"


def read(device: Device, path: str, now: float = NOW) -> list[Publish]:
    return device.handle(f"R/{P}/{path}", b"", now)


def keep_alive(device: Device, payload: bytes = SUPPRESSED, now: float = NOW) -> list[Publish]:
    return device.handle(f"R/{P}/keepalive", payload, now)


def read_alone(device: Device, path: str, now: float) -> list[Publish]:
    """Return the answer to a read, without other messages that were due."""
    device.advance(now)
    return read(device, path, now)


def topics(out: list[Publish]) -> list[str]:
    return [publish.topic for publish in out]


def values(out: list[Publish]) -> dict[str, Any]:
    """Return the topic after the portal id, with its value."""
    return {p.topic.split("/", 2)[2]: json.loads(p.payload)["value"] for p in out}


def heartbeats(out: list[Publish]) -> list[int]:
    return [json.loads(p.payload)["value"] for p in out if p.topic == f"N/{P}/heartbeat"]


# Reads.


@pytest.mark.parametrize(
    "topic",
    [
        f"R/{P}/vebus/276/Soc",
        f"R/{P}/vebus/275/Nope",
        f"R/{P}/vebus/275/Dc/0/",
        f"R/{P}/vebus/275/Soc/",
        f"R/{P}/vebus/275/Dc/0/Volt",
        f"R/{P}/vebus/275",
        f"R/{P}/vebus",
        f"R/{P}/",
        f"R/{P}",
        "R/c0619ab1c2d4/vebus/275/Soc",
        "R",
    ],
)
def test_a_wrong_request_is_an_error_in_the_log_and_nothing_else(topic: str) -> None:
    """A read of a missing item is not answered."""
    device = Device(P)
    assert device.handle(topic, b"", NOW) == []
    assert device.log.counters.errors == 1


def test_a_whole_service_is_read_with_a_slash_at_its_end() -> None:
    """A read of a service's root is answered with every leaf, each once, in no fixed order."""
    device = Device(P)
    first, second = topics(read(device, "vebus/275/")), topics(read(device, "vebus/275/"))
    assert Counter(first) == Counter(second)
    assert max(Counter(first).values()) == 1
    assert first != second
    assert all(topic.startswith(f"N/{P}/vebus/275/") for topic in first)


def test_writes_and_wildcards_are_counted_and_not_answered() -> None:
    """A W/ publish changes nothing, and a wildcard in R/ matches no topic of the device."""
    device = Device(P)
    assert device.handle(f"W/{P}/vebus/275/Mode", b'{"value":4}', NOW) == []
    assert device.handle(f"R/{P}/vebus/+/Soc", b"", NOW) == []
    counters = device.log.counters
    assert (counters.writes, counters.wildcards, counters.reads) == (1, 1, 0)
    assert values(read(device, "vebus/275/Mode")) == {"vebus/275/Mode": 3}


# Keepalive and heartbeat.


def test_a_heartbeat_comes_every_three_seconds_while_alive() -> None:
    """The first heartbeat comes with the keepalive, the last before it has ended."""
    device = Device(P)
    assert device.advance(NOW + 10.0) == []
    out = keep_alive(device, now=NOW + 10.0)
    for tenth in range(1000):
        out += device.advance(NOW + 10.0 + tenth / 10)
    start = int(NOW) + 10
    assert heartbeats(out) == list(range(start, start + 60, 3))


def test_a_heartbeat_shows_the_clock_of_the_device() -> None:
    """The clock may be wrong; and there may be no heartbeat at all."""
    device = Device(P)
    device.set_clock(-3600.0)
    out = keep_alive(device)
    device.set_clock(0.0, shown=False)
    out += device.advance(NOW + 4.0)
    device.set_clock(5.0)
    assert heartbeats(out + device.advance(NOW + 7.0)) == [int(NOW) - 3600, int(NOW) + 11]


def test_a_second_keepalive_does_not_double_the_heartbeat() -> None:
    """Heartbeats keep their interval when keepalives overlap."""
    device = Device(P)
    out = keep_alive(device) + keep_alive(device, now=NOW + 1.0)
    assert heartbeats(out + device.advance(NOW + 6.0)) == [int(NOW) + n for n in (0, 3, 6)]


def test_a_keepalive_lasts_sixty_seconds() -> None:
    """Then notifications stop without a final message; reads are still answered."""
    device = Device(P)
    keep_alive(device)
    keep_alive(device, now=NOW + 20.0)
    device.advance(NOW + 79.0)
    assert device.next_due() is not None
    assert topics(device.advance(NOW + 79.99)) != []
    assert device.advance(NOW + 80.0) == []
    assert device.advance(NOW + 500.0) == []
    assert device.next_due() is None
    assert len(read(device, "vebus/275/Soc", NOW + 500.0)) == 1


def test_a_suppressed_keepalive_brings_changes_alone() -> None:
    """Without a republish only changed values are published, about once per second."""
    device = Device(P)
    before = values(read(device, "vebus/275/"))
    assert topics(keep_alive(device)) == [f"N/{P}/heartbeat"]
    changed = values(device.advance(NOW + 1.0))
    assert "vebus/275/Dc/0/Voltage" in changed
    assert "vebus/275/ProductId" not in changed
    assert all(before.get(name) != value for name, value in changed.items())


def test_a_full_republish_covers_every_value_and_ends_with_its_completion() -> None:
    """All services' values come once, then full_publish_completed with the echo, if any."""
    device = Device(P, list(INSTANCES))
    everything = [t for s, i in INSTANCES.items() for t in topics(read(device, f"{s}/{i}/"))]
    echo = b'{"keepalive-options":[{"full-publish-completed-echo":"x"}]}'
    *out, completed, heartbeat = keep_alive(device, echo)
    assert Counter(topics(out)) == Counter(everything)
    assert completed.topic == f"N/{P}/full_publish_completed"
    second = str(int(NOW)).encode()
    assert completed.payload == b'{"full-publish-completed-echo":"x","value":' + second + b"}"
    assert heartbeat.topic == f"N/{P}/heartbeat"


@pytest.mark.parametrize("payload", [b"", b"{", b"1", b"{}", b'{"keepalive-options":[{"a":1}]}'])
def test_a_keepalive_without_a_known_option_is_a_full_one(payload: bytes) -> None:
    """Whatever else is in it, a full republish without an echo follows."""
    assert keep_alive(Device(P), payload)[-2].payload == b'{"value":%d}' % int(NOW)


def test_three_full_republishes_a_second_are_the_limit() -> None:
    """A fourth only keeps the device alive; the next second permits one again."""
    device = Device(P)
    sizes = [len(keep_alive(device, b"", NOW + n / 10)) for n in range(5)]
    assert [size > 50 for size in sizes] == [True, True, True, False, False]
    assert device.log.counters.throttled == 2
    assert len(keep_alive(device, b"", NOW + 1.0)) > 50


def test_reading_the_serial_is_a_keepalive_of_the_old_kind() -> None:
    """The result is a full republish and, after its completion, the answer to the read."""
    device = Device(P)
    out = topics(read(device, "system/0/Serial"))
    assert out.count(SERIAL) == 2
    assert out[-3:] == [f"N/{P}/full_publish_completed", f"N/{P}/heartbeat", SERIAL]
    assert device.alive


# What happens to devices.


def test_a_device_that_leaves_sends_a_farewell_on_each_topic() -> None:
    """Even without a keepalive each topic gets an empty message; then reads are not answered."""
    device = Device(P)
    leaves = topics(read(device, "vebus/275/"))
    device.vanish("vebus")
    out = device.advance(NOW)
    assert Counter(topics(out)) == Counter(leaves)
    assert {p.payload for p in out} == {b""}
    assert read(device, "vebus/275/Soc") == []
    device.come_back("vebus")
    assert device.advance(NOW) == []
    assert len(read(device, "vebus/275/Soc")) == 1


def test_the_retained_serial_is_never_taken_back() -> None:
    """When the system service leaves, its Serial stays; when it returns, it is retained again."""
    device = Device(P)
    device.vanish("system")
    assert SERIAL not in topics(device.advance(NOW))
    device.come_back("system")
    assert device.advance(NOW) == [Publish(SERIAL, encode(P), retain=True)]


def test_a_device_that_comes_back_while_alive_shows_all_its_values() -> None:
    """So does a new service on the bus."""
    device = Device(P)
    keep_alive(device)
    device.vanish("vebus/275")
    device.advance(NOW)
    device.come_back("vebus")
    assert len(device.advance(NOW)) == len(read(device, "vebus/275/"))
    device.add_service("vebus", 288, {"/ProductId": 9763, "/Soc": 50.0})
    assert values(device.advance(NOW)) == {"vebus/288/ProductId": 9763, "vebus/288/Soc": 50.0}


def test_a_restart_forgets_the_keepalive_and_every_fault() -> None:
    """Then the Serial is retained, nothing is published unasked, and values are normal again."""
    device = Device(P)
    keep_alive(device)
    device.vanish("vebus")
    device.silence()
    device.set_value("vebus", "/Soc", None)
    device.restart()
    assert device.advance(NOW) == [Publish(SERIAL, encode(P), retain=True)]
    assert device.advance(NOW + 10.0) == []
    assert values(read(device, "vebus/275/Soc"))["vebus/275/Soc"] is not None


def test_another_portal_id_is_another_device() -> None:
    """The new Serial replaces the old retained one, and requests with the old id fail."""
    device = Device(P)
    device.change_portal_id("0123")
    new = Publish("N/0123/system/0/Serial", b'{"value":"0123"}', retain=True)
    assert device.advance(NOW) == [Publish(SERIAL, b"", retain=True), new]
    assert read(device, "vebus/275/Soc") == []
    assert topics(device.handle("R/0123/vebus/275/Soc", b"", NOW)) == ["N/0123/vebus/275/Soc"]


# Faults.


def test_silence_covers_a_path_a_service_or_everything() -> None:
    """A silenced item is neither answered nor published; all else is as before."""
    device = Device(P)
    device.silence("vebus", "/Dc/0/Power")
    assert len(read(device, "vebus/275/Dc/0")) == 4
    device.silence("vebus")
    out = keep_alive(device, b"") + device.advance(NOW + 2.0)
    assert out
    assert not any("/vebus/" in topic for topic in topics(out))
    device.silence()
    assert read(device, "system/0/Dc/Battery/Soc") + device.advance(NOW + 5.0) == []
    device.speak()
    assert len(read(device, "vebus/275/Dc/0", NOW + 5.0)) >= 5


def test_late_answers_come_with_a_delay_or_never() -> None:
    """Reads of a hung service are late, after 25 s lost; a republish uses the cache, at once."""
    device = Device(P)
    device.late(4.0, "vebus")
    assert [p.delay for p in read(device, "vebus/275/Soc")] == [4.0]
    assert [p.delay for p in read(device, "system/0/Dc/Battery/Soc")] == [0.0]
    assert {p.delay for p in keep_alive(device, b"")} == {0.0}
    device.late(25.1, "vebus", "/Soc")
    assert read(device, "vebus/275/Soc") == []
    assert device.log.counters.errors == 1


def test_any_payload_can_be_put_in_the_place_of_a_value() -> None:
    """Reads return the payload and, while alive, it is published, until it is released."""
    device = Device(P)
    own = read(device, "vebus/275/Soc")
    device.set_raw("vebus", "/Soc", b"[]")
    assert read(device, "vebus/275/Soc")[0].payload == b"[]"
    keep_alive(device)
    device.set_raw("vebus", "/Soc", b"\xff{")
    assert device.advance(NOW) == [Publish(f"N/{P}/vebus/275/Soc", b"\xff{")]
    assert f"N/{P}/vebus/275/Soc" not in topics(device.advance(NOW + 3.0))
    device.release("vebus", "/Soc")
    assert topics(read(device, "vebus/275/Soc", NOW + 3.0)) == topics(own)


def test_a_value_that_is_not_held_lasts_until_the_next_change() -> None:
    """Then the path has its normal value again."""
    device = Device(P)
    own = read(device, "vebus/275/Soc")[0].payload
    device.set_value("vebus", "/Soc", None, hold=False)
    assert read(device, "vebus/275/Soc")[0].payload == b'{"value":null}'
    assert read(device, "vebus/275/Soc", NOW + 1.0)[0].payload == own


def test_a_stale_path_is_fresh_in_reads_alone() -> None:
    """Its changes are not published, and a full republish has the value of the last read."""
    device = Device(P)
    name = "vebus/275/Dc/0/Voltage"
    old = values(read(device, name))[name]
    device.stale("vebus", "/Dc/0/Voltage")
    out = keep_alive(device) + device.advance(NOW + 5.0)
    assert name not in values(out)
    assert values(keep_alive(device, b"", NOW + 5.0))[name] == old
    new = values(read(device, name, NOW + 5.0))[name]
    assert new != old
    assert values(keep_alive(device, b"", NOW + 7.0))[name] == new


def test_another_client_reads_at_its_rate() -> None:
    """All clients get the answers to its reads, and its keepalives keep the device alive."""
    device = Device(P)
    device.foreign(4.0, ["vebus/275/Soc", "vebus/275/Dc/0"])
    device.advance(NOW)
    assert len(device.advance(NOW + 10.0)) == 20 + 20 * 5
    assert device.log.counters.reads == 0
    device.foreign(4.0, keepalive=True)
    device.advance(NOW + 10.0)
    device.advance(NOW + 300.0)
    assert device.alive
    device.foreign(0.0)
    device.advance(NOW + 400.0)
    assert not device.alive


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "set", "svc": "vebus", "path": "/Soc", "value": None},
        {"op": "raw", "svc": "vebus/275", "path": "/Soc", "payload": "[]"},
        {"op": "release", "svc": "vebus", "path": "/Soc"},
        {"op": "down", "svc": "vebus"},
        {"op": "up", "svc": "vebus"},
        {"op": "silence", "svc": "vebus"},
        {"op": "speak"},
        {"op": "late", "seconds": 2.5},
        {"op": "stale", "svc": "vebus", "path": "/Soc"},
        {"op": "foreign", "rate": 5, "paths": ["vebus/275/Soc"], "keepalive": True},
        {"op": "restart"},
        {"op": "portal-id", "value": "0123"},
    ],
    ids=lambda operation: operation["op"],
)
def test_an_operation_wakes_whoever_runs_the_device(operation: dict[str, Any]) -> None:
    """Each operation that a line of JSON can name is executed, and `on_change` is called."""
    device = Device(P)
    calls: list[None] = []
    device.on_change = lambda: calls.append(None)
    apply(device, operation)
    assert calls


@pytest.mark.parametrize(
    "operation", [{}, {"op": "set", "svc": "vebus"}, {"op": "late"}, {"op": 1}]
)
def test_an_unknown_operation_is_refused(operation: dict[str, Any]) -> None:
    """A misspelt or incomplete operation changes nothing."""
    with pytest.raises(ValueError, match="no such operation"):
        apply(Device(P), operation)


# Values.


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (87.6, b'{"value":87.5999984741211}'),
        (8.0, b'{"value":8.0}'),
        (-0.0, b'{"value":-0.0}'),
        (426, b'{"value":426}'),
        (True, b'{"value":true}'),
        ("№1", '{"value":"№1"}'.encode()),
        (None, b'{"value":null}'),
        ([], b'{"value":null}'),
        (float("nan"), b'{"value":null}'),
        (float("-inf"), b'{"value":null}'),
        (Ranged(1, 0, 2), b'{"max":2,"min":0,"value":1}'),
    ],
)
def test_payloads_are_written_as_venus_os_does(value: Value | Ranged, payload: bytes) -> None:
    """Compact, in alphabetical order, with the rounding of 32-bit floats, null if invalid."""
    assert encode(value) == payload


def test_values_are_those_of_a_battery_in_a_house() -> None:
    """Over a day power is voltage times current, and the state of charge follows its sign."""
    device = Device(P, list(INSTANCES), day=600.0)
    powers = []
    for second in range(600):
        now = values(read(device, "battery/512/", NOW + second))
        volt, ampere, watt = (now[f"battery/512/Dc/0/{n}"] for n in ("Voltage", "Current", "Power"))
        assert watt == int(volt * ampere)
        assert 44.0 < volt < 58.0
        assert 20.0 <= now["battery/512/Soc"] <= 100.0
        after = values(read(device, "battery/512/Soc", NOW + second + 1))["battery/512/Soc"]
        if abs(watt) > 1000:
            assert (after > now["battery/512/Soc"]) == (watt > 0)
        powers.append(watt)
    assert min(powers) < -2000
    assert max(powers) > 2000


def test_missing_values_are_null() -> None:
    """Phases that are not wired, and solar power without a solar charger, have no value."""
    device = Device(P)
    assert set(values(read(device, "vebus/275/Ac/ActiveIn/L2")).values()) == {None}
    assert len(read(device, "vebus/275/Ac/ActiveIn/L3")) == 5
    assert values(read(device, "system/0/Dc/Pv/Power")) == {"system/0/Dc/Pv/Power": None}


def test_counted_numbers_never_come_again() -> None:
    """Each read and each change of a measured value has a new number for its path."""
    device = Device(P, counted=True)
    shown: dict[str, list[float]] = {}
    for second in range(200):
        out = read(device, "vebus/275/Dc/0", NOW + second) + read(device, "vebus/275/Soc", NOW)
        if second == 100:
            keep_alive(device, now=NOW + second)
        if second == 150:
            device.restart()
        for name, value in values(out).items():
            shown.setdefault(name, []).append(value)
    for name in ("Dc/0/Voltage", "Dc/0/Current", "Dc/0/Power", "Soc"):
        numbers = shown[f"vebus/275/{name}"]
        assert len(numbers) >= 200
        assert len({round(number, 4) for number in numbers}) == len(numbers)
    assert isinstance(shown["vebus/275/Dc/0/Power"][0], int)


def test_the_same_calls_give_the_same_answers() -> None:
    """With the same seed two devices are equal; with different seeds they differ."""
    first, again, other = Device(P), Device(P), Device(P, seed=1)
    for step in range(20):
        now = NOW + step
        answer = read(first, "vebus/275/", now)
        assert read(again, "vebus/275/", now) == answer
        assert read(other, "vebus/275/", now) != answer


# Presence: VENUS, "Presence".


def test_a_service_that_hangs_answers_nothing_and_is_republished_as_if_it_were_fresh() -> None:
    """Each read of it is an error in the device's log; its changes are not published."""
    device = Device(P, counted=True)
    keep_alive(device)
    device.advance(NOW + 2.0)
    device.hang("vebus")
    errors = device.log.counters.errors
    assert read_alone(device, "vebus/275/Dc/0/Voltage", NOW + 3.0) == []
    assert read_alone(device, "vebus/275/Dc/0", NOW + 3.0) == []
    assert device.log.counters.errors == errors + 2
    said = topics(device.advance(NOW + 5.0))
    assert not [topic for topic in said if "/vebus/" in topic]
    topic = f"N/{P}/vebus/275/Dc/0/Voltage"
    shown = [keep_alive(device, b"", NOW + second) for second in (6.0, 20.0)]
    frozen = [[each.payload for each in out if each.topic == topic] for out in shown]
    assert len(frozen[0]) == 1
    assert frozen[0] == frozen[1]


def test_a_service_that_resumes_publishes_its_changes() -> None:
    """It has not left the bus, so it does not appear as new."""
    device = Device(P)
    keep_alive(device)
    device.hang("vebus")
    device.set_value("vebus", "/Mode", 4)
    device.advance(NOW + 2.0)
    device.resume("vebus")
    said = [p for p in device.advance(NOW + 3.5) if "/vebus/" in p.topic]
    assert values(said)["vebus/275/Mode"] == 4
    assert len(read_alone(device, "vebus/275/Soc", NOW + 4.0)) == 1


def test_a_crashed_service_sends_no_farewell_and_is_published_whole_after_its_restart() -> None:
    """Only missing answers show the crash; its return shows within milliseconds."""
    device = Device(P)
    keep_alive(device)
    device.advance(NOW + 1.0)
    device.crash("vebus")
    assert b"" not in [publish.payload for publish in device.advance(NOW + 2.0)]
    assert read_alone(device, "vebus/275/Soc", NOW + 3.0) == []
    device.come_back("vebus")
    back = topics(device.advance(NOW + 3.1))
    assert f"N/{P}/vebus/275/ProductId" in back
    assert f"N/{P}/vebus/275/Soc" in back


def test_a_service_comes_back_under_another_instance() -> None:
    """The old topics get a farewell, the new ones are published, and only these can be read."""
    device = Device(P)
    keep_alive(device)
    device.renumber("vebus", 276)
    out = device.advance(NOW + 1.0)
    farewells = {publish.topic for publish in out if not publish.payload}
    assert f"N/{P}/vebus/275/Soc" in farewells
    assert f"N/{P}/vebus/276/Soc" in topics(out)
    assert read_alone(device, "vebus/275/Soc", NOW + 1.0) == []
    assert len(read_alone(device, "vebus/276/Soc", NOW + 1.0)) == 1


def test_a_path_that_was_removed_is_republished_until_its_service_leaves() -> None:
    """It cannot be read, but every full republish and the farewell contain it."""
    device = Device(P)
    keep_alive(device)
    device.remove_path("vebus", "/Soc")
    assert read(device, "vebus/275/Soc") == []
    assert "vebus/275/Soc" in values(keep_alive(device, b"", NOW + 1.0))
    device.vanish("vebus")
    farewells = {p.topic for p in device.advance(NOW + 2.0) if not p.payload}
    assert f"N/{P}/vebus/275/Soc" in farewells


def test_the_plugin_publishes_its_start_once() -> None:
    """Not retained: later subscribers do not get it."""
    out = Device(P).announce()
    assert [(p.topic, p.payload, p.retain) for p in out if not p.topic.endswith("/Serial")] == [
        (f"N/{P}/keepalive", b"1", False)
    ]


@pytest.mark.parametrize(
    "line",
    [
        {"op": "hang", "svc": "vebus"},
        {"op": "resume", "svc": "vebus"},
        {"op": "crash", "svc": "vebus"},
        {"op": "renumber", "svc": "vebus", "instance": 276},
        {"op": "remove", "svc": "vebus", "path": "/Soc"},
    ],
)
def test_presence_can_be_set_by_lines_of_json_too(line: dict[str, Any]) -> None:
    """As every other operation."""
    device = Device(P)
    keep_alive(device)
    apply(device, line)
    device.advance(NOW + 1.0)
