"""The status line, part by part, and when the service is ready."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bat2influx.cli import COMMANDS
from bat2influx.clock import Hold
from bat2influx.config import settings
from bat2influx.daemon.status import (
    EVERY,
    FIRST_STEPS,
    READY_WITHIN,
    SHIPPED_ADDRESS,
    SHOWN,
    TOLERANCE,
    Status,
    joined,
)
from bat2influx.delivery.figures import Figures
from bat2influx.device.source import Census
from bat2influx.failure import Trouble
from bat2influx.mqtt.reconnect import State
from bat2influx.service import notify
from tests import TOP

REFUSED = Trouble("refused", "the broker at 10.0.0.2 is unreachable", effect="trying again")
BUSY = Trouble("database", "InfluxDB at 10.0.0.3 is away", effect="values wait")
FULL = Trouble("disk full", "no room for the spool")
NOTHING = "0.0 values/s, 0 queued"


def device(name: str = "", state: State = State.POLLING, **changes: Any) -> Any:
    """Return the attributes of a device that the line uses."""
    known: dict[str, Any] = {
        "battery": SimpleNamespace(name=name, address="10.0.0.2", password=""),
        "state": state,
        "trouble": None,
        "census": None,
        "latest": {},
        "labels": [],
        "without_value": {},
        "messages": 0,
    }
    return SimpleNamespace(**known | changes)


def reading(name: str = "", *labels: str, **latest: float) -> Any:
    """Return a device with values, under their labels."""
    return device(name, latest=latest, labels=[*labels] or [*latest])


def delivery(
    queued: int = 0, rejected: int = 0, troubles: Sequence[Trouble] = (), **more: int
) -> Any:
    """Return the attributes of the delivery that the line uses."""
    figures = Figures(queued=queued, rejected=rejected, troubles=(*troubles,), **more)
    return SimpleNamespace(figures=figures)


def line(*devices: Any, to: Any = None, hold: Hold = Hold.NO) -> list[str]:
    """Return the parts of the line, a second after the latest line, without a value since."""
    text = Status(0.0, 120.0).text(devices, to or delivery(), hold, 1.0)
    return text.split("; ")


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (State.WAITING, ["waiting 10.0.0.2"]),
        (State.RESOLVING, ["resolving 10.0.0.2"]),
        (State.CONNECTING, ["connecting 10.0.0.2"]),
        (State.LOGIN, ["login 10.0.0.2"]),
        (State.DISCOVERING, ["discovering 10.0.0.2"]),
        (State.NOT_RESPONDING, ["not responding 10.0.0.2"]),
        (State.POLLING, []),
    ],
)
def test_a_device_without_values_shows_its_state(state: State, part: list[str]) -> None:
    """While it is polled without a value yet, nothing is shown."""
    assert line(device(state=state)) == [*part, NOTHING]


def test_a_site_has_its_name_in_front() -> None:
    """Of state, trouble and values."""
    devices = (
        device("boat", State.LOGIN),
        device("van", trouble=FULL),
        reading("house", Soc=61.5),
    )
    assert line(*devices) == [
        "van: no room for the spool",
        "boat: login 10.0.0.2",
        "house: Soc 61.5",
        NOTHING,
    ]


UNKNOWN = Trouble("name", "cannot resolve venus.local")


def shipped(address: str = SHIPPED_ADDRESS, password: str = "", **changes: Any) -> Any:
    """Return a device with the installed file's settings, whose name does not resolve."""
    battery = SimpleNamespace(name="", address=address, password=password)
    return device(**{"battery": battery, "trouble": UNKNOWN} | changes)


def test_an_unconfigured_service_shows_the_first_steps() -> None:
    """In one part of the line, after the problems, however many devices there are."""
    assert line(shipped()) == [UNKNOWN.what, FIRST_STEPS, NOTHING]
    assert line(shipped(), shipped()) == [UNKNOWN.what] * 2 + [FIRST_STEPS, NOTHING]


@pytest.mark.parametrize(
    "configured",
    [
        shipped("10.0.0.2"),
        shipped(password="secret"),
        shipped(messages=1),
        shipped(trouble=REFUSED),
        shipped(trouble=None),
    ],
    ids=["an address", "a password", "it has been read", "another cause", "no cause"],
)
def test_a_configured_service_does_not(configured: Any) -> None:
    """Whatever its problem is, its file was edited, or its device was connected before."""
    assert FIRST_STEPS not in line(configured)


def test_the_first_steps_are_the_same_wherever_they_are_named(tmp_path: Path) -> None:
    """In the installation, the status, and for the installed address."""
    assert f"not configured yet; {FIRST_STEPS}" in (TOP / "debian/postinst").read_text()
    assert {*re.findall(r"bat2influx ([a-z-]+)", FIRST_STEPS)} <= {*COMMANDS}
    empty = tmp_path / "empty.ini"
    empty.touch()
    for file in (empty, TOP / "etc/bat2influx.ini"):
        (battery,) = settings.load(file).batteries
        assert (battery.address, battery.password) == (SHIPPED_ADDRESS, "")


