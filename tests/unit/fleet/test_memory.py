"""The memory counted for a fleet: bytes for each device, and never less than they take."""

from __future__ import annotations

import tracemalloc

import pytest

from bat2influx.fleet.intake import FleetIntake
from bat2influx.fleet.keepalive import Keepalives
from bat2influx.fleet.memory import DEVICE, REQUEST, SERIES, Memory
from bat2influx.fleet.plan import FleetPlan
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.venus.units import DEFAULT_FIELDS


def test_there_is_room_until_the_bytes_are_used() -> None:
    """Names count, and so does each field of a topic and each requested topic."""
    memory = Memory(2 * DEVICE + 2 * SERIES + REQUEST + 2 + 2 * 7 + 3)
    assert memory.reserve_device("a")
    assert memory.reserve_device("b")
    assert memory.reserve_series("a", "N/a/b/c", 2)
    assert not memory.reserve_requests("b", ["R/b/"])
    assert memory.reserve_requests("b", ["R/b"])
    assert not memory.reserve_device("c")
    assert memory.full


def test_what_is_forgotten_makes_room() -> None:
    """All of it, and once; an unknown device has nothing to forget."""
    memory = Memory(2 * (DEVICE + 1))
    assert memory.reserve_device("a")
    assert memory.reserve_device("b")
    for _ in range(2):
        memory.forget("a")
        memory.forget("nobody")
    assert memory.used == DEVICE + 1
    assert not memory.full
    assert memory.reserve_device("c")
    assert not memory.reserve_device("d")


@pytest.mark.parametrize("by_tick", [False, True])
@pytest.mark.parametrize("length", [12, 64])
def test_what_is_counted_is_what_is_taken(length: int, by_tick: bool) -> None:
    """A thousand devices with the nine fields, lines included, by Python's own count."""
    memory, plan = Memory(10**9), FleetPlan(DEFAULT_FIELDS)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        keepalives = Keepalives(120.0, lambda: 0.5, shared=False)
        for number in range(1000):
            portal = f"{number:0{length}}"
            pulse = keepalives.add(portal, number * 0.001)
            pulse.received_at, pulse.keepalive_at = number * 0.002, number * 0.003
            assert memory.reserve_device(portal)
        devices = tracemalloc.get_traced_memory()[0] - before
        assert 0.5 * memory.used <= devices <= memory.used
        intake = FleetIntake("", memory, by_tick=by_tick, shared=False)
        encoder = Encoder("dc", (), ("portal", "service", "instance"))
        intake.begin_tick(1)
        for pulse in keepalives.pulses.values():
            for field in DEFAULT_FIELDS:
                topic = f"N/{pulse.portal}/{field.service}/275/{field.path}"
                wanted = plan.find(topic)
                assert wanted
                series = intake.learn(topic, wanted, pulse)
                assert series
                intake.process(series, 1.5, 10**18 + len(intake.known))
        intake.begin_tick(10**18)
        encoder.lines("", intake.pop_rows())
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.7 * memory.used <= taken <= memory.used
