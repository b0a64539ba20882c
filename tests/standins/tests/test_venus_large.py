"""The large system of the Venus stand-in: its services, and how its values are related."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.standins.venus.large import ABSENT, INVERTERS, LINES, NULL, large, services

P = "0619ab1c2d30"
NOW = 1795350000.25
Values = dict[str, Any]


@pytest.fixture(params=[NOW, NOW + 43200.0], ids=["day", "night"])
def now(request: pytest.FixtureRequest) -> Values:
    """All values of a device, by service/instance/path, with the sun and without."""
    device = large(P)
    read: Values = {}
    for name in services(P):
        for answer in device.handle(f"R/{P}/{name}/", b"", request.param):
            read[answer.topic.removeprefix(f"N/{P}/")] = json.loads(answer.payload)["value"]
    return read


def test_there_are_two_inverters_and_all_other_services(now: Values) -> None:
    """Each service has its product; the system has the portal id."""
    found = {name.removesuffix("/ProductId") for name in now if name.endswith("/ProductId")}
    assert found == set(services(P)) - {"system/0"}
    assert now["system/0/Serial"] == P
    assert len(INVERTERS) == 2


@pytest.mark.parametrize(
    "place",
    [
        *(f"{name}/Ac/{side}/L{{}}/P" for name in INVERTERS for side in ("ActiveIn", "Out")),
        *(f"{name}/Ac/{side}/L{{}}/V" for name in INVERTERS for side in ("ActiveIn", "Out")),
        "grid/30/Ac/L{}/Power",
        "system/0/Ac/Grid/L{}/Power",
        "system/0/Ac/Consumption/L{}/Power",
    ],
)
def test_each_phase_is_wired_and_has_separate_values(place: str, now: Values) -> None:
    """No two phases of a service have the same values."""
    assert len({now[place.format(line)] for line in LINES}) == 3


@pytest.mark.parametrize(
    ("total", "part"),
    [
        *(
            (f"{name}/Ac/{side}/{unit}", f"{name}/Ac/{side}/L{{}}/{unit}")
            for name in INVERTERS
            for side in ("ActiveIn", "Out")
            for unit in "PS"
        ),
        ("grid/30/Ac/Power", "grid/30/Ac/L{}/Power"),
        ("pvinverter/20/Ac/Power", "pvinverter/20/Ac/L{}/Power"),
    ],
)
def test_a_total_is_the_sum_of_its_phases(total: str, part: str, now: Values) -> None:
    """At each inverter, at the meter and at the PV inverter."""
    assert now[total] == sum(now[part.format(line)] for line in LINES)


def test_powers_add_up(now: Values) -> None:
    """The system's sums are those of the devices, within rounding."""

    def both(path: str) -> float:
        return float(sum(now[f"{name}/{path}"] for name in INVERTERS))

    close: Callable[[float], Any] = lambda value: pytest.approx(value, rel=0.02, abs=30.0)  # noqa: E731
    assert both("Dc/0/Power") == close(now["system/0/Dc/Vebus/Power"])
    assert both("Ac/Out/P") == close(sum(now[f"system/0/Ac/Consumption/L{n}/Power"] for n in LINES))
    assert both("Ac/ActiveIn/P") == close(now["grid/30/Ac/Power"] + now["pvinverter/20/Ac/Power"])
    sun = now["system/0/Dc/Pv/Power"]
    assert sun + now["system/0/Dc/Vebus/Power"] == close(now["system/0/Dc/Battery/Power"])


def test_some_paths_are_missing_and_some_have_no_value(now: Values) -> None:
    """An absent value is no path of the device; a null value is a path, and stays null."""
    missing = {tuple(place.split("/", 1)) for place in ABSENT}
    there = {(name.split("/", 2)[0], name.split("/", 2)[2]) for name in now}
    assert not missing & there
    assert {now[name] for name in NULL} == {None}


def test_counted_numbers_are_new_at_each_change() -> None:
    """With `counted` each measured path counts up, and null stays null."""
    device = large(P, counted=True)
    shown: dict[str, list[Any]] = {}
    for second in range(3):
        for name in services(P):
            for answer in device.handle(f"R/{P}/{name}/", b"", NOW + second):
                shown.setdefault(answer.topic, []).append(json.loads(answer.payload)["value"])
    powers = [each for topic, each in shown.items() if topic.endswith(("/P", "Power"))]
    measured = [each for each in powers if each[0] not in (None, 0)]
    assert len(measured) > 30
    assert all(len(set(each)) == 3 for each in measured)
    assert shown[f"N/{P}/{NULL[0]}"] == [None] * 3
