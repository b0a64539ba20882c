"""The Venus stand-in without a broker: services that come and go, and reasons of publishes.

The facts are those of VENUS, "Presence".
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.standins.venus.device import Device
from tests.standins.venus.faults import apply
from tests.standins.venus.firmware import Firmware
from tests.standins.venus.log import Why
from tests.standins.venus.plugin import Publish
from tests.standins.venus.values import OFF_GRID

P = "c0619ab1c2d3"
NOW = 1795350000.25
FULL, SUPPRESSED = b"", b'{"keepalive-options":["suppress-republish"]}'


def read(device: Device, path: str, now: float = NOW) -> list[Publish]:
    """Return the answer to a read, without other messages that were due."""
    device.advance(now)
    return device.handle(f"R/{P}/{path}", b"", now)


def keep_alive(device: Device, payload: bytes = SUPPRESSED, now: float = NOW) -> list[Publish]:
    return device.handle(f"R/{P}/keepalive", payload, now)


def places(out: list[Publish]) -> Counter[str]:
    """Return how often each service was published, as solarcharger/288."""
    parts = [publish.topic.split("/") for publish in out]
    return Counter("/".join(each[2:4]) for each in parts if len(each) > 4)


def of(out: list[Publish], place: str) -> list[Publish]:
    """Return the publishes of a service or below a path."""
    return [each for each in out if f"{each.topic}/".startswith(f"N/{P}/{place}/")]


def reasons(out: list[Publish]) -> dict[Why, int]:
    return dict(Counter(publish.why for publish in out))


# Why something is published.


def test_each_publish_has_its_reason() -> None:
    """Answer, foreign answer, change, republish and farewell are distinguished."""
    device = Device(P, ("vebus", "system"))
    assert reasons(device.announce()) == {Why.OTHER: 2}
    assert reasons(read(device, "vebus/275/Dc/0")) == {Why.ANSWER: 5}
    republish = reasons(keep_alive(device, FULL))
    assert republish.keys() == {Why.REPUBLISH, Why.OTHER}
    assert republish[Why.OTHER] == 2  # the end of the republish, and the heartbeat
    assert reasons(device.advance(NOW + 1.0)).keys() == {Why.NOTIFICATION}
    device.set_value("vebus", "/Soc", 50.0)
    assert reasons(device.advance(NOW + 1.0)) == {Why.NOTIFICATION: 1}
    device.vanish("vebus")
    assert reasons(device.advance(NOW + 1.0)).keys() == {Why.FAREWELL}
    device.come_back("vebus")
    assert reasons(device.advance(NOW + 1.0)).keys() == {Why.NOTIFICATION}
    sleeping = Device(P)
    sleeping.foreign(1.0, ["vebus/275/Soc"])
    assert reasons(sleeping.advance(NOW)) == {Why.FOREIGN: 1}


def test_dbus_mqtt_has_the_same_reasons() -> None:
    """Older firmware: all values at the first keepalive, and empty messages at its end."""
    device = Device(P, firmware=Firmware.SERIAL_ALONE)
    wakes = device.handle(f"R/{P}/system/0/Serial", b"", NOW)
    assert reasons(wakes).keys() == {Why.REPUBLISH}
    assert reasons(read(device, "vebus/275/Soc")) == {Why.ANSWER: 1}
    assert Why.FAREWELL in reasons(device.advance(NOW + 61.0))


# A system of several chargers and batteries.


@pytest.fixture
def off_grid() -> Device:
    """Three chargers, two batteries and no vebus, kept alive."""
    device = Device(P, OFF_GRID)
    keep_alive(device)
    device.advance(NOW)
    return device


Operation = Callable[[Device, str], None]
SWITCHES: dict[str, tuple[Operation, Operation]] = {
    "vanish": (Device.vanish, Device.come_back),
    "hang": (Device.hang, Device.resume),
    "crash": (Device.crash, Device.come_back),
}


@pytest.mark.parametrize("place", OFF_GRID)
@pytest.mark.parametrize("how", SWITCHES)
def test_each_service_is_switched_by_itself(off_grid: Device, place: str, how: str) -> None:
    """If one leaves, the others stay; after its return it is read again."""
    away, back = SWITCHES[how]
    away(off_grid, place)
    gone = off_grid.advance(NOW)
    assert places(gone).keys() <= {place}
    assert bool(gone) == (how == "vanish")
    for each in OFF_GRID:
        assert bool(read(off_grid, f"{each}/", NOW)) == (each != place)
    said = places(off_grid.advance(NOW + 2.0))
    assert place not in said
    assert said.keys() >= {each for each in OFF_GRID if each != place}
    shown = places(keep_alive(off_grid, FULL, NOW + 2.0))
    assert (place in shown) == (how != "vanish")
    back(off_grid, place)
    off_grid.advance(NOW + 2.0)
    assert all(read(off_grid, f"{each}/", NOW + 2.0) for each in OFF_GRID)


def test_another_client_needs_no_vebus(off_grid: Device) -> None:
    """Without a path it reads a state of charge, of any service that has one."""
    off_grid.foreign(1.0)
    foreign = [each for each in off_grid.advance(NOW) if each.why is Why.FOREIGN]
    assert [each.topic for each in foreign] == [f"N/{P}/battery/512/Soc"]


# Boot, renumbering, removed paths.


def test_services_come_late_at_a_boot(off_grid: Device) -> None:
    """Services that start later are missing until then; each is then published whole."""
    late = [each for each in OFF_GRID if each != "system/0"]
    off_grid.restart(late)
    assert [each.topic for each in off_grid.advance(NOW)] == [f"N/{P}/system/0/Serial"]
    assert places(keep_alive(off_grid, FULL)).keys() == {"system/0"}
    errors = off_grid.log.counters.errors
    assert not read(off_grid, "solarcharger/288/Yield/Power")
    assert off_grid.log.counters.errors == errors + 1
    for number, each in enumerate(late):
        off_grid.come_back(each)
        whole = of(off_grid.advance(NOW), each)
        assert f"N/{P}/{each}/ProductId" in [publish.topic for publish in whole]
        assert reasons(whole).keys() == {Why.NOTIFICATION}
        assert not any(read(off_grid, f"{other}/") for other in late[number + 1 :])
    off_grid.restart()
    off_grid.advance(NOW)
    assert places(keep_alive(off_grid, FULL, NOW + 1.0)).keys() == {*OFF_GRID}


def test_a_renumbered_service_exists_once() -> None:
    """275 renumbered to 276 is `vebus` from then on, can be reverted, and survives a boot."""
    device = Device(P)
    device.renumber("vebus", 276)
    device.advance(NOW)
    device.set_value("vebus", "/Soc", 12.5)
    assert read(device, "vebus/276/Soc")[0].payload == b'{"value":12.5}'
    device.restart()
    device.advance(NOW)
    assert places(keep_alive(device, FULL)).keys() == {"vebus/276", "system/0"}
    device.renumber("vebus", 275)
    farewell = [each for each in device.advance(NOW) if not each.payload]
    assert places(farewell).keys() == {"vebus/276"}
    assert read(device, "vebus/275/Soc")
    assert not read(device, "vebus/276/Soc")


@pytest.mark.parametrize("renumbered", [False, True])
def test_a_removed_path_does_not_return_with_its_service(renumbered: bool) -> None:
    """It leaves the plugin's cache with the service; only a boot restores it."""
    device = Device(P)
    keep_alive(device)
    device.remove_path("vebus", "/Soc")
    if renumbered:
        device.renumber("vebus", 276)
    else:
        device.vanish("vebus")
        device.come_back("vebus")
    place = f"vebus/{276 if renumbered else 275}"
    said = device.advance(NOW)
    assert [each.payload for each in of(said, "vebus/275/Soc")] == [b""]
    back = [each for each in of(said, place) if each.payload]
    assert back
    assert not of(back, f"{place}/Soc")
    assert not of(keep_alive(device, FULL, NOW + 1.0), f"{place}/Soc")
    assert not read(device, f"{place}/Soc", NOW + 1.0)