def test_problems_come_first_and_the_queue_last() -> None:
    """The clock, each device, database and disk; then the devices in their order."""
    devices = (
        device("a", State.WAITING, trouble=REFUSED),
        device("b", State.RESOLVING),
        device("c", trouble=FULL, latest={"Soc": 50.0}, labels=["Soc"]),
    )
    to = delivery(7, 0, [BUSY, FULL])
    assert line(*devices, to=to, hold=Hold.UNSET) == [
        "the clock has not been set",
        "values are queued until it is",
        "a: the broker at 10.0.0.2 is unreachable",
        "trying again",
        "c: no room for the spool",
        "InfluxDB at 10.0.0.3 is away",
        "values wait",
        "no room for the spool",
        "b: resolving 10.0.0.2",
        "c: Soc 50",
        "0.0 values/s, 7 queued",
    ]


def test_a_long_line_is_cut_and_counts_what_is_left_out() -> None:
    """Found: the status of many devices was cut within a word, before the queued values."""
    devices = [device(f"site {number}", trouble=REFUSED) for number in range(1000)]
    text = Status(0.0, 120.0).text(devices, delivery(7), Hold.NO, 1.0)
    first, *_, more, last = text.split("; ")
    assert len(text) <= notify.MAX_STATUS
    assert first == "site 0: the broker at 10.0.0.2 is unreachable"
    shown = text.count("site ")
    assert more == f"and {1000 - shown} more"
    assert shown > 5
    assert last == "0.0 values/s, 7 queued"


@pytest.mark.parametrize(
    ("parts", "last", "longest", "text"),
    [
        ([], "end", 40, "end"),
        (["one", "two"], "end", 13, "one; two; end"),
        (["one", "two"], "end", 12, "…; and 1 more; end"),
        (["one" * 10, "two", "six"], "end", 40, "oneoneoneoneoneoneoneo…; and 2 more; end"),
        (["one"], "end" * 10, 40, "one; endendend…"),
    ],
)
def test_parts_are_joined_up_to_a_length(
    parts: list[str], last: str, longest: int, text: str
) -> None:
    """The first part is always present, the last up to a quarter; others are counted."""
    assert joined(parts, last, longest) == text


@pytest.mark.parametrize(
    ("hold", "parts"),
    [
        (Hold.NO, []),
        (Hold.UNSET, ["the clock has not been set", "values are queued until it is"]),
        (
            Hold.UNSYNCHRONISED,
            ["the clock is not synchronised yet", "values are queued until it is"],
        ),
    ],
)
def test_waiting_for_the_clock_is_shown(hold: Hold, parts: list[str]) -> None:
    """It is why values are queued without another problem."""
    assert line(hold=hold) == [*parts, NOTHING]


def test_a_device_that_is_not_read_shows_no_values() -> None:
    """Its last values are not the present ones."""
    silent = device(state=State.NOT_RESPONDING, latest={"Soc": 50.0}, labels=["Soc"])
    assert line(silent) == ["not responding 10.0.0.2", NOTHING]
    silent.trouble = REFUSED
    assert line(silent) == ["the broker at 10.0.0.2 is unreachable", "trying again", NOTHING]


def test_values_come_in_the_order_of_the_fields() -> None:
    """With as many digits as needed; a field without a number shows what it has instead."""
    made = reading("", "Voltage", "Power", "Soc", "Pv", "Absent", Soc=61.5, Voltage=53.0)
    made.latest |= {"Power": -1234.5678, "Elsewhere": 1.0}
    made.without_value = {"Pv": "null", "Soc": "text"}
    assert line(made)[0] == "Voltage 53, Power -1234.57, Soc text, Pv null"


@pytest.mark.parametrize(
    ("count", "end"),
    [
        (SHOWN, "F11 11"),
        (SHOWN + 1, "F11 11, and 1 more"),
        (SHOWN + 30, "F11 11, and 30 more"),
    ],
)
def test_of_many_values_the_first_few_are_shown(count: int, end: str) -> None:
    """A line has space for a dozen values of a device."""
    made = reading(**{f"F{number}": float(number) for number in range(count)})
    assert line(made)[0].startswith("F0 0, F1 1, ")
    assert line(made)[0].endswith(end)


def test_a_fleet_shows_its_census_in_place_of_values() -> None:
    """The values of a thousand devices do not fit."""
    fleet = reading(Soc=50.0)
    fleet.census = Census(1000, ("a", "b"))
    assert line(fleet) == ["1,000 devices, 2 not responding (a, b)", NOTHING]