# Other clients, and queued messages.


def test_another_client_has_everything_published_at_its_interval() -> None:
    """Each of its full keepalives brings a full republish, and changes come in between."""
    device = Device(P)
    device.foreign(0.001, full_interval=30.0)
    out = device.advance(NOW)
    for second in range(1, 101):
        out += device.advance(NOW + second)
    ends = [each for each in out if each.topic == f"N/{P}/full_publish_completed"]
    assert len(ends) == 4  # at 0, 30, 60 and 90 s
    assert device.log.counters.keepalives == 0
    assert device.log.counters.foreign == 1 + 4
    assert Why.NOTIFICATION in reasons(out)


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("rate", [1, 4, 10])
def test_values_change_so_many_times_a_second(rate: int, counted: bool) -> None:
    """`quicken` takes effect at once, also while a keepalive lasts."""
    device = Device(P, counted=counted)
    keep_alive(device)
    device.advance(NOW + 5.0)
    device.quicken(rate)
    device.advance(NOW + 6.0)
    out = of(device.advance(NOW + 16.0), "vebus/275/Dc/0/Current")
    assert len({each.payload for each in out}) == len(out) if counted else out
    assert 0.9 * 10 * rate <= len(out) <= 10 * rate


def test_numbers_can_count_the_reads() -> None:
    """Then each answer is one more than the last, and no measured value changes unasked."""
    device = Device(P, counted="reads")
    keep_alive(device)
    powers = []
    for second in range(1, 6):
        assert not of(device.advance(NOW + second), "vebus/275/Dc/0")
        (answer,) = read(device, "vebus/275/Dc/0/Power", NOW + second)
        powers.append(json.loads(answer.payload)["value"])
    assert powers == [1, 2, 3, 4, 5]


def test_after_a_stall_all_comes_in_one_burst() -> None:
    """During the stall nothing is read or published; then come notifications, then answers."""
    device = Device(P, counted=True)
    device.quicken(4)
    keep_alive(device)
    device.advance(NOW + 2.0)
    device.stall()
    heard = len(device.log.requests)
    assert device.handle(f"R/{P}/vebus/275/Dc/0/Current", b"", NOW + 3.0) == []
    assert device.advance(NOW + 6.9) == []
    assert len(device.log.requests) == heard
    device.go_on()
    assert device.next_due() == 0.0
    burst = of(device.advance(NOW + 7.0), "vebus/275/Dc/0/Current")
    assert [each.why for each in burst] == [Why.NOTIFICATION] * 20 + [Why.ANSWER]
    values = [json.loads(each.payload)["value"] for each in burst]
    assert values == sorted(values)
    assert len({*values}) == len(values)
    assert device.log.requests[-1].time == NOW + 7.0
    assert device.advance(NOW + 7.0) == []


@pytest.mark.parametrize(
    "line",
    [
        {"op": "foreign", "rate": 1, "full_interval": 30},
        {"op": "quicken", "rate": 4},
        {"op": "stall"},
        {"op": "go_on"},
        {"op": "restart", "late": ["vebus"]},
    ],
)
def test_lines_of_json_do_this_too(line: dict[str, Any]) -> None:
    """Each calls `on_change`, as every other operation does."""
    device = Device(P)
    calls: list[None] = []
    device.on_change = lambda: calls.append(None)
    apply(device, line)
    assert calls