@pytest.mark.parametrize(
    ("figures", "counts"),
    [
        ({}, "0 queued"),
        ({"queued": 9}, "9 queued"),
        ({"queued": 9, "rejected": 2}, "9 queued, 2 rejected"),
        ({"dropped": 3}, "0 queued, 3 dropped"),
        ({"rejected": 2, "rejected_dropped": 4}, "0 queued, 2 rejected, 4 dropped"),
        ({"dropped": 3, "rejected_dropped": 4}, "0 queued, 7 dropped"),
    ],
)
def test_counts_of_the_delivery_end_the_line(figures: dict[str, int], counts: str) -> None:
    """Rejected and dropped values are named if there are any."""
    assert line(to=delivery(**figures))[-1] == f"0.0 values/s, {counts}"


@pytest.mark.parametrize(
    ("values", "seconds", "rate"),
    [(9, 1.0, "9.0"), (9, 2.0, "4.5"), (3, 0.5, "6.0"), (3, 0.1, "6.0"), (3, 0.0, "6.0")],
)
def test_values_are_counted_since_the_latest_line(values: int, seconds: float, rate: str) -> None:
    """The first value causes a line at once; a rate is over at least half a second."""
    status = Status(0.0, 120.0)
    status.count(100)
    status.send("", 50.0)
    status.count(values - 1)
    status.count(1)
    text = status.text((), delivery(), Hold.NO, 50.0 + seconds)
    assert text == f"{rate} values/s, 0 queued"
    assert status.text((), delivery(), Hold.NO, 50.0 + seconds) == text


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The notifications to the service manager."""
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(notify, "ready", lambda text: made.append(("ready", text)))
    monkeypatch.setattr(notify, "status", lambda text: made.append(("status", text)))
    return made


def test_it_is_ready_with_the_first_value(told: list[tuple[str, str]]) -> None:
    """Notified at once, even right after another line, and only once."""
    status = Status(100.0, 120.0)
    assert status.due(100.0)
    status.send("looking", 100.0)
    assert not status.due(100.5)
    status.count(1)
    assert status.due(100.5)
    status.send("Soc 61", 100.5)
    status.count(1)
    assert not status.due(101.0)
    assert status.due(101.5)
    status.send("Soc 62", 101.5)
    assert told == [("status", "looking"), ("ready", "Soc 61"), ("status", "Soc 62")]


@pytest.mark.parametrize(
    ("watchdog", "within"), [(120.0, 10.0), (240.0, READY_WITHIN), (60.0, 5.0)]
)
def test_without_a_value_it_is_ready_after_a_while(
    told: list[tuple[str, str]], watchdog: float, within: float
) -> None:
    """After 10 s, or W/12 if that is less: a start does not delay the boot."""
    status = Status(100.0, watchdog)
    status.send("a", 100.0 + within - 0.5)
    status.send("b", 100.0 + within)
    status.send("c", 100.0 + within + 1)
    assert told == [("status", "a"), ("ready", "b"), ("status", "c")]


def test_a_line_is_sent_again_only_if_it_changes(told: list[tuple[str, str]]) -> None:
    """The service manager has it already; READY=1 is sent all the same."""
    status = Status(0.0, 120.0)
    for now in (0.0, 1.0, 2.0):
        status.send("same", now)
    status.send("same", 10.0)
    status.send("same", 11.0)
    status.send("other", 12.0)
    status.send("same", 13.0)
    assert told == [("status", "same"), ("ready", "same"), ("status", "other"), ("status", "same")]


def test_a_line_waits_for_a_turn_that_comes_anyway() -> None:
    """From 0.75 s after the latest on it goes with another turn; after 1.25 s it has its own."""
    status = Status(100.0, 120.0)
    status.send("", 107.5)
    waits = [status.timeout(now) for now in (107.5, 108.0, 108.75, 110.0)]
    assert waits == [EVERY + TOLERANCE, 0.75, 0.0, 0.0]
    assert [status.due(now) for now in (107.5, 108.2, 108.25, 109.0)] == [False, False, True, True]


def test_a_tick_every_second_has_a_line_with_each() -> None:
    """No turn of the loop is for the line alone, even if a tick comes late."""
    status = Status(100.0, 120.0)
    status.send("", 100.0)
    for tick in (101.0, 102.1, 103.0, 104.0):
        assert status.timeout(tick - 0.01) > 0.0
        assert status.due(tick)
        status.send("", tick)


def test_remarks_on_clocks_come_first() -> None:
    """After the wait for the clock, before the problems."""
    devices, remark = (device(trouble=FULL),), "the clock is not synchronised"
    text = Status(0.0, 120.0).text(devices, delivery(), Hold.UNSET, 1.0, [remark])
    awaited = f"{Hold.UNSET.value}; values are queued until it is"
    assert text == "; ".join((awaited, remark, FULL.text, NOTHING))
